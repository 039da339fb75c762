"""The commands of a text and their words, as far as both shells of Windows agree on them."""

from __future__ import annotations

from harness.late_pattern import late_pattern
from harness.record import record

SEPARATORS = frozenset("|&;{}()\n")
LONGEST_GROUP = 1000
PARENTHESIS = late_pattern(r"[()]")
REDIRECTION = late_pattern(r"[<>]{1,2}(?:&\d|[ \t]*(?:\"[^\"\n]*\"|[^\s|&;]*))")


@record
class CommandWord:
    """A word as its shell hands it on: without quotes; `written` is how it stands in the text."""

    value: str
    written: str


@record
class SimpleCommand:
    """Words up to a separator at `end` in the text."""

    words: tuple[CommandWord, ...]
    text: str
    end: int

    @property
    def group(self) -> str:
        """The expression in parentheses that follows, as much of it as a bound allows; nothing where none does."""
        if not self.text.startswith("(", self.end):
            return ""
        depth, last = 0, min(len(self.text), self.end + LONGEST_GROUP)
        for match in PARENTHESIS.finditer(self.text, self.end, last):
            depth += 1 if match.group() == "(" else -1
            if not depth:
                return self.text[self.end + 1 : match.start()]
        return self.text[self.end + 1 : last]


def split_commands(text: str) -> list[SimpleCommand]:
    """The commands of a text. What stands in parentheses or braces is commands of its own as well."""
    commands: list[SimpleCommand] = []
    words: list[CommandWord] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character in SEPARATORS:
            if words:
                commands.append(SimpleCommand(tuple(words), text, at))
            words, at = [], at + 1
        elif character.isspace():
            at += 1
        elif redirection := REDIRECTION.match(text, at):
            at = max(redirection.end(), at + 1)
        else:
            word, at = read_word(text, at)
            words.append(word)
    if words:
        commands.append(SimpleCommand(tuple(words), text, at))
    return commands


def read_word(text: str, start: int) -> tuple[CommandWord, int]:
    """The word that begins at a place, and where it ends; quotes join what they hold, an open one is a letter."""
    pieces, at = [], start
    while at < len(text):
        character = text[at]
        if character in "\"'":
            end = text.find(character, at + 1)
            if end >= 0 and "\n" not in text[at:end]:
                pieces.append(text[at + 1 : end])
                at = end + 1
                continue
        elif character.isspace() or character in SEPARATORS or character in "<>":
            break
        pieces.append(character)
        at += 1
    return CommandWord("".join(pieces), text[start:at]), at
