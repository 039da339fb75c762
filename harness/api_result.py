"""What the functions of `harness.api` give: plain frozen values, tables of Arrow, HTML for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pyarrow as pa

from harness.detection.engine import CellValue, ResultRows
from harness.telemetry.events.event import CAUSE, Telemetry
from harness.telemetry.platform import platform

MOST_ROWS_SHOWN = 50
"""Rows of a table in a notebook's HTML; the table itself has all."""
LONGEST_CELL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The rows of a rule on recorded events.

    `alerts` is how many rows rest on events whose cause is known to be an attack's, `remarks` what there is to say of
    the reading and of the product's limits, `absent` the fields that the rule names and that no event has.
    """

    rule: str
    table: pa.Table
    events: int
    alerts: int
    absent: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        """The rows, and below them what there is to say."""
        said = f"{self.table.num_rows:,} rows of {self.events:,} events"
        return render_html(f"{self.rule}: {said}", self.table, self.remarks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainResult:
    """A query step by step: `table` has a row a step with the rows after it and the events of attack and others left.

    `lost_at` is the text of the step where the last of the attack's events went, `clauses` what lost them there,
    `nearest` how far the nearest was from each threshold.
    """

    rule: str
    table: pa.Table
    recorded: int
    malicious: int
    lost_at: str = ""
    clauses: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """The steps, and where the attack was lost."""
        said = [f"lost at: {self.lost_at}"] if self.lost_at else []
        return render_html(f"{self.rule}: step by step", self.table, [*said, *self.clauses, *self.nearest])


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateResult:
    """What hosts record of a scenario: `table` counts the events of each kind, `read_kind` gives those of one."""

    title: str
    table: pa.Table
    telemetry: Telemetry = field(repr=False)

    def read_kind(self, sensor: str, kind: str) -> pa.Table:
        """The events of one kind as they were recorded, a column a field; empty if there are none."""
        found = self.telemetry.of(sensor, kind)
        return pa.concat_tables([join_constants(e.constants, e.columns) for e in found], promote_options="permissive")

    def present(self, name: str = "splunk", conditions: Mapping[str, str] | None = None) -> tuple[pa.Table, ...]:
        """The events as a platform shows them to its rules, a table a kind."""
        views = platform(name).present(self.telemetry, conditions or {})
        return tuple(join_constants(view.constants, view.columns) for view in views)

    def _repr_html_(self) -> str:
        """How many events of each kind there are."""
        return render_html(self.title, self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """Verdicts: `table` has a row for each; `broken` is what could not be judged, with its reason."""

    table: pa.Table
    as_expected: bool
    broken: tuple[str, ...] = ()
    signals_differing: tuple[str, ...] = ()
    seconds: float = 0.0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _repr_html_(self) -> str:
        """The verdicts, and below them what is broken."""
        state = "as expected" if self.as_expected else "not as expected"
        return render_html(
            f"{self.table.num_rows:,} verdicts: {state}", self.table, [*self.signals_differing, *self.broken]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """A rule's numbers: `table` has the settings that no other beats, the cheapest first.

    `published` is the rule as it is, `recommended` what an objective chose, if one was given and can be met; `diff` is
    the change of the rule's text that this takes.
    """

    rule: str
    table: pa.Table
    published: Mapping[str, Any]
    recommended: Mapping[str, Any] | None = None
    diff: str = ""
    remarks: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """The settings, and the patch."""
        patch = f"<pre>{escape(self.diff)}</pre>" if self.diff else ""
        return render_html(f"{self.rule}: settings that no other beats", self.table, self.remarks) + patch


def join_constants(constants: Mapping[str, str], columns: pa.Table) -> pa.Table:
    """Events with the fields that are the same in all as columns, without marks of our own."""
    kept = columns.drop_columns([n for n in columns.schema.names if n in (CAUSE, "@event", "@cause")])
    for name, value in constants.items():
        if name not in kept.schema.names:
            kept = kept.append_column(name, pa.array([value] * kept.num_rows, pa.string()))
    return kept


def build_table(rows: ResultRows) -> pa.Table:
    """Rows as an Arrow table; a column whose values are of several kinds is text."""
    columns = {name: build_column([row[at] for row in rows.rows]) for at, name in enumerate(rows.columns)}
    return pa.table(columns)


def build_column(values: Sequence[CellValue]) -> pa.Array:
    """One column: numbers, truth, texts or lists of text; null where a row lacks the field."""
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {int, float}:
        return pa.array(values, pa.float64()) if kinds else pa.nulls(len(values))
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {list}:
        return pa.array(values, pa.list_(pa.string()))
    return pa.array([format_cell_text(v) for v in values], pa.string())


def format_cell_text(value: Any) -> str | None:
    """A value as text; a list with commas between."""
    if value is None or isinstance(value, str):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def render_html(title: str, table: pa.Table, remarks: Sequence[str] = ()) -> str:
    """A table as HTML without style or script of its own, everything in it escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.schema.names)
    body = "".join(render_row(row) for row in table.slice(0, MOST_ROWS_SHOWN).to_pylist())
    left = table.num_rows - MOST_ROWS_SHOWN
    more = [f"{left:,} more rows"] if left > 0 else []
    notes = "".join(f"<li>{escape(each)}</li>" for each in (*more, *remarks))
    below = f"<ul>{notes}</ul>" if notes else ""
    caption = f"<caption>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def render_row(row: Mapping[str, Any]) -> str:
    """One row of a table."""
    texts = [format_cell_text(value) or "" for value in row.values()]
    cut = (text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}..." for text in texts)
    return f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in cut)}</tr>"
