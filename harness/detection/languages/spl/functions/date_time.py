"""Eval functions of time."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.functions.text import build_unknown_value_error
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.time_range import apply_time_modifier, plan_format
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, Kind, Literal
from harness.detection.plan.operation import TYPED_NULL, Typed

SUBSECOND_CODES = (
    "%3N",
    "%6N",
    "%9N",
    "%N",
    "%3Q",
    "%6Q",
    "%9Q",
    "%Q",
    "%T",
    "%X",
    "%F",
    "%D",
    "%R",
    "%r",
    "%x",
    "%c",
    "%+",
)
"""Codes that the plan spells otherwise, those first whose spelling another one has in it."""


@FUNCTIONS.define
def now(context: EvalContext) -> Typed:
    """The time of the search.

        if(now() = now(), 1, 0) -> 1
        now()                   -> 1700000000
        typeof(now())           -> "Number"

    Reference: reference/spl.md 5.2
    """
    return literal(context.scope.settings.now)


@FUNCTIONS.define
def time(context: EvalContext) -> Typed:
    """The time of the search too: a run is to give the same rows again.

        if(time() = now(), 1, 0) -> 1
        time()                   -> 1700000000

    Reference: reference/spl.md 5.2
    """
    return literal(context.scope.settings.now)


def form_of(value: Typed) -> Typed:
    """A format in the plan's codes; one that the row has is put into them code by code."""
    constant = value.constant
    if isinstance(constant, str):
        return literal(plan_format(constant))
    found = as_text(value)
    # A row's own format is known only when the query runs, so that the text itself is rewritten.
    for written in SUBSECOND_CODES:
        found = ops.replace_text(found, literal(written), literal(plan_format(written)))
    return found


@FUNCTIONS.define(zoned=True)
def strftime(context: EvalContext, value: Typed, form: Typed) -> Typed:
    """A time as text, in the zone of the searching user.

        strftime(0, "%Y-%m-%d %H:%M:%S")   -> "1970-01-01 00:00:00"
        strftime(1.5, "%S.%3N")            -> "01.500"
        strftime(1700000000, "%A %d %B %Y, %I:%M %p") -> "Tuesday 14 November 2023, 10:13 PM"
        strftime(1700000000.123456, "%F %T.%6N %Q %N") -> "2023-11-14 22:13:20.123456 123 123456000"
        strftime(1700000000, "%y %C %G-W%V-%u %U %j %w %e %k %s") -> "23 20 2023-W46-2 46 318 2 14 22 1700000000"
        strftime(1700000000, "%z %:z %::z %:::z %Z %Ez %%") -> "+0000 +00:00 +00:00:00 +00 UTC +0 %"
        strftime(1700000000, "%c|%x|%X")    -> "Tue Nov 14 22:13:20 2023|11/14/2023|22:13:20"
        strftime(1700000000, "%D|%R|%+")    -> "11/14/23|22:13|Tue Nov 14 22:13:20 UTC 2023"
        strftime("1700000000", "%H")       -> "22"
        strftime("no time", "%H")          -> null
        strftime(null(), "%H")             -> null
        strftime(split("0,1", ","), "%H")  -> null

    Reference: reference/spl.md 8.1
    """
    return ops.format_time(as_number(value), form_of(form), literal(context.scope.settings.zone))


@FUNCTIONS.define
def strptime(context: EvalContext, value: Typed, form: Typed) -> Typed:
    """The time that a text tells; null where it does not fit.

        strptime("1970-01-02", "%Y-%m-%d") -> 86400
        strptime("no time", "%Y-%m-%d")    -> null
        strptime("2023-11-14 22:13:20 and more", "%Y-%m-%d %H:%M:%S") -> 1700000000
        strptime("14/Nov/2023:23:13:20.250 +0100", "%d/%b/%Y:%H:%M:%S.%3N %z") -> 1700000000.25
        strptime("11/14/23 10:13:20 PM", "%D %I:%M:%S %p") -> 1700000000
        strptime("2023-318 22:13", "%Y-%j %R") -> 1699999980
        strptime("Tue Nov 14 22:13:20 2023", "%c") -> 1700000000
        strptime("1700000000", "%s")       -> 1700000000
        strptime("2023-02-30", "%F")       -> null
        strptime(null(), "%F")             -> null
        strptime(20231114, "%Y%m%d")       -> 1699920000

    Reference: reference/spl.md 8.1
    """
    return ops.parse_time(as_text(value), form_of(form), literal(context.scope.settings.zone))


@FUNCTIONS.define
def relative_time(context: EvalContext, value: Typed, modifier: Typed) -> Typed:
    """A time moved by a modifier such as `-1d@d`: first the offset, then down to the unit.

        relative_time(90000, "@d")    -> 86400
        relative_time(90000, "-1h@h") -> 86400
        relative_time(1700000000, "-1mon@mon") -> 1696118400
        relative_time(1700000000, "@w0")    -> 1699747200
        relative_time(1700000000, "@w7")    -> 1699747200
        relative_time(1700000000, "@w1")    -> 1699833600
        relative_time(1700000000, "@q")     -> 1696118400
        relative_time(1700000000, "-1y@y")  -> 1640995200
        relative_time(1700000000, "-1d@d+2h") -> 1699840800
        relative_time(1700000000, "@h-15m@m") -> 1699998300
        relative_time(1700000000, "-h")     -> 1699996400
        relative_time("1700000000", "+90seconds") -> 1700000090
        relative_time(1711843200, "-1mon")  -> 1709164800
        relative_time(90000, lower("-1H@H")) -> 86400
        relative_time(1700000000, lower("@W1")) -> 1699833600
        relative_time(90000, lower("NONE"))  -> null
        relative_time("abc", "-1d")         -> null
        relative_time(null(), "-1d")        -> null

    Reference: reference/spl.md 8.2
    """
    constant = modifier.constant
    if Kind.NULL in (value.kind, modifier.kind):
        return TYPED_NULL
    # `relative_time(t, if(c, "-1d", "-7d"))`: both modifiers are known before the query runs.
    choice = split_text_choice(modifier)
    if choice is not None:
        condition, yes, no = choice
        return context.choose([(condition, relative_time(context, value, yes))], relative_time(context, value, no))
    if not isinstance(constant, str):
        return ops.moved_time(as_number(value), as_text(modifier), literal(context.scope.settings.zone))
    found = apply_time_modifier(as_number(value), constant, context.scope.settings)
    if found is None:
        raise build_unknown_value_error(context, f"the time modifier `{constant[:40]}`", modifier)
    return found


def split_text_choice(value: Typed) -> tuple[Typed, Typed, Typed] | None:
    """The condition and the two sides of a choice between texts; None of anything else."""
    match value.expression:
        case Call(ops.if_, (condition, yes, no)):
            return Typed(condition, Kind.BOOLEAN), build_choice_side(yes), build_choice_side(no)
        case _:
            return None


def build_choice_side(expression: Expression) -> Typed:
    """One side of a choice between texts."""
    if isinstance(expression, Literal) and expression.value is None:
        return TYPED_NULL
    return Typed(expression, Kind.TEXT)
