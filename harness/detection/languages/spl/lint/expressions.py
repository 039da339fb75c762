"""Lint of eval expressions: nulls, control characters in paths, wildcards that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.detection.languages.spl.lint.conditions import LintRule, warning
from harness.detection.languages.spl.mentions import walk_query
from harness.detection.languages.spl.registry import COMMANDS, FUNCTIONS
from harness.detection.languages.spl.syntax import (
    FieldReference,
    FunctionCall,
    OperandChain,
    Pipeline,
    Prefix,
    Stage,
    String,
)
from harness.diagnostics import Edit, Finding

ESCAPED_CONTROL = re.compile(r"(?<!\\)(?:\\\\)*\\([tnr])(?=\w)")
WINDOWS_PATH = re.compile(r"[A-Za-z]:\\|\\\w+\\|^%?\\|HK\w+\\|\\\w+\.\w{2,4}")
COMPARISONS = ("=", "!=", "LIKE")


def negated_null(pipeline: Pipeline) -> Iterator[Finding]:
    """NOT of a comparison with a field that may be missing."""
    for part in walk_query(pipeline):
        if isinstance(part, Prefix) and part.operator == "NOT":
            inner = part.operand
            compares = isinstance(inner, OperandChain) and inner.operator in COMPARISONS
            asks = isinstance(inner, FunctionCall) and inner.name in FUNCTIONS and FUNCTIONS[inner.name].tests
            if compares or asks:
                names = [p.name for p in walk_query(inner) if isinstance(p, FieldReference)]
                if names:
                    message = f"where `{names[-1]}` is missing this is null, not true"
                    yield warning("negated-null", part.span, message, f"add `isnull({names[-1]}) OR`")


def control_character(pipeline: Pipeline) -> Iterator[Finding]:
    r"""`\t`, `\n` and `\r` in a path of eval are control characters."""
    patterns = {
        id(a)
        for p in walk_query(pipeline)
        if isinstance(p, FunctionCall) and p.name in FUNCTIONS and FUNCTIONS[p.name].escapes
        for a in p.arguments
    }
    for part in walk_query(pipeline):
        if not isinstance(part, String) or id(part) in patterns:
            continue
        written = part.span.text
        found = ESCAPED_CONTROL.search(written)
        if found and WINDOWS_PATH.search(written):
            message = f"`\\{found[1]}` is a control character here, not a backslash and a letter"
            mended = re.sub(r"(?<!\\)\\(?![\\\"])", r"\\\\", written)
            edits = (Edit(part.span, mended),) if written[:1] == '"' else ()
            yield warning("control-character", part.span, message, "write two backslashes", edits)


def literal_star(pipeline: Pipeline) -> Iterator[Finding]:
    """A star is a star in eval and where."""
    for part in walk_query(pipeline):
        if isinstance(part, OperandChain) and part.operator in ("=", "!="):
            for operand in part.operands:
                if isinstance(operand, String) and "*" in operand.value and len(operand.value) > 1:
                    message = "`*` is no wildcard in eval and where"
                    yield warning("literal-star", operand.span, message, "use `like` with `%`, or `search`")


def bare_word(pipeline: Pipeline) -> Iterator[Finding]:
    """A word without quotes on the right side is a field."""
    for stage in walk_query(pipeline):
        if not isinstance(stage, Stage) or not COMMANDS[stage.name].evaluates:
            continue
        names = [p.name for p in walk_query(pipeline) if isinstance(p, FieldReference)]
        text = stage.span.source.text
        for part in walk_query(stage):
            if not isinstance(part, OperandChain) or part.operator not in ("=", "!=") or len(part.operands) != 2:
                continue
            right = part.operands[1]
            if not isinstance(right, FieldReference) or right.quoted or right.name.lower() in ("true", "false", "null"):
                continue
            if names.count(right.name) == 1 and len(re.findall(rf"\b{re.escape(right.name)}\b", text)) == 1:
                message = f"`{right.name}` is a field here, not a text"
                yield warning("bare-word", right.span, message, f'write "{right.name}" for the text')


EXPRESSION_RULES: tuple[LintRule, ...] = (negated_null, control_character, literal_star, bare_word)
