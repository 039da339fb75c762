"""Tables turned round: xyseries, untable, transpose, makecontinuous, timewrap.

Reference: reference/spl.md 7
"""

from __future__ import annotations

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.asking import ask_rows, note_unnamed_columns
from harness.detection.languages.spl.coercion import as_number, as_text, is_numeric_text, literal
from harness.detection.languages.spl.commands.axis import (
    Floor,
    ask_extent,
    fill_axis_gaps,
    floor_to_step,
    nice_span,
    nice_step,
)
from harness.detection.languages.spl.commands.series import (
    SeriesCell,
    SeriesNaming,
    check_series_count,
    group_by_series,
    names_of,
    pivot_series,
)
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import parse_whole_word, without_missing
from harness.detection.languages.spl.syntax import Stage
from harness.detection.languages.spl.timespans import floor_to, plan_format, seconds_of, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Limit, Named, Node, Select, Sort, Union, Window
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.detection.plan.values.time_format import format_epoch
from harness.diagnostics import SourceError

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
    count = int(found.words[0].text) if found.words and found.words[0].text.isdigit() else 5
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
    for number_, record in enumerate(rows, 1):
        name = SeriesNaming().name("", str(record.get("title") or f"row {number_}"), False)
        made.append("" if name in made else name)
    return made


@COMMANDS.define("makecontinuous", order="keeps", fields="keeps", raw="never")
def makecontinuous(scope: Scope, stage: Stage) -> None:
    """Rows for the steps of a field that have none; by default of `_time`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "span", "bins", "minspan", "start", "end", "aligntime")
    field = found.words[0].text if found.words else "_time"
    value = as_number(scope.typed(field, found.words[0].span if found.words else None))
    if value.kind is Kind.NULL:
        return
    step = width(scope, stage, found, field, value)
    if step is None:
        scope.session.note(
            "not-filled", "without events nobody can tell the steps; the rows stay as they are", stage.span
        )
        return
    size, floor = step
    moved = floor(value) if floor else floor_to_step(value, size)
    scope.derive([(field, moved)], stage.span)
    scope.filter(ops.not_(ops.is_null(Column(field))))
    scope.node = Sort(source=scope.node, keys=(SortKey(Column(field)),))
    fill_axis_gaps(scope, field, size, floor, (), stage.span)


def width(
    scope: Scope, stage: Stage, found: BoundOptions, field: str, value: Typed
) -> tuple[float, Floor | None] | None:
    """How wide the steps of an axis are, and how a calendar's are found; None where nobody can be asked."""
    word = found.word("span") or found.word("minspan")
    written = word.text if word else ""
    if word is None:
        ends = ask_extent(scope, value, stage.span)
        if ends is None:
            return None
        bins = parse_whole_word(found.word("bins")) if found.word("bins") else 100  # type: ignore[arg-type]
        extent = ends[1] - ends[0]
        written = nice_span(extent, max(bins, 1), 0.0) if field == "_time" else str(nice_step(extent, max(bins, 1)))
    if is_numeric_text(written) and float(written) > 0:
        return float(written), None
    unit, seconds = span_unit(written), seconds_of(written)
    if unit is None or not seconds:
        raise SourceError("bad-option", f"`{written[:40]}` is no span", word.span if word else stage.span)
    zone = scope.settings.zone
    return seconds, (lambda moved: floor_to(moved, unit, zone)) if unit[1] else None


@COMMANDS.define("timewrap", order="reads", fields="keeps", raw="never")
def timewrap(scope: Scope, stage: Stage) -> None:
    """A column for each period of a chart over time, the periods laid over the latest one.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "align", "series", "time_format")
    written = found.words[0].text if found.words else ""
    seconds, unit = seconds_of(written), span_unit(written)
    scale = written.lstrip("0123456789")
    if unit is None or not seconds or unit[1] not in ("", "day", "week"):
        raise scope.unsupported(f"`timewrap` by `{written[:40]}`", stage.span, "wrap by days, weeks, hours, minutes")
    time = as_number(scope.typed("_time"))
    ends = ask_extent(scope, time, stage.span)
    style = found.text("series", "relative").lower()
    form = found.word("time_format")
    if style not in ("relative", "short", "exact"):
        raise found.error("bad-option", f"`{style[:40]}` is no way to name series", "choose relative, short or exact")
    if style == "exact" and form is None:
        raise found.error("missing-value", "`series=exact` needs a `time_format`", 'write `time_format="%F"`')
    if ends is None:
        if scope.settings.ask is None:
            note_unnamed_columns(scope, "the periods of `timewrap`", stage.span)
        return
    last = max(scope.settings.now, ends[1])
    count = int((last - ends[0]) // seconds) + 1
    check_series_count(scope, count * max(1, len(scope.columns)), stage.span)
    names = [period(style, i, written, scale) for i in range(count)]
    if style == "exact" and form is not None:
        pattern, zone = plan_format(form.text), scope.settings.zone
        starts = [last - (i + 1) * seconds for i in range(count)]
        names = [format_epoch(start, pattern, zone) or name for start, name in zip(starts, names, strict=True)]
    pivot_periods(scope, stage, seconds, last, names)


def period(style: str, number_: int, written: str, scale: str) -> str:
    """The name of a period, counted back from the latest."""
    word = next((w for w in ("second", "minute", "hour", "day", "week") if w[0] == scale[:1].lower()), scale)
    size = int("".join(c for c in written if c.isdigit()) or 1)
    if style == "short":
        return f"s{number_}"
    if not number_:
        return f"latest_{word}" if size == 1 else f"latest_{size}{word}s"
    amount = number_ * size
    return f"{amount}{word}{'s' if amount > 1 else ''}_before"


def pivot_periods(scope: Scope, stage: Stage, seconds: float, last: float, names: list[str]) -> None:
    """The fields of each period as columns, a row for each time within a period."""
    time = as_number(scope.typed("_time"))
    back = ops.floor(ops.divide(ops.subtract(literal(last), time), literal(seconds)))
    moved = ops.add(time, ops.multiply(back, literal(seconds)))
    which, fields = scope.session.fresh("period"), [n for n in scope.columns if n[0] not in "_@"]
    scope.derive([(which, back), ("_time", moved)])
    cells: dict[str, tuple[Expression, Kind]] = {}
    for field in fields:
        for number_, name in reversed(list(enumerate(names))):
            here = ops.equal(Column(which), Literal(float(number_)))
            value = ops.first(Column(field), where=here)
            cells.setdefault(f"{field}_{name}", (value, scope.columns[field]))
    node = Aggregate(
        source=scope.node,
        keys=(("_time", Column("_time")),),
        measures=tuple((n, e) for n, (e, _) in cells.items()),
        span=stage.span,
    )
    scope.replace(node, {"_time": Kind.NUMBER, **{n: k for n, (_, k) in cells.items()}}, events=False)
