"""A table of somebody's lake: where it is, and which of its columns are which fields of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.late_pattern import late_pattern
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.plan.expressions import Schema

UNITS_OF_TIME = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""How many of a unit of time make a second."""
CATALOG_NAME = late_pattern(r"\w+(\.\w+){0,2}", re.ASCII)


@record(kw_only=True)
class LakeTable:
    """Events in a table: a Parquet file or folder, a folder of Delta, or a name in the engine's catalog.

    `time` is the column of their time (a timestamp, a text of one, or numbers of `unit` since 1970), `event` one of
    whole numbers that rise as events were recorded. `fields` gives fields the columns that they are, `constants` those
    the same value in all events. Every other column is a field of its own name, a member of a structure `outer.inner`.
    """

    table: str
    time: str = ""
    unit: str = "s"
    event: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_catalog(self) -> bool:
        """Whether the table is a name in a catalog and no path."""
        return CATALOG_NAME.fullmatch(self.table) is not None


@record(kw_only=True)
class AttachedLake:
    """What an engine found in a table: columns, how many events there are, the time of the last in epoch seconds."""

    columns: Schema
    events: int
    last: float | None


@runtime_checkable
class ReadsLake(Protocol):
    """An engine that reads a table of a lake where it lies."""

    def attach_lake(self, lake: LakeTable, time_field: str, per_second: float) -> AttachedLake:
        """Replaces the store's events by those of a table; their time is `time_field`, `per_second` units a second."""
