"""Parts of a time: hour, day, month."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from harness.detection.languages.cql.binding import TIMESTAMP, Name, Zone
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.functions.time import cast_to_epoch
from harness.detection.languages.cql.intervals import resolve_interval, restrict_to_interval
from harness.detection.languages.cql.registry import (
    FUNCTIONS,
    FieldEffect,
    FunctionFacts,
    Preamble,
    RowOrder,
    WrittenText,
)
from harness.detection.languages.cql.zones import normalise_zone
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal

MOMENT = "t := 1700000000123"
CALENDAR_PARTS = {
    "year": ("year", "2023"),
    "month": ("month", "11"),
    "dayOfMonth": ("day", "14"),
    "dayOfWeek": ("dayofweek", "2"),
    "dayOfYear": ("dayofyear", "318"),
    "weekOfYear": ("isoweek", "46"),
    "hour": ("hour", "22"),
    "minute": ("minute", "13"),
}
CALENDAR_NAMES = {"dayOfWeekName": ("%A", "Tuesday"), "monthName": ("%B", "November")}


def register_calendar_part(
    name: str, example: str, part: Callable[[Expression, Expression], Expression], **facts: Unpack[FunctionFacts]
) -> None:
    """Puts the function for one part of a time into the table."""

    def run(
        row: RowScope, field: Name = TIMESTAMP, *, timezone: Zone | None = None, timezoneField: Name = "@timezone"
    ) -> Expression:
        zone: Expression = Literal(timezone or normalise_zone(row.meaning.settings.zone))
        if timezone is None and row.has(timezoneField):
            zone = resolve_zone_field(row.text(timezoneField), zone)
        return part(cast_to_epoch(row.number(field), "auto"), zone)

    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    shown = f"{MOMENT} | time:{name}(t) -> _{name}={example}"
    run.__doc__ = f"The {words} of a time.\n\n    {shown}\n\nReference: library.humio.com, time:{name}()\n"
    FUNCTIONS.value(f"time:{name}", into=f"_{name}", **facts)(run)


def resolve_zone_field(text: Expression, otherwise: Expression) -> Expression:
    """The zone that a field holds, another one where it holds none."""
    plain = ops.equal(ops.upper(text), Literal("Z"))
    held = ops.if_(ops.equal(text, Literal("")), otherwise, text)
    return ops.coalesce(ops.if_(plain, Literal("UTC"), held), otherwise)


def build_calendar_number(unit: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a number."""
    return lambda seconds, zone: ops.time_part(seconds, Literal(unit), zone)


def build_calendar_name(code: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a word."""
    return lambda seconds, zone: ops.format_time(seconds, Literal(code), zone)


for name, (unit, example) in CALENDAR_PARTS.items():
    register_calendar_part(name, example, build_calendar_number(unit))
for name, (code, example) in CALENDAR_NAMES.items():
    register_calendar_part(name, example, build_calendar_name(code), written=WrittenText.WORDS)
register_calendar_part("second", "20", lambda seconds, zone: ops.floor(ops.time_part(seconds, Literal("second"), zone)))
register_calendar_part(
    "millisecond",
    "123",
    lambda seconds, zone: ops.modulo(ops.floor(ops.multiply(seconds, Literal(1000))), Literal(1000)),
)


@FUNCTIONS.step(
    "setTimeInterval", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS, preamble=Preamble.TIME
)
def set_time_interval(flow: Scope, start: str, *, end: str = "now", timezone: Zone = "UTC") -> None:
    """Which events are searched, sub-queries included, reckoned from the time of the search.

    Reference: library.humio.com, setTimeInterval()
    """
    flow.meaning.interval = resolve_interval(flow, start, end, timezone)
    restrict_to_interval(flow, flow.meaning.interval)
