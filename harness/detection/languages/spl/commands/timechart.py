"""timechart, timewrap, makecontinuous.

Reference: reference/spl.md 6.3

Reference: reference/spl.md 7
"""

from __future__ import annotations

from dataclasses import replace

from harness.detection.languages.spl.aggregation import Measured, expand_measures, group_rows, without_missing
from harness.detection.languages.spl.arguments import BoundOptions, bind_options, read_options
from harness.detection.languages.spl.coercion import as_number, is_numeric_text, literal
from harness.detection.languages.spl.commands.bin import (
    Floor,
    ask_extent,
    bin_value,
    fill_axis_gaps,
    floor_to_step,
    nice_span,
    nice_step,
)
from harness.detection.languages.spl.commands.chart import (
    CHART_OPTIONS,
    add_series_column,
    build_chart_table,
    choose_chart_series,
    chosen_span,
    collect_zero_filled_names,
    own_option,
)
from harness.detection.languages.spl.commands.stats import require_statistics
from harness.detection.languages.spl.commands.xyseries import check_series_count
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, note_unnamed_columns
from harness.detection.languages.spl.syntax import Measure, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.time_range import floor_to, floor_to_span, plan_format, seconds_of, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Sort
from harness.detection.plan.operation import Typed
from harness.detection.plan.values.time_format import format_epoch
from harness.diagnostics import SourceError

TIMECHART_OPTIONS = (*CHART_OPTIONS, "partial", "fixedrange")
# Aggregates of timechart alone: sums scaled to a length of time (reference/spl.md 6.2).
RATES = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86400.0}


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
    span, given = span_unit(written), read_options(arguments)
    word = given.word("span")
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
        size = own_option(arguments, (rows, key), 1, "span") if given.word("span") is not word else None
        if size is not None:
            scope.derive([(key.text, bin_value(scope, as_number(scope.typed(key.text)), size, key.text))], size.span)
        series = scope.session.fresh("series")
        add_series_column(scope, arguments, key, series)
        values = build_chart_measures(scope, arguments, seconds)
        table = choose_chart_series(scope, stage, (rows, key), series, values)
        build_chart_table(scope, table, stage.span)
        zeros = table.zeros
    # Series that nobody could name are rows still, not columns whose gaps could be filled.
    known = not arguments.keys or not scope.open
    if known and time.kind is not Kind.NULL and given.flag("cont", True):
        # Steps of the calendar are found by their start, others have one width.
        floor = (lambda moved: floor_to(moved, span, zone)) if span[1] else None
        fill_axis_gaps(scope, "_time", seconds, floor, zeros, stage.span)


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
        bins = found.number("bins", 100)
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
    # Months differ in length, so that their times cannot be laid over one another by a shift.
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
    # Periods are counted back from the time of the search, or from later events.
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
