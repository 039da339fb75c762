"""Terms of a search that are no comparison with a field: time bounds, event types and tags.

Reference: reference/spl.md 3.7, 4.1 and 8.3
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.event_types import match_event_type
from harness.detection.languages.spl.cim.events import match_tag
from harness.detection.languages.spl.cim.sources import EVENT_GROUPS
from harness.detection.languages.spl.coercion import YES
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Word
from harness.detection.languages.spl.time_terms import time_term
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Literal
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span, did_you_mean

IGNORED = ("timeformat", "splunk_server", "splunk_server_group", "allow_partial_results")
TAGS = ("eventtype", "tag", "eventtypetag", "sourcetypetag", "hosttag")


def special_term(scope: Scope, name: str, operator: str, value: Word, form: str, span: Span) -> Typed | None:
    """What such a term means, its dates in the format given; None if it is an ordinary comparison."""
    lowered = name.lower()
    if operator not in ("=", "!="):
        return None
    if operator == "=" and name not in scope.columns:
        bound = time_term(scope, lowered, value, form, span)
        if bound is not None:
            return bound
    if lowered in IGNORED and name not in scope.columns:
        return YES
    if name in TAGS or name.startswith("tag::"):
        return tag_term(scope, name, operator, value, span)
    if name == "savedsearch" and name not in scope.columns:
        return saved_term(scope, operator, value, span)
    return None


def saved_term(scope: Scope, operator: str, value: Word, span: Span) -> Typed:
    """The condition of a saved search that is nothing but a search."""
    saved = scope.settings.saved
    if value.text not in saved:
        hint = did_you_mean(value.text, saved) or "give it in the content of the run"
        raise SourceError("unknown-saved-search", f"no saved search is called `{value.text[:60]}`", span, help=hint)
    found = match_event_type(scope, saved[value.text], value.span)
    return found if operator == "=" else ops.not_(found, span=span)


def tag_term(scope: Scope, name: str, operator: str, value: Word, span: Span) -> Typed | None:
    """An event type or a tag, by what the add-ons say of events; what an event itself carries is compared besides."""
    kind = "eventtype" if name == "eventtype" else "tag"
    found = match_tag(scope, kind, value.text, span, name.removeprefix("tag::") if name.startswith("tag::") else "")
    nobody = isinstance(found.expression, Literal)
    if name in scope.columns and (nobody or operator == "!="):
        return None
    if nobody and kind == "eventtype" and not known_type(scope, value.text):
        message = f"no event type is called `{value.text[:60]}`, so that no event has it"
        scope.session.warn("unknown-eventtype", message, value.span, "write its search instead")
    return found if operator == "=" else ops.not_(ops.is_true(found), span=span)


def known_type(scope: Scope, name: str) -> bool:
    """Whether an add-on or the content given defines event types of this name."""
    return "*" in name or name in scope.settings.eventtypes or any(name.lower() in g.eventtypes for g in EVENT_GROUPS)
