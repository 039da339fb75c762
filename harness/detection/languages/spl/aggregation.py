"""Measures, keys and grouping of all that aggregate; `sparkline(...)`.

Reference: reference/spl.md 6.1

Reference: reference/spl.md 6.2; Splunk Search Manual, Add sparklines to search results
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.detection.languages.spl.aggregates import PERCENTILE, build_aggregate, needs_field, when
from harness.detection.languages.spl.arguments import read_options
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, RowOrder
from harness.detection.languages.spl.scope import Scope, matches_name_pattern
from harness.detection.languages.spl.syntax import (
    FieldReference,
    FunctionCall,
    GeneralArguments,
    Measure,
    Pipeline,
    Stage,
    StatisticsArguments,
    Template,
    Word,
)
from harness.detection.languages.spl.time_range import floor_to_span, seconds_of, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Frame, Sort, Unnest, Window
from harness.detection.plan.operation import TYPED_NULL, Typed, aggregate_call
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern

Measured = tuple[str, Typed]
COMMAND_IN_TEMPLATE = late_pattern(r"(?:^|\|)\s*(\w+)")


def expand_measures(
    scope: Scope, arguments: StatisticsArguments, sparks: dict[str, Measure] | None = None
) -> list[Measured]:
    """All aggregates with the names of their columns; `*` in an argument stands for every field that fits.

    Where `sparks` is given, sparklines are only collected and put there, to be drawn when the rows are grouped.
    """
    found: dict[str, Typed] = {}
    strict = read_options(arguments).flag("allnum")
    for measure in arguments.measures:
        argument, function = measure.argument, measure.function
        refuse_bracket(measure)
        if sparks is not None and function in AGGREGATES and AGGREGATES[function].drawn:
            name = measure.name.text if measure.name else measure.text
            sparks[name], found[name] = measure, collect_span_values(scope, measure)
            continue
        if function == "eval" and argument is not None and not isinstance(argument, Word):
            value: Typed | None = Totals(scope).value(argument)
            found[measure.name.text if measure.name else measure.text] = value or TYPED_NULL
            continue
        if argument is None and needs_field(function) and is_aggregate_name(function):
            argument = Word("*", False, measure.span)
        if isinstance(argument, Word) and "*" in argument.text:
            for name in expand_field_pattern(scope, argument.text):
                alias = build_measure_name(measure, argument.text, name)
                found[alias] = build_aggregate(scope, function, scope.typed(name), measure.span, only_numbers=strict)
            continue
        value = None
        if isinstance(argument, Word):
            value = scope.typed(argument.text, argument.span)
        elif argument is not None:
            value = EvalContext(scope).value(argument)
        name = measure.name.text if measure.name else measure.text
        found[name] = build_aggregate(scope, function, value, measure.span, only_numbers=strict)
    return list(found.items())


def refuse_bracket(measure: Measure) -> None:
    """Raises SourceError for a pair of brackets in the place of a field."""
    argument = measure.argument
    if isinstance(argument, Word) and not argument.quoted and argument.text.startswith("["):
        message = f"`{measure.function}` takes a field, and a bracket begins a subsearch"
        raise SourceError("bad-argument", message, argument.span, help="a field called so stands in quotes")


def is_aggregate_name(function: str) -> bool:
    """Whether there is an aggregate of that name."""
    return function in AGGREGATES or PERCENTILE.fullmatch(function) is not None


class Totals(EvalContext):
    """An expression over aggregates: `eval(round(avg(bytes), 2))`."""

    __slots__ = ()

    def call(self, invocation: FunctionCall) -> Typed:
        """An aggregate of its one argument, or an ordinary function of aggregates."""
        name, arguments = invocation.name, invocation.arguments
        # min and max are eval functions too: with several arguments they compare values of one row.
        if not is_aggregate_name(name) or len(arguments) > 1:
            return EvalContext.call(self, invocation)
        value = EvalContext(self.scope).value(arguments[0]) if arguments else None
        return build_aggregate(self.scope, name, value, invocation.span)


def expand_field_pattern(scope: Scope, pattern: str) -> list[str]:
    """The fields that a pattern in an aggregate means."""
    return [n for n in scope.columns if matches_name_pattern(pattern, n) and not n.startswith(("_", "@"))]


def build_measure_name(measure: Measure, pattern: str, name: str) -> str:
    """The name of the column for one field of a pattern: what `*` stood for goes into the name."""
    # `avg(*_ms) AS *_mean`: what `*` stood for is carried over (reference/spl.md 6.1).
    inside = re.fullmatch("(.*)".join(re.escape(p) for p in pattern.split("*")), name, re.S)
    if measure.name is None:
        return f"{measure.function}({name})"
    parts = list(inside.groups()) if inside else []
    return re.sub(r"\*", lambda _: parts.pop(0) if parts else name, measure.name.text)


def build_key_conditions(scope: Scope, keys: Iterable[Word]) -> list[Expression]:
    """A condition for each key that it has a value, at the key's place."""
    conditions: list[Expression] = []
    for key in keys:
        scope.typed(key.text)
        missing = ops.is_null(Typed(Column(key.text, key.span), Kind.TEXT), span=key.span)
        conditions.append(ops.not_(missing, span=key.span).expression)
    return conditions


def without_missing(scope: Scope, keys: tuple[Word, ...], *, distinct: bool = False) -> None:
    """Drops the rows that lack a BY field, and gives a row for each value, or `distinct` value, of one with several."""
    if not keys:
        return
    place = keys[0].span.to(keys[-1].span)
    # Every row that lacks a BY field is dropped (reference/spl.md 1.5), even where that is all of them.
    scope.filter(all_of(tuple(build_key_conditions(scope, keys)), place), place)
    for key in keys:
        if scope.columns.get(key.text) is Kind.LIST:
            if distinct:
                # `dedup_splitvals=t` (reference/spl.md 2.3).
                scope.derive([(key.text, ops.list_distinct(scope.typed(key.text)))], key.span)
            scope.node = Unnest(source=scope.node, column=key.text, span=key.span)
            scope.columns[key.text] = Kind.TEXT


def distinct_keys(scope: Scope, keys: tuple[Word, ...]) -> list[Word]:
    """The keys, each once."""
    return list({k.text: k for k in keys}.values())


def group_rows(scope: Scope, keys: tuple[Word, ...], named: list[Measured], span: Span | None) -> None:
    """One row for each combination of keys, which come first."""
    once = distinct_keys(scope, keys)
    taken = {k.text for k in once}
    for name, _ in named:
        if name in taken and span is not None:
            message = f"`{name}` is both a BY field and the name of an aggregate"
            scope.session.warn("name-taken", message, span, "give the aggregate another name with `as`")
    # What Splunk shows of two columns of one name is not documented; a BY field decides what the row is.
    kept = [(n, v) for n, v in named if n not in taken]
    keyed = [(k.text, scope.typed(k.text, k.span)) for k in once]
    node = Aggregate(
        source=scope.node,
        keys=tuple((n, Column(n)) for n, _ in keyed),
        measures=tuple((n, v.expression) for n, v in kept),
        span=span,
    )
    scope.replace(node, {**{n: v.kind for n, v in keyed}, **{n: v.kind for n, v in kept}}, events=False)


def list_heeded_orders(stages: Sequence[Stage], behind: bool) -> list[bool]:
    """For each stage whether anything after it depends on the order of its rows; `behind` is so of the last one's."""
    heeded: list[bool] = []
    # From the end: whether order matters to a stage is known once it is known of all behind it.
    for stage in reversed(stages):
        heeded.append(behind)
        behind = heeds_order(find_row_order(stage, behind), behind)
    return heeded[::-1]


def heeds_order(order: RowOrder, behind: bool) -> bool:
    """Whether the order of rows matters to a command or to what is behind it."""
    return order == "reads" or (order == "keeps" and behind)


def find_row_order(stage: Stage, behind: bool) -> RowOrder:
    """What a stage does with the order of rows, to which its aggregates and pipelines in it too may be sensitive."""
    arguments, entry = stage.arguments, COMMANDS[stage.name]
    if isinstance(arguments, StatisticsArguments) and any(is_order_dependent(*a) for a in list_aggregates(arguments)):
        return "reads"
    for item in arguments.items if isinstance(arguments, GeneralArguments) else ():
        if isinstance(item, Template) and may_read_order(item):
            return "reads"
        if isinstance(item, Pipeline) and entry.pipes:
            for inner in reversed(item.stages):
                behind = heeds_order(find_row_order(inner, behind), behind)
            return "reads" if behind else entry.order
    return entry.order


def may_read_order(template: Template) -> bool:
    """Whether a command in a pipeline that is not parsed yet may depend on the order of rows."""
    # A template is text with placeholders; its words tell enough, and one too many costs a sort at most.
    entries = [COMMANDS[n] for n in COMMAND_IN_TEMPLATE.findall(template.text.lower()) if n in COMMANDS]
    return any(e.order == "reads" or e.shape in ("stats", "chart") for e in entries)


def list_aggregates(arguments: StatisticsArguments) -> Iterator[tuple[str, str]]:
    """Names of aggregates with the field they are of: measures, parts of expressions, what a chart ranks series by."""
    for measure in arguments.measures:
        yield measure.function, measure.argument.text if isinstance(measure.argument, Word) else ""
        for part in walk_query(measure.argument) if measure.function == "eval" else ():
            if isinstance(part, FunctionCall):
                yield part.name, next((a.name for a in part.arguments if isinstance(a, FieldReference)), "")
    if arguments.series is not None:
        yield arguments.series.function, arguments.series.argument.text if arguments.series.argument else ""
    chosen = read_options(arguments).word("agg")
    if chosen is not None:
        function, _, field = chosen.text.partition("(")
        yield function.strip().lower(), field.rstrip(") ")


def is_order_dependent(function: str, field: str) -> bool:
    """Whether an aggregate's value depends on the order of rows; those of the same time all have the same `_time`."""
    order = AGGREGATES[function].order if function in AGGREGATES else "never"
    # Of rows with equal `_time` earliest() may be any, but their `_time` is the same.
    return order == "always" or (order == "ties" and field != "_time")


def group_in_order(scope: Scope, arguments: StatisticsArguments, named: list[Measured], span: Span | None) -> None:
    """The groups of stats, in the order and, of no rows at all, in the number that the switches say."""
    keys = arguments.keys
    place = scope.session.fresh("place")
    # Which order stats gives is not verified (reference/spl.md 6.1); asked only where something depends on it.
    if keys and scope.order_matters and scope.session.switch("stats_order") == "first-seen":
        measure = ((place, ops.row_number()),)
        scope.node = Window(source=scope.node, measures=measure, frame=Frame.RUNNING)
        first = Typed(ops.minimum(Column(place)), Kind.NUMBER)
        group_rows(scope, keys, [*named, (place, first)], span)
        scope.node = Sort(source=scope.node, keys=(SortKey(Column(place)),))
        scope.keep([n for n in scope.columns if n != place])
        return
    # Without BY and without input there is one row with count 0 (reference/spl.md 6.1); of other functions it is open.
    counts = any(m.function in AGGREGATES and AGGREGATES[m.function].of_rows for m in arguments.measures)
    if not keys and not counts and scope.session.switch("stats_of_nothing") == "none":
        group_rows(scope, keys, [*named, (place, Typed(ops.count(), Kind.NUMBER))], span)
        scope.filter(ops.greater(Typed(Column(place), Kind.NUMBER), literal(0.0)).expression, span)
        scope.keep([n for n in scope.columns if n != place])
        return
    group_rows(scope, keys, named, span)
    sort_groups(scope, keys)


def sort_groups(scope: Scope, keys: tuple[Word, ...]) -> None:
    """Puts groups into the order of their keys: numbers by size, whatever column holds them, then text by bytes."""
    named = [scope.typed(k.text) for k in distinct_keys(scope, keys)]
    # A column of numbers has that order already.
    if all(v.kind is not Kind.TEXT for v in named):
        return
    amounts = {i: as_number(v).expression for i, v in enumerate(named) if v.kind is Kind.TEXT}
    sort_keys = [e for i, v in enumerate(named) for e in (*([amounts[i]] if i in amounts else []), v.expression)]
    scope.node = Sort(source=scope.node, keys=tuple(SortKey(e) for e in sort_keys))


# What Splunk's own charts begin with (reference/spl.md 6.2).
SPARKLINE_MARK = "##__SPARKLINE__##"
# ASCII's unit separator: in no number, and in no text of a log.
SPARKLINE_SEPARATOR = "\x1f"
# Chosen, no source: as many as the default bins of timechart (reference/spl.md 6.3).
MOST_SPARKLINE_POINTS = 100
ASKED = late_pattern(r"\s*(\w+)\s*(?:\(\s*([^()]*?)\s*\))?\s*(?:,\s*(\w+)\s*)?", re.S)


def parse_sparkline(scope: Scope, measure: Measure) -> tuple[str, str, str]:
    """The statistic of a sparkline, its field, and the span of one value."""
    argument = measure.argument
    usual = scope.session.switch("timechart_span")
    if argument is None:
        return "count", "", usual
    found = ASKED.fullmatch(argument.text) if isinstance(argument, Word) else None
    function = found[1].lower() if found else ""
    entry = AGGREGATES.get(function)
    if found is None or entry is None or not entry.in_spans:
        raise SourceError("unsupported", "a sparkline of this is not supported", measure.span, help="such as `sum(x)`")
    if not entry.without_field and not found[2]:
        raise SourceError("missing-field", f"`{function}` needs a field in parentheses", measure.span)
    return function, found[2] or "", found[3] or usual


def parse_sparkline_span(written: str, place: Span) -> tuple[float, str]:
    """Number and unit of a span."""
    found = span_unit(written)
    if found is None:
        raise SourceError("bad-option", f"`{written[:40]}` is no span of time", place, help="write `1h`")
    return found


def collect_span_values(scope: Scope, measure: Measure) -> Typed:
    """All values of a group, each with the start of the span that it is in."""
    _, field, written = parse_sparkline(scope, measure)
    start = floor_to_span(scope.session, when(scope), parse_sparkline_span(written, measure.span))
    value = as_text(scope.typed(field, measure.span)) if field else literal("1")
    if value.kind is Kind.NULL:
        return value
    # An aggregate sees one group, but all sparklines have the same axis, which is known only after all groups.
    return ops.collect(ops.concat(as_text(start), literal(SPARKLINE_SEPARATOR), value))


def draw_sparklines(scope: Scope, measures: Mapping[str, Measure], place: Span) -> None:
    """Turns what was collected into charts; all rows have the same spans."""
    for name, measure in measures.items():
        values = scope.typed(name)
        if values.kind is not Kind.LIST:
            continue
        function, _, written = parse_sparkline(scope, measure)
        marks = scope.session.fresh("low"), scope.session.fresh("high")
        add_span_bounds(scope, values, marks, place)
        low, high = (Typed(Column(m), Kind.NUMBER) for m in marks)
        step = literal(seconds_of(written) or 1.0)
        end = ops.add(low, ops.multiply(step, literal(float(MOST_SPARKLINE_POINTS))))
        spans = ops.list_range(low, ops.least(ops.add(high, step), end), step)
        parameter, span = build_element_parameter(spans, "span")
        shown = apply_to_elements(
            ops.list_map, spans, parameter, as_text(height(function, filter_values_by_span(values, span)))
        )
        charted = ops.list_concat(as_multivalue(literal(SPARKLINE_MARK)), shown)
        scope.derive([(name, charted)], measure.span)
    if measures:
        scope.keep(list(scope.columns))


def add_span_bounds(scope: Scope, values: Typed, marks: tuple[str, str], place: Span) -> None:
    """Adds the first and the last span that any row has a value in as columns."""
    parameter, element = build_element_parameter(values)
    starts = apply_to_elements(ops.list_map, values, parameter, select_pair_part(element, 1.0))
    ends = [
        (m, aggregate_call(f, ops.list_statistic(starts, literal(f.name))).expression)
        for m, f in zip(marks, (ops.minimum, ops.maximum), strict=True)
    ]
    scope.node = Window(source=scope.node, measures=tuple(ends), span=place)


def select_pair_part(pair: Typed, place: float) -> Typed:
    """The start of the span, or the value."""
    return ops.list_get(ops.list_split(pair, literal(SPARKLINE_SEPARATOR)), literal(place))


def filter_values_by_span(values: Typed, span: Typed) -> Typed:
    """The values in one span."""
    first, pair = build_element_parameter(values, "pair")
    own = apply_to_elements(
        ops.list_filter, values, first, ops.starts_with(pair, ops.concat(span, literal(SPARKLINE_SEPARATOR)))
    )
    second, kept = build_element_parameter(own, "kept")
    return apply_to_elements(ops.list_map, own, second, select_pair_part(kept, 2.0))


def height(function: str, values: Typed) -> Typed:
    """The statistic of the values in one span; 0 of none."""
    statistic = AGGREGATES[function].in_spans
    if statistic == "length":
        found = ops.list_length(values)
    elif statistic == "distinct":
        found = ops.list_length(ops.list_distinct(values))
    else:
        found = ops.list_statistic(values, literal(statistic))
    return ops.coalesce(as_number(found), literal(0.0))
