"""Times as exports print them for people: Kibana, Sentinel, PowerShell, spreadsheets of several countries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from harness.telemetry.events.event import MICROSECOND, MOMENT_ORIGIN, parse_microseconds
from harness.telemetry.events.time_text import MONTH_BEGINNINGS, fixed_offset, hour_of, resolve_zone, year_of

CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,](?P<f>\d{1,9}))?)?(?:\s*(?P<p>[AaPp])\.?[Mm]\.?)?"
ZONE = r"(?:\s*(?P<z>[+-]\d\d:?\d\d|Z|UTC|GMT)(?:\s+\w+)?)?"
LOOKS = tuple(
    re.compile(rf"\s*{look}\s*")
    for look in (
        rf"(?P<Y>\d{{4}})[-/.](?P<m>\d\d?)[-/.](?P<d>\d\d?),?[T ]+{CLOCK}{ZONE}",
        rf"(?P<B>[A-Z][a-z]{{2}})[a-z]* (?P<d>\d\d?), (?P<Y>\d{{4}})(?: @|,)? {CLOCK}{ZONE}",
        rf"(?:[A-Z][a-z]{{2,8}},? +)?(?P<d>\d\d?)[- ](?P<B>[A-Z][a-z]{{2}})[a-z]*[- ](?P<Y>\d{{4}}),? +{CLOCK}{ZONE}",
        rf"[A-Z][a-z]{{2}} +(?P<B>[A-Z][a-z]{{2}}) +(?P<d>\d\d?) {CLOCK}(?: (?P<Z>[A-Z]{{3,4}}))? (?P<Y>\d{{4}}){ZONE}",
        rf"(?P<d>\d\d?)\.(?P<m>\d\d?)\.(?P<Y>\d{{4}}),? +{CLOCK}{ZONE}",
        rf"(?P<a>\d\d?)/(?P<b>\d\d?)/(?P<Y>\d{{4}}),? +{CLOCK}{ZONE}",
        # CIM's datetime, as WMI prints it: minutes east of UTC at its end.
        r"(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)\.(?P<f>\d{6})(?P<minutes>[+-]\d{3})",
    )
)
# As JavaScriptSerializer writes it, which ConvertTo-Json of Windows PowerShell does; the zone is for showing only.
JSON_DATE = re.compile(r"\\?/Date\((-?\d{1,17})(?:[+-]\d{4})?\)\\?/")

# Zones differ by quarters of an hour at least, so rounding to one takes out the delay of collecting.
QUARTER = 15 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class ExportTime:
    """A time in microseconds since 1970, and whether its zone is written."""

    micros: int
    zoned: bool


@lru_cache(maxsize=4096)
def parse_export_time(text: str) -> ExportTime | None:
    """The time that a text spells; None for what is none. A text without a zone counts as UTC."""
    date = JSON_DATE.fullmatch(text)
    if date:
        return ExportTime(int(date[1]) * 1000, zoned=True)
    for look in LOOKS:
        found = look.fullmatch(text)
        if found:
            return build_export_time({n: v for n, v in found.groupdict().items() if v is not None})
    return None


def build_export_time(parts: dict[str, str]) -> ExportTime | None:
    """The time of the parts; None for a date that does not exist."""
    if "a" in parts:
        # American, unless the first number is no month.
        day_first = int(parts["a"]) > 12
        parts |= {"m": parts["b" if day_first else "a"], "d": parts["a" if day_first else "b"]}
    if "p" in parts:
        parts["I"] = parts.pop("H")
    try:
        month = MONTH_BEGINNINGS.index(parts["B"].lower()) + 1 if "B" in parts else int(parts["m"])
        clock = (hour_of(parts), int(parts["M"]), int(parts.get("S", 0)))
        local = datetime(year_of(parts, MOMENT_ORIGIN), month, int(parts["d"]), *clock, tzinfo=UTC)
    except ValueError:
        return None
    east = zone_offset(parts)
    micros = (local - MOMENT_ORIGIN) // MICROSECOND + int(parts.get("f", "0")[:6].ljust(6, "0"))
    return ExportTime(micros - (east or 0) * 1_000_000, zoned=east is not None)


def zone_offset(parts: Mapping[str, str]) -> int | None:
    """Seconds east of UTC that the text names; None where it names no zone."""
    if "minutes" in parts:
        return int(parts["minutes"]) * 60
    if "z" in parts:
        return fixed_offset(parts["z"])
    zone = resolve_zone(parts["Z"]) if parts.get("Z") in ("UTC", "GMT") else None
    return None if zone is None else int((zone.utcoffset(None) or timedelta()).total_seconds())


def find_export_time(fields: Mapping[str, str], names: Sequence[str]) -> tuple[int | None, bool]:
    """The first time that one of these fields holds, and whether its zone had to be assumed.

    A local time without its zone is put right by Sysmon's own UtcTime where the event has it.
    """
    for name in names:
        text = fields.get(name)
        if not text:
            continue
        time = parse_microseconds(text)
        if time is not None:
            return time, False
        found = parse_export_time(text)
        if found is not None:
            utc = None if found.zoned else parse_microseconds(find_utc_time(fields))
            if utc is None:
                return found.micros, not found.zoned
            return found.micros + round((utc - found.micros) / QUARTER) * QUARTER, False
    return None, False


def find_utc_time(fields: Mapping[str, str]) -> str | None:
    """The text of Sysmon's UtcTime, whatever stands before its name."""
    return next((v for n, v in fields.items() if n.endswith(("UtcTime", "utcTime"))), None)
