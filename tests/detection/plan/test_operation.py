"""Operations of the plan as they are declared: called with expressions or typed values, spelled as they say."""

import copy
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from inspect import signature

import pytest

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Call, Column, Kind, Literal
from harness.detection.plan.operation import TYPED_NULL, Typed, aggregate_call, apply
from harness.detection.plan.operations import PLAN_OPERATIONS
from harness.detection.plan.value import COMPUTATIONS
from harness.diagnostics import Source

A, B, N = Column("a"), Column("b"), Literal(1)
TEXT_A, TEXT_B = Typed(A, Kind.TEXT), Typed(B, Kind.TEXT)
NUMBER_OF_ARGUMENTS = range(16)


def takes(operation, count):
    try:
        operation.argument_kinds(count)
    except TypeError:
        return False
    return True


def test_expressions_are_given_by_place_or_by_name():
    place = Source("rule.spl", "x").whole()
    assert ops.replace_text(A, B, N) == Call(ops.replace_text, (A, B, N))
    assert ops.replace_text(A, new=N, old=B, span=place) == Call(ops.replace_text, (A, B, N), place)
    assert ops.sum(number=A, where=B) == Aggregation(ops.sum, (A,), B)
    assert ops.count() == Aggregation(ops.count)


@pytest.mark.parametrize("named", [{"suffix": B}, {"prefix": B, "more": N}, {"text": A, "prefix": B}])
def test_a_name_that_is_none_of_the_parameters_left_is_refused(named):
    with pytest.raises(TypeError, match="`starts_with` has no place for"):
        ops.starts_with(A, **named)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (ops.length(TEXT_A), Kind.NUMBER),
        (ops.starts_with_ci(TEXT_A, prefix=TEXT_B), Kind.BOOLEAN),
        (ops.if_(Typed(A, Kind.BOOLEAN), Typed(B, Kind.NUMBER), TYPED_NULL), Kind.NUMBER),
        (ops.if_(Typed(A, Kind.BOOLEAN), TEXT_A, Typed(N, Kind.NUMBER)), Kind.TEXT),
        (ops.case(Typed(A, Kind.LIST), Typed(B, Kind.BOOLEAN), TYPED_NULL), Kind.LIST),
        (ops.coalesce(TEXT_A, Typed(B, Kind.LIST)), Kind.LIST),
        (ops.first(Typed(A, Kind.NUMBER)), Kind.NUMBER),
        (ops.values(Typed(A, Kind.NUMBER), where=B), Kind.LIST),
        (aggregate_call(ops.count), Kind.NUMBER),
        (apply(ops.json_object), Kind.TEXT),
    ],
    ids=lambda v: str(v.expression.operation) if isinstance(v, Typed) else v,
)
def test_typed_values_give_a_typed_value_of_the_declared_kind(value, kind):
    assert isinstance(value, Typed)
    assert value.kind is kind


def test_only_an_operation_that_looks_at_nulls_is_called_with_a_null_literal():
    assert ops.length(TYPED_NULL) is TYPED_NULL
    assert ops.is_null(TYPED_NULL) == Typed(Call(ops.is_null, (Literal(None),)), Kind.BOOLEAN)


@pytest.mark.parametrize(
    ("operation", "counts"),
    [
        (ops.starts_with, {2}),
        (ops.list_statistic, {2, 3}),
        (ops.count, {0, 1}),
        (ops.concat, set(NUMBER_OF_ARGUMENTS) - {0}),
        (ops.case, set(NUMBER_OF_ARGUMENTS[1::2])),
        (ops.json_object, set(NUMBER_OF_ARGUMENTS[::2])),
        (ops.session_of, set(NUMBER_OF_ARGUMENTS[9:])),
    ],
)
def test_an_operation_takes_as_many_arguments_as_it_declares(operation, counts):
    assert {n for n in NUMBER_OF_ARGUMENTS if takes(operation, n)} == counts


def test_an_operation_stays_itself_in_copies_and_in_other_processes():
    made = ops.if_(A, ops.list_(B), N)
    assert copy.deepcopy(made) == made
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(copy.copy, made).result() == made


@pytest.mark.parametrize("operation", PLAN_OPERATIONS.values(), ids=str)
def test_every_operation_says_what_it_means_and_stands_under_its_name(operation):
    assert operation.__doc__.strip().endswith(".")
    assert getattr(ops, operation.__name__) is operation
    assert operation.name == operation.__name__.rstrip("_")


@pytest.mark.parametrize("name", ["duckdb", "spark"])
def test_a_spelling_takes_the_arguments_of_its_operation(name):
    import_module("harness.detection.dialects.spark")
    dialect = getattr(import_module(f"harness.detection.engines.{name}.dialect"), name.upper())
    for operation in PLAN_OPERATIONS.values():
        if operation in dialect.spellings:
            kinds = {"kinds": ()} if operation in dialect.with_kinds else {}
            around = [None] if operation.aggregate or operation.window else []
            for count in filter(lambda n: takes(operation, n), NUMBER_OF_ARGUMENTS):
                signature(dialect.spellings[operation]).bind(*around, *range(count), **kinds)


def test_a_computation_takes_the_arguments_of_its_operation():
    for operation, function in COMPUTATIONS.items():
        for count in filter(lambda n: takes(operation, n), NUMBER_OF_ARGUMENTS):
            signature(function).bind(*range(count))
