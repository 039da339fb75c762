"""xyseries, untable, transpose; a column for each value of a field.

Reference: reference/spl.md 7

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.languages.spl.aggregation import without_missing
from harness.detection.languages.spl.arguments import bind_options, split_leading_count
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, ask_rows, note_unnamed_columns
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Limit, Named, Node, Select, Sort, Union, Window
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import Span
from harness.record import record

# Chosen, no source: tables wider than that are read by nobody, and each column is an aggregate in the statement.
MOST_COLUMNS = 300
MOST_TURNED = 200


@COMMANDS.define("xyseries", "maketable", order="reads", fields="keeps", raw="never")
def xyseries(scope: Scope, stage: Stage) -> None:
    """A table of one field by another: a row each value of the first, a column each value of the second.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "grouped", "sep", "format")
    if len(found.words) < 3:
        raise found.error("bad-argument", "`xyseries` needs three fields")
    rows, columns, *data = found.words
    series = scope.session.fresh("series")
    scope.derive([(series, as_text(scope.typed(columns.text, columns.span)))], columns.span)
    if scope.columns[series] is Kind.NULL:
        scope.columns[series] = Kind.TEXT
    without_missing(scope, (rows,))
    present = ops.not_(ops.is_null(Column(series, columns.span)), span=columns.span)
    scope.filter(present, columns.span)
    values = [scope.typed(w.text, w.span) for w in data]
    cells = [
        SeriesCell(name=w.text, column=scope.session.fresh("value"), kind=v.kind)
        for w, v in zip(data, values, strict=True)
    ]
    last = [Typed(ops.last(v.expression), v.kind) for v in values]
    table = group_by_series(scope, [rows.text], series, cells, last, stage.span)
    names = names_of(scope, table, stage.span)
    if names is None:
        note_unnamed_columns(scope, f"values of `{columns.text}`", stage.span)
        scope.select([(w.text, scope.typed(w.text, w.span)) for w in found.words], stage.span)
        return
    pivot_series(
        scope, table, names, SeriesNaming(separator=found.text("sep", ": "), form=found.text("format", "")), stage.span
    )


def concat_values_of_field(scope: Scope, name: str) -> Typed:
    """A field as one text."""
    value = scope.typed(name)
    return ops.list_join(value, literal("\n")) if value.kind is Kind.LIST else as_text(value)


def melt_fields(scope: Scope, stage: Stage, without: str) -> list[str]:
    """The fields that become rows."""
    names = [n for n in scope.columns if n != without and n[0] not in "_@"]
    if len(names) > MOST_COLUMNS:
        what = f"`{stage.name}` of {len(names)} fields"
        raise scope.unsupported(what, stage.span, "choose some with `table` or `fields`")
    return names


@COMMANDS.define("untable", order="keeps", fields="remakes", raw="never")
def untable(scope: Scope, stage: Stage) -> None:
    """A row for each column of a row: its name and its value.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    if len(found.words) != 3:
        raise found.error("bad-argument", "`untable` needs three fields")
    fixed, name, value = (w.text for w in found.words)
    place, column = scope.session.fresh("place"), scope.session.fresh("column")
    scope.node = Window(source=scope.node, measures=((place, ops.row_number()),), frame=Frame.RUNNING)
    names = melt_fields(scope, stage, fixed)
    numbers = all(scope.columns[n] in (Kind.NUMBER, Kind.NULL) for n in names)
    kind = Kind.NUMBER if numbers and names else Kind.TEXT
    kept_kind = scope.columns.get(fixed, Kind.NULL)
    parts: list[Node] = []
    for number_, each in enumerate(names):
        cell = scope.typed(each) if numbers else concat_values_of_field(scope, each)
        cells: tuple[Named, ...] = (
            (fixed, scope.typed(fixed).expression),
            (name, Literal(each)),
            (value, cell.expression),
            (place, Column(place)),
            (column, Literal(float(number_))),
        )
        taken = Select(source=scope.node, columns=cells)
        parts.append(Filter(source=taken, condition=ops.not_(ops.is_null(Column(value)))))
    if not parts:
        parts = [Limit(source=Select(source=scope.node, columns=((fixed, Column(fixed)),)), count=0)]
    rows = Sort(source=Union(sources=tuple(parts)), keys=(SortKey(Column(place)), SortKey(Column(column))))
    bare = Select(source=rows, columns=tuple((n, Column(n)) for n in (fixed, name, value)), span=stage.span)
    scope.replace(bare, {fixed: kept_kind, name: Kind.TEXT, value: kind}, events=False)


@COMMANDS.define("transpose", order="reads", fields="remakes", raw="never")
def transpose(scope: Scope, stage: Stage) -> None:
    """Columns as rows: `column` is a field's name, `row 1` its value in the first row, and so on for 5 rows.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "column_name", "header_field", "include_empty")
    label, header = found.text("column_name", "column"), found.text("header_field", "")
    count, _ = split_leading_count(found.words, 5)
    titles = headers(scope, stage, header, count)
    if titles is None:
        note_unnamed_columns(scope, f"values of `{header}`" if header else "the number of rows", stage.span)
        titles = [f"row {i}" for i in range(1, (count or 5) + 1)]
    place, row = scope.session.fresh("place"), scope.session.fresh("rows")
    numbered = Window(source=scope.node, measures=((place, ops.row_number()),), frame=Frame.RUNNING)
    parts: list[Node] = []
    for name in melt_fields(scope, stage, header):
        cell = concat_values_of_field(scope, name).expression
        cells = [(scope.session.fresh("cell"), in_row(cell, place, i)) for i in range(1, len(titles) + 1)]
        measures = (*cells, (row, ops.count()))
        some = ops.greater(Column(row), Literal(0.0))
        if scope.events or not found.flag("include_empty", True):
            given_ = tuple(ops.not_(ops.is_null(Column(c))) for c, _ in cells)
            some = ops.and_(some, ops.or_(*given_)) if given_ else some
        grouped_ = Filter(source=Aggregate(source=numbered, keys=(), measures=measures), condition=some)
        named: list[Named] = [(label, Literal(name))]
        named += [(t, Column(c)) for t, (c, _) in zip(titles, cells, strict=True) if t]
        parts.append(Select(source=grouped_, columns=tuple(named)))
    if not parts:
        parts = [Limit(source=Select(source=numbered, columns=((label, Literal("")),)), count=0)]
    columns = {label: Kind.TEXT, **{t: Kind.TEXT for t in titles if t}}
    scope.replace(Union(sources=tuple(parts), span=stage.span), columns, events=False)


def in_row(cell: Expression, place: str, number_: int) -> Expression:
    """A field's value in the row of that number."""
    return ops.first(cell, where=ops.equal(Column(place), Literal(float(number_))))


def headers(scope: Scope, stage: Stage, header: str, count: int) -> list[str] | None:
    """What the columns of a transposed table are called, a row each; empty if one of that name is there already.

    None where nobody can be asked.
    """
    if not header and 0 < count <= MOST_TURNED:
        return [f"row {i}" for i in range(1, count + 1)]
    if count > MOST_TURNED:
        raise scope.unsupported(f"`transpose` of more than {MOST_TURNED} rows", stage.span)
    title = concat_values_of_field(scope, header) if header else TYPED_NULL
    titles = Select(source=scope.node, columns=(("title", title.expression), ("row", Literal(1.0))))
    rows = ask_rows(scope, titles, count or MOST_TURNED + 1, stage.span)
    if rows is None:
        return None
    if len(rows) > MOST_TURNED:
        raise scope.unsupported(f"`transpose` of more than {MOST_TURNED} rows", stage.span)
    made: list[str] = []
    for number_, turned in enumerate(rows, 1):
        name = SeriesNaming().name("", str(turned.get("title") or f"row {number_}"), False)
        made.append("" if name in made else name)
    return made


MOST_SERIES = 300
"""Columns that one command may make of values."""

# Chosen, no source: an engine takes longer names, a page does not show them.
LONGEST_NAME = 1_000


@record(kw_only=True)
class SeriesCell:
    """What stands in the cells of a series: the name of the aggregate, its hidden column, 0 if empty ones hold 0."""

    name: str
    column: str
    kind: Kind
    zero: bool = False


@record(kw_only=True)
class SeriesTable:
    """A relation with a row for each combination of `keys` and of the column `series`, whose cells are columns."""

    node: Node
    keys: tuple[tuple[str, Kind], ...]
    series: str
    cells: tuple[SeriesCell, ...]


@record(kw_only=True)
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
