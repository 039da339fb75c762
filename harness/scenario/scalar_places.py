"""Where each character of a YAML scalar's value stands in the document: block, folded, quoted and plain ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from harness.diagnostics import Source, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import Document, YamlNode

BLOCK_HEADER = late_pattern(r"[|>][^\n]*(?:\n|$)")
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


@record
class ScalarPlacement:
    """A text that is the value of a scalar, which stands in the document from `start` to `end`."""

    document: Source
    start: int
    end: int
    value: str
    verbatim: bool = True

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the text stands; the whole scalar where its characters cannot be followed."""
        places = map_unchanged_scalar(self.document.text[self.start : self.end], self.value)
        if not places:
            return self.start, self.end
        first, behind = locate_in_scalar(places, start, end)
        return self.start + first, self.start + behind

    def holds(self, start: int, end: int) -> bool:
        """Whether a stretch stands in the document as it is in the text."""
        raw = self.document.text[self.start : self.end]
        first, behind = (place - self.start for place in self.locate(start, end))
        return raw[first:behind] == self.value[start:end]


@record
class OriginPlacement:
    """A text that was made of what stands at a place of a document, such as the query of a Sigma rule."""

    document: Source
    start: int
    end: int
    verbatim: bool = False

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """The place that it was made of, whatever part of it is asked for."""
        return self.start, self.end

    def holds(self, start: int, end: int) -> bool:
        """Never: it is another text."""
        return False


@lru_cache(maxsize=64)
def map_unchanged_scalar(raw: str, value: str) -> tuple[int, ...] | None:
    """The same as `map_scalar`, remembered: a rule has many places."""
    places = map_scalar(raw, value)
    return tuple(places) if places else None


def locate_in_scalar(places: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """Where a stretch of a value stands, given the places of its characters and of its end."""
    last = len(places) - 1
    first = places[min(start, last)]
    # The place of the last character, since the next one may stand in the next line.
    behind = places[min(end, last)] if end <= start else places[min(end - 1, last)] + 1
    return first, max(first, behind)


def find_scalars(documents: Iterable[Document], values: Sequence[str]) -> Iterator[YamlNode | None]:
    """For each value the scalar that says it, None where there is none; of two equal values each has one of its own."""
    known: dict[str, list[YamlNode]] = {}
    for document in documents:
        for node in walk_scalars(document.root):
            known.setdefault(node.scalar or "", []).append(node)
    for value in values:
        nodes = known.get(value, [])
        yield (nodes.pop(0) if len(nodes) > 1 else nodes[0]) if nodes else None


def walk_scalars(root: YamlNode) -> Iterator[YamlNode]:
    """Every scalar below a node, each once however often it is named."""
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.members is not None:
            stack += [below for _, below in reversed(node.members.values())]
        elif node.items is not None:
            stack += reversed(node.items)
        else:
            yield node


def place_origin(span: Span) -> OriginPlacement:
    """Where what is made of a place stands."""
    return OriginPlacement(span.source, span.start, span.end)
