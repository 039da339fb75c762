"""A recorded world as the only case of a study: its events stay in files, a plan reads the columns that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.detection.engine import CellValue, ResultRows
from harness.detection.language import Ask, Plan, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Kind, Literal, columns_read
from harness.detection.plan.nodes import Aggregate, Node, Scan, Union
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import all_of, any_of
from harness.detection.plan.passes.provenance import trace_events
from harness.diagnostics import HarnessError, did_you_mean
from harness.telemetry.events.event import CAUSE, UNLABELLED
from harness.verdict.judge import Trial
from harness.verdict.store import WorldStore, fields_read
from harness.verdict.study.batch import (
    ATTACK,
    HOST_FIELDS,
    HOST_NUMBER,
    LAST_ATTACK,
    Batch,
    Meant,
    Numbers,
    PlanFromAsk,
)
from harness.verdict.study.isolation import CASE_COLUMN, Isolation
from harness.verdict.study.population import LEAST_SECONDS, SECONDS_IN_DAY, AttackInBatch, WatchedPopulation


class WorldBatch(Batch):
    """A recorded world in place of many loaded cases; it is case 0."""

    def __init__(self, trial: Trial, malicious: Mapping[str, str] | None = None) -> None:
        """Loads the schema under the world's own conditions; events come with the plans that are run.

        Where `malicious` is given, the events with these values are one attack's and all others nobody's.
        """
        store = trial.store
        assert isinstance(store, WorldStore)
        self.store = store
        self.engine = store.engine
        self.lots = ()
        self.hosts = {}
        self.size = 1
        self.columns = store.load(language(trial.rule.language).platform, trial.conditions, raw=trial.query.raw)
        self.views = store.views
        self.events = store.size(trial.conditions)
        self.causes = store.truth.causes
        self.left: npt.NDArray[np.int64] = store.count_events_by_cause()
        self.truth = store.truth
        # Causes that nobody knows a host of, and events of nobody: then the events have to say where they happened.
        seen = np.flatnonzero(self.left[:-1])
        self.by_cause = not self.left[-1] and all(self.causes[i].host for i in seen)
        self.host_field = next((n for n in HOST_FIELDS if n in self.columns), None)
        self.tests = [self.test(name, pattern) for name, pattern in (malicious or {}).items()]
        self.by_cause = self.by_cause and not self.tests
        self.at_hand: tuple[frozenset[str], frozenset[int]] | None = None

    def test(self, name: str, pattern: str) -> Expression:
        """A condition on a field. Raises HarnessError for one that no event has."""
        if name not in self.columns:
            hint = did_you_mean(name, self.columns) or "`detlab events PATH` shows the fields"
            raise HarnessError("no-such-field", f"none of the events has a field `{name}`", help=hint)
        return ops.is_true(ops.glob_ci(Column(name), Literal(pattern)))

    @property
    def bad(self) -> Numbers:
        """The numbers of the attacks that left events."""
        malicious = np.array([c.malicious for c in self.causes], bool)
        return np.flatnonzero(malicious & (self.left[:-1] > 0)).astype(np.int32)

    def watched(self) -> WatchedPopulation:
        """Every host that left an event, watched from the world's beginning to its end, and the attacks that did."""
        if self.tests:
            return self.watch_filtered()
        seconds = max(self.store.end({}) - self.store.begin(), LEAST_SECONDS)
        host_of = {i: self.causes[i].host for i in np.flatnonzero(self.left[:-1]).tolist()}
        hosts = dict.fromkeys(host_of.values())
        if not self.by_cause:
            named = self.hosts_by_cause()
            hosts = dict.fromkeys([host for _, host in named if host] or [""])
            host_of |= {cause: host for cause, host in named if cause != UNLABELLED}
        bad = self.bad.tolist()
        return WatchedPopulation(
            days={(0, host): seconds / SECONDS_IN_DAY for host in hosts},
            attacks=tuple(
                AttackInBatch(number=i, case=0, name=self.causes[i].name, host=host_of[i], events=int(self.left[i]))
                for i in bad
            ),
        )

    def watch_filtered(self) -> WatchedPopulation:
        """The hosts that events name, and the one attack whose events fit the filter."""
        seconds = max(self.store.end({}) - self.store.begin(), LEAST_SECONDS)
        labelled = self.isolation({ATTACK: ops.minimum, HOST_NUMBER: ops.minimum})(Scan(columns={}))
        keys = ((HOST_NUMBER, Column(HOST_NUMBER)),)
        measures = (("@n", ops.count(Column(ATTACK))),)
        found = [
            (str(h or ""), int(float(str(n))))
            for h, n in self.rows(Aggregate(source=labelled, keys=keys, measures=measures)).rows
        ]
        events = sum(n for _, n in found)
        host = max(found, key=lambda row: row[1], default=("", 0))[0]
        attack = AttackInBatch(number=0, case=0, name="the attack of --malicious", host=host, events=events)
        # Events of a sensor that names no host are of hosts that others name.
        named = [h for h, _ in found if h] or [""]
        days = {(0, h): seconds / SECONDS_IN_DAY for h in named}
        return WatchedPopulation(days=days, attacks=(attack,) if events else ())

    def hosts_by_cause(self) -> list[tuple[int, str]]:
        """Every cause with each host that its events name."""
        columns = {CAUSE: Kind.NUMBER}
        if self.host_field is not None:
            columns[self.host_field] = self.columns[self.host_field]
        keys = tuple((n, Column(n)) for n in columns)
        found = self.rows(Aggregate(source=Scan(columns=columns), keys=keys, measures=(("@n", ops.count()),)))
        return [(int(float(str(row[0]))), str(row[1] or "") if self.host_field else "") for row in found.rows]

    def isolation(self, carried: Mapping[str, Operation]) -> Isolation:
        """What studies need of an event is derived from its cause, above the rule's own conditions on events."""
        if self.tests:
            return self.isolate_filtered(carried)
        cause = Column(CAUSE)
        attack = ops.if_(any_of(tuple(list_range_tests(cause, self.bad.tolist()))), cause, NULL)
        host = cause if self.by_cause or self.host_field is None else Column(self.host_field)
        labels = {ATTACK: attack, LAST_ATTACK: attack, HOST_NUMBER: host}
        hidden = {CAUSE: Kind.NUMBER}
        if host is not cause:
            hidden[str(self.host_field)] = self.columns[str(self.host_field)]
        return Isolation(
            by=(), carried=carried, hidden=hidden, derived=tuple((n, labels[n]) for n in carried if n in labels)
        )

    def isolate_filtered(self, carried: Mapping[str, Operation]) -> Isolation:
        """The same by the fields of a filter; right above the scan, since a rule may write those."""
        attack = ops.if_(all_of(tuple(self.tests)), Literal(0.0), NULL)
        host = NULL if self.host_field is None else Column(self.host_field)
        labels: dict[str, Expression] = {ATTACK: attack, LAST_ATTACK: attack, HOST_NUMBER: host}
        read = {name for e in (*self.tests, host) for name in columns_read(e)}
        return Isolation(
            by=(),
            carried=carried,
            hidden={n: self.columns[n] for n in sorted(read)},
            derived=tuple((n, labels[n]) for n in carried if n in labels),
            floating=False,
        )

    def host_name(self, value: CellValue) -> str:
        """The host that a cell of `@host_number` means: here it holds a cause, or the name itself."""
        if not self.by_cause:
            return str(value or "")
        return self.causes[int(float(str(value)))].host

    def expect(self, nodes: Sequence[Node]) -> None:
        """Makes the columns and kinds of several plans ready at once, so that running them reads the files once."""
        wanted = Union(sources=tuple(nodes)) if len(nodes) > 1 else nodes[0]
        whole = trace_events(wanted)
        needs = fields_read(whole), frozenset(self.store.tables_read(whole))
        if self.at_hand is None or not all(a <= b for a, b in zip(needs, self.at_hand, strict=True)):
            self.store.prepare(wanted)
            self.at_hand = needs
            self.truth = self.store.truth

    def rows(self, node: Node) -> ResultRows:
        """The rows of a rewritten plan, whose columns are made ready first."""
        self.expect([node])
        return self.engine.run(node)

    def narrow(self, nodes: Sequence[Node]) -> None:
        """Makes ready what these plans read."""
        self.expect(nodes)

    def meanings(self, meaning: PlanFromAsk, cases: Sequence[int], seen: Sequence[Expression] = ()) -> list[Meant]:
        """What a rule means for this world."""
        plan: Plan = meaning(None)
        if plan.asked:
            ask: Ask = self.rows
            plan = meaning(ask)
        return [(plan, tuple(cases))]

    def run(self, node: Node) -> ResultRows:
        """The rows of a plan with the events behind each, all of case 0."""
        found = self.rows(trace_events(node))
        return ResultRows((*found.columns, CASE_COLUMN), tuple((*row, 0.0) for row in found.rows))


def list_range_tests(column: Column, numbers: Sequence[int]) -> list[Expression]:
    """Tests that are true of these numbers and no others; neighbours share one."""
    if not numbers:
        return [Literal(False)]
    found = []
    ends = np.flatnonzero(np.diff(np.asarray(numbers)) > 1)
    for part in np.split(np.asarray(numbers), ends + 1):
        low, high = Literal(float(part[0])), Literal(float(part[-1]))
        both = ops.and_(ops.greater_equal(column, low), ops.less_equal(column, high))
        found.append(ops.equal(column, low) if low == high else both)
    return found
