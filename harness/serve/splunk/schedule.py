"""Cron schedules of saved searches: five fields, and when they come next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from harness.serve.splunk.faults import SplunkError

BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
# Four years have every day that there is; a schedule that never comes ends there.
MOST_DAYS = 4 * 366

Fields = Sequence[frozenset[int]]


def parse_cron(text: str) -> Fields:
    """The minutes, hours, days, months and weekdays of a schedule. Raises SplunkError."""
    parts = text.split()
    if len(parts) != len(BOUNDS):
        raise SplunkError(400, f'Invalid cron_schedule="{text[:60]}"')
    try:
        found = [parse_field(part, first, last) for part, (first, last) in zip(parts, BOUNDS, strict=True)]
    except ValueError:
        raise SplunkError(400, f'Invalid cron_schedule="{text[:60]}"') from None
    # 7 is Sunday too.
    found[4] = frozenset(day % 7 for day in found[4])
    return found


def parse_field(text: str, first: int, last: int) -> frozenset[int]:
    """The numbers of one field: `*`, `*/5`, `1-5`, `1,2`. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        begin, dash, end = span.partition("-")
        low = first if span == "*" else int(begin)
        high = last if span == "*" or (step and not dash) else int(end or begin)
        if not first <= low <= high <= last or (step and int(step) < 1):
            raise ValueError(part)
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def next_runs(text: str, after: float, most: int) -> list[float]:
    """The next moments of a schedule in epoch seconds, at most so many. Raises SplunkError."""
    minutes, hours, days, months, weekdays = parse_cron(text)
    start = datetime.fromtimestamp(after, UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    found: list[float] = []
    for number in range(MOST_DAYS):
        day = start.date() + timedelta(days=number)
        if not is_day(day.month, day.day, day.isoweekday() % 7, (days, months, weekdays)):
            continue
        for hour in sorted(hours):
            for minute in sorted(minutes):
                moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if moment >= start:
                    found.append(moment.timestamp())
                    if len(found) >= most:
                        return found
    return found


def is_day(month: int, day: int, weekday: int, fields: Fields) -> bool:
    """Whether a schedule comes on a day: where both days and weekdays are said, either is enough."""
    days, months, weekdays = fields
    if month not in months:
        return False
    either = len(days) < 31 and len(weekdays) < 7
    return (day in days or weekday in weekdays) if either else (day in days and weekday in weekdays)
