"""Lists in recorded events: `name[0]`, `name[1]`, … each a text field, gathered where a platform has lists."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa

from harness.telemetry.columnar import Field

LIST_MEMBER = re.compile(r"\[\d+\]")


def gather_list_fields(fields: Mapping[str, Field | None], rows: int, brackets: str = "") -> dict[str, Field | None]:
    """The fields with the members of each list as one list column; `brackets` stands in its name where `[0]` stood."""
    found: dict[str, Field | None] = {}
    lists: dict[str, list[Field]] = {}
    for name, field in fields.items():
        if not LIST_MEMBER.search(name):
            found[name] = field
        elif field is not None:
            lists.setdefault(LIST_MEMBER.sub(brackets, name), []).append(field)
    for name, members in lists.items():
        found.setdefault(name, as_list(members, rows))
    return found


def as_list(members: list[Field], rows: int) -> pa.ChunkedArray:
    """Fields side by side as one list column; an event without any member has no list."""
    columns = [[m] * rows if isinstance(m, str) else m.to_pylist() for m in members]
    # Row by row in Python: lists are rare, and only kinds of events that have one come here.
    values = ([v for v in row if v is not None] or None for row in zip(*columns, strict=True))
    return pa.chunked_array([pa.array(values, pa.list_(pa.string()))])
