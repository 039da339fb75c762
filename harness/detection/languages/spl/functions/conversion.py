"""Eval functions that convert, and hashes."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, literal, number, text
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import span_of
from harness.diagnostics import SourceError


@FUNCTIONS.define
def tonumber(context: Context, value: Typed, base: Typed | None = None) -> Typed:
    """The number that a text spells in a base; null of other text.

        tonumber("5.0")    -> 5
        tonumber("1A", 16) -> 26
        tonumber("x5")     -> null

    Reference: reference/spl.md 5.2
    """
    if base is not None:
        return apply("from_base", text(value), number(base))
    return number(value)


@FUNCTIONS.define
def tostring(context: Context, value: Typed, form: Typed | None = None) -> Typed:
    """The value as text, a number as `hex`, `commas`, `duration` or `binary`.

        tostring(15, "hex")           -> "0xF"
        tostring(12345.678, "commas") -> "12,345.68"
        tostring(615, "duration")     -> "00:10:15"
        tostring(1==1)                -> "True"

    Reference: reference/spl.md 5.2
    """
    chosen = form.constant if form is not None else None
    if form is None:
        return text(value)
    amount = number(value)
    if chosen == "hex":
        return apply("concat", literal("0x"), apply("upper", apply("to_base", amount, literal(16.0))))
    if chosen == "binary":
        return apply("to_base", amount, literal(2.0))
    if chosen == "commas":
        return commas(amount)
    if chosen == "duration":
        return duration(amount)
    span = span_of(form.expression)
    if span is not None:
        raise SourceError("bad-argument", "the form is one of hex, commas, duration, binary", span)
    return NOTHING


def commas(amount: Typed) -> Typed:
    """With thousands separators and at most two decimals."""
    short = apply("round", amount, literal(2.0))
    whole = apply("equal", short, apply("truncate", short))
    return apply("if", whole, apply("group_digits", short, literal(0.0)), apply("group_digits", short, literal(2.0)))


def duration(amount: Typed) -> Typed:
    """Days, hours, minutes and seconds of a number of seconds."""

    def part(divisor: float, modulus: float) -> Typed:
        units = apply("floor", apply("divide", amount, literal(divisor)))
        return apply("format_number", apply("modulo", units, literal(modulus)), literal("%02d"))

    clock = apply("concat", part(3600.0, 24.0), literal(":"), part(60.0, 60.0), literal(":"), part(1.0, 60.0))
    days = apply("floor", apply("divide", amount, literal(86400.0)))
    long = apply("concat", text(days), literal("+"), clock)
    return apply("if", apply("greater_equal", amount, literal(86400.0)), long, clock)


@FUNCTIONS.define
def toint(context: Context, value: Typed, base: Typed | None = None) -> Typed:
    """The integer part of a number; null of other text.

        toint("5.9") -> 5

    Reference: reference/spl.md 5.2
    """
    return apply("truncate", tonumber(context, value, base))


@FUNCTIONS.define
def todouble(context: Context, value: Typed) -> Typed:
    """The number that a text spells.

        todouble("5.25") -> 5.25

    Reference: reference/spl.md 5.2
    """
    return number(value)


@FUNCTIONS.define
def tobool(context: Context, value: Typed) -> Typed:
    """Whether the text is true, t or 1.

        if(tobool("true"), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.BOOLEAN:
        return value
    return apply("in_ci", text(value), literal("true"), literal("t"), literal("1"))


def digest(operation: str, value: Typed) -> Typed:
    """A hash of the UTF-8 text."""
    return apply(operation, text(value))


@FUNCTIONS.define
def md5(context: Context, value: Typed) -> Typed:
    """MD5 of the text in lower-case hex.

        md5("abc") -> "900150983cd24fb0d6963f7d28e17f72"

    Reference: reference/spl.md 5.2
    """
    return digest("md5", value)


@FUNCTIONS.define
def sha1(context: Context, value: Typed) -> Typed:
    """SHA-1 of the text in lower-case hex.

        sha1("abc") -> "a9993e364706816aba3e25717850c26c9cd0d89d"

    Reference: reference/spl.md 5.2
    """
    return digest("sha1", value)


@FUNCTIONS.define
def sha256(context: Context, value: Typed) -> Typed:
    """SHA-256 of the text in lower-case hex.

        substr(sha256("abc"), 1, 8) -> "ba7816bf"

    Reference: reference/spl.md 5.2
    """
    return digest("sha256", value)


@FUNCTIONS.define
def sha512(context: Context, value: Typed) -> Typed:
    """SHA-512 of the text in lower-case hex.

        substr(sha512("abc"), 1, 8) -> "ddaf35a1"

    Reference: reference/spl.md 5.2
    """
    return digest("sha512", value)
