"""What may be written at a place: commands, functions, parameters, macros, fields, and in YAML keys and names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.detection.language import ReferenceEntry
from harness.detection.text_token import TokenKind
from harness.editor.analysis import Analysis, DocumentKind
from harness.editor.field_catalogue import FIELDS
from harness.editor.manual import find_entry, list_call_parameters, list_entries
from harness.editor.project_view import ProjectView
from harness.editor.query_context import QueryContext, find_context, list_named_fields, read_standard_macros
from harness.editor.scenario_words import list_scenario_words

MOST_COMPLETIONS = 500
"""More are left out, and asked for again with each letter."""
NO_WORDS = (TokenKind.STRING, TokenKind.COMMENT, TokenKind.REGEX, TokenKind.NUMBER)
BEFORE_FIELDS = frozenset(["by", "over"])

CompletionItem = dict[str, Any]


def list_completions(found: Analysis, path: Path, offset: int, text: str, project: ProjectView) -> dict[str, Any]:
    """The items for a place, `start` being where the word begins that they take the place of."""
    context = find_context(found, offset)
    if context is None:
        if found.kind is not DocumentKind.SCENARIO and "activity:" not in text:
            return {"start": offset, "items": [], "incomplete": False}
        start, words = list_scenario_words(text, offset, path)
        return shorten(start, text[start:offset], (build_item(w, "value", d) for w, d in words))
    length, listed = list_candidates(context, project)
    word = context.rule.source.text[context.at - length : context.at]
    # A word of a query is written in a document without a break, whatever the quotes around it.
    return shorten(offset - length, word, listed, late=not FIELDS.is_ready(context.rule.language))


def shorten(start: int, word: str, items: Iterable[CompletionItem], *, late: bool = False) -> dict[str, Any]:
    """The items that fit what is written, the best first."""
    lower = word.lower()
    seen: dict[tuple[str, str], CompletionItem] = {}
    for item in items:
        name = item["label"].lower()
        if lower in name:
            item["rank"] = 0 if name.startswith(lower) else 1
            seen.setdefault((item["label"], item["kind"]), item)
    fitting = sorted(seen.values(), key=lambda i: (i["rank"], i["order"], i["label"]))
    return {"start": start, "items": fitting[:MOST_COMPLETIONS], "incomplete": late or len(fitting) > MOST_COMPLETIONS}


def build_item(
    label: str, kind: str, detail: str, order: int = 5, insert: str | None = None, weight: int = 0
) -> CompletionItem:
    """One thing that may be written; `order` and then `weight` put the likely before the others."""
    place = f"{order}{max(0, 9999 - weight):04}"
    return {"label": label, "kind": kind, "detail": detail, "order": place, "insert": insert or label}


def build_entry_item(entry: ReferenceEntry, kind: str, order: int) -> CompletionItem:
    """A command or function; what the conformance pages use most is what people write most."""
    return build_item(entry.name, kind, entry.summary, order, weight=sum(entry.evidence.values()))


def list_candidates(context: QueryContext, project: ProjectView) -> tuple[int, Iterator[CompletionItem]]:
    """How many characters of a word are written, and what may stand there."""
    name, text = context.rule.language, context.rule.source.text
    token = context.token
    opened = open_macro(context)
    if opened is not None:
        return context.at - opened, list_macros(name, project)
    if token is not None and token.kind in NO_WORDS and token.start < context.at:
        return 0, iter(())
    written = context.at - token.start if token and token.kind is not TokenKind.PIPE and is_word(context) else 0
    if context.begins_stage and context.table.commands and context.previous is not None:
        return written, list_commands(name)
    previous = context.previous
    if previous and previous.kind is TokenKind.KEYWORD and text[previous.start : previous.end].lower() in BEFORE_FIELDS:
        return written, list_fields(context)
    if context.command and is_behind_keyword(context):
        return written, list_fields(context)
    return written, list_arguments(context)


def is_word(context: QueryContext) -> bool:
    """Whether the token at the place is a word that is being written."""
    word = context.word[: context.at - context.token.start] if context.token else ""
    return bool(word) and (word[-1].isalnum() or word[-1] in "_.#@:{}")


def is_behind_keyword(context: QueryContext) -> bool:
    """Whether the place is in the list of fields behind `by`."""
    for token in reversed(context.before):
        if token.kind is TokenKind.KEYWORD:
            return context.read(token).lower() in BEFORE_FIELDS
        if token.kind not in (TokenKind.FIELD, TokenKind.MARK) or context.read(token) in ("(", ")"):
            return False
    return False


def open_macro(context: QueryContext) -> int | None:
    """Where the name of a macro begins that is being written; None where none is."""
    text, at = context.rule.source.text, context.at
    if context.token is not None and context.token.kind is TokenKind.MACRO and context.token.start < at:
        inside = at < context.token.end or context.rule.language == "cql"
        return context.token.start + 1 if inside else None
    line = text.rfind("\n", 0, at) + 1
    ticks = [i for i in range(line, at) if text[i] == "`"]
    return ticks[-1] + 1 if len(ticks) % 2 and context.table.commands else None


def list_macros(name: str, project: ProjectView) -> Iterator[CompletionItem]:
    """Macros and saved queries of the project, and those of every installation."""
    for macro, given in project.content.macros.items():
        yield build_item(macro.partition("(")[0], "macro", f"{macro}: {given.get('definition', '')}"[:200], 0)
    for saved, query in project.content.saved.items():
        yield build_item(saved, "macro", query[:200], 0)
    for macro, given in read_standard_macros(name).items():
        yield build_item(macro.partition("(")[0], "macro", f"{macro}: {given.get('definition', '')}"[:200], 1)


def list_commands(name: str) -> Iterator[CompletionItem]:
    """Commands."""
    for entry in list_entries(name, commands=True):
        yield build_entry_item(entry, "command", 0)


def list_fields(context: QueryContext) -> Iterator[CompletionItem]:
    """Fields that the query names, and those of events."""
    for field in list_named_fields(context):
        yield build_item(field, "field", "in this query", 2)
    for known in FIELDS.find(context.rule.language).values():
        yield build_item(known.name, "field", ", ".join(known.events[:3]), 3)


def list_arguments(context: QueryContext) -> Iterator[CompletionItem]:
    """What may be an argument: parameters that are not yet given, functions, fields, words of the language."""
    name = context.rule.language
    command = find_entry(name, context.command, command=True) if context.command else None
    owner = find_entry(name, context.call, command=False) if context.call else command
    if owner is not None:
        for parameter in list_call_parameters(name, owner):
            yield build_item(parameter, "parameter", f"of {owner.name}", 1, f"{parameter}=")
    # Commands whose options stand in their registration are the statistical ones.
    statistical = command is not None and bool(command.parameters) and not context.call
    if context.command or not context.table.commands:
        for entry in list_entries(name, commands=False):
            order = 2 if (entry.kind == "statistical function") == statistical else 4
            yield build_entry_item(entry, "function", order)
    yield from list_fields(context)
    for word in sorted(context.table.keywords):
        yield build_item(word.upper() if word in ("and", "or", "not") else word, "keyword", "", 4)
