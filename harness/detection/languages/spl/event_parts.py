"""The two blocks of an event of Windows that the add-on keeps as fields, as they stand in its text.

Reference: reference/spl.md 11.1
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind

BLOCKS = {
    "EventData_Xml": r"<EventData>(.*)</EventData>",
    "System_Props_Xml": r"<System>(.*)</System>",
}


def with_blocks(scope: Scope) -> None:
    """Adds those of the fields that the query names and no event brings itself."""
    raw = scope.columns.get("_raw", Kind.NULL)
    wanted = [n for n in BLOCKS if n not in scope.columns and scope.session.mentions(n)]
    if not wanted or raw is Kind.NULL:
        return
    event = as_text(scope.typed("_raw"))
    scope.derive([(n, ops.regex_extract(event, literal(BLOCKS[n]), literal("s"), literal(1.0))) for n in wanted])
