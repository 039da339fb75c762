"""SQLite, which comes with Python: it runs what has a spelling here and says of the rest that it has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from harness.detection.engine import DEFAULT_PATIENCE, ResultRows
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema, is_hidden
from harness.detection.plan.nodes import Node
from harness.detection.sql.dialect import PhysicalNames, SqlDialect, spell_shared
from harness.detection.sql.relation import Stored
from harness.detection.sql.statement import Statement, deep, statement
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import View

TYPES = {Kind.TEXT: "TEXT", Kind.NUMBER: "REAL", Kind.BOOLEAN: "INTEGER", Kind.NULL: "TEXT", Kind.EVENT: "INTEGER"}
SQLITE = SqlDialect(name="sqlite", prints_as="sqlite", types=TYPES)
spell_shared(SQLITE)
SQLITE.refuse("SQLite knows no regular expressions", ops.regex_found)


class SQLite:
    """A database in memory."""

    name = "sqlite"

    def __init__(self) -> None:
        self.connection, self.patience = sqlite3.connect(":memory:"), DEFAULT_PATIENCE
        self.columns: dict[str, Kind] = {}
        self.names = PhysicalNames()

    def load(self, views: Sequence[View]) -> Schema:
        """One table of all events."""
        self.columns, self.names = {EVENT_COLUMN: Kind.EVENT}, PhysicalNames()
        for view in views:
            self.columns |= dict.fromkeys(view.constants, Kind.TEXT)
            for field in (f for f in view.columns.schema if f.name not in (EVENT_COLUMN, CAUSE)):
                self.columns[field.name] = Kind.NUMBER if str(field.type) == "double" else Kind.TEXT
        described = ", ".join(f'"{self.names(n)}" {TYPES[kind]}' for n, kind in self.columns.items())
        self.connection.executescript(f"DROP TABLE IF EXISTS events; CREATE TABLE events ({described})")
        marks = ", ".join("?" * len(self.columns))
        for view in views:
            rows = ({**view.constants, **row} for row in view.columns.to_pylist())
            values = [[row.get(name) for name in self.columns] for row in rows]
            self.connection.executemany(f"INSERT INTO events VALUES ({marks})", values)
        return {n: kind for n, kind in self.columns.items() if not is_hidden(n)}

    def compiled(self, node: Node, limit: int | None = None) -> Statement:
        """A plan's statement."""
        tables = {"events": Stored(name="events", columns=self.columns)}
        return statement(node, SQLITE, PhysicalNames(self.names.physical), tables, limit=limit)

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """The rows of a plan."""
        with deep():
            made = self.compiled(node, limit)
            return ResultRows(made.columns, tuple(self.connection.execute(SQLITE.print(made.sql)).fetchall()))

    def sql(self, node: Node) -> str:
        """The statement for people."""
        with deep():
            return SQLITE.print(self.compiled(node).sql, pretty=True)

    def close(self) -> None:
        """Gives the memory back."""
        self.connection.close()


def connect() -> SQLite:
    """A new, empty engine."""
    return SQLite()
