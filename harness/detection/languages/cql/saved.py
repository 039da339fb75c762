"""Saved queries in the place where they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.detection.language import Dialect
from harness.detection.languages.cql.meaning import Meaning
from harness.detection.languages.cql.parser import parsed
from harness.detection.languages.cql.syntax import Parameter, Pipeline, Saved, Syntax, Word, children
from harness.detection.languages.cql.values import text_of
from harness.diagnostics import Source, SourceError, did_you_mean

NESTED = 10


def expanded(meaning: Meaning, part: Saved) -> Pipeline:
    """The pipeline that was saved, its parameters filled with the call's arguments."""
    text = saved_text(meaning.settings.saved, part.name)
    if text is None:
        return missing(meaning, part)
    if part.name in meaning.saved or len(meaning.saved) >= NESTED:
        raise SourceError("saved-query-loop", f"the saved query `{part.name}` calls itself", part.span)
    pipeline, _ = parsed(Source(f"${part.name}", text))
    given = {a.name or "": Word(text=text_of(meaning, a.value), quoted=True, span=a.span) for a in part.arguments}
    filled = substituted(pipeline, given)
    assert isinstance(filled, Pipeline)
    meaning.learn(filled)
    return filled


def saved_text(saved: Mapping[str, str], name: str) -> str | None:
    """The text saved under a name, with or without its package."""
    return saved.get(name) or saved.get(name.rpartition(":")[2])


def missing(meaning: Meaning, part: Saved) -> Pipeline:
    """No steps at all for a saved query that is not at hand, and a word about it."""
    message = f"the saved query `{part.name}` is not at hand"
    near = did_you_mean(part.name, meaning.settings.saved)
    if meaning.dialect is Dialect.STRICT or meaning.switch("missing-content") == "refuse":
        raise SourceError("missing-saved-query", message, part.span, help=near)
    meaning.tell("missing-saved-query", part.name, f"{message}; events pass it unchanged", part.span, near)
    return Pipeline(steps=(), span=part.span)


def substituted(part: Syntax, given: dict[str, Word]) -> Syntax:
    """The part with values in the place of parameters."""
    if isinstance(part, Parameter):
        return given.get(part.name, part)
    if not given or not children(part):
        return part
    changes: dict[str, object] = {}
    for name in type(part).__dataclass_fields__:
        value = getattr(part, name)
        if isinstance(value, Syntax):
            changes[name] = substituted(value, given)
        elif isinstance(value, tuple) and value and isinstance(value[0], Syntax):
            changes[name] = tuple(substituted(v, given) for v in value)
    return replace(part, **changes)  # type: ignore[arg-type]
