"""Binary XML of Windows event logs: templates, told apart by what they say and not by where a chunk keeps them."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from harness.telemetry.events.text_slices import gather_numbers

# The format's own numbers (libyal/libevtx, "BinXML").
FRAGMENT = b"\x0f\x01\x01\x00"
TEMPLATE_HEADER = 24
"""A definition begins with the place of the next one, its identity and its size."""
MORE = 0x40
"""This bit of a token says that attributes, or more of the same, follow."""
END, OPEN, CLOSE_START, CLOSE_EMPTY, CLOSE, VALUE, ATTRIBUTE = range(7)
SUBSTITUTION, OPTIONAL_SUBSTITUTION = 0x0D, 0x0E
STRING = 0x01
NAME_HEADER = 8
"""Before a name's letters: the place of the next name, a checksum, the number of letters."""

LARGEST_TEMPLATE = 1 << 15
# Logs of Windows have some 1,300 templates in all; a bound for input that never repeats one.
MOST_TEMPLATES = 4_000


class UnknownBinaryXmlError(Exception):
    """Binary XML of a form that is left to the library."""


@dataclass(frozen=True)
class Template:
    """The bytes of one definition, the places in it that refer to names, and which names those are.

    `number` counts templates that say different things.
    """

    number: int
    data: bytes
    references: tuple[int, ...]
    inline: tuple[bool, ...]
    names: tuple[bytes, ...]

    @cached_property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which bytes are the same wherever the definition stands: all but references to names."""
        kept = np.ones(len(self.data), bool)
        for at, inline in zip(self.references, self.inline, strict=True):
            # Behind a reference to a name that stands there itself is that to the next name of the chunk.
            kept[at : at + (8 if inline else 4)] = False
        return kept

    @cached_property
    def content(self) -> bytes:
        """The bytes that are kept."""
        return np.frombuffer(self.data, np.uint8)[self.kept].tobytes()

    @cached_property
    def own_places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The references, and which of them are to a name that stands there."""
        return np.array(self.references, np.int64), np.array(self.inline, bool)

    @cached_property
    def other_names(self) -> list[tuple[int, bytes]]:
        """References to names that stand elsewhere, each with the name and its size before it."""
        named = zip(self.references, self.inline, self.names, strict=True)
        return [(place, struct.pack("<H", len(name) // 2) + name) for place, inline, name in named if not inline]

    def says_the_same(self, data: bytes, chunk: bytes, at: int) -> bool:
        """Whether a definition that lies at a place of a chunk is this one."""
        if len(data) != len(self.data):
            return False
        held = np.frombuffer(data, np.uint8)
        if held[self.kept].tobytes() != self.content:
            return False
        places, inline = self.own_places
        named = gather_numbers(held, places, "<u4")
        if ((named == places + (at + 4)) != inline).any():
            return False
        unpack = struct.Struct("<I").unpack_from
        return all(chunk.startswith(name, unpack(data, place)[0] + 6) for place, name in self.other_names)


class Templates:
    """All templates met so far."""

    def __init__(self) -> None:
        self.found: defaultdict[bytes, list[Template]] = defaultdict(list)
        self.count = 0

    def identify(self, chunk: bytes, at: int) -> int:
        """The number of the template whose definition lies at a place of a chunk; -1 for one left to the library."""
        if at + TEMPLATE_HEADER > len(chunk):
            return -1
        (size,) = struct.unpack_from("<I", chunk, at + 20)
        begin = at + TEMPLATE_HEADER
        if size > LARGEST_TEMPLATE or begin + size > len(chunk):
            return -1
        data = chunk[begin : begin + size]
        same = self.found[chunk[at + 4 : begin]]
        for template in same:
            if template.says_the_same(data, chunk, begin):
                return template.number
        if self.count >= MOST_TEMPLATES:
            return -1
        reader = DefinitionReader(data, begin)
        try:
            reader.walk()
            names = tuple(read_name(chunk, struct.unpack_from("<I", data, place)[0]) for place in reader.references)
        except (UnknownBinaryXmlError, struct.error, IndexError):
            return -1
        made = Template(self.count, data, tuple(reader.references), tuple(reader.inline), names)
        same.append(made)
        self.count += 1
        return made.number


def read_name(chunk: bytes, at: int) -> bytes:
    """The letters of a name that a chunk keeps at a place."""
    (letters,) = struct.unpack_from("<H", chunk, at + 6)
    return chunk[at + NAME_HEADER : at + NAME_HEADER + 2 * letters]


class DefinitionReader:
    """Walks over the tokens of a definition that begins at a place of its chunk, and notes references to names."""

    def __init__(self, data: bytes, begin: int) -> None:
        self.data, self.begin, self.at = data, begin, len(FRAGMENT)
        self.references: list[int] = []
        self.inline: list[bool] = []

    def walk(self) -> None:
        """Reads all tokens. Raises UnknownBinaryXmlError for one that templates do not have."""
        if not self.data.startswith(FRAGMENT):
            raise UnknownBinaryXmlError
        while True:
            token = self.data[self.at]
            self.at += 1
            if token == END:
                return
            self.pass_token(token & ~MORE, more=bool(token & MORE))

    def pass_token(self, token: int, *, more: bool) -> None:
        """Goes on behind a token."""
        if token == OPEN:
            # A number that nobody needs and the size of the element stand before its name.
            self.at += 6
            self.pass_name()
            # The size of its attributes.
            self.at += 4 if more else 0
        elif token == ATTRIBUTE:
            self.pass_name()
        elif token == VALUE:
            kind, letters = struct.unpack_from("<BH", self.data, self.at)
            if kind != STRING:
                raise UnknownBinaryXmlError
            self.at += 3 + 2 * letters
        elif token in (SUBSTITUTION, OPTIONAL_SUBSTITUTION):
            self.at += 3
        elif token not in (CLOSE_START, CLOSE_EMPTY, CLOSE):
            raise UnknownBinaryXmlError

    def pass_name(self) -> None:
        """Goes on behind a reference to a name, and behind the name where it stands there itself."""
        (named,) = struct.unpack_from("<I", self.data, self.at)
        inline = named == self.begin + self.at + 4
        self.references.append(self.at)
        self.inline.append(inline)
        self.at += 4
        if inline:
            (letters,) = struct.unpack_from("<H", self.data, self.at + 6)
            self.at += NAME_HEADER + 2 * letters + 2
