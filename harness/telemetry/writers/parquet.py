"""All events in one Parquet file, with their causes: columns of text stay dictionary-encoded, nothing is lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.telemetry.columnar import encoded
from harness.telemetry.event import CAUSE, TEXT_TYPE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.readers.parquet import LAYOUT

SUFFIX = ".parquet"

ROWS_IN_GROUP = 1 << 20


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes every table one after another; columns that a table lacks are null, the layout says which it has."""
    names = dict.fromkeys(n for events in telemetry.events for n in texts_of(events))
    schema = pa.schema([(TIME, TIME_TYPE), (CAUSE, pa.int32()), *((n, TEXT_TYPE) for n in names)])
    schema = schema.with_metadata({LAYOUT: json.dumps(layout(telemetry), ensure_ascii=False).encode()})
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for events in telemetry.events:
            file.write_table(widened(events, schema), row_group_size=ROWS_IN_GROUP)
    return len(telemetry)


def layout(telemetry: Telemetry) -> dict[str, Any]:
    """What the columns alone do not say."""
    return {
        "format": 1,
        "origin": str(telemetry.origin),
        "causes": [asdict(cause) for cause in telemetry.causes],
        "tables": [
            {
                "sensor": events.sensor,
                "kind": events.kind,
                "constants": dict(events.constants),
                "columns": texts_of(events),
                "row_groups": -(-len(events) // ROWS_IN_GROUP),
            }
            for events in telemetry.events
        ],
    }


def texts_of(events: Events) -> list[str]:
    """Names of the columns that are fields."""
    return [n for n in events.columns.column_names if n not in (TIME, CAUSE)]


def widened(events: Events, schema: pa.Schema) -> pa.Table:
    """The table with the columns of all tables."""
    columns = {TIME: events.columns.column(TIME), CAUSE: events.columns.column(CAUSE)}
    columns |= {n: encoded(events.columns.column(n)) for n in texts_of(events)}
    nothing = pa.chunked_array([pa.nulls(len(events), pa.string()).dictionary_encode()], TEXT_TYPE)
    return pa.table([columns.get(n, nothing) for n in schema.names], schema=schema)
