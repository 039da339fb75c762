"""The reference of telemetry: sensors, events with their fields, conditions, and the shapes that readers know."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from harness.cli.commands.list import LISTINGS
from harness.telemetry.events import windows_values
from harness.telemetry.shape import list_shapes
from manual.markdown import code, format_table

MANIFESTS = Path(windows_values.__file__).with_name("manifests.tsv")


def build_pages() -> Iterator[tuple[str, str]]:
    """Three pages."""
    yield "sensors.md", "\n".join(describe_sensors()) + "\n"
    yield "events.md", "\n".join(describe_events()) + "\n"
    yield "shapes.md", "\n".join(describe_shapes()) + "\n"


def describe_sensors() -> Iterator[str]:
    """What records, and under which conditions it does so otherwise."""
    yield from ("# Sensors and conditions", "")
    for kind, key in (("sensors", "sensor"), ("conditions", "condition")):
        rows = LISTINGS[kind]([])
        names = list(rows[0])
        yield from (f"## {kind.capitalize()}", "")
        yield from format_table(names, [[code(row[n]) if n == key else row[n] for n in names] for row in rows])


def describe_events() -> Iterator[str]:
    """The data of each Windows event in the order of its manifest, a line for each form that versions write."""
    yield from ("# Fields of Windows events", "", "`:x` is a number printed as `0x1a4`, `:g` a GUID.", "")
    lines = [line for line in MANIFESTS.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    for provider in dict.fromkeys(row[0] for row in rows):
        yield from (f"## {provider}", "")
        own = [(row[1], ", ".join(row[2].split("|"))) for row in rows if row[0] == provider]
        yield from format_table(("event", "fields"), own)


def describe_shapes() -> Iterator[str]:
    """What tools write that is recognised, and by which names."""
    yield from ("# Shapes of events", "", "JSON, CSV and Parquet are read by the names of their fields.", "")
    rows = [(code(s.name), s.meaning, " or ".join(s.marks)) for s in list_shapes()]
    yield from format_table(("shape", "meaning", "told by"), rows)
