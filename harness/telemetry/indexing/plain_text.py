"""Plain log files as Splunk indexes them, with the time of each event.

Reference: props.conf.spec; captures timestamp-*
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.time_looks import (
    ATTACHED,
    CLUE,
    ReadTime,
    compile_clock_alone,
    convert_match_to_time,
    list_bare_looks,
    list_looks,
)
from harness.telemetry.events.time_text import (
    ABBREVIATIONS,
    ALIKE,
    COMPOSITE_CODES,
    PARSE_CODES,
    resolve_zone,
)
from harness.telemetry.indexing.line_breaker import break_lines, merge_lines
from harness.telemetry.indexing.props import (
    Props,
    compile_setting_regex,
    effective,
    parse_whole_setting,
    parse_yes_no,
    strings,
)
from harness.telemetry.indexing.transforms import (
    IndexedRecord,
    Structured,
    apply_sed_scripts,
    apply_transforms,
    parse_structured_file,
)

# MAX_TIMESTAMP_LOOKAHEAD's default, counted from the end of TIME_PREFIX (props.conf.spec).
LOOKAHEAD = 128
# As TRUNCATE's default: no line is longer unless a site says so. Both bounds are ours, not Splunk's.
LONGEST_PREFIX = 10_000
MOST_READ = 10_000
MONTH, DAY = r"(?P<B>[A-Za-z]{3,9}\.?)", r"[A-Za-z]{3,9}"
# A timestamp stands in a longer text: an epoch ends with its tenth digit, a zone with its letters. Names of months and
# halves of the day are taken in more spellings than strptime's, since an event without a time is worse.
TIME_CODE_PATTERNS = PARSE_CODES | {
    "B": MONTH, "A": DAY, "p": r"(?P<p>[AaPp]\.?[Mm]\.?)", "s": r"(?P<s>-?\d{1,10})", "Q": r"(?P<f>\d{1,9})",
    "z": r"(?P<z>[+-]\d\d:?\d\d|Z)", "Z": r"(?P<Z>[A-Za-z]{1,5}|[+-]\d\d:?\d\d)", "n": r"\s", "t": r"\s",
}  # fmt: skip
# %L is no code of Splunk's.
TIME_CODE_ALIASES = {code: same for code, same in ALIKE.items() if code != "L"}
INDEX_TIME_CODE = late_pattern(r"%:?(\d?)([A-Za-z%+])")


class EventClock:
    """Reads times out of events as the settings of their sourcetype say; `near` says what a time without year is in."""

    def __init__(self, settings: Mapping[str, str], near: datetime) -> None:
        self.near = near
        self.zone = resolve_tz_setting(settings.get("TZ", "").strip())
        prefix = settings.get("TIME_PREFIX")
        self.prefix = compile_setting_regex(prefix) if prefix else None
        given = settings.get("TIME_FORMAT", "").strip()
        self.looks = (format_regex(given),) if given else list_looks()
        self.looks_for_itself = not given
        self.lookahead = parse_whole_setting(settings.get("MAX_TIMESTAMP_LOOKAHEAD"), LOOKAHEAD)
        self.last: str | None = None
        self.found: ReadTime | None = None
        self.read: dict[str, ReadTime | None] = {}

    def time(self, text: str) -> ReadTime | None:
        """The time in a text; None where it has none."""
        # The same text is asked twice: whether it begins an event, and when it happened.
        if text is not self.last:
            self.last, self.found = text, self.look(text)
        return self.found

    def micros(self, text: str) -> int | None:
        """Microseconds since 1970 of the time in a text; None where it has none."""
        found = self.time(text)
        return None if found is None else found.micros

    def dated(self, text: str) -> bool:
        """Whether a line has a time."""
        return self.micros(text) is not None

    def look(self, text: str) -> ReadTime | None:
        """The first time that can be read in a text, from where it may stand."""
        start = 0
        if self.prefix is not None:
            found = self.prefix.search(text[:LONGEST_PREFIX])
            if found is None:
                return None
            start = found.end()
        window = text[start : start + self.lookahead] if self.lookahead > 0 else text[start:]
        for match in self.matches(window):
            written = match.group()
            if written not in self.read:
                # Logs repeat their times; forgetting all is cheaper than deciding which to keep.
                if len(self.read) >= MOST_READ:
                    self.read.clear()
                self.read[written] = convert_match_to_time(match, self.zone, self.near)
            if self.read[written] is not None:
                return self.read[written]
        return None

    def clock_alone(self, text: str) -> ReadTime | None:
        """The time of an event that begins with a clock without a date; nothing where settings say what to look for."""
        match = compile_clock_alone().match(text) if self.looks_for_itself and self.prefix is None else None
        return convert_match_to_time(match, self.zone, self.near) if match else None

    def matches(self, window: str) -> list[re.Match[str]]:
        """The first time of each look in their order; the look that was right last is tried before the others."""
        usual = self.looks[0].search(window)
        # A time at the very beginning needs no look at the others (plain logs are read seven times faster), but
        # a bare date may hide the clock behind it.
        if usual is not None and usual.re not in list_bare_looks():
            before = window[: usual.start()]
            if not before or not (CLUE.search(before) or ATTACHED.search(before)):
                return [usual]
        # A format of the site's own may have nothing of the usual looks.
        if self.looks_for_itself and not CLUE.search(window):
            return []
        found = [m for look in self.looks if (m := look.search(window)) is not None]
        found.sort(key=lambda m: (m.start(), -m.end()))
        if found and found[0].re is not self.looks[0]:
            first = found[0].re
            self.looks = (first, *(look for look in self.looks if look is not first))
        return found


@lru_cache(256)
def format_regex(written: str) -> re.Pattern[str]:
    """A TIME_FORMAT as a regular expression; raises HarnessError for codes that there are not."""
    for code, meaning in COMPOSITE_CODES.items():
        written = re.sub(rf"(?<!%){re.escape(code)}", lambda _, m=meaning: m, written)  # type: ignore[misc]
    made, at = [], 0
    for found in INDEX_TIME_CODE.finditer(written):
        if TIME_CODE_ALIASES.get(found[2], found[2]) not in TIME_CODE_PATTERNS:
            raise HarnessError("bad-time-format", f"TIME_FORMAT `{written}` has the unknown code `{found[0]}`")
        made += [translate_literal(written[at : found.start()]), translate_time_code(found)]
        at = found.end()
    try:
        return re.compile("".join([*made, translate_literal(written[at:])]))
    except re.error as error:
        raise HarnessError("bad-time-format", f"TIME_FORMAT `{written}` says something twice") from error


def translate_time_code(found: re.Match[str]) -> str:
    """One code as a regular expression; a width is that of a fraction."""
    if found[1] not in ("", "0") and found[2] in "NQ":
        return rf"(?P<f>\d{{1,{found[1]}}})"
    return TIME_CODE_PATTERNS[TIME_CODE_ALIASES.get(found[2], found[2])]


def translate_literal(text: str) -> str:
    """Literal text of a format; a blank is any blanks."""
    return re.sub(r"(?:\\ )+", r"\\s+", re.escape(text))


def resolve_tz_setting(name: str) -> tzinfo:
    """The zone that TZ names, UTC without one."""
    zone = resolve_zone(ABBREVIATIONS.get(name.upper(), name))
    if zone is None:
        raise HarnessError("unknown-zone", f"TZ `{name}` is no zone")
    return zone


PLAIN_TEXT_SENSOR = "text"
# The field that Splunk 10.4.0 adds to a cut line (capture truncate-hard-cap).
TRUNCATED = {"meta": "truncated"}
# Characters, as in capture punct-cap.
LONGEST_PUNCT = 50
WORD_OR_BREAK = late_pattern(r"[^\W_]+|[\r\n]+")


LOCAL_HOST = "localhost"


@record(kw_only=True)
class Input:
    """Settings for reading plain files: metadata, and the stanzas of props.conf and transforms.conf.

    Without a source each file's own path is its source.
    """

    sourcetype: str
    source: str = ""
    host: str = ""
    index: str = "main"
    props: Props = field(default_factory=dict)
    transforms: Props = field(default_factory=dict)


def index_plain_text(stream: Stream, tables: EventTables, given: Input) -> None:
    """Adds every event of a file under its sourcetype; events that go to nullQueue are left out."""
    source = given.source or str(stream.path)
    metadata = {
        "index": given.index,
        "source": source,
        "sourcetype": given.sourcetype,
        "host": given.host or LOCAL_HOST,
    }
    settings = effective(given.props, metadata)
    # The file's time of change is what Splunk's file inputs take for "now" (props.conf.spec, DATETIME_CONFIG).
    clock = EventClock(settings, datetime.fromtimestamp(stream.path.stat().st_mtime, UTC))
    last: int | None = None
    told: Counter[tuple[str, str]] = Counter()
    changed = f"{clock.near:%Y-%m-%d}, when the file was last changed"
    for event in break_events(stream, settings, clock):
        text = event.line.text
        time = clock.time(stamp(event, settings)) or clock.clock_alone(text)
        if time is None:
            told["no time that can be read", changed if last is None else "that of the event before"] += 1
        elif time.assumed:
            told[f"a time without {time.assumed}", "" if "`" in time.assumed else changed] += 1
        # An event without a time has that of the one before it (capture timestamp-fallback-previous-event).
        last = time.micros if time is not None else last
        record = IndexedRecord(raw=apply_sed_scripts(text, settings), metadata=dict(metadata))
        apply_transforms(record, settings, given.transforms)
        if not record.dropped:
            when = last if last is not None else int(clock.near.timestamp() * 1e6)
            found = {**event.fields, **flatten_multivalue(record.fields), **(TRUNCATED if event.line.cut else {})}
            if parse_yes_no(settings.get("ANNOTATE_PUNCT"), True):
                found["punct"] = punctuation(record.raw)
            made = {**found, **record.metadata, "_raw": record.raw}
            tables.add(PLAIN_TEXT_SENSOR, record.metadata["sourcetype"], when, made)
    for (lack, taken), count in told.items():
        stream.damage(stream.name, describe_fall_back(count, lack, taken))


def describe_fall_back(count: int, lack: str, taken: str) -> str:
    """How many events of a file lack a time or a part of it, and where it is taken from."""
    one = count == 1
    said = f"{count} {'event has' if one else 'events have'} {lack}"
    if not taken:
        return f"{said}; it is read as UTC"
    if lack.startswith("no "):
        return f"{said}; {'it has' if one else 'they have'} {taken}"
    return f"{said}; it is taken from {taken}"


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
