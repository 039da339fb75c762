"""Where the rows of two engines part: the first step of a query after which they differ, and a switch that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

from harness.detection.engine import ResultRows
from harness.detection.language import Plan, Settings, Step, Switch
from harness.detection.plan.nodes import Node, walk_nodes
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Span
from harness.verdict.row_keys import build_row_keys
from harness.verdict.store import list_made_columns

RowKeys = Sequence[tuple[str, ...]]
# Chosen, no source: more would not be read.
MOST_EXAMPLES = 3
# Two unsettled meanings at once are tried, each with a run of the plan; more are not worth their time.
MOST_COMBINATIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PartingStep:
    """The first step after which rows differ: its number from 1, how many rows each engine has, some that one lacks."""

    number: int
    span: Span
    name: str
    rows: tuple[int, int]
    only: tuple[tuple[str, ...], tuple[str, ...]]


def find_compared_names(plan: Plan) -> frozenset[str]:
    """The fields by which rows are compared: those that the query names or makes. Products add others to events."""
    made = {name for node in walk_nodes(plan.node) for name in list_made_columns(node)}
    return frozenset(plan.reads | made)


def find_parting_step(
    steps: Sequence[Step], here: Callable[[Step], ResultRows], there: Callable[[Step], ResultRows], plan: Plan
) -> PartingStep | None:
    """The first of these steps whose rows are not the same on both; None if all are."""
    wanted = find_compared_names(plan)
    for number, step in enumerate(steps, 1):
        own, other = here(step), there(step)
        left, right = (build_row_keys(rows.records(), wanted) for rows in (own, other))
        if left != right:
            rows = (len(own), len(other))
            return PartingStep(
                number=number, span=step.span, name=step.name, rows=rows, only=list_unshared_rows(left, right)
            )
    return None


def list_unshared_rows(left: RowKeys, right: RowKeys) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Some rows that only one side has, each as one text."""
    first, second = Counter(left), Counter(right)
    return (
        tuple(", ".join(key) for key in list((first - second).elements())[:MOST_EXAMPLES]),
        tuple(", ".join(key) for key in list((second - first).elements())[:MOST_EXAMPLES]),
    )


def find_explaining_switches(
    replan: Callable[[Settings], Plan],
    settings: Settings,
    plan: Plan,
    switches: Sequence[Switch],
    is_explained: Callable[[Plan], bool],
) -> list[Mapping[str, str]]:
    """Other values of the switches that the plan depends on under which the rows are the other engine's.

    One switch is tried first, then two at once.
    """
    for several in (1, 2):
        found = [
            chosen
            for chosen in list_other_values(plan, switches, several)
            if is_explained(replan(replace(settings, switches={**settings.switches, **chosen})))
        ]
        if found:
            return found
    return []


def list_other_values(plan: Plan, switches: Sequence[Switch], several: int) -> Iterator[dict[str, str]]:
    """So many switches of a plan at other values than it used."""
    others = {s.name: [v for v in s.values if v != plan.switches[s.name]] for s in switches if s.name in plan.switches}
    tried = 0
    for names in combinations(others, several):
        for values in product(*(others[name] for name in names)):
            tried += 1
            if tried > MOST_COMBINATIONS:
                return
            yield dict(zip(names, values, strict=True))


def has_rows(run: Callable[[Node], ResultRows], node: Node, expected: RowKeys, names: frozenset[str]) -> bool:
    """Whether a relation has exactly these rows."""
    found = run(node).select(tuple(columns_of(node)))
    return build_row_keys(found.records(), names) == list(expected)
