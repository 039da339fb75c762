"""convert, fieldformat, reltime."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options, parse_renames
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
    same_kind,
)
from harness.detection.languages.spl.commands.sort import format_age
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.languages.spl.time_range import plan_format
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import SourceError, did_you_mean
from harness.late_pattern import late_pattern

# The default of `timeformat` (reference/spl.md 7).
CTIME = "%m/%d/%Y %H:%M:%S"
CONVERT_ARGUMENT = late_pattern(r"(\w+)\((.*)\)", re.S)


@COMMANDS.define("convert", order="keeps", fields="keeps", raw="never")
def convert(scope: Scope, stage: Stage) -> None:
    """Fields in another form: ctime, mktime, num, dur2sec, memk, rmcomma, rmunit, mstime, auto, none.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "timeformat")
    form = plan_format(found.text("timeformat", CTIME))
    for word, name in parse_renames(list(found.words)):
        call = CONVERT_ARGUMENT.fullmatch(word.text)
        if call is None:
            raise SourceError(
                "bad-argument", f"`{word.text[:60]}` is no conversion", word.span, help="write `ctime(field)`"
            )
        function = CONVERSIONS.get(call[1].lower())
        if function is None:
            hint = did_you_mean(call[1], CONVERSIONS)
            raise SourceError("unknown-function", f"no conversion is called `{call[1]}`", word.span, help=hint)
        pattern = call[2].strip().strip("\"'")
        for field in scope.matching(pattern) if "*" in pattern else [pattern]:
            value = scope.typed(field, word.span)
            target = name.text if name is not word else field
            if value.kind is not Kind.NULL:
                made = function(scope, value, form)
                scope.derive(
                    [(target, made if target == field else keep_target(scope, target, value, made))], word.span
                )


def keep_target(scope: Scope, target: str, value: Typed, made: Typed) -> Typed:
    """What a new name holds: in rows without the field nothing is converted, and what it held stays."""
    if scope.columns.get(target, Kind.NULL) is Kind.NULL:
        return made
    old, new = same_kind([scope.typed(target), made])
    return ops.if_(ops.is_null(value), old, new)


def ctime(scope: Scope, value: Typed, form: str) -> Typed:
    """An epoch as text; each of several; what is no number stays."""
    zone = literal(scope.settings.zone)
    if value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        shown = ops.format_time(ops.to_number(element), literal(form), zone)
        return apply_to_elements(ops.list_map, value, parameter, ops.coalesce(shown, element))
    shown = ops.format_time(as_number(value), literal(form), zone)
    return shown if value.kind is Kind.NUMBER else ops.coalesce(shown, as_text(value))


def mktime(scope: Scope, value: Typed, form: str) -> Typed:
    """A text as an epoch."""
    return ops.parse_time(as_text(value), literal(form), literal(scope.settings.zone))


def num(scope: Scope, value: Typed, form: str) -> Typed:
    """A number; nothing of other text."""
    # The manual calls it "like auto", whose best conversion it does not name.
    if value.kind in (Kind.TEXT, Kind.LIST) and scope.session.switch("convert_num") == "commas":
        return rmcomma(scope, value, form)
    return as_number(value)


def auto(scope: Scope, value: Typed, form: str) -> Typed:
    """The value itself, which already counts as a number where it looks like one."""
    return value


def sum_weighted_groups(value: Typed, regex: str, weights: tuple[float, ...]) -> Typed:
    """A sum of the groups of a pattern, each with its weight; null of text that does not fit."""
    total: Typed | None = None
    for group, weight in enumerate(weights, start=1):
        part = ops.regex_extract(as_text(value), literal(regex), literal(""), literal(float(group)))
        amount = ops.coalesce(ops.to_number(part), literal(0.0))
        part_total = ops.multiply(amount, literal(weight))
        total = part_total if total is None else ops.add(total, part_total)
    # Missing groups count 0, so that a text without any would be 0 rather than nothing.
    fits = ops.regex_found(as_text(value), literal(regex), literal(""))
    return ops.if_(fits, total or TYPED_NULL, literal(None))


def dur2sec(scope: Scope, value: Typed, form: str) -> Typed:
    """`[D+]HH:MM:SS` in seconds."""
    return sum_weighted_groups(value, r"^(?:(\d+)\+)?(?:(\d+):)?(\d+):(\d+)$", (86400.0, 3600.0, 60.0, 1.0))


def mstime(scope: Scope, value: Typed, form: str) -> Typed:
    """`[MM:]SS.SSS` in seconds."""
    return sum_weighted_groups(value, r"^(?:(\d+):)?(\d+(?:\.\d+)?)$", (60.0, 1.0))


def memk(scope: Scope, value: Typed, form: str) -> Typed:
    """A size with k, m or g in kilobytes."""
    amount = ops.to_number(ops.regex_extract(as_text(value), literal(r"^([0-9.]+)"), literal(""), literal(1.0)))
    unit = ops.lower(ops.regex_extract(as_text(value), literal(r"([kmgKMG])[bB]?$"), literal(""), literal(1.0)))
    # The result is in kilobytes (reference/spl.md 7); k and no unit are 1.
    mega = ops.if_(ops.equal(unit, literal("m")), literal(1024.0), literal(1.0))
    factor = ops.if_(ops.equal(unit, literal("g")), literal(1048576.0), mega)
    return ops.multiply(amount, factor)


def rmcomma(scope: Scope, value: Typed, form: str) -> Typed:
    """A number without its commas."""
    return ops.to_number(ops.replace_text(as_text(value), literal(","), literal("")))


def rmunit(scope: Scope, value: Typed, form: str) -> Typed:
    """The number at the start of a text."""
    found = ops.regex_extract(as_text(value), literal(r"^([-+]?[0-9.]+)"), literal(""), literal(1.0))
    return ops.to_number(found)


CONVERSIONS = {
    "ctime": ctime,
    "mktime": mktime,
    "num": num,
    "auto": auto,
    "none": auto,
    "dur2sec": dur2sec,
    "mstime": mstime,
    "memk": memk,
    "rmcomma": rmcomma,
    "rmunit": rmunit,
}


@COMMANDS.define("fieldformat", order="keeps", fields="keeps", raw="never", shape="eval")
def fieldformat(scope: Scope, stage: Stage) -> None:
    """Changes how a field is shown, not what it holds.

    Reference: reference/spl.md 3.3
    """


# A month of 30 days and a year of 365: reltime says about how long ago something was.
RELTIME_UNITS = (("year", 31536000.0), ("month", 2592000.0), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


@COMMANDS.define("reltime", order="keeps", fields="keeps", raw="never")
def reltime(scope: Scope, stage: Stage) -> None:
    """How long ago `_time` is, in words, in `reltime`.

    Reference: Splunk Search Reference, reltime
    """
    found = bind_options(stage, "timefield", "prefix")
    field = found.text("timefield", "_time")
    time = as_number(scope.typed(field, stage.span))
    if time.kind is Kind.NULL:
        return
    age = ops.subtract(literal(scope.settings.now), time)
    shown = format_age(age, "second", 1.0)
    for unit, size in reversed(RELTIME_UNITS):
        shown = ops.if_(ops.greater_equal(age, literal(size)), format_age(age, unit, size), shown)
    known = ops.if_(ops.is_null(time), Typed(literal(None).expression, Kind.TEXT), shown)
    target = found.text("prefix", "") + ("reltime" if field == "_time" else field)
    scope.derive([(target, known)], stage.span)
