"""Event types and tags of the content given: what eventtypes.conf and tags.conf say of events.

Reference: reference/spl.md 4.1; Splunk Knowledge Manager Manual, event types and tags
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from harness.detection.languages.spl.coercion import YES
from harness.detection.languages.spl.macros import expand_macros
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.scope import Scope, matches_name_pattern
from harness.detection.languages.spl.syntax import Comparison, Pipeline, SearchArguments, Stage, Word
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Filter
from harness.detection.plan.operation import Typed
from harness.diagnostics import Source, SourceError, Span

DEEPEST_EVENT_TYPE = 8
ON = ("enabled", "1", "true", "t")


def of_type(scope: Scope, name: str, span: Span) -> list[Typed]:
    """For each event type of that name or pattern whether an event is of it."""
    found: list[Typed] = []
    for own, given in scope.settings.eventtypes.items():
        if (
            matches_name_pattern(name.lower(), own.lower())
            and "search" in given
            and given.get("disabled", "0").lower() not in ON
        ):
            found.append(match_event_type(scope, given["search"], span))
    return found


def with_tag(scope: Scope, tag: str, span: Span, field: str = "") -> list[Typed]:
    """For each thing that bears a tag, an event type or a field's value, whether an event has it."""
    found: list[Typed] = []
    for stanza, entries in scope.settings.tags.items():
        name, _, value = stanza.partition("=")
        if not any(matches_name_pattern(tag.lower(), t.lower()) for t in list_enabled_tags(entries)) or (
            field and name.strip() != field
        ):
            continue
        name, value = name.strip(), unquote(value.strip())
        found += of_type(scope, value, span) if name == "eventtype" else [compare_tag_field(scope, name, value, span)]
    return found


def list_enabled_tags(entries: Mapping[str, str]) -> Iterator[str]:
    """The tags of one stanza that are not switched off."""
    return (tag for tag, state in entries.items() if state.lower() in ON)


def match_event_type(scope: Scope, search: str, span: Span) -> Typed:
    """Whether an event satisfies the search of an event type, which stands at a place of the query."""
    scope.session.searches += 1
    if scope.session.searches > DEEPEST_EVENT_TYPE:
        raise SourceError(
            "too-deep", f"more than {DEEPEST_EVENT_TYPE} event types or saved searches inside one another", span
        )
    own = expand_macros(Source(span.source.name, search), scope.settings)
    place = ExpandedText(span.source, own.text, [(0, span.start, span.end)], strict=scope.session.text.strict)
    pipeline = PipelineGrammar(place).whole()
    if len(pipeline.stages) != 1 or not isinstance(pipeline.stages[0].arguments, SearchArguments):
        raise scope.unsupported("an event type or a saved search of more than one search, as a condition,", span)
    found = lower_event_type(scope, pipeline, span)
    scope.session.searches -= 1
    return found


def compare_tag_field(scope: Scope, field: str, value: str, span: Span) -> Typed:
    """Whether a field has a value."""
    term = Comparison(Word(field, True, span), "=", Word(value, True, span), False, span)
    return lower_event_type(scope, Pipeline((Stage("search", SearchArguments(term), span),), False, span), span)


def lower_event_type(scope: Scope, pipeline: Pipeline, span: Span) -> Typed:
    """The condition of a search over the current rows."""
    branch = scope.branch()
    scope.session.run(pipeline, branch)
    if branch.node is scope.node:
        return YES
    if not isinstance(branch.node, Filter) or branch.node.source is not scope.node:
        raise scope.unsupported("an event type with a subsearch", span)
    return ops.is_true(Typed(branch.node.condition, Kind.BOOLEAN))
