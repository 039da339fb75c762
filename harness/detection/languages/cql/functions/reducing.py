"""Functions that make one value or one array of many elements."""

from __future__ import annotations

from harness.detection.languages.cql.binding import Name
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.functions.arrays import strip_array_marks
from harness.detection.languages.cql.functions.rows import find_step_span
from harness.detection.languages.cql.gathering import aggregate_functions
from harness.detection.languages.cql.registry import FUNCTIONS, ArrayName, FieldEffect, RowOrder
from harness.detection.languages.cql.syntax import Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Aggregation, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Join, JoinKind, Named, Select, Sort, Unnest, Window
from harness.detection.plan.operation import Operation
from harness.diagnostics import SourceError


def expand_array(flow: Scope, array: str, name: str, position: str | None = None) -> None:
    """A row for each element of an array, which gets this name."""
    flow.keep(RowScope(flow).array(array), name)
    if flow.columns[name] is Kind.LIST:
        flow.become(Unnest(source=flow.node, column=name, position=position, span=flow.span))
    else:
        flow.require(Literal(False), flow.span)
        if position:
            flow.keep(Literal(0), position)


def outputs(flow: Scope, *known: str) -> list[str]:
    """The fields that an aggregate has made."""
    return [n for n in flow.visible() if n not in (*known, *flow.partition)]


@FUNCTIONS.step("array:reduceAll", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def reduce_all(flow: Scope, array: ArrayName, *, function: Syntax, var: Name) -> None:
    """Aggregates of all elements of all events.

        a := "x,y,x" | splitString(a, by=",", as=b)
        | array:reduceAll("b[]", var=x, function=count(x, distinct=true)) -> _count=2

    Reference: library.humio.com, array:reduceAll()
    """
    span = find_step_span(flow)
    expand_array(flow, array, strip_array_marks(var))
    aggregate_functions(flow, (), function, span)


@FUNCTIONS.step("array:reduceRow", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS)
def reduce_row(flow: Scope, array: ArrayName, *, function: Syntax, var: Name, as_: Name = "_reduceRow") -> None:
    """An aggregate of the elements of each event's own array.

        a := "3,9,6" | splitString(a, by=",", as=b)
        | array:reduceRow("b[]", var=x, function={max(x)}) -> a=3,9,6 _reduceRow=9

    Reference: library.humio.com, array:reduceRow()
    """
    span, mark, temporary = find_step_span(flow), flow.meaning.temporary(), flow.meaning.temporary()
    flow.become(Window(source=flow.node, measures=((mark, ops.row_number()),)))
    each = flow.copy()
    expand_array(each, array, strip_array_marks(var))
    aggregate_functions(each, ((mark, Column(mark)),), function, span)
    made = outputs(each)
    if len(made) != 1:
        raise SourceError("argument", "`array:reduceRow` takes a function that gives one field", span)
    each.become(Select(source=each.node, columns=((temporary, Column(made[0])), (mark, Column(mark)))))
    keys = ((Column(mark), Column(mark)),)
    taken = ((temporary, Column(temporary)),)
    flow.become(Join(left=flow.node, right=each.node, kind=JoinKind.LEFT, keys=keys, columns=taken, most=1), each)
    row = RowScope(flow)
    row.assign(as_, Column(temporary))
    row.flush(span)


@FUNCTIONS.step("array:reduceColumn", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def reduce_column(flow: Scope, array: ArrayName, *, function: Syntax, var: Name, as_: Name = "_reduceColumn") -> None:
    """An array with an aggregate of the elements at each place over all events.

    Of several functions each has an array of its own, `as.field[]`.

        createEvents(["3,9", "5,1"]) | splitString(by=",", as=b)
        | array:reduceColumn("b[]", var=x, function=max(x)) | y := _reduceColumn[1] -> y=9

    Reference: library.humio.com, array:reduceColumn()
    """
    span, at = find_step_span(flow), flow.meaning.temporary()
    expand_array(flow, array, strip_array_marks(var), at)
    aggregate_functions(flow, ((at, Column(at)),), function, span)
    flow.become(Sort(source=flow.node, keys=(SortKey(Column(at)),)))
    row, made, start = RowScope(flow), outputs(flow), strip_array_marks(as_)
    names = {n: f"{start}[]" if len(made) == 1 else f"{start}.{n}[]" for n in made}
    measures = tuple((names[n], ops.collect(ops.coalesce(row.text(n), Literal("")))) for n in made)
    keys: tuple[Named, ...] = tuple((n, Column(n)) for n in flow.partition)
    flow.become(Aggregate(source=flow.node, keys=keys, measures=measures, span=span))
    flow.events = flow.timed = False


def aggregate_array_elements(operation: Operation, row: RowScope, array: str) -> Aggregation:
    """Distinct elements over all events."""
    return Aggregation(operation, (row.array(array),))


@FUNCTIONS.aggregate("array:union")
def array_union(row: RowScope, array: ArrayName, *, as_: Name = "_union") -> list[Named]:
    """The distinct elements of all events' arrays.

        a := "x,y,x" | splitString(a, by=",", as=b) | array:union("b[]") | y := _union[1] -> y=y

    Reference: library.humio.com, array:union()
    """
    return [(f"{strip_array_marks(as_)}[]", aggregate_array_elements(ops.values, row, array))]


@FUNCTIONS.step("array:intersection", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def array_intersection(flow: Scope, array: ArrayName, *, as_: Name = "_intersection") -> None:
    """The elements that every event's array has; events with an empty array or none are left out.

        createEvents(["x,y", "y,z"]) | splitString(by=",", as=b) | array:intersection("b[]")
        | y := _intersection[0] -> y=y

    Reference: library.humio.com, array:intersection()
    """
    span, element, size, own = find_step_span(flow), *(flow.meaning.temporary() for _ in range(3))
    value = RowScope(flow).array(array)
    distinct: Expression = ops.list_distinct(value) if value != NULL else NULL
    flow.become(Derive(source=flow.node, columns=((element, distinct),)))
    flow.require(ops.not_(ops.is_null(Column(element))), span)
    partition: tuple[Expression, ...] = tuple(Column(n) for n in flow.partition)
    whole = ((size, ops.count()),)
    flow.become(Window(source=flow.node, partition=partition, measures=whole))
    if flow.columns[element] is Kind.LIST:
        flow.become(Unnest(source=flow.node, column=element, span=flow.span))
    keys: tuple[Named, ...] = tuple((n, Column(n)) for n in flow.partition)
    counted: tuple[Named, ...] = ((own, ops.count()), (size, ops.maximum(Column(size))))
    flow.become(Aggregate(source=flow.node, keys=(*keys, (element, Column(element))), measures=counted, span=span))
    flow.become(Filter(source=flow.node, condition=ops.equal(Column(own), Column(size)), span=span))
    gathered = ((f"{strip_array_marks(as_)}[]", ops.values(RowScope(flow).text(element))),)
    flow.become(Aggregate(source=flow.node, keys=keys, measures=gathered, span=span))
    flow.require(ops.not_(ops.is_null(Column(f"{strip_array_marks(as_)}[]"))), None)
    flow.events = flow.timed = False
