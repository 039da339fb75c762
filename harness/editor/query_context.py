"""What stands around a place in a query: the word there, its stage's command, the call that it is an argument of."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from harness.detection.text_token import Token, TokenKind, TokenTable, find_token_table
from harness.editor.analysis import Analysis
from harness.editor.placed_rule import PlacedRule
from harness.record import record

WORD_KINDS = frozenset(
    [TokenKind.COMMAND, TokenKind.FUNCTION, TokenKind.KEYWORD, TokenKind.OPTION, TokenKind.FIELD, TokenKind.NUMBER]
)


@record(kw_only=True)
class QueryContext:
    """A place in a query: `token` is the one that it is in or at the end of, `before` those before that one.

    `command` is the name of the stage's command, empty where the language has none or none is written; `call` the
    function whose arguments the place is among.
    """

    rule: PlacedRule
    table: TokenTable
    at: int
    tokens: Sequence[Token]
    token: Token | None
    before: Sequence[Token]
    command: str
    call: str

    def read(self, token: Token) -> str:
        """The text of a token."""
        return self.rule.source.text[token.start : token.end]

    @property
    def word(self) -> str:
        """The text of the token at the place."""
        return self.read(self.token) if self.token else ""

    @property
    def previous(self) -> Token | None:
        """The token before that at the place, comments left out."""
        return next((t for t in reversed(self.before) if t.kind is not TokenKind.COMMENT), None)

    @property
    def begins_stage(self) -> bool:
        """Whether the token at the place is the first of its stage."""
        before = self.previous
        return before is None or before.kind is TokenKind.PIPE or self.read(before) == self.table.opens


def find_context(found: Analysis, offset: int) -> QueryContext | None:
    """What stands around a place of a document, if that is in a query whose language has tokens."""
    for rule in found.rules:
        at = rule.find_offset(offset)
        table = find_token_table(rule.language) if at is not None else None
        if at is not None and table is not None:
            return build_context(rule, table, at)
    return None


def build_context(rule: PlacedRule, table: TokenTable, at: int) -> QueryContext:
    """What stands around a character of a query."""
    text = rule.source.text
    tokens = table.scan(text)
    inside = [t for t in tokens if t.start <= at <= t.end and (t.start < at or t.kind in WORD_KINDS or at < t.end)]
    # Between two tokens the word counts, and of two words the one that ends here.
    words = [t for t in inside if t.kind in WORD_KINDS] or inside
    token = words[0] if words else None
    start = token.start if token else at
    before = [t for t in tokens if t.end <= start]
    return QueryContext(
        rule=rule,
        table=table,
        at=at,
        tokens=tokens,
        token=token,
        before=before,
        command=find_command(text, table, before),
        call=find_call(text, table, before),
    )


def find_command(text: str, table: TokenTable, before: Sequence[Token]) -> str:
    """The command of the stage that these tokens end in."""
    nested = 0
    for token in reversed(before):
        mark = text[token.start : token.end]
        if token.kind is TokenKind.MARK and mark == table.closes:
            nested += 1
        elif token.kind is TokenKind.MARK and mark == table.opens:
            if not nested:
                return ""
            nested -= 1
        elif not nested and token.kind is TokenKind.COMMAND:
            return mark
        elif not nested and token.kind is TokenKind.PIPE:
            return ""
    return ""


def find_call(text: str, table: TokenTable, before: Sequence[Token]) -> str:
    """The function whose parenthesis is the last one open among these tokens, within its stage."""
    closed = 0
    for number in range(len(before) - 1, -1, -1):
        token = before[number]
        mark = text[token.start : token.end]
        if token.kind is TokenKind.PIPE and not closed:
            return ""
        if token.kind is not TokenKind.MARK:
            continue
        if mark == ")":
            closed += 1
        elif mark == "(":
            if not closed:
                name = before[number - 1] if number else None
                if name is not None and name.kind is TokenKind.FUNCTION:
                    return text[name.start : name.end]
                continue
            closed -= 1
    return ""


def list_named_fields(context: QueryContext) -> list[str]:
    """The fields that a query names, the word at the place left out."""
    wanted = (TokenKind.FIELD, TokenKind.OPTION)
    seen = (context.read(t).strip("'") for t in context.tokens if t.kind in wanted and t is not context.token)
    return [name for name in dict.fromkeys(seen) if len(name) > 1 and "*" not in name and not name[0].isdigit()]


def read_standard_macros(language: str) -> dict[str, Any]:
    """The macros that every installation of a language's product has, by name and number of arguments."""
    name = f"harness.detection.languages.{language}.macros"
    return dict(import_module(name).STANDARD) if find_spec(name) else {}
