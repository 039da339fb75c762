"""A time moved by what a text says, such as `-1d@d`: steps by a unit and down to the start of a unit, left to right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.timeformat import add_calendar_units, floor_to_calendar_unit

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
TIME_MOVE_STEP = re.compile(r"([+-]|^(?=\d))(\d{0,9})([a-z]+)|@(w[0-7]|[a-z]+)", re.I)


def moved_time(seconds: float, moves: str, zone: str) -> float | None:
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


TIME_MOVE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.moved_time: moved_time}
