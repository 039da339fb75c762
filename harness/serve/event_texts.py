"""Texts that clients sent turned into events as the readers do: JSON and Windows XML by columns, all else as text.

No event is lost: what a reader makes nothing of is the text that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_pattern import late_pattern
from harness.serve.journal_record import RawText, Received, ReceivedEvents, ReceivedFields
from harness.serve.server_log import write_log
from harness.serve.structured_events import build_field_events
from harness.serve.text_breaks import break_raw_text
from harness.telemetry.events.event import (
    CAUSE,
    RECORD_FILE,
    RECORD_NUMBER,
    TIME,
    TIME_TYPE,
    UNLABELLED,
    Events,
)
from harness.telemetry.events.input import MEMBERS_OF_RECORD, EventTables, Stream
from harness.telemetry.events.raw_text import RAW_FIELD
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.formats import ndjson, windows_xml
from harness.telemetry.indexing.plain_text import PLAIN_TEXT_SENSOR, punctuation
from harness.telemetry.indexing.props import Props

INDEX = "index"
INDEX_TIME = "_indextime"
WINDOWS_EVENT = late_pattern(r"\s*(?:<\?xml[^>]*\?>\s*)?<Event[\s>]")
EVENT_START = late_pattern(r"<Event[\s>]")
# What the reader of JSON takes for an answer that lists events is one event to Splunk.
LISTS_EVENTS = late_pattern(
    r'"(?:[Ee]vents|[Rr]ecords|value|results|logs|hits|messages|rows|matches|streams|items)"\s*:\s*[\[{]'
)
HEC_ENVELOPE = late_pattern(r'\{\s*"(?:event|result|fields|_raw|index|create)"\s*:|"(?:event|result|_raw)"\s*:')


@dataclass(slots=True)
class TextBatch:
    """Texts of one collector that are read alike; `times` are null where the event itself says when it was."""

    group: tuple[str, str, str, str]
    arrived: list[int] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    fields: list[Mapping[str, Any]] = field(default_factory=list)
    tagged: bool = False

    def add(self, text: str, time: int | None, arrived: int, fields: Mapping[str, Any]) -> None:
        """Takes a text."""
        self.texts.append(text)
        self.times.append(time)
        self.arrived.append(arrived)
        self.fields.append(fields)
        self.tagged |= bool(fields)

    def select(self, rows: Sequence[int]) -> TextBatch:
        """Some of the texts."""
        found = TextBatch(self.group)
        for row in rows:
            found.add(self.texts[row], self.times[row], self.arrived[row], self.fields[row])
        return found


def read_received(parts: Iterable[Received], folder: Path, number: int, props: Props) -> Iterator[Events]:
    """The events of what was received; texts that are kept by reference go to files of this number in the folder."""
    batches: dict[tuple[str, tuple[str, str, str, str]], TextBatch] = {}
    structured: list[ReceivedFields] = []
    for part in parts:
        if isinstance(part, ReceivedFields):
            structured.append(part)
            continue
        group = (part.index, part.source, part.sourcetype, part.host)
        for text, time, fields in list_dated_texts(part, props):
            look = find_look(text)
            # The event's own time counts where a raw text gave none.
            batch = batches.setdefault((look, group), TextBatch(group))
            batch.add(text, time, part.arrived, fields)
    yield from build_field_events(structured)
    for place, ((look, _), batch) in enumerate(batches.items()):
        if look == "text":
            yield build_text_events(batch)
        else:
            yield from read_or_keep(batch, look, folder / f"{number:06}-{place}.{look}")


def list_dated_texts(
    part: ReceivedEvents | RawText, props: Props
) -> Iterator[tuple[str, int | None, Mapping[str, Any]]]:
    """Each event's text with its time and its indexed fields."""
    if isinstance(part, RawText):
        for text, time in break_raw_text(part, props):
            yield text, time, {}
        return
    fields: Iterable[Mapping[str, Any]] = part.fields or [{}] * len(part.texts)
    yield from zip(part.texts, part.times, fields, strict=True)


def find_look(text: str) -> str:
    """Which reader makes events of a text: `ndjson`, `xml`, or none of them."""
    if text.startswith("{"):
        lists = LISTS_EVENTS.search(text) or HEC_ENVELOPE.search(text)
        return "text" if lists or "\n" in text or "\r" in text else "ndjson"
    if "<Event" in text[:300] and WINDOWS_EVENT.match(text) and text.rstrip().endswith("</Event>"):
        return "xml" if len(EVENT_START.findall(text)) == 1 else "text"
    return "text"


def read_or_keep(batch: TextBatch, look: str, path: Path) -> list[Events]:
    """The events of texts that one reader reads; where it fails they are the texts that they are."""
    try:
        return [*read_by_format(batch, look, path)]
    # Whatever it is: what was acknowledged must not be held up by one text.
    except Exception as error:
        _, source, sourcetype, _ = batch.group
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        kept = f"{len(batch.texts)} of sourcetype {sourcetype or '-'} from {source or '-'} are kept as plain text"
        write_log(f"the reader of {look} failed on received events, {kept}: {reason}")
        return [build_text_events(batch)]


READERS = {"ndjson": ndjson, "xml": windows_xml}


def read_by_format(batch: TextBatch, look: str, path: Path) -> Iterator[Events]:
    """The events of texts that one reader reads; what it makes nothing of comes as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{text}\n" for text in batch.texts).encode("utf-8", "replace"))
    tables = EventTables()
    stream = Stream(path, path.name, lambda place, message: None)
    index, source, sourcetype, host = batch.group
    said = {"source": source, "sourcetype": sourcetype, "host": host}
    tables.open_file(stream, {name: value for name, value in said.items() if value})
    READERS[look].read(stream, tables)
    seen, kept = np.zeros(len(batch.texts), bool), False
    for events in tables.telemetry().events:
        records = events.columns.column(RECORD_NUMBER).to_numpy() // MEMBERS_OF_RECORD
        seen[records] = True
        found = set_arrival(events, batch, records).with_constants({INDEX: index})
        kept |= is_windows(events)
        yield found if is_windows(events) else keep_texts(found, batch, records)
    if not kept:
        path.unlink()
    if not seen.all():
        yield build_text_events(batch.select(np.flatnonzero(~seen).tolist()))


def keep_texts(events: Events, batch: TextBatch, records: np.ndarray[Any, Any]) -> Events:
    """The events with their texts beside their fields: a column is read twenty times as fast as a file of texts."""
    texts = pa.array(batch.texts, pa.string()).take(pa.array(records)).dictionary_encode()
    columns = events.columns.drop_columns([RECORD_NUMBER, RECORD_FILE])
    if RAW_FIELD in columns.column_names:
        return events.with_columns(columns)
    return events.with_columns(columns.append_column(RAW_FIELD, texts))


def set_arrival(events: Events, batch: TextBatch, records: np.ndarray[Any, Any]) -> Events:
    """The events with the times, the arrival and the indexed fields that their collector gave them."""
    rows = pa.array(records)
    given = pa.array(batch.times, pa.int64()).take(rows).cast(TIME_TYPE)
    arrived = pa.array(batch.arrived, pa.int64()).take(rows)
    columns = events.columns
    known = columns.column(TIME).combine_chunks()
    times = given.fill_null(0) if not given.null_count else pc.coalesce(given, known, arrived.cast(TIME_TYPE))
    columns = columns.set_column(columns.schema.get_field_index(TIME), TIME, pa.chunked_array([times]))
    made = events.with_columns(columns)
    return add_indexed_fields(made, batch, records.tolist(), arrived)


def add_indexed_fields(events: Events, batch: TextBatch, rows: Sequence[int], arrived: pa.Array) -> Events:
    """The events with when they arrived and with the fields that came beside their texts."""
    columns = events.columns
    if INDEX_TIME not in events.fields:
        columns = columns.append_column(INDEX_TIME, pc.divide(arrived, 1_000_000).cast(pa.string()).dictionary_encode())
    if batch.tagged:
        chosen = [batch.fields[row] for row in rows]
        for name in dict.fromkeys(n for each in chosen for n in each):
            texts = pa.array([print_field(each.get(name)) for each in chosen], pa.string()).dictionary_encode()
            at = columns.schema.get_field_index(name)
            columns = columns.append_column(name, texts) if at < 0 else columns.set_column(at, name, texts)
    return events.with_columns(columns)


def print_field(value: Any) -> str | None:
    """An indexed field's value as text; of a list its first."""
    if isinstance(value, list):
        return print_field(value[0]) if value else None
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def build_text_events(batch: TextBatch) -> Events:
    """Texts as the lines of a plain log are."""
    index, source, sourcetype, host = batch.group
    size = len(batch.texts)
    arrived = pa.array(batch.arrived, pa.int64())
    times = pc.coalesce(pa.array(batch.times, pa.int64()), arrived).cast(TIME_TYPE)
    texts = pa.array(batch.texts, pa.string())
    columns = pa.table(
        {
            TIME: times,
            CAUSE: pa.array(np.full(size, UNLABELLED), pa.int32()),
            RAW_FIELD: texts.dictionary_encode(),
            "punct": pa.array([punctuation(text[:500]) for text in batch.texts], pa.string()).dictionary_encode(),
            "source": repeat_value(source, size),
            "host": repeat_value(host, size),
        }
    )
    made = Events(
        sensor=PLAIN_TEXT_SENSOR,
        kind=sourcetype,
        constants={INDEX: index, "sourcetype": sourcetype},
        columns=columns,
    )
    return add_indexed_fields(made, batch, range(size), arrived)


def repeat_value(text: str, size: int) -> pa.DictionaryArray:
    """A column of one text."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int32)), pa.array([text], pa.string()))
