"""Events given as rows of fields."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from harness.telemetry.platform import View

Row = dict[str, Any]


def column(name: str, values: Sequence[Any]) -> pa.Array:
    if name == "_time":
        return pa.array([float(v or 0) for v in values], pa.float64())
    if any(isinstance(v, list) for v in values):
        return pa.array([[v] if isinstance(v, str) else v for v in values], pa.list_(pa.string()))
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def events(rows: Sequence[Row]) -> View:
    names = list(dict.fromkeys(["_time", *(n for r in rows for n in r)]))
    columns = {n: column(n, [r.get(n) for r in rows]) for n in names}
    columns["@event"] = pa.array(range(len(rows)), pa.int64())
    columns["@cause"] = pa.array([-1] * len(rows), pa.int32())
    return View(columns=pa.table(columns))
