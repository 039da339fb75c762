"""Texts as times."""

from __future__ import annotations

import re

from harness.detection.languages.cql.binding import RAWSTRING, Name
from harness.detection.languages.cql.flow import Row
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.zones import zone_name
from harness.detection.plan.expressions import Call, Expression, Literal, call

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
TOKEN = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|\[|\]|.", re.S)
CODES = {
    "yyyy": "%Y", "uuuu": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d",
    "DDD": "%j", "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S",
    "a": "%p", "EEE": "%a", "EEEE": "%A", "zzz": "%Z", "z": "%Z", "VV": "%Z",
}  # fmt: skip
ZONES = frozenset("XxZzVO")


def variants(pattern: str) -> list[str]:
    """A Java pattern as strptime formats: one for each choice of what stands in brackets."""
    made = [""]
    stack: list[tuple[list[str], list[str]]] = []
    for token in TOKEN.finditer(pattern):
        text = token[0]
        if text == "[":
            stack.append((made, made))
            made = [""]
        elif text == "]" and stack:
            before, _ = stack.pop()
            made = [b + m for b in before for m in (*made, "")]
        else:
            code = converted(text, token[1])
            made = [m + code for m in made]
    while stack:
        before, _ = stack.pop()
        made = [b + m for b in before for m in made]
    return list(dict.fromkeys(made))[:16]


def converted(text: str, quoted: str | None) -> str:
    """One token of a Java pattern as strptime has it."""
    if quoted is not None:
        return (quoted or "'").replace("''", "'").replace("%", "%%")
    if text[0] == "S":
        return "%f"
    if text[0] in ZONES and text[0] != "z" and text != "VV":
        return "%z"
    if text[0].isalpha():
        return CODES.get(text, CODES.get(text[0], text))
    return text.replace("%", "%%")


@FUNCTIONS.row("parseTimestamp")
def parse_timestamp(
    row: Row,
    format: str = ISO,
    field: Name = RAWSTRING,
    *,
    as_: Name = "@timestamp",
    addErrors: bool = True,
    caseSensitive: bool = True,
    timezone: str = "",
    timezoneAs: Name = "@timezone",
    timezoneField: Name = "@timezone",
) -> None:
    """A text as a time in milliseconds since 1970.

        t := "2024-05-01 12:00:00"
        | parseTimestamp("yyyy-MM-dd HH:mm:ss", field=t, as=x, timezone="UTC") -> x=1714564800000
        t := "2024-05-01T12:00:00.500Z" | parseTimestamp(field=t, as=x) -> x=1714564800500
        t := "1714564800" | parseTimestamp("seconds", field=t, as=x) -> x=1714564800000

    Reference: library.humio.com, parseTimestamp()
    """
    scale = EPOCHS.get(format.lower())
    if scale is not None:
        row.assign(as_, call("multiply", row.number(field), Literal(scale)))
        return
    formats = [f for f in variants(format) if timezone or "%z" in f or "%Z" in f]
    if not formats:
        message = "a time without a zone is not parsed unless `timezone` is given"
        row.meaning.tell("no-timezone", format, message, row.meaning.source.whole(), "add `timezone=`")
        return
    row.assign(as_, parsed_time(row.text(field), formats, zone_name(timezone) if timezone else "UTC"))


def parsed_time(text: Expression, formats: list[str], zone: str) -> Expression:
    """The first format that fits, in milliseconds."""
    tries = [call("parse_time", text, Literal(f), Literal(zone)) for f in formats]
    seconds = tries[0] if len(tries) == 1 else Call("coalesce", tuple(tries))
    return call("round", call("multiply", seconds, Literal(1000)), Literal(0))


FOUND = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?"


@FUNCTIONS.row("findTimestamp")
def find_timestamp(
    row: Row,
    *,
    field: Name = RAWSTRING,
    as_: Name = "@timestamp",
    addErrors: bool = True,
    timezone: str = "",
    timezoneAs: Name = "@timezone",
    timezoneField: Name = "@timezone",
) -> None:
    """The first time found at the start of a text.

        t := "at 2024-05-01 12:00:00 x" | findTimestamp(field=t, as=x, timezone="UTC") -> x=1714564800000

    Reference: library.humio.com, findTimestamp()
    """
    text = call("substring", row.text(field), Literal(1), Literal(128))
    found = row.keep(call("regex_extract", text, Literal(FOUND), Literal(""), Literal(0)))
    formats = [f"%Y-%m-%d{t}%H:%M:%S{f}{z}" for t in ("T", " ") for f in (".%f", "") for z in ("%z", "")]
    row.assign(as_, parsed_time(found, formats, zone_name(timezone) if timezone else "UTC"))
