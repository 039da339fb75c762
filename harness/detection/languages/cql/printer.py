"""Printing a query again: reading what is printed gives an equal query."""

from __future__ import annotations

from harness.detection.languages.cql.lexer import FIELD_NAME, quote
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Arm,
    Array,
    Assign,
    Binary,
    CaseStep,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Link,
    Logic,
    Match,
    Negation,
    Pipeline,
    QueryParameter,
    Regex,
    SavedCall,
    Syntax,
    TruthFilter,
    Unary,
    Word,
)
from harness.late_pattern import late_pattern

BINDING = {"==": 2, "!=": 2, "<": 2, "<=": 2, ">": 2, ">=": 2, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
SAVED_NAME = late_pattern(r"[\w/:.\-]+")
PARAMETER_NAME = late_pattern(r"[\w.\-]+")


def print_pipeline(pipeline: Pipeline) -> str:
    """The text of a query, a line a step."""
    return "\n| ".join(print_part(s) for s in pipeline.steps)


def print_part(part: Syntax) -> str:
    """The text of a part."""
    match part:
        case Word(text=text, quoted=quoted):
            return quote(text) if quoted else text
        case Regex(body=body, flags=flags):
            # Two slashes behind a blank would be a comment.
            return f"/{body or '(?:)'}/{flags}"
        case QueryParameter():
            return printed_parameter(part)
        case Array(items=items):
            return f"[{', '.join(print_part(i) for i in items)}]"
        case Pipeline():
            return f"{{{steps(part)}}}"
        case Argument():
            return printed_argument(part)
        case FunctionCall(name=name, arguments=arguments):
            return f"{name}({', '.join(print_part(a) for a in arguments)})"
        case SavedCall(name=name, arguments=arguments):
            shown = name if SAVED_NAME.fullmatch(name) else quote_name(name)
            return f"${shown}({', '.join(print_part(a) for a in arguments)})"
        case Assign(target=target, value=value, dynamic=dynamic):
            return f"{f'`{print_part(target)}`' if dynamic else print_part(target)} := {print_part(value)}"
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
            return f"{print_part(field)} {operator} {print_part(value)}"
        case Apply(field=field, call=call, negated=negated):
            return f"{print_part(field)} =~ {'!' if negated else ''}{print_part(call)}"
        case FreeText(value=value):
            return print_part(value)
        case Link(left=left, right=right):
            return f"{print_part(left)} <=> {print_part(right)}"
        case TruthFilter(word=word):
            return word
        case CaseStep(branches=branches):
            return f"case {{ {'; '.join(steps(b) for b in branches)} }}"
        case Match(field=field, arms=arms):
            return f"{print_part(field)} match {{ {'; '.join(print_part(a) for a in arms)} }}"
        case Arm(guard=guard, pipeline=pipeline):
            return f"{print_part(guard)} => {steps(pipeline)}"
        case _:
            raise TypeError(f"not a part of a query: {part!r}")


def inner(part: Syntax) -> str:
    """The text of a filter inside another."""
    text = print_part(part)
    return f"({text})" if isinstance(part, Junction) else text


def steps(pipeline: Pipeline) -> str:
    """The steps of a pipeline in one line."""
    return " | ".join(print_part(s) for s in pipeline.steps)


def rank_binding(part: Syntax) -> int:
    """How tightly an expression holds together."""
    match part:
        case Logic(operator=operator):
            return 1 if operator == "and" else 0
        case Binary(operator=operator):
            return BINDING[operator]
        case _:
            return 5


def print_operand(part: Syntax, tightness: int) -> str:
    """The text of an operand, in parentheses if it would fall apart."""
    text = print_part(part)
    return f"({text})" if rank_binding(part) < tightness else text


def printed_expression(part: Binary | Unary | Logic) -> str:
    """The text of an operator and its operands."""
    match part:
        case Binary(operator=operator, left=left, right=right):
            own = BINDING[operator]
            return f"{print_operand(left, own + 1 if own == 2 else own)} {operator} {print_operand(right, own + 1)}"
        case Unary(operator=operator, operand=operand):
            return f"{operator} {print_operand(operand, 5)}"
        case Logic(operator=operator, parts=parts):
            return f" {operator} ".join(print_operand(p, rank_binding(part) + 1) for p in parts)


def printed_argument(part: Argument) -> str:
    """The text of an argument with its name, label and attributes."""
    text = print_part(part.value)
    if part.name is not None:
        text = f"{part.name if FIELD_NAME.fullmatch(part.name) else quote_name(part.name)}={text}"
    if part.label is not None:
        text = f"{part.label}: {text}"
    return " ".join([text, *(f"{a.name}: {print_part(a.value)}" for a in part.attributes)])


def printed_parameter(part: QueryParameter) -> str:
    """The text of a parameter."""
    name = part.name if PARAMETER_NAME.fullmatch(part.name) else quote_name(part.name)
    return f"?{name}" if part.default is None else f"?{{{name}={print_part(part.default)}}}"


def quote_name(name: str) -> str:
    """A name in quotes, where a backslash is itself."""
    return f"`{name}`" if '"' in name else f'"{name}"'
