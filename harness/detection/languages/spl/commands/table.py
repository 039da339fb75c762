"""Commands about columns: table, fields, rename, fillnull, addtotals."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.registry import COMMANDS, FieldEffect
from harness.detection.languages.spl.scope import Scope, matches_name_pattern
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError


def select_columns(scope: Scope, words: tuple[Word, ...]) -> dict[str, Typed]:
    """The columns that words and patterns name; a missing one is empty."""
    found: dict[str, Typed] = {}
    for word in words:
        if "*" in word.text:
            for name in scope.matching(word.text):
                found.setdefault(name, scope.typed(name))
        else:
            found.setdefault(word.text, scope.typed(word.text, word.span))
    return found


@COMMANDS.define("table", order="keeps", fields="closes", raw="never")
def table(scope: Scope, stage: Stage) -> None:
    """Exactly these columns in this order; a missing one is empty.

    Reference: reference/spl.md 7
    """
    words = bind_options(stage).words
    if not words:
        raise SourceError("missing-field", "`table` needs a field", stage.span)
    scope.select(select_columns(scope, words).items(), stage.span)
    scope.events = False
    scope.defined = set(scope.columns)


def find_fields_effect(stage: Stage) -> FieldEffect:
    """Whether `fields` names what stays, or with a minus what goes."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    first = next((i.text for i in items if isinstance(i, Word)), "")
    return "keeps" if first.startswith("-") else "closes"


@COMMANDS.define("fields", order="keeps", fields=find_fields_effect, raw="never")
def fields(scope: Scope, stage: Stage) -> None:
    """Keeps columns, or with `-` drops them; `_time` and `_raw` stay unless they are dropped by name.

    Reference: reference/spl.md 7
    """
    words = list(bind_options(stage).words)
    sign = "+"
    if words and not words[0].quoted and words[0].text in ("+", "-"):
        sign = words.pop(0).text
    elif words and not words[0].quoted and words[0].text[:1] in ("+", "-") and len(words[0].text) > 1:
        first = words[0]
        sign, words[0] = first.text[0], Word(first.text[1:], False, first.span)
    if not words:
        raise SourceError("missing-field", "`fields` needs a field", stage.span)
    if sign == "-":
        patterns = [w.text for w in words]
        scope.keep([n for n in scope.columns if not any(drops_column(p, n) for p in patterns)], stage.span)
        return
    # `fields a b` keeps `_time` and `_raw` (reference/spl.md 2.1).
    internal: dict[str, Typed] = {n: scope.typed(n) for n in ("_time", "_raw") if n in scope.columns}
    kept = select_columns(scope, tuple(words))
    kept.update(internal)
    scope.select(kept.items(), stage.span)


def drops_column(pattern: str, name: str) -> bool:
    """Whether `fields - pattern` drops a column."""
    # Internal fields are selected only by patterns that begin with `_` (reference/spl.md 2.1).
    return matches_name_pattern(pattern, name) and (name[0] != "_" or pattern[0] == "_")


@COMMANDS.define("rename", order="keeps", fields="keeps", raw="never")
def rename(scope: Scope, stage: Stage) -> None:
    """Other names for columns; `*` on both sides carries over.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    words = list(found.words)
    if not words:
        raise found.error("missing-field", "`rename` needs `old AS new`")
    current = {n: scope.typed(n) for n in scope.columns}
    at = 0
    while at < len(words):
        if at + 2 >= len(words) or words[at + 1].text.lower() != "as":
            message = f"`{words[at].text[:60]}` has no new name"
            raise SourceError("bad-rename", message, words[at].span, help="write `rename old AS new`")
        for source, target in moves(current, words[at], words[at + 2]):
            note_renaming(scope, current, source, target)
            current = rename_column(scope, current, source, target)
        at += 3
    scope.select(current.items(), stage.span)


def moves(current: dict[str, Typed], old: Word, new: Word) -> list[tuple[str, str]]:
    """The columns that one clause means, with their new names."""
    if "*" not in old.text:
        if "*" in new.text:
            raise SourceError("bad-rename", "both names need as many `*`", old.span.to(new.span))
        return [(old.text, new.text)]
    if old.text.count("*") != new.text.count("*"):
        raise SourceError("bad-rename", "both names need as many `*`", old.span.to(new.span))
    internal = old.text[0] == "_"
    fitting = [n for n in current if matches_name_pattern(old.text, n) and n[0] != "@" and (n[0] != "_" or internal)]
    return [(n, fill_wildcard_name(old.text, new.text, n)) for n in fitting]


def note_renaming(scope: Scope, current: dict[str, Typed], source: str, target: str) -> None:
    """Keeps in mind that a column is read, and that the one of the new name is the search's own."""
    if source == target:
        return
    if scope.events and source not in scope.defined:
        scope.session.reads.add(source)
    scope.defined.add(target)
    if source in current and current[source].kind is not Kind.NULL:
        scope.defined.discard(source)


def rename_column(scope: Scope, current: dict[str, Typed], source: str, target: str) -> dict[str, Typed]:
    """The columns after one of them has another name; a missing one takes the column of the new name away."""
    if source == target:
        return current
    if source not in current or current[source].kind is Kind.NULL:
        # What a missing source does to an existing target is Q5 of the reference.
        removes = target in current and scope.session.switch("rename_missing") == "removes"
        return {n: v for n, v in current.items() if n != target} if removes else current
    return {target if n == source else n: v for n, v in current.items() if n != target}


def fill_wildcard_name(old: str, new: str, name: str) -> str:
    """The new name of a column, with what `*` stood for."""
    inside = re.fullmatch("(.*)".join(re.escape(p) for p in old.split("*")), name, re.S)
    parts = list(inside.groups()) if inside else []
    return re.sub(r"\*", lambda _: parts.pop(0) if parts else "", new)
