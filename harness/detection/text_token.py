"""Words, strings and marks of a query's text, found by their looks alone: for editors, whose texts are rarely whole."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec

from harness.late_pattern import late_pattern
from harness.record import record


class TokenKind(StrEnum):
    """What a stretch of text looks like."""

    COMMENT = "comment"
    STRING = "string"
    REGEX = "regex"
    NUMBER = "number"
    MACRO = "macro"
    PARAMETER = "parameter"
    COMMAND = "command"
    FUNCTION = "function"
    KEYWORD = "keyword"
    OPTION = "option"
    FIELD = "field"
    OPERATOR = "operator"
    PIPE = "pipe"
    MARK = "mark"


@record
class Token:
    """Characters `start` up to and without `end`; `depth` is in how many nested pipelines it stands."""

    kind: TokenKind
    start: int
    end: int
    depth: int = 0


@record(kw_only=True)
class TokenTable:
    """How a language's text falls into tokens: one file `tokens.py` of its folder has such a table called TOKENS.

    `pattern` has a group for each kind that its looks tell, by the kind's name, and one called `word`; `opens` and
    `closes` are the brackets of a nested pipeline. `keywords` are in lower case. With `commands` the first word of a
    stage is one; `first` is what a stage can be replaced by where a query begins.
    """

    pattern: re.Pattern[str]
    opens: str
    closes: str
    keywords: frozenset[str]
    commands: bool
    first: str = "*"

    def scan(self, text: str) -> list[Token]:
        """The tokens of a text in order, blanks left out; every text has some, and the time it takes is linear."""
        found: list[Token] = []
        depth = 0
        begins = True
        for match in self.pattern.finditer(text):
            name, start, end = match.lastgroup or "mark", match.start(), match.end()
            if name == "word":
                kind = self.find_word_kind(text, start, end, begins=begins, inside=bool(found))
            else:
                kind = TokenKind(name)
            written = text[start:end]
            if kind is TokenKind.MARK and written == self.closes:
                depth = max(0, depth - 1)
            found.append(Token(kind, start, end, depth))
            if kind is TokenKind.MARK and written == self.opens:
                depth += 1
            if kind is not TokenKind.COMMENT:
                begins = kind is TokenKind.PIPE or written == self.opens
        return found

    def find_word_kind(self, text: str, start: int, end: int, *, begins: bool, inside: bool) -> TokenKind:
        """What a word is, by what stands around it; `inside` is whether anything stands before it."""
        if begins and self.commands and inside:
            return TokenKind.COMMAND
        after = AFTER_WORD.match(text, end)
        mark = after[1] if after else ""
        if mark == "(":
            lower = text[start:end].lower()
            return TokenKind.KEYWORD if lower in self.keywords else TokenKind.FUNCTION
        if text[start:end].lower() in self.keywords:
            return TokenKind.KEYWORD
        return TokenKind.OPTION if mark == "=" else TokenKind.FIELD


AFTER_WORD = late_pattern(r"[ \t]*(\(|=(?![=~])|)")


def find_token_table(language: str) -> TokenTable | None:
    """The table of a language, if it has one."""
    name = f"harness.detection.languages.{language}.tokens"
    if find_spec(name) is None:
        return None
    table: TokenTable = import_module(name).TOKENS
    return table


def find_stage(tokens: Sequence[Token], text: str, offset: int) -> tuple[int, int]:
    """Start and end of the stage of the outermost pipeline that a character is in, its leading pipe included."""
    pipes = [t.start for t in tokens if t.kind is TokenKind.PIPE and t.depth == 0]
    at = bisect_right(pipes, offset)
    return (pipes[at - 1] if at else 0), (pipes[at] if at < len(pipes) else len(text))


def list_stages(tokens: Sequence[Token], text: str) -> Iterator[tuple[int, int, Token]]:
    """Start, end and first token of each stage of the outermost pipeline that has one."""
    first: Token | None = None
    start = 0
    for token in tokens:
        if token.kind is TokenKind.PIPE and token.depth == 0:
            if first is not None:
                yield start, token.start, first
            start, first = token.start, None
        elif first is None and token.kind is not TokenKind.COMMENT:
            first = token
    if first is not None:
        yield start, len(text), first
