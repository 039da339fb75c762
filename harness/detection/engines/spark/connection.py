"""The engine: views in, statements run in a session, rows out; what Python folds runs where the rows are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql.functions import arrow_udf

from harness.detection.engine import DEFAULT_PATIENCE, ResultRows, StoredTable
from harness.detection.engines.spark import aggregates, lists, numbers, text, times
from harness.detection.engines.spark.dialect import SPARK, cut_statement
from harness.detection.engines.spark.files import (
    count_stored_rows,
    quote_spark_name,
    read_dimension,
    read_stored_table,
)
from harness.detection.engines.spark.functions import (
    ERROR_MARK,
    SPARK_TYPES,
    find_function_kind,
    make_fold,
    make_function,
)
from harness.detection.engines.spark.lake import open_lake_table, present_lake
from harness.detection.engines.spark.session import (
    FEW_EVENTS,
    MANY_EVENTS,
    check_java,
    is_local,
    open_spark_session,
)
from harness.detection.lake import AttachedLake, LakeTable
from harness.detection.plan.dimension import Dimension
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.nodes import Node
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.codes import KeptTable
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.relation import Stored, TemporaryTable
from harness.detection.sql.statement import Statement, deep, statement
from harness.detection.sql.window import Folding
from harness.detection.view_columns import kind_of_type, list_view_columns, without_hidden
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.supervisor import measure_seconds_left, time_limit_error, unit_of_work
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import View

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SPARK_SPELLINGS = (aggregates, lists, numbers, text, times)
PART_NAME = late_pattern(r"\b(?:events|attached|dimension|lake)_\d+\b")
FUNCTION_NAME = late_pattern(r"\bdetlab_\w+(?=\()")
# Codes stay in DuckDB's own store: a cluster compares texts as fast as it joins them.
NO_CODES = 1 << 62
# Chosen, no source: below it planning takes longer than running.
FEW = 200_000
NOTE = "-- the session's time zone has to be UTC: SET TIME ZONE 'UTC'"
EMPTY_EVENTS = View(columns=pa.table({EVENT_COLUMN: pa.array([], pa.int64())}))
ARROW_OF_KIND = {Kind.NUMBER: pa.float64(), Kind.TEXT: pa.string(), Kind.BOOLEAN: pa.bool_(), Kind.EVENT: pa.int64()}


class Spark:
    """One session with one store of events; `patience` is how many seconds a plan may run."""

    name = "spark"
    patience: float

    def __init__(self, address: str) -> None:
        self.address = address
        self.size = -1
        # At once, so that what is not there is told before anything else is done.
        if is_local(address):
            check_java()
        else:
            self.session.conf.get("spark.sql.session.timeZone")
        self.patience = DEFAULT_PATIENCE
        self.names = PhysicalNames()
        self.tables: dict[str, Stored] = {}
        self.arriving: dict[str, Callable[[], None]] = {}
        self.made: set[str] = set()
        self.functions: set[str] = set()

    @cached_property
    def session(self) -> SparkSession:
        """The session, opened at the first use: how Java is started hangs on how many events there are."""
        return open_spark_session(self.address, few=self.size < FEW)

    def load(self, views: Sequence[View]) -> Schema:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        self.drop()
        self.set_size(sum(len(view.columns) for view in views))
        columns = list_view_columns(views)
        self.names = PhysicalNames([EVENT_COLUMN, *columns])
        parts = tuple(self.part(f"events_{i}", view) for i, view in enumerate(views or [EMPTY_EVENTS]))
        self.tables = {"events": Stored(name="events", columns=columns, parts=parts)}
        return without_hidden(columns)

    def attach_store(
        self,
        folders: Sequence[Path],
        tables: Sequence[StoredTable],
        dimensions: Mapping[str, pa.Table | Path],
        columns: Schema,
    ) -> Schema:
        """The same with the tables of a coded store, read from their files where the session's own disk has them."""
        self.drop()
        self.set_size(sum(count_stored_rows(table) for table in tables))
        self.names = PhysicalNames([EVENT_COLUMN, *columns])
        kinds = {c.dimension: c.kind for t in tables for c in t.columns.values() if c.dimension is not None}
        held = {}
        for place, (name, kind) in enumerate(kinds.items()):
            own, values = f"dimension_{place}", dimensions[name]
            self.arriving[own] = partial(self.create_relation, own, partial(read_dimension, self.session, values))
            held[name] = Dimension(own, kind, lambda: (0, False))
        parts = [self.attach_table(f"attached_{i}", table, held) for i, table in enumerate(tables)]
        parts = parts or [self.part("events_0", EMPTY_EVENTS)]
        self.tables = {
            "events": Stored(name="events", columns={EVENT_COLUMN: Kind.EVENT, **columns}, parts=tuple(parts))
        }
        return without_hidden(columns)

    def attach_table(self, name: str, table: StoredTable, dimensions: Mapping[str, Dimension]) -> StoredPart:
        """One table of a store as a relation over its files."""
        read = partial(read_stored_table, self.session, table, self.names)
        self.arriving[name] = partial(self.create_relation, name, read)
        return StoredPart(
            name=name,
            constants=table.constants,
            columns={n: c.kind for n, c in table.columns.items()},
            dimensions={n: dimensions[c.dimension] for n, c in table.columns.items() if c.dimension is not None},
            file=True,
            count=partial(count_stored_rows, table),
        )

    def attach_lake(self, lake: LakeTable, time_field: str, per_second: float) -> AttachedLake:
        """Replaces the store's events by those of a table of a lake."""
        self.drop()
        # Nobody knows yet how many they are; a lake is not there for few.
        self.set_size(FEW)
        with told_errors():
            rows = open_lake_table(self.session, lake)
            sql, kinds = present_lake(rows, lake, time_field, per_second)
            self.names = PhysicalNames([*sql, *lake.constants])
            made = rows.selectExpr(*(f"{s} AS {quote_spark_name(self.names(n))}" for n, s in sql.items()))
            name, held = quote_spark_name(self.names(time_field)), "lake_0"
            counted = made.selectExpr("count(*) AS events", f"max({name}) AS last").toArrow().to_pylist()[0]
        self.arriving[held] = partial(self.create_relation, held, lambda: made)
        own = {EVENT_COLUMN: Kind.EVENT, **kinds}
        part = StoredPart(name=held, constants=lake.constants, columns=own, file=True, count=lambda: counted["events"])
        columns = {**kinds, **dict.fromkeys(lake.constants, Kind.TEXT)}
        self.tables = {"events": Stored(name="events", columns={EVENT_COLUMN: Kind.EVENT, **columns}, parts=(part,))}
        last = counted["last"]
        return AttachedLake(columns=columns, events=counted["events"], last=None if last is None else last / per_second)

    def create_relation(self, name: str, read: Callable[[], Any]) -> None:
        """A relation under a name."""
        read().createOrReplaceTempView(name)
        self.made.add(name)

    def set_size(self, events: int) -> None:
        """Plans for so many events."""
        before, self.size = self.size, events
        if before < 0 or (before < FEW) != (events < FEW):
            for name, value in (FEW_EVENTS if events < FEW else MANY_EVENTS).items():
                self.session.conf.set(name, value)

    def part(self, name: str, view: View) -> StoredPart:
        """One view as a relation of its own, which is made when a statement first names it."""
        kinds = {f.name: kind_of_type(f.type) for f in view.columns.schema if f.name != CAUSE}
        kinds[EVENT_COLUMN] = Kind.EVENT
        self.arriving[name] = partial(self.create, name, view, kinds)
        return StoredPart(name=name, constants=view.constants, columns=kinds, count=partial(len, view.columns))

    def create(self, name: str, view: View, kinds: Mapping[str, Kind]) -> None:
        """The relation of a view."""
        held = {self.names(n): cast_to_kind(view.columns.column(n), k) for n, k in kinds.items()}
        self.session.createDataFrame(pa.table(held)).createOrReplaceTempView(name)
        self.made.add(name)

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """The rows of a plan in its order, hidden columns included if the plan has them."""
        with unit_of_work(self.patience), self.limited(), told_errors():
            made = self.compiled(node, limit=limit)
            with deep():
                kept, rest = self.cut(made)
                texts = [(name, SPARK.print(part)) for name, part in kept]
                text = SPARK.print(rest)
            for step in made.before:
                self.take_step(step)
            for name, part in texts:
                self.keep(name, part)
            found = self.execute(text).toArrow()
        columns = [column.to_pylist() for column in found.columns]
        rows = tuple(zip(*columns, strict=True)) if made.columns else tuple(() for _ in range(found.num_rows))
        return ResultRows(made.columns, rows)

    def take_step(self, step: object) -> None:
        """What has to be there before a statement."""
        if isinstance(step, Folding):
            self.fold(step)
        elif isinstance(step, TemporaryTable | KeptTable):
            self.keep(step.table, step.query)

    def cut(self, made: Statement) -> tuple[list[tuple[str, Any]], Any]:
        """A statement's parts that are run and kept before it, and what is left of it."""
        # Many rows are cheaper read twice than kept.
        return cut_statement(made.sql) if self.size < FEW else ([], made.sql)

    def keep(self, name: str, query: str) -> None:
        """Runs a query and keeps its rows as a relation."""
        # Not planned anew by each reader: rows that are equal may be numbered otherwise the next time.
        self.execute(query).localCheckpoint().createOrReplaceTempView(name)
        self.made.add(name)

    def fold(self, folding: Folding) -> None:
        """Folds an operation over each partition of kept rows, where these are."""
        kind = {"TEXT": "string", "DOUBLE": "double", "BOOLEAN": "boolean", "TEXT[]": "array<string>"}[folding.kind]
        rows = self.execute(folding.query)
        parts = rows.columns[1 : 1 + folding.partition]
        grouped = rows.groupBy(*(f"`{name.replace('`', '``')}`" for name in parts))
        made = grouped.applyInArrow(
            make_fold(folding.operation.name, folding.partition, folding.kind), f"number bigint, value {kind}"
        )
        made.toDF(folding.number, folding.value).createOrReplaceTempView(folding.table)
        self.made.add(folding.table)

    def execute(self, text: str) -> Any:
        """The relation that a statement gives, with all that it names."""
        for name in PART_NAME.findall(text) if self.arriving else ():
            if name in self.arriving:
                self.arriving.pop(name)()
        for name in set(FUNCTION_NAME.findall(text)) - self.functions:
            _, each, kind = find_function_kind(name)
            result = f"array<{SPARK_TYPES[kind]}>" if each else SPARK_TYPES[kind]
            self.session.udf.register(name, arrow_udf(make_function(name), result))
            self.functions.add(name)
        return self.session.sql(text)

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Stops whatever runs when the time is over; raises HarnessError then."""
        ended, late = Event(), Event()

        def stop() -> None:
            if ended.wait(measure_seconds_left(self.patience)):
                return
            late.set()
            while not ended.wait(0.2):
                self.interrupt()

        watch = Thread(target=stop, daemon=True)
        watch.start()
        try:
            yield
        except Exception:
            if not late.is_set():
                raise
            raise time_limit_error(self.patience) from None
        finally:
            ended.set()
            watch.join()

    def interrupt(self) -> None:
        """Ends every job of the session."""
        if hasattr(self.session, "interruptAll"):
            self.session.interruptAll()

    def sql(self, node: Node) -> str:
        """The statement that `run` executes, for people; what stands before it in comments."""
        made = self.compiled(node)
        notes = [NOTE]
        for step in made.before:
            if isinstance(step, TemporaryTable | KeptTable):
                notes.append(f"CREATE OR REPLACE TEMPORARY VIEW {step.table} AS {step.query};")
            elif isinstance(step, Folding):
                notes.append(f"-- {step.table}: {step.operation} of the rows of {step.query}")
        with deep():
            kept, rest = self.cut(made)
            notes += [f"CREATE OR REPLACE TEMPORARY VIEW {n} AS {SPARK.print(part)};" for n, part in kept]
            return "\n".join([*notes, SPARK.print(rest, pretty=True)])

    def compiled(self, node: Node, *, limit: int | None = None) -> Statement:
        """A plan's statement with the store's physical names."""
        with deep():
            names = PhysicalNames(self.names.physical)
            return statement(node, SPARK, names, self.tables, limit=limit, codes_from=NO_CODES)

    def drop(self) -> None:
        """Drops the relations of events and of computations."""
        for name in self.made:
            self.session.catalog.dropTempView(name)
        self.made.clear()
        self.arriving.clear()
        self.tables = {}

    def close(self) -> None:
        """Drops what this engine made; Spark itself ends with the process."""
        self.drop()


def cast_to_kind(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """A column in the type that its kind has in the store; no dictionaries, which Spark does not read."""
    if kind is Kind.LIST:
        return column.cast(pa.list_(pa.string()))
    return column.cast(ARROW_OF_KIND[kind])


@contextmanager
def told_errors() -> Iterator[None]:
    """Spark's errors as ours, in one line; one of ours that a worker raised as it was."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        if not isinstance(error, PySparkException) and not type(error).__module__.startswith(
            ("py4j", "grpc", "pyspark")
        ):
            raise
        own = re.search(re.escape(ERROR_MARK) + r"(\[.*\])", str(error))
        if own is not None:
            code, message, hint = json.loads(own[1])
            raise HarnessError(code, message, help=hint) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        # Of a traceback the last line says what it was.
        told = next((x for x in reversed(lines) if re.match(r"[\w.]*Error: ", x)), lines[0])
        # py4j says first which of its own calls it was.
        message = (lines[1].lstrip(": ") if told.startswith("An error occurred") and len(lines) > 1 else told)[:500]
        raise HarnessError("engine", f"Spark gave up: {message}") from error
