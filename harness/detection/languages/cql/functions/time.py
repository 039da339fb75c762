"""Functions of times: milliseconds since 1970 and how they are written."""

from __future__ import annotations

from harness.detection.languages.cql.binding import TIMESTAMP, Duration, Name, Zone
from harness.detection.languages.cql.choices import TimeUnit
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.registry import FUNCTIONS, WrittenText
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal

SHORT = {
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "c": "%a %b %d %H:%M:%S %Z %Y",
    "h": "%b",
}
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
