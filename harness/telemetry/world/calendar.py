"""Working days of people at a site, in UTC: with the site's own time zone, its change of clocks, lunch and absence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from harness.diagnostics import HarnessError
from harness.scenario.world import WEEKDAYS, Hours, Site, minutes
from harness.telemetry.identity import hash_to_number
from harness.telemetry.world.clock import Stretch

MINUTE = np.timedelta64(60_000_000, "us")
ONE_DAY = np.timedelta64(86_400_000_000, "us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A person's working day in UTC: when they come and go, and when they are away for lunch, if they are."""

    arrival: np.datetime64
    leave: np.datetime64
    lunch: Stretch | None


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises HarnessError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HarnessError(
            "unknown-time-zone", f"no time zone is called `{name}`", help="write one as in Europe/Berlin"
        ) from error


def midnights(site: Site, begin: np.datetime64, days: int) -> list[tuple[date, np.datetime64]]:
    """Each local date from the day before `begin` on, and the UTC time at which its clocks would have shown 00:00.

    The offset is that of noon: clocks are changed at night, and nobody in these worlds works then.
    """
    place = zone(site.time_zone)
    first = date.fromisoformat(str(begin.astype("datetime64[D]"))) - timedelta(days=1)
    found: list[tuple[date, np.datetime64]] = []
    # A day before and two after: local dates at either edge lie partly within the world.
    for day in (first + timedelta(days=i) for i in range(days + 3)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=place).astimezone(UTC).replace(tzinfo=None)
        found.append((day, np.datetime64(noon - timedelta(hours=12), "us")))
    return found


def workdays(hours: Hours, nights: list[tuple[date, np.datetime64]], who: str, seed: int) -> list[Day]:
    """The days on which somebody works: their own habits, and a little chance each day."""
    random = np.random.default_rng([seed, hash_to_number("habits", who, size=4)])
    usual = random.normal(0, hours.spread_minutes, 2)
    begin, end = minutes(hours.begin) or 0, minutes(hours.end) or 1439
    found = []
    for day, midnight in nights:
        # Drawn before the day is left out, so that absence on one day does not move all later ones.
        chance = random.normal(0, 1, 4)
        absent = random.random() < hours.absent
        if absent or WEEKDAYS[day.weekday()] not in hours.days:
            continue
        # Habits differ by spread_minutes, days by 9 minutes at the arrival and 22 at the end; chosen. Nobody
        # works past midnight: a Day has one date.
        arrival = np.clip(begin + usual[0] + 9 * chance[0], 1, 1200)
        leave = np.clip(end + usual[1] + 22 * chance[1], arrival + 60, 1439)
        lunch = None
        # No lunch on a day of four hours or less.
        if hours.lunch_minutes and leave - arrival > 240:
            out = (arrival + leave) / 2 - 15 + 12 * chance[2]
            back = out + max(15.0, hours.lunch_minutes + 8 * chance[3])
            lunch = add_minutes(midnight, out), add_minutes(midnight, back)
        found.append(Day(arrival=add_minutes(midnight, arrival), leave=add_minutes(midnight, leave), lunch=lunch))
    return found


def add_minutes(midnight: np.datetime64, count: float) -> np.datetime64:
    """So many minutes after a moment."""
    moment: np.datetime64 = midnight + np.timedelta64(int(count * 60e6), "us")
    return moment


def outages(site: Site, begin: np.datetime64, days: int, seed: int) -> list[Stretch]:
    """When the site's way out is down: as often as the site says in the mean, each time about as long as it says."""
    random = np.random.default_rng([seed, hash_to_number("outages", site.name, size=4)])
    # Failures have no memory, and their lengths are exponential: the two numbers of a site are all that is known.
    count = int(random.poisson(site.outages_a_day * days))
    starts = np.sort(random.uniform(0, days * 1440, count))
    lengths = np.maximum(0.5, random.exponential(site.outage_minutes, count))
    return [(add_minutes(begin, s), add_minutes(begin, s + n)) for s, n in zip(starts, lengths, strict=True)]
