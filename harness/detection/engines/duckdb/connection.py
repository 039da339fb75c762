"""The engine: views in, statements run, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.detection.engine import DEFAULT_PATIENCE, ResultRows
from harness.detection.engines.duckdb.attaching import attach_all
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import DuckDBStore
from harness.detection.plan.expressions import Schema
from harness.detection.plan.nodes import Node
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.relation import Computation, TemporaryTable
from harness.detection.sql.statement import Statement, deep, statement
from harness.detection.sql.window import Folding
from harness.diagnostics import HarnessError
from harness.telemetry.platform import View

# Types are given: results that are null everywhere would make a column of Arrow's null type.
ARROW = {"TEXT": pa.string(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "TEXT[]": pa.list_(pa.string())}


class DuckDB:
    """One connection with one store of events; `patience` is how many seconds a plan may run."""

    name = "duckdb"
    patience: float

    def __init__(self) -> None:
        self.store = DuckDBStore()
        self.patience = DEFAULT_PATIENCE

    def load(self, views: Sequence[View]) -> Schema:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        return self.store.load(views)

    def attach(self, path: Path, constants: Mapping[str, str] | None = None) -> Schema:
        """The same with the events of a Parquet or `.duckdb` file, read where it lies; only before the first query."""
        return self.store.attach(path, constants or {})

    def attach_all(self, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Schema) -> Schema:
        """The same with files of one folder that number their events, each with constants of its own."""
        return attach_all(self.store, folder, files, columns)

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """The rows of a plan in its order, hidden columns included if the plan has them."""
        made = self.compiled(node, limit=limit)
        with deep():
            text = DUCKDB.print(made.sql)
        try:
            rows = self.attempt(made, text)
        except HarnessError:
            # Lost before this statement: another query killed the connection, so this one has a right to a second try.
            if not self.store.lost:
                raise
            rows = self.attempt(made, text)
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
            else:
                self.compute(step)
        found: list[tuple[Any, ...]] = self.store.execute(text).fetchall()
        return found

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
            if isinstance(step, TemporaryTable)
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
            return statement(node, DUCKDB, PhysicalNames(self.store.names.physical), self.store.tables, limit=limit)

    def close(self) -> None:
        """Closes the store."""
        self.store.close()
