"""All events in one Parquet file, with their causes: columns of text stay dictionary-encoded, nothing is lost."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.telemetry.columnar import encode_text
from harness.telemetry.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.readers.parquet import LAYOUT

SUFFIX = ".parquet"

# Arrow's own default.
ROWS_IN_GROUP = 1 << 20


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes the tables one below the other; the layout says which rows and columns are whose."""
    tables = [tidy(events) for events in telemetry.events] or [pa.schema([(TIME, TIME_TYPE)]).empty_table()]
    # One wide table: a real recording has hundreds of kinds, and a schema for each made files twelve times as large.
    whole = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    about = {LAYOUT: json.dumps(describe_layout(telemetry), ensure_ascii=False).encode()}
    pq.write_table(whole.replace_schema_metadata(about), out, compression="zstd", row_group_size=ROWS_IN_GROUP)
    return len(telemetry)


def describe_layout(telemetry: Telemetry) -> dict[str, Any]:
    """The layout: origin, causes, and for each table its kind, constants, columns and number of rows."""
    return {
        "format": 1,
        "origin": str(telemetry.origin),
        "causes": [asdict(cause) for cause in telemetry.causes],
        "tables": [
            {
                "sensor": events.sensor,
                "kind": events.kind,
                "constants": dict(events.constants),
                "columns": list_field_columns(events),
                "rows": len(events),
            }
            for events in telemetry.events
        ],
    }


def list_field_columns(events: Events) -> list[str]:
    """Names of the columns that are fields."""
    return [n for n in events.columns.column_names if n not in (TIME, CAUSE)]


def tidy(events: Events) -> pa.Table:
    """The table with time and cause first and all text dictionary-encoded."""
    columns = {TIME: events.columns.column(TIME), CAUSE: events.columns.column(CAUSE)}
    return pa.table({**columns, **{n: encode_text(events.columns.column(n)) for n in list_field_columns(events)}})
