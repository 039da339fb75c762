"""What only the events can tell while a query is planned: names of fields that stand in texts, and names of columns.

A query asks through `Settings.ask`; without it the plan is what can be told of the query's text alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.detection.plan.nodes import Limit, Node
from harness.diagnostics import SourceError, Span

if TYPE_CHECKING:
    from harness.detection.languages.cql.meaning import Meaning

MOST_QUESTIONS = 60
"""How often one plan may ask; each answer is a run of the query up to there."""


def asked(meaning: Meaning, node: Node, most: int, span: Span) -> list[Mapping[str, object]] | None:
    """The first rows of a relation; None where nobody can be asked."""
    meaning.asked = True
    ask = meaning.settings.ask
    if ask is None:
        return None
    meaning.questions += 1
    if meaning.questions > MOST_QUESTIONS:
        message = f"the query has to be run more than {MOST_QUESTIONS} times to be planned"
        raise SourceError("too-many-questions", message, span, help="name the fields with `select`")
    return list(ask(Limit(source=node, count=most)).records())
