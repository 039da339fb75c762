"""Words and parameters as the texts, names and numbers that they stand for."""

from __future__ import annotations

from harness.detection.languages.cql.meaning import Meaning
from harness.detection.languages.cql.syntax import Array, Parameter, Regex, Syntax, Unary, Word
from harness.diagnostics import Severity, SourceError


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
        return tuple(text_of(meaning, item) for item in part.items)
    return (text_of(meaning, part),)
