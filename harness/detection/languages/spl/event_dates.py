"""The fields `date_*` that Splunk stores with each event: parts of the time that is written in it.

Reference: reference/spl.md 2.1; Splunk Knowledge Manager Manual, use default fields
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed

DATE_FIELD_FORMATS = {
    "date_hour": "%H",
    "date_mday": "%d",
    "date_minute": "%M",
    "date_month": "%B",
    "date_second": "%S",
    "date_wday": "%A",
    "date_year": "%Y",
}
DATE_NAME_FIELDS = ("date_month", "date_wday")
ZONE = "date_zone"
WRITTEN_IN = "UTC"
"""The zone of the times that events of Windows and Falcon carry."""


def add_date_fields(scope: Scope) -> None:
    """Adds those of the fields that the query names and no event brings itself."""
    time = scope.columns.get("_time", Kind.NULL)
    wanted = [n for n in (*DATE_FIELD_FORMATS, ZONE) if n not in scope.columns and scope.session.mentions(n)]
    if wanted and time is not Kind.NULL:
        scope.derive([(n, build_date_field(scope, n)) for n in wanted])


def build_date_field(scope: Scope, name: str) -> Typed:
    """One of the fields: a number, or the name of a month or a weekday in lower case."""
    if name == ZONE:
        return literal(0.0)
    shown = ops.format_time(as_number(scope.typed("_time")), literal(DATE_FIELD_FORMATS[name]), literal(WRITTEN_IN))
    return ops.lower(shown) if name in DATE_NAME_FIELDS else as_number(shown)
