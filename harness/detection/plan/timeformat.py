"""Times as text and back: the strftime codes of the plan, zones, and the calendar.

Front ends translate their own codes to these: %Y %y %C year, %G %g ISO year, %m %B %b month, %d %e (blank-padded) day,
%j day of the year, %a %A weekday, %u (1 Monday) %w (0 Sunday), %U %W %V week, %H %I hour, %k %l hour (blank-padded),
%M minute, %S second, %p AM, %P am, %L 3, %f 6, %N 9 digits of the second, %z +hhmm, %:z +hh:mm, %::z +hh:mm:ss,
%:::z +hh, %Ez minutes, %Z abbreviation, %s epoch seconds, %Q epoch milliseconds, %%. `-` after the percent sign takes
the padding off: %-d.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from math import floor, isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

# Longer codes first: %::z is one code and not a colon before %z.
TIME_CODE = re.compile(r"%(-?)(:{1,3}z|Ez|[A-Za-z%])|([^%]+|%)", re.DOTALL)
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""The epochs of the years 1 and 9999, UTC; times outside have no text."""
MONTH_NAMES = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?(?::?(\d{2}))?")
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fixed_offset(zone: str) -> int | None:
    """Seconds east of UTC of a zone written as an offset, 0 for UTC; None for a name."""
    if zone.upper() in ("UTC", "Z", "GMT", "ETC/UTC", ""):
        return 0
    found = OFFSET.fullmatch(zone)
    if not found:
        return None
    seconds = int(found[2]) * 3600 + int(found[3] or 0) * 60 + int(found[4] or 0)
    return -seconds if found[1] == "-" else seconds


@lru_cache(maxsize=256)
def resolve_zone(zone: str) -> tzinfo | None:
    """The zone of a name or an offset; None if there is none."""
    offset = fixed_offset(zone)
    if offset is not None:
        # Python's timezone takes less than a day.
        return timezone(timedelta(seconds=offset)) if abs(offset) < 86400 else None
    try:
        return ZoneInfo(zone)
    # ValueError for a path such as `../x`, OSError for a folder of the database such as `America`.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local_time(seconds: float, zone: str) -> datetime | None:
    """The local time, cut to microseconds; None outside the years 1 to 9999."""
    place = resolve_zone(zone)
    if place is None or not EARLIEST <= seconds <= LATEST:
        return None
    try:
        # Not fromtimestamp(): that fails before 1970 on some platforms and rounds otherwise.
        return (UNIX_EPOCH + timedelta(microseconds=microseconds(seconds))).astimezone(place)
    except OverflowError:
        return None


def microseconds(seconds: float) -> int:
    """Whole microseconds, rounded."""
    return round(seconds * 1_000_000)


def to_epoch(moment: datetime) -> float:
    """Epoch seconds of a time with a zone."""
    # Over whole microseconds: total_seconds() of far dates has an error in the last digits.
    return (moment - UNIX_EPOCH) // timedelta(microseconds=1) / 1_000_000


def split_time_format(text: str) -> list[tuple[str, bool, str]]:
    """A format as codes (without the percent sign), whether padding is off, and literal text."""
    return [(code, bool(bare), plain) for bare, code, plain in TIME_CODE.findall(text)]


def format_epoch(seconds: float, text: str, zone: str) -> str | None:
    """An epoch as text; null outside the years 1 to 9999."""
    moment = local_time(seconds, zone) if isfinite(seconds) else None
    if moment is None:
        return None
    return "".join(plain if plain else field_text(code, bare, moment) for code, bare, plain in split_time_format(text))


def field_text(code: str, bare: bool, moment: datetime) -> str:
    """One code's text; a code that is not known stands for itself."""
    if code in WRITTEN:
        made = WRITTEN[code](moment)
        # `%-H` at midnight is 0 and not nothing.
        return (made.lstrip("0 ") or "0") if bare else made
    return "%" + ("-" if bare else "") + code


def offset_text(moment: datetime, colon: str) -> str:
    """+hhmm or +hh:mm."""
    offset = int((moment.utcoffset() or timedelta()).total_seconds())
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}{colon}{minutes:02}"


def abbreviate_zone(moment: datetime) -> str:
    """The zone's abbreviation; `UTC` for UTC."""
    return moment.tzname() or "UTC"


def week_from(first: int) -> Callable[[datetime], str]:
    """Week of the year, weeks starting on weekday `first` (0 Monday)."""
    # As strftime(3) has it for %U and %W: days before the first such weekday are in week 0.
    return lambda m: f"{(m.timetuple().tm_yday + 6 - (m.weekday() - first) % 7) // 7:02}"


WRITTEN: dict[str, Callable[[datetime], str]] = {
    "Y": lambda m: f"{m.year:04}",
    "y": lambda m: f"{m.year % 100:02}",
    "C": lambda m: f"{m.year // 100:02}",
    "G": lambda m: f"{m.isocalendar().year:04}",
    "g": lambda m: f"{m.isocalendar().year % 100:02}",
    "m": lambda m: f"{m.month:02}",
    "B": lambda m: MONTH_NAMES[m.month - 1],
    "b": lambda m: MONTH_NAMES[m.month - 1][:3],
    "h": lambda m: MONTH_NAMES[m.month - 1][:3],
    "d": lambda m: f"{m.day:02}",
    "e": lambda m: f"{m.day:2}",
    "j": lambda m: f"{m.timetuple().tm_yday:03}",
    "a": lambda m: DAY_NAMES[m.weekday()][:3],
    "A": lambda m: DAY_NAMES[m.weekday()],
    "u": lambda m: str(m.isoweekday()),
    "w": lambda m: str(m.isoweekday() % 7),
    "U": week_from(6),
    "W": week_from(0),
    "V": lambda m: f"{m.isocalendar().week:02}",
    "H": lambda m: f"{m.hour:02}",
    "I": lambda m: f"{(m.hour + 11) % 12 + 1:02}",
    "k": lambda m: f"{m.hour:2}",
    "l": lambda m: f"{(m.hour + 11) % 12 + 1:2}",
    "M": lambda m: f"{m.minute:02}",
    "S": lambda m: f"{m.second:02}",
    "p": lambda m: "AM" if m.hour < 12 else "PM",
    "P": lambda m: "am" if m.hour < 12 else "pm",
    "L": lambda m: f"{m.microsecond // 1000:03}",
    "f": lambda m: f"{m.microsecond:06}",
    "N": lambda m: f"{m.microsecond:06}000",
    "z": lambda m: offset_text(m, ""),
    ":z": lambda m: offset_text(m, ":"),
    "::z": lambda m: offset_text(m, ":") + ":00",
    ":::z": lambda m: offset_text(m, ":").removesuffix(":00"),
    "Ez": lambda m: f"{int((m.utcoffset() or timedelta()).total_seconds()) // 60:+}",
    "Z": abbreviate_zone,
    "s": lambda m: str(floor(to_epoch(m))),
    "Q": lambda m: str(floor(to_epoch(m) * 1000)),
    "%": lambda m: "%",
}


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

TIME_FORMAT_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.format_time: format_epoch,
}

CALENDAR_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.calendar_floor: floor_to_calendar_unit,
    ops.calendar_add: add_calendar_units,
    ops.time_part: extract_time_part,
}
