"""Series: a column for each value of a field, their names chosen from the data and each cell an aggregate.

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.detection.languages.spl.asking import ask_rows
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Named, Node, Select, Sort
from harness.detection.plan.operation import Typed
from harness.diagnostics import Span

MOST_SERIES = 300
"""Columns that one command may make of values."""

LONGEST_NAME = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCell:
    """What stands in the cells of a series: the name of the aggregate, its hidden column, 0 if empty ones hold 0."""

    name: str
    column: str
    kind: Kind
    zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTable:
    """A relation with a row for each combination of `keys` and of the column `series`, whose cells are columns."""

    node: Node
    keys: tuple[tuple[str, Kind], ...]
    series: str
    cells: tuple[SeriesCell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesNaming:
    """How columns are named where there are several aggregates: with a separator, or by a form."""

    separator: str = ": "
    form: str = ""

    def name(self, cell: str, series: str, several: bool) -> str:
        """The name of one column; that of an internal field is made an ordinary one."""
        if not several:
            made = series
        elif self.form:
            made = self.form.replace("$AGG$", cell).replace("$VAL$", series)
        else:
            made = f"{cell}{self.separator}{series}"
        return ("VALUE" + made if made[:1] in ("_", "@") else made)[:LONGEST_NAME]


def group_by_series(
    scope: Scope, keys: Sequence[str], series: str, measures: Sequence[SeriesCell], values: Sequence[Typed], span: Span
) -> SeriesTable:
    """Aggregates by the keys and the series."""
    known = tuple((k, scope.columns.get(k, Kind.NULL)) for k in keys)
    node = Aggregate(
        source=scope.node,
        keys=tuple((k, Column(k)) for k in (*keys, series)),
        measures=tuple((c.column, v.expression) for c, v in zip(measures, values, strict=True)),
        span=span,
    )
    return SeriesTable(node=node, keys=known, series=series, cells=tuple(measures))


def pivot_series(scope: Scope, table: SeriesTable, names: Sequence[str], naming: SeriesNaming, span: Span) -> None:
    """Makes the series columns: one row for each combination of keys; series without a name are left out."""
    keys = [k for k, _ in table.keys]
    check_series_count(scope, len(names) * len(table.cells) // 2, span)
    columns: dict[str, tuple[Expression, Kind]] = {}
    for cell in table.cells:
        for series in names:
            name = naming.name(cell.name, series, len(table.cells) > 1)
            if name in keys:
                message = f"a series is called `{name[:60]}` like the field of the rows, and is left out"
                scope.session.warn("name-taken", message, span)
                continue
            columns.setdefault(name, (in_series(table, cell, series), cell.kind))
    marks = {name: scope.session.fresh("cell") for name in columns}
    pivoted = Aggregate(
        source=table.node,
        keys=tuple((k, Column(k)) for k in keys),
        measures=tuple((marks[n], e) for n, (e, _) in columns.items()),
    )
    shown: list[Named] = [(k, Column(k)) for k in keys]
    shown += [(n, Column(m)) for n, m in marks.items()]
    node = Select(source=pivoted, columns=tuple(shown), span=span)
    scope.replace(node, {**dict(table.keys), **{n: k for n, (_, k) in columns.items()}}, events=False)


def in_series(table: SeriesTable, cell: SeriesCell, series: str) -> Expression:
    """The value of the one row of a series."""
    here = ops.equal(Column(table.series), Literal(series))
    how = ops.maximum if cell.kind in (Kind.NUMBER, Kind.TEXT) else ops.first
    value: Expression = Aggregation(how, (Column(cell.column),), here)
    return ops.coalesce(value, Literal(0.0)) if cell.zero else value


def names_of(scope: Scope, table: SeriesTable, span: Span) -> list[str] | None:
    """All names of series in their order; None where nobody can be asked."""
    found = rank_series(scope, table.node, table.series, Typed(Literal(0.0), Kind.NUMBER), False, MOST_SERIES + 1, span)
    if found is None:
        return None
    check_series_count(scope, len(found), span)
    return sorted(n for n, _ in found if n is not None)


def check_series_count(scope: Scope, count: int, span: Span) -> None:
    """Refuses more series than a table can have."""
    if count > MOST_SERIES:
        raise scope.unsupported(f"more than {MOST_SERIES} columns named by values", span, "limit the values before")


def rank_series(
    scope: Scope, node: Node, series: str, score: Typed, ascending: bool, most: int, span: Span
) -> list[tuple[str | None, float | None]] | None:
    """Series with their scores, the best first and equal ones by name; the one without a name comes before all."""
    scored = Aggregate(
        source=node, keys=((series, Column(series)),), measures=(("score", as_number(score).expression),)
    )
    absent = ops.if_(ops.is_null(Column(series)), Literal(0.0), Literal(1.0))
    place = ops.coalesce(Typed(Column("score"), Kind.NUMBER), literal(0.0)).expression
    keys = (SortKey(absent), SortKey(place, descending=not ascending), SortKey(Column(series)))
    rows = ask_rows(scope, Sort(source=scored, keys=keys), most, span)
    if rows is None:
        return None
    found: list[tuple[str | None, float | None]] = []
    for row in rows:
        name, value = row.get(series), row.get("score")
        number_ = float(value) if isinstance(value, int | float) else None
        found.append((None if name is None else str(name), number_))
    return found
