"""What a real Splunk 10.4.0 made of texts by props.conf and transforms.conf, against what `detlab query` makes."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.cli.front_door import run_command

FOLDER = Path(__file__).parents[5] / "shared" / "samples" / "splunk_10.4.0_captures"
CAPTURES = sorted(p for p in FOLDER.glob("*.json") if p.name != "manifest.json")
INTERNAL = {"_raw", "_time", "index", "source", "sourcetype", "host"}
ARGUED: Mapping[str, str] = {}
"""Captures that do not hold, and why; the page tests/conformance/spl/captures.md says more."""

pytestmark = pytest.mark.skipif(not CAPTURES, reason="the captures are not beside this checkout")


def write_app(capture: Mapping[str, object], folder: Path) -> Path:
    """The capture's configuration as an app has it."""
    conf = folder / "app" / "default"
    conf.mkdir(parents=True)
    extra = "".join(f"\n[{e['stanza']}]\n{e['body']}\n" for e in capture.get("extraProps", ()))
    (conf / "props.conf").write_text(f"[captured]\n{capture['props']}\n{extra}")
    (conf / "transforms.conf").write_text(capture.get("transforms", ""))
    return conf.parent


def searched(capture: Mapping[str, object], text: str, folder: Path) -> list[Mapping[str, object]]:
    """The rows of a search through the command, on the log as a file and its configuration as an app."""
    log, rule = folder / "captured.log", folder / "capture.spl"
    log.write_text(capture["input"], newline="")
    os.utime(log, (1_768_470_000, 1_768_470_000))
    rule.write_text(text)
    arguments = ["query", rule, "--events", log, "--sourcetype", "captured", "--props", write_app(capture, folder)]
    for name, value in (("source", capture.get("ingestSource")), ("host", capture.get("ingestHost"))):
        arguments += [f"--{name}", value] if value else []
    ran = run_command([*map(str, arguments), "--json", "--in-process"])
    document = json.loads(ran.out)
    assert ran.code == 0, document
    # That an event has the time of another is told, and is what Splunk does.
    assert not [d for d in document["damages"] if "no time that can be read" not in d["message"]]
    return document["rows"]


def shown(value: object) -> object:
    """A field as the search API of Splunk writes it: one value bare, several as a list."""
    if isinstance(value, list | tuple):
        return str(value[0]) if len(value) == 1 else [str(v) for v in value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.stem)
def test_a_search_shows_what_splunk_showed(path, tmp_path):
    if path.stem in ARGUED:
        pytest.xfail(ARGUED[path.stem])
    capture = json.loads(path.read_text())
    rows = searched(capture, "search * | reverse", tmp_path)
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
def test_a_search_that_names_the_fields_sees_the_same(path, tmp_path):
    if path.stem in ARGUED:
        pytest.xfail(ARGUED[path.stem])
    capture = json.loads(path.read_text())
    names = sorted({name for event in capture["events"] for name in event["fields"]} - {"punct"})
    if not names or not all(n.replace("_", "").isalnum() for n in names):
        pytest.skip("nothing that `table` could name")
    rows = searched(capture, f"* | table {' '.join(names)}", tmp_path)
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
