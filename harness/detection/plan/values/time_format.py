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
from datetime import datetime, timedelta
from functools import lru_cache
from math import floor, isfinite
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.late_pattern import late_pattern
from harness.telemetry.events.time_text import (
    ALIKE,
    DAY_NAMES,
    MONTH_NAMES,
    PARSE_CODES,
    UNIX_EPOCH,
    build_moment,
    resolve_zone,
    to_epoch,
    written_zone,
)

# Longer codes first: %::z is one code and not a colon before %z.
TIME_CODE = late_pattern(r"%(-?)(:{1,3}z|Ez|[A-Za-z%])|([^%]+|%)", re.DOTALL)
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
"""The epochs of the years 1 and 9999, UTC; times outside have no text."""


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


FORMAT_SEPARATOR = "\x1e"
"""Between formats that are tried one after the other; Unicode's record separator, which no format has."""

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


def compute_parse_time(text: str, forms: str, zone: str) -> float | None:
    """Epoch seconds of a text by the first format that fits."""
    tries = (parse_one_format(text, form, zone) for form in forms.split(FORMAT_SEPARATOR))
    return next((found for found in tries if found is not None), None)


def parse_one_format(text: str, form: str, zone: str) -> float | None:
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


TIME_PARSE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.parse_time: compute_parse_time}
