"""formatTime, now, start, end, and parts of a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from harness.detection.languages.cql.arguments import Duration, Name, Zone
from harness.detection.languages.cql.option_values import TimeUnit
from harness.detection.languages.cql.registry import (
    FUNCTIONS,
    FieldEffect,
    FunctionFacts,
    Preamble,
    RowOrder,
    WrittenText,
)
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.time_range import TIMESTAMP, normalise_zone, resolve_interval, restrict_to_interval
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal

# Codes that stand for others (reference/cql.md 11); `%r` has AM and PM in upper case, where `%p` is in lower.
SHORT = {
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "c": "%a %b %d %H:%M:%S %Z %Y",
    "h": "%b",
}
# Up to here a number is seconds (reference/cql.md 11 and 18, vector 18).
EPOCH_LIMIT = 100_000_000_000


@FUNCTIONS.value("formatTime", into="required", written=WrittenText.TIME)
def format_time(
    row: RowScope,
    format: str,
    field: Name = TIMESTAMP,
    *,
    locale: str = "",
    timezone: Zone = "UTC",
    unit: TimeUnit = "auto",
) -> Expression:
    """A time as text.

        t := 1700000000000 | x := formatTime("%Y-%m-%d %H:00:00", field=t) -> x=2023-11-14 22:00:00
        t := 1700000000 | x := formatTime("%F %T %Z", field=t) -> x=2023-11-14 22:13:20 UTC
        t := 1700000000000 | x := formatTime("%H:%M", field=t, timezone="+02:00") -> x=00:13

    Reference: library.humio.com, formatTime()
    """
    if locale and not locale.lower().startswith(("en", "*")):
        place = row.flow.span or row.meaning.source.whole()
        message = f"names of days and months are English, not those of `{locale[:20]}`"
        row.meaning.tell("locale", locale, message, place)
    time = row.number(field)
    if unit != "auto":
        # With an explicit unit the value must be an integer (reference/cql.md 11).
        time = ops.if_(ops.equal(time, ops.truncate(time)), time, NULL)
    seconds = cast_to_epoch(time, unit)
    return format_time_value(seconds, format, timezone)


def cast_to_epoch(value: Expression, unit: str) -> Expression:
    """A time in seconds; up to 100,000,000,000 a bare number counts seconds, above milliseconds."""
    match unit:
        case "seconds" | "s":
            return value
        case "milliseconds" | "ms" | "millis":
            return ops.divide(value, Literal(1000))
        case _:
            small = ops.less_equal(value, Literal(EPOCH_LIMIT))
            return ops.if_(small, value, ops.divide(value, Literal(1000)))


def format_time_value(seconds: Expression, format: str, zone: str) -> Expression:
    """A time as text, the codes that the plan lacks spelled apart."""
    parts: list[Expression] = []
    plain = ""
    for kind, text in codes(format):
        if kind == "plain":
            plain += text
            continue
        if plain:
            parts.append(ops.format_time(seconds, Literal(plain), Literal(zone)))
            plain = ""
        parts.append(special(seconds, text, zone))
    if plain or not parts:
        parts.append(ops.format_time(seconds, Literal(plain), Literal(zone)))
    return parts[0] if len(parts) == 1 else ops.concat(*tuple(parts))


def codes(format: str) -> list[tuple[str, str]]:
    """The format in stretches that the plan knows and codes that it does not."""
    made: list[tuple[str, str]] = []
    at = 0
    while at < len(format):
        if format[at] != "%" or at + 1 >= len(format):
            made.append(("plain", format[at] if format[at] != "%" else "%%"))
            at += 1
            continue
        code = format[at + 1]
        at += 2
        if code in SHORT and code != "r":
            made.append(("plain", SHORT[code]))
        elif code == "r":
            made += [("plain", "%I:%M:%S "), ("special", "P")]
        elif code in "HIMSZBbAayYjmd%":
            made.append(("plain", "%" + code))
        elif code in "LNkleCsQpz":
            made.append(("special", code))
        else:
            made.append(("plain", "%%" + code))
    return made


def special(seconds: Expression, code: str, zone: str) -> Expression:
    """A code that has to be put together."""

    def shown(text: str) -> Expression:
        return ops.format_time(seconds, Literal(text), Literal(zone))

    millis = ops.floor(ops.multiply(seconds, Literal(1000)))
    match code:
        case "L" | "N":
            rest = ops.modulo(millis, Literal(1000))
            digits = ops.pad_start(ops.to_text(rest), Literal(3), Literal("0"))
            # Times are milliseconds, so the last six digits of nanoseconds are zeros.
            return digits if code == "L" else ops.concat(digits, Literal("000000"))
        case "s":
            return ops.to_text(ops.floor(seconds))
        case "Q":
            return ops.to_text(millis)
        case "p":
            return ops.lower(shown("%p"))
        case "P":
            return shown("%p")
        case "C":
            return ops.substring(shown("%Y"), Literal(1), Literal(2))
        case "z":
            # Engines differ in the colon; the manual prints `+0000`.
            return ops.replace_text(shown("%z"), Literal(":"), Literal(""))
        case _:
            padded = shown({"k": "%H", "l": "%I", "e": "%d"}[code])
            return ops.regex_replace(padded, Literal("^0"), Literal(""), Literal(""), Literal(False))


@FUNCTIONS.value("now", into="_now", unnamed="as")
def now(row: RowScope) -> Expression:
    """The time at which the query runs.

        now() | test(_now >= 0) | x := 1 -> x=1

    Reference: library.humio.com, now()
    """
    return Literal(row.meaning.settings.now * 1000)


@FUNCTIONS.value("start", into="_start", unnamed="as")
def start(row: RowScope) -> Expression:
    """The start of the searched interval: that of `setTimeInterval`, else the epoch, as no other one is known.

        start() -> _start=0

    Reference: library.humio.com, start()
    """
    low, _ = row.meaning.interval or (None, None)
    return Literal(low or 0)


@FUNCTIONS.value("end", into="_end", unnamed="as")
def end(row: RowScope) -> Expression:
    """The end of the searched interval: that of `setTimeInterval`, else the time at which the query runs.

        end() | test(_end >= 0) | x := 1 -> x=1

    Reference: library.humio.com, end()
    """
    _, high = row.meaning.interval or (None, None)
    return now(row) if high is None else Literal(high)


@FUNCTIONS.value("duration", into="_duration")
def duration(row: RowScope, duration: Duration) -> Expression:
    """A length of time in milliseconds.

        duration("1h") -> _duration=3600000

    Reference: library.humio.com, duration()
    """
    return Literal(duration)


MOMENT = "t := 1700000000123"
CALENDAR_PARTS = {
    "year": ("year", "2023"),
    "month": ("month", "11"),
    "dayOfMonth": ("day", "14"),
    "dayOfWeek": ("dayofweek", "2"),
    "dayOfYear": ("dayofyear", "318"),
    "weekOfYear": ("isoweek", "46"),
    "hour": ("hour", "22"),
    "minute": ("minute", "13"),
}
CALENDAR_NAMES = {"dayOfWeekName": ("%A", "Tuesday"), "monthName": ("%B", "November")}


def register_calendar_part(
    name: str, example: str, part: Callable[[Expression, Expression], Expression], **facts: Unpack[FunctionFacts]
) -> None:
    """Puts the function for one part of a time into the table."""

    def run(
        row: RowScope, field: Name = TIMESTAMP, *, timezone: Zone | None = None, timezoneField: Name = "@timezone"
    ) -> Expression:
        zone: Expression = Literal(timezone or normalise_zone(row.meaning.settings.zone))
        if timezone is None and row.has(timezoneField):
            zone = resolve_zone_field(row.text(timezoneField), zone)
        return part(cast_to_epoch(row.number(field), "auto"), zone)

    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    shown = f"{MOMENT} | time:{name}(t) -> _{name}={example}"
    run.__doc__ = f"The {words} of a time.\n\n    {shown}\n\nReference: library.humio.com, time:{name}()\n"
    FUNCTIONS.value(f"time:{name}", into=f"_{name}", **facts)(run)


def resolve_zone_field(text: Expression, otherwise: Expression) -> Expression:
    """The zone that a field holds, another one where it holds none."""
    plain = ops.equal(ops.upper(text), Literal("Z"))
    held = ops.if_(ops.equal(text, Literal("")), otherwise, text)
    return ops.coalesce(ops.if_(plain, Literal("UTC"), held), otherwise)


def build_calendar_number(unit: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a number."""
    return lambda seconds, zone: ops.time_part(seconds, Literal(unit), zone)


def build_calendar_name(code: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a word."""
    return lambda seconds, zone: ops.format_time(seconds, Literal(code), zone)


for name, (unit, example) in CALENDAR_PARTS.items():
    register_calendar_part(name, example, build_calendar_number(unit))
for name, (code, example) in CALENDAR_NAMES.items():
    register_calendar_part(name, example, build_calendar_name(code), written=WrittenText.WORDS)
register_calendar_part("second", "20", lambda seconds, zone: ops.floor(ops.time_part(seconds, Literal("second"), zone)))
register_calendar_part(
    "millisecond",
    "123",
    lambda seconds, zone: ops.modulo(ops.floor(ops.multiply(seconds, Literal(1000))), Literal(1000)),
)


@FUNCTIONS.step(
    "setTimeInterval", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS, preamble=Preamble.TIME
)
def set_time_interval(flow: Scope, start: str, *, end: str = "now", timezone: Zone = "UTC") -> None:
    """Which events are searched, sub-queries included, reckoned from the time of the search.

    Reference: library.humio.com, setTimeInterval()
    """
    flow.meaning.interval = resolve_interval(flow, start, end, timezone)
    restrict_to_interval(flow, flow.meaning.interval)
