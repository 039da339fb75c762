"""The fields `date_*` that Splunk stores with each event: parts of the time that is written in it.

Reference: reference/spl.md 2.1; Splunk Knowledge Manager Manual, use default fields
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import Typed, apply, literal, number
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.columns import Kind

FORMATS = {
    "date_hour": "%H",
    "date_mday": "%d",
    "date_minute": "%M",
    "date_month": "%B",
    "date_second": "%S",
    "date_wday": "%A",
    "date_year": "%Y",
}
NAMES = ("date_month", "date_wday")
ZONE = "date_zone"
WRITTEN_IN = "UTC"
"""The zone of the times that events of Windows and Falcon carry."""


def dated(scope: Scope) -> None:
    """Adds those of the fields that the query names and no event brings itself."""
    time = scope.columns.get("_time", Kind.NULL)
    wanted = [n for n in (*FORMATS, ZONE) if n not in scope.columns and scope.session.mentions(n)]
    if wanted and time is not Kind.NULL:
        scope.derive([(n, part(scope, n)) for n in wanted])


def part(scope: Scope, name: str) -> Typed:
    """One of the fields: a number, or the name of a month or a weekday in lower case."""
    if name == ZONE:
        return literal(0.0)
    shown = apply("format_time", number(scope.typed("_time")), literal(FORMATS[name]), literal(WRITTEN_IN))
    return apply("lower", shown) if name in NAMES else number(shown)
