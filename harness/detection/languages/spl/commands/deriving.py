"""The command that computes fields: eval."""

from __future__ import annotations

import re

from harness.detection.languages.spl.asking import AnsweredRow, ask_rows
from harness.detection.languages.spl.coercion import as_text, literal, same_kind
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Assignment, EvalArguments, Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Aggregate, Values
from harness.detection.plan.operation import Typed, apply
from harness.diagnostics import SourceError, Span

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
DERIVED_NAME = re.compile(r"[A-Za-z_][\w.]*")
MOST_NAMES = 300


@COMMANDS.define("eval", order="keeps", fields="keeps", raw="never", shape="eval", gets_row=True, evaluates=True)
def evaluate(scope: Scope, stage: Stage) -> None:
    """Fields computed by expressions, from left to right; a null leaves no field.

    Where a search begins with it, Splunk makes one row first; read leniently, such a search is one of all events.

    Reference: reference/spl.md 3.1 and 5
    """
    if not isinstance(stage.arguments, EvalArguments):
        raise TypeError(stage.name)
    if scope.first and scope.session.text.strict:
        made = {"_time": Kind.NUMBER}
        scope.replace(Values(columns=made, rows=((scope.settings.now,),), span=stage.span), made, events=False)
    for assignment in stage.arguments.assignments:
        value = EvalContext(scope).value(assignment.value)
        if value.kind is Kind.BOOLEAN:
            message = "a field cannot hold true or false"
            raise SourceError("boolean-field", message, assignment.span, help="write `if(..., 1, 0)`")
        name = assignment.target.text
        if PLACEHOLDER.search(name) and name not in scope.columns:
            named_by_fields(scope, assignment, name, value)
        else:
            scope.derive([(name, value)], assignment.span)


def named_by_fields(scope: Scope, assignment: Assignment, name: str, value: Typed) -> None:
    """`{field}` in a target is what that field holds; a row without one of the fields gets nothing."""
    place = assignment.target.span
    pieces = PLACEHOLDER.split(name)
    parts = [literal(p) if i % 2 == 0 else as_text(scope.typed(p, place)) for i, p in enumerate(pieces) if p]
    if any(p.kind is Kind.NULL for p in parts):
        return
    chosen = apply(ops.concat, *parts)
    rows = ask_target_rows(scope, chosen, place)
    if rows is None or len(rows) > MOST_NAMES:
        note_unnamed_targets(scope, rows is None, place)
        names = collect_target_names(scope, pieces)
    else:
        names = [n for n in (str(r["name"]) for r in rows if "name" in r) if n and n[0] != "@"]
    made: list[tuple[str, Typed]] = []
    for word in names:
        same = ops.equal(chosen, literal(word))
        old = scope.typed(word)
        new, kept = same_kind([value, old]) if old.kind is not Kind.NULL else (value, literal(None))
        made.append((word, ops.if_(same, new, kept)))
    scope.derive(made[:MOST_NAMES], assignment.span)


def ask_target_rows(scope: Scope, chosen: Typed, place: Span) -> list[AnsweredRow] | None:
    """Rows with the names that the events give; None where nobody can be asked."""
    names = Aggregate(source=scope.node, keys=(("name", chosen.expression),), measures=())
    return ask_rows(scope, names, MOST_NAMES + 2, place)


def note_unnamed_targets(scope: Scope, unasked: bool, place: Span) -> None:
    """Tells of fields that nobody could name, or that are too many; later commands may mean them."""
    why = "known only with events" if unasked else f"more than {MOST_NAMES}"
    message = f"fields named by values are {why}; here only those are made that the search names"
    scope.session.note("unnamed-columns", message, place)
    scope.open = True


def collect_target_names(scope: Scope, pieces: list[str]) -> list[str]:
    """The names that the search itself reads and that a target can have."""
    fits = re.compile(DERIVED_NAME.pattern.join(re.escape(p) for p in pieces[::2]))
    return [w for w in sorted(scope.session.words) if fits.fullmatch(w) and w not in pieces[1::2]]
