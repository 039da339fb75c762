"""Search conditions that stand as text inside eval."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import Typed, apply
from harness.detection.languages.spl.conditions import Search
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.reader import Reader
from harness.detection.languages.spl.search_grammar import SearchGrammar
from harness.detection.languages.spl.syntax import Expression, Pipeline, String
from harness.detection.languages.spl.text import Text
from harness.diagnostics import SourceError


def no_brackets(reader: Reader) -> Pipeline:
    """A subsearch has no place in text."""
    raise reader.error("unsupported", "a subsearch inside searchmatch is not supported", reader.at)


def search_condition(context: Context, written: Expression) -> Typed:
    """Whether the row satisfies the condition in a text literal."""
    if not isinstance(written, String):
        raise SourceError("unsupported", "searchmatch of a computed text is not supported", written.span)
    source = context.scope.session.text.source
    text = Text(source, written.value, [(0, written.span.start, written.span.end)])
    text.lay_out()
    condition = SearchGrammar(Reader(text, 0, len(written.value)), no_brackets).condition()
    return apply("is_true", Search(context.scope).condition(condition))
