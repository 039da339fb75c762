"""A search over events that are given as rows of fields, and the rows it returns."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.detection.engine import Engine, ResultRows, open_engine
from harness.detection.language import Settings, Strictness, language
from harness.diagnostics import Source
from tests.detection.languages.spl.event_rows import Row, events


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
