"""Spans, snaps and formats of time as Splunk writes them.

Reference: reference/spl.md 8
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from harness.detection.language import Settings
from harness.detection.languages.spl.coercion import literal
from harness.detection.languages.spl.scope import Session
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed

SPAN_UNIT_SECONDS = {
    "us": 1e-6, "ms": 1e-3, "cs": 1e-2, "ds": 1e-1,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}  # fmt: skip
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
SPAN = re.compile(r"(\d+)?\s*([a-z]+)(@[\w+-]+)?", re.I)
RELATIVE_TIME_STEP = re.compile(r"([+-]|^(?=\d))(\d*)([a-z]+)|@(w[0-7]|[a-z]+)", re.I)
ABSOLUTE = "%m/%d/%Y:%H:%M:%S"
STRFTIME_CODES = re.compile(r"%(?:(?P<digits>\d)?(?P<fraction>[NQ])|[TXFDRrxcnt+%])")
EXPANDED = {
    "%T": "%H:%M:%S",
    "%X": "%H:%M:%S",
    "%F": "%Y-%m-%d",
    "%x": "%m/%d/%Y",
    "%c": "%a %b %e %H:%M:%S %Y",
    "%+": "%a %b %e %H:%M:%S %Z %Y",
    "%D": "%m/%d/%y",
    "%R": "%H:%M",
    "%r": "%I:%M:%S %p",
    "%n": "\n",
    "%t": "\t",
    "%%": "%%",
}
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
