"""Parts of a time: hour, day, month."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.cql.binding import TIMESTAMP, Name, Zone
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.functions.time import epoch
from harness.detection.languages.cql.intervals import cut, interval
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.zones import zone_name
from harness.detection.plan.expressions import Expression, Literal, call

MOMENT = "t := 1700000000123"
PARTS = {
    "year": ("year", "2023"),
    "month": ("month", "11"),
    "dayOfMonth": ("day", "14"),
    "dayOfWeek": ("dayofweek", "2"),
    "dayOfYear": ("dayofyear", "318"),
    "weekOfYear": ("isoweek", "46"),
    "hour": ("hour", "22"),
    "minute": ("minute", "13"),
}
NAMES = {"dayOfWeekName": ("%A", "Tuesday"), "monthName": ("%B", "November")}


def define(name: str, example: str, part: Callable[[Expression, Expression], Expression]) -> None:
    """Puts the function for one part of a time into the table."""

    def run(
        row: Row, field: Name = TIMESTAMP, *, timezone: Zone | None = None, timezoneField: Name = "@timezone"
    ) -> Expression:
        zone: Expression = Literal(timezone or zone_name(row.meaning.settings.zone))
        if timezone is None and row.has(timezoneField):
            zone = written(row.text(timezoneField), zone)
        return part(epoch(row.number(field), "auto"), zone)

    words = "".join(f" {c.lower()}" if c.isupper() else c for c in name)
    shown = f"{MOMENT} | time:{name}(t) -> _{name}={example}"
    run.__doc__ = f"The {words} of a time.\n\n    {shown}\n\nReference: library.humio.com, time:{name}()\n"
    FUNCTIONS.value(f"time:{name}", into=f"_{name}")(run)


def written(text: Expression, otherwise: Expression) -> Expression:
    """The zone that a field holds, another one where it holds none."""
    plain = call("equal", call("upper", text), Literal("Z"))
    held = call("if", call("equal", text, Literal("")), otherwise, text)
    return call("coalesce", call("if", plain, Literal("UTC"), held), otherwise)


def part_of(unit: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a number."""
    return lambda seconds, zone: call("time_part", seconds, Literal(unit), zone)


def name_of(code: str) -> Callable[[Expression, Expression], Expression]:
    """A part that is a word."""
    return lambda seconds, zone: call("format_time", seconds, Literal(code), zone)


for name, (unit, example) in PARTS.items():
    define(name, example, part_of(unit))
for name, (code, example) in NAMES.items():
    define(name, example, name_of(code))
define("second", "20", lambda seconds, zone: call("floor", call("time_part", seconds, Literal("second"), zone)))
define(
    "millisecond",
    "123",
    lambda seconds, zone: call("modulo", call("floor", call("multiply", seconds, Literal(1000))), Literal(1000)),
)


@FUNCTIONS.step("setTimeInterval")
def set_time_interval(flow: Flow, start: str, *, end: str = "now", timezone: Zone = "UTC") -> None:
    """Which events are searched, sub-queries included, reckoned from the time of the search.

    Reference: library.humio.com, setTimeInterval()
    """
    flow.meaning.interval = interval(flow, start, end, timezone)
    cut(flow, flow.meaning.interval)
