"""`window`: aggregates over the last stretches of time of a chart."""

from __future__ import annotations

from harness.detection.languages.cql.binding import bind, parse_milliseconds
from harness.detection.languages.cql.evaluate import function_of
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.gathering import aggregate_functions, join_on_keys
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.syntax import Array, FunctionCall, Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Derive, Filter, Named, Unnest, Window
from harness.diagnostics import SourceError, Span

MOST_WINDOW_BUCKETS = 1_500


@FUNCTIONS.step("window", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def window(flow: Scope, function: Syntax | None = None, *, buckets: float = 0, span: str = "") -> None:
    """Aggregates over the last stretches of time, inside `bucket` or `timeChart`.

    Reference: library.humio.com, window()
    """
    place = flow.span or flow.meaning.source.whole()
    raise SourceError("misplaced", "`window` stands in `bucket` and `timeChart` only", place)


def split_window_functions(functions: Syntax) -> tuple[Array, list[FunctionCall]]:
    """The functions of a chart, those over several of its stretches apart."""
    items = functions.items if isinstance(functions, Array) else (functions,)
    moving = [i for i in items if isinstance(i, FunctionCall) and i.name == "window"]
    plain = tuple(i for i in items if i not in moving)
    return Array(items=plain, span=functions.span), moving


def join_window_values(
    whole: Scope, events: Scope, keys: tuple[Named, ...], part: FunctionCall, size: Expression
) -> None:
    """Puts the values of one `window` beside those of a chart; stretches before the first full one have none."""
    values, _ = bind(function_of(part), part, RowScope(events))
    inner = values.get("function") or FunctionCall(name="count", span=part.span)
    count = count_window_buckets(values, size, part.span)
    way = events.copy()
    repeat_in_windows(way, count, size)
    shifted = tuple((n, Column("_bucket") if n == "_bucket" else v) for n, v in keys)
    aggregate_functions(way, shifted, inner, part.span)
    first = whole.meaning.temporary()
    before = whole.copy()
    before.become(Window(source=before.node, measures=((first, ops.minimum(Column("_bucket"))),)))
    whole.node, whole.columns = before.node, before.columns
    join_on_keys(whole, way, tuple(n for n, _ in keys), part.span)
    least = ops.add(Column(first), ops.multiply(Literal(count - 1), size))
    certain = tuple((n, ops.coalesce(Column(n), Literal(0))) for n in zeroes(whole, way, keys))
    if certain:
        whole.derive(certain, part.span)
    whole.become(Filter(source=whole.node, condition=ops.greater_equal(Column("_bucket"), least), span=part.span))


def zeroes(whole: Scope, way: Scope, keys: tuple[Named, ...]) -> list[str]:
    """Numbers that are 0 where no event is in reach."""
    names = way.present - {n for n, _ in keys}
    return sorted(n for n in names if whole.columns.get(n) is Kind.NUMBER)


def count_window_buckets(values: dict[str, object], size: Expression, span: Span) -> int:
    """Over how many stretches of time a `window` reaches."""
    if values.get("buckets"):
        count = int(float(str(values["buckets"])))
    elif values.get("span") == "*":
        count = 1
    elif values.get("span") and isinstance(size, Literal):
        count = round(parse_milliseconds(str(values["span"]), span) / float(str(size.value)))
    else:
        raise SourceError("missing-parameter", "`window` needs `buckets`, or `span` in a chart of a fixed span", span)
    if not 1 <= count <= MOST_WINDOW_BUCKETS:
        raise SourceError("argument", f"`window` reaches over 1 to {MOST_WINDOW_BUCKETS} stretches of time", span)
    return count


def repeat_in_windows(flow: Scope, count: int, size: Expression) -> None:
    """Each event once for every stretch of time whose window it is in."""
    later = flow.meaning.temporary()
    last = ops.add(Column("_bucket"), ops.multiply(Literal(count), size))
    starts = ops.list_range(Column("_bucket"), last, size)
    flow.become(Derive(source=flow.node, columns=((later, starts),)))
    flow.become(Unnest(source=flow.node, column=later))
    flow.become(Derive(source=flow.node, columns=(("_bucket", ops.to_number(Column(later))),)))
