"""The stretch of time that a query searches, units of time, zones."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope, Session
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Literal
from harness.detection.plan.values.calendar import add_calendar_units, floor_to_calendar_unit
from harness.diagnostics import Severity, SourceError, Span
from harness.late_pattern import late_pattern
from harness.telemetry.events.time_text import resolve_zone

ABBREVIATIONS = {
    "z": "UTC",
    "utc": "UTC",
    "gmt": "UTC",
    "pst": "-08:00",
    "pdt": "-07:00",
    "mst": "-07:00",
    "mdt": "-06:00",
    "cst": "-06:00",
    "cdt": "-05:00",
    "est": "-05:00",
    "edt": "-04:00",
    "bst": "+01:00",
    "cet": "+01:00",
    "cest": "+02:00",
    "ist": "+05:30",
    "jst": "+09:00",
    "aest": "+10:00",
}
OFFSET = late_pattern(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", re.I)


def normalise_zone(text: str) -> str:
    """An IANA name or an offset `+hh:mm`; what is neither stays as it is."""
    plain = text.strip()
    found = OFFSET.fullmatch(plain)
    if found:
        return f"{found[1]}{int(found[2]):02}:{found[3] or '00'}"
    return ABBREVIATIONS.get(plain.lower(), plain or "UTC")


def known_zone(name: str) -> bool:
    """Whether a name that `zone_name` gave is a zone."""
    return resolve_zone(name) is not None


TIMESTAMP = "@timestamp"

DURATION_UNITS = {
    1: r"milliseconds?|millis|ms",
    1000: r"seconds?|secs?|s",
    60_000: r"minutes?|min|m",
    3_600_000: r"hours?|hrs?|h",
    86_400_000: r"days?|d",
    604_800_000: r"weeks?|w",
    2_592_000_000: r"months?|mon",
    7_776_000_000: r"quarters?|qtrs?|q",
    31_536_000_000: r"years?|yrs?|y",
}
RELATIVE_TIME_TEXT = late_pattern(r"(\d+(?:\.\d+)?) ?(?:" + "|".join(f"({u})" for u in DURATION_UNITS.values()) + ")")


def parse_milliseconds(text: str, span: Span) -> float:
    """A length of time such as `15m` or `2 hours`; a bare number counts milliseconds."""
    found = RELATIVE_TIME_TEXT.fullmatch(text.strip())
    if found:
        unit = next(u for u, matched in zip(DURATION_UNITS, found.groups()[1:], strict=True) if matched)
        return float(found[1]) * unit
    bare = parse_number_text(text)
    if bare is None:
        raise SourceError("not-a-duration", f"`{text[:40]}` is no length of time", span, help="one such as `15m`")
    return bare


Interval = tuple[float | None, float | None]
"""Start and end in milliseconds; None is without limit."""

RELATIVE = late_pattern(
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
