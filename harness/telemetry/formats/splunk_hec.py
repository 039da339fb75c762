"""All events as Splunk's HTTP Event Collector takes them: metadata, and the event as its own log holds it."""

from __future__ import annotations

from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event import TIME, Events, Telemetry
from harness.telemetry.events.raw_text import (
    Piece,
    build_native_texts,
    concat_pieces,
    encode_json_strings,
    json_member,
    json_texts,
    stamp_fields,
    write_lines,
)
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.splunk_inputs import metadata

SUFFIX = ".ndjson"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes every event with the metadata that a current installation of Splunk gives it."""
    return write_lines([(events, build_hec_objects(events)) for events in telemetry.events], out)


def build_hec_objects(events: Events) -> pa.ChunkedArray:
    """Each event in its envelope, a column of strings."""
    pieces: list[Piece] = ["{", format_epoch_seconds(events.columns.column(TIME))]
    for name, field in metadata(events, {}).items():
        pieces += json_member(name, field)
    if is_windows(events):
        event = pa.chunked_array(
            [encode_json_strings(chunk) for chunk in build_native_texts(events).chunks], pa.string()
        )
    else:
        event = json_texts(stamp_fields(events), len(events))
    return concat_pieces([*pieces, '"event":', event, "}"], len(events))


def format_epoch_seconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """The member `time`: epoch seconds, microseconds behind the point; an event without a time has none."""
    micros = times.cast(pa.int64())
    # Whole numbers, always with six digits behind the point: equal events are equal bytes.
    whole = pc.divide(micros, 1_000_000)
    rest = pc.utf8_lpad(pc.subtract(micros, pc.multiply(whole, 1_000_000)).cast(pa.string()), 6, "0")
    number = pc.binary_join_element_wise(whole.cast(pa.string()), rest, ".")
    return pc.binary_join_element_wise(pa.scalar('"time":'), number, pa.scalar(","), "")
