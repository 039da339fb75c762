"""Times that texts spell: the codes of strptime, zones, and the time that the parts of a text make."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harness.late_pattern import late_pattern

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
MONTH_BEGINNINGS = [m[:3].lower() for m in MONTH_NAMES]
DAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
OFFSET = late_pattern(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?(?::?(\d{2}))?")
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# As in North America: EST and CST have other meanings elsewhere, and RFC 2822 knows these. The others
# are Europe's and Japan's.
ABBREVIATIONS = {"EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00", "MST": "-07:00", "MDT": "-06:00"}
ABBREVIATIONS |= {"PST": "-08:00", "PDT": "-07:00", "CET": "+01:00", "CEST": "+02:00", "BST": "+01:00", "JST": "+09:00"}
ABBREVIATIONS |= {"AKST": "-09:00", "AKDT": "-08:00", "HST": "-10:00", "WET": "+00:00", "WEST": "+01:00"}
ABBREVIATIONS |= {"EET": "+02:00", "EEST": "+03:00", "MSK": "+03:00", "IST": "+05:30", "SGT": "+08:00", "HKT": "+08:00"}
ABBREVIATIONS |= {"KST": "+09:00", "AWST": "+08:00", "ACST": "+09:30", "AEST": "+10:00", "AEDT": "+11:00"}
ABBREVIATIONS |= {"NZST": "+12:00", "NZDT": "+13:00", "SAST": "+02:00"}

COMPOSITE_CODES = {
    "%T": "%H:%M:%S",
    "%X": "%H:%M:%S",
    "%F": "%Y-%m-%d",
    "%x": "%m/%d/%Y",
    "%c": "%a %b %e %H:%M:%S %Y",
    "%+": "%a %b %e %H:%M:%S %Z %Y",
    "%D": "%m/%d/%y",
    "%R": "%H:%M",
    "%r": "%I:%M:%S %p",
}
"""Splunk's codes that stand for several others (Search Reference, date and time format variables)."""


PARSE_CODES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "B": rf"(?P<B>{'|'.join(MONTH_NAMES + [m[:3] for m in MONTH_NAMES])})",
    "d": r"\s*(?P<d>\d{1,2})",
    "j": r"(?P<j>\d{1,3})",
    "A": rf"(?:{'|'.join(DAY_NAMES + [d[:3] for d in DAY_NAMES])})",
    "H": r"\s*(?P<H>\d{1,2})",
    "I": r"\s*(?P<I>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "p": r"(?P<p>[AaPp][Mm])",
    "f": r"(?P<f>\d{1,9})",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2}(?::?\d{2})?|[+-]\d{2})",
    # A name as in the zone database; abbreviations are looked up afterwards.
    "Z": r"(?P<Z>[A-Za-z][A-Za-z_/+\-0-9]*)",
    # Twelve digits reach the year 33658; more would run into a fraction that stands right behind.
    "s": r"(?P<s>-?\d{1,12})",
    "Q": r"(?P<Q>-?\d{1,15})",
    # Weekdays and weeks are read over: a date has a year, a month and a day besides.
    "u": r"[0-7]",
    "U": r"\d{1,2}",
    "C": r"\d{2}",
    "%": "%",
}
ALIKE = {"b": "B", "h": "B", "e": "d", "a": "A", "k": "H", "l": "I", "P": "p", "L": "f", "N": "f"}
ALIKE |= dict.fromkeys((":z", "::z", ":::z"), "z")
ALIKE |= {"w": "u", "W": "U", "V": "U", "G": "Y", "g": "y"}


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


def to_epoch(moment: datetime) -> float:
    """Epoch seconds of a time with a zone."""
    # Over whole microseconds: total_seconds() of far dates has an error in the last digits.
    return (moment - UNIX_EPOCH) // timedelta(microseconds=1) / 1_000_000


def written_zone(parts: Mapping[str, str]) -> str | None:
    """The zone that the text itself names, if it is one."""
    if "z" in parts:
        return "UTC" if parts["z"] in "Zz" else parts["z"]
    name = parts.get("Z")
    if name is None:
        return None
    return ABBREVIATIONS.get(name.upper(), name)


def build_moment(parts: Mapping[str, str], near: datetime = UNIX_EPOCH) -> datetime:
    """The local time of the parts, missing ones from `near`; raises ValueError for a date that is none."""
    month = int(parts.get("m", near.month))
    if "B" in parts:
        month = MONTH_BEGINNINGS.index(parts["B"][:3].lower()) + 1
    # What is finer than a part that the text has begins with it; only a clock alone is of the day of `near`.
    day = int(parts.get("d", 1 if parts.keys() & {"m", "B", "Y"} else near.day))
    if "j" in parts:
        month, day = 1, 1
    second = int(parts.get("S", 0))
    # Python has no leap seconds; 23:59:60 is the second after, as mktime(3) has it.
    leap = second == 60
    made = datetime(year_of(parts, near), month, day, hour_of(parts), int(parts.get("M", 0)), 59 if leap else second)
    return made + timedelta(days=int(parts.get("j", 1)) - 1, seconds=int(leap))


def year_of(parts: Mapping[str, str], near: datetime) -> int:
    """The year of the parts."""
    if "Y" in parts:
        return int(parts["Y"])
    if "y" not in parts:
        return near.year
    # The century of two digits as POSIX has it for strptime: 69 to 99 are 19xx.
    return int(parts["y"]) + (1900 if int(parts["y"]) >= 69 else 2000)


def hour_of(parts: Mapping[str, str]) -> int:
    """The hour of the parts; raises ValueError for an hour of twelve that is none."""
    if "I" not in parts:
        return int(parts.get("H", 0))
    if not 1 <= int(parts["I"]) <= 12:
        raise ValueError("an hour of twelve")
    return int(parts["I"]) % 12 + (12 if parts.get("p", "a").lower().startswith("p") else 0)
