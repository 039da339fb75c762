"""Commands that make fields of fields: eval, rex, replace, convert, strcat, bin, makemv and their like."""

from __future__ import annotations

import re

from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import EvalArguments, Stage
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


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
        if PLACEHOLDER.search(name) and name not in scope.columns:
            raise SourceError("unsupported", "a field named by another field is not supported", assignment.target.span)
        scope.derive([(name, value)], assignment.span)
