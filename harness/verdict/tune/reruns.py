"""Rules with other numbers in their text, run again on events that are loaded once.

What is the same below the change in both texts is grouped once: its rows are kept in an engine of their own, and the
rest of each edited text runs on those. Only where the change lies below the first grouping all events are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from time import perf_counter

import numpy as np
import pyarrow as pa

from harness.detection.engine import CellValue, Engine, ResultRows, open_engine
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.nodes import Aggregate, Limit, Node, Scan, list_sources, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.requirements import find_ordered_nodes
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError, Source, mend
from harness.record import record
from harness.telemetry.platform import View
from harness.verdict.study.batch import ATTACK, HOST_NUMBER, LAST_ATTACK, Batch
from harness.verdict.study.isolation import CASE_COLUMN, Isolation, rebuild_on_sources
from harness.verdict.study.population import WatchedPopulation
from harness.verdict.tune.grid import Grid
from harness.verdict.tune.numbers_in_text import ROUNDS, NumberInText, equal_below, list_coarse_values
from harness.verdict.tune.observations import CHEAP_LABELS, GroupSource, Observations, Surface, observe
from harness.verdict.tune.thresholds import Threshold, find_thresholds, split_at_last_grouping

# Chosen, no source: some hundred bytes a row.
MOST_SHARED_ROWS = 1_000_000
ARROW = {
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.NULL: pa.string(),
}


@record(kw_only=True)
class Tried:
    """The rule with these numbers in its text: its groups, and what each point of the grid of thresholds gives."""

    numbers: tuple[float, ...]
    observed: Observations
    surface: Surface


class SharedGroups:
    """The rows of a grouping that several texts have in common, in an engine of their own."""

    def __init__(self, batch: Batch, node: Node, rows: ResultRows) -> None:
        """Loads the rows of `node` with the labels of their events."""
        self.batch = batch
        self.columns: Schema = columns_of(node)
        host = Kind.NUMBER if all(isinstance(v, float | int) for v in rows.column(HOST_NUMBER)[:1]) else Kind.TEXT
        labels = {CASE_COLUMN: Kind.NUMBER, ATTACK: Kind.NUMBER, LAST_ATTACK: Kind.NUMBER, HOST_NUMBER: host}
        self.labels = {n: k for n, k in labels.items() if n in rows.columns}
        kinds = {**self.columns, **self.labels}
        held = {n: pa.array(rows.column(n), ARROW[k]) for n, k in kinds.items()}
        self.engine: Engine = open_engine(batch.engine.name, batch.engine.patience)
        self.engine.load([View(columns=pa.table({EVENT_COLUMN: np.arange(len(rows)), **held}))])

    @property
    def scan(self) -> Scan:
        """The grouping as a table."""
        return Scan(columns=self.columns)

    def rows(self, node: Node) -> ResultRows:
        """The rows of a plan that stands on the grouping."""
        return self.engine.run(node)

    def isolation(self, carried: Mapping[str, Operation]) -> Isolation:
        """Labels are columns of the table."""
        by = (CASE_COLUMN,) if CASE_COLUMN in self.labels else ()
        return Isolation(by=by, carried=carried, kinds=self.labels)

    def host_name(self, value: CellValue) -> str:
        """The host that a cell means."""
        return self.batch.host_name(value)


@dataclass(slots=True, kw_only=True)
class Reruns:
    """A rule whose text is edited and run again, within a number of seconds."""

    batch: Batch
    source: Source
    root: Node
    planned: Callable[[str], Node]
    numbers: tuple[NumberInText, ...]
    thresholds: tuple[Threshold, ...]
    varied: tuple[int, ...]
    watched: WatchedPopulation
    grid: Grid
    shared: dict[int, SharedGroups | None] = field(default_factory=dict)
    left: int = 0
    failed: int = 0

    def close(self) -> None:
        """Closes the engines of shared groups."""
        for each in self.shared.values():
            if each is not None:
                each.engine.close()

    def explore(self, seconds: float, given: Mapping[int, Sequence[float]], published: Tried) -> Iterator[Tried]:
        """Other numbers, coarse to fine, until the time is over; `given` are a person's own values by place."""
        ends = perf_counter() + seconds
        known = {published.numbers: published}
        slowest = 0.0
        for point in self.points(given, known):
            # Kept and not overrun: the next one may take as long as the last.
            if perf_counter() + slowest > ends:
                self.left += 1
                continue
            began = perf_counter()
            found = self.run(point)
            slowest = perf_counter() - began
            if found is None:
                self.failed += 1
                continue
            known[point] = found
            yield found

    def points(
        self, given: Mapping[int, Sequence[float]], known: Mapping[tuple[float, ...], Tried]
    ) -> Iterator[tuple[float, ...]]:
        """Points in the order in which they are worth a run: one number at a time, pairs, then finer."""
        own = tuple(n.published for n in self.numbers)
        done = {own}
        for round_number in range(len(ROUNDS)):
            values = {
                i: tuple(given[i]) if i in given else list_coarse_values(n, round_number)
                for i, n in enumerate(self.numbers)
            }
            singles = [(*own[:i], v, *own[i + 1 :]) for i, several in values.items() for v in several]
            pairs = [
                tuple(v if k == i else w if k == j else own[k] for k in range(len(own)))
                for i, j in combinations(values, 2)
                for v, w in product(values[i], values[j])
            ]
            for point in [*singles, *(pairs if round_number == 0 else ())]:
                if point not in done and not (round_number and self.is_between_equals(point, own, known)):
                    yield point
                done.add(point)

    def is_between_equals(
        self, point: tuple[float, ...], own: tuple[float, ...], known: Mapping[tuple[float, ...], Tried]
    ) -> bool:
        """Whether the tried values on both sides of a single changed number give the same, so that it does too."""
        (i,) = (k for k in range(len(own)) if point[k] != own[k])
        line = sorted((p[i], p) for p in known if all(p[k] == own[k] for k in range(len(own)) if k != i))
        below = [p for v, p in line if v < point[i]]
        above = [p for v, p in line if v > point[i]]
        if not below or not above:
            return False
        one, two = known[below[-1]].surface, known[above[0]].surface
        return np.array_equal(one.caught, two.caught) and np.array_equal(one.false_alerts, two.false_alerts)

    def run(self, point: Sequence[float]) -> Tried | None:
        """The edited text at every point of the grid; None where it means nothing or has other thresholds."""
        edits = [n.edit(v) for n, v in zip(self.numbers, point, strict=True) if v != n.published]
        try:
            root = self.planned(mend(self.source, edits))
            thresholds = self.matching(root)
            if thresholds is None:
                return None
            source, root = self.shared_below(root)
            observed = observe(source, root, thresholds, self.watched, shown=False)
        except HarnessError:
            return None
        return Tried(numbers=tuple(point), observed=observed, surface=observed.surface(self.grid))

    def matching(self, root: Node) -> tuple[Threshold, ...] | None:
        """The grid's thresholds in an edited rule, by their order in the text."""
        found = find_thresholds(root)
        alike = [t.name for t in found] == [t.name for t in self.thresholds]
        return tuple(found[i] for i in self.varied) if alike else None

    def shared_below(self, root: Node) -> tuple[GroupSource, Node]:
        """What an edited plan stands on: groups that it shares with the rule, or all events."""
        ours, theirs = list(walk_nodes(self.root)), list(walk_nodes(root))
        if [type(n) for n in ours] != [type(n) for n in theirs]:
            return self.batch, root
        node = find_shared_node(self.root, equal_below(ours, theirs))
        if node is None:
            return self.batch, root
        if id(node) not in self.shared:
            self.shared[id(node)] = self.grouped(node)
        held = self.shared[id(node)]
        if held is None:
            return self.batch, root
        made: dict[int, Node] = {}
        twin = next(b for a, b in zip(ours, theirs, strict=True) if a is node)
        for each in theirs:
            made[id(each)] = held.scan if each is twin else rebuild_on_sources(each, made)
        return held, made[id(root)]

    def grouped(self, node: Node) -> SharedGroups | None:
        """The rows of a grouping, where there are not too many and none rests on several attacks."""
        rewritten = self.batch.isolation(CHEAP_LABELS)(node)
        rows = self.batch.rows(Limit(source=rewritten, count=MOST_SHARED_ROWS + 1))
        if len(rows) > MOST_SHARED_ROWS or rows.column(ATTACK) != rows.column(LAST_ATTACK):
            return None
        return SharedGroups(self.batch, node, rows)


def find_shared_node(root: Node, same: frozenset[int]) -> Node | None:
    """The highest grouping that is the same in both plans, if everything else stands on it alone."""
    last = split_at_last_grouping(root)[1]
    ends = [last]
    if id(last) not in same:
        # Above the last grouping rows depend on thresholds that the grid varies.
        read = {id(s): s for n in walk_nodes(last) if id(n) not in same for s in list_sources(n)}
        ends = [n for key, n in read.items() if key in same]
    if len(ends) != 1 or not any(isinstance(n, Aggregate) for n in walk_nodes(ends[0])):
        return None
    # An engine gives kept rows in any order; above the last grouping the grid looks at each row by itself.
    ordered = ends[0] is not last and id(ends[0]) in find_ordered_nodes(last, final=False)
    return None if ordered else ends[0]
