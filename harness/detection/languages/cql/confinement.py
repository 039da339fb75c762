"""A query as it is sent to a LogScale on which the events of a trial are told by tags of their own."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.enclosure import NAME_MARK, Enclosure, TextEdit, edit_text
from harness.detection.languages.cql.syntax import Argument, FunctionCall, Pipeline, Syntax, Word, walk_syntax

# LogScale sets it itself to the repository's name, so that the events' own goes by another name there.
REPOSITORY_TAG = "#repo"
# What they are given in braces fetches events of its own; they stand before everything else.
QUERYING = frozenset({"join", "defineTable", "correlate"})
# A query that begins so reads no stored events.
EVENTLESS_FUNCTIONS = frozenset({"createEvents", "readFile", "correlate"})


def confine_query(text: str, pipeline: Pipeline, enclosure: Enclosure, until: int | None = None) -> str:
    """The text up to a place, reading the enclosure's events only; spans of the pipeline are places in the text."""
    end = len(text) if until is None else until
    edits = [*list_tag_edits(pipeline), *confine_steps(pipeline, print_tag_filter(enclosure))]
    return edit_text(text[:end], [edit for edit in edits if edit[1] <= end])


def print_tag_filter(enclosure: Enclosure) -> str:
    """The filter that passes the enclosure's events, a pipe behind it."""
    part = f' #{NAME_MARK}_part="{enclosure.part}"' if enclosure.part else ""
    return f'#{NAME_MARK}_trial="{enclosure.name}"{part} | '


def list_tag_edits(pipeline: Pipeline) -> Iterator[TextEdit]:
    """The edits that give the tag of the repository the name under which it was sent."""
    for part in walk_syntax(pipeline):
        if isinstance(part, Word) and part.text == REPOSITORY_TAG:
            yield part.span.start, part.span.end, f"#{NAME_MARK}_repo"


def confine_steps(pipeline: Pipeline, tag_filter: str) -> Iterator[TextEdit]:
    """The edits of the query and of the queries that its functions are given."""
    called = [step.name if isinstance(step, FunctionCall) else "" for step in pipeline.steps]
    defining = next((i for i, name in enumerate(called) if name != "defineTable"), len(called))
    if defining < len(called) and called[defining] not in EVENTLESS_FUNCTIONS:
        start = pipeline.steps[defining].span.start
        yield start, start, tag_filter
    for part in walk_syntax(pipeline):
        if isinstance(part, FunctionCall) and part.name in QUERYING:
            for inner in list_given_queries(part):
                start = inner.steps[0].span.start
                yield start, start, tag_filter


def list_given_queries(call: FunctionCall) -> Iterator[Pipeline]:
    """The queries in braces among the arguments of a function."""
    for argument in call.arguments:
        given: Syntax = argument.value if isinstance(argument, Argument) else argument
        if isinstance(given, Pipeline) and given.steps:
            yield given
