"""One statement over many cases gives what each case alone would give."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Frame,
    Join,
    JoinKind,
    Limit,
    Reverse,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
)
from harness.telemetry.events.event import Cause, Events, Telemetry
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.isolation import CASE_COLUMN, InseparableError, Isolation

COLUMNS = {"@timestamp": Kind.NUMBER, "name": Kind.TEXT, "port": Kind.TEXT}


def telemetry(rows: list[tuple[int, str, str]]) -> Telemetry:
    """Events with a second, a name and a port."""
    table = pa.table(
        {
            "@time": pa.array([t * 1_000_000 for t, _, _ in rows], pa.timestamp("us", tz="UTC")),
            "@cause": pa.array([0] * len(rows), pa.int32()),
            "name": pa.array([n for _, n, _ in rows]).dictionary_encode(),
            "port": pa.array([p for _, _, p in rows]).dictionary_encode(),
        }
    )
    cause = Cause(name="test", malicious=True, host="WS01")
    return Telemetry(events=(Events(sensor="proxy", kind="1", columns=table),), causes=(cause,))


CASES = [
    [(1, "a", "80"), (2, "a", "443"), (3, "b", "80"), (4, "c", "80")],
    [(5, "a", "80"), (1, "a", "80"), (2, "b", "22")],
    [(9, "c", "1")],
]
SCAN = Scan(columns=COLUMNS, order=(SortKey(Column("@timestamp")),))
COUNTED = Aggregate(source=SCAN, keys=(("name", Column("name")),), measures=(("n", ops.count()),))
PORTS = Aggregate(source=SCAN, keys=(("name", Column("name")),), measures=(("ports", ops.values(Column("port"))),))
NAMES = Values(columns={"who": Kind.TEXT, "what": Kind.TEXT}, rows=(("a", "first"), ("b", "second")))

PLANS = {
    "aggregate": COUNTED,
    "filter above it": Filter(source=COUNTED, condition=ops.greater(Column("n"), Literal(1.0))),
    "first rows": Limit(source=Sort(source=SCAN, keys=(SortKey(Column("name")),)), count=1, offset=1),
    "last rows": Limit(source=SCAN, count=2, last=True),
    "first of the reversed": Limit(source=Reverse(source=SCAN), count=1),
    "window": Window(source=SCAN, measures=(("so_far", ops.count()),), frame=Frame.RUNNING),
    "window of names": Window(
        source=SCAN,
        partition=(Column("name"),),
        measures=(("before", ops.lag(Column("port"), Literal(1.0))),),
    ),
    "aggregate in order": Aggregate(
        source=SCAN, keys=(("name", Column("name")),), measures=(("last", ops.last(Column("port"))),)
    ),
    "lookup": Join(
        left=SCAN,
        right=NAMES,
        kind=JoinKind.LEFT,
        keys=((Column("name"), Column("who")),),
        columns=(("what", Column("what")),),
    ),
    "join with itself": Join(
        left=SCAN, right=COUNTED, keys=((Column("name"), Column("name")),), columns=(("n", Column("n")),)
    ),
    "cross": Join(left=SCAN, right=COUNTED, kind=JoinKind.CROSS, columns=(("n", Column("n")),)),
    "only names seen more than once": Join(
        left=SCAN,
        right=Filter(source=COUNTED, condition=ops.greater(Column("n"), Literal(1.0))),
        kind=JoinKind.SEMI,
        keys=((Column("name"), Column("name")),),
    ),
    "union": Union(
        sources=(
            Select(source=SCAN, columns=(("x", Column("name")),)),
            Select(source=COUNTED, columns=(("x", Column("name")),)),
        )
    ),
    "unnest": Unnest(source=PORTS, column="ports"),
    "derive": Derive(source=COUNTED, columns=(("double", ops.multiply(Column("n"), Literal(2.0))),)),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_many_cases_in_one_statement_are_each_case_alone(plan):
    store = open_engine("duckdb")
    parts = [telemetry(rows) for rows in CASES]
    batch = Batch(store, "logscale", [Lot(telemetry=t) for t in parts])
    together = [[alert.fields for alert in alerts] for alerts in batch.alerts(plan)]
    isolated = Isolation()(plan)
    assert CASE_COLUMN in store.run(isolated).columns
    alone = []
    for part in parts:
        single = Batch(store, "logscale", [Lot(telemetry=part)])
        alone.append([a.fields for a in single.alerts(plan)[0]])
        plain = [dict(r) for r in store.run(plan).records()]
        assert sorted(map(str, plain)) == sorted(map(str, alone[-1]))
    assert [sorted(map(str, c)) for c in together] == [sorted(map(str, c)) for c in alone]
    assert any(together)
    store.close()


def test_a_row_that_stands_for_no_events_makes_cases_run_one_by_one():
    store = open_engine("duckdb")
    total = Aggregate(source=SCAN, keys=(), measures=(("n", ops.count()),))
    none = Filter(source=total, condition=ops.equal(Column("n"), Literal(0.0)))
    with pytest.raises(InseparableError):
        Isolation()(none)
    batch = Batch(store, "logscale", [Lot(telemetry=telemetry(rows)) for rows in [*CASES, []]])
    assert [len(alerts) for alerts in batch.alerts(none)] == [0, 0, 0, 1]
    assert [alerts[0].fields for alerts in batch.alerts(total)] == [{"n": 4.0}, {"n": 3.0}, {"n": 1.0}, {"n": 0.0}]
    store.close()


def test_causes_of_one_telemetry_can_be_cases_of_their_own():
    store = open_engine("duckdb")
    rows = telemetry(CASES[0])
    events = rows.events[0]
    causes = events.columns.set_column(1, "@cause", pa.array([0, 1, 1, 2], pa.int32()))
    three = tuple(Cause(name=str(i), malicious=i > 0, host="WS01") for i in range(3))
    lot = Lot(telemetry=Telemetry(events=(events.with_columns(causes),), causes=three), case_of=(0, 0, 1))
    batch = Batch(store, "logscale", [lot])
    assert [[a.fields["n"] for a in alerts] for alerts in batch.alerts(COUNTED)] == [[2.0, 1.0], [1.0]]
    assert [[a.malicious for a in alerts] for alerts in batch.alerts(COUNTED)] == [[True, True], [True]]
    store.close()
