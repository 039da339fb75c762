"""Parts of a store that are written side by side: each with codes of its own at first, then with those of all parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shutil import rmtree

import msgspec
import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.event import Events
from harness.telemetry.store.dimension import Dimensions, TextCodes, has_marked_text
from harness.telemetry.store.manifest import Form, StoredField, StoredKind
from harness.telemetry.store.writer import RowsFile, StoreWriter, open_parquet

DRAFTS = "drafts"
"""The folder of parts that have not been finished."""
EVENTS_OF_PART = 1 << 32
"""Numbers of events that a part may use: event numbers rise from part to part, whatever the parts hold."""


@record(kw_only=True)
class Draft:
    """A part whose codes are its own: its tables, and the texts of its dimensions."""

    number: int
    tables: list[StoredKind]
    texts: Mapping[str, pa.StringArray]


def write_draft(folder: Path, number: int, pieces: Iterable[Iterable[Events]]) -> Draft:
    """Writes the events of a part beside the store."""
    own = folder / DRAFTS / f"{number:05}"
    dimensions = Dimensions()
    first = number * EVENTS_OF_PART
    with StoreWriter(own, dimensions, number=number, first=first, open_file=open_stream) as writer:
        for events in pieces:
            writer.write(events)
    texts = {name: dimension.texts() for name, dimension in dimensions.by_name.items()}
    return Draft(number=number, tables=writer.describe(), texts=texts)


def open_stream(path: Path, schema: pa.Schema) -> RowsFile:
    """A file that is read once, soon and here."""
    made: RowsFile = pa.ipc.new_stream(str(path), schema)
    return made


@record(kw_only=True)
class FinalCodes:
    """What the codes of a draft are in the store; columns without are held as the texts that they mean."""

    draft: Draft
    codes: Mapping[str, TextCodes]

    @classmethod
    def assign(cls, draft: Draft, dimensions: Dimensions) -> FinalCodes:
        """Adds the texts of a draft to the store's dimensions; drafts come in their order."""
        found = {name: dimensions.encode(name, texts) for name, texts in draft.texts.items()}
        return cls(draft=draft, codes={name: codes for name, codes in found.items() if codes is not None})


def finish_draft(folder: Path, final: FinalCodes) -> list[StoredKind]:
    """Writes the files of a part with the store's codes; says what its tables are."""
    own = folder / DRAFTS / f"{final.draft.number:05}"
    tables = [finish_table(folder, own, table, final) for table in final.draft.tables]
    rmtree(own, ignore_errors=True)
    return tables


def finish_table(folder: Path, own: Path, table: StoredKind, final: FinalCodes) -> StoredKind:
    """The same for one table."""
    coded = {f.name for f in table.fields if f.coded}
    for name in table.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        file: RowsFile | None = None
        for batch in read_batches(own / name):
            columns = {
                n: column if n not in coded else final_column(n, column, final)
                for n, column in zip(batch.schema.names, batch.columns, strict=True)
            }
            rows = pa.table(columns)
            file = file or open_parquet(folder / name, rows.schema)
            file.write_table(rows)
        if file is not None:
            file.close()
    fields = tuple(describe_final(f, final) for f in table.fields)
    return msgspec.structs.replace(table, fields=fields)


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a draft's file."""
    with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
        yield from reader


def final_column(name: str, held: pa.Array, final: FinalCodes) -> pa.Array:
    """A coded column of a draft as the store holds it."""
    if name not in final.codes:
        return final.draft.texts[name].take(held)
    if held.null_count:
        return pa.array(final.codes[name]).take(held)
    return pa.array(final.codes[name][held.to_numpy()] if len(held) else np.empty(0, np.int32))


def describe_final(field: StoredField, final: FinalCodes) -> StoredField:
    """A field of a draft as it is in the store."""
    if not field.coded or field.name in final.codes:
        return field
    return msgspec.structs.replace(field, form=Form.TEXTS, marked=has_marked_text(final.draft.texts[field.name]))
