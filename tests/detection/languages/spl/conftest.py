"""Events given as rows of fields, a search over them, and the rows it returns."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from harness.detection.engine import Engine, ResultRows, open_engine
from harness.detection.language import Settings, Strictness, language
from harness.diagnostics import Source
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


@pytest.fixture(scope="session")
def duckdb() -> Engine:
    return open_engine("duckdb")


@pytest.fixture
def found(duckdb: Engine) -> Callable[..., list[Row]]:
    """The rows that a search returns over events, as mappings without missing fields."""

    def run(rows: Sequence[Row], text: str, dialect: Strictness = Strictness.LENIENT, **settings: Any) -> list[Row]:
        chosen = Settings(**settings)
        columns = duckdb.load([events(rows)])
        query = language("spl").parse(Source("rule.spl", text), dialect, chosen)
        result: ResultRows = duckdb.run(query.plan(columns, chosen).node)
        return [{n: v for n, v in r.items() if not n.startswith("@")} for r in result.records()]

    return run
