"""Eval functions that turn one kind of value into another."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_multivalue, as_number, as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.functions.informational import is_json
from harness.detection.languages.spl.functions.json import mv_to_json_array
from harness.detection.languages.spl.functions.mathematical import natural
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, span_of
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.value import COMPUTATIONS as COMPUTED
from harness.diagnostics import SourceError

IPV4_PARTS = r"^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$"


@FUNCTIONS.define
def tonumber(context: EvalContext, value: Typed, base: Typed | None = None) -> Typed:
    """The number that a text spells in a base; null of other text, an error where the text stands in the rule.

        tonumber("5.0")               -> 5
        tonumber("0A4", 16)           -> 164
        tonumber("0101", 2)           -> 5
        tonumber(" " . "5")           -> null
        tonumber(null())              -> null
        tonumber(split("1,2", ","))   -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    given = value.constant
    radix = 10.0 if base is None else base.constant
    if isinstance(given, str) and isinstance(radix, float):
        found = as_number(value).constant if base is None else COMPUTED[ops.from_base](given, radix)
        # A literal that cannot be parsed is an error, a field's value null (reference/spl.md 5.2).
        if found is None:
            span = span_of(value.expression) or context.scope.session.text.source.whole()
            message = f"`{given[:40]}` is no number of base {radix:g}"
            raise SourceError("bad-argument", message, span, help="Splunk refuses the whole search")
    if base is not None:
        return ops.from_base(as_text(value), as_number(base))
    return as_number(value)


@FUNCTIONS.define
def tostring(context: EvalContext, value: Typed, form: Typed | None = None) -> Typed:
    """The value as text, a number as `hex`, `commas`, `duration` or `binary`.

        tostring(15, "hex")           -> "0xF"
        tostring(9, "binary")         -> "1001"
        tostring(12345.6789, "commas") -> "12,345.68"
        tostring(-1234567, "commas")  -> "-1,234,567"
        tostring(615, "duration")     -> "00:10:15"
        tostring(90061.5, "duration") -> "1+01:01:01.500000"
        tostring(-90, "duration")     -> "-00:01:30"
        tostring("abc", "hex")        -> null
        tostring(-1, "binary")        -> null
        tostring(1==1)                -> "True"
        tostring(null())              -> "Null"

    Reference: Splunk Search Reference, Conversion functions
    """
    if form is None:
        missing = context.scope.session.switch("tostring_null") == "missing"
        found = as_text(value)
        if missing or (value.kind is Kind.NUMBER and value.constant is not None):
            return found
        if value.kind is Kind.NULL:
            # tostring() of null is a word, in Splunk's own dashboards at least (reference/spl.md 5.2); hence the
            # switch.
            return literal("Null")
        absent = ops.is_null(value)
        return ops.if_(absent, literal("Null"), found)
    amount = as_number(value)
    known = {"hex": format_base16, "binary": format_base2, "commas": commas, "duration": format_signed_duration}
    if isinstance(form.constant, str) and form.constant.lower() in known:
        return known[form.constant.lower()](amount)
    span = span_of(form.expression) or context.scope.session.text.source.whole()
    raise SourceError("bad-argument", "the form is one of hex, commas, duration, binary", span)


def format_base16(amount: Typed) -> Typed:
    """In upper-case digits of base 16."""
    return ops.concat(literal("0x"), ops.upper(ops.to_base(natural(amount), literal(16.0))))


def format_base2(amount: Typed) -> Typed:
    """In digits of base 2."""
    return ops.to_base(natural(amount), literal(2.0))


def commas(amount: Typed) -> Typed:
    """With thousands separators and at most two decimals."""
    # `commas` rounds to two decimals at most (reference/spl.md 5.2).
    short = ops.round(amount, literal(2.0))
    whole = ops.equal(short, ops.truncate(short))
    return ops.if_(whole, ops.group_digits(short, literal(0.0)), ops.group_digits(short, literal(2.0)))


def format_signed_duration(amount: Typed) -> Typed:
    """Days, hours, minutes and seconds of a number of seconds, with microseconds if it has a fraction."""
    below = ops.less(amount, literal(0.0))
    return ops.concat(ops.if_(below, literal("-"), literal("")), format_positive_duration(ops.abs(amount)))


def format_positive_duration(amount: Typed) -> Typed:
    """The same of a number that is not negative."""

    def part(divisor: float, modulus: float) -> Typed:
        units = ops.floor(ops.divide(amount, literal(divisor)))
        return ops.format_number(ops.modulo(units, literal(modulus)), literal("%02d"))

    time = ops.concat(part(3600.0, 24.0), literal(":"), part(60.0, 60.0), literal(":"), part(1.0, 60.0))
    fraction = ops.subtract(amount, ops.floor(amount))
    # `.ffffff` (reference/spl.md 5.2); rounded, since fractions of seconds are no doubles.
    micros = ops.floor(ops.add(ops.multiply(fraction, literal(1e6)), literal(0.5)))
    shown = ops.concat(literal("."), ops.format_number(micros, literal("%06d")))
    time = ops.concat(time, ops.if_(ops.equal(fraction, literal(0.0)), literal(""), shown))
    days = ops.floor(ops.divide(amount, literal(86400.0)))
    # `D+HH:MM:SS` (reference/spl.md 5.2).
    long = ops.concat(as_text(days), literal("+"), time)
    return ops.if_(ops.greater_equal(amount, literal(86400.0)), long, time)


@FUNCTIONS.define
def toint(context: EvalContext, value: Typed, base: Typed | None = None) -> Typed:
    """The next whole number below; null of other text.

        toint("24")     -> 24
        toint(3.14)     -> 3
        toint("ff", 16) -> 255
        toint(null())   -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    return apply(ops.floor, tonumber(context, value, base))


@FUNCTIONS.define
def todouble(context: EvalContext, value: Typed, base: Typed | None = None) -> Typed:
    """The number that a text spells.

        todouble("5.25")   -> 5.25
        todouble("11", 2)  -> 3
        todouble(null())   -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    found: Typed = tonumber(context, value, base)
    return found


@FUNCTIONS.define
def tobool(context: EvalContext, value: Typed) -> Typed:
    """Whether a text says true, or a number is not 0; null of other text.

        if(tobool("true"), 1, 0)           -> 1
        if(tobool("False"), 1, 0)          -> 0
        if(tobool(12), 1, 0)               -> 1
        if(isnull(tobool("abc")), 1, 0)    -> 1

    Reference: Splunk Search Reference, Conversion functions
    """
    if value.kind is Kind.BOOLEAN:
        return value
    if value.kind is Kind.NULL:
        return Typed(TYPED_NULL.expression, Kind.BOOLEAN)
    amount = as_number(value)
    there = ops.not_equal(amount, literal(0.0)) if amount.kind is Kind.NUMBER else literal(False)
    if value.kind is Kind.NUMBER:
        return there
    word = ops.lower(as_text(value))
    known = ops.or_(ops.in_(word, literal("true"), literal("false")), ops.is_number(word))
    said = ops.or_(ops.equal(word, literal("true")), ops.is_true(there))
    return ops.if_(known, said, Typed(TYPED_NULL.expression, Kind.BOOLEAN))


@FUNCTIONS.define
def tomv(context: EvalContext, value: Typed) -> Typed:
    r"""Several values as they are, or those of a JSON array with their quotes; null of other text.

        mvjoin(tomv(json_array("a", 5)), ";")  -> "\"a\";5"
        mvjoin(tomv(split("a,b", ",")), ";")   -> "a;b"
        tomv("a")                              -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    elements = ops.json_elements(as_text(value))
    if value.kind is not Kind.LIST:
        return elements
    several = ops.greater(ops.list_length(value), literal(1.0))
    return ops.if_(several, value, elements)


@FUNCTIONS.define
def toarray(context: EvalContext, value: Typed) -> Typed:
    r"""Several values as a JSON array whose elements have their kinds, or the array that a text spells.

        toarray(split("1, 2, 3", ","))          -> "[1,2,3]"
        toarray("[\"carrots\", 1.00, 1.75]")    -> "[\"carrots\",1,1.75]"
        toarray("somefield")                    -> null
        toarray(null())                         -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    one = ops.if_(is_json(value, "["), ops.json_value(as_text(value)), Typed(TYPED_NULL.expression, Kind.TEXT))
    if value.kind is not Kind.LIST:
        return one
    several = ops.greater(ops.list_length(value), literal(1.0))
    return apply(ops.if_, several, mv_to_json_array(context, as_multivalue(value), literal(True)), one)


@FUNCTIONS.define
def toobject(context: EvalContext, value: Typed) -> Typed:
    r"""The JSON object that a text spells; null of anything else.

        toobject("{\"a\": \"x\", \"n\": 25}") -> "{\"a\":\"x\",\"n\":25}"
        toobject("[1]")                       -> null
        toobject(null())                      -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    return ops.if_(is_json(value, "{"), ops.json_value(as_text(value)), Typed(TYPED_NULL.expression, Kind.TEXT))


@FUNCTIONS.define
def ipmask(context: EvalContext, mask: Typed, address: Typed) -> Typed:
    """An IPv4 address of which only the bits of a mask are left.

        ipmask("255.255.255.0", "10.20.30.120") -> "10.20.30.0"
        ipmask("0.255.0.224", "10.20.30.120")   -> "0.20.0.96"
        ipmask("255.0.0.0", "10.20.30.256")     -> null
        ipmask("255.0.0.0", null())             -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    if Kind.NULL in (mask.kind, address.kind):
        return TYPED_NULL
    parts: list[Typed] = []
    for place in range(1, 5):
        both = ops.bit_and(octet(mask, place), octet(address, place))
        parts += [literal("."), as_text(both)] if parts else [as_text(both)]
    return apply(ops.concat, *parts)


def octet(address: Typed, place: int) -> Typed:
    """One number of an IPv4 address; null where it is above 255 or the text is no address."""
    found = ops.regex_extract(as_text(address), literal(IPV4_PARTS), literal(""), literal(float(place)))
    amount = ops.to_number(found)
    fits = ops.less_equal(amount, literal(255.0))
    return ops.if_(fits, amount, Typed(TYPED_NULL.expression, Kind.NUMBER))
