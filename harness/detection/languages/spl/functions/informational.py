"""Eval functions that tell what a value is."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NO, YES, as_number, as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply


@FUNCTIONS.define
def isnull(context: EvalContext, value: Typed) -> Typed:
    """Whether there is no value.

        if(isnull(null()), 1, 0) -> 1
        if(isnull(""), 1, 0)     -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    return ops.is_null(value)


def has_value(value: Typed) -> Typed:
    """Whether there is a value."""
    return ops.not_(ops.is_null(value))


@FUNCTIONS.define
def isnotnull(context: EvalContext, value: Typed) -> Typed:
    """Whether there is a value.

        if(isnotnull(""), 1, 0) -> 1
        if(isnotnull(null()), 1, 0) -> 0
        if(isnotnull(split("a,b", ",")), 1, 0) -> 1

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    return has_value(value)


@FUNCTIONS.define
def isnum(context: EvalContext, value: Typed) -> Typed:
    """Whether the value is a number or text that looks like one.

        if(isnum("5"), 1, 0)   -> 1
        if(isnum("abc"), 1, 0) -> 0
        if(isnum("-1.5e3"), 1, 0) -> 1
        if(isnum(" 5"), 1, 0)  -> 0
        if(isnum(null()), 1, 0) -> 0
        if(isnum(split("1,2", ",")), 1, 0) -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    # Extracted text that looks like a number is one: CIM asks isnum(dest_port) (reference/spl.md 2.2).
    if value.kind is Kind.NUMBER:
        return has_value(value)
    return NO if value.kind is Kind.NULL else ops.is_number(as_text(value))


@FUNCTIONS.define
def isint(context: EvalContext, value: Typed) -> Typed:
    """Whether the value is a whole number.

        if(isint(5), 1, 0)     -> 1
        if(isint("5.5"), 1, 0) -> 0
        if(isint("-12"), 1, 0) -> 1
        if(isint("abc"), 1, 0) -> 0
        if(isint(null()), 1, 0) -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    if value.kind is Kind.NULL:
        return NO
    whole = ops.equal(as_number(value), ops.truncate(as_number(value)))
    return ops.is_true(whole) if whole.kind is Kind.BOOLEAN else NO


@FUNCTIONS.define
def isstr(context: EvalContext, value: Typed) -> Typed:
    """Whether the value is text that does not look like a number.

        if(isstr("abc"), 1, 0) -> 1
        if(isstr("5"), 1, 0)   -> 0
        if(isstr(null()), 1, 0) -> 0
        if(isstr(5), 1, 0)     -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    if value.kind in (Kind.NUMBER, Kind.BOOLEAN, Kind.NULL):
        return NO
    return apply(ops.and_, has_value(value), apply(ops.not_, isnum(context, value)))


@FUNCTIONS.define
def isbool(context: EvalContext, value: Typed) -> Typed:
    """Whether the value is true or false.

        if(isbool(1=1), 1, 0) -> 1
        if(isbool("true"), 1, 0) -> 0
        if(isbool(null()), 1, 0) -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    return YES if value.kind is Kind.BOOLEAN else NO


@FUNCTIONS.define
def ismv(context: EvalContext, value: Typed) -> Typed:
    """Whether there are several values.

        if(ismv(split("a,b", ",")), 1, 0) -> 1
        if(ismv("a"), 1, 0)               -> 0
        if(ismv(null()), 1, 0)            -> 0

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    if value.kind is not Kind.LIST:
        return NO
    return ops.is_true(ops.greater(ops.list_length(value), literal(1.0)))


@FUNCTIONS.define
def typeof(context: EvalContext, value: Typed) -> Typed:
    """The kind of the value in a word.

        typeof(12)    -> "Number"
        typeof("abc") -> "String"
        typeof("1.5") -> "Number"
        typeof(1==2)  -> "Bool"
        typeof(null()) -> "Invalid"
        typeof(split("a,b", ",")) -> "String"

    Reference: reference/spl.md 5.2; Splunk Search Reference, Informational functions
    """
    if value.kind is Kind.BOOLEAN:
        return literal("Bool")
    if value.kind is Kind.NULL:
        # The words of the product's own help (reference/spl.md 5.2).
        return literal("Invalid")
    word = literal("Number")
    if value.kind is not Kind.NUMBER:
        word = ops.if_(isnum(context, value), literal("Number"), literal("String"))
    return ops.if_(ops.is_null(value), literal("Invalid"), word)


@FUNCTIONS.define
def isdouble(context: EvalContext, value: Typed) -> Typed:
    """Whether the value is a number with a fraction.

        if(isdouble(3.546), 1, 0)   -> 1
        if(isdouble(1000000), 1, 0) -> 0
        if(isdouble("2.0"), 1, 0)   -> 1
        if(isdouble("abc"), 1, 0)   -> 0
        if(isdouble(null()), 1, 0)  -> 0

    Reference: Splunk Search Reference, Informational functions
    """
    if value.kind in (Kind.BOOLEAN, Kind.NULL):
        return NO
    if value.kind is Kind.NUMBER:
        return ops.is_true(ops.not_equal(value, ops.truncate(value)))
    shown = as_text(value)
    pointed = ops.regex_found(shown, literal(r"[.eE]"), literal(""))
    return ops.and_(ops.is_number(shown), ops.is_true(pointed))


def is_json(value: Typed, opening: str) -> Typed:
    """Whether text is JSON that begins with a bracket."""
    if value.kind not in (Kind.TEXT, Kind.LIST):
        return NO
    bare = ops.trim(as_text(value), literal(" \t\r\n"))
    return ops.is_true(ops.and_(ops.starts_with(bare, literal(opening)), ops.json_valid(bare)))


@FUNCTIONS.define
def isobject(context: EvalContext, value: Typed) -> Typed:
    r"""Whether the value is a JSON object.

        if(isobject("{\"a\": 1}"), 1, 0) -> 1
        if(isobject("{a: 1}"), 1, 0)     -> 0
        if(isobject("[1]"), 1, 0)        -> 0
        if(isobject(null()), 1, 0)       -> 0

    Reference: Splunk Search Reference, Informational functions
    """
    return is_json(value, "{")


@FUNCTIONS.define
def isarray(context: EvalContext, value: Typed) -> Typed:
    r"""Whether the value is a JSON array.

        if(isarray(json_array()), 1, 0)       -> 1
        if(isarray("[1, 2"), 1, 0)            -> 0
        if(isarray(split("a,b", ",")), 1, 0)  -> 0
        if(isarray(5), 1, 0)                  -> 0

    Reference: Splunk Search Reference, Informational functions
    """
    return is_json(value, "[")
