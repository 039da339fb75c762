"""Saved queries in the place where they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harness.detection.language import Strictness
from harness.detection.languages.cql.parser import parse_query
from harness.detection.languages.cql.scope import Session
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Array,
    Comparison,
    FunctionCall,
    Negation,
    Pipeline,
    QueryParameter,
    SavedCall,
    Syntax,
    Word,
    list_syntax_parts,
    walk_syntax,
)
from harness.diagnostics import Source, SourceError, did_you_mean

NESTED = 10
MOST_CALLS = 500


@dataclass(slots=True)
class SavedQueryExpander:
    """Puts saved queries in the place of their calls, those inside them too."""

    meaning: Session
    open: tuple[str, ...] = ()
    made: int = 0
    texts: dict[str, Pipeline] = field(default_factory=dict)

    def unfolded(self, part: Syntax) -> Syntax:
        """The part without calls of saved queries."""
        match part:
            case Apply(call=SavedCall() as called):
                return self.applied(part, called)
            case SavedCall():
                return self.called(part)
            case Negation(part=SavedCall() as called):
                inside = self.called(called)
                return replace(part, part=inside) if inside.steps else inside
            case _:
                return rebuild_syntax(part, self.unfolded)

    def applied(self, part: Apply, saved: SavedCall) -> Syntax:
        """A saved query after `=~`, which has to be a single function there: the field is that function's."""
        inside = self.called(saved)
        match inside.steps:
            case ():
                return inside
            case (FunctionCall() as only,):
                return replace(part, call=only)
        message = f"the saved query `{saved.name}` after `=~` is no single function"
        raise SourceError("unsupported", message, saved.span, help="call it as a step of its own")

    def called(self, part: SavedCall) -> Pipeline:
        """The pipeline that was saved, its parameters filled with the call's arguments."""
        text = saved_text(self.meaning.settings.saved, part.name)
        if text is None:
            return note_missing_saved_query(self.meaning, part)
        self.made += 1
        if part.name in self.open or len(self.open) >= NESTED or self.made > MOST_CALLS:
            raise SourceError("saved-query-loop", f"the saved query `{part.name}` calls itself", part.span)
        if part.name not in self.texts:
            self.texts[part.name] = parse_query(Source(f"${part.name}", text))[0]
        filled = fill_parameters(self.texts[part.name], self.given(part))
        assert isinstance(filled, Pipeline)
        self.meaning.learn(filled)
        before, self.open = self.open, (*self.open, part.name)
        steps = tuple(self.unfolded(s) for s in filled.steps)
        self.open = before
        return Pipeline(steps=steps, span=part.span, name=part.name)

    def given(self, part: SavedCall) -> dict[str, Syntax]:
        """The arguments of a call by name; one that the saved query has no parameter for is told."""
        known = {p.name for p in walk_syntax(self.texts[part.name]) if isinstance(p, QueryParameter)}
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


def expand_saved_queries(meaning: Session, pipeline: Pipeline) -> Pipeline:
    """The pipeline with saved queries in the place of their calls."""
    if not any(isinstance(p, SavedCall) for p in walk_syntax(pipeline)):
        return pipeline
    made = SavedQueryExpander(meaning).unfolded(pipeline)
    assert isinstance(made, Pipeline)
    return made


def saved_text(saved: Mapping[str, str], name: str) -> str | None:
    """The text saved under a name, with or without its package."""
    return saved.get(name) or saved.get(name.rpartition(":")[2])


def note_missing_saved_query(meaning: Session, part: SavedCall) -> Pipeline:
    """No steps at all for a saved query that is not at hand, and a word about it."""
    message = f"the saved query `{part.name}` is not at hand"
    near = did_you_mean(part.name, meaning.settings.saved) or "name a file that has it: --saved FILE"
    if meaning.dialect is Strictness.STRICT or meaning.switch("missing-content") == "refuse":
        raise SourceError("missing-saved-query", message, part.span, help=near)
    meaning.tell("missing-saved-query", part.name, f"{message}; events pass it unchanged", part.span, near)
    return Pipeline(steps=(), span=part.span, name=part.name)


def fill_parameters(part: Syntax, given: Mapping[str, Syntax]) -> Syntax:
    """The part with values in the place of parameters; a list of values in a comparison is a list to be in."""
    if isinstance(part, QueryParameter):
        return quote_word(given.get(part.name, part))
    if isinstance(part, Comparison) and isinstance(part.value, QueryParameter):
        value = given.get(part.value.name)
        if isinstance(value, Array) and part.operator in ("=", "!="):
            field_name = fill_parameters(part.field, given)
            listed = Argument(name="values", value=value, span=value.span)
            call = FunctionCall(
                name="in", arguments=(Argument(value=field_name, span=part.field.span), listed), span=part.span
            )
            return call if part.operator == "=" else Negation(part=call, span=part.span)
    return rebuild_syntax(part, lambda p: fill_parameters(p, given)) if given else part


def quote_word(value: Syntax) -> Syntax:
    """A word as the text that it is, whatever stands around the parameter."""
    return replace(value, quoted=True) if isinstance(value, Word) else value


def rebuild_syntax(part: Syntax, change: Callable[[Syntax], Syntax]) -> Syntax:
    """The part with each part directly inside changed; itself if none is another one then."""
    if not list_syntax_parts(part):
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
