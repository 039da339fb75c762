"""Tables of a lake as events: Parquet, Delta and catalogs, their columns as the fields that rules read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.detection.engines.spark.files import quote_spark_name
from harness.detection.lake import UNITS_OF_TIME, LakeTable
from harness.detection.plan.expressions import EVENT_COLUMN, Kind
from harness.diagnostics import HarnessError, did_you_mean

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
"""Spark's types of numbers; a decimal has its digits behind it."""
# What the files alone do not say: which of their rows were deleted, under which names their columns go.
DELTA_FEATURES_IN_FILES = ("deletionVectors", "columnMapping")


def open_lake_table(session: SparkSession, lake: LakeTable) -> DataFrame:
    """The table as Spark has it; raises HarnessError where there is none."""
    if lake.in_catalog and not Path(lake.table).exists():
        if not session.catalog.tableExists(lake.table):
            hint = "a path has a slash in it, a name in a catalog has none"
            raise HarnessError("no-table", f"spark's catalog has no table `{lake.table}`", help=hint)
        return session.table(lake.table)
    if (Path(lake.table) / "_delta_log").is_dir():
        return read_delta_table(session, Path(lake.table))
    if "://" not in lake.table and not Path(lake.table).exists():
        raise HarnessError("unreadable", f"{lake.table}: no such file or directory")
    return session.read.parquet(str(Path(lake.table).resolve()) if "://" not in lake.table else lake.table)


def read_delta_table(session: SparkSession, folder: Path) -> DataFrame:
    """The files of a Delta table's last version, by its log as `deltalake` reads it; needs no package of Java."""
    try:
        delta = import_module("deltalake")
    except ModuleNotFoundError as error:
        hint = "pip install 'detlab[spark]'"
        raise HarnessError(
            "engine-missing", "a table of Delta needs deltalake, which is not installed", help=hint
        ) from error
    try:
        table = delta.DeltaTable(str(folder.resolve()))
        features = table.protocol().reader_features or ()
        files = table.file_uris()
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise HarnessError("damaged-table", f"{folder}: its log of Delta cannot be read: {reason}") from error
    used = [name for name in DELTA_FEATURES_IN_FILES if name in features]
    if used:
        hint = "purge it (REORG TABLE ... APPLY (PURGE)), or read it by name in a cluster's catalog"
        raise HarnessError("unsupported-table", f"{folder}: a table of Delta with {' and '.join(used)}", help=hint)
    types = import_module("pyspark.sql.types")
    schema = types.StructType.fromJson(json.loads(table.schema().to_json()))
    if not files:
        return session.createDataFrame([], schema)
    # The values of partitions stand in the folders' names; the schema says of which type they are.
    return session.read.option("basePath", str(folder.resolve())).schema(schema).parquet(*files)


def list_lake_columns(schema: Any, above: str = "", sql: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, SQL and type of each column; those of a structure by their own names behind its own."""
    for each in schema.fields:
        name, held = f"{above}{each.name}", f"{sql}{quote_spark_name(each.name)}"
        if each.dataType.typeName() == "struct":
            yield from list_lake_columns(each.dataType, f"{name}.", f"{held}.")
        else:
            yield name, held, each.dataType.simpleString()


def present_lake_column(held: str, kind: str) -> tuple[str, Kind]:
    """A column as a field: numbers, texts, lists of texts; what is nested deeper as JSON."""
    if kind.partition("(")[0] in NUMBERS:
        return f"CAST({held} AS DOUBLE)", Kind.NUMBER
    if kind == "binary":
        return f"hex({held})", Kind.TEXT
    if kind.startswith(("array<struct", "array<array", "array<map", "map<")):
        return f"to_json({held})", Kind.TEXT
    if kind.startswith("array<"):
        return f"CAST({held} AS ARRAY<STRING>)", Kind.LIST
    return f"CAST({held} AS STRING)", Kind.TEXT


def present_lake_time(held: str, kind: str, unit: str, per_second: float) -> str:
    """A column of times as numbers, `per_second` to a second; where those are not seconds, whole ones."""
    number = kind.partition("(")[0] in NUMBERS
    if number:
        made = f"CAST({held} AS DOUBLE)"
        divisor = UNITS_OF_TIME[unit]
    else:
        made, divisor = f"CAST(unix_micros(try_cast({held} AS TIMESTAMP)) AS DOUBLE)", UNITS_OF_TIME["us"]
    value = made if divisor == per_second else f"({made} * {per_second!r}D / {divisor!r}D)"
    return value if per_second == 1 else f"floor({value})"


def present_lake(
    rows: DataFrame, lake: LakeTable, time_field: str, per_second: float
) -> tuple[Mapping[str, str], Mapping[str, Kind]]:
    """The SQL and the kind of each field of a table's events. Raises HarnessError for a column that it lacks."""
    held = {name: (sql, kind) for name, sql, kind in list_lake_columns(rows.schema)}
    wanted = {**lake.fields, **({time_field: lake.time} if lake.time else {})}
    for column in [*wanted.values(), *([lake.event] if lake.event else [])]:
        if column not in held:
            hint = did_you_mean(column, list(held)) or f"it has {', '.join(list(held)[:12])}"
            raise HarnessError("unknown-column", f"{lake.table} has no column `{column}`", help=hint)
    if not lake.time and time_field not in held:
        hint = "say which column it is: --lake-time NAME, or `time:` in detlab.yaml"
        raise HarnessError("no-time", f"{lake.table} has no column `{time_field}`", help=hint)
    plain = {n: n for n in held if n not in {*wanted.values(), lake.event, *lake.constants}}
    made = {f: present_lake_column(*held[c]) for f, c in {**plain, **lake.fields}.items() if f != time_field}
    unit = lake.unit if lake.time else next(u for u, n in UNITS_OF_TIME.items() if n == per_second)
    time = present_lake_time(*held[lake.time or time_field], unit, per_second)
    sql = {time_field: time, **{f: s for f, (s, _) in made.items()}}
    # Numbers that a table does not have come in the order of its files.
    number = f"CAST({held[lake.event][0]} AS BIGINT)" if lake.event else "monotonically_increasing_id()"
    return {EVENT_COLUMN: number, **sql}, {time_field: Kind.NUMBER, **{f: k for f, (_, k) in made.items()}}
