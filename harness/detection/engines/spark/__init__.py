"""Spark SQL as text: `sql` gives the statement for a cluster of one's own; it is not run here."""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.engine import ResultRows
from harness.detection.engines.spark import operations
from harness.detection.engines.spark.dialect import SPARK
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema, is_hidden
from harness.detection.plan.nodes import Node, Scan, walk_nodes
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.relation import Stored
from harness.detection.sql.statement import deep, statement
from harness.diagnostics import HarnessError
from harness.telemetry.platform import View

SPARK_SPELLINGS = (operations,)
# from_utc_timestamp and unix_timestamp count from the session's zone, so any other one shifts every time.
NOTE = "-- the session's time zone has to be UTC: SET TIME ZONE 'UTC'"


class Spark:
    """Writes statements over a table `events` of one's own, whose columns are those that the rule reads."""

    name = "spark"
    patience = 0.0

    def load(self, views: Sequence[View]) -> Schema:
        """The columns of the views, all text but for numbers; nothing is stored."""
        columns: dict[str, Kind] = {}
        for view in views:
            columns |= dict.fromkeys(view.constants, Kind.TEXT)
            for field in view.columns.schema:
                kind = Kind.NUMBER if str(field.type) == "double" else Kind.TEXT
                columns[field.name] = Kind.LIST if str(field.type).startswith("list") else kind
        return {n: k for n, k in columns.items() if not is_hidden(n)}

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """Always an error: there is no Spark here."""
        help = "compile the rule for `spark` and run the statement on a cluster, or use `duckdb`"
        raise HarnessError("engine-text-only", "spark writes statements and does not run them", help=help)

    def sql(self, node: Node) -> str:
        """The statement; raises HarnessError for an operation that Spark has not."""
        scans = {s.table: s for s in walk_nodes(node) if isinstance(s, Scan)}
        # No parts: the table is the reader's own, its columns are those that the rule reads.
        tables = {n: Stored(name=n, columns={EVENT_COLUMN: Kind.EVENT, **s.columns}) for n, s in scans.items()}
        with deep():
            made = statement(node, SPARK, PhysicalNames([EVENT_COLUMN]), tables)
            return f"{NOTE}\n{SPARK.print(made.sql, pretty=True)}"

    def close(self) -> None:
        """Does nothing: there is no connection."""


def connect() -> Spark:
    """A new engine."""
    return Spark()
