"""What a word is: a manual's entry for commands and functions, the events that have a field, a macro's definition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from harness.detection.text_token import Token, TokenKind
from harness.editor.analysis import Analysis
from harness.editor.field_catalogue import FIELDS
from harness.editor.manual import find_entry, list_call_parameters, render_entry, render_parameter
from harness.editor.project_view import ProjectView
from harness.editor.query_context import QueryContext, find_context, read_standard_macros
from harness.report.error_manual import list_error_pages

LONGEST_DEFINITION = 2000
MOST_CODES = 2
"""Findings at one place that are explained."""


def describe(found: Analysis, offset: int, project: ProjectView, codes: Sequence[str] = ()) -> dict[str, Any] | None:
    """Markdown about the word at a place and the findings there, and where the word stands; None if there is none."""
    context = find_context(found, offset)
    start = end = offset
    said = None
    if context is not None and context.token is not None:
        start, end = context.rule.locate(context.token.start, context.token.end)
        said = describe_token(context, context.token, project)
    parts = [*([said] if said else []), *filter(None, map(describe_error_code, codes[:MOST_CODES]))]
    return {"text": "\n\n---\n\n".join(parts), "start": start, "end": end} if parts else None


@lru_cache(maxsize=256)
def describe_error_code(code: str) -> str:
    """The page of a finding's code: a query that is answered so, and what is answered."""
    page = next(iter(list_error_pages(code)), None)
    if page is None or page.query is None or page.answer is None:
        return ""
    return f"`{code}`, for example:\n\n```\n{page.query}\n\n{page.answer}\n```\n\n`detlab docs {code}`"


def describe_token(context: QueryContext, token: Token, project: ProjectView) -> str | None:
    """Markdown about a token."""
    name, word = context.rule.language, context.word
    match token.kind:
        case TokenKind.COMMAND:
            return describe_entry(name, word, command=True)
        case TokenKind.FUNCTION:
            return describe_entry(name, word, command=False)
        case TokenKind.OPTION:
            return describe_option(context) or describe_field(name, word)
        case TokenKind.MACRO:
            return describe_macro(name, word.strip("`$").strip('"'), project)
        # Some functions may stand without parentheses, `stats count`.
        case TokenKind.FIELD:
            return describe_field(name, word.strip("'")) or describe_entry(name, word, command=False)
        case TokenKind.KEYWORD:
            return describe_entry(name, word, command=False)
        case _:
            return None


def describe_entry(name: str, word: str, *, command: bool) -> str | None:
    """The manual of a command or a function."""
    entry = find_entry(name, word, command=command)
    return render_entry(name, entry) if entry else None


def describe_option(context: QueryContext) -> str | None:
    """What a parameter belongs to."""
    name = context.rule.language
    owner = find_entry(name, context.call, command=False) if context.call else None
    owner = owner or (find_entry(name, context.command, command=True) if context.command else None)
    # In `eval x=...` it is a field.
    if owner is None or (owner.kind == "command" and context.word.lower() not in list_call_parameters(name, owner)):
        return None
    return render_parameter(name, owner, context.word)


def describe_field(name: str, word: str) -> str | None:
    """Which events have a field."""
    known = FIELDS.find(name).get(word)
    return known.render() if known else None


def describe_macro(name: str, call: str, project: ProjectView) -> str | None:
    """The definition of a macro or a saved query."""
    word = call.partition("(")[0].strip()
    saved = project.content.saved.get(word)
    if saved is not None:
        return f"```{name}\n{saved[:LONGEST_DEFINITION]}\n```"
    known = {**read_standard_macros(name), **project.content.macros}
    found = {key: given for key, given in known.items() if key.partition("(")[0] == word}
    parts = [
        f"`{key}`\n\n```{name}\n{str(g.get('definition', ''))[:LONGEST_DEFINITION]}\n```" for key, g in found.items()
    ]
    return "\n\n".join(parts) or None
