"""Kinds of values, names of columns, literals, columns and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.diagnostics import Span
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.plan.operation import Operation


class Kind(StrEnum):
    """What a column or an expression holds; known before anything runs.

    TEXT is what a recorded field is. NUMBER is an IEEE double (times too: epoch seconds in SPL, milliseconds in CQL).
    LIST is an ordered list of text, never empty: absence is NULL. NULL is the kind of a bare null literal. EVENT is the
    number of one recorded event, EVENTS a list of such numbers: both only in the hidden column of provenance.
    """

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    NULL = "null"
    EVENT = "event"
    EVENTS = "events"


Schema = Mapping[str, Kind]
"""The columns of a relation in order; names are case-sensitive."""

ROW = "@row"
"""Hidden column with a row's place in the current order; see `plan/passes/requirements.py`."""

EVENT_COLUMN = "@event"
"""Hidden column of provenance: which recorded events contributed to a row; see `plan/passes/provenance.py`."""


def is_hidden(name: str) -> bool:
    """Whether a column is the engine's own and no field of the rule."""
    # By whole names and not by the `@`, since LogScale's own fields begin with one too.
    return name in (ROW, EVENT_COLUMN)


def merge_kinds(a: Kind, b: Kind) -> Kind:
    """The kind that holds values of both: equal kinds stay, NULL yields, LIST wins, all else becomes text."""
    if a == b or b is Kind.NULL:
        return a
    if a is Kind.NULL:
        return b
    # Only EVENT can meet it: one event is a list of one.
    if Kind.EVENTS in (a, b):
        return Kind.EVENTS
    return Kind.LIST if Kind.LIST in (a, b) else Kind.TEXT


Scalar = str | float | int | bool | None


@record
class Expression:
    """A value for each row. `span` is the place in the rule that it came from, for explanations."""


@record
class Literal(Expression):
    """The same value in every row; a tuple is a list of text."""

    value: Scalar | tuple[str, ...]
    span: Span | None = None


@record
class Column(Expression):
    """The value of one column of the row; null if the relation has no such column."""

    name: str
    span: Span | None = None


@record
class Call(Expression):
    """An operation of `plan.operations` on arguments."""

    operation: Operation
    arguments: tuple[Expression, ...]
    span: Span | None = None


@record
class LambdaParameter(Expression):
    """The current element inside a `Lambda`."""

    name: str
    kind: Kind = Kind.TEXT
    span: Span | None = None


@record
class Lambda(Expression):
    """`body` for each element of a list; the last argument of `list_filter`, `list_map` and `list_any`."""

    parameter: LambdaParameter
    body: Expression
    span: Span | None = None


@record
class Aggregation(Expression):
    """One value for all rows of a group: an aggregate operation on `arguments`.

    Only rows where `where` is true count. `first`, `last` and `list` see rows in `order`, or in the current row order
    where it is empty. Ordinary calls may surround aggregations: `if(equal(count(x), 1), 0, stdev_sample(x))`.
    """

    operation: Operation
    arguments: tuple[Expression, ...] = ()
    where: Expression | None = None
    order: tuple[SortKey, ...] = ()
    span: Span | None = None


NULL = Literal(None)
TRUE = Literal(True)
FALSE_LITERAL = Literal(False)


def build_call(operation: Operation, *arguments: Expression, span: Span | None = None) -> Call:
    """A call of an operation that is chosen at run time; one that is known is called itself."""
    return Call(operation, arguments, span)


def list_child_expressions(expression: Expression) -> tuple[Expression, ...]:
    """Arguments, body, filter and order keys of an expression, one level deep."""
    match expression:
        case Call(_, arguments):
            return arguments
        case Lambda(_, body):
            return (body,)
        case Aggregation(_, arguments, where, order):
            extra = () if where is None else (where,)
            return (*arguments, *extra, *(k.expression for k in order))
        case _:
            return ()


def walk_expressions(expression: Expression) -> Iterator[Expression]:
    """The expression and everything inside it, outermost first."""
    stack = [expression]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(list_child_expressions(current)))


def rebuild_expression(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The expression with `change` made to each part, innermost first."""
    match expression:
        case Call(operation, arguments, span):
            return change(Call(operation, tuple(rebuild_expression(a, change) for a in arguments), span))
        case Lambda(parameter, body, span):
            return change(Lambda(parameter, rebuild_expression(body, change), span))
        case Aggregation(operation, arguments, where, order, span):
            return change(
                Aggregation(
                    operation,
                    tuple(rebuild_expression(a, change) for a in arguments),
                    None if where is None else rebuild_expression(where, change),
                    tuple(replace(k, expression=rebuild_expression(k.expression, change)) for k in order),
                    span,
                )
            )
        case _:
            return change(expression)


def columns_read(expression: Expression) -> frozenset[str]:
    """Names of the columns that the expression depends on."""
    names: set[str] = set()
    seen: set[int] = set()
    stack = [expression]
    while stack:
        current = stack.pop()
        if id(current) not in seen:
            seen.add(id(current))
            if isinstance(current, Column):
                names.add(current.name)
            stack.extend(list_child_expressions(current))
    return frozenset(names)


def span_of(expression: Expression) -> Span | None:
    """The place in the rule that the expression came from, if it came from one."""
    return getattr(expression, "span", None)


@record
class SortKey:
    """One key of an order; nulls come last whichever the direction, unless `nulls_first`."""

    expression: Expression
    descending: bool = False
    nulls_first: bool = False
