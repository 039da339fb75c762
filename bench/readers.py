"""Files of events read by the command, against the bare library for EVTX and DuckDB's own readers for the others.

`detlab events` reads, `detlab ingest` also writes; its yardstick is DuckDB reading and writing Parquet, for EVTX the
library that only reads. The ratio is the yardstick's CPU over detlab's, so that 0.5 is half as fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench.evtx_files import join_evtx
from bench.measure import Bench, Contender, Line, Measure, Unmeasured, hold_against, hold_against_bar
from bench.rule_sets import events_of

BAR = 0.5
# Flat events of each format; the mixed ones are as many as DuckDB reads in seconds.
FLAT, MIXED_COPIES, EVTX_RECORDS = 1_000_000, 20, 100_000
# The file is ten times the memory that the command may take.
LIMIT = 512 * 2**20
FLAT_BYTES = 340
"""Of an event of the flat NDJSON."""


def files(bench: Bench) -> Iterator[tuple[str, Path | Unmeasured]]:
    """What is read, by its name."""
    flat = bench.size(FLAT, quick=5_000)
    yield "Parquet", bench.lake("sysmon", flat)
    yield "flat NDJSON", bench.lake("sysmon", flat, "json")
    yield "CSV", bench.lake("sysmon", flat, "csv")
    mixed = bench.size(MIXED_COPIES, quick=1)
    for name, make in (("mixed NDJSON", lambda b: events_of(b, mixed)), ("EVTX", evtx_file)):
        try:
            yield name, make(bench)
        except Unmeasured as reason:
            yield name, reason


def evtx_file(bench: Bench) -> Path:
    """One file of so many records, chunks full as Windows leaves them; those of the samples hold one each."""
    sample, records = bench.require_shared("samples/dev/sigma_regression"), bench.size(EVTX_RECORDS, quick=500)
    path = bench.folder / f"joined-{records}.evtx"
    if not path.exists():
        join_evtx(sorted(sample.glob("*/events.evtx")), records, path)
    return path


def count_events(output: Path) -> str:
    """The number of events that a command of detlab or a competitor found."""
    found = json.loads(output.read_bytes())
    return f"{found if isinstance(found, int) else found['events']} events"


def compare(bench: Bench) -> Iterator[Line]:
    """Each format by each command."""
    for name, path in files(bench):
        line = Line(measure="readers", subject=name, yardstick="", bar=BAR, at_least=True, judged=not bench.quick)
        if isinstance(path, Unmeasured):
            yield replace(line, missing=str(path))
            continue
        try:
            yield from compare_format(bench, name, path, line)
        except Unmeasured as reason:
            yield replace(line, missing=str(reason))


def compare_format(bench: Bench, name: str, path: Path, line: Line) -> Iterator[Line]:
    """One file by each command and its yardstick."""
    out, copy = bench.folder / "read.store", bench.folder / "copy.parquet"
    if name == "EVTX":
        yardsticks: Mapping[str, list[str | Path]] = {"evtx": bench.competitor("evtx_library", path, needs="evtx")}
        pairs = {"events": "evtx", "ingest": "evtx"}
    else:
        yardsticks = {
            "DuckDB reads": bench.competitor("duckdb_reader", path),
            "DuckDB reads and writes": bench.competitor("duckdb_reader", path, copy),
        }
        pairs = {"events": "DuckDB reads", "ingest": "DuckDB reads and writes"}
    commands = {"events": bench.detlab("events", path, "--json")}
    if "ingest" in bench.subcommands:
        commands["ingest"] = bench.detlab("ingest", path, "--out", out, "--json")
    results = bench.race(
        *(
            Contender(name=each, commands=[command], fresh=[out, copy], digest=count_events)
            for each, command in {**commands, **yardsticks}.items()
        )
    )
    for each, yardstick in pairs.items():
        told = replace(line, subject=f"{each}, {name}", yardstick=yardstick)
        if each not in results:
            yield replace(told, missing=f"needs `detlab {each}`")
            continue
        held = hold_against(told, results[each], results[yardstick])
        # As a rate: the yardstick's time over the command's.
        yield replace(held, value=held.value and 1 / held.value)


def bound(bench: Bench) -> Iterator[Line]:
    """The memory of a command that reads a file of ten times its limit."""
    limit = LIMIT
    events = bench.lake("sysmon", bench.size(10 * LIMIT // FLAT_BYTES, quick=5_000), "json")
    out = bench.folder / "bounded.store"
    bench.require_command("ingest")
    name = f"ingest of {events.stat().st_size / limit:.1f} times its --memory-limit"
    command = bench.detlab("ingest", events, "--out", out, "--memory-limit", "512MiB")
    result = bench.race(Contender(name=name, commands=[command], fresh=[out], rounds=1))[name]
    line = Line(measure="memory", subject=name, yardstick="--memory-limit 512MiB", judged=not bench.quick)
    yield hold_against_bar(line, result, limit, lambda cost: cost.memory)


MEASURES = (
    Measure("readers", "Parquet, NDJSON, CSV, EVTX to events and to a store, against other readers", compare),
    Measure("memory", "the memory of reading a file of ten times the limit", bound),
)
