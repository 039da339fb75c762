"""A scenario's telemetry or a recorded world in an engine, and fields that a rule reads in vain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.detection.engine import Engine, ResultRows
from harness.detection.language import Plan
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Kind, Schema
from harness.detection.plan.nodes import Aggregate, Derive, Join, Node, Scan, Select, Window, walk_nodes
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.passes.requirements import collect_columns_by_node
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError
from harness.scratch_folder import ScratchFolder
from harness.telemetry.events.event import CAUSE, TIME, Events, Telemetry, TelemetryOrigin, find_arrival
from harness.telemetry.platform import View, platform
from harness.telemetry.simulation.world.dataset import DatasetTable, WorldDataset, empty, open_dataset, read_pieces
from harness.verdict.alerts import Alert, GroundTruth


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
        self.truth = GroundTruth(causes=(), by_event=np.empty(0, np.int32))

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


# `host` and `_time` are made of them, and no rule names them for that.
ALWAYS_READ = ("Computer", "ComputerName", "UtcTime")
"""Fields that a platform makes its own metadata from."""

MICROSECONDS_IN_DAY = 86_400_000_000


@runtime_checkable
class Attaching(Protocol):
    """An engine that reads files where they lie."""

    def attach_all(self, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Schema) -> Schema:
        """Replaces the store's events by those of these Parquet files of one folder, each with its constant fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStretch:
    """A stretch of time in microseconds since 1970, `end` not included."""

    begin: int
    end: int


class WorldStore(TelemetryStore):
    """A recorded world: its schema is known before any event is read, events are read for one plan at a time."""

    streamed = True

    def __init__(self, engine: Engine, path: Path, window: TimeStretch | None = None) -> None:
        """Only events of the window count, if there is one. Raises HarnessError where the engine cannot read files."""
        # Telemetry of this store is its schema: that is all that planning needs.
        super().__init__(engine, self.schema)
        if not isinstance(engine, Attaching):
            raise HarnessError("no-worlds", f"engine {engine.name} cannot read a world from its files")
        self.attaching: Attaching = engine
        self.path, self.window = path, window
        self.dataset: WorldDataset = open_dataset(path)
        self.truth = GroundTruth(causes=self.dataset.truth(), by_event=np.empty(0, np.int32))
        self.folder: ScratchFolder | None = None
        self.presented: tuple[str, Mapping[str, str], bool] = ("", {}, False)
        self.read = self.prepared = 0

    def schema(self, _: Mapping[str, str]) -> Telemetry:
        """No event, but the fields of every kind."""
        events = tuple(empty(t) for t in self.dataset.tables)
        return Telemetry(events=events, causes=self.dataset.truth(), origin=TelemetryOrigin(self.dataset.origin))

    def size(self, conditions: Mapping[str, str]) -> int:
        """How many events there are."""
        return self.dataset.rows

    def counts(self, conditions: Mapping[str, str]) -> dict[str, int]:
        """How many events there are of each sensor and kind."""
        found: dict[str, int] = {}
        for t in self.dataset.tables:
            found[f"{t.sensor} {t.kind}"] = found.get(f"{t.sensor} {t.kind}", 0) + t.rows
        return found

    def load(self, name: str, conditions: Mapping[str, str], *, raw: bool = False) -> Schema:
        """The columns that the world has on a platform; events come with `prepare`."""
        # A world was recorded under its own conditions, which hold unless a person says otherwise.
        chosen = {**self.dataset.conditions, **conditions}
        self.presented = (name, chosen, raw)
        self.views = platform(name).present(self.telemetry({}), chosen, raw=raw)
        self.columns = self.engine.load(self.views)
        return self.columns

    def end(self, conditions: Mapping[str, str]) -> float:
        """When the world or the window ends, in epoch seconds."""
        if self.window:
            return self.window.end / 1e6
        return self.begin() + self.dataset.days * MICROSECONDS_IN_DAY / 1e6

    def prepare(self, node: Node) -> None:
        """Writes the tables and columns that a plan and its provenance need to files, and attaches them."""
        if self.folder is None:
            self.folder = ScratchFolder("detlab-world-")
        folder = self.folder.path
        for old in folder.iterdir():
            old.unlink()
        self.prepared += 1
        whole = trace_events(node)
        names, wanted = fields_read(whole), self.tables_read(whole)
        causes: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
        files: list[tuple[Path, Mapping[str, str]]] = []
        for number, table in enumerate(self.dataset.tables):
            if number in wanted:
                # A new name for each plan, so that nothing an engine remembers of an old file is taken for this one.
                file = folder / f"{self.prepared}-{number}.parquet"
                constants = self.write(table, file, names, causes)
                if constants is not None:
                    files.append((file, constants))
        by_event = np.concatenate(causes) if causes else np.empty(0, np.int32)
        self.read = len(by_event)
        self.truth = GroundTruth(causes=self.dataset.truth(), by_event=by_event)
        # A study's plans read who caused an event, which is no column of any rule.
        known = {**self.columns, CAUSE: Kind.NUMBER}
        self.attaching.attach_all(folder, files, {n: k for n, k in known.items() if n in names})

    def begin(self) -> float:
        """When the world or the window begins, in epoch seconds."""
        if self.window:
            return self.window.begin / 1e6
        return float(np.datetime64(self.dataset.start.removesuffix("Z"), "us").astype(np.int64)) / 1e6

    def count_events_by_cause(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """How many events each cause left, by its number; those of nobody stand last."""
        found = np.zeros(len(self.dataset.causes) + 1, np.int64)
        for table in self.dataset.tables:
            for piece in read_pieces(self.path, table, ()):
                events = piece if self.window is None else clip_events(piece, self.window)
                # UNLABELLED is -1, and bincount takes no negative number.
                causes = events.columns.column(CAUSE).to_numpy().astype(np.int64) + 1
                found += np.roll(np.bincount(causes, minlength=len(found)), -1)
        return found

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

    def write(
        self,
        table: DatasetTable,
        file: Path,
        names: frozenset[str],
        causes: list[np.ndarray[tuple[int], np.dtype[np.int32]]],
    ) -> Mapping[str, str] | None:
        """Writes a table as the platform shows it, only the named columns; its constants, or None without a row."""
        writer: pq.ParquetWriter | None = None
        constants: Mapping[str, str] | None = None
        count = sum(len(c) for c in causes)
        for view in self.shown(table, names):
            constants = view.constants
            numbers = pa.array(np.arange(count, count + len(view.columns), dtype=np.int64))
            count += len(view.columns)
            causes.append(view.columns.column(CAUSE).to_numpy())
            kept = {n: view.columns.column(n) for n in view.columns.column_names if n in names and n != EVENT_COLUMN}
            made = pa.table({EVENT_COLUMN: numbers, **kept})
            # Read once and thrown away, so written fast: lz4, no statistics.
            writer = writer or pq.ParquetWriter(file, made.schema, compression="lz4", write_statistics=False)
            writer.write_table(made)
        if writer is not None:
            writer.close()
        return constants

    def shown(self, table: DatasetTable, names: frozenset[str]) -> Iterator[View]:
        """The views of a table's pieces; fields that nobody reads are not even taken from the file."""
        name, conditions, raw = self.presented
        fields: Sequence[str] | None = [n for n in table.columns if n in names or n in ALWAYS_READ]
        place = platform(name)
        own = next(v for v, t in zip(self.views, self.dataset.tables, strict=True) if t is table)
        told = place.present(Telemetry(events=(keep_event_fields(empty(table), fields or ()),)), conditions, raw=raw)[0]
        wanted = names & {*own.constants, *own.columns.column_names}
        # A wanted column is made from fields that nobody names, such as an alias of an add-on: then all are read.
        if raw or not wanted <= {*told.constants, *told.columns.column_names}:
            fields = None
        for piece in read_pieces(self.path, table, fields):
            events = piece if self.window is None else clip_events(piece, self.window)
            if len(events):
                yield place.present(Telemetry(events=(events,)), conditions, raw=raw)[0]

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


def keep_event_fields(events: Events, fields: Sequence[str]) -> Events:
    """Events with only these fields."""
    return events.with_columns(events.columns.select([TIME, CAUSE, *fields]))


def clip_events(events: Events, window: TimeStretch) -> Events:
    """The events of a window; those of a piece are in order of time."""
    times = events.columns.column(TIME).cast(pa.int64()).to_numpy()
    # By bisection, since the events of a piece are written in order of time.
    first, last = np.searchsorted(times, [window.begin, window.end])
    return events.with_columns(events.columns.slice(int(first), int(last - first)))
