"""Array functions: array:*, objectArray:*, reductions. One table."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.detection.languages.cql.aggregation import aggregate_functions
from harness.detection.languages.cql.arguments import Name, pipeline_of
from harness.detection.languages.cql.coercion import replace_null_by_false
from harness.detection.languages.cql.discovery import flatten_text_fields, take_out
from harness.detection.languages.cql.evaluate import lower_expression
from harness.detection.languages.cql.functions.filter import add_regex_flags
from harness.detection.languages.cql.functions.group_by import find_step_span
from harness.detection.languages.cql.option_values import RegexFlags
from harness.detection.languages.cql.regex import CqlRegex
from harness.detection.languages.cql.registry import FUNCTIONS, ArrayName, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import PART, Scope, build_json_member
from harness.detection.languages.cql.syntax import Assign, FunctionCall, Pipeline, Syntax, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    FALSE_LITERAL,
    NULL,
    Aggregation,
    Column,
    Expression,
    Kind,
    Lambda,
    LambdaParameter,
    Literal,
    SortKey,
)
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Join, JoinKind, Named, Select, Sort, Unnest, Window
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.json import print_json_path
from harness.diagnostics import SourceError

ARRAY_SORT_KINDS = {"string": "text", "number": "number"}
ARRAY_SORT_ORDERS = ("asc", "ascending", "desc", "descending")


def strip_array_marks(name: str) -> str:
    """An array's name without its brackets and back-ticks."""
    return name.replace("`", "").removesuffix("[]")


def lambda_over(row: RowScope, array: str, make: Callable[[RowScope], Expression], var: str = "") -> Lambda:
    """What `make` says of each element, which it sees as the field `var`, its members as `var.name`.

    Without `var` the element has the name of the array.
    """
    # Lambdas stand inside one another; each parameter needs a name of its own.
    row.meaning.made += 1
    element, name = LambdaParameter(f"element{row.meaning.made}"), strip_array_marks(var or array)
    # Only members that the query names: an element's keys are known only with events.
    named = row.meaning.mentioned | {f"{strip_array_marks(n)}[]" for n in row.meaning.arrays}
    inner = {n for n in named if n.startswith((f"{name}.", f"{name}["))} - {f"{strip_array_marks(array)}[]"}
    members = {n: build_element_member(element, n.removeprefix(name)) for n in sorted(inner)}
    inside = RowScope(row.flow, {**row.overlay, **members, name: element, var or array: element}, local=True)
    return Lambda(element, make(inside))


def build_element_member(element: Expression, name: str) -> Expression:
    """A member `.name` of an element, or the array `.name[]` in it."""
    if not name.endswith("[]"):
        return build_json_member(element, name.removeprefix("."))
    steps = (int(s[1:-1]) if s.startswith("[") else s for s in PART.findall(name.removesuffix("[]")))
    return ops.json_list(element, Literal(print_json_path((*steps, None))))


def elements_of(row: RowScope, array: str) -> Expression:
    """The elements of an array as a list; objects, whose members are fields `a[0].name`, as JSON."""
    found = row.array(array)
    if found != NULL:
        return found
    start = strip_array_marks(array)
    objects: list[Expression] = []
    known = (*row.flow.columns, *row.overlay)
    # A gap ends an array (reference/cql.md 9), so its objects are numbered from 0 until one is missing.
    while members := [n for n in known if n.startswith((f"{start}[{len(objects)}].", f"{start}[{len(objects)}]["))]:
        head = f"{start}[{len(objects)}]"
        inside = {n: n.removeprefix(head).removeprefix(".") for n in members}
        made: Expression = ops.json_object(*(p for n, m in inside.items() for p in (Literal(m), row.text(n))))
        # Members are found under their whole names; only an array in an object has to be one.
        if any("[" in m for m in inside.values()):
            made = ops.json_nested(made, FALSE_LITERAL)
        # Columns belong to all events; an event with fewer objects has nulls in theirs.
        there = ops.or_(*(ops.not_(ops.is_null(row.read(n))) for n in members))
        objects.append(ops.if_(there, made, NULL))
    return ops.list_(*objects) if objects else NULL


def evaluate_steps(row: RowScope, function: Syntax, output: str) -> Expression:
    """The value that the steps of a function leave in a field; an object where they leave fields `output.name`."""
    # Fields `output.name` from before are another object's, so only new values count.
    before = dict(row.overlay)
    for step in pipeline_of(row, function).steps:
        row.meaning.take(row, step)
    made = {n: v for n, v in row.overlay.items() if n.startswith(f"{output}.") and before.get(n) != v}
    if made:
        pairs = [p for n, v in made.items() for p in (Literal(n.removeprefix(f"{output}.")), row.text(v))]
        value: Expression = ops.json_object(*pairs)
    else:
        value = row.text(row.overlay.get(output, NULL))
    # A filter among the steps leaves the element out.
    return ops.if_(row.condition(), value, NULL) if row.conditions else value


def assigned_name(function: Syntax, var: str) -> str:
    """The field that a function's last step assigns, or the element itself."""
    steps = function.steps if isinstance(function, Pipeline) else (function,)
    last = steps[-1] if steps else None
    named = last.target if isinstance(last, Assign) else None
    return named.text if isinstance(named, Word) else strip_array_marks(var)


@FUNCTIONS.filter("array:contains")
def contains(row: RowScope, array: ArrayName, value: str) -> Expression:
    """Whether an element of the array is this text; `*` in it stands for anything.

        a := "x,y" | splitString(a, by=",", as=b) | array:contains("b[]", value=y) -> a=x,y

    Reference: library.humio.com, array:contains()
    """
    elements = row.array(array)
    if "*" not in value:
        return ops.list_contains(elements, Literal(value))
    test = lambda_over(row, array, lambda r: ops.glob(r.text(strip_array_marks(array)), Literal(value)))
    return ops.list_any(elements, test)


@FUNCTIONS.filter("array:regex")
def array_regex(row: RowScope, array: ArrayName, regex: CqlRegex, *, flags: RegexFlags = "") -> Expression:
    """Whether a regular expression is found in an element.

        a := "cmd,sh" | splitString(a, by=",", as=b) | array:regex("b[]", regex="^c") -> a=cmd,sh

    Reference: library.humio.com, array:regex()
    """
    pattern = add_regex_flags(regex, flags)
    return ops.list_any(
        row.array(array), lambda_over(row, array, lambda r: pattern.found(r.text(strip_array_marks(array))))
    )


def build_element_condition(row: RowScope, condition: Syntax) -> Expression:
    """Whether the element passes the steps of a condition."""
    for step in pipeline_of(row, condition).steps:
        match step:
            # As a step it would only name its value; the manual has it for a condition.
            case FunctionCall(name=name) if name.lower() == "if":
                row.require(replace_null_by_false(row.truth(lower_expression(row, step))))
            case _:
                row.meaning.take(row, step)
    return row.condition()


@FUNCTIONS.filter("array:exists")
def exists(row: RowScope, array: ArrayName, condition: Syntax, *, var: Name = "") -> Expression:
    """Whether an element meets a condition.

        a := "cmd,sh" | splitString(a, by=",", as=b) | array:exists("b[]", condition={x=s*}, var=x) -> a=cmd,sh

    Reference: library.humio.com, array:exists()
    """
    return ops.list_any(
        elements_of(row, array), lambda_over(row, array, lambda r: build_element_condition(r, condition), var)
    )


@FUNCTIONS.filter("objectArray:exists")
def object_exists(row: RowScope, array: ArrayName, condition: Syntax, *, var: Name = "") -> Expression:
    r"""Whether an object of the array meets a condition on its members `a.name`.

        j := "{\"a\": [{\"k\": \"x\"}, {\"k\": \"y\"}]}" | parseJson(j)
        | objectArray:exists("a[]", condition={a.k=y}) | z := 1 -> z=1

    Reference: library.humio.com, objectArray:exists()
    """
    return exists(row, array, condition, var=var)


@FUNCTIONS.row("objectArray:eval")
def object_eval(row: RowScope, array: ArrayName, *, asArray: ArrayName, function: Pipeline, var: Name = "") -> None:
    r"""What a function makes of each object of an array, as another array of texts or objects.

        j := "{\"a\": [{\"k\": \"x\", \"n\": 2}, {\"k\": \"y\"}]}" | parseJson(j)
        | objectArray:eval("a[]", var=x, asArray="b[]", function={b := upper(x.k)}) | z := b[1] -> z=Y
        j := "{\"a\": [{\"k\": \"x\", \"n\": 2}]}" | parseJson(j)
        | objectArray:eval("a[]", asArray="b[]", function={b.twice := a.n * 2}) | z := b[0].twice -> z=4

    Reference: library.humio.com, objectArray:eval()
    """
    mapped = lambda_over(row, array, lambda r: evaluate_steps(r, function, strip_array_marks(asArray)), var)
    set_array(row, asArray, ops.list_map(elements_of(row, array), mapped))


@FUNCTIONS.row("array:filter")
def array_filter(row: RowScope, array: ArrayName, function: Syntax, *, asArray: ArrayName = "", var: Name = "") -> None:
    """The elements that meet a condition.

        a := "cmd,sh" | splitString(a, by=",", as=b)
        | array:filter("b[]", function={x=s*}, var=x, asArray="c[]") | y := c[0] -> y=sh

    Reference: library.humio.com, array:filter()
    """
    kept = ops.list_filter(
        elements_of(row, array), lambda_over(row, array, lambda r: build_element_condition(r, function), var)
    )
    set_array(row, asArray or array, kept)


def set_array(row: RowScope, array: str, value: Expression) -> None:
    """Makes an array exactly this one."""
    name = strip_array_marks(array)
    # `a[0]` assigned before would otherwise win over the new array.
    row.forget_elements(name)
    row.put(name + "[]", value)


@FUNCTIONS.row("array:eval")
def array_eval(row: RowScope, array: ArrayName, *, function: Syntax, asArray: ArrayName = "", var: Name = "") -> None:
    """What a function makes of each element.

        a := "cmd,sh" | splitString(a, by=",", as=b) | array:eval("b[]", function={x := upper(x)}, var=x)
        | y := b[1] -> y=SH

    Reference: library.humio.com, array:eval()
    """
    output = assigned_name(function, var or array)
    mapped = lambda_over(row, array, lambda r: evaluate_steps(r, function, output), var)
    set_array(row, asArray or array, ops.list_map(elements_of(row, array), mapped))


@FUNCTIONS.row("array:append")
def array_append(row: RowScope, array: ArrayName, *, values: tuple[Expression, ...]) -> None:
    """The array with values at its end.

        a := "x,y" | splitString(a, by=",", as=b) | array:append("b[]", values=["z"]) | y := b[2] -> y=z

    Reference: library.humio.com, array:append()
    """
    if not values:
        return
    more = ops.list_(*(row.text(v) for v in values))
    before = row.array(array)
    # A list of nothing is no list to engines.
    set_array(row, array, more if before == NULL else ops.list_concat(before, more))


@FUNCTIONS.row("array:dedup")
def array_dedup(row: RowScope, array: ArrayName, *, asArray: ArrayName = "") -> None:
    """The array without repetitions.

        a := "x,x,y" | splitString(a, by=",", as=b) | array:dedup("b[]") | y := b[1] -> y=y

    Reference: library.humio.com, array:dedup()
    """
    set_array(row, asArray or array, ops.list_distinct(row.array(array)))


@FUNCTIONS.row("array:drop")
def array_drop(row: RowScope, array: ArrayName) -> None:
    """Takes an array away.

        a := "x,y" | splitString(a, by=",", as=b) | array:drop("b[]") | y := b[1] -> a=x,y

    Reference: library.humio.com, array:drop()
    """
    set_array(row, array, NULL)


@FUNCTIONS.value("array:length", into="_length")
def array_length(row: RowScope, array: ArrayName) -> Expression:
    """How many elements the array has; 0 where there is none.

        a := "x,y" | splitString(a, by=",", as=b) | array:length("b[]") -> _length=2

    Reference: library.humio.com, array:length()
    """
    # 0 also of what is no array (reference/cql.md 9).
    return ops.coalesce(ops.list_length(elements_of(row, array)), Literal(0))


@FUNCTIONS.row("array:rename")
def array_rename(row: RowScope, array: ArrayName, *, asArray: ArrayName) -> None:
    """Gives an array another name.

        a := "x,y" | splitString(a, by=",", as=b) | array:rename("b[]", asArray="c[]") | y := c[1] -> y=y

    Reference: library.humio.com, array:rename()
    """
    value = row.array(array)
    set_array(row, array, NULL)
    set_array(row, asArray, value)


@FUNCTIONS.row("array:sort")
def array_sort(
    row: RowScope, array: ArrayName, *, asArray: ArrayName = "", order: str = "asc", type: str = "string"
) -> None:
    """The elements in order: as text but for case, or numbers by their size and then other text.

        a := "y,x" | splitString(a, by=",", as=b) | array:sort("b[]") | y := b[0] -> y=x
        a := "10,9" | splitString(a, by=",", as=b) | array:sort("b[]", type=number) | y := b[0] -> y=9

    Reference: library.humio.com, array:sort()
    """
    where = row.flow.span or row.meaning.source.whole()
    if order.lower() not in ARRAY_SORT_ORDERS:
        raise SourceError("argument", f"`order` is asc or desc, not `{order[:40]}`", where)
    if type.lower() not in ARRAY_SORT_KINDS:
        raise SourceError("argument", f"`type` is {' or '.join(ARRAY_SORT_KINDS)}, not `{type[:40]}`", where)
    descending = Literal(order.lower().startswith("desc"))
    ordered = ops.list_ordered(row.array(array), Literal(ARRAY_SORT_KINDS[type.lower()]), descending)
    set_array(row, asArray or array, ordered)


@FUNCTIONS.step("split", gathers=False, fields=FieldEffect.KEEPS, order=RowOrder.KEEPS)
def split(flow: Scope, field: ArrayName = "_events", *, strip: bool = False) -> None:
    r"""One event for each element of an array, which gets the place of the array; other fields are copied.

    Members of an element that is an object are fields `array.name`, or `name` if `strip`.

        a := "x,y" | splitString(a, by=",", as=b) | split(b) | b=y -> b=y _index=1
        j := "{\"a\": [{\"k\": \"x\"}, {\"k\": \"y\"}]}" | parseJson(j) | split(a) | a.k=y -> _index=1 a.k=y
        j := "{\"a\": [{\"k\": \"x\"}]}" | parseJson(j) | split(a, strip=true) | k=x -> k=x

    Reference: library.humio.com, split()
    """
    name, row = strip_array_marks(field), RowScope(flow)
    column = flow.keep(elements_of(row, field), name)
    if flow.columns[name] is not Kind.LIST:
        return
    flow.become(Unnest(source=flow.node, column=column.name, position="_index", span=flow.span))
    more = RowScope(flow)
    for known in flow.columns:
        # The element takes the place of the array, whose other elements would stay beside it.
        if known == f"{name}[]" or re.match(rf"{re.escape(name)}\[\d+\]", known):
            more.put(known, NULL)
    # An element that is an object becomes fields, one that is a text stays: only the event knows which it is.
    flat = flatten_text_fields(more, column, "json", {})
    more.put(name, ops.if_(ops.is_null(flat), column, NULL))
    for member, value in take_out(more, flat, "" if strip else f"{name}."):
        more.assign(member, value)
    if "@id" in flow.columns:
        # Ids stay unique: `@id` gets `__0`, `__1` (reference/cql.md 9).
        more.put("@id", ops.concat(row.text("@id"), Literal("__"), more.text("_index")))
    more.flush(flow.span)


@FUNCTIONS.value("concatArray", into="_concatArray", grows=True)
def concat_array(
    row: RowScope,
    field: ArrayName,
    *,
    separator: str = "",
    prefix: str = "",
    suffix: str = "",
    from_: float = 0,
    to: float | None = None,
) -> Expression:
    """The elements in one text, up to the first gap.

        a := "x,y,z" | splitString(a, by=",", as=b) | concatArray(b, separator="-") -> _concatArray=x-y-z

    Reference: library.humio.com, concatArray()
    """
    elements = row.array(field)
    if from_ or to is not None:
        # Places are counted from 0 with the end included, SQL's from 1.
        last = -1 if to is None else int(to) + 1
        elements = ops.list_slice(elements, Literal(int(from_) + 1), Literal(last))
    joined = ops.list_join(elements, Literal(separator))
    return ops.concat(Literal(prefix), joined, Literal(suffix)) if prefix or suffix else joined


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
    # The number of the event brings its aggregate back to it.
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
    # collect keeps the order of rows, which is that of places here.
    flow.become(Sort(source=flow.node, keys=(SortKey(Column(at)),)))
    row, made, start = RowScope(flow), outputs(flow), strip_array_marks(as_)
    names = {n: f"{start}[]" if len(made) == 1 else f"{start}.{n}[]" for n in made}
    # A place without a value must not move the later ones up.
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
    # What is no array has no elements to agree in; it would empty the intersection.
    flow.require(ops.not_(ops.is_null(Column(element))), span)
    partition: tuple[Expression, ...] = tuple(Column(n) for n in flow.partition)
    # An element is in every array if as many events have it as there are.
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
