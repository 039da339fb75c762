"""Conditions over one kind of events: each test once a distinct value, then by row what reads several columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.filters.coded_columns import CodedColumn, EventColumns, ListColumn, Mask
from harness.detection.filters.text_tests import (
    NUMBER_TESTS,
    TESTS,
    UnsupportedFilterError,
    compute_distinct,
    read_numbers,
)
from harness.detection.filters.truth import (
    Known,
    Truth,
    be_certain,
    be_null,
    combine_members,
    negate,
    read_truth,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Kind, Lambda, LambdaParameter, Literal, Schema
from harness.detection.plan.value import COMPUTATIONS

Value = CodedColumn | ListColumn | Truth | bool | str | float | None
"""What an expression is: a column of texts, numbers or lists, a truth, or the same in every row."""

LOGIC = (ops.and_, ops.or_, ops.not_, ops.is_true, ops.is_null, ops.if_, ops.list_any, ops.coalesce, ops.to_number)
EVALUATED = frozenset({*LOGIC, *TESTS, *NUMBER_TESTS, *COMPUTATIONS})
"""The operations that are evaluated here; of other arguments than these modules take they are left to the engine."""


class FilterScope:
    """The columns that expressions read: those of the events, or those that a rule makes over them."""

    def __init__(self, events: EventColumns, kinds: Schema, under: FilterScope | None = None) -> None:
        """`kinds` are those that the plan takes the stored columns for."""
        self.events, self.kinds, self.under = events, kinds, under
        self.made: Mapping[str, Expression] = {}
        self.closed = False
        self.evaluated: dict[str, Value] = {}

    def derive(self, made: Mapping[str, Expression], *, closed: bool = False) -> FilterScope:
        """A scope with more columns, or with nothing but these."""
        found = FilterScope(self.events, self.kinds, self)
        found.made, found.closed = made, closed
        return found

    def column(self, name: str) -> Value:
        """A column by its name; null where there is none."""
        if self.under is not None:
            if name in self.made:
                if name not in self.evaluated:
                    self.evaluated[name] = self.under.evaluate(self.made[name])
                return self.evaluated[name]
            return None if self.closed else self.under.column(name)
        if name not in self.kinds:
            return None
        try:
            held = self.events.column(name)
        except TypeError as error:
            raise UnsupportedFilterError(str(error)) from error
        if held is None:
            return None
        if isinstance(held, ListColumn):
            return held
        if held.codes is None:
            constant: str = held.values[0].as_py()
            return constant
        number = pa.types.is_floating(held.values.type)
        if self.kinds[name] not in ((Kind.NUMBER,) if number else (Kind.TEXT, Kind.LIST)):
            raise UnsupportedFilterError(f"{name} is a {self.kinds[name]}")
        return held

    def evaluate(self, expression: Expression) -> Value:
        """What an expression is. Raises UnsupportedFilterError for what only an engine evaluates."""
        match expression:
            case Literal(value) if value is None or isinstance(value, bool | str | float):
                return value
            case Literal(int() as value):
                return float(value)
            case Column(name):
                return self.column(name)
            case Call():
                return self.call(expression)
        raise UnsupportedFilterError("an expression of another kind")

    def call(self, expression: Call) -> Value:
        """What an operation's call is."""
        operation, arguments = expression.operation, expression.arguments
        if operation in (ops.and_, ops.or_):
            return combine_members(map(self.truth, arguments), conjunction=operation == ops.and_)
        if operation == ops.not_:
            return negate(self.truth(arguments[0]))
        if operation == ops.is_true:
            return be_certain(self.truth(arguments[0]))
        if operation == ops.is_null:
            return find_nulls(self.evaluate(arguments[0]))
        if operation == ops.if_:
            return choose_value(self.truth(arguments[0]), self.evaluate(arguments[1]), self.evaluate(arguments[2]))
        if operation == ops.list_any:
            return self.any_element(arguments[0], arguments[1])
        return self.test(expression)

    def truth(self, expression: Expression) -> Truth | Known:
        """What a condition is."""
        found = self.evaluate(expression)
        if found is None or isinstance(found, bool | Truth):
            return found
        raise UnsupportedFilterError("a value stands for a condition")

    def test(self, expression: Call) -> Value:
        """A test of a column and literals; remembered, since rules of one source ask the same."""
        first, *others = expression.arguments
        literals = [self.evaluate(o) for o in others]
        if not all(x is None or isinstance(x, bool | str | float) for x in literals):
            raise UnsupportedFilterError("columns are compared with one another")
        if not isinstance(first, Column) or self.under is not None:
            return apply_operation(expression, self.evaluate(first), literals)
        # By type too, since True is 1.0 to a mapping.
        key = (expression.operation, first.name, *((type(x), x) for x in literals))
        if key not in self.events.tested:
            self.events.tested[key] = apply_operation(expression, self.column(first.name), literals)
        found: Value = self.events.tested[key]
        return found

    def any_element(self, values: Expression, test: Expression) -> Value:
        """Whether a test is true of an element, where the kind has a single value in place of a list."""
        if not isinstance(test, Lambda):
            raise UnsupportedFilterError("a test that is no lambda")
        lists = self.evaluate(values)
        if lists is None:
            return None
        # A list of one is its value.
        element = lists.elements if isinstance(lists, ListColumn) else lists
        nulls = lists.nulls if isinstance(lists, ListColumn | CodedColumn) else None
        found = be_certain(ElementScope(self, test.parameter.name, element).truth(test.body))
        if nulls is None or (isinstance(found, Truth) and found.column is None):
            raise UnsupportedFilterError("a test that reads more than its element")
        if isinstance(found, Truth) and isinstance(lists, ListColumn):
            return close_lists(find_any(lists, found.by_row.true), nulls, None)
        true = found.true if isinstance(found, Truth) else np.full(len(nulls), found)
        return close_lists(true, nulls, lists if isinstance(lists, CodedColumn) else None)


class ElementScope(FilterScope):
    """A scope in which a lambda's parameter is the only element of a list."""

    def __init__(self, outer: FilterScope, name: str, element: Value) -> None:
        super().__init__(outer.events, outer.kinds, outer)
        self.name, self.element = name, element

    def evaluate(self, expression: Expression) -> Value:
        """What an expression is, the element included."""
        if isinstance(expression, LambdaParameter) and expression.name == self.name:
            return self.element
        return super().evaluate(expression)


def find_any(lists: ListColumn, elements: Mask) -> Mask:
    """Which lists have an element for which it is true."""
    found: Mask = np.zeros(len(lists.nulls), np.bool_)
    found[lists.parents[elements]] = True
    return found


def close_lists(true: Mask, nulls: Mask, column: CodedColumn | None) -> Truth:
    """The truth of values or rows, null where they are null."""
    return Truth(column, true & ~nulls, true | nulls)


def apply_operation(expression: Call, first: Value, literals: Sequence[Any]) -> Value:
    """An operation on a column, or on what is the same in every row, and literals."""
    operation = expression.operation
    if isinstance(first, bool | Truth | ListColumn):
        raise UnsupportedFilterError(f"{operation} of a condition")
    if operation == ops.coalesce:
        return fill_nulls(first, literals)
    if first is None or None in literals:
        if operation.takes_null or (first is not None and operation in (ops.in_, ops.in_ci)):
            raise UnsupportedFilterError(f"{operation} of null")
        return None
    constant = not isinstance(first, CodedColumn)
    column = first if isinstance(first, CodedColumn) else CodedColumn(pa.array([first]))
    made = apply_to_values(expression, column, literals)
    if constant:
        single: Value = made[0].as_py()
        return single
    return read_truth(column, made) if pa.types.is_boolean(made.type) else CodedColumn(made, column.codes)


def apply_to_values(expression: Call, column: CodedColumn, literals: Sequence[Any]) -> pa.Array:
    """An operation on distinct values."""
    operation = expression.operation
    text, texts = pa.types.is_string(column.values.type), all(isinstance(x, str) for x in literals)
    if operation in TESTS and text and texts:
        return TESTS[operation](column, *literals)
    if operation in NUMBER_TESTS and not text and len(literals) == 1 and isinstance(literals[0], float):
        return NUMBER_TESTS[operation](column.values, literals[0])
    if operation == ops.to_number and text:
        return read_numbers(column.values)
    wanted = operation.argument_kinds(1 + len(literals))
    given = (Kind.TEXT if text else Kind.NUMBER, *map(find_literal_kind, literals))
    if any(own.kind not in (kind, None) for own, kind in zip(wanted, given, strict=True)):
        raise UnsupportedFilterError(f"{operation} of other kinds")
    return compute_distinct(operation, column, literals)


def find_literal_kind(value: object) -> Kind:
    """The kind of a literal."""
    return Kind.BOOLEAN if isinstance(value, bool) else Kind.TEXT if isinstance(value, str) else Kind.NUMBER


def find_nulls(value: Value) -> Truth | Known:
    """Where a value is null."""
    if isinstance(value, CodedColumn):
        return Truth(value, value.nulls, value.nulls)
    if isinstance(value, ListColumn):
        return Truth(None, value.nulls, value.nulls)
    return be_null(value) if isinstance(value, Truth) else value is None


def fill_nulls(first: Value, literals: Sequence[Any]) -> Value:
    """The first that is not null."""
    if not isinstance(first, CodedColumn):
        return first if first is not None else next((x for x in literals if x is not None), None)
    other = next((x for x in literals if x is not None), None)
    if other is None:
        return first
    if isinstance(other, str) is not pa.types.is_string(first.values.type):
        raise UnsupportedFilterError("kinds are mixed")
    return CodedColumn(first.values.fill_null(other), first.codes)


def choose_value(condition: Truth | Known, then: Value, otherwise: Value) -> Value:
    """One of two values."""
    if not isinstance(condition, Truth):
        return then if condition is True else otherwise
    column = condition.column
    if column is None or isinstance(then, Truth) or isinstance(otherwise, Truth):
        return choose_truth(condition, then, otherwise)
    if isinstance(then, bool) or isinstance(otherwise, bool):
        return choose_truth(condition, then, otherwise)
    sides = [read_side(side, column) for side in (then, otherwise)]
    return CodedColumn(pc.if_else(pa.array(condition.true), *sides), column.codes)


def choose_truth(condition: Truth, then: Value, otherwise: Value) -> Value:
    """One of two conditions: the one where it holds, the other where it is false or null."""
    certain = be_certain(condition)
    first = combine_members([certain, read_known(then)], conjunction=True)
    second = combine_members([negate(certain), read_known(otherwise)], conjunction=True)
    return combine_members([first, second], conjunction=False)


def read_known(side: Value) -> Truth | Known:
    """A side of a choice as the condition that it is."""
    if side is None or isinstance(side, bool | Truth):
        return side
    raise UnsupportedFilterError("a choice by row")


def read_side(side: Value, column: CodedColumn) -> Any:
    """A side of a choice for each of a column's values."""
    if isinstance(side, CodedColumn | ListColumn):
        if isinstance(side, ListColumn) or side.codes is not column.codes:
            raise UnsupportedFilterError("a choice by row")
        return side.values
    return pa.scalar(side, pa.float64() if isinstance(side, float) else pa.string())
