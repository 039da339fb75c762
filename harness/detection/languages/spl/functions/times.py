"""Eval functions of time."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, literal, number, text
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.functions.texts import unsupported
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.timespans import plan_format, relative
from harness.detection.plan.columns import Kind


@FUNCTIONS.define
def now(context: Context) -> Typed:
    """The time of the search.

        if(now() = now(), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return literal(context.scope.settings.now)


@FUNCTIONS.define
def time(context: Context) -> Typed:
    """The time of the search too: a run is to give the same rows again.

        if(time() = now(), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return literal(context.scope.settings.now)


def form_of(value: Typed) -> Typed:
    """A format in the plan's codes."""
    constant = value.constant
    return literal(plan_format(constant)) if isinstance(constant, str) else text(value)


@FUNCTIONS.define
def strftime(context: Context, value: Typed, form: Typed) -> Typed:
    """A time as text, in the zone of the searching user.

        strftime(0, "%Y-%m-%d %H:%M:%S")   -> "1970-01-01 00:00:00"
        strftime(1.5, "%S.%3N")            -> "01.500"

    Reference: reference/spl.md 8.1
    """
    return apply("format_time", number(value), form_of(form), literal(context.scope.settings.zone))


@FUNCTIONS.define
def strptime(context: Context, value: Typed, form: Typed) -> Typed:
    """The time that a text tells; null where it does not fit.

        strptime("1970-01-02", "%Y-%m-%d") -> 86400
        strptime("no time", "%Y-%m-%d")    -> null

    Reference: reference/spl.md 8.1
    """
    return apply("parse_time", text(value), form_of(form), literal(context.scope.settings.zone))


@FUNCTIONS.define
def relative_time(context: Context, value: Typed, modifier: Typed) -> Typed:
    """A time moved by a modifier such as `-1d@d`: first the offset, then down to the unit.

        relative_time(90000, "@d")    -> 86400
        relative_time(90000, "-1h@h") -> 86400

    Reference: reference/spl.md 8.2
    """
    constant = modifier.constant
    if modifier.kind is Kind.NULL:
        return NOTHING
    if not isinstance(constant, str):
        raise unsupported(context, "a computed modifier of `relative_time`", modifier)
    found = relative(number(value), constant, context.scope.settings)
    if found is None:
        raise unsupported(context, f"the time modifier `{constant[:40]}`", modifier)
    return found
