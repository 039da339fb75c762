"""Files that Spark reads where they lie: the tables of a coded store and its dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.plan.dimension import CODE, VALUE
from harness.detection.plan.expressions import Kind
from harness.detection.sql.dialect import PhysicalNames

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_COLUMN_TYPES = {
    Kind.TEXT: "string",
    Kind.NUMBER: "double",
    Kind.BOOLEAN: "boolean",
    Kind.LIST: "array<string>",
    Kind.EVENT: "bigint",
}
# Chosen, no source: Spark sends a smaller table to each of its workers whole.
LARGEST_SENT = 1_000_000
"""Values of a dimension up to which they are read here and sent; more are read from the file by row number."""


def count_stored_rows(table: StoredTable) -> int:
    """How many rows the files of a table have together."""
    return sum(pq.read_metadata(path).num_rows for path in table.files)


def read_stored_table(session: SparkSession, table: StoredTable, names: PhysicalNames) -> Any:
    """The rows of a table's files; a coded column is its codes."""
    rows = session.read.parquet(*(str(path) for path in table.files))
    if table.bounds is not None:
        column, first, end = table.bounds
        rows = rows.where(f"{quote_spark_name(column)} >= {first} AND {quote_spark_name(column)} < {end}")
    chosen = [f"{present_column(c)} AS {quote_spark_name(names(n))}" for n, c in table.columns.items()]
    return rows.selectExpr(*chosen)


def present_column(column: StoredColumn) -> str:
    """The SQL of what a rule sees of a held value; of a coded one the code."""
    held = quote_spark_name(column.held)
    if column.dimension is not None:
        return held
    whole = held if column.default is None else f"coalesce({held}, {column.default!r})"
    made = f"CAST({whole} AS {SPARK_COLUMN_TYPES[column.kind]})"
    value = made if column.divisor == 1 else f"({made} / {column.divisor!r}D)"
    return f"CAST(floor({value}) AS double)" if column.whole else value


def read_dimension(session: SparkSession, values: pa.Table | Path) -> Any:
    """A dimension as codes and values; a code is the place of its value."""
    if not isinstance(values, pa.Table):
        if pq.read_metadata(values).num_rows > LARGEST_SENT:
            rows = session.read.parquet(str(values))
            return rows.selectExpr(f"CAST(_metadata.row_index AS INT) AS {CODE}", VALUE)
        values = pq.read_table(values, columns=[VALUE])
    column = values.column(VALUE)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return session.createDataFrame(pa.table({CODE: pa.array(range(len(values)), pa.int32()), VALUE: column}))


def quote_spark_name(name: str) -> str:
    """A name as an identifier."""
    return "`" + name.replace("`", "``") + "`"
