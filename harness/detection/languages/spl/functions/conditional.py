"""Conditional and informational eval functions."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    NO,
    NOTHING,
    YES,
    Typed,
    apply,
    each,
    literal,
    number,
    over,
    same_kind,
    text,
)
from harness.detection.languages.spl.comparison import compare
from harness.detection.languages.spl.conditions import network
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.patterns import checked, element_matches
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.searchmatch import search_condition
from harness.detection.languages.spl.syntax import Expression
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError


@FUNCTIONS.define("if", shape="written")
def if_(context: Context, condition: Expression, yes: Expression, no: Expression) -> Typed:
    """`yes` where `condition` is true, else `no`; null is not true.

        if(1<2, "a", "b")         -> "a"
        if(null()=1, "a", "b")    -> "b"

    Reference: reference/spl.md 5.1
    """
    return context.choose([(context.condition(condition), context.value(yes))], context.value(no))


@FUNCTIONS.define(shape="written")
def case(context: Context, condition: Expression, value: Expression, *more: Expression) -> Typed:
    """The value after the first condition that is true; null if none is.

        case(1>2, "a", 2>1, "b") -> "b"
        case(1>2, "a")           -> null

    Reference: reference/spl.md 5.1
    """
    return context.choose(pairs(context, "case", (condition, value, *more)), NOTHING)


@FUNCTIONS.define(shape="written")
def validate(context: Context, condition: Expression, value: Expression, *more: Expression) -> Typed:
    """The value after the first condition that is false; null if none is.

        validate(1<2, "a", 2<1, "b") -> "b"
        validate(1<2, "a")           -> null

    Reference: reference/spl.md 5.1
    """
    branches = pairs(context, "validate", (condition, value, *more))
    return context.choose([(apply("not", c), v) for c, v in branches], NOTHING)


def pairs(context: Context, name: str, arguments: tuple[Expression, ...]) -> list[tuple[Typed, Typed]]:
    """Conditions and values in turn."""
    if len(arguments) % 2:
        message = f"`{name}` takes conditions and values in turn, {len(arguments)} arguments given"
        raise SourceError("wrong-arity", message, arguments[-1].span, help="end with `true(), value`")
    found = zip(arguments[::2], arguments[1::2], strict=True)
    return [(context.condition(c), context.value(v)) for c, v in found]


@FUNCTIONS.define("coalesce", "ifnull")
def coalesce(context: Context, value: Typed, *more: Typed) -> Typed:
    """The first value that is not null; an empty text is none.

        coalesce(null(), "a", "b") -> "a"
        coalesce("", "b")          -> ""

    Reference: reference/spl.md 5.1
    """
    values = same_kind([value, *more])
    present = [v for v in values if v.kind is not Kind.NULL]
    if not present:
        return NOTHING
    return present[0] if len(present) == 1 else apply("coalesce", *present)


@FUNCTIONS.define
def nullif(context: Context, value: Typed, other: Typed) -> Typed:
    """Null if both are equal, else the first.

        nullif("a", "a") -> null
        nullif("a", "b") -> "a"

    Reference: reference/spl.md 5.1
    """
    return apply("if", compare("=", value, other), Typed(NOTHING.expression, value.kind), value)


@FUNCTIONS.define
def null(context: Context) -> Typed:
    """No value at all.

        null() -> null

    Reference: reference/spl.md 5.2
    """
    return NOTHING


@FUNCTIONS.define
def true(context: Context) -> Typed:
    """The condition that always holds.

        if(true(), 1, 2) -> 1

    Reference: reference/spl.md 5.2
    """
    return YES


@FUNCTIONS.define
def false(context: Context) -> Typed:
    """The condition that never holds.

        if(false(), 1, 2) -> 2

    Reference: reference/spl.md 5.2
    """
    return NO


@FUNCTIONS.define("in")
def in_(context: Context, value: Typed, option: Typed, *more: Typed) -> Typed:
    """Whether the value equals one of the others; there are no wildcards.

        if(in("b", "a", "b"), 1, 0)   -> 1
        if("x*" IN ("xy"), 1, 0)      -> 0

    Reference: reference/spl.md 5.2
    """
    parts = [compare("=", value, o) for o in (option, *more)]
    return parts[0] if len(parts) == 1 else apply("or", *parts)


@FUNCTIONS.define
def like(context: Context, value: Typed, pattern: Typed) -> Typed:
    r"""Whether the whole text fits a pattern: `%` is any run, `_` one character, and nothing escapes them.

        if(like("cmd.exe", "c%.exe"), 1, 0) -> 1
        if(like("cmd.exe", "c_.exe"), 1, 0) -> 0

    Reference: reference/spl.md 5.2
    """
    operation = "like" if context.scope.session.switch("like_case") == "sensitive" else "like_ci"
    return apply(operation, text(value), text(pattern))


@FUNCTIONS.define
def match(context: Context, value: Typed, regex: Typed) -> Typed:
    r"""Whether a regular expression is found anywhere in the text.

        if(match("cmd.exe", "(?i)CMD\.exe"), 1, 0) -> 1
        if(match("notepad.exe", "^pad"), 1, 0)     -> 0

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.LIST:
        return any_element(context, value, regex)
    return apply("regex_found", text(value), checked(regex), literal(""))


def any_element(context: Context, value: Typed, regex: Typed) -> Typed:
    """Whether one of several values has a match."""
    parameter, element = each(value)
    return over("list_any", value, parameter, element_matches(element, regex))


@FUNCTIONS.define(shape="written")
def searchmatch(context: Context, condition: Expression) -> Typed:
    """Whether the row satisfies a search condition, given as text.

        if(searchmatch("nosuchfield=1"), 1, 0) -> 0

    Reference: reference/spl.md 5.2
    """
    found: Typed = search_condition(context, condition)
    return found


@FUNCTIONS.define
def cidrmatch(context: Context, block: Typed, address: Typed) -> Typed:
    """Whether an address is inside a network, of either version.

        if(cidrmatch("10.0.0.0/8", "10.1.2.3"), 1, 0)   -> 1
        if(cidrmatch("2001:db8::/32", "2001:db8::1"), 1, 0) -> 1
        if(cidrmatch("10.0.0.0/8", "no address"), 1, 0) -> 0

    Reference: reference/spl.md 5.2
    """
    constant = block.constant
    if isinstance(constant, str) and "/" not in constant:
        block = literal(constant + ("/128" if ":" in constant else "/32"))
    elif isinstance(constant, str) and network(constant) is None:
        return NO
    return apply("cidr_contains", text(address), text(block))


@FUNCTIONS.define
def isnull(context: Context, value: Typed) -> Typed:
    """Whether there is no value.

        if(isnull(null()), 1, 0) -> 1
        if(isnull(""), 1, 0)     -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("is_null", value)


def present(value: Typed) -> Typed:
    """Whether there is a value."""
    return apply("not", apply("is_null", value))


@FUNCTIONS.define
def isnotnull(context: Context, value: Typed) -> Typed:
    """Whether there is a value.

        if(isnotnull(""), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return present(value)


@FUNCTIONS.define
def isnum(context: Context, value: Typed) -> Typed:
    """Whether the value is a number or text that looks like one.

        if(isnum("5"), 1, 0)   -> 1
        if(isnum("abc"), 1, 0) -> 0

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.NUMBER:
        return present(value)
    return NO if value.kind is Kind.NULL else apply("is_number", text(value))


@FUNCTIONS.define
def isint(context: Context, value: Typed) -> Typed:
    """Whether the value is a whole number.

        if(isint(5), 1, 0)     -> 1
        if(isint("5.5"), 1, 0) -> 0

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.NULL:
        return NO
    whole = apply("equal", number(value), apply("truncate", number(value)))
    return apply("is_true", whole) if whole.kind is Kind.BOOLEAN else NO


@FUNCTIONS.define
def isstr(context: Context, value: Typed) -> Typed:
    """Whether the value is text that does not look like a number.

        if(isstr("abc"), 1, 0) -> 1
        if(isstr("5"), 1, 0)   -> 0

    Reference: reference/spl.md 5.2
    """
    if value.kind in (Kind.NUMBER, Kind.BOOLEAN, Kind.NULL):
        return NO
    return apply("and", present(value), apply("not", isnum(context, value)))


@FUNCTIONS.define
def isbool(context: Context, value: Typed) -> Typed:
    """Whether the value is true or false.

        if(isbool(1=1), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return YES if value.kind is Kind.BOOLEAN else NO


@FUNCTIONS.define
def ismv(context: Context, value: Typed) -> Typed:
    """Whether there are several values.

        if(ismv(split("a,b", ",")), 1, 0) -> 1
        if(ismv("a"), 1, 0)               -> 0

    Reference: reference/spl.md 5.2
    """
    if value.kind is not Kind.LIST:
        return NO
    return apply("is_true", apply("greater", apply("list_length", value), literal(1.0)))


@FUNCTIONS.define
def typeof(context: Context, value: Typed) -> Typed:
    """The kind of the value in a word.

        typeof(12)    -> "Number"
        typeof("abc") -> "String"
        typeof(null()) -> "Invalid"

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.BOOLEAN:
        return literal("Boolean")
    if value.kind is Kind.NULL:
        return literal("Invalid")
    word = literal("Number")
    if value.kind is not Kind.NUMBER:
        word = apply("if", isnum(context, value), literal("Number"), literal("String"))
    return apply("if", apply("is_null", value), literal("Invalid"), word)
