"""Settings of props.conf as a plan sees them: each with the condition under which it holds for an event.

Reference: props.conf.spec; captures precedence-*
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.detection.languages.spl.coercion import NO, NOTHING, YES, Typed, apply, literal, text
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.columns import Kind
from harness.diagnostics import Source, SourceError, Span
from harness.telemetry.indexing.stanzas import Props, Stanza, ordered

READ_ALREADY = {
    "xmlwineventlog": {"KV_MODE": "none"},
    "(?::){0}XmlWinEventLog:*": {"KV_MODE": "none"},
    "crowdstrike:events:sensor": {"KV_MODE": "none"},
    "_json": {"KV_MODE": "none"},
    "proxy": {"KV_MODE": "none"},
}
"""Sourcetypes whose events come with the fields that their add-on extracts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of one stanza, and for which events it is the one that counts."""

    stanza: str
    name: str
    value: str
    guard: Typed

    @property
    def span(self) -> Span:
        """Its text, for messages."""
        return Source(f"props.conf [{self.stanza}] {self.name}", self.value).whole()

    def error(self, code: str, message: str, help: str | None = None) -> SourceError:
        """An error about it."""
        return SourceError(code, message, self.span, help=help)


@dataclass(frozen=True, slots=True)
class Confs:
    """All stanzas, the one that counts first coming first, over the rows of a scope."""

    scope: Scope
    stanzas: tuple[Stanza, ...]

    def of(self, name: str) -> Iterator[Setting]:
        """A setting in every stanza that has it; no event is in two."""
        others: Typed = YES
        for stanza in self.stanzas:
            if name in stanza.settings:
                here = condition(self.scope, stanza)
                guard = both(others, here)
                if guard is not NO:
                    yield Setting(stanza=stanza.name, name=name, value=stanza.settings[name].strip(), guard=guard)
                others = both(others, opposite(here))

    def classes(self, prefix: str) -> Iterator[Setting]:
        """All settings `<prefix>-<class>` by ASCII order of their classes; an empty one takes a setting away."""
        names = {n for s in self.stanzas for n in s.settings if n.startswith(f"{prefix}-")}
        for name in sorted(names):
            yield from (s for s in self.of(name) if s.value)

    def rest(self, name: str) -> Typed:
        """Events for which no stanza has a setting."""
        others: Typed = YES
        for stanza in self.stanzas:
            if name in stanza.settings:
                others = both(others, opposite(condition(self.scope, stanza)))
        return others


def confs(scope: Scope, props: Props) -> Confs:
    """The settings over the rows of a scope."""
    return Confs(scope, tuple(ordered({**READ_ALREADY, **props})))


def condition(scope: Scope, stanza: Stanza) -> Typed:
    """Whether an event is one that a stanza is about."""
    if stanza.field is None:
        return YES
    value = scope.typed(stanza.field)
    if value.kind is Kind.NULL:
        return NO
    if stanza.literal:
        return apply("equal_ci" if stanza.field == "host" else "equal", text(value), literal(stanza.pattern))
    return apply("regex_found", text(value), literal(rf"\A(?:{stanza.regex})\z"), literal("s"))


def both(x: Typed, y: Typed) -> Typed:
    """Both conditions."""
    if NO in (x, y):
        return NO
    return y if x is YES else x if y is YES else apply("and", x, y)


def either(x: Typed, y: Typed) -> Typed:
    """One of two conditions."""
    if YES in (x, y):
        return YES
    return y if x is NO else x if y is NO else apply("or", x, y)


def opposite(x: Typed) -> Typed:
    """Where a condition does not hold; unknown is not held."""
    return NO if x is YES else YES if x is NO else apply("not", apply("is_true", x))


def where(guard: Typed, value: Typed) -> Typed:
    """A value in the events that a condition holds for, nothing in the others."""
    if value.kind is Kind.NULL or guard is NO:
        return NOTHING
    return value if guard is YES else apply("if", guard, value, NOTHING)
