"""Commands that write fields anew: setfields, xmlunescape, reltime; and uniq, which compares whole rows."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, SortKey
from harness.detection.plan.nodes import Filter, Frame, Sort, Window
from harness.detection.plan.operation import Typed, apply

ESCAPED_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
RELTIME_UNITS = (("year", 31536000.0), ("month", 2592000.0), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))


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
        if kind is Kind.TEXT and name[0] != "@":
            made.append((name, unescape_entities(scope.typed(name))))
        elif kind is Kind.LIST:
            parameter, element = build_element_parameter(scope.typed(name))
            made.append(
                (name, apply_to_elements(ops.list_map, scope.typed(name), parameter, unescape_entities(element)))
            )
    scope.derive(made, stage.span)


def unescape_entities(value: Typed) -> Typed:
    """A text with its entities replaced."""
    for entity, character in ESCAPED_ENTITIES:
        value = ops.replace_text(value, literal(entity), literal(character))
    return value


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


def format_age(age: Typed, unit: str, size: float) -> Typed:
    """`2 days ago`, `1 day ago`."""
    number_of = ops.floor(ops.divide(age, literal(size)))
    ending = ops.if_(ops.equal(number_of, literal(1.0)), literal(f" {unit} ago"), literal(f" {unit}s ago"))
    return ops.concat(as_text(number_of), ending)


@COMMANDS.define("uniq", order="reads", fields="remakes", raw="never")
def uniq(scope: Scope, stage: Stage) -> None:
    """Takes out a row that is in all fields the same as the row before.

    Reference: Splunk Search Reference, uniq
    """
    bind_options(stage)
    kept = [n for n in scope.columns if not n.startswith("@")]
    whole, before = scope.session.fresh("whole"), scope.session.fresh("before")
    members = [v for n in kept for v in (literal(n), scope.typed(n))]
    scope.derive([(whole, apply(ops.json_object, *members))])
    lag = ops.lag(Column(whole), literal(1.0).expression)
    scope.node = Window(source=scope.node, measures=((before, lag),), frame=Frame.RUNNING, span=stage.span)
    same = ops.is_true(ops.equal(Column(whole), Column(before)))
    scope.node = Filter(source=scope.node, condition=ops.not_(same), span=stage.span)
    scope.keep(kept)


@COMMANDS.define("rtorder", order="keeps", fields="keeps", raw="never")
def rtorder(scope: Scope, stage: Stage) -> None:
    """The rows in ascending order of time.

    Reference: Splunk Search Reference, rtorder
    """
    bind_options(stage, "discard", "buffer_span", "max_buffer_size")
    scope.node = Sort(source=scope.node, keys=(SortKey(Column("_time")),), span=stage.span)
