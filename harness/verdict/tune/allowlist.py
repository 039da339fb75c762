"""Which exclusions would take away most false alerts for the least recall, each tried by running the rule with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from harness.detection.engine import CellValue
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Filter, Node, Scan, walk_nodes
from harness.detection.plan.schema import columns_of
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.study.batch import HOST_FIELDS, Batch
from harness.verdict.study.isolation import rebuild_on_sources
from harness.verdict.tune.observations import Observations, Point, observe

# Both chosen, no source: each exclusion that is tried is a run of the rule, each value a pass over all groups.
MOST_TRIED = 5
MOST_ALLOWLIST_VALUES = 2000
ADDRESS_TEXT = late_pattern(r"[0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
DOMAIN_TEXT = late_pattern(r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}")


@record(kw_only=True)
class AllowlistEntry:
    """An exclusion of events whose `field` fits `pattern` (* is any run), and the rule's point with it."""

    field: str
    pattern: str
    removed: int
    lost: int
    point: Point

    def __str__(self) -> str:
        return f"{self.field}={self.pattern}"


@record(kw_only=True)
class Candidate:
    """An exclusion, and how many false alerts and attacks the groups say it removes."""

    field: str
    pattern: str
    removed: int
    lost: int


def entries(batch: Batch, root: Node, observed: Observations, *, most: int = MOST_TRIED) -> tuple[AllowlistEntry, ...]:
    """The best exclusions one by one, each run: those that lose no attack first, of these the ones that remove most."""
    before = observed.groups.published
    alerting = observed.groups.judged(before)
    caught = int(observed.caught(alerting).sum())
    false = int((alerting & ~observed.malicious).sum())
    found = []
    for candidate in best(candidates(root, observed, alerting), most):
        changed = exclude_from_plan(root, candidate.field, candidate.pattern)
        after = observe(batch, changed, observed.thresholds, observed.population)
        point = after.point(before)
        entry = AllowlistEntry(
            field=candidate.field,
            pattern=candidate.pattern,
            removed=false - point.false_alerts,
            lost=caught - point.caught,
            point=point,
        )
        if entry.removed > 0:
            found.append(entry)
    return tuple(sorted(found, key=lambda e: (e.lost, -e.removed)))


def candidates(root: Node, observed: Observations, alerting: BooleanArray) -> Iterator[Candidate]:
    """Every value, domain and program name that false alerts have in fields of the events."""
    fields = observed.groups.fields
    recorded = {n for scan in walk_nodes(root) if isinstance(scan, Scan) for n in columns_of(scan)}
    false = alerting & ~observed.malicious
    for at, name in enumerate(fields.columns):
        # Computed columns cannot be excluded in the events; excluding a host hides whatever happens there.
        if name not in recorded or name in HOST_FIELDS:
            continue
        values = [list_cell_texts(row[at]) for row in fields.rows]
        patterns = {p for i in np.flatnonzero(false) for v in values[i] for p in generalise_value(v)}
        for pattern in sorted(patterns)[:MOST_ALLOWLIST_VALUES]:
            fits = compile_exclusion_wildcard(pattern)
            # All values: a group that also rests on others would not vanish.
            hit = np.array([bool(v) and all(fits.fullmatch(x) for x in v) for v in values], bool)
            left = observed.caught(alerting & ~hit)
            lost = int(observed.caught(alerting).sum() - left.sum())
            yield Candidate(field=name, pattern=pattern, removed=int((false & hit).sum()), lost=lost)


def best(found: Iterator[Candidate], most: int) -> list[Candidate]:
    """The `most` best candidates; of candidates of one field and equal effect only the shortest pattern."""
    # The text breaks ties, so that the order never depends on a set's.
    order = sorted(found, key=lambda c: (c.lost, -c.removed, len(c.pattern), c.pattern))
    chosen: list[Candidate] = []
    seen: set[tuple[int, int, str]] = set()
    for candidate in order:
        what = (candidate.removed, candidate.lost, candidate.field)
        if candidate.removed and what not in seen and len(chosen) < most:
            chosen.append(candidate)
            seen.add(what)
    return chosen


def list_cell_texts(value: CellValue) -> Sequence[str]:
    """The texts in a cell; numbers are none."""
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, list) else ()


def generalise_value(value: str) -> Iterator[str]:
    """A value as patterns: itself, a domain with all names below it, a program wherever it lies."""
    if not value or "*" in value:
        return
    if ADDRESS_TEXT.fullmatch(value) is None and DOMAIN_TEXT.fullmatch(value):
        # Two labels; a list of public suffixes is not at hand, so `*.co.uk` may come up and has to be read by a person.
        yield "*." + ".".join(value.split(".")[-2:])
    if "\\" in value:
        yield "*\\" + value.rpartition("\\")[2]
        return
    yield value


def compile_exclusion_wildcard(pattern: str) -> re.Pattern[str]:
    """A pattern with * as a regular expression, but for case."""
    return re.compile(".*".join(re.escape(p) for p in pattern.split("*")), re.IGNORECASE | re.DOTALL)


def exclude_from_plan(root: Node, field: str, pattern: str) -> Node:
    """The plan on events whose field does not fit; its comparisons stay the same objects, so its thresholds hold."""
    fits = ops.is_true(ops.glob_ci(Column(field), Literal(pattern)))
    made: dict[int, Node] = {}
    for node in walk_nodes(root):
        known = isinstance(node, Scan) and node.columns.get(field) is Kind.TEXT
        made[id(node)] = Filter(source=node, condition=ops.not_(fits)) if known else rebuild_on_sources(node, made)
    return made[id(root)]
