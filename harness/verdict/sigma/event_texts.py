"""Events as a Sigma rule reads them: the texts of a field, once for each distinct value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.event import CAUSE, TIME, Events
from harness.telemetry.events.json_values import flat_fields
from harness.telemetry.events.raw_text import RAW_FIELD
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.simulation.activity import BooleanArray, Integers

LIST_FIELD = late_pattern(r"\[\d+\]$|\{\}$")
OWN_COLUMNS = frozenset({TIME, CAUSE, "@event"})


@record
class FieldTexts:
    """The distinct texts of a field and for each event the number of its own, -1 where it has none."""

    values: list[str]
    codes: Integers

    def where(self, test: Callable[[str], bool]) -> BooleanArray:
        """Which events have a text that passes."""
        # One more than there are values: the code of an absent one is the last.
        good = np.array([*map(test, self.values), False], dtype=bool)
        passed: BooleanArray = good[self.codes]
        return passed

    def present(self) -> BooleanArray:
        """Which events have the field."""
        there: BooleanArray = self.codes >= 0
        return there

    def text(self, row: int) -> str | None:
        """The text of one event."""
        code = int(self.codes[row])
        return self.values[code] if code >= 0 else None


@dataclass(slots=True)
class EventTable:
    """Events of one kind by their fields; `windows` says that they are records of a Windows event log.

    An `exact` one has its fields under no other names: a query finds them so or not at all; `renamed` says which names
    the query has for those of the rule.
    """

    rows: int
    constants: Mapping[str, str]
    columns: pa.Table
    windows: bool = False
    exact: bool = False
    renamed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    known: dict[str, tuple[FieldTexts, ...]] = field(default_factory=dict)

    def names(self) -> Iterator[str]:
        """The names of all fields."""
        yield from self.constants
        yield from (n for n in self.columns.column_names if n not in OWN_COLUMNS)

    def find(self, name: str) -> tuple[FieldTexts, ...]:
        """The texts of a field; several for a list, none where no event has it."""
        if name not in self.known:
            wanted = self.renamed.get(name, (name,))
            found = [n for n in self.names() if n in wanted or LIST_FIELD.sub("", n) in wanted]
            if not found and not self.exact:
                # Sigma's names have no blanks where Windows' have some (`Threat Name`).
                found = [n for n in self.names() if n.replace(" ", "") == name.replace(" ", "")]
            self.known[name] = tuple(texts for n in found for texts in self.read(n))
        return self.known[name]

    def read(self, name: str) -> Iterator[FieldTexts]:
        """The texts of one column or constant."""
        if name in self.constants:
            yield FieldTexts([self.constants[name]], np.zeros(self.rows, dtype=np.int64))
            return
        column = self.columns.column(name)
        if pa.types.is_list(column.type):
            longest = pc.max(pc.list_value_length(column)).as_py() or 0
            for place in range(longest):
                yield encode_column(pa.array([(v or [])[place : place + 1] for v in column.to_pylist()]), first=True)
            return
        yield encode_column(column)


def encode_column(column: pa.Array | pa.ChunkedArray, *, first: bool = False) -> FieldTexts:
    """A column as distinct texts and codes; of lists the `first` member."""
    if first:
        column = pa.array([v[0] if v else None for v in column.to_pylist()], pa.string())
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column.cast(pa.string()))
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    codes = pc.fill_null(column.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    values = column.dictionary.cast(pa.string()).to_pylist()
    absent = [i for i, value in enumerate(values) if value is None]
    if absent:
        codes = np.where(np.isin(codes, absent), -1, codes)
    return FieldTexts([v or "" for v in values], codes)


def read_events(events: Events) -> EventTable:
    """Recorded events of one kind. Raises HarnessError for plain text whose fields only its index knows."""
    if events.sensor == "text":
        return read_json_texts(events)
    return EventTable(len(events), events.constants, events.columns, windows=is_windows(events))


def read_json_texts(events: Events) -> EventTable:
    """Plain text that is JSON, line by line, with its own fields: Splunk extracts them when it searches."""
    texts = encode_column(events.columns.column(RAW_FIELD))
    objects = [parse_json_object(texts.text(row) or "") for row in range(len(events))]
    names = dict.fromkeys(name for each in objects for name in each)
    columns = {name: pa.array([each.get(name) for each in objects], pa.string()) for name in names}
    recorded = {n: events.columns.column(n) for n in events.columns.column_names if n not in columns}
    return EventTable(len(events), events.constants, pa.table({**recorded, **columns}))


def parse_json_object(text: str) -> dict[str, str]:
    """The fields of a text that is a JSON object."""
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            return flat_fields(found)
    except (ValueError, RecursionError):
        pass
    raise HarnessError("sigma-plain-text", "the events are plain text, whose fields no Sigma rule can name")
