"""Aggregates: one row for many, and how several of them stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.detection.language import Strictness
from harness.detection.languages.cql.arguments import bind
from harness.detection.languages.cql.evaluate import function_of
from harness.detection.languages.cql.parameters import resolve_text
from harness.detection.languages.cql.product_limits import too_many_values
from harness.detection.languages.cql.registry import FUNCTIONS, FunctionRole
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Array, Assign, FunctionCall, Pipeline, Syntax
from harness.detection.plan import expressions as plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, Literal, rebuild_expression
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Join, JoinKind, Limit, Named, Union
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError, Span


@dataclass(slots=True)
class AggregatePart:
    """One function of a list: what it is, where its value goes, what happens to events before and rows after."""

    function: Syntax
    target: str | None = None
    before: tuple[Syntax, ...] = ()
    after: tuple[Syntax, ...] = ()
    several: bool = False


def parts_of(row: RowScope, functions: Syntax, target: str | None = None) -> list[AggregatePart]:
    """The functions of an argument, one by one."""
    match functions:
        case Array(items=items):
            return [p for item in items for p in parts_of(row, item, target)]
        case Assign(target=name, value=value):
            return parts_of(row, value, resolve_text(row.meaning, name))
        case Pipeline():
            return lower_composite(row, functions, target)
        case FunctionCall(name=name, arguments=arguments) if arguments and FUNCTIONS[name].brackets:
            return parts_of(row, arguments[0].value, target)
        case FunctionCall():
            function = function_of(functions)
            if not function.aggregates:
                raise SourceError("not-an-aggregate", f"`{functions.name}` is no aggregate", functions.span)
            return [
                AggregatePart(
                    functions,
                    target,
                    several=function.role is not FunctionRole.AGGREGATE or function.gives_many_rows(functions),
                )
            ]
        case _:
            raise SourceError("not-an-aggregate", "expected an aggregate function here", functions.span)


def lower_composite(row: RowScope, pipeline: Pipeline, target: str | None) -> list[AggregatePart]:
    """A pipeline in the place of a function: filters, one aggregate, and what becomes of its row."""
    # reference/cql.md 7: `{ status=500 | count(as=errors) }` filters inside its group; a condition of the one aggregate
    # of all functions says that without another pass over the events.
    plain = row.meaning.plain
    at = next((i for i, s in enumerate(pipeline.steps) if not plain(s)), None)
    if at is None:
        raise SourceError("not-an-aggregate", "this pipeline has no aggregate", pipeline.span)
    step, before, after = pipeline.steps[at], pipeline.steps[:at], pipeline.steps[at + 1 :]
    # What can drop or reorder rows after the aggregate would do so to the rows of the other functions too.
    simple = aggregate_step(step) and all(plain(s) and isinstance(s, Assign | FunctionCall) for s in after)
    if not simple:
        return [AggregatePart(pipeline, target, several=True)]
    inside = parts_of(row, step, target)
    if any(p.several or p.before or p.after for p in inside):
        return [AggregatePart(pipeline, target, several=True)]
    made = [replace(p, before=before) for p in inside]
    if made:
        # Only once: all functions of the list are in one row by then.
        made[-1].after = after
    return made


def aggregate_step(step: Syntax) -> bool:
    """Whether a step is an aggregate, or a list of them."""
    match step:
        case Array(items=items):
            return all(aggregate_step(i) for i in items)
        case Assign(value=value):
            return aggregate_step(value)
        case FunctionCall(name=name):
            function = FUNCTIONS[name]
            plain = function.role is FunctionRole.AGGREGATE and not function.gives_many_rows(step)
            return plain or function.brackets
        case _:
            return False


def aggregate_functions(
    flow: Scope, keys: Sequence[Named], functions: Syntax, span: Span, target: str | None = None
) -> bool:
    """One row a combination of `keys`, with the values of all functions; several where a function gives several."""
    parts = parts_of(RowScope(flow), functions, target)
    several = [p for p in parts if p.several]
    # Inside a function of several rows (`groupBy(function=session(..))`) each outer group is aggregated for itself.
    own = tuple((n, Column(n)) for n in flow.partition if n not in dict(keys))
    ways = [aggregate_many_rows(flow, keys, p) for p in several]
    if len(parts) > len(several) or not several:
        base = flow.copy()
        aggregate_single_rows(base, (*own, *keys), [p for p in parts if not p.several], span)
        ways.insert(0, base)
    # reference/cql.md 7: a function without a row counts as one empty row, so no single one of them has all groups.
    elif len(several) > 1:
        ways.insert(0, union_group_keys(flow, (*own, *keys), ways, span))
    first, *others = ways
    names = tuple(n for n, _ in (*own, *keys))
    # The product gives the Cartesian product of the outputs of functions that give several rows (reference/cql.md 7).
    for other in others:
        join_on_keys(first, other, names, span)
    flow.node, flow.columns, flow.present = first.node, first.columns, first.present
    flow.events = flow.timed = False
    return bool(several)


def union_group_keys(flow: Scope, keys: Sequence[Named], ways: Sequence[Scope], span: Span) -> Scope:
    """A row for each group that has one in any of the ways: one that has none in another way counts there as empty."""
    names = tuple(n for n, _ in keys)
    whole = ways[0].copy()
    whole.become(Union(sources=tuple(w.node for w in ways), span=span), *ways[1:])
    if names:
        whole.become(Aggregate(source=whole.node, keys=tuple((n, Column(n)) for n in names), measures=(), span=span))
    else:
        # Without keys there is one group, which is there as soon as any function has a row.
        whole.become(Limit(source=whole.node, count=1, span=span))
        whole.select(())
    return whole


def aggregate_single_rows(flow: Scope, keys: Sequence[Named], parts: Sequence[AggregatePart], span: Span) -> None:
    """All functions that give one row."""
    measures: dict[str, Expression] = {}
    for part in parts:
        way = RowScope(flow).branch()
        for step in part.before:
            flow.meaning.take(way, step)
        flow.meaning.collected = []
        for name, value in measure_part(way, part):
            if name in measures:
                clash(flow, name, part.function.span)
            measures[name] = limit_to_branch(value, way)
        told_of_values(flow, keys, way)
    # `groupBy(x, function=max(x, as=x))`: a relation has no two columns of one name, so the measure is named x
    # afterwards.
    renamed = {n: flow.meaning.temporary() for n, _ in keys if n in measures}
    present = frozenset(n for n, v in keys if isinstance(v, Column) and v.name in flow.present)
    made = tuple((renamed.get(n, n), v) for n, v in measures.items())
    flow.become(Aggregate(source=flow.node, keys=tuple(keys), measures=made, span=span))
    flow.events = flow.timed = False
    flow.present = present | {n for n, v in measures.items() if is_never_null(v)}
    if renamed:
        row = RowScope(flow)
        # An aggregate that has nothing to give makes no field, so the key's own value stays.
        values = tuple((n, row.first(Column(t), Column(n))) for n, t in renamed.items())
        flow.become(Derive(source=flow.node, columns=values))
    for part in parts:
        for step in part.after:
            flow.meaning.step(flow, step)


def told_of_values(flow: Scope, keys: Sequence[Named], way: RowScope) -> None:
    """Notes the limits of values that were collected of each group."""
    for number, limit in flow.meaning.collected:
        too_many_values(flow, keys, limit_to_branch(number, way), limit)


def clash(flow: Scope, name: str, span: Span, *, certain: bool = True) -> None:
    """Notes that two functions give the same field, which the product refuses where they differ, `certain` to do so."""
    message, help = f"two functions give the field `{name}`", "name one of them with `as=`"
    # reference/cql.md 7: the same field with different values in two outputs is an error; that they differ is certain
    # for two functions of one row, and known only from the events for others.
    if certain and flow.meaning.dialect is Strictness.STRICT:
        raise SourceError("same-output", message, span, help=help)
    flow.meaning.tell("same-output", name, f"{message}; the last one counts", span, help=help)


def is_never_null(value: Expression) -> bool:
    """Whether an aggregate always has a value."""
    match value:
        case Aggregation(operation):
            return operation in (ops.count, ops.count_distinct)
        # sum() is built so: 0 where there is no number (reference/cql.md 7).
        case plan.Call(ops.coalesce, arguments):
            return isinstance(arguments[-1], Literal)
        case _:
            return False


def measure_part(row: RowScope, part: AggregatePart) -> list[tuple[str, Expression]]:
    """Names and aggregations of one function."""
    assert isinstance(part.function, FunctionCall)
    function = function_of(part.function)
    values, into = bind(function, part.function, row, assigned=part.target is not None)
    if part.target is not None and function.into is None and "as" in function.parameters:
        # `name := func(...)` is `func(..., as=name)` (reference/cql.md 3, rule 13); functions that name several fields
        # build them from `as` themselves.
        values[function.parameters["as"].attribute] = part.target
    made = function.run(row, **values)
    if isinstance(made, Expression):
        return [(part.target or into or function.into or "", made)]
    return list(made)


def limit_to_branch(value: Expression, row: RowScope) -> Expression:
    """The aggregation over those rows that the branch lets pass."""
    if not row.conditions:
        return value
    where = row.condition()

    def change(each: Expression) -> Expression:
        if not isinstance(each, Aggregation):
            return each
        both = where if each.where is None else all_of((where, each.where))
        return replace(each, where=both)

    return rebuild_expression(value, change)


def aggregate_many_rows(flow: Scope, keys: Sequence[Named], part: AggregatePart) -> Scope:
    """A function of several rows, run for each combination of keys."""
    way = flow.copy()
    derived = tuple((n, v) for n, v in keys if v != Column(n))
    if derived:
        way.become(Derive(source=way.node, columns=derived))
    way.partition = tuple(dict.fromkeys((*way.partition, *(n for n, _ in keys))))
    inside = (
        part.function
        if isinstance(part.function, Pipeline)
        else Pipeline(steps=(part.function,), span=part.function.span)
    )
    flow.meaning.run(way, inside)
    way.partition = flow.partition
    return way


def join_on_keys(flow: Scope, other: Scope, names: tuple[str, ...], span: Span) -> None:
    """Every combination of the rows of both that agree in the keys."""
    keys = tuple((sign(flow, n), sign(other, n)) for n in names)
    taken = tuple((n, Column(n)) for n in other.visible() if n not in names)
    # A join needs a key; this one is the same in all rows, which makes every combination.
    keys = keys or ((Literal(1), Literal(1)),)
    for name in sorted({n for n, _ in taken} & set(flow.visible())):
        clash(flow, name, span, certain=False)
    flow.become(Join(left=flow.node, right=other.node, kind=JoinKind.LEFT, keys=keys, columns=taken, span=span), other)


def sign(flow: Scope, name: str) -> Expression:
    """A key that agrees with itself even where it is missing."""
    # A join never finds null equal to null, but a missing key forms a group; NUL is in no text of a log.
    return ops.coalesce(RowScope(flow).text(Column(name)), Literal("\0"))


def lower_group_by(flow: Scope, names: Sequence[str], functions: Syntax, span: Span) -> bool:
    """`groupBy`: events without a key form a group or are dropped, as the switches say; whether groups can be rows."""
    row = RowScope(flow)
    keys = tuple((n, row.read(n, span)) for n in dict.fromkeys(names))
    # Keys compare as texts (reference/cql.md 7.1), and the product stores no truth values.
    keys = tuple((n, v if row.kind(v) is not Kind.BOOLEAN else row.text(v)) for n, v in keys)
    absent = [v for _, v in keys if not (isinstance(v, Column) and v.name in flow.present)]
    if absent:
        # Documented for several keys only, in one example with `<no value>` (reference/cql.md 7.1); hence two switches.
        switch = "missing-key" if len(keys) > 1 else "missing-single-key"
        if flow.meaning.switch(switch) == "drop":
            condition = all_of(tuple(ops.not_(ops.is_null(v)) for v in absent))
            flow.become(Filter(source=flow.node, condition=condition, span=span))
            flow.present |= {v.name for v in absent if isinstance(v, Column)}
    return aggregate_functions(flow, keys, functions, span)
