"""`window`: aggregates over the last stretches of time of a chart."""

from __future__ import annotations

from harness.detection.languages.cql.binding import bind, milliseconds
from harness.detection.languages.cql.evaluate import function_of
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.gathering import beside, stats
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Array, Call, Syntax
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Column, Expression, Literal, call
from harness.detection.plan.nodes import Derive, Filter, Named, Unnest, Window
from harness.diagnostics import SourceError, Span

MOST = 1_500


@FUNCTIONS.step("window", gathers=True)
def window(flow: Flow, function: Syntax | None = None, *, buckets: float = 0, span: str = "") -> None:
    """Aggregates over the last stretches of time, inside `bucket` or `timeChart`.

    Reference: library.humio.com, window()
    """
    place = flow.span or flow.meaning.source.whole()
    raise SourceError("misplaced", "`window` stands in `bucket` and `timeChart` only", place)


def parted(functions: Syntax) -> tuple[Array, list[Call]]:
    """The functions of a chart, those over several of its stretches apart."""
    items = functions.items if isinstance(functions, Array) else (functions,)
    moving = [i for i in items if isinstance(i, Call) and i.name == "window"]
    plain = tuple(i for i in items if i not in moving)
    return Array(items=plain, span=functions.span), moving


def moved(whole: Flow, events: Flow, keys: tuple[Named, ...], part: Call, size: Expression) -> None:
    """Puts the values of one `window` beside those of a chart; stretches before the first full one have none."""
    values, _ = bind(function_of(part), part, Row(events))
    inner = values.get("function") or Call(name="count", span=part.span)
    count = stretches(values, size, part.span)
    way = events.copy()
    spread(way, count, size)
    shifted = tuple((n, Column("_bucket") if n == "_bucket" else v) for n, v in keys)
    stats(way, shifted, inner, part.span)
    first = whole.meaning.temporary()
    before = whole.copy()
    before.become(Window(source=before.node, measures=((first, Aggregation("minimum", (Column("_bucket"),))),)))
    whole.node, whole.columns = before.node, before.columns
    beside(whole, way, tuple(n for n, _ in keys), part.span)
    least = call("add", Column(first), call("multiply", Literal(count - 1), size))
    certain = tuple((n, call("coalesce", Column(n), Literal(0))) for n in zeroes(whole, way, keys))
    if certain:
        whole.derive(certain, part.span)
    whole.become(Filter(source=whole.node, condition=call("greater_equal", Column("_bucket"), least), span=part.span))


def zeroes(whole: Flow, way: Flow, keys: tuple[Named, ...]) -> list[str]:
    """Numbers that are 0 where no event is in reach."""
    names = way.present - {n for n, _ in keys}
    return sorted(n for n in names if whole.columns.get(n) is Kind.NUMBER)


def stretches(values: dict[str, object], size: Expression, span: Span) -> int:
    """Over how many stretches of time a `window` reaches."""
    if values.get("buckets"):
        count = int(float(str(values["buckets"])))
    elif values.get("span") == "*":
        count = 1
    elif values.get("span") and isinstance(size, Literal):
        count = round(milliseconds(str(values["span"]), span) / float(str(size.value)))
    else:
        raise SourceError("missing-parameter", "`window` needs `buckets`, or `span` in a chart of a fixed span", span)
    if not 1 <= count <= MOST:
        raise SourceError("argument", f"`window` reaches over 1 to {MOST} stretches of time", span)
    return count


def spread(flow: Flow, count: int, size: Expression) -> None:
    """Each event once for every stretch of time whose window it is in."""
    later = flow.meaning.temporary()
    last = call("add", Column("_bucket"), call("multiply", Literal(count), size))
    starts = call("list_range", Column("_bucket"), last, size)
    flow.become(Derive(source=flow.node, columns=((later, starts),)))
    flow.become(Unnest(source=flow.node, column=later))
    flow.become(Derive(source=flow.node, columns=(("_bucket", call("to_number", Column(later))),)))
