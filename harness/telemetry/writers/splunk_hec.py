"""All events as Splunk's HTTP Event Collector takes them: metadata, and the event as its own log holds it."""

from __future__ import annotations

from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.event import TIME, Events, Telemetry
from harness.telemetry.lines import write_lines
from harness.telemetry.native import Piece, as_json, joined, json_member, json_texts, stamped, texts
from harness.telemetry.platforms.splunk import metadata
from harness.telemetry.windows import is_windows

SUFFIX = ".ndjson"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes every event with the metadata that a current installation of Splunk gives it."""
    return write_lines([(events, lines(events)) for events in telemetry.events], out)


def lines(events: Events) -> pa.ChunkedArray:
    """Each event in its envelope, a column of strings."""
    pieces: list[Piece] = ["{", seconds(events.columns.column(TIME))]
    for name, field in metadata(events, {}).items():
        pieces += json_member(name, field)
    if is_windows(events):
        event = pa.chunked_array([as_json(chunk) for chunk in texts(events).chunks], pa.string())
    else:
        event = json_texts(stamped(events), len(events))
    return joined([*pieces, '"event":', event, "}"], len(events))


def seconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """The member `time`: epoch seconds, microseconds behind the point; an event without a time has none."""
    micros = times.cast(pa.int64())
    whole = pc.divide(micros, 1_000_000)
    rest = pc.utf8_lpad(pc.subtract(micros, pc.multiply(whole, 1_000_000)).cast(pa.string()), 6, "0")
    number = pc.binary_join_element_wise(whole.cast(pa.string()), rest, ".")
    return pc.binary_join_element_wise(pa.scalar('"time":'), number, pa.scalar(","), "")
