"""A beaconing rule as a plan, with the text that it stands for, and groups to judge."""

import numpy as np
import pyarrow as pa

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Kind, Literal, SortKey, build_call
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Node, Scan, Sort
from harness.detection.plan.operation import Operation
from harness.diagnostics import Source
from harness.telemetry.platform import View

TEXT = """\
stats count as Hourly by host, Image, DestinationIp, Hour
| stats sum(Hourly) as Total, count as Hours, avg(Hourly) as Mean, stdev(Hourly) as Deviation
    by host, Image, DestinationIp
| where Total >= 10 AND Hours >= 2
| eval Ratio=if(Mean > 0, Deviation/Mean, 99)
| eval Beacon=if(Ratio < 0.5 AND Mean >= 0.75, 1, 0)
| eval Suspicious=if(Image="bad.exe", 1, 0)
| eval Risk=Suspicious + Beacon + if(Total > 50, 1, 0)
| where Risk >= 1
| sort - Risk
"""


def written(text: str, within: str = "") -> Literal:
    """The number of a comparison, with its place."""
    at = TEXT.index(text)
    value = text.split()[-1]
    start = at + text.index(value)
    return Literal(float(value), Source("rule.spl", TEXT).span(start, start + len(value)))


def compared(operation: Operation, name: str, text: str) -> Call:
    at = TEXT.index(text)
    return build_call(operation, Column(name), written(text), span=Source("rule.spl", TEXT).span(at, at + len(text)))


def plan(columns: dict[str, Kind], order: tuple[SortKey, ...] = ()) -> Node:
    keys = ("host", "Image", "DestinationIp")
    scan = Scan(columns=columns, order=order)
    hourly = Aggregate(
        source=scan,
        keys=tuple((n, Column(n)) for n in (*keys, "Hour")),
        measures=(("Hourly", ops.count()),),
    )
    total = Aggregate(
        source=hourly,
        keys=tuple((n, Column(n)) for n in keys),
        measures=(
            ("Total", ops.sum(Column("Hourly"))),
            ("Hours", ops.count()),
            ("Mean", ops.mean(Column("Hourly"))),
            ("Deviation", ops.stdev_sample(Column("Hourly"))),
        ),
    )
    both = ops.and_(
        compared(ops.greater_equal, "Total", "Total >= 10"), compared(ops.greater_equal, "Hours", "Hours >= 2")
    )
    passed = Filter(source=total, condition=both)
    guard = compared(ops.greater, "Mean", "Mean > 0")
    ratio = ops.if_(guard, ops.divide(Column("Deviation"), Column("Mean")), Literal(99.0))
    derived = Derive(source=passed, columns=(("Ratio", ratio),))
    steady = ops.and_(compared(ops.less, "Ratio", "Ratio < 0.5"), compared(ops.greater_equal, "Mean", "Mean >= 0.75"))
    beacon = Derive(source=derived, columns=(("Beacon", ops.if_(steady, Literal(1.0), Literal(0.0))),))
    bad = ops.if_(ops.equal(Column("Image"), Literal("bad.exe")), Literal(1.0), Literal(0.0))
    suspicious = Derive(source=beacon, columns=(("Suspicious", bad),))
    many = ops.if_(compared(ops.greater, "Total", "Total > 50"), Literal(1.0), Literal(0.0))
    risk = ops.add(ops.add(Column("Suspicious"), Column("Beacon")), many)
    scored = Derive(source=suspicious, columns=(("Risk", risk),))
    alerted = Filter(source=scored, condition=compared(ops.greater_equal, "Risk", "Risk >= 1"))
    return Sort(source=alerted, keys=(SortKey(Column("Risk"), descending=True),))


def events(seed: int, flows: int = 400) -> View:
    """Connections of many flows, each in some hours, some of them steady."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[str]] = {"host": [], "Image": [], "DestinationIp": [], "Hour": []}
    for flow in range(flows):
        steady = random.random() < 0.3
        rate = random.integers(1, 40)
        for hour in range(random.integers(1, 6)):
            many = int(rate if steady else random.integers(1, 2 * rate + 1))
            rows["host"] += [f"WS{flow % 23:02}"] * many
            rows["Image"] += ["bad.exe" if flow % 11 == 0 else "good.exe"] * many
            rows["DestinationIp"] += [f"203.0.113.{flow // 23}"] * many
            rows["Hour"] += [f"{hour:02}"] * many
    size = len(rows["host"])
    table = {n: pa.array(v).dictionary_encode() for n, v in rows.items()}
    extra = {"@event": pa.array(np.arange(size), pa.int64()), "@cause": pa.array(np.zeros(size), pa.int32())}
    return View(columns=pa.table({**table, **extra}))
