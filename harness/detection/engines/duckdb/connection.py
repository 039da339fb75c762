"""The engine: views in, files attached where they lie, statements run, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from harness.detection.engine import DEFAULT_PATIENCE, ResultRows, StoredTable
from harness.detection.engines.duckdb.coded_store import attach_store
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import (
    EMPTY_VIEW,
    DuckDBStore,
    kind_of_text,
    quote_sql_identifier,
    quote_sql_text,
)
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.nodes import Node
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.codes import KeptTable
from harness.detection.sql.compilation import FEWEST_CODED_ROWS
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.relation import Computation, TemporaryTable
from harness.detection.sql.statement import Statement, deep, statement
from harness.detection.sql.window import Folding
from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.supervisor import unit_of_work
from harness.telemetry.platform import View

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")


def attach_all(
    store: DuckDBStore, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Schema
) -> Schema:
    """Replaces the events by those in files that number them (`@event`); all of them in one folder, ever.

    Each file has constants of its own; `columns` are all that files and constants have together.
    """
    store.drop()
    store.refill = partial(attach_all, store, folder, files, columns)
    store.names = PhysicalNames([EVENT_COLUMN, *columns])
    parts = [attach_file(store, f"attached_{i}", path, constants) for i, (path, constants) in enumerate(files)]
    if not parts:
        # A table of no parts would be taken for one that the engine has under its own name.
        parts = [store.part("events_0", EMPTY_VIEW)]
    # Afterwards the setting cannot be changed ("Cannot change allowed_paths when enable_external_access is disabled"),
    # which is why all files ever attached lie in one folder.
    if not store.locked:
        store.execute(f"SET allowed_directories = [{quote_sql_text(str(folder))}]")
    return store.keep({EVENT_COLUMN: Kind.EVENT, **columns}, tuple(parts))


def attach_file(store: DuckDBStore, name: str, path: Path, constants: Mapping[str, str]) -> StoredPart:
    """One file as a view; its columns are taken by place, as DuckDB renames those that differ only in case."""
    source = f"read_parquet({quote_sql_text(str(path))})"
    listed = [(str(n), str(t)) for n, t, *_ in store.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    # DuckDB calls the second of ProcessId and ProcessID `ProcessID_1`; the file's own schema has the names.
    own = dict(zip(pq.read_schema(path).names, listed, strict=True))
    kinds = {n: Kind.EVENT if n == EVENT_COLUMN else kind_of_text(t) for n, (_, t) in own.items()}
    chosen = [
        f"CAST({quote_sql_identifier(own[n][0])} AS {DUCKDB.types[k]}) AS {quote_sql_identifier(store.names(n))}"
        for n, k in kinds.items()
    ]
    store.execute(f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}")
    return StoredPart(name=name, constants=constants, columns=kinds, file=True)


# Types are given: results that are null everywhere would make a column of Arrow's null type.
ARROW = {"TEXT": pa.string(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "TEXT[]": pa.list_(pa.string())}


class DuckDB:
    """One connection with one store of events; `patience` is how many seconds a plan may run.

    It works on the codes of stored tables that have as many rows as `codes_from`, of all if that is 0.
    """

    name = "duckdb"
    patience: float

    def __init__(self) -> None:
        self.store = DuckDBStore()
        self.patience = DEFAULT_PATIENCE
        self.codes_from = FEWEST_CODED_ROWS

    def load(self, views: Sequence[View]) -> Schema:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        return self.store.load(views)

    def attach(self, path: Path, constants: Mapping[str, str] | None = None) -> Schema:
        """The same with the events of a Parquet or `.duckdb` file, read where it lies; only before the first query."""
        return self.store.attach(path, constants or {})

    def attach_all(self, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Schema) -> Schema:
        """The same with files of one folder that number their events, each with constants of its own."""
        return attach_all(self.store, folder, files, columns)

    def attach_store(
        self,
        folders: Sequence[Path],
        tables: Sequence[StoredTable],
        dimensions: Mapping[str, pa.Table | Path],
        columns: Schema,
    ) -> Schema:
        """The same with the tables of a coded store, whose files lie in these folders."""
        return attach_store(self.store, folders, tables, dimensions, columns)

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """The rows of a plan in its order, hidden columns included if the plan has them."""
        with unit_of_work(self.patience):
            return self.run_within_limits(node, limit)

    def run_within_limits(self, node: Node, limit: int | None) -> ResultRows:
        """The same; what ends it when it takes too long is somebody else's."""
        made = self.compiled(node, limit=limit)
        with deep():
            text = DUCKDB.print(made.sql)
        try:
            rows = self.attempt(made, text)
        except HarnessError:
            # Lost before this statement: another query killed the connection, so this one has a right to a second try.
            if not self.store.lost:
                raise
            self.store.revive()
            # Anew, since tables that were kept are gone.
            made = self.compiled(node, limit=limit)
            rows = self.attempt(made, text if not made.before else DUCKDB.print(made.sql))
        for group in made.groups:
            self.store.groups.remember_group(group)
        self.store.drop_oldest_kept({s.table for s in made.before if isinstance(s, KeptTable)})
        return ResultRows(made.columns, tuple(rows) if made.columns else tuple(() for _ in rows))

    def attempt(self, made: Statement, text: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, on a new connection if the last one is dead; leaves nothing behind."""
        self.store.lock()
        # Not what was computed: those tables hold for every statement over the same events.
        kept = [s.table for s in made.before if isinstance(s, TemporaryTable | Folding)]
        try:
            with self.store.limited(self.patience):
                return self.rows(made, text)
        finally:
            for table in () if self.store.dead else kept:
                self.store.execute(f"DROP TABLE IF EXISTS {table}")

    def rows(self, made: Statement, text: str) -> list[tuple[Any, ...]]:
        """Runs a statement after its tables, folds and computations."""
        for step in made.before:
            if isinstance(step, TemporaryTable):
                # OR REPLACE: an attempt that was stopped may have left it.
                self.store.execute(f"CREATE OR REPLACE TABLE {step.table} AS {step.query}")
            elif isinstance(step, Folding):
                self.fold(step)
            elif isinstance(step, KeptTable):
                self.keep_table(step)
            else:
                self.compute(step)
        found: list[tuple[Any, ...]] = self.store.execute(text).fetchall()
        return found

    def keep_table(self, table: KeptTable) -> None:
        """Makes a table for all statements over these events, if it is not there yet."""
        if table.table not in self.store.computed:
            made = self.store.execute(f"CREATE OR REPLACE TABLE {table.table} AS {table.query}").fetchall()
            self.store.kept[table.table] = int(made[0][0])
            self.store.computed.add(table.table)

    def compute(self, computation: Computation) -> None:
        """Evaluates an operation on its distinct arguments and keeps the results as a table."""
        if computation.table in self.store.computed:
            return
        rows = self.store.execute(computation.query).fetchall()
        # Through fetchall and a table and not as a UDF: `create_function` prints some forty lines of "nanobind: leaked"
        # at exit and calls back into Python row by row (reference/engine.md 8).
        columns = {k: pa.array([r[i] for r in rows]) for i, k in enumerate(computation.keys)}
        columns[computation.value] = pa.array(computation.results(rows), ARROW[computation.kind])
        self.store.create(computation.table, pa.table(columns))
        self.store.computed.add(computation.table)

    def fold(self, folding: Folding) -> None:
        """Folds an operation over kept rows and keeps the results as a table."""
        results = list(folding.results(self.store.execute(folding.query).fetchall()))
        columns = {
            folding.number: pa.array([n for n, _ in results], pa.int64()),
            folding.value: pa.array([v for _, v in results], ARROW[folding.kind]),
        }
        self.store.create(folding.table, pa.table(columns))

    def sql(self, node: Node) -> str:
        """The statement that `run` executes, for people; what Python computes before it stands in comments."""
        made = self.compiled(node)
        notes = [
            f"CREATE TABLE {step.table} AS {step.query};"
            if isinstance(step, TemporaryTable | KeptTable)
            else f"-- {step.table}: {step.operation} of the rows of {step.query}"
            if isinstance(step, Folding)
            else f"-- {step.table}: {step.operation} of the distinct values in {', '.join(step.keys)}"
            for step in made.before
        ]
        with deep():
            return "\n".join([*notes, DUCKDB.print(made.sql, pretty=True)])

    def compiled(self, node: Node, *, limit: int | None = None) -> Statement:
        """A plan's statement with the store's physical names."""
        with deep():
            names, groups = PhysicalNames(self.store.list_names()), self.store.groups
            tables = self.store.tables
            return statement(node, DUCKDB, names, tables, limit=limit, codes_from=self.codes_from, kept=groups)

    def close(self) -> None:
        """Closes the store."""
        self.store.close()
