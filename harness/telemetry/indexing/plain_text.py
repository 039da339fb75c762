"""Plain log files as Splunk indexes them: one record an event, with the text that a search then reads."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from harness.telemetry.indexing.breaking import break_lines, merge_lines
from harness.telemetry.indexing.clock import EventClock
from harness.telemetry.indexing.formats import parse_yes_no, strings
from harness.telemetry.indexing.rewriting import IndexedRecord, apply_sed_scripts, apply_transforms
from harness.telemetry.indexing.stanzas import Props, effective
from harness.telemetry.indexing.structured import Structured, parse_structured_file
from harness.telemetry.stream import Stream
from harness.telemetry.tables import EventTables

PLAIN_TEXT_SENSOR = "text"
# The field that Splunk 10.4.0 adds to a cut line (capture truncate-hard-cap).
TRUNCATED = {"meta": "truncated"}
# Characters, as in capture punct-cap.
LONGEST_PUNCT = 50
WORD_OR_BREAK = re.compile(r"[^\W_]+|[\r\n]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Settings for reading plain files: metadata, and the stanzas of props.conf and transforms.conf.

    Without a source each file's own path is its source.
    """

    sourcetype: str
    source: str = ""
    host: str = "localhost"
    index: str = "main"
    props: Props = field(default_factory=dict)
    transforms: Props = field(default_factory=dict)


def index_plain_text(stream: Stream, tables: EventTables, given: Input) -> None:
    """Adds every event of a file under its sourcetype; events that go to nullQueue are left out."""
    source = given.source or str(stream.path)
    metadata = {"index": given.index, "source": source, "sourcetype": given.sourcetype, "host": given.host}
    settings = effective(given.props, metadata)
    # The file's time of change is what Splunk's file inputs take for "now" (props.conf.spec, DATETIME_CONFIG).
    clock = EventClock(settings, datetime.fromtimestamp(stream.path.stat().st_mtime, UTC))
    last: int | None = None
    for event in break_events(stream, settings, clock):
        text = event.line.text
        time = clock.micros(stamp(event, settings))
        # An event without a time has that of the one before it (capture timestamp-fallback-previous-event).
        last = time if time is not None else last
        record = IndexedRecord(raw=apply_sed_scripts(text, settings), metadata=dict(metadata))
        apply_transforms(record, settings, given.transforms)
        if not record.dropped:
            when = last if last is not None else int(clock.near.timestamp() * 1e6)
            found = {**event.fields, **flatten_multivalue(record.fields), **(TRUNCATED if event.line.cut else {})}
            if parse_yes_no(settings.get("ANNOTATE_PUNCT"), True):
                found["punct"] = punctuation(record.raw)
            made = {**found, **record.metadata, "_raw": record.raw}
            tables.add(PLAIN_TEXT_SENSOR, record.metadata["sourcetype"], when, made)


def break_events(stream: Stream, settings: Mapping[str, str], clock: EventClock) -> Iterator[Structured]:
    """The events of a file; rows of a structured one are never put together."""
    pieces = break_lines(decode_stream(stream), settings)
    # Rows are events, though SHOULD_LINEMERGE is on by default.
    if settings.get("INDEXED_EXTRACTIONS"):
        return parse_structured_file(pieces, settings)
    return parse_structured_file(merge_lines(pieces, settings, clock.dated), settings)


def decode_stream(stream: Stream) -> Iterator[str]:
    """The content as text; bytes that are no UTF-8 are replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for block in stream.text_blocks():
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def stamp(event: Structured, settings: Mapping[str, str]) -> str:
    """The text to read an event's time from: TIMESTAMP_FIELDS, else the line."""
    named = strings(settings.get("TIMESTAMP_FIELDS", ""))
    return " ".join(event.fields.get(n, "") for n in named) if named else event.line.text


def flatten_multivalue(fields: Mapping[str, list[str]]) -> dict[str, str]:
    """Fields of one value under their names, of several as members of a list."""
    found: dict[str, str] = {}
    for name, values in fields.items():
        found |= {name: values[0]} if len(values) == 1 else {f"{name}[{i}]": v for i, v in enumerate(values)}
    return found


def punctuation(text: str) -> str:
    """Splunk's `punct`: the punctuation of a text, blanks as `_`, tabs as `t`, at most so many characters."""
    return WORD_OR_BREAK.sub("", text).replace(" ", "_").replace("\t", "t")[:LONGEST_PUNCT]
