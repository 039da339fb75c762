"""Texts as times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

from harness.detection.languages.cql.arguments import RAWSTRING, Name, Zone
from harness.detection.languages.cql.discovery import mark_errors
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.detection.plan.values.time_format import FORMAT_SEPARATOR
from harness.late_pattern import late_pattern

ISO = "yyyy-MM-dd'T'HH:mm:ss[.SSSSSSSSS]XXXXX"
EPOCHS = {
    "millis": 1.0,
    "milliseconds": 1.0,
    "unixtimemillis": 1.0,
    "seconds": 1000.0,
    "unixtime": 1000.0,
    "unixtimeseconds": 1000.0,
    "nanos": 1e-6,
}
# java.time.DateTimeFormatter: quoted text, runs of one letter, optional parts in brackets (reference/cql.md 11).
JAVA_TIME_TOKEN = late_pattern(r"'((?:[^']|'')*)'|([A-Za-z])\2*|\[|\]|.", re.S)
JAVA_TIME_CODES = {
    "yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d",
    "DDD": "%j", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S",
    "a": "%p", "EEE": "%a", "EEEE": "%A", "zzz": "%Z", "z": "%Z", "VV": "%Z",
}  # fmt: skip
JAVA_ZONE_LETTERS = frozenset("XxZzVO")
# Zones by name are read by the format itself; these stand for themselves at the end of a text.
OWN_ZONE = r"(Z|UTC|[+-]\d{2}:?\d{2})\s*\z"
NAMED_TIME_CODES = late_pattern("%[aAbBp]")
# Java's months and days are capitalised; strptime takes any case.
PROPER = r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun|[AP]M|[ap]m)"
# A year-less time more than eight days ahead is of last year (reference/cql.md 11).
AHEAD = 8 * 86_400.0


def variants(pattern: str) -> list[str]:
    """A Java pattern as strptime formats: one for each choice of what stands in brackets."""
    made = [""]
    stack: list[tuple[list[str], list[str]]] = []
    for token in JAVA_TIME_TOKEN.finditer(pattern):
        text = token[0]
        if text == "[":
            stack.append((made, made))
            made = [""]
        elif text == "]" and stack:
            before, _ = stack.pop()
            made = [b + m for b in before for m in (*made, "")]
        else:
            code = translate_time_token(text, token[1])
            made = [m + code for m in made]
    while stack:
        before, _ = stack.pop()
        made = [b + m for b in before for m in made]
    # Four optional parts, all there or not; the longest come first.
    return list(dict.fromkeys(made))[:16]


def translate_time_token(text: str, quoted: str | None) -> str:
    """One token of a Java pattern as strptime has it."""
    if quoted is not None:
        return (quoted or "'").replace("''", "'").replace("%", "%%")
    if text[0] == "S":
        return "%f"
    if text[0] in JAVA_ZONE_LETTERS and text[0] != "z" and text != "VV":
        return "%z"
    if text[0].isalpha():
        return JAVA_TIME_CODES.get(text, JAVA_TIME_CODES.get(text[0], text))
    return text.replace("%", "%%")


@FUNCTIONS.row("parseTimestamp")
def parse_timestamp(
    row: RowScope,
    format: str = ISO,
    field: Name = RAWSTRING,
    *,
    as_: Name = "@timestamp",
    addErrors: bool = True,
    caseSensitive: bool = True,
    timezone: Zone | None = None,
    timezoneAs: Name = "@timezone",
    timezoneField: Name = "@timezone",
) -> None:
    """A text as a time in milliseconds since 1970.

    `timezone` counts more than the zone in the text, a zone in the field `timezoneField` less. A date without a year
    is at most 8 days ahead of the search. A text that is no such time is marked with `@error` if `addErrors`.

        t := "2024-05-01 12:00:00"
        | parseTimestamp("yyyy-MM-dd HH:mm:ss", field=t, as=x, timezone="UTC") -> x=1714564800000
        t := "2024-05-01T12:00:00.500Z" | parseTimestamp(field=t, as=x) -> x=1714564800500
        t := "1714564800" | parseTimestamp("seconds", field=t, as=x) -> x=1714564800000
        t := "2024-05-01T12:00:00+05:00" | parseTimestamp(field=t, as=x, timezone="UTC") -> x=1714564800000

    Reference: library.humio.com, parseTimestamp()
    """
    scale = EPOCHS.get(format.lower())
    text = row.text(field)
    if scale is not None:
        found = row.keep(ops.multiply(row.number(field), Literal(scale)))
        zone: Expression = Literal(timezone or "UTC")
    else:
        zone = resolve_timestamp_zone(row, text, timezone, timezoneField)
        if timezone is None and not re.search("[XxZzVO]", re.sub("'[^']*'", "", format)) and not row.has(timezoneField):
            message = "a time without a zone is not parsed unless `timezone` is given"
            row.meaning.tell("no-timezone", format, message, row.meaning.source.whole(), "add `timezone=`")
        parsed = parse_first_format(row, text, variants(format), zone, fixed=timezone is not None, exact=caseSensitive)
        found = row.keep(parsed)
    set_event_time(row, found, as_, zone, timezoneAs)
    if addErrors:
        mark_errors(row, ops.is_null(found), f"{field} is no timestamp of the form {format}")


def set_event_time(row: RowScope, found: Expression, output: str, zone: Expression, zone_output: str) -> None:
    """Gives the event a time, and the zone that it was read in."""
    row.assign(output, found)
    row.assign(zone_output, ops.if_(ops.is_null(found), NULL, zone))


def resolve_timestamp_zone(row: RowScope, text: Expression, timezone: str | None, field: str) -> Expression:
    """The zone of a text: the given one, its own, or that in a field; null of none."""
    if timezone is not None:
        return Literal(timezone)
    own = ops.regex_extract(text, Literal(OWN_ZONE), Literal(""), Literal(1))
    held = ops.if_(ops.equal(row.text(field), Literal("")), NULL, row.text(field)) if row.has(field) else NULL
    return own if held is NULL else ops.coalesce(own, held)


def parse_first_format(
    row: RowScope, text: Expression, formats: list[str], zone: Expression, *, fixed: bool, exact: bool = False
) -> Expression:
    """The first format that fits, in milliseconds; a text without any zone is no time."""
    tries: list[Expression] = []
    for (zoned, dated, named), alike in groupby(formats, key=describe_time_format):
        # An explicit timezone overrides the one in the text (reference/cql.md 11).
        forms = [f.removesuffix("%z").removesuffix("%Z").rstrip() if fixed else f for f in alike]
        made = parse_dated_text(row, text, forms, ops.coalesce(zone, Literal("UTC")), dated=dated)
        if not fixed and not zoned:
            # No zone in the text and none given: not parsed (reference/cql.md 11).
            made = ops.if_(ops.is_null(zone), NULL, made)
        if exact and named:
            made = ops.if_(ops.regex_found(text, Literal(PROPER), Literal("")), made, NULL)
        tries.append(made)
    seconds = tries[0] if len(tries) == 1 else ops.coalesce(*tuple(tries))
    return ops.round(ops.multiply(seconds, Literal(1000)), Literal(0))


def describe_time_format(form: str) -> tuple[bool, bool, bool]:
    """Whether a format has a zone, a year, and names of months or days."""
    return "%z" in form or "%Z" in form, "%Y" in form or "%y" in form, NAMED_TIME_CODES.search(form) is not None


def join_time_formats(forms: Sequence[str]) -> Literal:
    """Formats that are tried one after the other: one pass over the texts, and one join in the statement."""
    return Literal(FORMAT_SEPARATOR.join(dict.fromkeys(forms)))


def parse_dated_text(
    row: RowScope, text: Expression, forms: Sequence[str], zone: Expression, *, dated: bool
) -> Expression:
    """A text as epoch seconds; where it has no year, that of the search or, more than 8 days ahead, the one before."""
    now = row.meaning.settings.now
    if dated or not now:
        return ops.parse_time(text, join_time_formats(forms), zone)
    year = datetime.fromtimestamp(now, UTC).year

    def of(year: int) -> Expression:
        return ops.parse_time(
            ops.concat(Literal(f"{year} "), text), join_time_formats([f"%Y {f}" for f in forms]), zone
        )

    this = of(year)
    return ops.if_(ops.greater(this, Literal(now + AHEAD)), of(year - 1), this)


def parsed_time(text: Expression, formats: list[str], zone: str) -> Expression:
    """The first format that fits, in milliseconds."""
    seconds = ops.parse_time(text, join_time_formats(formats), Literal(zone))
    return ops.round(ops.multiply(seconds, Literal(1000)), Literal(0))


CLOCK_PATTERN = r"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
ZONE = r"(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2})\b)?"
# What published parsers meet: ISO 8601, Apache's access log, syslog (RFC 3164), ctime, dates with slashes; the most
# exact first.
FOUND = (
    (rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{CLOCK_PATTERN}{ZONE}", ("%Y-%m-%dT{}", "%Y-%m-%d {}")),
    (rf"\d{{4}}/\d{{2}}/\d{{2}} {CLOCK_PATTERN}{ZONE}", ("%Y/%m/%d {}",)),
    (rf"\d{{2}}/[A-Z][a-z]{{2}}/\d{{4}}:{CLOCK_PATTERN}{ZONE}", ("%d/%b/%Y:{}",)),
    (rf"\d{{1,2}}[ -][A-Z][a-z]{{2}}[ -]\d{{4}} {CLOCK_PATTERN}{ZONE}", ("%d %b %Y {}", "%d-%b-%Y {}")),
    (rf"[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}},? \d{{4}} {CLOCK_PATTERN}{ZONE}", ("%b %d %Y {}", "%b %d, %Y {}")),
    (rf"[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} {CLOCK_PATTERN} \d{{4}}", ("%b %d {} %Y",)),
    (rf"\d{{2}}[/-]\d{{2}}[/-]\d{{4}} {CLOCK_PATTERN}{ZONE}", ("%m/%d/%Y {}", "%m-%d-%Y {}")),
    (rf"[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} {CLOCK_PATTERN}{ZONE}", ("%b %d {}",)),
)
TIME_FORMATS = (
    "%H:%M:%S.%f%z",
    "%H:%M:%S%z",
    "%H:%M:%S.%f %z",
    "%H:%M:%S %z",
    "%H:%M:%S.%f",
    "%H:%M:%S,%f",
    "%H:%M:%S",
)
# Ten digits are seconds since 2001, three, six or nine more are fractions; longer numbers are ids.
EPOCH_PATTERN = r"(?:^|\D)(\d{10})(?:[.]?(\d{3}))?(?:\d{3}){0,2}(?:\D|\z)"
# The product looks at the first 128 characters for where a time begins (reference/cql.md 11); the rest is its length.
SEARCHED = 160


@FUNCTIONS.row("findTimestamp")
def find_timestamp(
    row: RowScope,
    *,
    field: Name = RAWSTRING,
    as_: Name = "@timestamp",
    addErrors: bool = True,
    timezone: Zone | None = None,
    timezoneAs: Name = "@timezone",
    timezoneField: Name = "@timezone",
) -> None:
    """The first time found at the start of a text: a date with its time in one of the usual ways, or an epoch.

        t := "at 2024-05-01 12:00:00 x" | findTimestamp(field=t, as=x, timezone="UTC") -> x=1714564800000
        t := "[01/May/2024:12:00:00 +0000] GET" | findTimestamp(field=t, as=x) -> x=1714564800000
        t := "ts=1714564800123" | findTimestamp(field=t, as=x) -> x=1714564800123

    Reference: library.humio.com, findTimestamp()
    """
    text = row.keep(ops.substring(row.text(field), Literal(1), Literal(SEARCHED)))
    tries: list[Expression] = []
    zones: list[Expression] = []
    for pattern, forms in FOUND:
        piece = row.keep(ops.regex_extract(text, Literal(pattern), Literal(""), Literal(0)))
        zone = resolve_timestamp_zone(row, piece, timezone, timezoneField)
        formats = [
            f.format(t) for t in TIME_FORMATS for f in forms if "%Y" not in f.partition("{}")[2] or "%z" not in t
        ]
        tries.append(parse_first_format(row, piece, formats, zone, fixed=False))
        zones.append(ops.if_(ops.is_null(piece), NULL, zone))
    seconds = ops.regex_extract(text, Literal(EPOCH_PATTERN), Literal(""), Literal(1))
    parts = ops.coalesce(ops.regex_extract(text, Literal(EPOCH_PATTERN), Literal(""), Literal(2)), Literal("000"))
    tries.append(ops.to_number(ops.concat(seconds, parts)))
    found = row.keep(ops.coalesce(*tuple(tries)))
    set_event_time(row, found, as_, ops.coalesce(*zones, Literal("UTC")), timezoneAs)
    if addErrors:
        mark_errors(row, ops.is_null(found), f"{field} holds no timestamp")
