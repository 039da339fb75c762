"""Which fields a query and an eval name, and the blocks of an event that are kept as fields.

Reference: reference/spl.md 11.1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import (
    Comparison,
    EvalExpression,
    FieldReference,
    FreeText,
    FunctionCall,
    OneOf,
    OperandChain,
    Option,
    Pipeline,
    Prefix,
    Stage,
    String,
    Template,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.late_pattern import late_pattern

WORD_IN_QUERY = late_pattern(r"[\w.{}*@:-]+")

PLAIN = frozenset({"str", "bool", "Span"})
"""Annotations of attributes that hold no parts."""


@cache
def attributes(kind: Any) -> tuple[str, ...] | None:
    """The attributes of a part that may have parts themselves; None of what is no part, as a text."""
    return tuple(f.name for f in fields(kind) if f.type not in PLAIN) if is_dataclass(kind) else None


class WalkedQuery:
    """The parts of the query that was walked last: each rule of lint asks for all of them."""

    pipeline: Pipeline | None = None
    parts: Sequence[Any] = ()


def walk_query(node: Any) -> Iterator[Any]:
    """Every part of a parsed query."""
    if not isinstance(node, Pipeline):
        return iter(list_query_parts(node))
    if WalkedQuery.pipeline is not node:
        WalkedQuery.pipeline, WalkedQuery.parts = node, list_query_parts(node)
    return iter(WalkedQuery.parts)


def list_query_parts(node: Any) -> list[Any]:
    """The same of any part of one."""
    # A stack instead of recursion: chains of conditions are deeper than Python's.
    stack, found = [node], []
    while stack:
        current = stack.pop()
        if current.__class__ is tuple:
            stack += current
            continue
        names = attributes(current.__class__)
        if names is not None:
            found.append(current)
            for name in names:
                stack.append(getattr(current, name))
    return found


def collect_mentions(pipeline: Pipeline) -> tuple[frozenset[str], bool]:
    """Names that the query may read as fields, and whether it may read the text of events."""
    names: set[str] = set()
    values: set[int] = set()
    raw = False
    for part in walk_query(pipeline):
        match part:
            case Comparison(field, _, value):
                names.add(field.text)
                # A value is a word of the tree like any other; it must not count as a field.
                values.update((id(field), id(value)))
            case OneOf(field, several):
                names.add(field.text)
                values.update((id(field), *map(id, several)))
            case FreeText(word):
                values.add(id(word))
                raw = raw or bool(word.text.strip("*"))
            case FieldReference(name) | Option(name):
                names.add(name)
            case Word(text) if id(part) not in values:
                names.update(WORD_IN_QUERY.findall(text))
                # PREFIX() reads terms of the event's text.
                raw = raw or text.startswith("PREFIX(")
            case Template(text) | String(text):
                # A text may name a field too, as in `spath(x, "a.b")`.
                names.update(WORD_IN_QUERY.findall(text) if isinstance(part, Template) else (text,))
            case Stage(name):
                raw = raw or COMMANDS[name].reads_raw(part)
    # The message of a Windows event is a part of its text, and as long.
    return frozenset(names), raw or not names.isdisjoint(("_raw", "Message"))


EVAL_CONSTANTS = ("true", "false", "null")
"""What Splunk takes for a value where it stands bare."""


def list_fields_in_order(expression: EvalExpression) -> tuple[str, ...]:
    """Names of the fields in an expression, each once, in the order of the text."""
    match expression:
        case FieldReference(name, quoted):
            return () if not quoted and name.lower() in EVAL_CONSTANTS else (name,)
        case Prefix(_, operand):
            return list_fields_in_order(operand)
        case OperandChain(_, parts) | FunctionCall(_, parts):
            return tuple(dict.fromkeys(name for part in parts for name in list_fields_in_order(part)))
        case _:
            return ()


def collect_fields(expression: EvalExpression) -> set[str]:
    """Names of the fields in an expression."""
    return set(list_fields_in_order(expression))


# Fields that the Windows add-on cuts out of the rendered XML (reference/spl.md 11.1).
BLOCKS = {
    "EventData_Xml": r"<EventData>(.*)</EventData>",
    "System_Props_Xml": r"<System>(.*)</System>",
}


def with_blocks(scope: Scope) -> None:
    """Adds those of the fields that the query names and no event brings itself."""
    raw = scope.columns.get("_raw", Kind.NULL)
    wanted = [n for n in BLOCKS if n not in scope.columns and scope.session.mentions(n)]
    if not wanted or raw is Kind.NULL:
        return
    event = as_text(scope.typed("_raw"))
    scope.derive([(n, ops.regex_extract(event, literal(BLOCKS[n]), literal("s"), literal(1.0))) for n in wanted])
