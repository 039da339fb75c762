"""Published queries give the same rows of events that are codes as of the same events in memory."""

from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from harness.detection.content import read_content
from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import HarnessError, Source
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.platform import platform
from harness.telemetry.scenario_telemetry import replay
from tests.coded_events import CodedDuckDB

SHARED = Path(__file__).parents[3] / "shared"
RECORDED = ("sysmon_1_3_22.ndjson.gz", "security_datasets", "splunk_security_content", "panther_analysis")
# Chosen: all would take a quarter of an hour, and each run of the suite takes others.
EVERY = 8


def list_queries(name):
    return sorted((SHARED / "corpora" / name).rglob(f"*.{name}"))


def rows_of(opened, columns, text, spoken, settings):
    """The rows as texts, or what is said of a query that cannot be run."""
    plan = spoken.parse(text, settings=settings).plan(columns, settings)
    rows = opened.run(plan.node)
    cells = [[f"{v:.10g}" if isinstance(v, float) else str(v) for v in row] for row in rows.rows]
    return rows.columns, sorted(map(tuple, cells))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spl", "cql"])
def test_a_published_query_gives_the_same_rows_on_codes(name, samples):
    spoken = language(name)
    telemetry = merge_telemetry(replay(samples / each) for each in RECORDED)
    views = platform(spoken.platform).present(telemetry, {}, raw=True)
    plain, coded = open_engine("duckdb"), CodedDuckDB()
    columns = plain.load(views)
    assert coded.load(views) == columns
    settings = read_content([SHARED / "corpora" / name], lenient=True).settings(Settings(now=1.7e9))
    compared = 0
    for path in islice(list_queries(name), 0, None, EVERY):
        text = Source(path.name, path.read_text("utf-8"))
        with suppress(HarnessError):
            wanted = rows_of(plain, columns, text, spoken, settings)
            assert rows_of(coded, columns, text, spoken, settings) == wanted, path
            compared += 1
    plain.close()
    coded.close()
    assert compared > len(list_queries(name)) // EVERY // 2
