"""The fields of events, read beside other work: making events takes seconds, and an editor does not wait."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from harness.detection.language import list_languages
from harness.diagnostics import HarnessError
from harness.record import record

MOST_KINDS_NAMED = 8
"""Kinds of events that are named; more are counted."""


@record(kw_only=True)
class EventField:
    """A field: which events have it, and a value that one of them has."""

    name: str
    events: tuple[str, ...]
    example: str = ""

    def render(self) -> str:
        """What it is, as Markdown."""
        more = f" and {len(self.events) - MOST_KINDS_NAMED} more" if len(self.events) > MOST_KINDS_NAMED else ""
        said = f"`{self.name}`: a field of events of {', '.join(self.events[:MOST_KINDS_NAMED])}{more}"
        return f"{said}\n\nExample: `{self.example}`" if self.example else said


class FieldCatalogue:
    """The fields of each language's events, as far as they have been read."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.ready: dict[str, Mapping[str, EventField]] = {}
        self.thread: threading.Thread | None = None

    def begin(self, events: Path | None = None, folder: Path | None = None) -> None:
        """Begins to read, unless that was begun before."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.read, args=(events, folder), daemon=True)
            self.thread.start()

    def read(self, events: Path | None, folder: Path | None) -> None:
        """Reads the fields of every language."""
        for name in list_languages():
            # Imported by name: it makes events, for which numpy and Arrow are loaded.
            with suppress(HarnessError, OSError):
                self.ready[name] = import_module("harness.editor.event_fields").collect_event_fields(
                    name, events, folder
                )

    def is_ready(self, name: str) -> bool:
        """Whether the fields of a language have been read, or are not being read."""
        return name in self.ready or self.thread is None or not self.thread.is_alive()

    def find(self, name: str) -> Mapping[str, EventField]:
        """The fields of a language's events by name; none while they are being read."""
        return self.ready.get(name, {})

    def wait(self, seconds: float) -> None:
        """Waits for what is being read."""
        if self.thread is not None:
            self.thread.join(seconds)


FIELDS = FieldCatalogue()
"""What this process has read."""
