"""Charts: aggregates by the field of the rows and the series of the columns.

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.detection.languages.spl.asking import note_unnamed_columns
from harness.detection.languages.spl.coercion import as_multivalue, as_number, as_text, literal
from harness.detection.languages.spl.commands.axis import ask_extent, fill_axis_gaps, nice_span
from harness.detection.languages.spl.commands.binning import bin_value
from harness.detection.languages.spl.commands.choosing import (
    SelectedSeries,
    SeriesSelection,
    parse_series_choice,
    select_series,
)
from harness.detection.languages.spl.commands.series import (
    SeriesCell,
    SeriesNaming,
    SeriesTable,
    group_by_series,
    pivot_series,
)
from harness.detection.languages.spl.commands.stats import require_statistics
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.sparklines import draw_sparklines
from harness.detection.languages.spl.statistics import (
    Measured,
    expand_measures,
    flag,
    group_rows,
    option,
    parse_whole_word,
    without_missing,
)
from harness.detection.languages.spl.syntax import Measure, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.timespans import floor_to, floor_to_span, seconds_of, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Unnest
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span

CHART_OPTIONS = (
    "span", "bins", "minspan", "start", "end", "aligntime", "cont", "limit", "agg", "useother", "otherstr", "usenull",
    "nullstr", "sep", "format", "dedup_splitvals",
)  # fmt: skip
TIMECHART_OPTIONS = (*CHART_OPTIONS, "partial", "fixedrange")
RATES = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86400.0}


@COMMANDS.define(
    "chart", "sichart", order="forgets", fields="closes", raw="never", shape="chart", options=CHART_OPTIONS, groups=True
)
def chart(scope: Scope, stage: Stage) -> None:
    """Aggregates by one field; by two of them a table with a column for each value of the second.

    Reference: reference/spl.md 6.3
    """
    arguments = require_statistics(stage)
    keys = tuple(w for w in (arguments.over, *arguments.keys) if w is not None)
    if len(keys) > 2:
        place = keys[2].span.to(keys[-1].span)
        raise SourceError("bad-argument", "`chart` has rows and columns, no third field", place, help="use `stats`")
    for number_, key in enumerate(keys):
        bin_chart_field(scope, stage, arguments, keys, number_)
        if number_ == 1 and key.text == keys[0].text:
            keys = keys[:1]
    if len(keys) < 2:
        without_missing(scope, keys)
        sparks: dict[str, Measure] = {}
        group_rows(scope, keys, expand_measures(scope, arguments, sparks), stage.span)
        draw_sparklines(scope, sparks, stage.span)
        return
    without_missing(scope, keys[:1])
    series = scope.session.fresh("series")
    add_series_column(scope, arguments, keys[1], series)
    values = expand_measures(scope, arguments)
    build_chart_table(scope, choose_chart_series(scope, stage, (keys[0], keys[1]), series, values), stage.span)


def bin_chart_field(
    scope: Scope, stage: Stage, arguments: StatisticsArguments, keys: Sequence[Word], place: int
) -> None:
    """The steps of a field of the rows or of the columns: by the `span` or the `bins` that stand behind it."""
    key = keys[place]
    word = own_option(arguments, keys, place, "span")
    value = as_number(scope.typed(key.text))
    if word is None and key.text == "_time" and any(own_option(arguments, keys, place, n) for n in ("bins", "minspan")):
        word = Word(chosen_span(scope, stage, arguments, value), False, stage.span)
    if word is not None and value.kind is not Kind.NULL:
        scope.derive([(key.text, bin_value(scope, value, word, key.text))], word.span)


def own_option(arguments: StatisticsArguments, keys: Sequence[Word], place: int, name: str) -> Word | None:
    """An option of one field: it stands behind it and before the next one, or before all of them for the first."""
    for each in arguments.options:
        before = [i for i, k in enumerate(keys) if k.span.start < each.span.start]
        if each.name == name and isinstance(each.value, Word) and (before[-1] if before else 0) == place:
            return each.value
    return None


def chosen_span(scope: Scope, stage: Stage, arguments: StatisticsArguments, time: Typed) -> str:
    """The span of a chart over time: as written, or by the number of bins, or as the switch says."""
    word = option(arguments, "span")
    if word is not None:
        return word.text
    bins, least = option(arguments, "bins"), option(arguments, "minspan")
    if bins is None and least is None:
        return scope.session.switch("timechart_span")
    shortest = seconds_of(least.text) if least is not None else 0.0
    if shortest is None or (bins is not None and parse_whole_word(bins) < 1):
        wrong = least if shortest is None and least is not None else bins
        raise SourceError(
            "bad-option", "a span of time or a number of bins is wanted", wrong.span if wrong else stage.span
        )
    found = ask_extent(scope, time, stage.span)
    if found is None:
        return scope.session.switch("timechart_span")
    return nice_span(found[1] - found[0], parse_whole_word(bins) if bins is not None else 100, shortest)


@COMMANDS.define(
    "timechart", "sitimechart", order="forgets", fields="closes", raw="never", shape="chart", options=TIMECHART_OPTIONS
)
def timechart(scope: Scope, stage: Stage) -> None:
    """Aggregates by spans of time, empty ones included; with BY a column for each value of the field.

    Reference: reference/spl.md 6.3
    """
    arguments = require_statistics(stage)
    time = as_number(scope.typed("_time"))
    written = chosen_span(scope, stage, arguments, time)
    span, word = span_unit(written), option(arguments, "span")
    if span is None or span[0] <= 0:
        raise SourceError("bad-option", f"`{written[:40]}` is no span of time", word.span if word else stage.span)
    zone, seconds = scope.settings.zone, seconds_of(written) or 1.0
    if time.kind is not Kind.NULL:
        scope.derive([("_time", floor_to_span(scope.session, time, span))], stage.span)
    rows = Word("_time", False, stage.span)
    without_missing(scope, (rows,))
    zeros: set[str] = set()
    if not arguments.keys:
        found = build_chart_measures(scope, arguments, seconds)
        zeros = {n for n, _ in found if n in collect_zero_filled_names(arguments)}
        group_rows(scope, (rows,), found, stage.span)
    else:
        key = arguments.keys[0]
        size = own_option(arguments, (rows, key), 1, "span") if option(arguments, "span") is not word else None
        if size is not None:
            scope.derive([(key.text, bin_value(scope, as_number(scope.typed(key.text)), size, key.text))], size.span)
        series = scope.session.fresh("series")
        add_series_column(scope, arguments, key, series)
        values = build_chart_measures(scope, arguments, seconds)
        table = choose_chart_series(scope, stage, (rows, key), series, values)
        build_chart_table(scope, table, stage.span)
        zeros = table.zeros
    known = not arguments.keys or not scope.open
    if known and time.kind is not Kind.NULL and flag(arguments, "cont", True):
        floor = (lambda moved: floor_to(moved, span, zone)) if span[1] else None
        fill_axis_gaps(scope, "_time", seconds, floor, zeros, stage.span)


def collect_zero_filled_names(arguments: StatisticsArguments) -> set[str]:
    """The names of aggregates that are 0 where there are no rows."""
    zero = (m for m in arguments.measures if m.function in AGGREGATES and AGGREGATES[m.function].zero)
    return {(m.name.text if m.name else m.text) for m in zero}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSeries:
    """The table that a chart with series will be: its aggregates by rows and series, which of these it shows and how.

    `picked` is None where nobody can be asked for the series.
    """

    rows: Word
    columns: Word
    values: list[Measured]
    table: SeriesTable
    how: SeriesSelection
    picked: SelectedSeries | None
    naming: SeriesNaming

    @property
    def zeros(self) -> set[str]:
        """The names of columns whose empty cells hold 0."""
        several = len(self.table.cells) > 1
        names = self.picked.names if self.picked is not None else ()
        return {self.naming.name(c.name, n, several) for c in self.table.cells if c.zero for n in names}


def choose_chart_series(
    scope: Scope, stage: Stage, keys: tuple[Word, Word], series: str, values: list[Measured]
) -> ChartSeries:
    """The table by the fields of rows and of columns, which `series` holds, with the series that the events have."""
    arguments = require_statistics(stage)
    zeros = collect_zero_filled_names(arguments)
    cells = [SeriesCell(name=n, column=scope.session.fresh("value"), kind=v.kind, zero=n in zeros) for n, v in values]
    how = parse_series_choice(arguments, stage)
    table = group_by_series(scope, [keys[0].text], series, cells, [v for _, v in values], stage.span)
    form, separator = option(arguments, "format"), option(arguments, "sep")
    return ChartSeries(
        rows=keys[0],
        columns=keys[1],
        values=values,
        table=table,
        how=how,
        picked=select_series(scope, table, how, stage.span),
        naming=SeriesNaming(separator=separator.text if separator else ": ", form=form.text if form else ""),
    )


def build_chart_table(scope: Scope, chart: ChartSeries, span: Span) -> None:
    """Rows by one field, a column for each chosen value of the other.

    Where nobody can be asked for the values each pair of values is a row.
    """
    table, picked, series = chart.table, chart.picked, chart.table.series
    if picked is None:
        note_unnamed_columns(scope, f"values of `{chart.columns.text}`", span)
        shown = ops.coalesce(Typed(Column(series), Kind.TEXT), literal(chart.how.null))
        scope.derive([(chart.columns.text, shown)])
        group_rows(scope, (chart.rows, chart.columns), chart.values, span)
        return
    if picked.folds:
        scope.derive([(series, picked.folded(series, chart.how))])
        table = group_by_series(scope, [chart.rows.text], series, table.cells, [v for _, v in chart.values], span)
    pivot_series(scope, table, picked.names, chart.naming, span)


def add_series_column(scope: Scope, arguments: StatisticsArguments, key: Word, series: str) -> None:
    """Adds a column with the name of each row's series: null without one; `usenull=f` drops such rows."""
    value = scope.typed(key.text, key.span)
    if value.kind is Kind.LIST:
        each = ops.list_distinct(as_multivalue(value)) if flag(arguments, "dedup_splitvals", False) else value
        scope.derive([(series, each)], key.span)
        scope.node = Unnest(source=scope.node, column=series, keep_empty=True, span=key.span)
        scope.columns[series] = Kind.TEXT
        value = Typed(Column(series), Kind.TEXT)
    shown = Typed(literal(None).expression, Kind.TEXT) if value.kind is Kind.NULL else as_text(value)
    if shown.kind is Kind.TEXT and value.kind is not Kind.NULL:
        shown = ops.if_(ops.equal(shown, literal("")), literal(None), shown)
    scope.derive([(series, shown)], key.span)
    if not flag(arguments, "usenull", True):
        missing = ops.is_null(Typed(Column(series, key.span), Kind.TEXT), span=key.span)
        scope.filter(ops.not_(missing, span=key.span).expression, key.span)


def build_chart_measures(scope: Scope, arguments: StatisticsArguments, seconds: float) -> list[Measured]:
    """The measures; `per_hour` and its like are sums scaled to the span."""
    plain = tuple(m for m in arguments.measures if m.function not in RATES)
    found = expand_measures(scope, replace(arguments, measures=plain))
    for measure in arguments.measures:
        if measure.function in RATES:
            summed = Measure("sum", measure.argument, measure.name, measure.text, measure.span)
            ((name, value),) = expand_measures(scope, replace(arguments, measures=(summed,)))
            found.append((name, ops.multiply(value, literal(RATES[measure.function] / seconds))))
    return found
