"""Events in memory, and what a query makes of them."""

import json
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.language import Settings, Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.diagnostics import Source
from harness.telemetry.platform import View

SHARED = Path("../shared")
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared corpora are not beside the checkout")
NUMBERS = ("@timestamp",)


@cache
def duckdb():
    return open_engine("duckdb")


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return None if value is None else str(value)


def moment(value):
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp() * 1000
    return float(value)


def view(rows):
    """Events as LogScale has them; one without a time happens a minute after the one before."""
    names = list(dict.fromkeys(n for r in rows for n in r if n not in NUMBERS))
    columns = {n: pa.array([text(r.get(n)) for r in rows], pa.string()).dictionary_encode() for n in names}
    times = [moment(r.get("@timestamp", 1_700_000_000_000 + 60_000 * i)) for i, r in enumerate(rows)]
    columns["@timestamp"] = pa.array(times, pa.float64())
    columns["@event"] = pa.array(range(len(rows)), pa.int64())
    return View(columns=pa.table(columns))


def load(rows):
    return duckdb().load([view(rows)])


def events(path):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line.strip()]


def plan(query, columns, dialect=Strictness.LENIENT, settings=None):
    settings = settings or Settings()
    return LANGUAGE.parse(Source("query.cql", query), dialect, settings).plan(columns, settings)


def shown(value):
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return value


def records(query, rows, dialect=Strictness.LENIENT, settings=None):
    """The rows of a query, values as text."""
    asking = replace(settings or Settings(), ask=duckdb().run)
    made = plan(query, load(rows), dialect, asking)
    return [{n: shown(v) for n, v in r.items()} for r in duckdb().run(made.node).records()]


def values(query, rows, name, **options):
    return [r.get(name) for r in records(query, rows, **options)]
