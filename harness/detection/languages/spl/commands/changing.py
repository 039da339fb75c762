"""Commands that change values: convert, replace, strcat, rangemap, fieldformat."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options, parse_renames, split_clauses
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.conditions import match_wildcard
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.timespans import plan_format
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError, did_you_mean

CTIME = "%m/%d/%Y %H:%M:%S"
RANGE = re.compile(r"(-?[\d.]+)-(-?[\d.]+)")
CONVERT_ARGUMENT = re.compile(r"(\w+)\((.*)\)", re.S)


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
                scope.derive([(target, function(scope, value, form))], word.span)


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


@COMMANDS.define("replace", order="keeps", fields="keeps", raw="never")
def replace(scope: Scope, stage: Stage) -> None:
    """Whole values by others, with `*` as wildcard: `replace a WITH b IN field`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    parts = split_clauses(found.words, "in")
    rules, rest = [], parts[""]
    while rest:
        if len(rest) < 3 or rest[1].text.lower() != "with":
            raise found.error("bad-argument", "`replace` needs `old WITH new`")
        rules.append((rest[0], rest[2]))
        rest = rest[3:]
    names = [n for w in parts.get("in", []) for n in scope.matching(w.text)]
    if "in" not in parts:
        names = [n for n in scope.columns if n[0] not in "_@"]
    changed = []
    for name in dict.fromkeys(names):
        value = scope.typed(name)
        if value.kind in (Kind.LIST, Kind.NULL):
            continue
        subject = as_text(value)
        new = subject
        for old, replacement in reversed(rules):
            new = ops.if_(match_old_value(subject, old), fill_new_value(subject, old, replacement), new)
        changed.append((name, new))
    scope.derive(changed, stage.span)


def match_old_value(subject: Typed, old: Word) -> Typed:
    """Whether a value fits the old side."""
    if "*" in old.text:
        return match_wildcard(subject, old.text, True, old.span)
    return ops.equal(subject, literal(old.text, old.span))


def fill_new_value(subject: Typed, old: Word, new: Word) -> Typed:
    """The new side, with what `*` stood for."""
    if "*" not in old.text or "*" not in new.text:
        return literal(new.text, new.span)
    regex = "^" + "(.*)".join(re.escape(p) for p in old.text.split("*")) + "$"
    count = iter(range(1, 10))
    filled = re.sub(r"\*", lambda _: f"\\{next(count)}", new.text.replace("\\", "\\\\"))
    return ops.regex_replace(subject, literal(regex), literal("s"), literal(filled), literal(False))


@COMMANDS.define("strcat", order="keeps", fields="keeps", raw="never")
def strcat(scope: Scope, stage: Stage) -> None:
    """Fields and quoted texts one after the other in the last field.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "allrequired")
    words = list(found.words)
    if len(words) < 2:
        raise found.error("bad-argument", "`strcat` needs sources and a target")
    parts: list[Typed] = []
    for word in words[:-1]:
        value = literal(word.text, word.span) if word.quoted else as_text(scope.typed(word.text, word.span))
        if not found.flag("allrequired"):
            value = literal("") if value.kind is Kind.NULL else ops.coalesce(value, literal(""))
        parts.append(value)
    joined = TYPED_NULL if any(p.kind is Kind.NULL for p in parts) else apply(ops.concat, *parts)
    scope.derive([(words[-1].text, joined)], stage.span)


@COMMANDS.define("rangemap", order="keeps", fields="keeps", raw="never")
def rangemap(scope: Scope, stage: Stage) -> None:
    """The names of the ranges that a number is in, in `range`: `rangemap field=f low=0-30 default=high`.

    Reference: Splunk Search Reference, rangemap
    """
    found = bind_options(stage, "*")
    found.at_most(0)
    if "field" not in found.options:
        raise found.error("missing-option", "`rangemap` needs `field=` and a field")
    value = as_number(scope.typed(found.text("field", ""), found.options["field"].span))
    default = literal(found.text("default", "None"))
    names: list[Typed] = []
    for name, option in found.options.items():
        if name in ("field", "default") or not isinstance(option.value, Word):
            continue
        bounds = RANGE.fullmatch(option.value.text)
        if bounds is None:
            raise SourceError("bad-option", "a range is written `0-30`", option.span)
        if value.kind is not Kind.NULL:
            low, high = literal(float(bounds[1])), literal(float(bounds[2]))
            inside = ops.and_(ops.greater_equal(value, low), ops.less_equal(value, high))
            names.append(ops.if_(inside, literal(option.name), Typed(TYPED_NULL.expression, Kind.TEXT)))
    if not names:
        scope.derive([("range", default)], stage.span)
        return
    single = ops.coalesce(names[0], default)
    scope.derive([("range", single if len(names) == 1 else in_ranges(names, default))], stage.span)


def in_ranges(names: list[Typed], default: Typed) -> Typed:
    """All names that hold, or the one that stands for none."""
    return ops.coalesce(apply(ops.list_, *names), ops.list_(default))


@COMMANDS.define("fieldformat", order="keeps", fields="keeps", raw="never", shape="eval")
def fieldformat(scope: Scope, stage: Stage) -> None:
    """Changes how a field is shown, not what it holds.

    Reference: reference/spl.md 3.3
    """
