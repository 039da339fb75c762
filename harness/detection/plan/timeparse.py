"""Text read as a time, by the codes of `plan.timeformat`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.timeformat import (
    DAY_NAMES,
    MONTH_NAMES,
    UNIX_EPOCH,
    resolve_zone,
    split_time_format,
    to_epoch,
)

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


def parse_time(text: str, form: str, zone: str) -> float | None:
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


TIME_PARSE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.parse_time: parse_time}
