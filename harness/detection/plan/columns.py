"""Kinds of values, and which columns a relation has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What a column or an expression holds; known before anything runs.

    TEXT is what a recorded field is. NUMBER is an IEEE double (times too: epoch seconds in SPL, milliseconds in CQL).
    LIST is an ordered list of text, never empty: absence is NULL. NULL is the kind of a bare null literal. EVENT is the
    number of one recorded event, EVENTS a list of such numbers: both only in the hidden column of provenance.
    """

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    NULL = "null"
    EVENT = "event"
    EVENTS = "events"


Schema = Mapping[str, Kind]
"""The columns of a relation in order; names are case-sensitive."""

ROW = "@row"
"""Hidden column with a row's place in the current order; see `plan.order`."""

EVENT_COLUMN = "@event"
"""Hidden column of provenance: which recorded events contributed to a row; see `plan.provenance`."""


def is_hidden(name: str) -> bool:
    """Whether a column is the engine's own and no field of the rule."""
    # By whole names and not by the `@`, since LogScale's own fields begin with one too.
    return name in (ROW, EVENT_COLUMN)


def merge_kinds(a: Kind, b: Kind) -> Kind:
    """The kind that holds values of both: equal kinds stay, NULL yields, LIST wins, all else becomes text."""
    if a == b or b is Kind.NULL:
        return a
    if a is Kind.NULL:
        return b
    # Only EVENT can meet it: one event is a list of one.
    if Kind.EVENTS in (a, b):
        return Kind.EVENTS
    return Kind.LIST if Kind.LIST in (a, b) else Kind.TEXT
