"""Looks of times as logs write them, without anybody saying how: those that Splunk's datetime recognises.

Reference: Splunk, Configure advanced timestamp recognition with datetime.xml; props.conf.spec, MAX_DAYS_HENCE
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache

from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.time_text import (
    ABBREVIATIONS,
    MONTH_BEGINNINGS,
    UNIX_EPOCH,
    build_moment,
    resolve_zone,
    written_zone,
)

# Days of the week and suffixes of days are passed over; a month is known by its first three letters.
MONTH = rf"(?P<B>{'|'.join(MONTH_BEGINNINGS)})[a-z]*\.?"
DAY = r"(?P<d>0?[1-9]|[12]\d|3[01])"
YEAR = r"(?P<Y>(?:19|20)\d\d)(?!\d)"
ANY_YEAR = r"(?:(?P<Y>(?:19|20)\d\d)|(?P<y>\d\d))(?!\d)"
# A dot, comma or colon stands before the fraction; `h` is an hour of twelve where AM or PM stands behind it.
CLOCK = r"(?P<h>[01]?\d|2[0-4]):(?P<M>[0-5]\d)(?::(?P<S>[0-6]\d)(?:[.,:](?P<f>\d{1,9}))?)?(?!\d)"
# Oracle, DB2 and some of Europe write dots: only whole clocks of three parts, since 10.56 is any number.
DOT_CLOCK = r"(?P<h>[01]?\d|2[0-4])\.(?P<M>[0-5]\d)\.(?P<S>[0-6]\d)(?:[.,:](?P<f>\d{1,9}))?(?!\d)"
HALF = r"(?:\s*(?P<p>[ap]\.?m\.?)(?![a-z]))?"
NAMES = "|".join(sorted({*ABBREVIATIONS, "UTC", "GMT", "Z"}, key=len, reverse=True))
# Two digits of an offset are one only right behind the clock: `10:00:00 -12 files` is none.
WRITTEN_OFFSET = r"[+-]\d\d:?\d\d(?![\d:])"
ZONES = (
    rf"(?:(?P<z>[+-]\d\d(?![\d:-]))|\s*(?P<z1>(?-i:UTC|GMT)?{WRITTEN_OFFSET}|(?-i:UTC|GMT)[+-]\d\d?(?![\d:]))"
    rf"|\s*\(?(?P<Z>(?-i:{NAMES})(?![A-Za-z\d])|(?-i:[A-Z])[a-z]+/(?-i:[A-Z])[A-Za-z_]+))?"
)
# Between clock and year a zone may have any name: there it can be nothing else.
ZONES_BEHIND = ZONES.replace("<z>", "<z2>").replace("<z1>", "<z3>").replace("<Z>", "<Z2>")
YEAR_BEHIND = r"(?:\s+(?P<Z1>(?-i:[A-Z]{2,5})|[+-]\d\d:?\d\d))?\s+(?P<Y1>(?:19|20)\d\d)(?![\d.:])" + ZONES_BEHIND
BEHIND_DATE = r"(?:\s*[T,_:-]\s*|\s+(?:at\s+)?)"
ALONE = r"(?<![\d.:])"

WRITTEN_BARE_LOOKS = (
    r"(?<![\d.])(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)",
    r"(?<![\d.])(?P<Y>(?:19|20)\d\d)/(?P<m>\d\d)/(?P<d>\d\d)(?![\d/])",
    rf"(?<![\d.])(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by){YEAR}(?!\.\d)",
    rf"(?<!\d){DAY}(?:st|nd|rd|th)?[-/ ]{MONTH}[-/ ,]+{YEAR}",
    rf"\b{MONTH}[ ]+{DAY}(?:st|nd|rd|th)?,?[ ]+{YEAR}",
)
"""Days without a clock. They may be the beginning of what has one, so all other looks are tried besides."""

CLOCKED = rf"{CLOCK}{HALF}{ZONES}"
CLOCK_FIRST = rf"{ALONE}{CLOCKED}[ ,-]+"
WRITTEN_LOOKS = (
    # 2011-03-31T10:56:26.421-07:00, 2011/03/31 10:56 PM, 2011-Mar-31 10:56:26
    rf"{ALONE}(?P<Y>\d{{4}})(?P<by>[-/.])(?P<m>\d\d?)(?P=by){DAY}{BEHIND_DATE}{CLOCKED}",
    rf"{ALONE}(?P<Y>\d{{4}})[-/ ]{MONTH}[-/ ]{DAY}{BEHIND_DATE}{CLOCKED}",
    # 31/Mar/2011:10:56:26 -0700, Thursday, 31-Mar-11 10:56:26 GMT, 31st March 2011 10:56
    rf"(?<!\d){DAY}(?:st|nd|rd|th)?(?:\s+of)?[-/. ]*{MONTH}[-/, ]*{ANY_YEAR}{BEHIND_DATE}{CLOCKED}",
    # 03/31/2011 10:56:26 AM, 31.03.2011 10:56:26,421, 03-31-11 10:56:26
    rf"(?<![\d.])(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by){ANY_YEAR}{BEHIND_DATE}{CLOCKED}",
    # Mar 31 10:56:26 host, Thu Mar 31 10:56:26 PDT 2011, March 31st, 2011, 10:56 AM
    rf"\b{MONTH}[ ]*{DAY}(?:st|nd|rd|th)?,?\s+(?:{YEAR}[,:]?\s+(?:(?:at|@)\s+)?)?"
    rf"{CLOCK}{HALF}(?:{YEAR_BEHIND}|{ZONES})",
    # 1301590586, with a fraction or as milli-, micro- or nanoseconds
    r"(?:^|[^\d.])(?P<s>1\d{9})(?:(?P<f>\d{3}|\d{6}|\d{9})|\.(?P<F>\d{1,9}))?(?!\d)",
    # 20110331T105626Z, 20110331105626.123000-420 of WMI, 20110331 10:56:26
    r"(?<![\d.])(?P<Y>(?:19|20)\d\d)(?P<m>0\d|1[0-2])(?P<d>[0-2]\d|3[01])[T_ -]?(?P<H>[01]\d|2[0-3])"
    rf"(?P<M>[0-5]\d)(?P<S>[0-6]\d)(?:[.,]?(?P<f>\d{{1,9}}))?(?!\d)(?:(?P<minutes>[+-]\d{{3}})(?!\d)|{ZONES})",
    rf"(?<![\d.])(?P<Y>(?:19|20)\d\d)(?P<m>0\d|1[0-2])(?P<d>[0-2]\d|3[01]){BEHIND_DATE}{CLOCKED}",
    # 110331 10:56:26 of MySQL, 2011-090T10:56:26 with the day of the year
    rf"(?<![\d.])(?P<y>\d\d)(?P<m>0\d|1[0-2])(?P<d>[0-2]\d|3[01])\s+{CLOCKED}",
    rf"{ALONE}(?P<Y>\d{{4}})[-/. ](?P<j>[0-3]\d\d){BEHIND_DATE}{CLOCKED}",
    # The clock before its date: 10:56:26 31/Mar/2011, 10:56:26.421 03/31/2011, 10:56 AM March 31, 2011
    rf"{CLOCK_FIRST}(?:[a-z]{{3,9}},? )?{DAY}[-/. ]*{MONTH}[-/, ]*{ANY_YEAR}",
    rf"{CLOCK_FIRST}(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by){ANY_YEAR}",
    rf"{CLOCK_FIRST}(?P<Y>\d{{4}})(?P<by>[-/.])(?P<m>\d\d?)(?P=by){DAY}(?!\d)",
    rf"{CLOCK_FIRST}(?:[a-z]{{3,9}},? )?{MONTH}\s+{DAY}(?:st|nd|rd|th)?,?\s+{YEAR}",
    # 2011-03-31-10.56.26.123456, 31-MAR-11 10.56.26.123456 AM
    rf"{ALONE}(?P<Y>\d{{4}})(?P<by>[-/.])(?P<m>\d\d?)(?P=by){DAY}{BEHIND_DATE}{DOT_CLOCK}{HALF}{ZONES}",
    rf"(?<!\d){DAY}[-/. ]*{MONTH}[-/, ]*{ANY_YEAR}{BEHIND_DATE}{DOT_CLOCK}{HALF}{ZONES}",
    rf"(?<![\d.])(?P<a>\d\d?)(?P<by>[-/.])(?P<b>\d\d?)(?P=by){ANY_YEAR}{BEHIND_DATE}{DOT_CLOCK}{HALF}{ZONES}",
    *WRITTEN_BARE_LOOKS,
)
"""Splunk has the same kinds: ISO, literal months, American and European dates, mashed dates, ordinals, epochs."""


@cache
def list_looks() -> tuple[re.Pattern[str], ...]:
    """The patterns of all looks, in the order in which they are tried."""
    # Not when the module is imported: compiling them takes 20 ms, and most runs read no such text.
    return tuple(re.compile(written, re.I) for written in WRITTEN_LOOKS)


@cache
def list_bare_looks() -> frozenset[re.Pattern[str]]:
    """Those of days without a clock."""
    return frozenset(list_looks()[-len(WRITTEN_BARE_LOOKS) :])


@cache
def compile_clock_alone() -> re.Pattern[str]:
    """A clock at the very beginning: its day is that of the file."""
    return re.compile(rf"\A[\W_]{{0,3}}{CLOCK}{HALF}{ZONES}", re.I)


CLUE = late_pattern(
    r"\d:[0-5]\d|\d{8}|\d[-/]\d\d?[-/]\d\d|\d\.\d\d?\.(?:19|20)\d\d|\d{4}[-/.]\d\d?[-/.]\d"
    rf"|(?:{'|'.join(MONTH_BEGINNINGS)})[a-z]*\.?[-/,. ]*\d",
    re.I,
)
"""What every look has in it: a text without it need not be tried with each."""

ATTACHED = late_pattern(r"\d[-/.,:T_ ]*\Z")
"""The end of a text that what follows may be the second half of a time of."""

# datetime.xml gives no year to what it cannot place; a date that lies further ahead is another one (MAX_DAYS_HENCE).
DAYS_HENCE = timedelta(days=2)


@record
class WrittenTime:
    """A time in microseconds since 1970, and whether its zone is written."""

    micros: int
    zoned: bool


ZONE_PARTS = ("z", "z1", "z2", "z3")
ZONE_NAMES = ("Z", "Z1", "Z2")


@record
class ReadTime:
    """A time in microseconds since 1970, and what of it the text does not say."""

    micros: int
    assumed: str = ""


def convert_match_to_time(match: re.Match[str], zone: tzinfo, near: datetime) -> ReadTime | None:
    """The time of a match's parts; None for a date that does not exist. `near` is what a time without a year is in."""
    part = {name: value for name, value in match.groupdict().items() if value is not None}
    fraction = int(part.get("f", part.get("F", "0"))[:6].ljust(6, "0"))
    if "s" in part:
        return ReadTime(int(part["s"]) * 1_000_000 + fraction)
    if "h" in part:
        hour = part.pop("h")
        # Some logs write PM behind an hour of 24 too.
        part["I" if "p" in part and 1 <= int(hour) <= 12 else "H"] = hour
    if "Y1" in part:
        part["Y"] = part["Y1"]
    own, unknown = find_zone(part)
    for dated in list_dates(part):
        try:
            made = build_moment(dated, near).replace(tzinfo=own or zone)
            # Without a year, December read in January is last year's.
            yearless = "Y" not in dated and "y" not in dated
            if yearless and made > near + DAYS_HENCE:
                made = made.replace(year=made.year - 1)
            if "y" in dated and "a" in part and made > near + DAYS_HENCE:
                continue
            assumed = unknown or (describe_missing_date(dated) if yearless else "")
            return ReadTime((made - UNIX_EPOCH) // timedelta(microseconds=1) + fraction, assumed)
        except (ValueError, OverflowError):
            continue
    return None


def describe_missing_date(part: Mapping[str, str]) -> str:
    """What the date of a time lacks."""
    return "a year" if part.keys() & {"B", "m", "j"} else "a date"


def list_dates(part: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    """The ways to read a date of numbers, the likeliest first: one with dots is European, all others American."""
    if "a" not in part:
        return (part,)
    rest = {name: value for name, value in part.items() if name not in ("a", "b", "by")}
    american, european = {**rest, "m": part["a"], "d": part["b"]}, {**rest, "d": part["a"], "m": part["b"]}
    # 11/03/31: the year comes first where neither of the others can be.
    yearly = [{**rest, "y": part["a"], "m": part["b"], "d": part["y"]}] if "y" in part else []
    return [european, american, *yearly] if part["by"] == "." else [american, european, *yearly]


def find_zone(part: Mapping[str, str]) -> tuple[tzinfo | None, str]:
    """The zone that a timestamp itself names, and if it is an unknown word, that."""
    if "minutes" in part:
        # WMI writes the offset in minutes.
        minutes = int(part["minutes"][1:])
        return resolve_zone(f"{part['minutes'][0]}{minutes // 60:02}:{minutes % 60:02}"), ""
    written = next((part[n] for n in ZONE_PARTS if n in part), None)
    name = next((part[n] for n in ZONE_NAMES if n in part), None)
    named = written_zone({"z": written} if written else {"Z": name} if name else {})
    found = resolve_zone(named) if named else None
    return found, "" if found or not named else f"a zone that is known (`{name or written}`)"


@lru_cache(maxsize=4096)
def read_written_time(text: str) -> WrittenTime | None:
    """The time of a text that is one of some look and nothing else; UTC unless it names a zone."""
    written = text.strip().strip("[](){}<>\"'")
    # A log is not of the future, which tells of two-digit years which is the year.
    now = datetime.now(UTC)
    for look in list_looks():
        match = look.search(written[:LONGEST_TIME])
        if match and len(match.group().strip()) + LONGEST_WEEKDAY >= len(written):
            found = convert_match_to_time(match, UTC, now)
            # No year, no time: there is nothing to take the year from.
            if found is not None and not found.assumed:
                zoned = any(match.groupdict().get(n) for n in ("s", "minutes", *ZONE_PARTS, *ZONE_NAMES))
                return WrittenTime(found.micros, zoned)
    return None


LONGEST_TIME = 64
# "Wednesday, " before a date, " (Pacific Daylight Time)" behind it.
LONGEST_WEEKDAY = 24
