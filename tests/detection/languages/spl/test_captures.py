"""What a real Splunk 10.4.0 made of texts by props.conf and transforms.conf, against what is made of them here."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import Source
from harness.scenario.conf import stanzas
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.platform import platform

FOLDER = Path(__file__).parents[5] / "shared" / "samples" / "splunk_10.4.0_captures"
CAPTURES = sorted(p for p in FOLDER.glob("*.json") if p.name != "manifest.json")
INTERNAL = {"_raw", "_time", "index", "source", "sourcetype", "host"}
ARGUED: Mapping[str, str] = {}
"""Captures that do not hold, and why; the page tests/conformance/spl/captures.md says more."""

pytestmark = pytest.mark.skipif(not CAPTURES, reason="the captures are not beside this checkout")


@pytest.fixture(scope="module")
def duckdb():
    connected = open_engine("duckdb")
    yield connected
    connected.close()


def input_of(capture: Mapping[str, object]) -> Input:
    given = {"captured": dict(stanzas(f"[captured]\n{capture['props']}"))["captured"]}
    for extra in capture.get("extraProps", ()):
        given[extra["stanza"]] = dict(stanzas(f"[extra]\n{extra['body']}"))["extra"]
    return Input(
        sourcetype="captured",
        source=capture.get("ingestSource", ""),
        host=capture.get("ingestHost", ""),
        props=given,
        transforms=dict(stanzas(capture.get("transforms", ""))),
    )


def searched(capture: Mapping[str, object], text: str, folder: Path, duckdb) -> list[Mapping[str, object]]:
    log = folder / "captured.log"
    log.write_text(capture["input"])
    os.utime(log, (1_768_470_000, 1_768_470_000))
    given = input_of(capture)
    events = read_telemetry(log, given)
    # That an event has the time of another is told, and is what Splunk does.
    assert not [d for d in events.damages if "no time that can be read" not in d.message]
    columns = duckdb.load(platform("splunk").present(events, {}, raw=True))
    settings = Settings(props=given.props, transforms=given.transforms, ask=duckdb.run)
    plan = language("spl").parse(Source("capture", text), settings=settings).plan(columns, settings)
    return list(duckdb.run(plan.node).records())


def shown(value: object) -> object:
    """A field as the search API of Splunk writes it: one value bare, several as a list."""
    if isinstance(value, list | tuple):
        return str(value[0]) if len(value) == 1 else [str(v) for v in value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.stem)
def test_a_search_shows_what_splunk_showed(path, tmp_path, duckdb):
    if path.stem in ARGUED:
        pytest.xfail(ARGUED[path.stem])
    capture = json.loads(path.read_text())
    rows = searched(capture, "search * | reverse", tmp_path, duckdb)
    found = [
        {
            "_raw": row["_raw"],
            "_time": round(row["_time"] * 1000),
            "fields": {
                name: shown(value)
                for name, value in row.items()
                if name not in INTERNAL | (set() if capture.get("comparePunct") else {"punct"}) and value is not None
            },
        }
        for row in rows
    ]
    assert sorted(found, key=str) == sorted(capture["events"], key=str)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.stem)
def test_a_search_that_names_the_fields_sees_the_same(path, tmp_path, duckdb):
    if path.stem in ARGUED:
        pytest.xfail(ARGUED[path.stem])
    capture = json.loads(path.read_text())
    names = sorted({name for event in capture["events"] for name in event["fields"]} - {"punct"})
    if not names or not all(n.replace("_", "").isalnum() for n in names):
        pytest.skip("nothing that `table` could name")
    rows = searched(capture, f"* | table {' '.join(names)}", tmp_path, duckdb)
    found = [{n: shown(v) for n, v in row.items() if v is not None} for row in rows]
    expected = [{n: v for n, v in event["fields"].items() if n != "punct"} for event in capture["events"]]
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_every_capture_of_the_manifest_is_there():
    listed = json.loads((FOLDER / "manifest.json").read_text())["cases"]
    assert sorted(p.stem for p in CAPTURES) == sorted(listed)
    assert set(ARGUED) <= set(listed)


def test_each_page_names_every_family():
    page = (Path(__file__).parents[3] / "conformance" / "spl" / "captures.md").read_text()
    assert [p.stem for p in CAPTURES if f"`{p.stem}`" not in page] == []
