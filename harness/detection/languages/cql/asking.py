"""What only the events can tell while a query is planned: names of fields that stand in texts, and names of columns.

A query asks through `Settings.ask`; without it the plan is what can be told of the query's text alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RegistryEntry
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    Assign,
    FunctionCall,
    Pipeline,
    Syntax,
    Word,
    walk_syntax,
)
from harness.detection.plan.nodes import Limit, Node
from harness.diagnostics import SourceError, Span

if TYPE_CHECKING:
    from harness.detection.languages.cql.meaning import Session

MOST_QUESTIONS = 60
"""How often one plan may ask; each answer is a run of the query up to there."""


def ask_rows(meaning: Session, node: Node, most: int, span: Span) -> list[Mapping[str, object]] | None:
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


def reads_unnamed_fields(pipeline: Pipeline) -> bool:
    """Whether fields that the query does not name can matter to it: no step leaves only named ones."""
    parts = walk_syntax(pipeline)
    if any(isinstance(p, FunctionCall) and opening(p) for p in parts):
        return True
    return not any(closes_fields(s) for s in pipeline.steps)


def opening(part: FunctionCall) -> bool:
    """Whether a call looks at fields whatever their names."""
    function = FUNCTIONS[part.name]
    return function.reads_all or (function.wildcards and any("*" in w for w in collect_argument_words(part)))


def collect_argument_words(part: FunctionCall) -> list[str]:
    """The words in a call's arguments."""
    return [
        w.text for a in part.arguments if isinstance(a, Argument) for w in walk_syntax(a.value) if isinstance(w, Word)
    ]


def closes_fields(step: Syntax) -> bool:
    """Whether a step leaves only fields that it names."""
    match step:
        case FunctionCall(name=name) | Assign(value=FunctionCall(name=name)):
            return FUNCTIONS[name].fields is FieldEffect.CLOSES
        case Array():
            return True
        case _:
            return False


def arrays(pipeline: Pipeline) -> frozenset[str]:
    """Names that functions of arrays are given."""
    calls = [p for p in walk_syntax(pipeline) if isinstance(p, FunctionCall)]
    given = (a.value for c in calls for a in c.arguments if names_array(FUNCTIONS[c.name], a))
    return frozenset(v.text.replace("`", "") for v in given if isinstance(v, Word))


def names_array(function: RegistryEntry, argument: Argument) -> bool:
    """Whether an argument can be the name of an array."""
    if argument.name is None:
        return not function.arrays.isdisjoint(function.positional)
    return argument.name in function.arrays
