"""Times as exports print them for people: Kibana, Sentinel, PowerShell, spreadsheets of several countries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.late_pattern import late_pattern
from harness.telemetry.events.event import parse_microseconds, parse_plain_microseconds
from harness.telemetry.events.time_looks import WrittenTime, read_written_time

# As JavaScriptSerializer writes it, which ConvertTo-Json of Windows PowerShell does; the zone is for showing only.
JSON_DATE = late_pattern(r"\\?/Date\((-?\d{1,17})(?:[+-]\d{4})?\)\\?/")

# Zones differ by quarters of an hour at least, so rounding to one takes out the delay of collecting.
QUARTER = 15 * 60 * 1_000_000


TIME_FIELD_NAMES = (
    "@time",
    "SystemTime",
    "_time",
    "@timestamp",
    "timestamp",
    "ContextTimeStamp",
    "TimeCreated",
    "TimeGenerated",
    "EventTime",
    "UtcTime",
    "time",
    "ts",
    "date",
    "datetime",
    "Timestamp",
    "eventTime",
    "event_time",
    "created",
    "Time",
    "Date",
)
"""Fields that may hold an event's time, the best first."""


def parse_export_time(text: str) -> WrittenTime | None:
    """The time that a text spells; None for what is none. A text without a zone counts as UTC."""
    date = JSON_DATE.fullmatch(text)
    return WrittenTime(int(date[1]) * 1000, zoned=True) if date else read_written_time(text)


def find_export_time(fields: Mapping[str, str], names: Sequence[str]) -> tuple[int | None, bool]:
    """The first time that one of these fields holds, and whether its zone had to be assumed.

    A local time without its zone is put right by Sysmon's own UtcTime where the event has it.
    """
    for name in names:
        text = fields.get(name)
        if not text:
            continue
        time = parse_plain_microseconds(text)
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
