"""Time modifiers: spans, snaps, formats; earliest, latest and their relatives.

Reference: reference/spl.md 8

Reference: reference/spl.md 3.7, 8.2 and 8.3; Splunk Search Reference, time modifiers
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from harness.detection.language import Settings
from harness.detection.languages.spl.coercion import YES, as_number, literal
from harness.detection.languages.spl.scope import Scope, Session
from harness.detection.languages.spl.syntax import All, AnyOf, Comparison, Not, SearchCondition, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern
from harness.telemetry.events.time_text import COMPOSITE_CODES

SPAN_UNIT_SECONDS = {
    "us": 1e-6, "ms": 1e-3, "cs": 1e-2, "ds": 1e-1,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}  # fmt: skip
# Units of days or more align to local midnight, shorter ones to the epoch (reference/spl.md 6.3).
CALENDAR_SPAN_UNITS = {
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("w", "week", "weeks"), "week"),
    **dict.fromkeys(("mon", "month", "months"), "month"),
    **dict.fromkeys(("q", "qtr", "qtrs", "quarter", "quarters"), "quarter"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "year"),
}
CLOCK_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "second"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "minute"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour"),
}
DAYS = {"day": 1.0, "week": 7.0}
ZERO = literal(0.0)
QUARTER = 900.0
"""Seconds of which the offset of every zone is a multiple."""
FURTHEST_EAST = 13 * 3600.0
"""Seconds that midnight is earlier there than in Greenwich."""
SPAN = late_pattern(r"(\d+)?\s*([a-z]+)(@[\w+-]+)?", re.I)
RELATIVE_TIME_STEP = late_pattern(r"([+-]|^(?=\d))(\d*)([a-z]+)|@(w[0-7]|[a-z]+)", re.I)
ABSOLUTE = "%m/%d/%Y:%H:%M:%S"
STRFTIME_CODES = late_pattern(r"%(?:(?P<digits>\d)?(?P<fraction>[NQ])|[TXFDRrxcnt+%])")
EXPANDED = COMPOSITE_CODES | {"%n": "\n", "%t": "\t", "%%": "%%"}
# %Q has milliseconds and %N nanoseconds by default (reference/spl.md 8.1).
FRACTIONS = {"3": "%L", "6": "%f", "9": "%N", "N": "%N", "Q": "%L"}


def span_unit(text: str) -> tuple[float, str] | None:
    """Number and unit of a span such as `1h`: seconds if it has a fixed length, else a calendar's unit."""
    found = SPAN.fullmatch(text.strip())
    if found is None:
        return None
    count = float(found[1] or 1)
    unit = found[2] if found[2] in SPAN_UNIT_SECONDS or found[2] in CALENDAR_SPAN_UNITS else found[2].lower()
    if unit in CALENDAR_SPAN_UNITS:
        return count, CALENDAR_SPAN_UNITS[unit]
    return (count * SPAN_UNIT_SECONDS[unit], "") if unit in SPAN_UNIT_SECONDS else None


def seconds_of(text: str) -> float | None:
    """The seconds of a span such as `7d`; null if it is none."""
    found = SPAN.fullmatch(text.strip())
    if found is None or found[2].lower() not in SPAN_UNIT_SECONDS:
        if text.strip().isdigit():
            return float(text)
        extra = {"month": 2592000.0, "quarter": 7776000.0, "year": 31536000.0}
        return (
            float(found[1] or 1) * extra[CALENDAR_SPAN_UNITS[found[2].lower()]]
            if found and found[2].lower() in CALENDAR_SPAN_UNITS
            else None
        )
    return float(found[1] or 1) * SPAN_UNIT_SECONDS[found[2].lower()]


def floor_to(time: Typed, span: tuple[float, str], zone: str, *, by_the_clock: bool = False) -> Typed:
    """The start of the span that a time is in; days and longer begin at midnight of the zone.

    `by_the_clock` counts shorter spans from that midnight too, and not from the epoch.
    """
    count, unit = span
    midnight = ops.calendar_floor(time, literal("day"), literal(zone))
    if not unit and by_the_clock:
        return ops.add(midnight, ops.time_floor(ops.subtract(time, midnight), literal(count), ZERO))
    if not unit:
        return ops.time_floor(time, literal(count), ZERO)
    if count == 1:
        return ops.calendar_floor(time, literal(unit), literal(zone))
    if unit in DAYS:
        return in_days(ops.calendar_floor(time, literal(unit), literal(zone)), count, DAYS[unit], zone)
    start = ops.calendar_floor(time, literal("year"), literal(zone))
    if unit == "year":
        years = remainder(ops.time_part(time, literal("year"), literal(zone)), count)
        return subtract_units(start, ops.multiply(years, literal(12.0)), "month", zone)
    months = {"month": 1.0, "quarter": 3.0}[unit] * count
    month = ops.subtract(ops.time_part(time, literal("month"), literal(zone)), literal(1.0))
    whole = ops.multiply(ops.floor(ops.divide(month, literal(months))), literal(months))
    return ops.calendar_add(start, whole, literal("month"), literal(zone))


def in_days(start: Typed, count: float, days: float, zone: str) -> Typed:
    """The start of several days or weeks, `start` being that of one; they are counted from the epoch's."""
    later = ops.add(start, literal(FURTHEST_EAST))
    number = ops.floor(ops.divide(later, literal(days * 86400.0)))
    return subtract_units(start, ops.multiply(remainder(number, count), literal(days)), "day", zone)


def remainder(value: Typed, count: float) -> Typed:
    """What is left of a whole number over a multiple of `count`."""
    multiple = ops.multiply(ops.floor(ops.divide(value, literal(count))), literal(count))
    return ops.subtract(value, multiple)


def subtract_units(start: Typed, many: Typed, unit: str, zone: str) -> Typed:
    """A time that is so many units earlier."""
    return ops.calendar_add(start, ops.negate(many), literal(unit), literal(zone))


def floor_to_span(session: Session, time: Typed, span: tuple[float, str]) -> Typed:
    """The start of the span that a time is in, in the zone of the user."""
    zone = session.settings.zone
    # All zones are whole quarters of an hour from UTC, so that spans which divide one start alike in both.
    differs = not span[1] and zone != "UTC" and QUARTER % span[0] != 0 and span[0] <= 86400.0
    return floor_to(time, span, zone, by_the_clock=differs and session.switch("hour_bins") == "clock")


def apply_time_modifier(time: Typed, modifier: str, settings: Settings) -> Typed | None:
    """A time moved by `[+|-]<n><unit>[@<unit>]...`, from left to right; null if the text is no modifier."""
    text = modifier.strip()
    if text in ("now", "now()", ""):
        return literal(settings.now) if text else time
    at, found = 0, time
    for step in RELATIVE_TIME_STEP.finditer(text):
        if step.start() != at:
            return None
        at = step.end()
        moved = shift_by_step(found, step, settings) if step[3] else snap(found, step[4].lower(), settings)
        if moved is None:
            return None
        found = moved
    return found if at == len(text) else None


def shift_by_step(time: Typed, step: re.Match[str], settings: Settings) -> Typed | None:
    """A time some units earlier or later."""
    count = float(step[2] or 1) * (-1 if step[1] == "-" else 1)
    unit = step[3] if step[3] in SPAN_UNIT_SECONDS or step[3] in CALENDAR_SPAN_UNITS else step[3].lower()
    if unit in CALENDAR_SPAN_UNITS:
        # Days and longer follow the calendar of the zone, hours the clock (reference/spl.md 8.2).
        return ops.calendar_add(time, literal(count), literal(CALENDAR_SPAN_UNITS[unit]), literal(settings.zone))
    return ops.add(time, literal(count * SPAN_UNIT_SECONDS[unit])) if unit in SPAN_UNIT_SECONDS else None


def snap(time: Typed, unit: str, settings: Settings) -> Typed | None:
    """A time moved down to the start of its unit; `w1` is the last Monday."""
    zone = literal(settings.zone)
    if unit in CLOCK_UNITS:
        return ops.calendar_floor(time, literal(CLOCK_UNITS[unit]), zone)
    if unit in CALENDAR_SPAN_UNITS:
        return ops.calendar_floor(time, literal(CALENDAR_SPAN_UNITS[unit]), zone)
    if not re.fullmatch(r"w[0-7]", unit):
        return None
    # `@w0` and `@w7` are Sunday (reference/spl.md 8.2), at which the plan's week begins.
    days = float(int(unit[1]) % 7)
    back = ops.calendar_add(time, literal(-days), literal("day"), zone)
    return ops.calendar_add(ops.calendar_floor(back, literal("week"), zone), literal(days), literal("day"), zone)


def absolute(text: str, settings: Settings) -> float | None:
    """A point in time as earliest and latest take it: an epoch or %m/%d/%Y:%H:%M:%S."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.strptime(text, ABSOLUTE).replace(tzinfo=ZoneInfo(settings.zone)).timestamp()
    except (ValueError, KeyError):
        return None


def plan_format(form: str) -> str:
    """A time format in the plan's codes: those that stand for several are spelled out."""
    return STRFTIME_CODES.sub(code, form)


def code(found: re.Match[str]) -> str:
    """One code in the plan's spelling."""
    if found["fraction"]:
        return FRACTIONS.get(found["digits"] or found["fraction"], "%L")
    return EXPANDED.get(found.group(), found.group())


# `earliest` is included, `latest` is not (reference/spl.md 8.3).
FROM, UP_TO = ops.greater_equal, ops.less
BOUNDS = {
    "earliest": ("_time", FROM),
    "latest": ("_time", UP_TO),
    "starttime": ("_time", FROM),
    "endtime": ("_time", UP_TO),
    "starttimeu": ("_time", FROM),
    "endtimeu": ("_time", UP_TO),
    "_index_earliest": ("_indextime", FROM),
    "_index_latest": ("_indextime", UP_TO),
}
ALL_TIME = ("all", "alltime")
SEARCH_TIME_UNITS = {"days": "d", "hours": "h", "minutes": "m", "months": "mon"}
AGO = late_pattern(r"(start|end|)(days|hours|minutes|months)ago|searchtimespan(days|hours|minutes|months)")
REAL_TIME = late_pattern(r"rt(now)?([+-].*)?", re.I)
ISO = late_pattern(r"(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
DEFAULT_FORMAT = "%m/%d/%Y:%H:%M:%S"
HELP = "write `-24h@h`, an epoch or mm/dd/yyyy:hh:mm:ss"


def time_format(condition: SearchCondition) -> str:
    """What `timeformat=` in a condition says of its times; the usual form if there is none."""
    stack = [condition]
    while stack:
        match stack.pop():
            case Comparison(Word("timeformat"), _, Word(text, _, span)):
                if not text:
                    raise SourceError("bad-option", "`timeformat` is empty", span, help=f"write {DEFAULT_FORMAT}")
                return text
            case All(operands) | AnyOf(operands):
                stack.extend(operands)
            case Not(operand):
                stack.append(operand)
    return DEFAULT_FORMAT


def has_field(scope: Scope, name: str) -> bool:
    """Whether rows have a field of a name that stands for something else where they have none.

    One that was only looked for in texts, since the search names it, is none: `earliest=-1h` bounds a search of plain
    logs as it does any other.
    """
    return name in scope.columns and name not in scope.session.guessed


def until_now(scope: Scope, condition: SearchCondition) -> Typed | None:
    """The bound of a search that says when it begins and not when it ends: now; None if it needs none."""
    begins: Span | None = None
    stack = [condition]
    while stack:
        match stack.pop():
            case Comparison(Word(name), "=", Word(text), _, span) if not has_field(scope, name):
                ago = AGO.fullmatch(name.lower())
                if BOUNDS.get(name.lower()) == ("_time", UP_TO) or (ago is not None and ago[1] == "end"):
                    return None
                begun = BOUNDS.get(name.lower()) == ("_time", FROM) or ago is not None
                begins = span if begun and text.lower() not in ALL_TIME else begins
            case All(operands) | AnyOf(operands):
                stack.extend(operands)
    subject = scope.columns.get("_time", Kind.NULL)
    if begins is None or subject is Kind.NULL or not scope.settings.now:
        return None
    return apply(UP_TO, as_number(scope.typed("_time")), literal(scope.settings.now), span=begins)


def time_term(scope: Scope, name: str, value: Word, form: str, span: Span) -> Typed | None:
    """What a bound of time means; None if the name is none."""
    if name in BOUNDS:
        return bound(scope, name, value, form, span)
    ago = AGO.fullmatch(name)
    if ago is None:
        return None
    if not re.fullmatch(r"\d{1,6}", value.text):
        raise SourceError("bad-time", f"`{value.text[:60]}` is no whole number", value.span)
    modifier = Word(f"-{value.text}{SEARCH_TIME_UNITS[ago[2] or ago[3]]}", False, value.span)
    return bound(scope, "latest" if ago[1] == "end" else "earliest", modifier, form, span)


def bound(scope: Scope, name: str, value: Word, form: str, span: Span) -> Typed:
    """A bound of time: from `earliest` on, up to and without `latest`."""
    column, operation = BOUNDS[name]
    if value.text.lower() in ALL_TIME:
        return YES
    if REAL_TIME.fullmatch(value.text):
        message = f"`{value.text[:60]}` asks for a search in real time, which waits for events to come,"
        raise scope.unsupported(message, value.span, "give a range of the past")
    when = lower_time_term(scope, value, form)
    if column == "_time":
        scope.range.setdefault(operation, when)
    subject = scope.typed(column)
    # Recorded events do not say when they were indexed; that was soon after their time.
    if subject.kind is Kind.NULL and column == "_indextime":
        subject = scope.typed("_time")
    if subject.kind is Kind.NULL:
        return YES
    return apply(operation, as_number(subject), when, span=span)


def lower_time_term(scope: Scope, value: Word, form: str) -> Typed:
    """The time that a value stands for: an epoch, a modifier of now, or a date in the format given."""
    settings = scope.settings
    point = (
        absolute(value.text, settings)
        if form == DEFAULT_FORMAT
        else parse_time_in_format(value.text, form, settings.zone)
    )
    if point is not None:
        return literal(point, value.span)
    found = apply_time_modifier(literal(settings.now), value.text, settings)
    if found is not None:
        return found
    point = absolute(value.text, settings)
    # Splunk refuses other dates; read leniently, what people mean is plain.
    if point is None and not scope.session.text.strict:
        point = in_other_words(value.text, settings.zone)
        if point is not None:
            message = f"`{value.text[:60]}` is no time to Splunk, whose dates are mm/dd/yyyy:hh:mm:ss"
            scope.session.warn("date-format", message, value.span, HELP)
    if point is None:
        raise SourceError("bad-time", f"`{value.text[:60]}` is no time", value.span, help=HELP)
    return literal(point, value.span)


def parse_time_in_format(text: str, form: str, zone: str) -> float | None:
    """The epoch of a time in a format; None if it does not fit."""
    try:
        if form == "%s":
            return float(text)
        found = datetime.strptime(text, form)
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except (ValueError, OverflowError):
        return None


def in_other_words(text: str, zone: str) -> float | None:
    """The epoch of a date that people write otherwise: 2024-01-31, 2024-01-31T12:00:00, 01/31/2024."""
    for form in ("%m/%d/%Y", "%m/%d/%Y %H:%M:%S"):
        found = parse_time_in_format(text, form, zone)
        if found is not None:
            return found
    if ISO.fullmatch(text) is None:
        return None
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).timestamp()
    except (ValueError, OverflowError):
        return None
