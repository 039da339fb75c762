"""Terms of a search that are no comparison with a field: time bounds, event types and tags.

Reference: reference/spl.md 3.7, 4.1 and 8.3
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.events import tagged
from harness.detection.languages.spl.coercion import YES, Typed, apply, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Word
from harness.detection.languages.spl.timespans import absolute, relative
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError, Span

BOUNDS = {
    "earliest": ("_time", "greater_equal"),
    "latest": ("_time", "less"),
    "starttime": ("_time", "greater_equal"),
    "endtime": ("_time", "less"),
    "_index_earliest": ("_indextime", "greater_equal"),
    "_index_latest": ("_indextime", "less"),
}
IGNORED = ("timeformat", "splunk_server", "splunk_server_group", "allow_partial_results")
DAYS = {"daysago": "d", "hoursago": "h", "minutesago": "m", "monthsago": "mon"}


def special_term(scope: Scope, name: str, operator: str, value: Word, span: Span) -> Typed | None:
    """What such a term means; None if it is an ordinary comparison."""
    lowered = name.lower()
    if operator not in ("=", "!="):
        return None
    if lowered in BOUNDS and name not in scope.columns:
        return bound(scope, lowered, value, span)
    if lowered in DAYS and name not in scope.columns:
        return bound(scope, "earliest", Word(f"-{value.text}{DAYS[lowered]}", False, value.span), span)
    if lowered in IGNORED and name not in scope.columns:
        return YES
    if lowered in ("eventtype", "tag") or lowered.startswith("tag::"):
        return tag_term(scope, name, operator, value, span)
    if lowered == "savedsearch":
        raise SourceError("unsupported", "`savedsearch=` in a search is not supported", span)
    return None


def bound(scope: Scope, name: str, value: Word, span: Span) -> Typed:
    """A bound of time: from `earliest` on, up to and without `latest`."""
    column, operation = BOUNDS[name]
    if value.text.lower() in ("all", "alltime"):
        return YES
    point = absolute(value.text, scope.settings)
    when = (
        literal(point, span) if point is not None else relative(literal(scope.settings.now), value.text, scope.settings)
    )
    if when is None:
        message = f"`{value.text[:60]}` is no time"
        raise SourceError("bad-time", message, value.span, help="write `-24h@h`, an epoch or mm/dd/yyyy:hh:mm:ss")
    subject = scope.typed(column)
    if subject.kind is Kind.NULL and column == "_indextime":
        subject = scope.typed("_time")
    if subject.kind is Kind.NULL:
        return YES
    return apply(operation, subject, when, span=span)


def tag_term(scope: Scope, name: str, operator: str, value: Word, span: Span) -> Typed | None:
    """An event type or a tag: by the event's own field, or by what the add-ons say of its source and code."""
    if name in scope.columns:
        return None
    found = tagged(scope, "eventtype" if name.lower() == "eventtype" else "tag", value.text, span)
    return found if operator == "=" else apply("not", apply("is_true", found), span=span)
