"""bin; the axis of a chart: its steps, and rows for the steps without any.

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from math import log as logarithm

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, parse_renames
from harness.detection.languages.spl.coercion import as_number, as_text, is_numeric_text, literal, same_kind
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, ask_rows
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.time_range import (
    absolute,
    apply_time_modifier,
    floor_to,
    floor_to_span,
    seconds_of,
    span_unit,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Frame, Named, Node, Select, Unnest, Window
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern

MOST_FILLED = 50_000.0
"""Empty steps that one gap is filled with; a longer gap stays."""

NICE = (
    (1.0, "1s"), (5.0, "5s"), (10.0, "10s"), (30.0, "30s"), (60.0, "1m"), (300.0, "5m"), (600.0, "10m"),
    (1800.0, "30m"), (3600.0, "1h"), (86400.0, "1d"), (2592000.0, "1mon"), (31536000.0, "1y"),
)  # fmt: skip
"""Spans that Splunk chooses from, in seconds and as written."""

Floor = Callable[[Typed], Typed]


def ask_extent(scope: Scope, value: Typed, span: Span) -> tuple[float, float] | None:
    """The smallest and the largest number; None if there is none, or nobody can be asked."""
    if value.kind is Kind.NULL:
        return None
    ends = (
        ("low", ops.minimum(value.expression)),
        ("high", ops.maximum(value.expression)),
    )
    rows = ask_rows(scope, Aggregate(source=scope.node, keys=(), measures=ends), 1, span)
    low, high = (rows[0].get("low"), rows[0].get("high")) if rows else (None, None)
    return (float(low), float(high)) if isinstance(low, int | float) and isinstance(high, int | float) else None


def nice_span(seconds: float, bins: int, least: float) -> str:
    """The shortest of Splunk's spans that needs no more bins and is no shorter than asked for."""
    for width, written in NICE:
        if width >= least and seconds / width <= bins:
            return written
    return NICE[-1][1]


def nice_step(extent: float, bins: int) -> float:
    """The smallest power of ten that needs no more bins."""
    step = 1.0
    while step * bins < extent:
        step *= 10.0
    return step


def fill_axis_gaps(
    scope: Scope, column: str, width: float, floor: Floor | None, zeros: Collection[str], span: Span
) -> None:
    """Adds a row for each step between two rows that are further apart: `zeros` are 0 there, other columns missing.

    Steps of a calendar are found by `floor`, those of a fixed width without. The events behind such a row are those of
    the row before it.
    """
    following, axis, place = (scope.session.fresh(n) for n in ("following", "axis", "place"))
    # Months, and days at a change of clocks, have no fixed length: steps of half a width miss none, the floor makes
    # starts of them, and repetitions are dropped.
    step = width if floor is None else width / 2.0
    own = as_number(scope.typed(column)).expression
    lead = ops.lead(own, Literal(1.0))
    node: Node = Window(source=scope.node, measures=((following, lead),), frame=Frame.RUNNING)
    # A list of one: the row itself and nothing to fill.
    alone = ops.add(own, Literal(step))
    steps = ops.divide(ops.subtract(Column(following), own), Literal(step))
    near = ops.less_equal(steps, Literal(MOST_FILLED))
    end = ops.if_(near, Column(following), alone)
    node = Derive(source=node, columns=((axis, ops.list_range(own, end, Literal(step))),))
    node = Unnest(source=node, column=axis, position=place)
    first = ops.equal(Column(place), Literal(0.0))
    moved = Typed(ops.to_number(Column(axis)), Kind.NUMBER)
    moved = floor(moved) if floor else moved
    node = Derive(source=node, columns=((axis, ops.if_(first, own, moved.expression)),))
    if floor is not None:
        node = without_repetitions(scope, node, axis, first)
    shown: list[Named] = []
    for name in scope.columns:
        empty: Expression = Literal(0.0) if name in zeros else Literal(None)
        value = Column(axis) if name == column else ops.if_(first, Column(name), empty)
        shown.append((name, value))
    scope.node = Select(source=node, columns=tuple(shown), span=span)


def without_repetitions(scope: Scope, node: Node, axis: str, first: Expression) -> Node:
    """Keeps the first of the rows that were moved to the same step."""
    before = scope.session.fresh("before")
    lag = ops.lag(Column(axis), Literal(1.0))
    numbered = Window(source=node, measures=((before, lag),), frame=Frame.RUNNING)
    other = ops.not_equal(Column(axis), Column(before))
    return Filter(source=numbered, condition=ops.or_(first, other))


def floor_to_step(value: Typed, size: float) -> Typed:
    """A number at the start of its step."""
    whole = ops.floor(ops.divide(value, literal(size)))
    return ops.multiply(whole, literal(size))


# `2log5` (reference/spl.md 6.3).
LOG_SPAN = late_pattern(r"([\d.]*)log([\d.]*)", re.I)
# The default of bin for times (reference/spl.md 6.3).
BINS = 100


@COMMANDS.define("bin", "bucket", "discretize", order="keeps", fields="keeps", raw="never")
def bin_(scope: Scope, stage: Stage) -> None:
    """Values in steps: times at the start of their span, numbers as ranges `10-20`.

    Without `span` the steps are so wide that all values need at most `bins` of them.

    Reference: Splunk Search Reference, bin; reference/spl.md 6.3
    """
    found = bind_options(stage, "span", "bins", "minspan", "start", "end", "aligntime")
    pairs = parse_renames(list(found.words))
    if len(pairs) != 1:
        raise found.error("missing-field", "`bin` needs one field")
    field, name = pairs[0]
    value = scope.typed(field.text, field.span)
    if value.kind is Kind.NULL:
        return
    word = found.word("span")
    timed = field.text == "_time"
    if word is None:
        made = bin_by_extent(scope, stage, found, as_number(value), timed)
    elif timed and "aligntime" in found.options:
        made = align_time_bins(scope, found, as_number(value), word)
    else:
        made = bin_value(scope, as_number(value), word, field.text)
    scope.derive([(name.text, keep_unbinned(scope, value, made))], stage.span)


def keep_unbinned(scope: Scope, value: Typed, made: Typed) -> Typed:
    """The steps, with values that are no numbers as they are, unless a switch takes them away."""
    if value.kind not in (Kind.TEXT, Kind.LIST) or scope.session.switch("bin_text") == "missing":
        return made
    step, own = same_kind([made, value])
    return ops.coalesce(step, own)


def bin_value(scope: Scope, value: Typed, word: Word, field: str) -> Typed:
    """The step that a value is in."""
    if field != "_time":
        if is_numeric_text(word.text) and float(word.text) > 0:
            return print_range(value, float(word.text))
        log = LOG_SPAN.fullmatch(word.text)
        if log is not None:
            return in_powers(value, float(log[1] or 1), float(log[2] or 10), word)
    span = span_unit(word.text) or ((float(word.text), "") if is_numeric_text(word.text) else None)
    if span is None or span[0] <= 0:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    return floor_to_span(scope.session, value, span)


def print_range(value: Typed, width: float) -> Typed:
    """A range `10-20` of a width."""
    size = literal(width)
    low = ops.multiply(ops.floor(ops.divide(value, size)), size)
    return ops.concat(as_text(low), literal("-"), as_text(ops.add(low, size)))


def in_powers(value: Typed, factor: float, base: float, word: Word) -> Typed:
    """A range between powers of a base, times a factor: `span=2log5` is 2-10, 10-50 and so on."""
    if base <= 1 or not 1 <= factor < base:
        message = "a logarithmic span is a factor from 1 to the base, `log`, and a base above 1"
        raise SourceError("bad-option", message, word.span, help="write `span=1log10`")
    shifted = ops.divide(ops.ln(ops.divide(value, literal(factor))), literal(logarithm(base)))
    # log(1000)/log(10) is 2.9999999999999996 as a double.
    power = ops.floor(ops.round(shifted, literal(9.0)))
    low = ops.multiply(literal(factor), ops.power(literal(base), power))
    shown = [as_text(ops.round(v, literal(9.0))) for v in (low, ops.multiply(low, literal(base)))]
    return ops.concat(shown[0], literal("-"), shown[1])


def align_time_bins(scope: Scope, found: BoundOptions, value: Typed, word: Word) -> Typed:
    """Times in spans that are counted from another moment; spans of days and longer keep to their calendar."""
    span = span_unit(word.text) or ((float(word.text), "") if is_numeric_text(word.text) else None)
    moment = found.word("aligntime")
    if span is None or span[0] <= 0 or moment is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span", word.span, help="write `span=1h`")
    # Spans of the calendar ignore `aligntime` (reference/spl.md 6.3).
    if span[1]:
        return floor_to(value, span, scope.settings.zone)
    written = {"earliest": "0", "latest": str(scope.settings.now)}.get(moment.text.lower(), moment.text)
    point = absolute(written, scope.settings)
    origin = (
        literal(point)
        if point is not None
        else apply_time_modifier(literal(scope.settings.now), written, scope.settings)
    )
    if origin is None:
        raise SourceError("bad-time", f"`{moment.text[:40]}` is no time", moment.span, help="write `@d` or an epoch")
    start = ops.floor(ops.divide(ops.subtract(value, origin), literal(span[0])))
    return ops.add(ops.multiply(start, literal(span[0])), origin)


def bin_by_extent(scope: Scope, stage: Stage, found: BoundOptions, value: Typed, timed: bool) -> Typed:
    """Steps from the extent of the values, which only the events can tell unless `start` and `end` do."""
    bins = found.number("bins", BINS)
    if bins < 2:
        raise SourceError("bad-option", "`bins` is at least 2", found.options["bins"].span)
    ends = ask_extent(scope, value, stage.span)
    given_ends = found.decimal("start", ends[0] if ends else 0.0), found.decimal("end", ends[1] if ends else 0.0)
    if ends is None and not {"start", "end"} <= set(found.options):
        if scope.settings.ask is None:
            raise scope.unsupported("`bin` without `span` and without events", stage.span, "give `span=`")
        # Without any row nothing is binned, and nothing is wrong.
        return value
    extent = max(given_ends[1] - given_ends[0], 0.0)
    if timed:
        word = found.word("minspan")
        least = seconds_of(word.text) if word is not None else 0.0
        span = span_unit(nice_span(extent, bins, least or 0.0))
        return floor_to_span(scope.session, value, span or (1.0, ""))
    return print_range(value, max(nice_step(extent, bins), found.decimal("minspan", 0.0)))
