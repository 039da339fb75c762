"""The stretch of time that a query or a sub-query searches: both of its ends count."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from harness.detection.languages.cql.binding import DURATION_UNITS, TIMESTAMP, parse_milliseconds
from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.meaning import Session
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Literal
from harness.detection.plan.values.calendar import add_calendar_units, floor_to_calendar_unit
from harness.diagnostics import Severity, SourceError, Span

Interval = tuple[float | None, float | None]
"""Start and end in milliseconds; None is without limit."""

RELATIVE = re.compile(
    r"(?P<calendar>calendar:)?(?P<ago>now|-?\d+ ?[a-z]+)?(?:@(?P<anchor>[a-z]+)(?P<more>[+-]\d+ ?[a-z]+)?)?", re.I
)
CALENDAR_UNITS = ("second", "minute", "hour", "day", "isoweek", "month", "quarter", "year")
SIZES = [u for u in DURATION_UNITS if u > 1]


def resolve_calendar_unit(text: str, span: Span) -> str:
    """The unit of the calendar that a word such as `d` or `months` means."""
    size = parse_milliseconds(f"1{text}", span)
    return CALENDAR_UNITS[SIZES.index(int(size))] if size in SIZES else "second"


def parse_moment(meaning: Session, text: str, zone: str, span: Span) -> float:
    """A point in time in milliseconds: `now`, `7d` ago, `1d@d`, `calendar:1month`, an epoch, or a date."""
    plain = text.strip()
    epoch = parse_number_text(plain)
    if epoch is not None:
        return epoch
    found = RELATIVE.fullmatch(plain)
    if not found or not (found["ago"] or found["anchor"]):
        return parse_date_text(plain, span)
    seconds = meaning.settings.now
    ago = (found["ago"] or "now").lower().lstrip("-")
    if ago != "now":
        count, unit = re.fullmatch(r"(\d+) ?([a-z]+)", ago).groups()  # type: ignore[union-attr]
        if found["calendar"]:
            seconds = (
                add_calendar_units(seconds, -float(count), resolve_calendar_unit(unit, span).removeprefix("iso"), zone)
                or seconds
            )
        else:
            seconds -= parse_milliseconds(f"{count}{unit}", span) / 1000
    if found["anchor"]:
        seconds = floor_to_calendar_unit(seconds, resolve_calendar_unit(found["anchor"], span), zone) or 0.0
    if found["more"]:
        sign = -1 if found["more"].startswith("-") else 1
        seconds += sign * parse_milliseconds(found["more"][1:], span) / 1000
    return seconds * 1000


def parse_date_text(text: str, span: Span) -> float:
    """A date with its time as milliseconds; without a zone it is that of UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        help = "one such as `7d`, `1d@d` or `2024-05-01T12:00:00Z`"
        raise SourceError("not-a-moment", f"`{text[:40]}` is no point in time", span, help=help) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000


def resolve_interval(flow: Scope, start: str, end: str, zone: str = "UTC") -> Interval | None:
    """The interval of a sub-query, each end being the query's own where it is not given."""
    meaning, span = flow.meaning, flow.span or flow.meaning.source.whole()
    before = meaning.interval
    if start in ("", "*") and end in ("", "*"):
        return before
    if not meaning.settings.now:
        message = "all events at hand are searched, whatever their time, as the time of the search is not known"
        meaning.tell("interval-not-cut", "", message, span, severity=Severity.NOTE)
        return before
    low, high = before or (None, None)
    low = low if start in ("", "*") else parse_moment(meaning, start, zone, span)
    high = high if end in ("", "*") else parse_moment(meaning, end, zone, span)
    if low is not None and high is not None and low > high:
        raise SourceError("argument", "the interval ends before it starts", span)
    return low, high


def restrict_to_interval(flow: Scope, within: Interval | None) -> None:
    """Only events of the interval."""
    if within is None:
        return
    low, high = within
    time = RowScope(flow).number(TIMESTAMP)
    if low is not None:
        flow.require(ops.greater_equal(time, Literal(low)), flow.span)
    if high is not None:
        flow.require(ops.less_equal(time, Literal(high)), flow.span)


def restart_search(flow: Scope, start: str = "", end: str = "") -> Scope:
    """All events of an interval again, for a sub-query."""
    made = flow.fresh()
    restrict_to_interval(made, resolve_interval(flow, start, end))
    return made
