"""What an engine is handed of a store is what the platform shows of the events themselves."""

from pathlib import Path

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan.expressions import EVENT_COLUMN, Kind
from harness.detection.plan.nodes import Scan
from harness.telemetry.format import read_telemetry
from harness.telemetry.platform import platform, platform_names
from harness.telemetry.store.ingest import ingest
from harness.verdict.store import WorldStore

SHAPES = Path(__file__).parents[1] / "shapes"
SAMPLES = sorted(
    p for p in SHAPES.iterdir() if p.suffix in (".ndjson", ".json", ".jsonl", ".csv", ".txt", ".xml", ".clixml")
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """All samples in one store."""
    out = tmp_path_factory.mktemp("samples") / "store"
    ingest([SHAPES], out)
    return out


@pytest.fixture(scope="module")
def telemetry():
    """All samples in memory."""
    return read_telemetry(SHAPES)


def list_conditions():
    """No condition, and each value of each condition alone, of both platforms; the text of events once."""
    for name in platform_names():
        yield name, {}, False
        yield name, {}, True
        for condition in platform(name).conditions:
            for value in condition.values:
                yield name, {condition.name: value}, False
        for value in ("XmlWinEventLog", "WinEventLog") if name == "splunk" else ():
            yield name, {"source": value}, True


def present(telemetry, name, conditions, raw):
    """Every event by its number, as the platform shows it; absent fields left out."""
    found = {}
    for view in platform(name).present(telemetry, conditions, raw=raw):
        for row in view.columns.drop_columns("@cause").to_pylist():
            number = row.pop(EVENT_COLUMN)
            found[number] = {n: v for n, v in {**view.constants, **row}.items() if v is not None}
    return found


def query(store, name, conditions, raw):
    """The same as an engine reads it of the store, every column."""
    engine = open_engine()
    world = WorldStore(engine, store)
    columns = world.load(name, conditions, raw=raw)
    node = Scan(columns={**columns, EVENT_COLUMN: Kind.EVENT})
    world.prepare(node)
    rows = engine.run(node)
    found = {}
    for row in rows.records():
        found[int(row.pop(EVENT_COLUMN))] = row
    world.close()
    engine.close()
    return found, columns


def as_shown(value, kind):
    """A column of several kinds over all tables has the widest."""
    if kind is Kind.LIST and not isinstance(value, list):
        return [value]
    if kind is Kind.TEXT and isinstance(value, float):
        return str(value)
    return value


@pytest.mark.parametrize(("name", "conditions", "raw"), list(list_conditions()), ids=str)
def test_a_store_shows_what_its_events_show(store, telemetry, name, conditions, raw):
    shown = present(telemetry, name, conditions, raw)
    held, columns = query(store, name, conditions, raw)
    assert held.keys() == shown.keys()
    for number, row in shown.items():
        assert held[number] == {n: as_shown(v, columns[n]) for n, v in row.items()}
