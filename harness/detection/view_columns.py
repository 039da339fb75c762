"""The columns that a plan sees over a platform's views, and their kinds."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema, is_hidden
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import View


def list_view_columns(views: Iterable[View]) -> dict[str, Kind]:
    """Every column of the views, the number of the event among them, and the kind that it has over all of them."""
    columns: dict[str, Kind] = {EVENT_COLUMN: Kind.EVENT}
    for view in views:
        for name in view.constants:
            columns[name] = widest(columns.get(name), Kind.TEXT)
        for field in view.columns.schema:
            if field.name not in (EVENT_COLUMN, CAUSE):
                columns[field.name] = widest(columns.get(field.name), kind_of_type(field.type))
    return columns


def without_hidden(columns: Schema) -> Schema:
    """The columns that a rule may name."""
    return {n: k for n, k in columns.items() if not is_hidden(n)}


def widest(known: Kind | None, kind: Kind) -> Kind:
    """The kind that a column has over all views."""
    # A list can hold a text as its only member, and a number can be written as text, but not the other way round.
    return kind if known in (None, kind) else Kind.LIST if Kind.LIST in (known, kind) else Kind.TEXT


def kind_of_type(held: pa.DataType) -> Kind:
    """The plan's kind of an Arrow type."""
    if pa.types.is_list(held) or pa.types.is_large_list(held):
        return Kind.LIST
    if pa.types.is_boolean(held):
        return Kind.BOOLEAN
    if pa.types.is_integer(held) or pa.types.is_floating(held):
        return Kind.NUMBER
    return Kind.TEXT
