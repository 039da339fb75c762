"""Recorded events that rules are run on: a store where it lies, what is large as one, all else in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.detection.engine import Engine
from harness.scratch_folder import ScratchFolder
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.scenario_telemetry import replay
from harness.telemetry.store.ingest import is_large, write_store
from harness.telemetry.store.manifest import is_store
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.store import TelemetryStore, WorldStore


@dataclass(slots=True)
class EventStores:
    """What was read for one engine; `plain` says what files of plain text are, `memory` how much of it there is."""

    plain: Input | None
    memory: int
    known: dict[tuple[tuple[Path, ...], TimeStretch | None], TelemetryStore] = field(default_factory=dict)
    scratch: list[ScratchFolder] = field(default_factory=list)

    def open(self, engine: Engine, events: Sequence[Path], window: TimeStretch | None = None) -> TelemetryStore:
        """What was recorded, of a world only in a window if one is given."""
        key = (tuple(events), window)
        if key not in self.known:
            self.known[key] = self.read(engine, events, window)
        return self.known[key]

    def read(self, engine: Engine, events: Sequence[Path], window: TimeStretch | None) -> TelemetryStore:
        """The same, read now."""
        if len(events) == 1 and is_store(events[0]):
            return WorldStore(engine, events[0], window)
        if any(is_store(p) for p in events) or is_large(events, self.memory):
            made = ScratchFolder("detlab-ingested-")
            self.scratch.append(made)
            write_store(events, made.path, plain=self.plain, conditions={}, scratch=True)
            return WorldStore(engine, made.path, window)
        telemetry = merge_telemetry(replay(p, plain=self.plain) for p in events)
        return TelemetryStore(engine, lambda _: telemetry)

    def close(self) -> None:
        """Removes what was written."""
        for store in self.known.values():
            store.close()
        for folder in self.scratch:
            folder.remove()
