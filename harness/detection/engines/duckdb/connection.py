"""The connection: views in, statements run, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from harness.detection.engine import Rows
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan.columns import EVENT, Columns, Kind, hidden
from harness.detection.plan.nodes import Node
from harness.detection.plan.pruning import Part
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
        self.parts: tuple[Part, ...] = ()
        self.computed: set[str] = set()

    def load(self, views: Sequence[View]) -> Columns:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        for table in (*self.computed, *(p.name for p in self.parts)):
            self.connection.execute(f"DROP TABLE {table}")
        self.computed.clear()
        self.names = Names([EVENT])
        columns: dict[str, Kind] = {EVENT: Kind.EVENT}
        for view in views:
            for name in view.constants:
                columns.setdefault(name, Kind.TEXT)
            for field in view.columns.schema:
                if field.name not in (EVENT, CAUSE):
                    columns[field.name] = widest(columns.get(field.name), kind_of_type(field.type))
        for name in columns:
            self.names(name)
        self.parts = tuple(self.part(i, view, columns) for i, view in enumerate(views or [NOTHING]))
        self.tables = {"events": Stored(name="events", columns=columns, parts=self.parts)}
        return {n: k for n, k in columns.items() if not hidden(n)}

    def part(self, number: int, view: View, columns: Mapping[str, Kind]) -> Part:
        """One view as a table of its own."""
        name = f"events_{number}"
        kinds = {f.name: kind_of_type(f.type) for f in view.columns.schema if f.name != CAUSE} | {EVENT: Kind.EVENT}
        arrow = pa.table({self.names(n): stored(view.columns.column(n), k) for n, k in kinds.items()})
        self.connection.register("arriving", arrow)
        try:
            self.execute(f"CREATE TABLE {name} AS SELECT * FROM arriving")
        finally:
            self.connection.unregister("arriving")
        return Part(name=name, constants=view.constants, columns=kinds)

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


NOTHING = View(columns=pa.table({EVENT: pa.array([], pa.int64())}))


def stored(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """A column in the type that its kind has in the store."""
    if kind is Kind.NUMBER and not pa.types.is_float64(column.type):
        return column.cast(pa.float64())
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


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
