"""Writes recordings: raw events, labelled tables, the journal, and a manifest with the hash of each file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock

import msgspec
import numpy as np
import pyarrow as pa

from harness.scenario.atomic_command import Rendered
from harness.telemetry.events.event import (
    CAUSE,
    UNLABELLED,
    Cause,
    Events,
    Telemetry,
    TelemetryOrigin,
    parse_microseconds,
)
from harness.telemetry.events.input import EventTables
from harness.telemetry.events.text_columns import list_event_fields
from harness.telemetry.events.windows_event import sensor_of
from harness.telemetry.format import write_telemetry
from harness.telemetry.lab.collection import Collected
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.journal import TestOutcome
from harness.telemetry.lab.secret import redact_secrets
from harness.telemetry.recording import MANIFEST, SCHEMA, Manifest, RecordedHost, RecordedTest, digest_of


@dataclass(slots=True, kw_only=True)
class Recorder:
    """One run's recording, filled test by test; several hosts may write at once."""

    path: Path
    run: str
    lab: str
    tests: Mapping[str, Rendered]
    hosts: dict[str, RecordedHost] = field(default_factory=dict)
    collected: dict[tuple[str, str], RecordedTest] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def keep(self, host: LabHost, collected: Collected) -> None:
        """Writes what was collected of one test; files are whole or not there."""
        outcome = collected.outcome
        folder = self.path / safe(host.name) / safe(outcome.test)
        folder.mkdir(parents=True, exist_ok=True)
        raw: dict[str, str] = {}
        for channel in sorted({r.channel for r in collected.records}):
            file = folder / f"{safe(channel)}.xml"
            lines = [redact_secrets(r.xml) for r in collected.records if r.channel == channel]
            write_whole_file(file, ("<Events>\n" + "\n".join(lines) + "\n</Events>\n").encode("utf-8"))
            raw[channel] = str(file.relative_to(self.path))
        events = folder / "events.parquet"
        with events.with_suffix(".part").open("wb") as out:
            write_telemetry(telemetry_of(collected, self.tests[outcome.test]), "parquet", out)
            out.flush()
            os.fsync(out.fileno())
        events.with_suffix(".part").replace(events)
        told = self.told(collected, events, raw)
        # Hosts are collected side by side; only these two dictionaries are shared.
        with self.lock:
            self.hosts[host.name] = recorded_host(host, collected.facts)
            self.collected[host.name, outcome.test] = told

    def told(self, collected: Collected, events: Path, raw: dict[str, str]) -> RecordedTest:
        """A test as the manifest tells it."""
        return msgspec.structs.replace(
            self.entry(collected.outcome),
            events=str(events.relative_to(self.path)),
            raw=raw,
            windows=dict(collected.windows),
            losses=tuple(str(loss) for loss in collected.losses),
            caused=sum(r.caused for r in collected.records),
            recorded=len(collected.records),
            late=collected.late,
        )

    def entry(self, outcome: TestOutcome) -> RecordedTest:
        """The manifest's entry of a test without its events."""
        rendered = self.tests[outcome.test]
        return RecordedTest(
            host=outcome.host,
            technique=rendered.atomic.technique,
            number=rendered.atomic.number,
            name=outcome.test,
            guid=rendered.atomic.guid,
            title=rendered.atomic.test.name,
            mark=outcome.mark,
            status=str(outcome.status),
            arguments={k: redact_secrets(v) for k, v in rendered.arguments.items()},
            exit_code=outcome.exit_code,
            cleaning=str(outcome.cleaning),
            started=outcome.started.isoformat() if outcome.started else None,
            ended=outcome.ended.isoformat() if outcome.ended else None,
            why=redact_secrets(outcome.why or outcome.why_owed),
        )

    def finish(self, outcomes: Iterable[TestOutcome], journal: Path) -> Path:
        """Writes journal and manifest; only with the manifest is the folder a recording."""
        told = []
        for outcome in outcomes:
            kept = self.collected.get((outcome.host, outcome.test), self.entry(outcome))
            told.append(msgspec.structs.replace(kept, cleaning=str(outcome.cleaning)))
        self.path.mkdir(parents=True, exist_ok=True)
        # Manifest last: a folder without one is no recording.
        write_whole_file(self.path / "journal.txt", redact_secrets(journal.read_text("utf-8")).encode("utf-8"))
        manifest = Manifest(
            schema=SCHEMA,
            run=self.run,
            lab=self.lab,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tool=f"detlab {tool_version()}",
            hosts=self.hosts,
            tests=tuple(told),
            files=digests(self.path),
        )
        write_recording_manifest(self.path, manifest)
        return self.path


def write_recording_manifest(path: Path, manifest: Manifest) -> None:
    """Writes a manifest, sorted, so that equal recordings have equal bytes."""
    data = msgspec.to_builtins(manifest)
    write_whole_file(
        path / MANIFEST, (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")
    )


def digests(path: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder but its manifest."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and p != path / MANIFEST)
    return {str(p.relative_to(path)): digest_of(p) for p in files}


def write_whole_file(file: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def safe(name: str) -> str:
    """A name with all but letters, digits and `-._` as underscores."""
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in name)


def tool_version() -> str:
    """The installed version of detlab; `0` in a bare checkout."""
    try:
        return version("detlab")
    except PackageNotFoundError:
        return "0"


def recorded_host(host: LabHost, facts: HostFacts) -> RecordedHost:
    """A host as the manifest tells it."""
    return RecordedHost(
        computer=facts.computer,
        offset=round(facts.offset, 3),
        uncertainty=round(facts.uncertainty, 3),
        wire=str(host.entry.wire),
        elevated=facts.elevated,
    )


def telemetry_of(collected: Collected, rendered: Rendered) -> Telemetry:
    """The events as tables, the test's own labelled; times are put right by how far the host's clock is off."""
    tables = EventTables()
    shift = correction(collected.facts)
    for record in collected.records:
        time = parse_microseconds(record.fields.get("SystemTime"))
        kind = record.fields.get("EventID", "")
        fields = {k: redact_secrets(v) for k, v in record.fields.items()}
        tables.add(sensor_of(record.channel), kind, None if time is None else time - shift, fields)
    read = tables.telemetry()
    name = rendered.atomic.name
    cause = Cause(name=name, malicious=True, host=collected.outcome.host, detail=rendered.atomic.test.name)
    ours = {(r.channel, str(r.number)) for r in collected.records if r.caused}
    events = tuple(label_test_events(e, ours) for e in read.events)
    return replace(read, events=events, causes=(cause,), origin=TelemetryOrigin.DETONATED)


def correction(facts: HostFacts) -> int:
    """By how many microseconds times are to be put back: nothing where the clocks agree as far as can be told."""
    # A difference within the error of its measurement is none.
    return round(facts.offset * 1_000_000) if abs(facts.offset) > facts.uncertainty else 0


def label_test_events(events: Events, ours: set[tuple[str, str]]) -> Events:
    """The events with the first cause where they are the test's."""
    fields = list_event_fields(events)
    numbers, channels = (
        repeat_field_values(fields["EventRecordID"], len(events)),
        repeat_field_values(fields["Channel"], len(events)),
    )
    found = [0 if key in ours else UNLABELLED for key in zip(channels, numbers, strict=True)]
    at = events.columns.schema.get_field_index(CAUSE)
    return events.with_columns(events.columns.set_column(at, CAUSE, pa.array(np.array(found, np.int32))))


def repeat_field_values(values: object, count: int) -> Sequence[str]:
    """A field's value for each event, constant or not."""
    return [values] * count if isinstance(values, str) else values.to_pylist()  # type: ignore[attr-defined]
