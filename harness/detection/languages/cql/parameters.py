"""Parameters of a query, and the texts that words and parameters stand for."""

from __future__ import annotations

import re

from harness.detection.languages.cql.lexer import DOUBLE_QUOTED, unescape_string
from harness.detection.languages.cql.scope import Session
from harness.detection.languages.cql.syntax import (
    Array,
    QueryParameter,
    Regex,
    Syntax,
    Unary,
    Word,
)
from harness.diagnostics import Severity, SourceError
from harness.late_pattern import late_pattern

# How the product's interface hands over a parameter of several values; `in(values=?p)` takes it apart.
LIST = late_pattern(rf"\[\s*{DOUBLE_QUOTED.pattern}(?:\s*,\s*{DOUBLE_QUOTED.pattern})*\s*\]", re.S)


def has_parameter_value(meaning: Session, parameter: QueryParameter) -> bool:
    """Whether a parameter has a value or a default; where it has none that is told."""
    known = parameter.default is not None or parameter.name in meaning.settings.parameters
    if known or parameter.name in meaning.defaults:
        return True
    parameter_text(meaning, parameter)
    return False


def parameter_text(meaning: Session, parameter: QueryParameter) -> str:
    """The value given for a parameter, else its default, else `*` as a dashboard has it."""
    given = meaning.settings.parameters.get(parameter.name)
    if given is not None:
        return given
    if parameter.default is not None:
        return parameter.default.text
    if parameter.name in meaning.defaults:
        return meaning.defaults[parameter.name]
    # Half of all published queries have parameters (reference/cql.md 14), and dashboards begin with `*`.
    message = f"the parameter `{parameter.name}` has no value; `*` is used"
    meaning.tell("parameter-without-value", parameter.name, message, parameter.span, severity=Severity.NOTE)
    return "*"


def resolve_text(meaning: Session, part: Syntax) -> str:
    """The text that a word or a parameter stands for."""
    match part:
        case Word(text=text):
            return text
        case QueryParameter():
            return parameter_text(meaning, part)
        case Unary(operator="-", operand=Word(text=text)):
            return f"-{text}"
        case Regex(body=body):
            return body
        case _:
            raise SourceError("argument", "expected a name or a text here", part.span)


def resolve_texts(meaning: Session, part: Syntax) -> tuple[str, ...]:
    """The texts of a list, or the only one."""
    if isinstance(part, Array):
        return tuple(t for item in part.items for t in resolve_texts(meaning, item))
    text = resolve_text(meaning, part)
    return parse_value_texts(text) if isinstance(part, QueryParameter) and LIST.fullmatch(text) else (text,)


def parse_value_texts(text: str) -> tuple[str, ...]:
    """The values of a parameter that has several, written as a list of texts in quotes."""
    return tuple(unescape_string(body) for body in DOUBLE_QUOTED.findall(text))
