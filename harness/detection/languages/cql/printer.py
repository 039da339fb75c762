"""Printing a query again: reading what is printed gives an equal query."""

from __future__ import annotations

import re

from harness.detection.languages.cql.lexer import NAME
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Arm,
    Array,
    Assign,
    Binary,
    Call,
    Case,
    Comparison,
    FreeText,
    Junction,
    Link,
    Logic,
    Match,
    Negation,
    Parameter,
    Pipeline,
    Regex,
    Saved,
    Syntax,
    Truth,
    Unary,
    Word,
)
from harness.detection.languages.cql.texts import quote

BINDING = {"==": 2, "!=": 2, "<": 2, "<=": 2, ">": 2, ">=": 2, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
SAVED_NAME = re.compile(r"[\w/:.\-]+")
PARAMETER_NAME = re.compile(r"[\w.\-]+")


def render(pipeline: Pipeline) -> str:
    """The text of a query, a line a step."""
    return "\n| ".join(printed(s) for s in pipeline.steps)


def printed(part: Syntax) -> str:
    """The text of a part."""
    match part:
        case Word(text=text, quoted=quoted):
            return quote(text) if quoted else text
        case Regex(body=body, flags=flags):
            return f"/{body}/{flags}"
        case Parameter():
            return printed_parameter(part)
        case Array(items=items):
            return f"[{', '.join(printed(i) for i in items)}]"
        case Pipeline():
            return f"{{{steps(part)}}}"
        case Argument():
            return printed_argument(part)
        case Call(name=name, arguments=arguments):
            return f"{name}({', '.join(printed(a) for a in arguments)})"
        case Saved(name=name, arguments=arguments):
            shown = name if SAVED_NAME.fullmatch(name) else in_quotes(name)
            return f"${shown}({', '.join(printed(a) for a in arguments)})"
        case Assign(target=target, value=value, dynamic=dynamic):
            return f"{f'`{printed(target)}`' if dynamic else printed(target)} := {printed(value)}"
        case Binary() | Unary() | Logic():
            return printed_expression(part)
        case _:
            return printed_filter(part)


def printed_filter(part: Syntax) -> str:
    """The text of a filter, a `case` or a `match`."""
    match part:
        case Junction(operator=operator, parts=parts):
            return f" {operator} ".join(inner(p) for p in parts)
        case Negation(part=negated):
            return f"not {inner(negated)}"
        case Comparison(field=field, operator=operator, value=value):
            return f"{printed(field)} {operator} {printed(value)}"
        case Apply(field=field, call=call, negated=negated):
            return f"{printed(field)} =~ {'!' if negated else ''}{printed(call)}"
        case FreeText(value=value):
            return printed(value)
        case Link(left=left, right=right):
            return f"{printed(left)} <=> {printed(right)}"
        case Truth(word=word):
            return word
        case Case(branches=branches):
            return f"case {{ {'; '.join(steps(b) for b in branches)} }}"
        case Match(field=field, arms=arms):
            return f"{printed(field)} match {{ {'; '.join(printed(a) for a in arms)} }}"
        case Arm(guard=guard, pipeline=pipeline):
            return f"{printed(guard)} => {steps(pipeline)}"
        case _:
            raise TypeError(f"not a part of a query: {part!r}")


def inner(part: Syntax) -> str:
    """The text of a filter inside another."""
    text = printed(part)
    return f"({text})" if isinstance(part, Junction) else text


def steps(pipeline: Pipeline) -> str:
    """The steps of a pipeline in one line."""
    return " | ".join(printed(s) for s in pipeline.steps)


def binding(part: Syntax) -> int:
    """How tightly an expression holds together."""
    match part:
        case Logic(operator=operator):
            return 1 if operator == "and" else 0
        case Binary(operator=operator):
            return BINDING[operator]
        case _:
            return 5


def held(part: Syntax, tightness: int) -> str:
    """The text of an operand, in parentheses if it would fall apart."""
    text = printed(part)
    return f"({text})" if binding(part) < tightness else text


def printed_expression(part: Binary | Unary | Logic) -> str:
    """The text of an operator and its operands."""
    match part:
        case Binary(operator=operator, left=left, right=right):
            own = BINDING[operator]
            return f"{held(left, own + 1 if own == 2 else own)} {operator} {held(right, own + 1)}"
        case Unary(operator=operator, operand=operand):
            return f"{operator} {held(operand, 5)}"
        case Logic(operator=operator, parts=parts):
            return f" {operator} ".join(held(p, binding(part) + 1) for p in parts)


def printed_argument(part: Argument) -> str:
    """The text of an argument with its name, label and attributes."""
    text = printed(part.value)
    if part.name is not None:
        text = f"{part.name if NAME.fullmatch(part.name) else in_quotes(part.name)}={text}"
    if part.label is not None:
        text = f"{part.label}: {text}"
    return " ".join([text, *(f"{a.name}: {printed(a.value)}" for a in part.attributes)])


def printed_parameter(part: Parameter) -> str:
    """The text of a parameter."""
    name = part.name if PARAMETER_NAME.fullmatch(part.name) else in_quotes(part.name)
    return f"?{name}" if part.default is None else f"?{{{name}={printed(part.default)}}}"


def in_quotes(name: str) -> str:
    """A name in quotes, where a backslash is itself."""
    return f"`{name}`" if '"' in name else f'"{name}"'
