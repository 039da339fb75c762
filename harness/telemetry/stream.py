"""The bytes of an input: unpacked, as UTF-8, in bounded pieces, with what is wrong told as damage."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from harness.diagnostics import HarnessError

BLOCK = 1 << 20
LONGEST_RECORD = 16 << 20
"""No record of any format is longer; what is longer is damage and is skipped without being held."""

# The sample of 11,321 events packs 18 to 1; a bomb packs 1,000 to 1, which is gzip's own limit.
UNPACKED_FREELY = 256 << 20
LARGEST_RATIO = 300
"""A gzip file may unpack to this many times its size, or to 256 MiB; logs rarely reach 60."""

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Stream:
    """A file of events; `damage` is told the place and what could not be read there."""

    path: Path
    name: str
    damage: Callable[[str, str], None] = field(compare=False)

    def blocks(self) -> Iterator[bytes]:
        """The content, unpacked if it is gzip, in pieces of about a mebibyte."""
        try:
            with self.path.open("rb") as file:
                yield from self._unpacked(file) if self.packed else iter(lambda: file.read(BLOCK), b"")
        except OSError as error:
            raise HarnessError("unreadable", f"{self.name}: {error.strerror or error}") from error

    def _unpacked(self, file: IO[bytes]) -> Iterator[bytes]:
        total, most = 0, max(UNPACKED_FREELY, LARGEST_RATIO * self.path.stat().st_size)
        with gzip.GzipFile(fileobj=file) as unpacked:
            while True:
                try:
                    # read1: read() would lose what was unpacked before an error.
                    block = unpacked.read1(BLOCK)
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    self.damage(self.name, f"gzip data end here: {str(error).lower()}")
                    return
                if not block:
                    return
                total += len(block)
                if total > most:
                    self.damage(self.name, f"gzip data unpack to more than {most >> 20} MiB; the rest is not read")
                    return
                yield block

    @cached_property
    def packed(self) -> bool:
        """Whether the file is gzip."""
        try:
            with self.path.open("rb") as file:
                return file.read(2) == GZIP
        except OSError as error:
            raise HarnessError("unreadable", f"{self.name}: {error.strerror or error}") from error

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the content, by which a format is known."""
        blocks = self.blocks()
        # More than any reader looks at.
        return next(blocks, b"")[:65536]

    def whole(self, most: int) -> bytes:
        """All of the content. Raises HarnessError where it is more than `most` bytes."""
        parts, size = [], 0
        for block in self.blocks():
            parts.append(block)
            size += len(block)
            if size > most:
                raise HarnessError("too-large", f"{self.name} unpacks to more than {most >> 20} MiB")
        return b"".join(parts)

    @cached_property
    def encoding(self) -> str:
        """The encoding that a byte order mark names; UTF-8 without one."""
        return next((e for mark, e in BYTE_ORDER_MARKS.items() if self.head.startswith(mark)), "utf-8")

    @property
    def text_head(self) -> bytes:
        """The first bytes of the content as UTF-8, without byte order mark and leading blanks."""
        decoded = self.head.decode(self.encoding, "replace").lstrip("\ufeff")
        # Cut within a character, the head must still be text.
        return decoded.encode("utf-8", "replace").lstrip()

    def text_blocks(self) -> Iterator[bytes]:
        """The content as UTF-8 without byte order mark; bytes that are no UTF-8 are left for the reader to tell."""
        first = True
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        for block in self.blocks():
            if self.encoding != "utf-8":
                block = decoder.decode(block).encode("utf-8", "replace")
            yield block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line that is not blank with its number, counted from 1; one that is too long is damage."""
        number, rest, skipping = 0, b"", False
        for block in self.text_blocks():
            *whole, last = block.split(b"\n")
            for line in whole:
                number += 1
                if skipping:
                    skipping = False
                elif text := (rest + line).strip():
                    yield number, text
                rest = b""
            if not skipping:
                rest += last
            if len(rest) > LONGEST_RECORD:
                self.damage(f"{self.name}: line {number + 1}", f"longer than {LONGEST_RECORD >> 20} MiB; not read")
                rest, skipping = b"", True
        if text := rest.strip():
            yield number + 1, text
