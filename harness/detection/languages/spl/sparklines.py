"""`sparkline(...)`: a small chart in a cell, as the values of a field behind a mark.

Reference: reference/spl.md 6.2; Splunk Search Manual, Add sparklines to search results
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.detection.languages.spl.aggregates import when
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.registry import AGGREGATES
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Measure, Word
from harness.detection.languages.spl.timespans import floor_to_span, seconds_of, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Window
from harness.detection.plan.operation import Typed, aggregate_call
from harness.diagnostics import SourceError, Span

SPARKLINE_MARK = "##__SPARKLINE__##"
SPARKLINE_SEPARATOR = "\x1f"
MOST_SPARKLINE_POINTS = 100
ASKED = re.compile(r"\s*(\w+)\s*(?:\(\s*([^()]*?)\s*\))?\s*(?:,\s*(\w+)\s*)?", re.S)


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
