"""A recorded world on disk: a folder with a Parquet file a table and group of hosts, and a document that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import (
    CAUSE,
    NO_FIELDS,
    TEXT_TYPE,
    TIME,
    TIME_TYPE,
    Cause,
    Events,
    Telemetry,
    TelemetryOrigin,
    group_tables,
)

WORLD_DOCUMENT = "world.json"
DATASET_VERSION = 1
# A cause is some 60 bytes, one for each host and doing: about nine million.
LARGEST_MANIFEST = 512 << 20
# The office of 500 hosts has 47 million in a week; held whole an event takes 115 to 820 bytes, measured on 1.6 million.
MOST_DATASET_EVENTS = 40_000_000
"""Events that are read into memory as a whole; more are for `detlab query`, which reads what a rule needs."""


class DatasetTable(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one sensor, kind, constant fields and columns: the files that hold them, and how many there are."""

    sensor: str
    kind: str
    constants: dict[str, str]
    columns: tuple[str, ...]
    rows: int
    files: tuple[str, ...]

    def events(self, columns: pa.Table) -> Events:
        """Rows of this table as events."""
        return Events(sensor=self.sensor, kind=self.kind, constants=self.constants, columns=columns)


class WorldDataset(msgspec.Struct, frozen=True, kw_only=True):
    """What a recorded world is: who did what, and where the events lie."""

    format: int
    title: str
    seed: int
    start: str
    days: int
    hosts: int
    origin: str
    conditions: dict[str, str]
    causes: tuple[tuple[str, bool, str, str], ...]
    tables: tuple[DatasetTable, ...]

    @property
    def rows(self) -> int:
        """How many events there are."""
        return sum(t.rows for t in self.tables)

    def truth(self) -> tuple[Cause, ...]:
        """The causes by their numbers."""
        return tuple(Cause(name=n, malicious=m, host=h, detail=d) for n, m, h, d in self.causes)


def is_dataset(path: Path) -> bool:
    """Whether a path is the folder of a recorded world."""
    return path.is_dir() and (path / WORLD_DOCUMENT).is_file()


def open_dataset(path: Path) -> WorldDataset:
    """The recorded world in a folder. Raises HarnessError for what is none or names files elsewhere."""
    file = path / WORLD_DOCUMENT
    try:
        if file.stat().st_size > LARGEST_MANIFEST:
            raise HarnessError("damaged-world", f"{file} is larger than {LARGEST_MANIFEST >> 20} MiB")
        found = msgspec.json.decode(file.read_bytes(), type=WorldDataset)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HarnessError("damaged-world", f"{file} cannot be read: {error}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{file}: {(error.strerror or str(error)).lower()}") from error
    if found.format != DATASET_VERSION:
        message = f"{file} has format {found.format}, this detlab reads format {DATASET_VERSION}"
        raise HarnessError("damaged-world", message, help="use the detlab that wrote it")
    for name in (n for t in found.tables for n in t.files):
        # The document may be somebody else's: it names no file outside its folder.
        if not (path / name).resolve().is_relative_to(path.resolve()):
            raise HarnessError("damaged-world", f"{file} names {name}, which lies outside the folder")
    return found


def read_pieces(path: Path, table: DatasetTable, columns: Sequence[str] | None = None) -> Iterator[Events]:
    """The events of a table, a bounded piece at a time; with `columns` only these fields, time and cause."""
    wanted = None if columns is None else [TIME, CAUSE, *(c for c in table.columns if c in set(columns))]
    for name in table.files:
        try:
            file = pq.ParquetFile(path / name)
            for group in range(file.num_row_groups):
                read = file.read_row_group(group, columns=wanted)
                yield table.events(restore_column_types(read, table))
        except (pa.ArrowException, OSError) as error:
            message = str(error).partition("\n")[0]
            raise HarnessError("damaged-world", f"{path / name} cannot be read: {message}") from error


def restore_column_types(read: pa.Table, table: DatasetTable) -> pa.Table:
    """The columns cast to event types, dictionaries unified."""
    types = {TIME: TIME_TYPE, CAUSE: pa.int32()}
    kept = [n for n in (TIME, CAUSE, *table.columns) if n in read.column_names]
    made = pa.table({n: read.column(n).cast(types.get(n, TEXT_TYPE)) for n in kept})
    return made.unify_dictionaries().combine_chunks()


def empty(table: DatasetTable) -> Events:
    """No events of a table, for its schema."""
    types = {TIME: TIME_TYPE, CAUSE: pa.int32()}
    return table.events(pa.schema([(n, types.get(n, TEXT_TYPE)) for n in (TIME, CAUSE, *table.columns)]).empty_table())


def telemetry(path: Path) -> Telemetry:
    """A whole world in memory. Raises HarnessError for one that is too large for that."""
    found = open_dataset(path)
    if found.rows > MOST_DATASET_EVENTS:
        message = f"{path} holds {found.rows} events, more than {MOST_DATASET_EVENTS} at once"
        raise HarnessError("too-large", message, help="run a rule on it: `detlab query RULE --events FOLDER`")
    events = group_tables([e for table in found.tables for e in read_pieces(path, table)])
    return Telemetry(events=events, causes=found.truth(), origin=TelemetryOrigin(found.origin))


TableKey = tuple[str, str, tuple[tuple[str, str], ...], tuple[str, ...]]


@dataclass(slots=True)
class File:
    """A file that is being written."""

    name: str
    writer: pq.ParquetWriter
    rows: int = 0


class Shard:
    """The files of one group of hosts: pieces of events are written as they come, each as row groups of its own."""

    def __init__(self, folder: Path, number: int) -> None:
        """Files of the shard bear its number."""
        self.folder, self.number = folder, number
        self.files: dict[TableKey, File] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self.files.values():
            file.writer.close()

    def write(self, recorded: Iterable[Events]) -> None:
        """Adds events; those of one kind, constants and columns share a file."""
        for events in recorded:
            key = build_table_key(events)
            if key not in self.files:
                self.files[key] = self.opened(events)
            self.files[key].writer.write_table(events.columns.replace_schema_metadata(None), row_group_size=1 << 20)
            self.files[key].rows += len(events)

    def opened(self, events: Events) -> File:
        """A new file, in the folder of its sensor and kind."""
        folder = f"{events.sensor}-{events.kind}"
        same = sum(key[:2] == (events.sensor, events.kind) for key in self.files)
        name = f"{folder}/{self.number:05}{'' if not same else f'-{same}'}.parquet"
        (self.folder / folder).mkdir(parents=True, exist_ok=True)
        writer = pq.ParquetWriter(
            self.folder / name,
            events.columns.schema.remove_metadata(),
            compression="zstd",
            # The only column that is ever compared in order.
            write_statistics=[TIME],
            use_dictionary=find_repeating_columns(events.columns),
        )
        return File(name=name, writer=writer)

    def tables(self) -> list[DatasetTable]:
        """A DatasetTable for each file of the shard."""
        return [
            DatasetTable(
                sensor=s, kind=k, constants=dict(constants), columns=columns, rows=file.rows, files=(file.name,)
            )
            for (s, k, constants, columns), file in self.files.items()
        ]


def find_repeating_columns(columns: pa.Table) -> list[str]:
    """Columns whose values come again and again: a dictionary of all others would only cost."""
    texts = ((n, columns.column(n)) for n in columns.column_names if columns.schema.field(n).type == TEXT_TYPE)
    # Two rows a distinct value is chosen.
    return [n for n, c in texts if c.num_chunks and 2 * len(c.chunk(0).dictionary) <= len(c.chunk(0))]


def build_table_key(events: Events) -> TableKey:
    """Sensor, kind, constants and columns: the identity of a table."""
    names = tuple(n for n in events.columns.column_names if n not in NO_FIELDS)
    return events.sensor, events.kind, tuple(sorted(events.constants.items())), names


def merge_dataset_tables(tables: Iterable[DatasetTable]) -> tuple[DatasetTable, ...]:
    """Tables of the same sensor, kind, constants and columns as one, in order of their names."""
    groups: dict[tuple[Any, ...], list[DatasetTable]] = {}
    for table in tables:
        key = (table.sensor, table.kind, tuple(sorted(table.constants.items())), table.columns)
        groups.setdefault(key, []).append(table)
    return tuple(
        msgspec.structs.replace(
            same[0], rows=sum(t.rows for t in same), files=tuple(sorted(n for t in same for n in t.files))
        )
        for _, same in sorted(groups.items())
    )


def write_world_manifest(path: Path, dataset: WorldDataset) -> None:
    """The document beside the tables; the last that is written, so that half a world is none."""
    (path / WORLD_DOCUMENT).write_bytes(
        msgspec.json.format(msgspec.json.encode(dataset, order="deterministic"), indent=1)
    )


def causes_of(found: Iterable[Cause]) -> tuple[tuple[str, bool, str, str], ...]:
    """Causes as tuples of name, malicious, host and detail."""
    return tuple((c.name, c.malicious, c.host, c.detail) for c in found)


def merge_conditions(*parts: Mapping[str, str]) -> dict[str, str]:
    """Conditions, the last of a name counts."""
    return {name: value for part in parts for name, value in part.items()}
