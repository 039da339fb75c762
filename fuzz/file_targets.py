"""Targets that take a file: event logs of every format and shape, recordings, journals and ledgers."""

from __future__ import annotations

import atexit
import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.event_seeds import JSON_SHAPES, list_shape_seeds
from fuzz.promise import BrokenPromiseError, Target
from fuzz.text_targets import SHARED, find_seed_files
from harness.detection.engine import Engine, open_engine
from harness.detection.plan.nodes import Scan
from harness.diagnostics import HarnessError
from harness.telemetry.events.event import Telemetry
from harness.telemetry.format import list_writers, read_telemetry, write_telemetry
from harness.telemetry.formats import parquet
from harness.telemetry.lab.host_ledger import compute_check, ledger_of, read_ledger
from harness.telemetry.lab.host_record import list_owed_cleanups, read_host_record
from harness.telemetry.lab.journal import JournalEntry, JournalStep, journal_of, read_journal
from harness.telemetry.lab.owed_cleanup import find_owed
from harness.telemetry.platform import platform_names
from harness.telemetry.recording import MANIFEST, TEST_MANIFEST, open_recording
from harness.verdict.store import TelemetryStore
from tests.telemetry.formats.event_log_file import event_log, sysmon

RUN, HOST = "20260101-000000-aaaa", "win10"
XML = (
    b"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-"
    b"Sysmon'/><EventID>3</EventID><TimeCreated SystemTime='2024-01-01T10:00:00.2503Z'/><Channel>Microsoft-Windows-"
    b"Sysmon/Operational</Channel><Computer>WS01</Computer></System><EventData><Data Name='Image'>C:\\a.exe</Data>"
    b"<Data>plain</Data></EventData></Event>\n"
)


@contextmanager
def written_file(data: bytes, name: str) -> Iterator[Path]:
    """A file with this content in a folder of its own."""
    with TemporaryDirectory(prefix="detlab-fuzz-") as folder:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        yield path


@cache
def open_store_engine() -> Engine:
    """The engine that takes what was read; one for all inputs, since opening costs more than most of them."""
    return open_engine("duckdb", patience=10)


# DuckDB's binding tells at the end of the interpreter of whatever then still stands.
atexit.register(open_store_engine.cache_clear)


def check_events(name: str, data: bytes) -> None:
    """A file is read, or told to be none; what was read can be queried on every platform and written again."""
    with written_file(data, name) as path:
        use_telemetry(read_telemetry(path))


def use_telemetry(telemetry: Telemetry) -> None:
    """Everything that is done with events whatever a rule asks."""
    store = TelemetryStore(open_store_engine(), lambda _: telemetry)
    store.end({})
    for name in platform_names():
        columns = [store.load(name, {}, raw=raw) for raw in (False, True)][-1]
        store.engine.run(Scan(columns=columns), limit=5)
    for name in list_writers():
        write_telemetry(telemetry, name, io.BytesIO())
    with TemporaryDirectory(prefix="detlab-fuzz-") as folder:
        path = Path(folder) / "again.parquet"
        with path.open("wb") as out:
            write_telemetry(telemetry, "parquet", out)
        again = read_telemetry(path)
    if len(again) != len(telemetry):
        raise BrokenPromiseError(f"{len(telemetry)} events become {len(again)} when written as Parquet and read")


def list_evtx() -> list[bytes]:
    """Event logs of three kinds of events; a chunk is 64 KiB, so they are cut to what the fuzzer keeps."""
    logs = [event_log([sysmon(n, {"Image": f"a{n}.exe", "x": "<&"}) for n in range(1, 4)])]
    return [log.rstrip(b"\0") for log in logs]


def list_parquet() -> list[bytes]:
    """Tables of ours, and of others with every type that Arrow has."""
    with written_file(XML * 3, "a.xml") as path:
        ours = read_telemetry(path)
    out = io.BytesIO()
    write_telemetry(ours, "parquet", out)
    day = datetime(2024, 1, 1, tzinfo=UTC)
    foreign = pa.table(
        {
            "EventID": [1, 3],
            "Channel": ["Security", None],
            "time": [day, None],
            "nested": [{"a": [1, 2], "b": {"c": "x"}}, None],
            "dec": [Decimal("1.50"), Decimal("2.25")],
            "bin": [b"\xff\x00", None],
            "date": [day.date(), None],
            "flag": [True, None],
            "far": pa.array([2**62, -(2**62)], pa.timestamp("us")),
            "wait": pa.array([2**62, 1], pa.duration("us")),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "dict": pa.array(["x", "y"]).dictionary_encode(),
        }
    )
    other = io.BytesIO()
    pq.write_table(foreign, other, compression="none")
    near = io.BytesIO()
    pq.write_table(foreign.drop_columns(["far", "wait", "map"]), near, compression="none")
    return [out.getvalue(), other.getvalue(), near.getvalue()]


def check_layout(data: bytes) -> None:
    """A file whose tables are ours, with what it says of them replaced."""
    table = pq.read_table(io.BytesIO(list_parquet()[0]))
    about = {**(table.schema.metadata or {}), parquet.LAYOUT: data}
    with written_file(b"", "a.parquet") as path:
        pq.write_table(table.replace_schema_metadata(about), path)
        use_telemetry(read_telemetry(path))


def list_layouts() -> list[bytes]:
    """What our files say of their tables."""
    return [(pq.read_schema(io.BytesIO(list_parquet()[0])).metadata or {})[parquet.LAYOUT]]


def check_recording(data: bytes) -> None:
    """A recording's manifest is checked, whether of a run or of one test, and its tests are read."""
    for name in (MANIFEST, f"{HOST}/T1-1/{TEST_MANIFEST}"):
        with written_file(data, name) as path, suppress(HarnessError):
            folder = path.parents[len(Path(name).parts) - 1]
            (folder / "events.xml").write_bytes(XML)
            recording = open_recording(folder)
            recording.telemetry()
            for test in recording.manifest.tests:
                recording.telemetry(test.technique, test.number)


def list_manifests() -> list[bytes]:
    """A recording of one test."""
    test = {
        "host": HOST,
        "technique": "T1",
        "number": 1,
        "name": "T1-1",
        "mark": "m",
        "status": "finished",
        "events": "events.xml",
        "raw": {"Security": "events.xml"},
        "windows": {"Security": [1, 2]},
        "started": "2024-01-01T10:00:00+00:00",
        "losses": [],
        "secrets": {"a": ["b"]},
        "revealed": [{"env": "A"}],
    }
    manifest = {
        "schema": 1,
        "run": RUN,
        "lab": "lab",
        "created": "2024-01-01T10:00:00+00:00",
        "tool": "detlab",
        "hosts": {HOST: {"computer": "WS01", "offset": 0.5}},
        "tests": [test],
        "files": {"events.xml": sha256(XML).hexdigest()},
    }
    return [json.dumps(manifest).encode()]


def check_journal(data: bytes) -> None:
    """A journal says what is owed, or that it is damaged; a host with a damaged one is not known."""
    with TemporaryDirectory(prefix="detlab-fuzz-") as folder:
        state = Path(folder)
        path = journal_of(state, RUN, HOST)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        for item in find_owed(read_journal(path).entries):
            item.plan.print()
            with suppress(HarnessError):
                item.plan.render()
        read_host_record(state, HOST)
        list_owed_cleanups(state)


def list_journals() -> list[bytes]:
    """A journal of two tests, of which one was cut off."""
    plan = {
        "mark": "m",
        "technique": "T1",
        "number": 1,
        "guid": "g",
        "digest": "d",
        "shell": "command_prompt",
        "cleanup": "del #{f}",
        "arguments": {"f": ["a", {"env": "X"}]},
        "folder": "c",
    }
    steps = [(s, f"T1-{n}") for n in (1, 2) for s in list(JournalStep)[: 9 if n == 1 else 5]]
    lines, before = [], ""
    for number, (step, test) in enumerate(steps, 1):
        data: dict[str, Any] = plan if step is JournalStep.PLANNED else {"why": "x", "what": "y", "lost": False}
        about = {"at": "2024-01-01T10:00:00.000+00:00", "run": RUN, "step": step, "host": HOST, "test": test}
        line = JournalEntry(number=number, before=before, data=data, **about).line()
        before = line.split(b" ", 2)[1].decode()
        lines.append(line)
    return [b"".join(lines), *find_seed_files("*.journal")]


BODY = re.compile(rb"\{.*\}")
BEFORE, NUMBER = re.compile(rb'"before":"[^"]*"'), re.compile(rb'"number":\d+')


def repair_journal(data: bytes) -> bytes:
    """The chain of a changed journal made whole: lengths, numbers and hashes."""
    lines, before = [], b""
    for number, body in enumerate((m[0] for m in map(BODY.search, data.split(b"\n")) if m), 1):
        body = BEFORE.sub(b'"before":"%s"' % before, body)
        body = NUMBER.sub(b'"number":%d' % number, body)
        before = sha256(body).hexdigest().encode()
        lines.append(b"%d %s %s\n" % (len(body), before, body))
    return b"".join(lines)


def check_ledger(data: bytes) -> None:
    """A ledger is what was written, or told to be damaged."""
    with TemporaryDirectory(prefix="detlab-fuzz-") as folder:
        path = ledger_of(Path(folder), HOST)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        read_host_record(Path(folder), HOST)
        read_ledger(Path(folder), HOST).save()


def list_ledgers() -> list[bytes]:
    """A ledger of one run."""
    body = {"v": 1, "host": HOST, "runs": {RUN: [1, "ab"]}, "accepted": {"x": "y"}}
    return [repair_ledger(json.dumps(body).encode())]


def repair_ledger(data: bytes) -> bytes:
    """The hash of a changed ledger made right, where it still is an object."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(body, dict):
        return data
    body.pop("check", None)
    return json.dumps({**body, "check": compute_check(body)}).encode()


def list_falcon() -> Sequence[bytes]:
    """Falcon events as its replicator delivers them."""
    file = SHARED / "samples" / "dev" / "falcon" / "events.ndjson"
    return [*([b"\n".join(file.read_bytes().splitlines()[:8])] if file.is_file() else []), JSON_SHAPES["falcon"]]


FILE_TARGETS: dict[str, Target] = {
    "evtx": Target(check=partial(check_events, "a.evtx"), seeds=list_evtx, binary=True),
    "xml": Target(check=partial(check_events, "a.xml"), seeds=lambda: [XML * 2, *find_seed_files("*.xml")]),
    "ndjson": Target(check=partial(check_events, "a.ndjson"), seeds=partial(find_seed_files, "*.ndjson")),
    "json_shapes": Target(check=partial(check_events, "a.json"), seeds=list_shape_seeds),
    "fdr": Target(check=partial(check_events, "fdr.ndjson"), seeds=list_falcon),
    "parquet": Target(check=partial(check_events, "a.parquet"), seeds=list_parquet, binary=True),
    "parquet_layout": Target(check=check_layout, seeds=list_layouts),
    "recording": Target(check=check_recording, seeds=list_manifests, words=(b'"../x"', b'"events.xml"')),
    "journal": Target(check=check_journal, seeds=list_journals, repair=repair_journal),
    "ledger": Target(check=check_ledger, seeds=list_ledgers, repair=repair_ledger),
}
