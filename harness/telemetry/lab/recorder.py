"""Writes recordings: raw events, labelled tables, the journals, and a manifest of each test as soon as it has ended."""

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
from harness.telemetry.lab.journal import TestOutcome, journal_of
from harness.telemetry.lab.secret import count_secrets, redact_secrets
from harness.telemetry.lab.secret_reference import list_references, print_references, refer_to_secrets
from harness.telemetry.recording import (
    MANIFEST,
    SCHEMA,
    TEST_MANIFEST,
    Manifest,
    RecordedHost,
    RecordedTest,
    RevealedSecret,
    digest_of,
)


@dataclass(slots=True, kw_only=True)
class Recorder:
    """One run's recording, filled test by test; several hosts may write at once.

    A test is whole as soon as its own manifest is there, whatever happens to the run.
    """

    path: Path
    run: str
    lab: str
    tests: Mapping[str, Rendered]
    hosts: dict[str, RecordedHost] = field(default_factory=dict)
    collected: dict[tuple[str, str], RecordedTest] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def keep(self, host: LabHost, collected: Collected) -> None:
        """Writes what was collected of one test, its manifest last; files are whole or not there."""
        outcome = collected.outcome
        folder = self.folder_of(outcome)
        folder.mkdir(parents=True, exist_ok=True)
        raw: dict[str, str] = {}
        for channel in sorted({r.channel for r in collected.records}):
            file = folder / f"{safe(channel)}.xml"
            lines = [r.xml for r in collected.records if r.channel == channel]
            write_whole_file(file, ("<Events>\n" + "\n".join(lines) + "\n</Events>\n").encode("utf-8"))
            raw[channel] = self.name_of(file)
        events = folder / "events.parquet"
        with events.with_suffix(".part").open("wb") as out:
            write_telemetry(telemetry_of(collected, self.tests[outcome.test]), "parquet", out)
            out.flush()
            os.fsync(out.fileno())
        events.with_suffix(".part").replace(events)
        recorded = self.describe_collected(collected, self.name_of(events), raw)
        # Hosts are collected side by side; only these two dictionaries are shared.
        with self.lock:
            self.hosts[host.name] = recorded_host(host, collected.facts)
            self.collected[host.name, outcome.test] = recorded
            self.write_test(outcome)

    def settle(self, outcome: TestOutcome) -> None:
        """Writes the manifest of a recorded test again, once it is known whether the host is clean."""
        with self.lock:
            recorded = self.collected.get((outcome.host, outcome.test))
            if recorded:
                self.collected[outcome.host, outcome.test] = with_outcome(recorded, outcome)
                self.write_test(outcome)

    def write_test(self, outcome: TestOutcome) -> None:
        """Writes the manifest of one test: a recording of its own, with the hash of each of its files."""
        folder = self.folder_of(outcome)
        files = {self.name_of(p): digest_of(p) for p in sorted(folder.iterdir()) if p.suffix in (".xml", ".parquet")}
        recorded = self.collected[outcome.host, outcome.test]
        hosts = {outcome.host: self.hosts[outcome.host]}
        manifest = self.manifest((recorded,), hosts, files, complete=False)
        write_recording_manifest(folder / TEST_MANIFEST, manifest)

    def folder_of(self, outcome: TestOutcome) -> Path:
        """Where the files of a test on a host are."""
        return self.path / safe(outcome.host) / safe(outcome.test)

    def name_of(self, file: Path) -> str:
        """A file's name in the manifest."""
        return file.relative_to(self.path).as_posix()

    def manifest(
        self,
        tests: tuple[RecordedTest, ...],
        hosts: Mapping[str, RecordedHost],
        files: Mapping[str, str],
        *,
        complete: bool,
    ) -> Manifest:
        """A manifest of this run."""
        return Manifest(
            schema=SCHEMA,
            run=self.run,
            lab=self.lab,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tool=f"detlab {tool_version()}",
            hosts=dict(hosts),
            tests=tests,
            files=dict(files),
            complete=complete,
        )

    def describe_collected(self, collected: Collected, events: str, raw: dict[str, str]) -> RecordedTest:
        """A test as the manifest tells it."""
        return msgspec.structs.replace(
            self.describe_outcome(collected.outcome),
            events=events,
            raw=raw,
            windows=dict(collected.windows),
            losses=tuple(str(loss) for loss in collected.losses),
            caused=sum(r.caused for r in collected.records),
            recorded=len(collected.records),
            late=collected.late,
            revealed=find_revealed(collected, events, raw),
        )

    def describe_outcome(self, outcome: TestOutcome) -> RecordedTest:
        """What the manifest says of a test apart from its events."""
        rendered = self.tests[outcome.test]
        arguments = {name: refer_to_secrets(value) for name, value in rendered.arguments.items()}
        secrets = {name: tuple(str(s) for s in list_references(value)) for name, value in arguments.items()}
        return with_outcome(
            RecordedTest(
                host=outcome.host,
                technique=rendered.atomic.technique,
                number=rendered.atomic.number,
                name=outcome.test,
                guid=rendered.atomic.guid,
                title=rendered.atomic.test.name,
                mark=outcome.mark,
                status=str(outcome.status),
                definition=rendered.atomic.digest,
                arguments={name: print_references(value) for name, value in arguments.items()},
                secrets={name: names for name, names in secrets.items() if names},
            ),
            outcome,
        )

    def finish(self, outcomes: Iterable[TestOutcome], state: Path, *, complete: bool = True) -> Path:
        """Writes the journals and the manifest of the whole run, those tests included of which nothing was recorded."""
        tests = []
        self.path.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            recorded = self.collected.get((outcome.host, outcome.test), self.describe_outcome(outcome))
            tests.append(with_outcome(recorded, outcome))
            self.copy_journal(state, outcome.host)
        manifest = self.manifest(tuple(tests), self.hosts, digests(self.path), complete=complete)
        write_recording_manifest(self.path / MANIFEST, manifest)
        return self.path

    def copy_journal(self, state: Path, host: str) -> None:
        """Copies a host's journal of this run as it is: no secret stands in it."""
        journal = journal_of(state, self.run, host)
        if journal.is_file():
            (self.path / safe(host)).mkdir(parents=True, exist_ok=True)
            write_whole_file(self.path / safe(host) / "journal.txt", journal.read_bytes())


def with_outcome(recorded: RecordedTest, outcome: TestOutcome) -> RecordedTest:
    """A recorded test with how it ended, as far as that is known by now."""
    return msgspec.structs.replace(
        recorded,
        status=str(outcome.status),
        exit_code=outcome.exit_code,
        cleaning=str(outcome.cleaning),
        started=outcome.started.isoformat() if outcome.started else None,
        ended=outcome.ended.isoformat() if outcome.ended else None,
        why=redact_secrets(outcome.why or outcome.why_owed),
    )


def find_revealed(collected: Collected, events: str, raw: Mapping[str, str]) -> tuple[RevealedSecret, ...]:
    """The secrets whose values stand in what a host recorded, where and how often; the events stay as they are."""
    texts = {file: [r.xml for r in collected.records if r.channel == channel] for channel, file in raw.items()}
    texts[events] = [value for r in collected.records for value in r.fields.values()]
    counts = {file: count_secrets(found) for file, found in texts.items()}
    names = sorted({name for found in counts.values() for name in found}, key=str)
    return tuple(
        RevealedSecret(
            env=name.env,
            keyring=name.keyring,
            user=name.user,
            files={file: found[name] for file, found in counts.items() if found.get(name)},
        )
        for name in names
    )


def write_recording_manifest(file: Path, manifest: Manifest) -> None:
    """Writes a manifest, sorted, so that equal recordings have equal bytes."""
    data = msgspec.to_builtins(manifest)
    write_whole_file(file, (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8"))


def digests(path: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder but its manifest."""
    files = sorted(p for p in path.rglob("*") if p.is_file() and p != path / MANIFEST)
    return {p.relative_to(path).as_posix(): digest_of(p) for p in files}


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
        tables.add(sensor_of(record.channel), kind, None if time is None else time - shift, dict(record.fields))
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
