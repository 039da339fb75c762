"""The text of each event as its file holds it: kept by reference, and read again when a rule asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import RECORD_FILE, RECORD_NUMBER, Events, Telemetry
from harness.telemetry.events.input import MEMBERS_OF_RECORD, Stream
from harness.telemetry.format import text_reader_of

# Some 10 MB of text, held as Python objects at once.
TEXTS_AT_ONCE = 8_192

Numbers = npt.NDArray[np.int64]


def read_recorded_texts(telemetry: Telemetry) -> tuple[pa.ChunkedArray | None, ...]:
    """For each table its events' recorded texts, null where the fields say all; None for a table without any.

    Each file is read once, whatever tables its events are in. Raises HarnessError for a file that is no longer what it
    was when its events were read.
    """
    tables = [RecordedTexts(events) for events in telemetry.events]
    for file in dict.fromkeys(name for table in tables for name in table.places):
        read_file_texts(file, [table for table in tables if file in table.places])
    return tuple(table.finish() for table in tables)


def read_file_texts(file: str, tables: Sequence[RecordedTexts]) -> None:
    """Hands to the tables the texts that they want of a file, or of a file in an archive."""
    wanted: dict[int, list[tuple[int, RecordedTexts]]] = defaultdict(list)
    for table in tables:
        for row, place in zip(*table.places[file], strict=True):
            wanted[int(place)].append((int(row), table))
    records = {place // MEMBERS_OF_RECORD for place in wanted}
    stream = Stream.at(file)
    reader = text_reader_of(stream)
    for number, record in enumerate(reader.list_records(stream)):
        if number not in records:
            continue
        for member, text in enumerate(reader.event_texts(record)):
            for row, table in wanted.pop(number * MEMBERS_OF_RECORD + member, ()):
                table.add(row, text)
    if wanted:
        raise HarnessError(
            "changed-events", f"{stream.path} has changed since its events were read", help="run it again"
        )


class RecordedTexts:
    """The texts of one table: where they lie, and what has been read of them, in any order of rows."""

    def __init__(self, events: Events) -> None:
        self.size = len(events)
        self.places: dict[str, tuple[Numbers, Numbers]] = find_text_places(events)
        self.rows: list[int] = []
        self.texts: list[str] = []
        self.parts: list[pa.Array] = []

    def add(self, row: int, text: str) -> None:
        """Takes the text of a row."""
        self.rows.append(row)
        self.texts.append(text)
        if len(self.texts) >= TEXTS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Turns the texts held so far into an array."""
        self.parts.append(pa.array(self.texts, pa.string()))
        self.texts = []

    def finish(self) -> pa.ChunkedArray | None:
        """The column of texts; None where no row has one."""
        if not self.places:
            return None
        self.flush()
        found = pa.chunked_array(self.parts, pa.string())
        rows = np.asarray(self.rows, np.int64)
        if len(rows) == self.size and bool((np.diff(rows) > 0).all()):
            return found
        place = np.full(self.size, -1, np.int64)
        place[rows] = np.arange(len(rows))
        return found.take(pa.array(place, mask=place < 0))


def find_text_places(events: Events) -> dict[str, tuple[Numbers, Numbers]]:
    """By file the rows whose text lies there, and which of its records that is."""
    if RECORD_NUMBER not in events.columns.column_names:
        return {}
    # A file's name is few characters and mostly one value: codes, not texts, are compared.
    files = events.columns.column(RECORD_FILE).unify_dictionaries().combine_chunks()
    files = files.combine_chunks() if isinstance(files, pa.ChunkedArray) else files
    records = events.columns.column(RECORD_NUMBER)
    known = ~np.asarray(records.is_null())
    codes = np.asarray(files.indices.fill_null(-1))
    numbers = np.asarray(records.fill_null(-1).to_numpy())
    found = {}
    for code, name in enumerate(files.dictionary.to_pylist()):
        rows = np.flatnonzero(known & (codes == code))
        if len(rows):
            found[str(name)] = (rows, numbers[rows])
    return found
