"""The command that computes fields: eval."""

from __future__ import annotations

import re

from harness.detection.languages.spl.coercion import Typed, apply, literal, same_kind, text
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Assignment, EvalArguments, Stage
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
NAME = re.compile(r"[A-Za-z_][\w.]*")
MOST_NAMES = 300


@COMMANDS.define("eval", shape="eval")
def evaluate(scope: Scope, stage: Stage) -> None:
    """Fields computed by expressions, from left to right; a null leaves no field.

    Reference: reference/spl.md 5
    """
    if not isinstance(stage.arguments, EvalArguments):
        raise TypeError(stage.name)
    for assignment in stage.arguments.assignments:
        value = Context(scope).value(assignment.value)
        if value.kind is Kind.BOOLEAN:
            message = "a field cannot hold true or false"
            raise SourceError("boolean-field", message, assignment.span, help="write `if(..., 1, 0)`")
        name = assignment.target.text
        found = PLACEHOLDER.findall(name)
        if len(found) > 1:
            message = "a field named by several other fields is not supported"
            raise SourceError("unsupported", message, assignment.target.span)
        if found and name not in scope.columns:
            named_by_field(scope, assignment, name, found[0], value)
        else:
            scope.derive([(name, value)], assignment.span)


def named_by_field(scope: Scope, assignment: Assignment, name: str, field: str, value: Typed) -> None:
    """`{field}` in a target is what that field holds: done for the names that the rest of the query reads."""
    before, _, after = name.partition("{" + field + "}")
    chosen = text(scope.typed(field, assignment.target.span))
    made: list[tuple[str, Typed]] = []
    for word in sorted(scope.session.words):
        inside = word[len(before) : len(word) - len(after)]
        if word.startswith(before) and word.endswith(after) and inside and NAME.fullmatch(inside) and word != field:
            same = apply("equal", chosen, literal(inside))
            old = scope.typed(word)
            new, kept = same_kind([value, old]) if old.kind is not Kind.NULL else (value, literal(None))
            made.append((word, apply("if", same, new, kept)))
    scope.derive(made[:MOST_NAMES], assignment.span)
