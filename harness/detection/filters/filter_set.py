"""Plans that only filter, over all kinds of events of a store: how many rows each finds, on which hosts, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.detection.filters.coded_columns import CodedColumn, EventColumns, Mask
from harness.detection.filters.evaluation import EVALUATED, FilterScope
from harness.detection.filters.text_tests import UnsupportedFilterError
from harness.detection.filters.truth import Truth, combine_members
from harness.detection.plan.expressions import Aggregation, Call, Kind, walk_expressions
from harness.detection.plan.nodes import Derive, Filter, Node, Reverse, Select, Sort, list_node_expressions
from harness.detection.plan.passes.partitions import (
    Chain,
    PartIndex,
    StoredPart,
    chain_over_scan,
    list_conjuncts,
    parts_passing,
)
from harness.detection.view_columns import list_view_columns
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND, View

LoadViews = Callable[[Sequence[int]], Sequence[View]]
"""Gives the views of these numbers with their events."""
HOST_COLUMNS = ("host", "ComputerName", "Computer", "aid")
"""Columns that say where an event happened; the first that a kind has counts."""


@record(kw_only=True)
class Hits:
    """What a rule finds: rows, the hosts that they are of, and the first and last time in epoch seconds."""

    rows: int
    hosts: frozenset[str] = frozenset()
    first: float | None = None
    last: float | None = None


def merge_hits(found: Sequence[Hits]) -> Hits:
    """What is found in several kinds of events."""
    first = [h.first for h in found if h.first is not None]
    last = [h.last for h in found if h.last is not None]
    return Hits(
        rows=sum(h.rows for h in found),
        hosts=frozenset().union(*(h.hosts for h in found)),
        first=min(first, default=None),
        last=max(last, default=None),
    )


class FilterSet:
    """The events of a store as columns of codes, over which rules that only filter are evaluated."""

    def __init__(self, views: Sequence[View], load: LoadViews | None = None) -> None:
        """Columns are coded when a rule first reads them; with `load` the views are empty, and made when one does."""
        self.kinds = list_view_columns(views)
        self.load = load
        self.loaded = 0 if load else (1 << len(views)) - 1
        self.kinds_of_events = [EventColumns(view) for view in views]
        self.index = PartIndex(
            [
                StoredPart(
                    name=str(number),
                    constants=view.constants,
                    columns=dict.fromkeys(view.columns.column_names, Kind.TEXT),
                )
                for number, view in enumerate(views)
            ]
        )

    def find(self, node: Node, *, checked: bool = False) -> Hits | None:
        """What a plan finds; None of one that does more than filter, or asks what only an engine can tell.

        `checked` says of a plan that it was once found to be a filter.
        """
        while isinstance(node, Sort | Reverse):
            node = node.source
        scan, chain = chain_over_scan(node)
        if scan is None or scan.table != "events" or not (checked or all(map(is_evaluable, chain))):
            return None
        try:
            parts = parts_passing(self.index, chain)
            self.require(parts)
            return merge_hits([self.count(e, chain) for n, e in enumerate(self.kinds_of_events) if parts >> n & 1])
        except UnsupportedFilterError:
            return None

    def require(self, parts: int) -> None:
        """Makes those views that are needed and have not been made."""
        missing = [n for n in range(len(self.kinds_of_events)) if (parts & ~self.loaded) >> n & 1]
        if self.load is not None and missing:
            for number, view in zip(missing, self.load(missing), strict=True):
                self.kinds_of_events[number] = EventColumns(view)
            self.loaded |= parts

    def count(self, events: EventColumns, chain: Chain) -> Hits:
        """What a plan finds among the events of one kind."""
        scope = FilterScope(events, self.kinds)
        conditions: list[Truth | bool | None] = []
        for node in chain:
            match node:
                case Filter():
                    found = combine_members(map(scope.truth, list_conjuncts(node.condition)), conjunction=True)
                    if found is not True and not isinstance(found, Truth):
                        return Hits(rows=0)
                    conditions.append(found)
                case Derive():
                    scope = scope.derive(dict(node.columns))
                case Select():
                    scope = scope.derive(dict(node.columns), closed=True)
        whole = combine_members(conditions, conjunction=True)
        if not isinstance(whole, Truth):
            return summarize(events, None) if whole is True else Hits(rows=0)
        return summarize(events, whole.by_row.true) if whole.true.any() else Hits(rows=0)


def is_evaluable(node: Node) -> bool:
    """Whether all that a node asks can be evaluated here, be it needed for an answer or not."""
    return all(
        not isinstance(e, Aggregation) and (not isinstance(e, Call) or e.operation in EVALUATED)
        for whole in list_node_expressions(node)
        for e in walk_expressions(whole)
    )


def summarize(events: EventColumns, chosen: Mask | None) -> Hits:
    """The number of the rows that are chosen, or of all, their hosts and times."""
    rows = events.rows if chosen is None else int(np.count_nonzero(chosen))
    if not rows:
        return Hits(rows=0)
    name = next((n for n in HOST_COLUMNS if n in events.constants or n in events.table.column_names), None)
    hosts: set[str] = set()
    column = events.column(name) if name else None
    if isinstance(column, CodedColumn) and column.codes is None:
        hosts = {column.values[0].as_py()}
    elif isinstance(column, CodedColumn) and column.codes is not None:
        codes = np.unique(column.codes[... if chosen is None else chosen])
        hosts = {v for v in column.values.take(codes).to_pylist() if v is not None}
    for time, units in UNITS_PER_SECOND.items():
        if time in events.table.column_names:
            held = events.table.column(time).to_numpy()
            own = held if chosen is None else held[chosen]
            known = own[~np.isnan(own)]
            if len(known):
                return Hits(
                    rows=rows, hosts=frozenset(hosts), first=float(known.min()) / units, last=float(known.max()) / units
                )
    return Hits(rows=rows, hosts=frozenset(hosts))
