"""Search conditions that stand as text inside eval."""

from __future__ import annotations

from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.reader import StageCursor
from harness.detection.languages.spl.search_grammar import SearchGrammar
from harness.detection.languages.spl.syntax import EvalExpression, Pipeline, String
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError


def no_brackets(reader: StageCursor) -> Pipeline:
    """A subsearch has no place in text."""
    raise reader.error("unsupported", "a subsearch inside searchmatch is not supported", reader.at)


def search_condition(context: EvalContext, written: EvalExpression) -> Typed:
    """Whether the row satisfies the condition in a text literal."""
    if not isinstance(written, String):
        raise SourceError("unsupported", "searchmatch of a computed text is not supported", written.span)
    source = context.scope.session.text.source
    text = ExpandedText(source, written.value, [(0, written.span.start, written.span.end)])
    text.lay_out()
    condition = SearchGrammar(StageCursor(text, 0, len(written.value)), no_brackets).condition()
    return ops.is_true(SearchLowering(context.scope).condition(condition))
