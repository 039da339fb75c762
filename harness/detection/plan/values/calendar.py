"""Start of a unit, steps by a unit, parts of a time.

Front ends translate their own codes to these: %Y %y %C year, %G %g ISO year, %m %B %b month, %d %e (blank-padded) day,
%j day of the year, %a %A weekday, %u (1 Monday) %w (0 Sunday), %U %W %V week, %H %I hour, %k %l hour (blank-padded),
%M minute, %S second, %p AM, %P am, %L 3, %f 6, %N 9 digits of the second, %z +hhmm, %:z +hh:mm, %::z +hh:mm:ss,
%:::z +hh, %Ez minutes, %Z abbreviation, %s epoch seconds, %Q epoch milliseconds, %%. `-` after the percent sign takes
the padding off: %-d.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from math import floor, isfinite
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.time_format import local_time
from harness.late_pattern import late_pattern
from harness.telemetry.events.time_text import to_epoch

UNIT_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("second", 1.0)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), ("minute", 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("hour", 3600.0)),
}
CALENDAR = {
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("w", "week", "weeks"), "week"),
    **dict.fromkeys(("mon", "month", "months"), "month"),
    **dict.fromkeys(("q", "qtr", "qtrs", "quarter", "quarters"), "quarter"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "year"),
}
# A sign may be missing only in front of the first step; nine digits are enough for a lifetime in seconds.
TIME_MOVE_STEP = late_pattern(r"([+-]|^(?=\d))(\d{0,9})([a-z]+)|@(w[0-7]|[a-z]+)", re.I)


def compute_moved_time(seconds: float, moves: str, zone: str) -> float | None:
    """The time moved; None of a text that is no such steps."""
    text, at, found = moves.strip(), 0, seconds
    for step in TIME_MOVE_STEP.finditer(text):
        if step.start() != at:
            return None
        at = step.end()
        # `-d` is `-1d`.
        count = float(step[2] or 1) * (-1 if step[1] == "-" else 1)
        moved = (
            shift_time(found, count, step[3].lower(), zone) if step[3] else floor_to_unit(found, step[4].lower(), zone)
        )
        if moved is None:
            return None
        found = moved
    return found if at == len(text) else None


def shift_time(seconds: float, count: float, unit: str, zone: str) -> float | None:
    """A time so many units later."""
    if unit in CALENDAR:
        return add_calendar_units(seconds, count, CALENDAR[unit], zone)
    return seconds + count * UNIT_SECONDS[unit][1] if unit in UNIT_SECONDS else None


def floor_to_unit(seconds: float, unit: str, zone: str) -> float | None:
    """The start of the unit that a time is in; `w1` is the Monday before."""
    if re.fullmatch(r"w[0-7]", unit):
        # @w0 and @w7 are both Sunday (reference/spl.md).
        days = float(int(unit[1]) % 7)
        shifted = add_calendar_units(seconds, -days, "day", zone)
        start = None if shifted is None else floor_to_calendar_unit(shifted, "week", zone)
        return None if start is None else add_calendar_units(start, days, "day", zone)
    name = CALENDAR.get(unit) or UNIT_SECONDS.get(unit, ("", 0.0))[0]
    return floor_to_calendar_unit(seconds, name, zone) if name else None


TIME_MOVE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.moved_time: compute_moved_time}


def floor_to_calendar_unit(seconds: float, unit: str, zone: str) -> float | None:
    """Start of the calendar unit that a time lies in."""
    moment = local_time(seconds, zone)
    if moment is None or unit not in CALENDAR_FLOORS:
        return None
    if unit in ("second", "minute", "hour"):
        size = {"second": 1, "minute": 60, "hour": 3600}[unit]
        offset = (moment.utcoffset() or timedelta()).total_seconds()
        # By the offset and not by replacing fields: in the hour that comes twice in autumn, both stay apart.
        return floor((seconds + offset) / size) * size - offset
    # fold=0: midnight itself is hardly ever ambiguous, and its first occurrence begins the day.
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    try:
        return to_epoch(CALENDAR_FLOORS[unit](day))
    except OverflowError:
        return None


CALENDAR_FLOORS: dict[str, Callable[[datetime], datetime]] = {
    "second": lambda d: d,
    "minute": lambda d: d,
    "hour": lambda d: d,
    "day": lambda d: d,
    "week": lambda d: d - timedelta(days=d.isoweekday() % 7),
    "isoweek": lambda d: d - timedelta(days=d.weekday()),
    "month": lambda d: d.replace(day=1),
    "quarter": lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda d: d.replace(month=1, day=1),
}
FIXED = {"second": 1, "minute": 60, "hour": 3600}
DAYS_OF = {"day": 1, "week": 7, "isoweek": 7}
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}


def add_calendar_units(seconds: float, count: float, unit: str, zone: str) -> float | None:
    """So many units later; the day of the month is cut to the month's length."""
    if unit in FIXED:
        return seconds + count * FIXED[unit]
    moment = local_time(seconds, zone)
    if moment is None or not isfinite(count):
        return None
    whole = int(count)
    try:
        if unit in DAYS_OF:
            # Python adds days to the local time: a day later is the same time of day, whatever the clocks did between.
            later = moment.replace(fold=0) + timedelta(days=whole * DAYS_OF[unit])
        else:
            later = months_later(moment.replace(fold=0), whole * MONTHS_OF[unit])
        return to_epoch(later)
    except (OverflowError, ValueError, KeyError):
        return None


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month, or its last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    following = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    length = (following - datetime(year, month + 1, 1)).days
    return moment.replace(year=year, month=month + 1, day=min(moment.day, length))


def extract_time_part(seconds: float, part: str, zone: str) -> float | None:
    """A part of the local time as a number."""
    moment = local_time(seconds, zone)
    if moment is None or part not in LOCAL_TIME_PARTS:
        return None
    return float(LOCAL_TIME_PARTS[part](moment))


LOCAL_TIME_PARTS: dict[str, Callable[[datetime], float]] = {
    "year": lambda m: m.year,
    "month": lambda m: m.month,
    "day": lambda m: m.day,
    "hour": lambda m: m.hour,
    "minute": lambda m: m.minute,
    "second": lambda m: m.second,
    "dayofweek": lambda m: m.isoweekday(),
    "dayofyear": lambda m: m.timetuple().tm_yday,
    "isoweek": lambda m: m.isocalendar().week,
}

CALENDAR_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.calendar_floor: floor_to_calendar_unit,
    ops.calendar_add: add_calendar_units,
    ops.time_part: extract_time_part,
}
