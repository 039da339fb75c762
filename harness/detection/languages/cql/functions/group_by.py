"""Functions that order, choose and shape rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.detection.languages.cql.aggregation import aggregate_functions, lower_group_by
from harness.detection.languages.cql.arguments import MOST_PRODUCT_ROWS, GroupCount, Names, RowCount
from harness.detection.languages.cql.coercion import never_null
from harness.detection.languages.cql.lint.silent_mistakes import group_limit
from harness.detection.languages.cql.option_values import KeyTypes, Orders
from harness.detection.languages.cql.product_limits import (
    USUAL_GROUPS,
    USUAL_ROWS,
    USUAL_TOP,
    keep_usual,
    largest_groups,
    largest_keys,
)
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Argument, Array, FunctionCall, Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Sort, Union, Window
from harness.detection.plan.operations import all_of
from harness.diagnostics import Finding, Severity, SourceError, Span


def build_count_call(span: Span) -> Array:
    """`count()`."""
    return Array(items=(FunctionCall(name="count", span=span),), span=span)


@FUNCTIONS.step("groupBy", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, wildcards=True)
def group_by(flow: Scope, field: Names, function: Syntax | None = None, *, limit: GroupCount = USUAL_GROUPS) -> None:
    """One row for each combination of values of the fields.

    Of more groups than `limit` the ones with the largest numbers stay, and a warning says so, as in the product.

        createEvents(["a=1", "a=1", "a=2"]) | kvParse() | groupBy(a) | a=1 -> a=1 _count=2

    Reference: library.humio.com, groupBy()
    """
    span = find_step_span(flow)
    several = lower_group_by(flow, field, function or build_count_call(span), span)
    # The limit counts groups, not rows: with several rows a group the keys have to be counted first.
    (largest_keys if several and not flow.partition else largest_groups)(flow, field, limit)


@FUNCTIONS.step("stats", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, brackets=True)
def statistics(flow: Scope, function: Syntax | None = None) -> None:
    """One row with the values of several aggregates.

        createEvents(["a=1", "a=2"]) | kvParse() | stats([min(a), max(a)]) -> _min=1 _max=2

    Reference: library.humio.com, stats()
    """
    span = find_step_span(flow)
    aggregate_functions(flow, (), function or build_count_call(span), span)


@FUNCTIONS.remarking("groupBy")
def note_group_limit(call: FunctionCall, given: Mapping[str, Argument]) -> Iterator[Finding]:
    """The number of groups that a call without a limit gives at most."""
    if "limit" not in given:
        message = "LogScale keeps 20,000 groups at most and drops the rest with a warning"
        yield Finding(
            code="groupby-limit",
            span=call.span,
            message=message,
            help="add `limit=max`",
            severity=Severity.NOTE,
            edits=tuple(group_limit(call)),
        )


def find_step_span(flow: Scope) -> Span:
    """Where the step stands."""
    return flow.span or flow.meaning.source.whole()


def build_sort_keys(flow: Scope, fields: Sequence[str], order: Orders, type: KeyTypes) -> tuple[SortKey, ...]:
    """The keys of an order; each field has its own direction and type, the last ones given for the rest."""
    row, keys = RowScope(flow), []
    for i, name in enumerate(fields):
        # reference/cql.md 7.3: descending and numeric are the defaults; a shorter list goes on with its last entry.
        direction = order[min(i, len(order) - 1)].lower() if order else "desc"
        kind = type[min(i, len(type) - 1)].lower() if type else "number"
        keys += typed_keys(row, name, kind, not direction.startswith("asc"))
    return tuple(keys)


def typed_keys(row: RowScope, name: str, kind: str, descending: bool) -> list[SortKey]:
    """A field as a key: as number, text or hex number; what is none of these comes last, or first as a switch says."""
    text = row.text(name)
    values: tuple[Expression, ...]
    match kind:
        case "string":
            values = (text,)
        case "hex":
            values = (ops.from_base(text, Literal(16)),)
        case "any":
            values = (row.number(name), text)
        case _:
            values = (row.number(name),)
    certain = all(never_null(v, row.flow.present) for v in values)
    # Where missing keys stand is not documented (reference/cql.md 7.3); where none is missing no switch is named.
    first = not certain and row.meaning.switch("missing-sort-key") == "first"
    return [SortKey(v, descending, first) for v in values]


@FUNCTIONS.step("sort", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def sort(
    flow: Scope,
    field: Names = (),
    *,
    order: Orders = ("desc",),
    type: KeyTypes = ("number",),
    limit: RowCount = USUAL_ROWS,
    reverse: bool = False,
) -> None:
    """The rows in order of fields: by default the largest number first, and 200 of them.

        createEvents(["a=1", "a=3"]) | kvParse() | sort(a, limit=1) -> a=3
        createEvents(["a=1", "a=3"]) | kvParse() | sort(a, order=asc, limit=1) -> a=1

    Reference: library.humio.com, sort()
    """
    # Vendor examples sort `groupBy(..) | sort()` by `_count` (reference/cql.md 7.3).
    names: Sequence[str] = field or tuple(n for n in ("_count",) if n in flow.columns)
    if reverse:
        order = ("asc",)
    keys = build_sort_keys(flow, names, order, type)
    if keys:
        flow.become(Sort(source=flow.node, keys=keys, span=flow.span))
    keep_usual(flow, "sort", limit)
    flow.timed = False


@FUNCTIONS.step("head", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def head(flow: Scope, limit: RowCount = USUAL_ROWS) -> None:
    """The oldest events.

        createEvents(["a=1", "a=3"]) | kvParse() | head(1) | select([a]) -> a=1

    Reference: library.humio.com, head()
    """
    sort_by_time(flow)
    keep_usual(flow, "head", limit)


@FUNCTIONS.step("tail", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def tail(flow: Scope, limit: RowCount = USUAL_ROWS) -> None:
    """The newest events.

        createEvents(["a=1", "a=3"]) | kvParse() | tail(1) | select([a]) -> a=3

    Reference: library.humio.com, tail()
    """
    sort_by_time(flow)
    keep_usual(flow, "tail", limit, last=True)
    # Asked of the settings: a switch that is asked for is listed among what the result depends on, and rows of tail()
    # are compared in any order.
    if flow.timed and flow.meaning.settings.switches.get("tail-order") == "newest-first":
        flow.become(Sort(source=flow.node, keys=(SortKey(RowScope(flow).number("@timestamp"), True),), span=flow.span))
        flow.timed = False


def sort_by_time(flow: Scope) -> None:
    """The rows in order of time, if they have one."""
    if not flow.timed and flow.columns.get("@timestamp", Kind.NULL) is not Kind.NULL:
        keys = (SortKey(RowScope(flow).number("@timestamp")),)
        flow.become(Sort(source=flow.node, keys=keys, span=flow.span))
        flow.timed = True


@FUNCTIONS.step("table", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, wildcards=True)
def table(
    flow: Scope,
    fields: Names,
    *,
    limit: RowCount = USUAL_ROWS,
    order: Orders = ("desc",),
    reverse: bool = False,
    sortby: Names = (),
    type: KeyTypes = ("number",),
) -> None:
    """These fields, newest events first.

        createEvents(["a=1 b=2"]) | kvParse() | table([b]) -> b=2

    Reference: library.humio.com, table()
    """
    if sortby:
        keys = build_sort_keys(flow, sortby, ("asc",) if reverse else order, type)
        flow.become(Sort(source=flow.node, keys=keys, span=flow.span))
    # Without @timestamp the rows stay in their order: nearly every published query sorts before `table`.
    elif flow.columns.get("@timestamp", Kind.NULL) is not Kind.NULL:
        keys = build_sort_keys(flow, ("@timestamp",), order, ("number",))
        flow.become(Sort(source=flow.node, keys=keys, span=flow.span))
    keep_usual(flow, "table", limit)
    keep_fields(flow, fields)
    flow.timed = False


@FUNCTIONS.step("select", gathers=False, fields=FieldEffect.CLOSES, order=RowOrder.KEEPS, wildcards=True)
def select(flow: Scope, fields: Names) -> None:
    """These fields and no others.

        a := 1 | b := 2 | select([b]) -> b=2

    Reference: library.humio.com, select()
    """
    keep_fields(flow, fields)


def keep_fields(flow: Scope, fields: Names) -> None:
    """Exactly these fields in this order; `name*` means all that begin so."""
    row = RowScope(flow)
    named: dict[str, Expression] = {}
    for name in fields:
        if name.endswith("*"):
            named |= {n: Column(n) for n in flow.visible() if n.startswith(name[:-1])}
        elif name.endswith("[]"):
            named[name] = row.array(name)
        else:
            named[name] = row.read(name, find_step_span(flow))
    flow.select(named.items(), flow.span)


@FUNCTIONS.step("top", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def top(
    flow: Scope,
    field: Names,
    *,
    limit: RowCount = USUAL_TOP,
    sum: str = "",
    max: str = "",
    as_: str = "",
    percent: bool = False,
    rest: str = "",
    error: float = 5,
) -> None:
    """The most frequent combinations of fields, or those with the largest sum.

        createEvents(["a=1", "a=1", "a=2"]) | kvParse() | top(a, limit=1) -> a=1 _count=2

    Reference: library.humio.com, top()
    """
    if not field:
        place = flow.span or flow.meaning.source.whole()
        raise SourceError("missing-parameter", "`top` needs a field", place)
    row = RowScope(flow)
    there = tuple(ops.not_(ops.is_null(row.read(n))) for n in field)
    flow.become(Filter(source=flow.node, condition=all_of(there), span=flow.span))
    row = RowScope(flow)
    measure, output = top_measure(row, sum, max)
    output = as_ or output
    keys = tuple((n, row.read(n)) for n in (*flow.partition, *field))
    flow.become(Aggregate(source=flow.node, keys=keys, measures=((output, measure),), span=flow.span))
    flow.events = flow.timed = False
    if percent:
        whole = flow.meaning.temporary()
        flow.become(Window(source=flow.node, measures=((whole, ops.sum(Column(output))),)))
        share = ops.multiply(ops.divide(Column(output), Column(whole)), Literal(100))
        flow.become(Derive(source=flow.node, columns=(("percent", share),)))
    flow.become(Sort(source=flow.node, keys=(SortKey(Column(output), True),), span=flow.span))
    if rest:
        with_rest(flow, field, output, limit, rest)
    else:
        keep_usual(flow, "top", limit)


def top_measure(row: RowScope, sum: str, max: str) -> tuple[Expression, str]:
    """What `top` ranks by, and the field for it."""
    if sum:
        return ops.coalesce(ops.sum(row.number(sum)), Literal(0)), "_sum"
    if max:
        return ops.maximum(row.number(max)), "_max"
    return ops.count(), "_count"


def with_rest(flow: Scope, field: Names, output: str, limit: int, rest: str) -> None:
    """The first rows, and all others as one."""
    others = flow.copy()
    flow.become(Limit(source=flow.node, count=limit, span=flow.span))
    others.become(Limit(source=others.node, count=MOST_PRODUCT_ROWS, offset=limit))
    total = (output, ops.sum(Column(output)))
    others.become(Aggregate(source=others.node, keys=(), measures=(total,)))
    others.become(Filter(source=others.node, condition=ops.not_(ops.is_null(Column(output)))))
    # The row of the rest has its label in the first field.
    others.become(Derive(source=others.node, columns=((field[0], Literal(rest)),)))
    flow.become(Union(sources=(flow.node, others.node), span=flow.span), others)
