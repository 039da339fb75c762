"""Words and parameters as the texts, names and numbers that they stand for."""

from __future__ import annotations

import re

from harness.detection.languages.cql.lexer import STRING, unescaped
from harness.detection.languages.cql.meaning import Meaning
from harness.detection.languages.cql.syntax import Array, Parameter, Regex, Syntax, Unary, Word
from harness.diagnostics import Severity, SourceError

LIST = re.compile(rf"\[\s*{STRING.pattern}(?:\s*,\s*{STRING.pattern})*\s*\]", re.S)


def given(meaning: Meaning, parameter: Parameter) -> bool:
    """Whether a parameter has a value or a default; where it has none that is told."""
    known = parameter.default is not None or parameter.name in meaning.settings.parameters
    if known or parameter.name in meaning.defaults:
        return True
    parameter_text(meaning, parameter)
    return False


def parameter_text(meaning: Meaning, parameter: Parameter) -> str:
    """The value given for a parameter, else its default, else `*` as a dashboard has it."""
    given = meaning.settings.parameters.get(parameter.name)
    if given is not None:
        return given
    if parameter.default is not None:
        return parameter.default.text
    if parameter.name in meaning.defaults:
        return meaning.defaults[parameter.name]
    message = f"the parameter `{parameter.name}` has no value; `*` is used"
    meaning.tell("parameter-without-value", parameter.name, message, parameter.span, severity=Severity.NOTE)
    return "*"


def text_of(meaning: Meaning, part: Syntax) -> str:
    """The text that a word or a parameter stands for."""
    match part:
        case Word(text=text):
            return text
        case Parameter():
            return parameter_text(meaning, part)
        case Unary(operator="-", operand=Word(text=text)):
            return f"-{text}"
        case Regex(body=body):
            return body
        case _:
            raise SourceError("argument", "expected a name or a text here", part.span)


def texts_of(meaning: Meaning, part: Syntax) -> tuple[str, ...]:
    """The texts of a list, or the only one."""
    if isinstance(part, Array):
        return tuple(t for item in part.items for t in texts_of(meaning, item))
    text = text_of(meaning, part)
    return listed(text) if isinstance(part, Parameter) and LIST.fullmatch(text) else (text,)


def listed(text: str) -> tuple[str, ...]:
    """The values of a parameter that has several, written as a list of texts in quotes."""
    return tuple(unescaped(body) for body in STRING.findall(text))
