"""Fields that events have: those of the sensors' own events as a platform shows them, and of Windows' manifests."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from harness.detection.language import language
from harness.diagnostics import HarnessError
from harness.editor.field_catalogue import EventField
from harness.editor.project_view import find_settings
from harness.scenario.pack import BUNDLED
from harness.scenario.project import SETTINGS_FILE
from harness.scenario.scenario import read_scenario
from harness.scenario.settings import read_project
from harness.telemetry.events import event_layout
from harness.telemetry.platform import View, platform
from harness.telemetry.scenario_telemetry import record_scenario, replay

MANIFESTS = Path(event_layout.__file__).with_name("manifests.tsv")
# Scenarios of the bundled pack that between them leave every kind of event that its sensors write for an atomic.
WITNESSES = ("1-beacon-check-in.yaml", "2-dns-lookups.yaml", "4-scheduled-task.yaml")
# Bytes; chosen, no source: an editor asks for names, which a piece of a recording has.
LARGEST_EVENTS_FILE = 32 << 20
LONGEST_EXAMPLE = 80
SOURCE_FIELDS = ("source", "windows.Channel", "winlog.channel", "Channel", "#type", "sourcetype")
KIND_FIELDS = ("EventCode", "EventID", "event_simpleName", "#event_simpleName")


@lru_cache(maxsize=16)
def collect_event_fields(name: str, events: Path | None = None, folder: Path | None = None) -> dict[str, EventField]:
    """The fields that rules of a language may name, of the events in a file too, if one is given.

    `folder` is one of a project, whose settings may give fields and inputs other names.
    """
    shown = platform(language(name).platform)
    settings = find_settings(folder / SETTINGS_FILE) if folder is not None else None
    conditions = read_project(settings).settings.named_conditions if settings is not None else {}
    found: dict[str, EventField] = {}
    for scenario in WITNESSES:
        path = BUNDLED / "scenarios" / "T1583.004" / scenario
        if path.is_file():
            merge_fields(found, shown.present(record_scenario(read_scenario(path), {}), conditions))
    if events is not None:
        try:
            if events.is_file() and events.stat().st_size <= LARGEST_EVENTS_FILE:
                merge_fields(found, shown.present(replay(events), conditions))
        except HarnessError:
            # The command that runs on them says what is wrong with them.
            pass
    if name == "spl":
        for field, kinds in list_manifest_fields().items():
            found.setdefault(field, EventField(name=field, events=kinds))
    return found


def merge_fields(found: dict[str, EventField], views: tuple[View, ...]) -> None:
    """Adds the fields of events as a platform shows them."""
    for view in views:
        label = name_events(view)
        values = dict(view.constants)
        for field in view.columns.schema.names:
            values.setdefault(field, find_example(view.columns.column(field)))
        for field, value in values.items():
            if field.startswith("@event") or field == "@cause":
                continue
            known = found.get(field, EventField(name=field, events=()))
            events = known.events if label in known.events else (*known.events, label)
            found[field] = EventField(name=field, events=events, example=known.example or value)


def name_events(view: View) -> str:
    """What people call events of a view: their channel or sourcetype, and their kind."""
    constants = view.constants
    kind = next((constants[f] for f in KIND_FIELDS if f in constants), "")
    source = next((constants[f] for f in SOURCE_FIELDS if f in constants), "")
    short = source.rpartition(":")[2].removeprefix("Microsoft-Windows-")
    return f"{short} {kind}".strip()


def find_example(column: pa.ChunkedArray) -> str:
    """The first value of a column that is one, as text."""
    for value in column.slice(0, 50).to_pylist():
        if value not in (None, "", "-", []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            return text if len(text) <= LONGEST_EXAMPLE else text[: LONGEST_EXAMPLE - 3] + "..."
    return ""


@lru_cache(maxsize=1)
def list_manifest_fields() -> dict[str, tuple[str, ...]]:
    """The data of Windows' events by name, each with the providers and numbers of the events that have it."""
    found: dict[str, dict[str, None]] = {}
    for provider, kind, names in read_manifest_rows():
        for name in names.split("|"):
            found.setdefault(name.partition(":")[0], {})[f"{provider.removeprefix('Microsoft-Windows-')} {kind}"] = None
    return {name: tuple(kinds) for name, kinds in found.items()}


def read_manifest_rows() -> Iterator[tuple[str, str, str]]:
    """Provider, number and data of each event of the manifests."""
    with MANIFESTS.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            if len(row) == 3 and not row[0].startswith("#"):
                yield row[0], row[1], row[2]
