"""What a CQL text is made of: steps, filters, expressions and arguments, each with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from operator import attrgetter
from typing import Any

from harness.diagnostics import Span
from harness.record import record


@record(kw_only=True)
class Syntax:
    """A part of a query; parts are equal whatever their place."""

    span: Span = field(compare=False, repr=False)


@record(kw_only=True)
class Word(Syntax):
    """A name, a number or a text: what it is, its place decides; quotes matter only in expressions."""

    text: str
    quoted: bool = False


@record(kw_only=True)
class Regex(Syntax):
    """A regular expression between slashes, and the letters after it."""

    body: str
    flags: str = ""


@record(kw_only=True)
class QueryParameter(Syntax):
    """`?name` or `?{name=default}`: a value given with the query."""

    name: str
    default: Word | None = None


@record(kw_only=True)
class Array(Syntax):
    """`[a, b]`."""

    items: tuple[Syntax, ...]


@record(kw_only=True)
class Pipeline(Syntax):
    """Steps one after the other; also what stands in braces, or was saved under a name."""

    steps: tuple[Syntax, ...]
    name: str | None = None


@record(kw_only=True)
class Argument(Syntax):
    """`value` or `name=value`; `label` is that of `A: {...}`, `attributes` follow a value as `include: [...]`."""

    name: str | None = None
    label: str | None = None
    value: Syntax
    attributes: tuple[Argument, ...] = ()


@record(kw_only=True)
class FunctionCall(Syntax):
    """A function and its arguments; `name` is in the documented spelling."""

    name: str
    arguments: tuple[Argument, ...] = ()


@record(kw_only=True)
class SavedCall(Syntax):
    """`$name(arguments)`: the pipeline saved under that name."""

    name: str
    arguments: tuple[Argument, ...] = ()


@record(kw_only=True)
class Assign(Syntax):
    """`target := value`; with `dynamic` the target's name is the value of the field in back-ticks."""

    target: Word | QueryParameter
    value: Syntax
    dynamic: bool = False


@record(kw_only=True)
class Binary(Syntax):
    """An arithmetic operator or a comparison in an expression."""

    operator: str
    left: Syntax
    right: Syntax


@record(kw_only=True)
class Unary(Syntax):
    """`-x` or `!x` in an expression."""

    operator: str
    operand: Syntax


@record(kw_only=True)
class Logic(Syntax):
    """`and` or `or` in an expression, which the product does not have."""

    operator: str
    parts: tuple[Syntax, ...]


@record(kw_only=True)
class Junction(Syntax):
    """Filters joined by `and` or `or`."""

    operator: str
    parts: tuple[Syntax, ...]


@record(kw_only=True)
class Negation(Syntax):
    """`not` before a filter."""

    part: Syntax


@record(kw_only=True)
class Comparison(Syntax):
    """`field operator value`; operators are = != < <= > >= like."""

    field: Word | QueryParameter
    operator: str
    value: Word | Regex | QueryParameter


@record(kw_only=True)
class Apply(Syntax):
    """`field =~ call`: the call's field is the one on the left."""

    field: Word | QueryParameter
    call: FunctionCall | SavedCall
    negated: bool = False


@record(kw_only=True)
class FreeText(Syntax):
    """Text or a regular expression that is looked for in every field."""

    value: Word | Regex | QueryParameter


@record(kw_only=True)
class Link(Syntax):
    """`field <=> A.field`: two events of a constellation agree."""

    left: Word
    right: Word


@record(kw_only=True)
class TruthFilter(Syntax):
    """`true`, `false` or `*` as a filter."""

    value: bool
    word: str


@record(kw_only=True)
class CaseStep(Syntax):
    """`case { ... ; ... }`."""

    branches: tuple[Pipeline, ...]


@record(kw_only=True)
class Arm(Syntax):
    """`guard => pipeline`."""

    guard: Syntax
    pipeline: Pipeline


@record(kw_only=True)
class Match(Syntax):
    """`field match { guard => pipeline ; ... }`."""

    field: Word | QueryParameter
    arms: tuple[Arm, ...]


SEVERAL: dict[type, str] = {
    Array: "items",
    Pipeline: "steps",
    CaseStep: "branches",
    Match: "arms",
    Logic: "parts",
    Junction: "parts",
    FunctionCall: "arguments",
    SavedCall: "arguments",
}
"""The attribute that holds what is inside, where that is any number of parts."""
CHILD_FIELDS: dict[type, tuple[str, ...]] = {
    Assign: ("target", "value"),
    Binary: ("left", "right"),
    Link: ("left", "right"),
    Comparison: ("field", "value"),
    Apply: ("field", "call"),
    Arm: ("guard", "pipeline"),
    Unary: ("operand",),
    Negation: ("part",),
    FreeText: ("value",),
}
"""The attributes that hold one part each."""


def list_syntax_parts(part: Syntax) -> tuple[Syntax, ...]:
    """The parts directly inside, in the order of the text."""
    inside = INSIDE.get(type(part))
    return inside(part) if inside is not None else ()


def read_part(*names: str) -> Callable[[Any], tuple[Syntax, ...]]:
    """A reader of attributes that hold one part each."""
    getter: Callable[[Any], Any] = attrgetter(*names)
    # attrgetter gives the value itself of a single name.
    return getter if len(names) > 1 else lambda part: (getter(part),)


def read_several(name: str) -> Callable[[Any], tuple[Syntax, ...]]:
    """A reader of an attribute that holds any number of parts."""
    getter: Callable[[Any], Any] = attrgetter(name)
    return lambda part: tuple(getter(part))


INSIDE: dict[type, Callable[[Any], tuple[Syntax, ...]]] = {
    **{kind: read_several(name) for kind, name in SEVERAL.items()},
    **{kind: read_part(*names) for kind, names in CHILD_FIELDS.items()},
    Argument: lambda part: (part.value, *part.attributes),
}
"""What gives the parts inside of one; kinds that have none are not here."""


def walk_syntax(part: Syntax) -> list[Syntax]:
    """The part and all inside it, outermost first, in the order of the text."""
    found, stack = [], [part]
    while stack:
        current = stack.pop()
        found.append(current)
        inside = INSIDE.get(type(current))
        if inside is not None:
            stack.extend(inside(current)[::-1])
    return found
