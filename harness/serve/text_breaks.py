"""A raw text cut into events as Splunk does: Windows events by their elements, all else by the sourcetype's props."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.serve.journal_record import RawText
from harness.telemetry.indexing.line_breaker import break_lines, merge_lines
from harness.telemetry.indexing.plain_text import EventClock
from harness.telemetry.indexing.props import Props, effective
from harness.telemetry.indexing.transforms import apply_sed_scripts

ELEMENT = late_pattern(r"<Event[\s>].*?</Event>", re.S)
# Settings of a sourcetype that say where its events end.
BREAKS = ("LINE_BREAKER", "SHOULD_LINEMERGE", "BREAK_ONLY_BEFORE", "MUST_BREAK_AFTER")
LONGEST_JSON = "1000000"

EventText = tuple[str, int | None]
"""A text and its time in microseconds; None where the event says it itself, or has the time of its arrival."""


def break_raw_text(part: RawText, props: Props) -> Iterator[EventText]:
    """The events of a raw text, each with its time."""
    text = part.text.decode("utf-8", "replace").removeprefix("\ufeff")
    if ELEMENT.search(text[:1_000_000]) and text.lstrip().startswith("<"):
        for found in ELEMENT.finditer(text):
            yield found[0], None
        return
    metadata = {"index": part.index, "source": part.source, "sourcetype": part.sourcetype, "host": part.host}
    settings = effective(props, metadata)
    if not any(name in settings for name in BREAKS) and is_json_lines(text):
        # As the add-ons of all sources of JSON have it: a line is an event, however long.
        settings = {"SHOULD_LINEMERGE": "false", "TRUNCATE": LONGEST_JSON, **settings}
    try:
        yield from [*break_plain_text(text, settings, part.arrived)]
    except HarnessError:
        # Settings that a client has written and nobody can read: the events come all the same, and in time.
        yield from break_plain_text(text, {}, part.arrived)


def break_plain_text(text: str, settings: Mapping[str, str], arrived: int) -> Iterator[EventText]:
    """The events of a plain log; one without a time has that of the one before it."""
    clock = EventClock(settings, datetime.fromtimestamp(arrived / 1e6, UTC))
    last = arrived
    for line in merge_lines(break_lines([text], settings), settings, clock.dated):
        found = clock.time(line.text) or clock.clock_alone(line.text)
        last = last if found is None else found.micros
        yield apply_sed_scripts(line.text, settings), last


def is_json_lines(text: str) -> bool:
    """Whether the first lines are objects of JSON."""
    lines = [line for line in text[:200_000].split("\n")[:5] if line.strip()]
    # The last of them may be cut.
    whole = lines[:-1] if len(text) > 200_000 and len(lines) > 1 else lines
    return bool(whole) and all(is_json_object(line) for line in whole)


def is_json_object(line: str) -> bool:
    """Whether a line is an object of JSON."""
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
