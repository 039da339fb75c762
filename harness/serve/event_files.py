"""Recorded events of files as a server holds them: a rule finds them beside what clients send."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.serve.backend import Backend
from harness.telemetry.format import find_event_files

FILES = "event_files"


async def read_event_files(backend: Backend, paths: Sequence[Path]) -> None:
    """Takes the events of files and folders into the store, each once. Raises HarnessError for what cannot be read."""
    for path in paths:
        name = str(path.resolve())
        state = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in find_event_files(path)]
        known = backend.documents.read(FILES, name)
        # Of an earlier start with the same data.
        if known is None or known["state"] != state:
            await backend.ask_room("files", path.resolve())
            backend.documents.write(FILES, name, {"state": state})
