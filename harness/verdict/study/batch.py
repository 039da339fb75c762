"""Many cases in one store: each event knows its case, and a plan is run on all of them in one statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.engine import CellValue, Engine, ResultRows
from harness.detection.language import Ask, Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Expression, Literal, Schema, columns_read
from harness.detection.plan.nodes import Node, Scan, Select, is_same_plan, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.passes.requirements import collect_columns_by_node
from harness.detection.plan.passes.shared_nodes import SharedNodes
from harness.detection.plan.schema import columns_of
from harness.record import record
from harness.telemetry.events.event import (
    CAUSE,
    UNLABELLED,
    Cause,
    Events,
    Telemetry,
    group_tables,
)
from harness.telemetry.platform import Platform, View, platform
from harness.verdict.alerts import Alert, Attribution, GroundTruth, alerts_of
from harness.verdict.joint_run import run_jointly
from harness.verdict.study.isolation import CASE_COLUMN, InseparableError, Isolation, filter_scans
from harness.verdict.study.lot_views import is_told_by_causes, merge_views, name_hosts

Numbers = npt.NDArray[np.int32]
Meant = tuple[Plan, tuple[int, ...]]
PlanFromAsk = Callable[[Ask | None], Plan]
"""What a rule means, given whom it can ask about the events."""

ATTACK = "@attack"
"""Hidden column with the number of the attack that an event belongs to, null for all others."""

LAST_ATTACK = "@last_attack"
"""The same once more: by the least of the one and the greatest of the other a group of one attack is known cheaply."""

HOST_COLUMN = "@host"
"""Hidden column with the host that recorded an event."""

HOST_NUMBER = "@host_number"
"""Hidden column with its place among the batch's hosts."""

STUDY_COLUMNS = frozenset({CASE_COLUMN, ATTACK, LAST_ATTACK, HOST_COLUMN, HOST_NUMBER})
# Names before identifiers: `aid` is Falcon's.
HOST_FIELDS = ("host", "ComputerName", "Computer", "aid")


@record(kw_only=True)
class Lot:
    """Telemetry under some conditions, and the case that each of its causes belongs to.

    Without `case_of` all of it is one case. Events of nobody belong to the first. `one_attack` says that all that is
    malicious in a case is one attack; else each malicious cause is one.
    """

    telemetry: Telemetry
    conditions: Mapping[str, str] = field(default_factory=dict)
    case_of: Sequence[int] | None = None
    one_attack: bool = False

    @property
    def count(self) -> int:
        """How many cases it holds."""
        return 1 if self.case_of is None else max(self.case_of, default=-1) + 1

    def cases(self, causes: Numbers) -> Numbers:
        """The case of each event, given the number of its cause."""
        if self.case_of is None or not len(self.case_of):
            return np.zeros(len(causes), np.int32)
        known = np.asarray(self.case_of, np.int32)
        # UNLABELLED is -1, which would index the last cause.
        return np.where(causes == UNLABELLED, 0, known[np.maximum(causes, 0)]).astype(np.int32)

    def attacks(self) -> Numbers:
        """For each cause the number of the cause that names its attack, `UNLABELLED` for benign causes."""
        causes = self.telemetry.causes
        bad = np.array([c.malicious for c in causes], bool)
        own = np.where(bad, np.arange(len(causes)), UNLABELLED).astype(np.int32)
        if not self.one_attack or not bad.any():
            return own
        cases = self.cases(np.arange(len(causes), dtype=np.int32))
        first = {int(c): int(np.flatnonzero(bad & (cases == c))[0]) for c in np.unique(cases[bad])}
        return np.array([first[int(c)] if b else UNLABELLED for b, c in zip(bad, cases, strict=True)], np.int32)


class Batch:
    """An engine loaded with the events of many cases as one platform shows them."""

    def __init__(self, engine: Engine, platform_name: str, lots: Sequence[Lot], *, raw: bool = False) -> None:
        """Presents each lot on its own, so that no case sees the events of another, and loads all of them."""
        self.engine = engine
        self.lots = tuple(lots)
        self.hosts: dict[str, int] = {}
        self.views = tuple(merge_views(list(number_lots(self.lots, platform_name, raw, self.hosts))))
        self.size = sum(lot.count for lot in self.lots)
        self.events = sum(len(v.columns) for v in self.views)
        self.truth: Attribution = merge_lot_truth(self.lots, self.views)
        self.columns: Schema = {n: k for n, k in engine.load(self.views).items() if n not in STUDY_COLUMNS}

    def isolation(self, carried: Mapping[str, Operation]) -> Isolation:
        """The rewriting that keeps cases apart, if there are several, and carries what studies need of each event."""
        return Isolation(by=(CASE_COLUMN,) if self.size > 1 else (), carried=carried)

    def rows(self, node: Node) -> ResultRows:
        """The rows of a rewritten plan."""
        return self.engine.run(node)

    def host_name(self, value: CellValue) -> str:
        """The host that a cell of `@host_number` means."""
        return tuple(self.hosts)[int(float(str(value)))]

    def narrow(self, nodes: Sequence[Node]) -> None:
        """Loads again only the fields that these plans read: a statement over few columns is planned much faster.

        The columns that a query is planned with stay those of all fields.
        """
        wanted = set(STUDY_COLUMNS | {EVENT_COLUMN, CAUSE}).union(*(collect_table_columns(node) for node in nodes))
        self.views = tuple(
            merge_views(
                [
                    View(
                        constants={n: v for n, v in view.constants.items() if n in wanted},
                        columns=view.columns.select([n for n in view.columns.column_names if n in wanted]),
                    )
                    for view in self.views
                ]
            )
        )
        self.engine.load(self.views)

    def meanings(self, meaning: PlanFromAsk, cases: Sequence[int], seen: Sequence[Expression] = ()) -> list[Meant]:
        """What a rule means, and for which of these cases: for all of them, unless it hangs on a case's own events.

        `seen` are conditions on the events that it can ask about.
        """
        plan = meaning(None)
        if not plan.asked:
            return [(plan, tuple(cases))]
        found: list[tuple[Plan, list[int]]] = []
        for case in cases:
            own = [ops.equal(Column(CASE_COLUMN), Literal(float(case))), *seen]
            plan = meaning(lambda node, own=own: self.engine.run(filter_scans(node, own)))  # type: ignore[misc]
            # Cases whose events name the same columns share a statement.
            same = next((numbers for known, numbers in found if is_same_plan(known.node, plan.node)), None)
            if same is None:
                found.append((plan, [case]))
            else:
                same.append(case)
        return [(plan, tuple(numbers)) for plan, numbers in found]

    def run(self, node: Node) -> ResultRows:
        """The rows of a plan on each case, with the case's number and the events behind each row.

        Cases that cannot be told apart in one statement are run one after the other.
        """
        try:
            return self.engine.run(trace_events(Isolation()(node)))
        # One statement a case is slower and right: the rewriting refuses what it cannot keep apart.
        except InseparableError:
            return self.one_by_one(node)

    def count_alerts(self, plans: Sequence[Node]) -> list[tuple[tuple[Alert, ...], ...]]:
        """For each plan and each case its alerts without their fields; by one statement, equal parts written once."""
        isolate, share = Isolation(), SharedNodes()
        known: dict[int, Node] = {}
        try:
            nodes = [trace_events(isolate(share(plan)), known) for plan in plans]
        except InseparableError:
            return [self.alerts(plan) for plan in plans]
        bare = [Select(source=n, columns=tuple((c, Column(c)) for c in (CASE_COLUMN, EVENT_COLUMN))) for n in nodes]
        return [self.alerts_by_case(rows) for rows in run_jointly(bare, self.engine.run)]

    def run_jointly(self, nodes: Sequence[Node]) -> list[ResultRows]:
        """The same of several relations of one plan, by one statement where that can keep the cases apart."""
        isolate, share = Isolation(), SharedNodes()
        known: dict[int, Node] = {}
        try:
            parts = [trace_events(isolate(share(node)), known) for node in nodes]
        except InseparableError:
            return [self.one_by_one(node) for node in nodes]
        return run_jointly(parts, self.engine.run)

    def one_by_one(self, node: Node) -> ResultRows:
        """The same by one statement a case."""
        columns: tuple[str, ...] = ()
        rows = []
        for case in range(self.size):
            alone = filter_scans(node, [ops.equal(Column(CASE_COLUMN), Literal(float(case)))])
            found = self.engine.run(trace_events(alone))
            columns = (*found.columns, CASE_COLUMN)
            rows += [(*row, float(case)) for row in found.rows]
        return ResultRows(columns or (EVENT_COLUMN, CASE_COLUMN), tuple(rows))

    def judged(self, meaning: PlanFromAsk) -> tuple[tuple[Alert, ...], ...]:
        """For each case the alerts of the rule's plan for that case."""
        found: list[tuple[Alert, ...]] = [()] * self.size
        for plan, cases in self.meanings(meaning, range(self.size)):
            alerts = self.alerts(plan.node)
            for case in cases:
                found[case] = alerts[case]
        return tuple(found)

    def alerts(self, node: Node) -> tuple[tuple[Alert, ...], ...]:
        """For each case the rows of a plan as alerts."""
        return self.alerts_by_case(self.run(node))

    def alerts_by_case(self, rows: ResultRows) -> tuple[tuple[Alert, ...], ...]:
        """For each case its rows as alerts."""
        at = rows.columns.index(CASE_COLUMN)
        found: list[list[Alert]] = [[] for _ in range(self.size)]
        # The case's number is no field of an alert.
        kept = tuple(i for i in range(len(rows.columns)) if i != at)
        bare = ResultRows(tuple(rows.columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows.rows))
        for row, alert in zip(rows.rows, alerts_of(bare, self.truth), strict=True):
            found[int(str(row[at]).partition(".")[0])].append(alert)
        return tuple(tuple(alerts) for alerts in found)


def collect_table_columns(node: Node) -> set[str]:
    """Names of the columns that a plan reads of its stored tables."""
    shapes: dict[int, Schema] = {}
    columns_of(node, shapes)
    wanted = collect_columns_by_node(node, shapes)
    return {name for each in walk_nodes(node) if isinstance(each, Scan) for name in wanted[id(each)]} | {
        name
        for each in walk_nodes(node)
        if isinstance(each, Scan)
        for key in each.order
        for name in columns_read(key.expression)
    }


def number_lots(lots: Sequence[Lot], name: str, raw: bool, hosts: dict[str, int]) -> Iterator[View]:
    """The views of all lots; events, causes, cases and hosts numbered through."""
    presenter = platform(name)
    event, cause, case = 0, 0, 0
    alike: dict[tuple[tuple[str, str], ...], list[NumberedLot]] = {}
    for lot in lots:
        if not raw and is_told_by_causes(lot.telemetry):
            # In the order of lots, whatever is presented first.
            for each in lot.telemetry.causes:
                hosts.setdefault(each.host, len(hosts))
            conditions = tuple(sorted(lot.conditions.items()))
            alike.setdefault(conditions, []).append(NumberedLot(lot=lot, event=event, cause=cause, case=case))
        else:
            for view in presenter.present(lot.telemetry, lot.conditions, raw=raw):
                yield with_hosts(shift_view_numbers(view, lot, event, cause, case), hosts)
        event += len(lot.telemetry)
        cause += len(lot.telemetry.causes)
        case += lot.count
    for same in alike.values():
        yield from (with_hosts(view, hosts) for view in present_together(presenter, same))


@record(kw_only=True)
class NumberedLot:
    """A lot, and from which number on its events, causes and cases are numbered."""

    lot: Lot
    event: int
    cause: int
    case: int


def present_together(presenter: Platform, lots: Sequence[NumberedLot]) -> Iterator[View]:
    """The views of lots under the same conditions, whose events are presented as if they were of one.

    Presenting takes its time for each column of each kind, however few events there are.
    """
    first, last = lots[0], lots[-1]
    numbers = np.arange(first.event, last.event + len(last.lot.telemetry))
    causes, cases, attacks = (np.full(len(numbers), UNLABELLED, np.int64) for _ in range(3))
    tables: list[Events] = []
    for own in lots:
        at = own.event - first.event
        for e in own.lot.telemetry.events:
            local = e.columns.column(CAUSE).to_numpy()
            place = slice(at, at + len(e))
            attack = own.lot.attacks()[local]
            causes[place], cases[place] = local + own.cause, own.lot.cases(local) + own.case
            attacks[place] = np.where(attack == UNLABELLED, UNLABELLED, attack + own.cause)
            # In place of its cause each event has its number, which no platform looks at and all hand on.
            column = e.columns.schema.get_field_index(CAUSE)
            told = pa.array(numbers[place], pa.int32())
            tables.append(e.with_columns(e.columns.set_column(column, CAUSE, told)))
            at += len(e)
    merged = Telemetry(events=group_tables(tables), causes=first.lot.telemetry.causes)
    names = {own.cause + i: c.host for own in lots for i, c in enumerate(own.lot.telemetry.causes)}
    for view in presenter.present(merged, first.lot.conditions):
        events = view.columns.column(CAUSE).to_numpy().astype(np.int64)
        at_place = events - first.event
        attack = pa.array(attacks[at_place], pa.int64(), mask=attacks[at_place] == UNLABELLED)
        made = {
            EVENT_COLUMN: pa.array(events),
            CAUSE: pa.array(causes[at_place], pa.int32()),
            CASE_COLUMN: pa.array(cases[at_place], pa.int32()),
            ATTACK: attack,
            LAST_ATTACK: attack,
            HOST_COLUMN: name_hosts(causes[at_place], names),
        }
        kept = [n for n in view.columns.column_names if n not in made]
        yield View(constants=view.constants, columns=pa.table({**{n: view.columns.column(n) for n in kept}, **made}))


def shift_view_numbers(view: View, lot: Lot, event: int, cause: int, case: int) -> View:
    """A view whose events, causes and cases are numbered from these on, with the columns that studies need."""
    columns = view.columns
    causes = columns.column(CAUSE).to_numpy()
    # An entry more at the end: index -1, which is what unlabelled events have, reads it.
    attacks = np.append(lot.attacks(), UNLABELLED)[causes]
    made = {
        EVENT_COLUMN: pa.array(columns.column(EVENT_COLUMN).to_numpy() + event, pa.int64()),
        CAUSE: pa.array(np.where(causes == UNLABELLED, UNLABELLED, causes + cause), pa.int32()),
        CASE_COLUMN: pa.array(lot.cases(causes) + case, pa.int32()),
        ATTACK: pa.array(attacks.astype(np.int64) + cause, pa.int64(), mask=attacks == UNLABELLED),
        LAST_ATTACK: pa.array(attacks.astype(np.int64) + cause, pa.int64(), mask=attacks == UNLABELLED),
        HOST_COLUMN: hosts(view, lot.telemetry.causes, causes),
    }
    kept = [n for n in columns.column_names if n not in made]
    return View(constants=view.constants, columns=pa.table({**{n: columns.column(n) for n in kept}, **made}))


def hosts(view: View, known: Sequence[Cause], causes: Numbers) -> pa.ChunkedArray | pa.Array:
    """The host of each event: that of its cause where that is known, else by the first of the fields that name one.

    Fields are the second choice, because one host goes by several names: short, qualified, an agent's identifier.
    """
    # One event of nobody would have no host at all.
    if known and all(c.host for c in known) and not (causes == UNLABELLED).any():
        distinct = list(dict.fromkeys(c.host for c in known))
        place = {h: i for i, h in enumerate(distinct)}
        codes = np.array([place[c.host] for c in known], np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(codes[causes]), pa.array(distinct, pa.string()))
    for name in HOST_FIELDS:
        if name in view.constants:
            named = pa.array([view.constants[name]], pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(view.columns), np.int32)), named)
        if name in view.columns.column_names:
            return view.columns.column(name)
    return pa.nulls(len(view.columns), pa.string())


def with_hosts(view: View, hosts: dict[str, int]) -> View:
    """A view with the number of each event's host, new hosts added to those known."""
    column = view.columns.column(HOST_COLUMN)
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    places = [hosts.setdefault(h or "", len(hosts)) for h in encoded.dictionary.to_pylist()]
    table = np.array([*places, hosts.setdefault("", len(hosts)) if encoded.null_count else 0], np.int64)
    codes = pc.fill_null(encoded.indices, len(places)).to_numpy(zero_copy_only=False)
    return replace(view, columns=view.columns.append_column(HOST_NUMBER, pa.array(table[codes])))


def merge_lot_truth(lots: Sequence[Lot], views: Sequence[View]) -> GroundTruth:
    """Who caused each event, over all lots."""
    causes: tuple[Cause, ...] = tuple(c for lot in lots for c in lot.telemetry.causes)
    by_event = np.full(sum(len(lot.telemetry) for lot in lots), UNLABELLED, np.int32)
    for view in views:
        by_event[view.columns.column(EVENT_COLUMN).to_numpy()] = view.columns.column(CAUSE).to_numpy()
    return GroundTruth(causes=causes, by_event=by_event)
