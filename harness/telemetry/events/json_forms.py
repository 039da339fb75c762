"""Lines of JSON with the same keys: where their values lie, learned from one of them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from harness.telemetry.events.json_values import DEEPEST_OBJECT
from harness.telemetry.events.line_forms import LineForm, LineValue

# A fraction stays the text that was written: 1.10 is not 1.1 in a log.
DECODE_JSON = msgspec.json.Decoder(float_hook=str)

TOKEN = re.compile(rb'(?P<text>"(?:[^"\\]|\\.)*+")|(?P<mark>[{}\[\]:,])|(?P<plain>[^\s"{}\[\]:,]+)|\s+', re.S)
# The widest of 138 forms in 10,015 events has 61 values; a bound for input made to grow.
MOST_LINE_VALUES = 2_000


def read_line_form(line: bytes) -> tuple[LineForm, dict[str, Any]] | None:
    """The form of a line, and the line as an object; None for one that is read as an object alone."""
    return FormReader(line).read()


class FormReader:
    """Reads the form of one line."""

    def __init__(self, line: bytes) -> None:
        self.line, self.at, self.quote = line, 0, 0
        self.values: list[LineValue] = []
        self.between: list[bytes] = []
        self.done = 0
        self.tokens = [m for m in TOKEN.finditer(line) if m.lastgroup]
        self.next = 0

    def read(self) -> tuple[LineForm, dict[str, Any]] | None:
        """The form, and the line as an object; None for a line that is read as one."""
        try:
            sample = DECODE_JSON.decode(self.line)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not isinstance(sample, dict) or len(self.tokens) > 6 * MOST_LINE_VALUES:
            return None
        try:
            self.read_value("", 0)
        except (IndexError, ValueError):
            return None
        names = [value.name for value in self.values]
        if not names or len(set(names)) < len(names):
            return None
        form = LineForm(tuple(self.values), (*self.between, self.line[self.done :]), self.quote + 2)
        return form, sample

    def take(self) -> re.Match[bytes]:
        """The next token."""
        token = self.tokens[self.next]
        self.next += 1
        self.quote += 2 * (token.lastgroup == "text")
        return token

    def read_value(self, name: str, depth: int) -> None:
        """Reads a value and what is in it."""
        if depth > DEEPEST_OBJECT:
            raise ValueError("too deep")
        token = self.take()
        if token[0] == b"{":
            self.read_members(name, depth)
        elif token[0] == b"[":
            self.read_elements(name, depth)
        elif token.lastgroup == "text":
            # The quotes of this text are the last two.
            self.add(LineValue(name, True, self.quote - 1, 1, self.quote, 0), token.start() + 1, token.end() - 1)
        else:
            self.add_plain(name, token)

    def read_members(self, name: str, depth: int) -> None:
        """Reads the members of an object, behind its brace."""
        prefix = f"{name}." if depth else ""
        seen = set()
        while (token := self.take())[0] != b"}":
            if token[0] == b",":
                continue
            key = DECODE_JSON.decode(token[0])
            # Of a key that stands twice the last value counts.
            if key in seen:
                raise ValueError("a key stands twice")
            seen.add(key)
            self.take()
            self.read_value(f"{prefix}{key}", depth + 1)

    def read_elements(self, name: str, depth: int) -> None:
        """Reads the elements of a list, behind its bracket."""
        number = 0
        while self.tokens[self.next][0] != b"]":
            if self.tokens[self.next][0] == b",":
                self.take()
                continue
            self.read_value(f"{name}[{number}]", depth + 1)
            number += 1
        self.take()

    def add_plain(self, name: str, token: re.Match[bytes]) -> None:
        """Adds a number or a word, which lies between two quotes, or between one and the end of the line."""
        rest = [later for later in self.tokens[self.next :] if later.lastgroup != "mark"][:1]
        if rest and rest[0].lastgroup == "plain":
            raise ValueError("two plain values between quotes")
        until = rest[0].start() if rest else len(self.line)
        value = LineValue(
            name,
            False,
            self.quote,
            token.start() - self.last_text_end(),
            self.quote + 1,
            token.end() - until,
        )
        self.add(value, token.start(), token.end())

    def last_text_end(self) -> int:
        """Where the quote of the text before stands."""
        before = [token for token in self.tokens[: self.next] if token.lastgroup == "text"]
        return before[-1].end() - 1 if before else 0

    def add(self, value: LineValue, start: int, end: int) -> None:
        """Adds a value that lies between two places of the line."""
        self.between.append(self.line[self.done : start])
        self.values.append(value)
        self.done = end
