"""The axis of a chart: how wide its steps are, and the rows for the steps that have none.

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from harness.detection.languages.spl.asking import ask_rows
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Frame, Named, Node, Select, Unnest, Window
from harness.detection.plan.operation import Typed
from harness.diagnostics import Span

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
    step = width if floor is None else width / 2.0
    own = as_number(scope.typed(column)).expression
    lead = ops.lead(own, Literal(1.0))
    node: Node = Window(source=scope.node, measures=((following, lead),), frame=Frame.RUNNING)
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
