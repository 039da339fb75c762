"""Commands whose columns are named by data, and their opposites: chart, timechart, xyseries, untable, transpose."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.coercion import apply, literal, number, text
from harness.detection.languages.spl.commands.changing import binned
from harness.detection.languages.spl.commands.stats import statistics
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import Measured, flag, group, measures, option, without_missing
from harness.detection.languages.spl.syntax import Measure, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.timespans import floor_to, seconds_of, span_unit
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Literal
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Frame,
    Join,
    JoinKind,
    Named,
    Node,
    Select,
    Union,
    Unnest,
    Window,
)
from harness.diagnostics import SourceError

RATES = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86400.0}
MOST_COLUMNS = 60


@COMMANDS.define("chart", "sichart", shape="stats")
def chart(scope: Scope, stage: Stage) -> None:
    """Aggregates by one field; by two of them a row each pair, which Splunk shows as a table.

    Reference: reference/spl.md 6.3
    """
    arguments = statistics(stage)
    keys = tuple(w for w in (arguments.over, *arguments.keys) if w is not None)
    span = option(arguments, "span")
    if keys and span is not None:
        value = number(scope.typed(keys[0].text))
        if value.kind is not Kind.NULL:
            scope.derive([(keys[0].text, binned(scope, value, span, keys[0].text))], span.span)
    if len(keys) > 1:
        named_by_data(scope, stage, f"values of `{keys[1].text}`")
        named_series(scope, arguments, keys[1])
    without_missing(scope, keys)
    group(scope, keys, measures(scope, arguments), stage.span)


def named_by_data(scope: Scope, stage: Stage, what: str) -> None:
    """Columns that only the data can name: shown as rows at the end of a search, refused before it."""
    if not scope.last:
        raise scope.unsupported(f"`{stage.name}` with columns named by {what} before another command", stage.span)
    message = f"columns named by {what} are shown as rows"
    scope.session.note("long-form", message, stage.span)


def named_series(scope: Scope, arguments: StatisticsArguments, key: Word) -> None:
    """Rows without the field that splits are the series NULL, or none."""
    if not flag(arguments, "usenull", True):
        return
    value = scope.typed(key.text, key.span)
    name = option(arguments, "nullstr")
    missing = literal(name.text if name else "NULL")
    filled = missing if value.kind is Kind.NULL else apply("coalesce", text(value), missing)
    scope.derive([(key.text, filled)], key.span)


@COMMANDS.define("timechart", "sitimechart", shape="stats")
def timechart(scope: Scope, stage: Stage) -> None:
    """Aggregates by spans of time, empty ones included; with BY a row each series.

    Reference: reference/spl.md 6.3
    """
    arguments = statistics(stage)
    word = option(arguments, "span")
    chosen = word.text if word is not None else scope.session.switch("timechart_span")
    span = span_unit(chosen)
    if span is None:
        raise SourceError("bad-option", f"`{chosen[:40]}` is no span of time", word.span if word else stage.span)
    time = number(scope.typed("_time"))
    if time.kind is not Kind.NULL:
        scope.derive([("_time", floor_to(time, span, scope.settings.zone))], stage.span)
    if arguments.keys:
        named_by_data(scope, stage, f"values of `{arguments.keys[0].text}`")
        named_series(scope, arguments, arguments.keys[0])
    keys = (Word("_time", False, stage.span), *arguments.keys)
    without_missing(scope, keys)
    group(scope, keys, rated(scope, arguments, seconds_of(chosen) or 1.0), stage.span)
    if not arguments.keys and not span[1] and time.kind is not Kind.NULL and flag(arguments, "cont", True):
        continuous(scope, stage, arguments, span[0])


def rated(scope: Scope, arguments: StatisticsArguments, seconds: float) -> list[Measured]:
    """The measures; `per_hour` and its like are sums scaled to the span."""
    plain = [m for m in arguments.measures if m.function not in RATES]
    found = measures(scope, with_measures(arguments, tuple(plain)))
    for measure in arguments.measures:
        if measure.function in RATES:
            summed = Measure("sum", measure.argument, measure.name, measure.text, measure.span)
            ((name, value),) = measures(scope, with_measures(arguments, (summed,)))
            found.append((name, apply("multiply", value, literal(RATES[measure.function] / seconds))))
    return found


def with_measures(arguments: StatisticsArguments, chosen: tuple[Measure, ...]) -> StatisticsArguments:
    """The same arguments with other measures."""
    return StatisticsArguments(
        arguments.options, chosen, arguments.dataset, arguments.where, arguments.over, arguments.keys
    )


def continuous(scope: Scope, stage: Stage, arguments: StatisticsArguments, seconds: float) -> None:
    """Adds the spans of time without rows: counts are 0 there, other values missing."""
    columns = dict(scope.columns)
    bounds = Aggregate(
        source=scope.node,
        keys=(),
        measures=(
            ("low", Aggregation("minimum", (Column("_time"),))),
            ("high", Aggregation("maximum", (Column("_time"),))),
        ),
    )
    step = Literal(seconds)
    series = Call("list_range", (Column("low"), Call("add", (Column("high"), step)), step))
    every: Node = Unnest(source=Derive(source=bounds, columns=(("_time", series),)), column="_time")
    every = Select(source=every, columns=(("_time", Call("to_number", (Column("_time"),))),))
    counts = {(m.name.text if m.name else m.text) for m in arguments.measures if m.function in ("count", "c", "dc")}
    marks = {n: scope.session.fresh("value") for n in columns if n != "_time"}
    joined = Join(
        left=every,
        right=scope.node,
        kind=JoinKind.LEFT,
        keys=((Column("_time"), Column("_time")),),
        columns=tuple((m, Column(n)) for n, m in marks.items()),
        span=stage.span,
    )
    shown: list[Named] = [("_time", Column("_time"))]
    for name, mark in marks.items():
        value: Expression = Column(mark)
        shown.append((name, Call("coalesce", (value, Literal(0.0))) if name in counts else value))
    scope.node = Select(source=joined, columns=tuple(shown), span=stage.span)


@COMMANDS.define("xyseries")
def xyseries(scope: Scope, stage: Stage) -> None:
    """A table of one field by another; the rows stay as they are, since only the data can name the columns.

    Reference: reference/spl.md 7
    """
    found = given(stage, "grouped", "sep", "format")
    if len(found.words) < 3:
        raise found.error("bad-argument", "`xyseries` needs three fields")
    named_by_data(scope, stage, f"values of `{found.words[1].text}`")
    scope.select([(w.text, scope.typed(w.text, w.span)) for w in found.words], stage.span)


@COMMANDS.define("untable")
def untable(scope: Scope, stage: Stage) -> None:
    """A row for each column of a row: its name and its value.

    Reference: reference/spl.md 7
    """
    found = given(stage)
    if len(found.words) != 3:
        raise found.error("bad-argument", "`untable` needs three fields")
    fixed, name, value = (w.text for w in found.words)
    parts: list[Node] = []
    for column in [n for n in scope.columns if n != fixed and n[0] not in "_@"][:MOST_COLUMNS]:
        shown = text(scope.typed(column)) if scope.columns[column] is not Kind.LIST else scope.typed(column)
        if shown.kind is Kind.LIST:
            shown = apply("list_join", shown, literal("\n"))
        kept = scope.branch()
        kept.select([(fixed, scope.typed(fixed)), (name, literal(column)), (value, shown)], stage.span)
        kept.filter(Call("not", (Call("is_null", (Column(value),)),)))
        parts.append(kept.node)
    columns = {fixed: scope.columns.get(fixed, Kind.NULL), name: Kind.TEXT, value: Kind.TEXT}
    scope.replace(Union(sources=tuple(parts), span=stage.span), columns, events=False)


@COMMANDS.define("transpose")
def transpose(scope: Scope, stage: Stage) -> None:
    """Columns as rows: `column` is a field's name, `row 1` its value in the first row, and so on for 5 rows.

    Reference: reference/spl.md 7
    """
    found = given(stage, "column_name", "header_field", "include_empty")
    if "header_field" in found.options:
        raise scope.unsupported("`header_field` of `transpose`", stage.span)
    count = int(found.words[0].text) if found.words and found.words[0].text.isdigit() else 5
    if not 0 < count <= MOST_COLUMNS:
        raise scope.unsupported(f"`transpose` of {count} rows", stage.span)
    label, place = found.text("column_name", "column"), scope.session.fresh("place")
    numbered = Window(source=scope.node, measures=((place, Aggregation("row_number")),), frame=Frame.RUNNING)
    parts: list[Node] = []
    for column in [n for n in scope.columns if n[0] not in "_@"][:MOST_COLUMNS]:
        kind = scope.columns[column]
        shown = (
            apply("list_join", scope.typed(column), literal("\n")) if kind is Kind.LIST else text(scope.typed(column))
        )
        cells = [
            (f"row {i}", Aggregation("first", (shown.expression,), Call("equal", (Column(place), Literal(float(i))))))
            for i in range(1, count + 1)
        ]
        grouped: Node = Aggregate(source=numbered, keys=(), measures=tuple(cells))
        names: list[Named] = [(label, Literal(column)), *((n, Column(n)) for n, _ in cells)]
        parts.append(Select(source=grouped, columns=tuple(names)))
    columns = {label: Kind.TEXT, **{f"row {i}": Kind.TEXT for i in range(1, count + 1)}}
    scope.replace(Union(sources=tuple(parts), span=stage.span), columns, events=False)


@COMMANDS.define("makecontinuous", "timewrap")
def reshaped(scope: Scope, stage: Stage) -> None:
    """Fills or folds the axis of a chart; at the end of a search the rows stay as they are.

    Reference: reference/spl.md 7
    """
    given(stage, "*")
    message = f"`{stage.name}` only changes how a chart is drawn; the rows stay as they are"
    scope.session.warn("not-drawn", message, stage.span)
