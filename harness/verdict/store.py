"""A scenario's telemetry in an engine: made or read once for each set of conditions, loaded once for each view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.engine import Engine, ResultRows
from harness.detection.plan.expressions import EVENT_COLUMN, Schema
from harness.detection.plan.nodes import Node
from harness.telemetry.events.event import CAUSE, TIME, Telemetry
from harness.telemetry.platform import View, platform
from harness.verdict.absent import find_absent_fields
from harness.verdict.alerts import GroundTruth

Make = Callable[[Mapping[str, str]], Telemetry]
ConditionsKey = tuple[tuple[str, str], ...]


class TelemetryStore:
    """Telemetry by conditions, and which of its views an engine has loaded now.

    One that is `streamed` holds no events itself: they are read from files for each plan.
    """

    streamed = False

    def __init__(self, engine: Engine, make: Make) -> None:
        """`make` gives the telemetry under some conditions; it is called once for each set of them."""
        self.engine, self.make = engine, make
        self.made: dict[ConditionsKey, Telemetry] = {}
        self.loaded: tuple[str, ConditionsKey, bool] | None = None
        self.columns: Schema = {}
        self.views: tuple[View, ...] = ()
        self.truth = GroundTruth(causes=(), by_event=np.empty(0, np.int32))

    def telemetry(self, conditions: Mapping[str, str]) -> Telemetry:
        """What was recorded under these conditions."""
        key = tuple(sorted(conditions.items()))
        if key not in self.made:
            self.made[key] = self.make(conditions)
        return self.made[key]

    def load(self, name: str, conditions: Mapping[str, str], *, raw: bool = False) -> Schema:
        """Puts a platform's view into the engine, if it is not there yet, and gives its columns."""
        wanted = (name, tuple(sorted(conditions.items())), raw)
        # Loading and presenting cost more than most rules, and a switch's other value needs neither again.
        if self.loaded != wanted:
            telemetry = self.telemetry(conditions)
            self.views = platform(name).present(telemetry, conditions, raw=raw)
            self.columns = self.engine.load(self.views)
            self.truth = GroundTruth(causes=telemetry.causes, by_event=causes_by_event(self.views))
            self.loaded = wanted
        return self.columns

    def prepare(self, node: Node) -> None:
        """Called before a plan is run: here everything has been loaded already."""

    def ask(self, node: Node) -> ResultRows:
        """The rows of a planner's question over the loaded events."""
        self.prepare(node)
        return self.engine.run(node)

    def size(self, conditions: Mapping[str, str]) -> int:
        """How many events there are under these conditions."""
        return len(self.telemetry(conditions))

    def counts(self, conditions: Mapping[str, str]) -> dict[str, int]:
        """How many events there are of each sensor and kind: `sysmon 3`."""
        found: dict[str, int] = {}
        for e in self.telemetry(conditions).events:
            found[f"{e.sensor} {e.kind}"] = found.get(f"{e.sensor} {e.kind}", 0) + len(e)
        return found

    def end(self, conditions: Mapping[str, str]) -> float:
        """The whole second after the last event in epoch seconds, 0 without events: a search's own "now"."""
        return compute_search_now(self.telemetry(conditions))

    def absent(self, reads: Iterable[str], events: Collection[int]) -> tuple[str, ...]:
        """The names among `reads` that none of these events has."""
        return find_absent_fields(reads, events, self.views)

    def close(self) -> None:
        """Releases what the store holds beside the engine; nothing here."""


def causes_by_event(views: Sequence[View]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """For each event's number the number of its cause."""
    numbers = [view.columns.column(EVENT_COLUMN).to_numpy() for view in views]
    causes = [view.columns.column(CAUSE).to_numpy() for view in views]
    # By the numbers and not by counting rows: a platform may leave events out.
    size = max((int(n.max()) + 1 for n in numbers if len(n)), default=0)
    found = np.full(size, -1, np.int32)
    for number, cause in zip(numbers, causes, strict=True):
        found[number] = cause
    return found


def compute_search_now(telemetry: Telemetry) -> float:
    """The whole second after the last event in epoch seconds, 0 without events: a search's own "now".

    A search that ends at "now" leaves out what happens at that very moment, and no event that there is may be left out.
    """
    # Timestamps in microseconds as integers: datetime would cost an object for each.
    latest = [pc.max(e.columns.column(TIME)).cast(pa.int64()).as_py() for e in telemetry.events if len(e)]
    return float(max(latest) // 1_000_000 + 1) if latest else 0.0
