"""A digest of what values say: dataclasses, documents, tables and files, whatever object holds them.

Two values with one digest mean the same to whoever computes with them. What nothing here knows is refused, never left
out: a digest that overlooks something would take one thing for another.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import Source

# Chosen, no source: a recording of a lab has some thousand files; more is a home folder named by mistake.
MOST_DIGESTED_FILES = 20_000
BLOCK = 1 << 20


class UndigestedError(Exception):
    """A value, or a folder, of which nobody can say in a digest what it means."""


class ValueDigest:
    """One digest under construction; the order of what is added counts."""

    def __init__(self) -> None:
        self.found = hashlib.sha256()

    def add(self, *values: object) -> ValueDigest:
        """Takes values in. Raises UndigestedError for one that has no known content."""
        for value in values:
            self.take(value)
        return self

    def text(self) -> str:
        """The digest as the name of a file."""
        return self.found.hexdigest()

    def mark(self, kind: str, data: bytes = b"") -> None:
        """One piece, its kind and length before it, so that no two sequences of pieces are alike."""
        self.found.update(f"{kind}{len(data)}:".encode() + data)

    def take(self, value: object) -> None:
        """Takes one value in."""
        match value:
            case None | bool() | int() | float() | msgspec.UnsetType():
                self.mark(type(value).__name__, repr(value).encode())
            case date() | time() | timedelta():
                # PyYAML makes dates of texts that look like some.
                self.mark(type(value).__name__, repr(value).encode())
            case str():
                # A text and the enumeration that is spelled so mean the same.
                self.mark("s", str(value).encode("utf-8", "surrogatepass"))
            case bytes():
                self.mark("b", value)
            case Path():
                self.mark("p", os.fsencode(value))
            case Source():
                self.mark("o", digest_source(value))
            case re.Pattern():
                self.mark("r", f"{value.flags} {value.pattern!r}".encode("utf-8", "surrogatepass"))
            case _:
                self.take_parts(value)

    def take_parts(self, value: object) -> None:
        """Takes in what has parts."""
        parts = list(list_digest_parts(value))
        self.mark(f"({type(value).__name__} {len(parts)}")
        for part in parts:
            self.take(part)


def list_digest_parts(value: object) -> Iterator[object]:
    """The parts of a value in an order that hangs on nothing but them. Raises UndigestedError."""
    own: Callable[[], Iterator[object]] | None = getattr(value, "digest_parts", None)
    if own is not None:
        yield from own()
    elif isinstance(value, Mapping):
        yield from sorted(value.items(), key=lambda pair: str(pair[0]))
    elif isinstance(value, Set):
        yield from sorted(value, key=str)
    elif isinstance(value, tuple | list):
        yield from value
    elif is_dataclass(value) and not isinstance(value, type):
        # What is not compared is no part of what the value means.
        yield from ((f.name, getattr(value, f.name)) for f in fields(value) if f.compare)
    elif isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
    else:
        raise UndigestedError(type(value).__qualname__)


# The places of a document's thousand nodes are all in one text.
@lru_cache(maxsize=256)
def digest_source(source: Source) -> bytes:
    """The digest of a text and its name."""
    name, text = (part.encode("utf-8", "surrogatepass") for part in (source.name, source.text))
    return hashlib.sha256(f"{len(name)} ".encode() + name + text).digest()


def digest_files(path: Path, leave_out: Callable[[str], bool] = lambda _: False) -> str:
    """The digest of a file, or of all files in a folder and below with their names.

    Raises UndigestedError where they are too many, OSError where one cannot be read.
    """
    found = ValueDigest()
    if not path.is_dir():
        return found.add(digest_file(path)).text()
    for name in list_file_names(path, leave_out):
        found.add(name, digest_file(path / name))
    return found.text()


def list_file_names(folder: Path, leave_out: Callable[[str], bool]) -> list[str]:
    """The files below a folder by their names from it on; what is left out is asked by its own name."""
    found: list[str] = []
    for directory, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if not leave_out(n))
        base = os.path.relpath(directory, folder)
        found += (os.path.join(base, n) for n in names if not leave_out(n))
        if len(found) > MOST_DIGESTED_FILES:
            raise UndigestedError(f"{folder} holds more than {MOST_DIGESTED_FILES:,} files")
    return sorted(found)


def digest_file(path: Path) -> bytes:
    """The digest of a file's bytes."""
    found: Any = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    digest: bytes = found.digest()
    return digest
