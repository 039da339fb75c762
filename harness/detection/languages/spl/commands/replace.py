"""replace, strcat, rangemap, setfields, xmlunescape."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options, split_clauses
from harness.detection.languages.spl.coercion import (
    as_number,
    as_text,
    change_each,
    literal,
)
from harness.detection.languages.spl.conditions import match_wildcard
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError
from harness.late_pattern import late_pattern

# `&amp;` last: `&amp;lt;` is the text `&lt;`.
ESCAPED_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))


@COMMANDS.define("setfields", order="keeps", fields="keeps", raw="never")
def setfields(scope: Scope, stage: Stage) -> None:
    """The same value in every row: `setfields ip="10.10.10.10", note="x y"`.

    Reference: Splunk Search Reference, setfields
    """
    found = bind_options(stage, "*")
    if found.words or not found.options:
        raise found.error("bad-argument", '`setfields` takes `field="value"`')
    for option in found.options.values():
        if isinstance(option.value, Word):
            # Names are cleaned as those of extracted fields are (reference/spl.md 11.2).
            name = re.sub(r"[^A-Za-z0-9]", "_", option.name).lstrip("_")
            scope.derive([(name, literal(option.value.text, option.value.span))], option.span)


@COMMANDS.define("xmlunescape", order="keeps", fields="keeps", raw="never")
def xmlunescape(scope: Scope, stage: Stage) -> None:
    """The characters that XML entities such as `&amp;` stand for, in all fields.

    Reference: Splunk Search Reference, xmlunescape
    """
    bind_options(stage, "maxinputs")
    made = []
    for name, kind in scope.columns.items():
        if kind in (Kind.TEXT, Kind.LIST) and name[0] != "@":
            made.append((name, change_each(scope.typed(name), unescape_entities)))
    scope.derive(made, stage.span)


def unescape_entities(value: Typed) -> Typed:
    """A text with its entities replaced."""
    for entity, character in ESCAPED_ENTITIES:
        value = ops.replace_text(value, literal(entity), literal(character))
    return value


RANGE = late_pattern(r"(-?[\d.]+)-(-?[\d.]+)")


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
        if value.kind is not Kind.NULL:
            changed.append((name, change_each(value, lambda v: apply_replacements(v, rules))))
    scope.derive(changed, stage.span)


def apply_replacements(subject: Typed, rules: list[tuple[Word, Word]]) -> Typed:
    """A value after the first rule that fits it."""
    new = subject
    # Nested from the last to the first, so that the first rule that fits decides.
    for old, replacement in reversed(rules):
        new = ops.if_(match_old_value(subject, old), fill_new_value(subject, old, replacement), new)
    return new


def match_old_value(subject: Typed, old: Word) -> Typed:
    """Whether a value fits the old side."""
    if "*" in old.text:
        return match_wildcard(subject, old.text, True, old.span)
    return ops.equal(subject, literal(old.text, old.span))


def fill_new_value(subject: Typed, old: Word, new: Word) -> Typed:
    """The new side, with what `*` stood for."""
    if "*" not in old.text or "*" not in new.text:
        return literal(new.text, new.span)
    # A wildcard on both sides carries over what it stood for.
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
    # The default of `default` in the manual of rangemap.
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
