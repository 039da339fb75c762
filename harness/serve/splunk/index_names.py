"""Indexes: those that every Splunk has, those that clients made, and what is in them."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import ClassVar

from harness.serve.backend import Backend
from harness.telemetry.store.manifest import StoredKind, is_store, read_manifest

INDEXES = "splunk indexes"
BUILT_IN = ("_audit", "_internal", "_introspection", "_telemetry", "history", "main", "summary")


@dataclass(slots=True)
class IndexContent:
    """How many events are in an index, and from when to when, in microseconds."""

    events: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, table: StoredKind) -> None:
        """Counts a table of the store."""
        self.events += table.rows
        if table.first is not None and table.last is not None:
            self.first = table.first if self.first is None else min(self.first, table.first)
            self.last = table.last if self.last is None else max(self.last, table.last)


class Indexes:
    """The indexes of a server."""

    known: ClassVar[weakref.WeakKeyDictionary[Backend, Indexes]] = weakref.WeakKeyDictionary()

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @classmethod
    def of(cls, backend: Backend) -> Indexes:
        """Those of a server."""
        if backend not in cls.known:
            cls.known[backend] = cls(backend)
        return cls.known[backend]

    def has(self, name: str) -> bool:
        """Whether there is an index of that name that is not disabled."""
        held = self.backend.documents.read(INDEXES, name)
        if held is not None:
            return str(held.get("disabled", "0")).lower() not in ("1", "true")
        return name in BUILT_IN or name in self.count()

    def names(self) -> list[str]:
        """All names."""
        return sorted({*BUILT_IN, *self.count(), *(name for name, _ in self.backend.documents.list(INDEXES))})

    def count(self) -> dict[str, IndexContent]:
        """What the store has of each index."""
        folder = self.backend.options.data / "store"
        if not is_store(folder):
            return {}
        found: dict[str, IndexContent] = {}
        for table in read_manifest(folder).tables:
            found.setdefault(table.constants.get("index", ""), IndexContent()).add(table)
        found.pop("", None)
        return found

    def create(self, name: str, document: dict[str, object]) -> None:
        """Makes an index."""
        self.backend.documents.write(INDEXES, name, {"created": time.time(), **document})
