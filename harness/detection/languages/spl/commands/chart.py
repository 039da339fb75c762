"""chart, and which series it shows: the best ten, all others in OTHER.

Reference: reference/spl.md 6.3

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.detection.languages.spl.aggregates import build_aggregate
from harness.detection.languages.spl.aggregation import (
    Measured,
    draw_sparklines,
    expand_measures,
    group_rows,
    without_missing,
)
from harness.detection.languages.spl.arguments import read_options
from harness.detection.languages.spl.coercion import as_multivalue, as_number, as_text, literal
from harness.detection.languages.spl.commands.bin import ask_extent, bin_value, nice_span
from harness.detection.languages.spl.commands.stats import require_statistics
from harness.detection.languages.spl.commands.xyseries import (
    MOST_SERIES,
    SeriesCell,
    SeriesNaming,
    SeriesTable,
    check_series_count,
    group_by_series,
    pivot_series,
    rank_series,
)
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS
from harness.detection.languages.spl.scope import Scope, note_unnamed_columns
from harness.detection.languages.spl.syntax import Measure, SeriesChoice, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.time_range import seconds_of
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Node, Unnest
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern
from harness.record import record

CHART_OPTIONS = (
    "span", "bins", "minspan", "start", "end", "aligntime", "cont", "limit", "agg", "useother", "otherstr", "usenull",
    "nullstr", "sep", "format", "dedup_splitvals",
)  # fmt: skip


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
        # `chart count over x by x` is a chart by one field.
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
    if not values:
        raise SourceError(
            "missing-function", "`chart` needs a function", stage.span, help="write `chart count over x by y`"
        )
    build_chart_table(scope, choose_chart_series(scope, stage, (keys[0], keys[1]), series, values), stage.span)


def bin_chart_field(
    scope: Scope, stage: Stage, arguments: StatisticsArguments, keys: Sequence[Word], place: int
) -> None:
    """The steps of a field of the rows or of the columns: by the `span` or the `bins` that stand behind it."""
    key = keys[place]
    word = own_option(arguments, keys, place, "span")
    value = as_number(scope.typed(key.text))
    # Only times are binned by themselves; numbers want a span (reference/spl.md 6.3).
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
    given = read_options(arguments)
    word, bins, least = given.word("span"), given.word("bins"), given.word("minspan")
    if word is not None:
        return word.text
    if bins is None and least is None:
        # The default follows from the time range of the search, which recorded events do not have.
        return scope.session.switch("timechart_span")
    shortest = seconds_of(least.text) if least is not None else 0.0
    if shortest is None or given.number("bins", 100) < 1:
        wrong = least if shortest is None and least is not None else bins
        raise SourceError(
            "bad-option", "a span of time or a number of bins is wanted", wrong.span if wrong else stage.span
        )
    found = ask_extent(scope, time, stage.span)
    if found is None:
        return scope.session.switch("timechart_span")
    # 100 is `default_time_bins` (reference/spl.md 6.3; the product's grammar says 300).
    return nice_span(found[1] - found[0], given.number("bins", 100), shortest)


def collect_zero_filled_names(arguments: StatisticsArguments) -> set[str]:
    """The names of aggregates that are 0 where there are no rows."""
    zero = (m for m in arguments.measures if m.function in AGGREGATES and AGGREGATES[m.function].zero)
    return {(m.name.text if m.name else m.text) for m in zero}


@record(kw_only=True)
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
    given = read_options(arguments)
    return ChartSeries(
        rows=keys[0],
        columns=keys[1],
        values=values,
        table=table,
        how=how,
        picked=select_series(scope, table, how, stage.span),
        naming=SeriesNaming(separator=given.text("sep", ": "), form=given.text("format", "")),
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
        each = ops.list_distinct(as_multivalue(value)) if read_options(arguments).flag("dedup_splitvals") else value
        scope.derive([(series, each)], key.span)
        scope.node = Unnest(source=scope.node, column=series, keep_empty=True, span=key.span)
        scope.columns[series] = Kind.TEXT
        value = Typed(Column(series), Kind.TEXT)
    shown = Typed(literal(None).expression, Kind.TEXT) if value.kind is Kind.NULL else as_text(value)
    if shown.kind is Kind.TEXT and value.kind is not Kind.NULL:
        # A column has no empty name: the empty text is in NULL too.
        shown = ops.if_(ops.equal(shown, literal("")), literal(None), shown)
    scope.derive([(series, shown)], key.span)
    if not read_options(arguments).flag("usenull", True):
        missing = ops.is_null(Typed(Column(series, key.span), Kind.TEXT), span=key.span)
        scope.filter(ops.not_(missing, span=key.span).expression, key.span)


# `limit=10`, `limit=top5`, `limit=bottom3`.
LIMIT = late_pattern(r"(top|bottom)?\s*(\d{1,6})", re.I)
AGGREGATE = late_pattern(r"([a-z_]\w*(?:\.\d+)?)\s*(?:\((.*)\))?", re.I | re.S)
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@record(kw_only=True)
class SeriesSelection:
    """How series are chosen: by which aggregate, so many from which end or beyond a bound; how the rest is called.

    `field` is what the aggregate is over, the cells if there is none; `count` 0 means all.
    """

    function: str = ""
    field: str = ""
    ascending: bool = False
    # The default of `limit` (reference/spl.md 1.9).
    count: int = 10
    inverted: bool = False
    holds: Callable[[float], bool] | None = None
    other: str | None = "OTHER"
    null: str = "NULL"
    span: Span


@record(kw_only=True)
class SelectedSeries:
    """The series that are shown, in their order, and whether rows have to be given other series first."""

    names: tuple[str, ...]
    kept: tuple[str, ...]
    others: bool
    nulls: bool

    @property
    def folds(self) -> bool:
        """Whether some rows belong to a series of another name than their value."""
        return self.others or self.nulls

    def folded(self, series: str, how: SeriesSelection) -> Typed:
        """The name of each row's series; the empty one is not shown."""
        value = Typed(Column(series), Kind.TEXT)
        here = ops.in_(value, *(literal(n) for n in self.kept)) if self.kept else literal(False)
        rest = literal(how.other or "") if self.others else value
        absent = ops.is_null(value)
        return ops.if_(absent, literal(how.null), ops.if_(here, value, rest))


def parse_series_choice(arguments: StatisticsArguments, stage: Stage) -> SeriesSelection:
    """What a chart says about its series; a WHERE takes the place of `limit` and `agg`."""
    given = read_options(arguments)
    made = SeriesSelection(
        other=given.text("otherstr", "OTHER") if given.flag("useother", True) else None,
        null=given.text("nullstr", "NULL"),
        span=stage.span,
    )
    return by_where(made, arguments.series) if arguments.series else by_limit(made, arguments)


def by_where(made: SeriesSelection, where: SeriesChoice) -> SeriesSelection:
    """The choice that a WHERE makes."""
    field = where.argument.text if where.argument else ""
    if where.end:
        return replace(
            made,
            function=where.function,
            field=field,
            count=int(where.bound),
            ascending=where.end == "bottom",
            inverted=where.operator == "notin",
        )
    bound, compare = float(where.bound), HOLDS[where.operator]
    return replace(made, function=where.function, field=field, count=0, holds=lambda score: compare(score, bound))


def by_limit(made: SeriesSelection, arguments: StatisticsArguments) -> SeriesSelection:
    """The choice that `limit` and `agg` make."""
    given = read_options(arguments)
    limit, aggregate = given.word("limit"), given.word("agg")
    function = field = ""
    if aggregate is not None:
        function, field = taken_apart(aggregate)
    if limit is None:
        return replace(made, function=function, field=field)
    found = LIMIT.fullmatch(limit.text)
    if found is None:
        raise SourceError("bad-option", f"`{limit.text[:40]}` is no limit", limit.span, help="write `limit=5`")
    ascending = (found[1] or "").lower() == "bottom"
    return replace(made, function=function, field=field, count=int(found[2]), ascending=ascending)


def taken_apart(word: Word) -> tuple[str, str]:
    """The function and the field of an aggregate in an option."""
    found = AGGREGATE.fullmatch(word.text)
    if found is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no aggregate", word.span, help="write `agg=max(field)`")
    return found[1].lower(), (found[2] or "").strip().strip("\"'")


def select_series(scope: Scope, table: SeriesTable, how: SeriesSelection, span: Span) -> SelectedSeries | None:
    """The series that a chart shows; None where nobody can be asked for their names."""
    over, score = score_series(scope, table, how)
    all_wanted = how.inverted or how.holds is not None or not how.count
    # Two more than are shown: one for NULL, one that says that there are others.
    most = MOST_SERIES * 10 if all_wanted else min(how.count, MOST_SERIES) + 2
    found = rank_series(scope, over, table.series, score, how.ascending, most, span)
    if found is None:
        return None
    named = [(n, s) for n, s in found if n is not None]
    if how.holds is not None:
        kept = [n for n, s in named if how.holds(s or 0.0)]
    elif how.inverted:
        kept = [n for n, _ in named[how.count :]]
    else:
        kept = [n for n, _ in named[: how.count or None]]
    check_series_count(scope, len(kept), span)
    nulls, others = len(named) < len(found), len(kept) < len(named)
    # Columns of series are in the order of their names, OTHER and NULL last.
    names = sorted(kept)
    last = [*([how.null] if nulls else []), *([how.other] if others and how.other is not None else [])]
    names = [*names, *(n for n in last if n not in names)]
    return SelectedSeries(names=tuple(names), kept=tuple(kept), others=others, nulls=nulls)


def score_series(scope: Scope, table: SeriesTable, how: SeriesSelection) -> tuple[Node, Typed]:
    """The relation and the aggregate that series are ranked by.

    Those of one aggregate are ranked by the sum of their cells, those of several by their rows.
    """
    if how.field:
        return scope.node, build_aggregate(scope, how.function, scope.typed(how.field), how.span)
    of_rows = how.function in AGGREGATES and AGGREGATES[how.function].of_rows
    if of_rows or (not how.function and len(table.cells) > 1):
        return scope.node, Typed(ops.count(), Kind.NUMBER)
    if not table.cells:
        raise SourceError("missing-aggregate", "there is nothing to aggregate", how.span, help="such as `count`")
    first = table.cells[0]
    cells = Typed(Column(first.column), first.kind)
    if cells.kind not in (Kind.NUMBER, Kind.TEXT):
        return scope.node, Typed(ops.count(), Kind.NUMBER)
    return table.node, build_aggregate(scope, how.function or "sum", as_number(cells), how.span)
