"""Where the rows of two engines part: the first step after which they differ, and a switch that explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

from harness.detection.engine import ResultRows
from harness.detection.language import Plan, Settings, Step, Switch
from harness.detection.plan.nodes import Node, walk_nodes
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Span
from harness.record import record
from harness.verdict.row_keys import build_row_keys
from harness.verdict.store import list_made_columns

RowKeys = Sequence[tuple[str, ...]]
# Chosen, no source: more would not be read.
MOST_ROWS_TOLD = 3
# Two unsettled meanings at once are tried, each with a run of the plan; more are not worth their time.
MOST_COMBINATIONS = 60


@record(kw_only=True)
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


@record(kw_only=True)
class QueryPrefix:
    """A query up to the end of one of its steps: what that means here, and the same under other settings."""

    step: Step
    plan: Plan
    replan: Callable[[Settings], Plan]


def find_parting_step(
    prefixes: Iterable[QueryPrefix], run: Callable[[Node], ResultRows], there: Callable[[Step], ResultRows]
) -> tuple[PartingStep, QueryPrefix, RowKeys] | None:
    """The first step whose rows are not the same on both, with its prefix and the other engine's rows; None if all are.

    The beginnings of the text are run on both, so that neither knows what follows.
    """
    for number, prefix in enumerate(prefixes, 1):
        wanted = find_compared_names(prefix.plan)
        own = run(prefix.plan.node).select(tuple(columns_of(prefix.plan.node)))
        other = there(prefix.step)
        left, right = (build_row_keys(rows.records(), wanted) for rows in (own, other))
        if left != right:
            only = list_unshared_rows(left, right)
            found = PartingStep(
                number=number,
                span=prefix.step.span,
                name=prefix.step.name,
                rows=(len(own), len(other)),
                only=only,
            )
            return found, prefix, right
    return None


def list_unshared_rows(left: RowKeys, right: RowKeys) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Some rows that only one side has, each as one text."""
    first, second = Counter(left), Counter(right)
    return (
        tuple(", ".join(key) for key in list((first - second).elements())[:MOST_ROWS_TOLD]),
        tuple(", ".join(key) for key in list((second - first).elements())[:MOST_ROWS_TOLD]),
    )


def find_explaining_switches(
    prefix: QueryPrefix,
    settings: Settings,
    switches: Sequence[Switch],
    run: Callable[[Node], ResultRows],
    expected: RowKeys,
) -> list[Mapping[str, str]]:
    """Other values of the switches that a query depends on under which its rows are the other engine's.

    One switch is tried first, then two at once.
    """
    names = find_compared_names(prefix.plan)

    def is_explained(chosen: Mapping[str, str]) -> bool:
        plan = prefix.replan(replace(settings, switches={**settings.switches, **chosen}))
        return has_rows(run, plan.node, expected, names)

    for several in (1, 2):
        found: list[Mapping[str, str]] = [
            chosen for chosen in list_other_values(prefix.plan, switches, several) if is_explained(chosen)
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
