"""Times as text and back, by the strftime codes of the plan and zones.

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

TIME_FORMAT_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.format_time: format_epoch,
}


NAME_ALTERNATIVES = "|".join
PARSE_CODES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "m": r"(?P<m>\d{1,2})",
    "B": rf"(?P<B>{NAME_ALTERNATIVES(MONTH_NAMES + [m[:3] for m in MONTH_NAMES])})",
    "d": r"\s*(?P<d>\d{1,2})",
    "j": r"(?P<j>\d{1,3})",
    "A": rf"(?:{NAME_ALTERNATIVES(DAY_NAMES + [d[:3] for d in DAY_NAMES])})",
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
FRACTION_DIGITS = {"L": 3, "f": 6, "N": 9}
"""How many digits of the second stand right behind an epoch, which has no end of its own."""


@lru_cache(maxsize=512)
def reader(text: str) -> re.Pattern[str]:
    """The regular expression of a format; what follows the fitting part of a text is ignored."""
    made, seen = "", set()
    for code, _, plain in split_time_format(text):
        known = ALIKE.get(code, code)
        if plain:
            made += r"\s+".join(re.escape(p) for p in re.split(r"\s+", plain))
        elif known not in PARSE_CODES:
            made += re.escape("%" + code)
        elif known == "f" and made.endswith(PARSE_CODES["s"]):
            made += rf"(?P<f>\d{{{FRACTION_DIGITS[code]}}})"
        elif known in seen and "?P<" in PARSE_CODES[known]:
            made += re.sub(r"\?P<\w+>", "?:", PARSE_CODES[known])
        else:
            made += PARSE_CODES[known]
            seen.add(known)
    return re.compile(made, re.IGNORECASE)


def compute_parse_time(text: str, form: str, zone: str) -> float | None:
    """Epoch seconds of a text; the zone counts where the text has none, missing parts are those of 1970-01-01."""
    # A text may go on behind what fits, as C's strptime leaves the rest unread.
    found = reader(form).match(text.lstrip())
    if not found:
        return None
    parts = {k: v for k, v in found.groupdict().items() if v is not None}
    fraction = float("0." + parts["f"]) if "f" in parts else 0.0
    if "s" in parts or "Q" in parts:
        whole = float(parts["s"]) if "s" in parts else float(parts["Q"]) / 1000
        return whole + fraction
    place = resolve_zone(written_zone(parts) or zone)
    if place is None:
        return None
    try:
        # Nine decimals are nanoseconds, the finest that a code reads; rounding takes the error of the sum off.
        return round(to_epoch(build_moment(parts).replace(tzinfo=place)) + fraction, 9)
    except (ValueError, OverflowError):
        return None


def written_zone(parts: dict[str, str]) -> str | None:
    """The zone that the text itself names, if it is one."""
    if "z" in parts:
        return "UTC" if parts["z"] in "Zz" else parts["z"]
    name = parts.get("Z")
    if name is None:
        return None
    return ABBREVIATIONS.get(name.upper(), name)


# As in North America: EST and CST have other meanings elsewhere, and RFC 2822 knows these. The others
# are Europe's and Japan's.
ABBREVIATIONS = {"EST": "-05:00", "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00", "MST": "-07:00", "MDT": "-06:00"}
ABBREVIATIONS |= {"PST": "-08:00", "PDT": "-07:00", "CET": "+01:00", "CEST": "+02:00", "BST": "+01:00", "JST": "+09:00"}


def build_moment(parts: dict[str, str]) -> datetime:
    """The local time of the parts; raises ValueError for a date that is none."""
    year = int(parts.get("Y", UNIX_EPOCH.year))
    if "y" in parts and "Y" not in parts:
        # The century of two digits as POSIX has it for strptime: 69 to 99 are 19xx.
        year = int(parts["y"]) + (1900 if int(parts["y"]) >= 69 else 2000)
    month = int(parts.get("m", 1))
    if "B" in parts:
        month = [m[:3].lower() for m in MONTH_NAMES].index(parts["B"][:3].lower()) + 1
    hour = int(parts.get("H", 0))
    if "I" in parts:
        hour = int(parts["I"]) % 12 + (12 if parts.get("p", "a").lower().startswith("p") else 0)
        if not 1 <= int(parts["I"]) <= 12:
            raise ValueError("an hour of twelve")
    second = int(parts.get("S", 0))
    # Python has no leap seconds; 23:59:60 is the second after.
    leap = second == 60
    made = datetime(year, month, int(parts.get("d", 1)), hour, int(parts.get("M", 0)), 59 if leap else second)
    if "j" in parts:
        made = made.replace(month=1, day=1) + timedelta(days=int(parts["j"]) - 1)
    return made + timedelta(seconds=1) if leap else made


TIME_PARSE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.parse_time: compute_parse_time}
