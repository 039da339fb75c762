"""The connection: views in, statements run, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from harness.detection.engine import Rows
from harness.detection.engines.duckdb import aggregates, lists, logic, numbers, text  # noqa: F401
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan.columns import Columns, Kind, hidden
from harness.detection.plan.nodes import Node
from harness.detection.sql import build as b
from harness.detection.sql.names import Names
from harness.detection.sql.relations import Stored
from harness.detection.sql.statement import deep, statement
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

    def load(self, views: Sequence[View]) -> Columns:
        """Replaces the store's events by these and gives the columns of the table `events`."""
        self.connection.execute("DROP VIEW IF EXISTS events")
        for i in range(self.loaded):
            self.connection.unregister(f"events_{i}")
        self.names = Names(["@event"])
        columns: dict[str, Kind] = {"@event": Kind.EVENT}
        for view in views:
            for name in view.constants:
                columns.setdefault(name, Kind.TEXT)
            for field in view.columns.schema:
                columns[field.name] = widest(columns.get(field.name), kind_of_type(field.type))
        columns.pop(CAUSE, None)
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
        text, columns = self.compiled(node, limit=limit)
        rows = self.connection.execute(text).fetchall()
        return Rows(columns, tuple(rows) if columns else tuple(() for _ in rows))

    def sql(self, node: Node) -> str:
        """The statement that `run` executes, for people."""
        return self.compiled(node, pretty=True)[0]

    def compiled(self, node: Node, *, limit: int | None = None, pretty: bool = False) -> tuple[str, tuple[str, ...]]:
        """A plan's statement as text, and the names of its columns."""
        with deep():
            names = Names(self.names.physical)
            made, columns = statement(node, DUCKDB, names, self.tables, limit=limit)
            return DUCKDB.print(made, pretty), columns

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
