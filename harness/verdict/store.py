"""A scenario's telemetry or a recorded world in an engine, and fields that a rule reads in vain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.detection.engine import AttachesStore, Engine, ResultRows
from harness.detection.language import Plan
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Kind, Schema
from harness.detection.plan.nodes import Aggregate, Derive, Join, Node, Scan, Select, Window, walk_nodes
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.passes.requirements import collect_columns_by_node
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError
from harness.scratch_folder import ScratchFolder
from harness.telemetry.events.event import CAUSE, Telemetry, TelemetryOrigin, find_arrival
from harness.telemetry.platform import View, platform
from harness.telemetry.store.presentation import Presentation
from harness.telemetry.store.reader import CodedStore, TimeStretch, empty_events
from harness.verdict.alerts import Alert, Attribution, GroundTruth
from harness.verdict.stored_events import AttachedColumns, StoredTruth, compute_arrival, count_causes


def collect_expected_fields(plan: Plan) -> frozenset[str]:
    """The event fields that the rule names and does not derive itself."""
    made = {name for node in walk_nodes(plan.node) for name in list_made_columns(node)}
    return plan.reads - plan.implied - made


def list_made_columns(node: Node) -> Iterator[str]:
    """Columns that a node computes or renames, not those that it passes on."""
    match node:
        case Derive(columns=named):
            yield from (name for name, _ in named)
        case Select(columns=named) | Join(columns=named):
            yield from (name for name, value in named if not (isinstance(value, Column) and value.name == name))
        case Aggregate(measures=named) | Window(measures=named):
            yield from (name for name, _ in named)


def list_alert_fields(alerts: Iterable[Alert]) -> set[str]:
    """Fields that an alert itself shows with a value, which nobody can call absent."""
    return {name for alert in alerts for name, value in alert.fields.items() if value is not None}


def list_shown_fields(rows: ResultRows) -> set[str]:
    """The same of rows."""
    return {name for place, name in enumerate(rows.columns) if any(row[place] is not None for row in rows.rows)}


def find_absent_fields(reads: Iterable[str], events: Collection[int], views: Sequence[View]) -> tuple[str, ...]:
    """The names among `reads` that none of these events has."""
    numbers = np.fromiter(events, np.int64, len(events))
    # Of no events nothing is missing: an empty platform is told elsewhere.
    missing = set(reads) if len(numbers) else set()
    for view in views:
        chosen = np.flatnonzero(np.isin(view.columns.column(EVENT_COLUMN).to_numpy(), numbers))
        if len(chosen):
            missing -= set(view.constants)
            present = [n for n in missing if n in view.columns.column_names]
            # A column alone says little: kinds of events share them, and most of their rows may be null.
            missing -= {n for n in present if view.columns.column(n).take(chosen).null_count < len(chosen)}
    return tuple(sorted(missing))


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
        self.truth: Attribution = GroundTruth(causes=(), by_event=np.empty(0, np.int32))

    def telemetry(self, conditions: Mapping[str, str]) -> Telemetry:
        """What was recorded under these conditions."""
        # What an input is called changes nothing that was recorded.
        recording = {name: value for name, value in conditions.items() if ":" not in name}
        key = tuple(sorted(recording.items()))
        if key not in self.made:
            self.made[key] = self.make(recording)
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
    return float(find_arrival(telemetry) // 1_000_000 + 1) if len(telemetry) else 0.0


MICROSECONDS_IN_DAY = 86_400_000_000


class WorldStore(TelemetryStore):
    """Events of a coded store: the schema is known before any event is read, a plan reads the columns that it needs."""

    streamed = True

    def __init__(self, engine: Engine, path: Path, window: TimeStretch | None = None) -> None:
        """Only events of the window count, if there is one. Raises HarnessError where the engine cannot read files."""
        # Telemetry of this store is its schema: that is all that planning needs.
        super().__init__(engine, self.schema)
        if not isinstance(engine, AttachesStore):
            raise HarnessError("no-stores", f"engine {engine.name} cannot read a store from its files")
        self.attaching: AttachesStore = engine
        self.path, self.window = path, window
        self.stored = CodedStore(path)
        self.folder: ScratchFolder | None = None
        self.presentation: Presentation | None = None
        self.prepared = 0
        self.truth = StoredTruth(self.stored, (), window)

    def schema(self, _: Mapping[str, str]) -> Telemetry:
        """No event, but the fields of every kind, and what was damaged."""
        manifest = self.stored.manifest
        events = tuple(empty_events(t) for t in manifest.tables)
        return Telemetry(events=events, origin=TelemetryOrigin(manifest.origin), damages=self.stored.damages)

    def size(self, conditions: Mapping[str, str]) -> int:
        """How many events there are."""
        return self.stored.manifest.rows

    def counts(self, conditions: Mapping[str, str]) -> dict[str, int]:
        """How many events there are of each sensor and kind."""
        found: dict[str, int] = {}
        for t in self.stored.manifest.tables:
            found[f"{t.sensor} {t.kind}"] = found.get(f"{t.sensor} {t.kind}", 0) + t.rows
        return found

    def load(self, name: str, conditions: Mapping[str, str], *, raw: bool = False) -> Schema:
        """The columns that the store has on a platform; events come with `prepare`."""
        # A world was recorded under its own conditions, which hold unless a person says otherwise.
        chosen = {**self.stored.manifest.conditions, **conditions}
        wanted = (name, tuple(sorted(chosen.items())), raw)
        if self.loaded != wanted:
            self.presentation = Presentation(self.stored, platform(name), chosen, raw)
            self.views = tuple(self.presentation.views)
            self.columns = self.engine.load(self.views)
            self.loaded = wanted
        return self.columns

    def begin(self) -> float:
        """When the world, the window or the recording begins, in epoch seconds."""
        world = self.stored.manifest.world
        if self.window:
            return self.window.begin / 1e6
        if world:
            return float(np.datetime64(world.start.removesuffix("Z"), "us").astype(np.int64)) / 1e6
        return (self.stored.manifest.first or 0) / 1e6

    def end(self, conditions: Mapping[str, str]) -> float:
        """When the world or the window ends, of other events the second after the last, in epoch seconds."""
        if self.window:
            return self.window.end / 1e6
        if self.stored.manifest.world:
            return self.begin() + self.stored.manifest.world.days * MICROSECONDS_IN_DAY / 1e6
        return float(compute_arrival(self.stored.manifest) // 1_000_000 + 1) if self.stored.manifest.rows else 0.0

    @property
    def recorded_seconds(self) -> float:
        """For how long was recorded: as a world says, else from the first event to the last."""
        manifest = self.stored.manifest
        if manifest.world:
            return manifest.world.days * MICROSECONDS_IN_DAY / 1e6
        return ((manifest.last or 0) - (manifest.first or 0)) / 1e6

    def prepare(self, node: Node) -> None:
        """Attaches the tables and columns that a plan needs, where they lie; writes only what has to be computed."""
        assert self.presentation is not None
        if self.folder is None:
            self.folder = ScratchFolder("detlab-store-")
        for old in self.folder.path.glob("*.parquet"):
            old.unlink()
        self.prepared += 1
        whole = trace_events(node)
        names, wanted = fields_read(whole), self.tables_read(whole)
        attached = AttachedColumns(self.presentation, self.folder.path, names, self.window, self.prepared)
        shown = [t for i, t in enumerate(self.presentation.tables) if i in wanted]
        tables = [table for each in shown if (table := attached.attach(each)) is not None]
        self.truth = StoredTruth(self.stored, [each.table for each in shown], self.window)
        # A study's plans read who caused an event, which is no column of any rule.
        known = {**self.columns, CAUSE: Kind.NUMBER}
        columns = {n: k for n, k in known.items() if n in names}
        self.attaching.attach_store([self.folder.path, self.path.resolve()], tables, attached.dimensions, columns)

    def count_events_by_cause(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """How many events each cause left, by its number; those of nobody stand last."""
        return count_causes(self.stored, self.stored.manifest.tables, self.window)

    def absent(self, reads: Iterable[str], events: Collection[int]) -> tuple[str, ...]:
        """The names among `reads` that no kind of events has."""
        known = {n for v in self.views for n in (*v.constants, *v.columns.column_names)}
        return tuple(sorted(set(reads) - known))

    def tables_read(self, node: Node) -> set[int]:
        """Numbers of the tables that can give a row to the plan."""
        parts = tuple(
            StoredPart(name=str(i), constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
            for i, v in enumerate(self.views)
        )
        found = parts_needed(node, {"events": parts})
        return {int(part.name) for chosen in found.values() for part in chosen}

    def close(self) -> None:
        """Removes the files that `prepare` wrote."""
        if self.folder is not None:
            self.folder.remove()
            self.folder = None


def fields_read(node: Node) -> frozenset[str]:
    """Names of the columns that a plan reads of its stored tables."""
    shapes: dict[int, Schema] = {}
    columns_of(node, shapes)
    wanted = collect_columns_by_node(node, shapes)
    return frozenset(n for scan in walk_nodes(node) if isinstance(scan, Scan) for n in wanted.get(id(scan), ())) | {
        EVENT_COLUMN
    }
