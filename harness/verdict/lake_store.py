"""Events of a lake's table, which an engine reads where they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from harness.detection.engine import Engine
from harness.detection.lake import AttachedLake, LakeTable, ReadsLake
from harness.detection.plan.expressions import Schema
from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.events.event import Cause, Telemetry, TelemetryOrigin
from harness.telemetry.platform import UNITS_PER_SECOND, platform
from harness.verdict.store import TelemetryStore


@record
class NoTruth:
    """Events of which nobody says who caused them."""

    size: int
    causes: tuple[Cause, ...] = ()
    malicious: frozenset[int] = frozenset()

    def find_events(self, causes: Sequence[int]) -> frozenset[int]:
        """None."""
        return frozenset()

    def of_each(self, behind: Sequence[tuple[int, ...]]) -> list[tuple[Cause, ...]]:
        """None for each."""
        return [() for _ in behind]

    def list_causes(self) -> frozenset[int]:
        """None."""
        return frozenset()


class LakeStore(TelemetryStore):
    """A table of a lake: its columns are the fields of events as a platform shows them, and nobody knows causes."""

    streamed = True

    def __init__(self, engine: Engine, lake: LakeTable) -> None:
        """Raises HarnessError where the engine reads no lakes."""
        super().__init__(engine, lambda _: Telemetry(origin=TelemetryOrigin.REPLAYED))
        if not isinstance(engine, ReadsLake):
            hint = "add --engine spark, or read the files with --events"
            raise HarnessError("no-lakes", f"engine {engine.name} reads no tables of a lake", help=hint)
        self.reader: ReadsLake = engine
        self.lake = lake
        self.found = AttachedLake(columns={}, events=0, last=None)

    def load(self, name: str, conditions: Mapping[str, str], *, raw: bool = False) -> Schema:
        """The table as a platform's events; what it does not have, as their text, nobody makes."""
        wanted = (name, (), False)
        if self.loaded != wanted:
            time = platform(name).time_field
            self.found = self.reader.attach_lake(self.lake, time, UNITS_PER_SECOND[time])
            self.truth = NoTruth(self.found.events)
            self.columns, self.loaded = self.found.columns, wanted
        return self.columns

    def size(self, conditions: Mapping[str, str]) -> int:
        """How many events there are."""
        return self.found.events

    def counts(self, conditions: Mapping[str, str]) -> dict[str, int]:
        """How many events there are, all of one kind."""
        return {self.lake.table: self.found.events}

    def end(self, conditions: Mapping[str, str]) -> float:
        """The whole second after the last event in epoch seconds, 0 without events."""
        return 0.0 if self.found.last is None else float(self.found.last // 1 + 1)

    def absent(self, reads: Iterable[str], events: Collection[int]) -> tuple[str, ...]:
        """The names among `reads` that the table has not."""
        return tuple(sorted(set(reads) - set(self.columns)))
