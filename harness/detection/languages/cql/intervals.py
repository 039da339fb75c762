"""The stretch of time that a query or a sub-query searches: both of its ends count."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from harness.detection.languages.cql.binding import TIMESTAMP, UNITS, milliseconds
from harness.detection.languages.cql.coercion import number
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.meaning import Meaning
from harness.detection.plan.expressions import Literal, call
from harness.detection.plan.timeformat import calendar_add, calendar_floor
from harness.diagnostics import Severity, SourceError, Span

Interval = tuple[float | None, float | None]
"""Start and end in milliseconds; None is without limit."""

RELATIVE = re.compile(
    r"(?P<calendar>calendar:)?(?P<ago>now|-?\d+ ?[a-z]+)?(?:@(?P<anchor>[a-z]+)(?P<more>[+-]\d+ ?[a-z]+)?)?", re.I
)
NAMES = ("second", "minute", "hour", "day", "isoweek", "month", "quarter", "year")
SIZES = [u for u in UNITS if u > 1]


def unit_of(text: str, span: Span) -> str:
    """The unit of the calendar that a word such as `d` or `months` means."""
    size = milliseconds(f"1{text}", span)
    return NAMES[SIZES.index(int(size))] if size in SIZES else "second"


def moment(meaning: Meaning, text: str, zone: str, span: Span) -> float:
    """A point in time in milliseconds: `now`, `7d` ago, `1d@d`, `calendar:1month`, an epoch, or a date."""
    plain = text.strip()
    epoch = number(plain)
    if epoch is not None:
        return epoch
    found = RELATIVE.fullmatch(plain)
    if not found or not (found["ago"] or found["anchor"]):
        return written(plain, span)
    seconds = meaning.settings.now
    ago = (found["ago"] or "now").lower().lstrip("-")
    if ago != "now":
        count, unit = re.fullmatch(r"(\d+) ?([a-z]+)", ago).groups()  # type: ignore[union-attr]
        if found["calendar"]:
            seconds = calendar_add(seconds, -float(count), unit_of(unit, span).removeprefix("iso"), zone) or seconds
        else:
            seconds -= milliseconds(f"{count}{unit}", span) / 1000
    if found["anchor"]:
        seconds = calendar_floor(seconds, unit_of(found["anchor"], span), zone) or 0.0
    if found["more"]:
        sign = -1 if found["more"].startswith("-") else 1
        seconds += sign * milliseconds(found["more"][1:], span) / 1000
    return seconds * 1000


def written(text: str, span: Span) -> float:
    """A date with its time as milliseconds; without a zone it is that of UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        help = "one such as `7d`, `1d@d` or `2024-05-01T12:00:00Z`"
        raise SourceError("not-a-moment", f"`{text[:40]}` is no point in time", span, help=help) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000


def interval(flow: Flow, start: str, end: str, zone: str = "UTC") -> Interval | None:
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
    low = low if start in ("", "*") else moment(meaning, start, zone, span)
    high = high if end in ("", "*") else moment(meaning, end, zone, span)
    if low is not None and high is not None and low > high:
        raise SourceError("argument", "the interval ends before it starts", span)
    return low, high


def cut(flow: Flow, within: Interval | None) -> None:
    """Only events of the interval."""
    if within is None:
        return
    low, high = within
    time = Row(flow).number(TIMESTAMP)
    if low is not None:
        flow.require(call("greater_equal", time, Literal(low)), flow.span)
    if high is not None:
        flow.require(call("less_equal", time, Literal(high)), flow.span)


def searched(flow: Flow, start: str = "", end: str = "") -> Flow:
    """All events of an interval again, for a sub-query."""
    made = flow.fresh()
    cut(made, interval(flow, start, end))
    return made
