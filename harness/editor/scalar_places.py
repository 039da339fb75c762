"""Where each character of a YAML scalar's value stands in the document: block, folded, quoted and plain ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

BLOCK_HEADER = re.compile(r"[|>][^\n]*(?:\n|$)")
# Digits behind `\x`, `\u` and `\U`.
HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
YAML_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}


def list_scalar_characters(raw: str) -> Iterator[tuple[str, int, int]]:
    """Each character that a scalar's text stands for, with its place in that text: blanks as they are written."""
    style = raw[:1]
    if style in ("|", ">"):
        header = BLOCK_HEADER.match(raw)
        at, end = (header.end() if header else len(raw)), len(raw)
    elif style in ('"', "'"):
        at, end = 1, len(raw) - (1 if len(raw) > 1 and raw[-1] == style else 0)
    else:
        at, end = 0, len(raw)
    while at < end:
        width, character = 1, raw[at]
        if style == "'" and raw.startswith("''", at):
            width = 2
        elif style == '"' and character == "\\" and at + 1 < end:
            width, character = read_escape(raw, at)
        if character:
            yield character, at, at + width
        at += width


def read_escape(raw: str, at: int) -> tuple[int, str]:
    """How long an escape is, and the character that it stands for; none for the end of a line."""
    mark = raw[at + 1]
    if mark in HEX_DIGITS:
        digits = raw[at + 2 : at + 2 + HEX_DIGITS[mark]]
        return 2 + len(digits), chr(int(digits, 16))
    if mark in "\r\n":
        return 2 + (raw[at + 1 : at + 3] == "\r\n"), ""
    return 2, YAML_ESCAPES.get(mark, mark)


def map_scalar(raw: str, value: str) -> list[int] | None:
    """The offset in a scalar's text of each character of its value and of its end; None where they do not fit.

    Folding changes blanks alone, so the others have to come in the same order; a blank of the value has the place
    behind the character before it.
    """
    places: list[int] = []
    written = list(list_scalar_characters(raw))
    at = 0
    for character in value:
        if character.isspace():
            plain = at < len(written) and written[at][0].isspace()
            places.append(written[at][1] if plain else written[at - 1][2] if at else 0)
            # A single one is taken: runs differ in length where lines are folded or indented.
            at += plain
            continue
        while at < len(written) and written[at][0].isspace():
            at += 1
        if at >= len(written) or written[at][0] != character:
            return None
        places.append(written[at][1])
        at += 1
    places.append(written[at - 1][2] if at else len(raw))
    return places if all(a <= b for a, b in pairwise(places)) else None
