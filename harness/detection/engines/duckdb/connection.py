"""The connection: views in, statements run, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from harness.detection.engine import Rows
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan.columns import EVENT, Columns, Kind, hidden
from harness.detection.plan.nodes import Node
from harness.detection.sql import build as b
from harness.detection.sql.names import Names
from harness.detection.sql.relations import Stored
from harness.detection.sql.statement import Statement, deep, statement
from harness.detection.sql.workbench import Computation
from harness.diagnostics import HarnessError
from harness.telemetry.event import CAUSE
from harness.telemetry.platform import View


class DuckDB:
    """One connection with one store of events."""

    name = "duckdb"

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.names = Names()
        self.tables: dict[str, Stored] = {}
        self.loaded = 0
        self.computed: set[str] = set()

    def load(self, views: Sequence[View]) -> Columns:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        self.connection.execute("DROP VIEW IF EXISTS events")
        for table in self.computed:
            self.connection.execute(f"DROP TABLE {table}")
        self.computed.clear()
        for i in range(self.loaded):
            self.connection.unregister(f"events_{i}")
        self.names = Names([EVENT])
        columns: dict[str, Kind] = {EVENT: Kind.EVENT}
        for view in views:
            for name in view.constants:
                columns.setdefault(name, Kind.TEXT)
            for field in view.columns.schema:
                if field.name in (EVENT, CAUSE):
                    continue
                columns[field.name] = widest(columns.get(field.name), kind_of_type(field.type))
        for name in columns:
            self.names(name)
        parts = [self.part(i, view, columns) for i, view in enumerate(views)] or [self.empty(columns)]
        self.loaded = len(views)
        self.connection.execute(f"CREATE VIEW events AS {' UNION ALL '.join(parts)}")
        self.tables = {"events": Stored(name="events", columns=columns)}
        return {n: k for n, k in columns.items() if not hidden(n)}

    def empty(self, columns: Mapping[str, Kind]) -> str:
        """A relation of no rows."""
        listed = ", ".join(f"CAST(NULL AS {DUCKDB.types[k]}) AS {quoted(self.names(n))}" for n, k in columns.items())
        return f"SELECT {listed} WHERE FALSE"

    def part(self, number: int, view: View, columns: Mapping[str, Kind]) -> str:
        """SELECT of one view with the columns of all."""
        names = [self.names(n) for n in view.columns.column_names]
        self.connection.register(f"events_{number}", view.columns.rename_columns(names))
        items = []
        for name, kind in columns.items():
            physical = quoted(self.names(name))
            wanted = DUCKDB.types[kind]
            if name in view.columns.column_names:
                items.append(f"CAST({physical} AS {wanted}) AS {physical}")
            elif name in view.constants:
                items.append(f"CAST({DUCKDB.print(b.text(view.constants[name]))} AS {wanted}) AS {physical}")
            else:
                items.append(f"CAST(NULL AS {wanted}) AS {physical}")
        return f"SELECT {', '.join(items)} FROM events_{number}"

    def run(self, node: Node, *, limit: int | None = None) -> Rows:
        """The rows of a plan in its order, hidden columns included if the plan has them."""
        made = self.compiled(node, limit=limit)
        for computation in made.computations:
            self.compute(computation)
        rows = self.execute(DUCKDB.print(made.sql)).fetchall()
        return Rows(made.columns, tuple(rows) if made.columns else tuple(() for _ in rows))

    def execute(self, text: str) -> duckdb.DuckDBPyConnection:
        """Runs a statement; a failure of the engine itself is told as such."""
        try:
            return self.connection.execute(text)
        except duckdb.Error as error:
            message = str(error).partition("\n")[0].strip() or type(error).__name__
            raise HarnessError("engine", f"DuckDB gave up: {message}") from error

    def compute(self, computation: Computation) -> None:
        """Evaluates an operation on its distinct arguments and keeps the results as a table."""
        if computation.table in self.computed:
            return
        rows = self.execute(computation.query).fetchall()
        results = computation.results(rows)
        columns = {k: pa.array([r[i] for r in rows]) for i, k in enumerate(computation.keys)}
        held = {"TEXT": pa.string(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "TEXT[]": pa.list_(pa.string())}
        columns[computation.value] = pa.array(results, held[computation.kind])
        self.connection.register("results", pa.table(columns))
        try:
            self.execute(f"CREATE TEMP TABLE {computation.table} AS SELECT * FROM results")
        finally:
            self.connection.unregister("results")
        self.computed.add(computation.table)

    def sql(self, node: Node) -> str:
        """The statement that `run` executes, for people; what Python computes before it stands in comments."""
        made = self.compiled(node)
        notes = [
            f"-- {c.table}: {c.operation} of the distinct values in {', '.join(c.keys)}" for c in made.computations
        ]
        return "\n".join([*notes, DUCKDB.print(made.sql, pretty=True)])

    def compiled(self, node: Node, *, limit: int | None = None) -> Statement:
        """A plan's statement."""
        with deep():
            return statement(node, DUCKDB, Names(self.names.physical), self.tables, limit=limit)

    def close(self) -> None:
        """Gives back what it holds."""
        self.connection.close()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def widest(known: Kind | None, kind: Kind) -> Kind:
    """The kind that a column has over all views."""
    return kind if known in (None, kind) else Kind.LIST if Kind.LIST in (known, kind) else Kind.TEXT


def kind_of_type(held: pa.DataType) -> Kind:
    """The plan's kind of an Arrow type."""
    if pa.types.is_list(held) or pa.types.is_large_list(held):
        return Kind.LIST
    if pa.types.is_boolean(held):
        return Kind.BOOLEAN
    if pa.types.is_integer(held) or pa.types.is_floating(held):
        return Kind.NUMBER
    return Kind.TEXT
