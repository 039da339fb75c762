# mypy: disable-error-code="empty-body"
"""Truth, choices and comparisons.

Truth has Kleene's three values: null is unknown.
"""

from __future__ import annotations

from harness.detection.plan.expressions import FALSE_LITERAL, TRUE, Call, Expression
from harness.detection.plan.operation import (
    Alike,
    Anything,
    Boolean,
    Branch,
    Operation,
    Text,
    V,
    null_operation,
    operation,
)
from harness.diagnostics import Span


@null_operation
def and_(condition: Boolean[V], *more: Boolean[V], span: Span | None = None) -> Boolean[V]:
    """Whether all are true; false if one is false, else null if one is null."""


@null_operation
def or_(condition: Boolean[V], *more: Boolean[V], span: Span | None = None) -> Boolean[V]:
    """Whether one is true; null if none is but one is null."""


@null_operation
def not_(condition: Boolean[V], *, span: Span | None = None) -> Boolean[V]:
    """The opposite; null of null."""


@null_operation
def is_null(value: Anything[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `value` is null; never null."""


# Languages whose conditions are two-valued close them with it.
@null_operation
def is_true(condition: Boolean[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `condition` is true; false of null."""


@null_operation
def if_(condition: Boolean[V], chosen: Alike[V], otherwise: Alike[V], *, span: Span | None = None) -> Alike[V]:
    """`chosen` where `condition` is true, else `otherwise`; null is not true."""


# Branches as one call: long tables as nested ifs go deeper than engines parse.
@null_operation
def case(otherwise: Alike[V], *branches: Branch[V], span: Span | None = None) -> Alike[V]:
    """The value behind the first condition that is true, pair by pair, else `otherwise`; null is not true."""


@null_operation
def coalesce(value: Alike[V], *more: Alike[V], span: Span | None = None) -> Alike[V]:
    """The first that is not null."""


@operation
def equal(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether both are the same value of one kind."""


@operation
def not_equal(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether both are different values of one kind."""


@operation
def less(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `left` < `right`: numbers as numbers, text by its bytes."""


@operation
def less_equal(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `left` <= `right`: numbers as numbers, text by its bytes."""


@operation
def greater(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `left` > `right`: numbers as numbers, text by its bytes."""


@operation
def greater_equal(left: Alike[V], right: Alike[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `left` >= `right`: numbers as numbers, text by its bytes."""


# Published lists have hundreds of members, which an engine looks up at once.
@operation
def in_(value: Alike[V], member: Alike[V], *more: Alike[V], span: Span | None = None) -> Boolean[V]:
    """Whether `value` is equal to one of the others."""


# SPL's search compares so (reference/spl.md 1.2); an engine may know a faster way than to lower both sides.
@operation
def equal_ci(left: Text[V], right: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether both are the same text but for case."""


@operation
def in_ci(text: Text[V], member: Text[V], *more: Text[V], span: Span | None = None) -> Boolean[V]:
    """Whether `text` is the same as one of the others but for case."""


@operation
def starts_with(text: Text[V], prefix: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` begins with `prefix`."""


@operation
def ends_with(text: Text[V], suffix: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` ends with `suffix`."""


@operation
def contains(text: Text[V], part: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` has `part` somewhere inside."""


@operation
def starts_with_ci(text: Text[V], prefix: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` begins with `prefix` but for case."""


@operation
def ends_with_ci(text: Text[V], suffix: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` ends with `suffix` but for case."""


@operation
def contains_ci(text: Text[V], part: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `text` has `part` somewhere inside but for case."""


# The wildcard of both products, which nothing escapes (reference/spl.md 1.2, reference/cql.md 4.2).
@operation
def glob(text: Text[V], pattern: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the whole text fits; * is any run of any characters, also of none; nothing else is special."""


@operation
def glob_ci(text: Text[V], pattern: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the whole text fits a pattern of `glob` but for case."""


@operation
def like(text: Text[V], pattern: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the whole text fits; % is any run of characters, _ any one character; there is no escape."""


@operation
def like_ci(text: Text[V], pattern: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether the whole text fits a pattern of `like` but for case."""


# One syntax: languages translate their own flavour to PCRE, and engines get what they can read of it.
@operation
def regex_found(text: Text[V], regex: Text[V], flags: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether `regex`, in PCRE's syntax, is found anywhere; `flags` are some of `imsu`."""


# False of what is no address, so that its opposite passes such rows (reference/cql.md 8).
@operation
def cidr_contains(text: Text[V], network: Text[V], *more: Text[V], span: Span | None = None) -> Boolean[V]:
    """Whether an address (v4 or v6, in any spelling) is inside one of the networks; false of other text."""


@null_operation
def is_number(text: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether it is text that `to_number` reads; never null."""


CASELESS_TESTS: dict[Operation, Operation] = {
    equal: equal_ci,
    in_: in_ci,
    starts_with: starts_with_ci,
    ends_with: ends_with_ci,
    contains: contains_ci,
    glob: glob_ci,
    like: like_ci,
}
"""Tests of text, each with the one that heeds no case."""


def choose_test(test: Operation, ignore_case: bool) -> Operation:
    """The test of text itself, or the one that heeds no case."""
    return CASELESS_TESTS[test] if ignore_case else test


def all_of(conditions: tuple[Expression, ...], span: Span | None = None) -> Expression:
    """All of them; true for none."""
    return build_chain_call(and_, conditions, TRUE, span)


def any_of(conditions: tuple[Expression, ...], span: Span | None = None) -> Expression:
    """At least one of them; false for none."""
    return build_chain_call(or_, conditions, FALSE_LITERAL, span)


def build_chain_call(
    chain: Operation, parts: tuple[Expression, ...], empty: Expression, span: Span | None
) -> Expression:
    """One call of `chain` over all parts, the only part itself, or `empty`."""
    if len(parts) == 1:
        return parts[0]
    return Call(chain, parts, span) if parts else empty
