"""What only the events can tell while a search is planned: the names of columns, the rows that `map` runs for.

A search asks through `Settings.ask`; without it the plan is what can be told of the text alone, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.nodes import Limit, Node, walk_nodes
from harness.diagnostics import SourceError, Span

MOST_STEPS = 4_000
"""Nodes that all questions of one plan may have together: each is a run of the search up to there."""

AnsweredRow = Mapping[str, object]


def ask_rows(scope: Scope, node: Node, most: int, span: Span) -> list[AnsweredRow] | None:
    """The first rows of a relation, null fields left out; None where nobody can be asked."""
    session = scope.session
    session.asked = True
    ask = session.settings.ask
    if ask is None:
        return None
    session.questions += sum(1 for _ in walk_nodes(node))
    if session.questions > MOST_STEPS:
        message = "parts of the search have to be run too often to tell its columns"
        raise SourceError("too-many-questions", message, span, help="name the columns with `stats` and `eval`")
    return list(ask(Limit(source=node, count=most)).records())


def note_unnamed_columns(scope: Scope, what: str, span: Span) -> None:
    """Tells of columns that nobody could name; later commands may mean them."""
    scope.session.note(
        "unnamed-columns", f"columns named by {what} are known only with events; here they are rows", span
    )
    scope.open = True
