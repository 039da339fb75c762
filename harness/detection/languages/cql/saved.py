"""Saved queries in the place where they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harness.detection.language import Dialect
from harness.detection.languages.cql.meaning import Meaning
from harness.detection.languages.cql.parser import parsed
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Array,
    Call,
    Comparison,
    Negation,
    Parameter,
    Pipeline,
    Saved,
    Syntax,
    Word,
    children,
    walk,
)
from harness.diagnostics import Source, SourceError, did_you_mean

NESTED = 10
MOST_CALLS = 500


@dataclass(slots=True)
class Unfolding:
    """Puts saved queries in the place of their calls, those inside them too."""

    meaning: Meaning
    open: tuple[str, ...] = ()
    made: int = 0
    texts: dict[str, Pipeline] = field(default_factory=dict)

    def unfolded(self, part: Syntax) -> Syntax:
        """The part without calls of saved queries."""
        match part:
            case Apply(call=Saved() as called):
                return self.applied(part, called)
            case Saved():
                return self.called(part)
            case Negation(part=Saved() as called):
                inside = self.called(called)
                return replace(part, part=inside) if inside.steps else inside
            case _:
                return rebuilt(part, self.unfolded)

    def applied(self, part: Apply, saved: Saved) -> Syntax:
        """A saved query after `=~`, which has to be a single function there: the field is that function's."""
        inside = self.called(saved)
        match inside.steps:
            case ():
                return inside
            case (Call() as only,):
                return replace(part, call=only)
        message = f"the saved query `{saved.name}` after `=~` is no single function"
        raise SourceError("unsupported", message, saved.span, help="call it as a step of its own")

    def called(self, part: Saved) -> Pipeline:
        """The pipeline that was saved, its parameters filled with the call's arguments."""
        text = saved_text(self.meaning.settings.saved, part.name)
        if text is None:
            return missing(self.meaning, part)
        self.made += 1
        if part.name in self.open or len(self.open) >= NESTED or self.made > MOST_CALLS:
            raise SourceError("saved-query-loop", f"the saved query `{part.name}` calls itself", part.span)
        if part.name not in self.texts:
            self.texts[part.name] = parsed(Source(f"${part.name}", text))[0]
        filled = substituted(self.texts[part.name], self.given(part))
        assert isinstance(filled, Pipeline)
        self.meaning.learn(filled)
        before, self.open = self.open, (*self.open, part.name)
        steps = tuple(self.unfolded(s) for s in filled.steps)
        self.open = before
        return Pipeline(steps=steps, span=part.span, name=part.name)

    def given(self, part: Saved) -> dict[str, Syntax]:
        """The arguments of a call by name; one that the saved query has no parameter for is told."""
        known = {p.name for p in walk(self.texts[part.name]) if isinstance(p, Parameter)}
        found: dict[str, Syntax] = {}
        for argument in part.arguments:
            if argument.name is None:
                message = f"an argument of the saved query `{part.name}` has no name"
                help = f"name it: {', '.join(f'`{n}=`' for n in sorted(known))}" if known else "it takes no arguments"
                raise SourceError("unnamed-argument", message, argument.span, help=help)
            if argument.name not in known:
                message = f"the saved query `{part.name}` has no parameter `{argument.name}`"
                near = did_you_mean(argument.name, known)
                self.meaning.tell("unknown-parameter", argument.name, message, argument.span, near)
            found[argument.name] = argument.value
        return found


def unfolded(meaning: Meaning, pipeline: Pipeline) -> Pipeline:
    """The pipeline with saved queries in the place of their calls."""
    if not any(isinstance(p, Saved) for p in walk(pipeline)):
        return pipeline
    made = Unfolding(meaning).unfolded(pipeline)
    assert isinstance(made, Pipeline)
    return made


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
    return Pipeline(steps=(), span=part.span, name=part.name)


def substituted(part: Syntax, given: Mapping[str, Syntax]) -> Syntax:
    """The part with values in the place of parameters; a list of values in a comparison is a list to be in."""
    if isinstance(part, Parameter):
        return in_quotes(given.get(part.name, part))
    if isinstance(part, Comparison) and isinstance(part.value, Parameter):
        value = given.get(part.value.name)
        if isinstance(value, Array) and part.operator in ("=", "!="):
            field_name = substituted(part.field, given)
            listed = Argument(name="values", value=value, span=value.span)
            call = Call(name="in", arguments=(Argument(value=field_name, span=part.field.span), listed), span=part.span)
            return call if part.operator == "=" else Negation(part=call, span=part.span)
    return rebuilt(part, lambda p: substituted(p, given)) if given else part


def in_quotes(value: Syntax) -> Syntax:
    """A word as the text that it is, whatever stands around the parameter."""
    return replace(value, quoted=True) if isinstance(value, Word) else value


def rebuilt(part: Syntax, change: Callable[[Syntax], Syntax]) -> Syntax:
    """The part with each part directly inside changed; itself if none is another one then."""
    if not children(part):
        return part
    changes: dict[str, object] = {}
    for name in type(part).__dataclass_fields__:
        value = getattr(part, name)
        if isinstance(value, Syntax):
            made: object = change(value)
            if made is not value:
                changes[name] = made
        elif isinstance(value, tuple) and value and isinstance(value[0], Syntax):
            several = tuple(change(v) for v in value)
            if any(a is not b for a, b in zip(several, value, strict=True)):
                changes[name] = several
    return replace(part, **changes) if changes else part  # type: ignore[arg-type]
