"""Statements as text, over a table `events` of one's own: for engines that others run."""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.nodes import Node, Scan, walk_nodes
from harness.detection.sql.codes import KeptTable
from harness.detection.sql.dialect import PhysicalNames, SqlDialect
from harness.detection.sql.relation import Stored, TemporaryTable
from harness.detection.sql.statement import deep, statement
from harness.detection.sql.window import Folding
from harness.detection.view_columns import list_view_columns, without_hidden
from harness.late_pattern import late_pattern
from harness.telemetry.platform import View

OWN_FUNCTION = late_pattern(r"\bdetlab_\w+(?=\()")


class StatementWriter:
    """Writes statements in a dialect; `notes` stand above each, the `ending` behind it."""

    def __init__(self, dialect: SqlDialect, notes: Sequence[str] = (), ending: str = "") -> None:
        self.dialect, self.notes, self.ending, self.name = dialect, tuple(notes), ending, dialect.name

    def load(self, views: Sequence[View]) -> Schema:
        """The columns of the views; nothing is stored."""
        return without_hidden(list_view_columns(views))

    def sql(self, node: Node) -> str:
        """The statement; raises HarnessError for an operation that the dialect has not."""
        scans = {s.table: s for s in walk_nodes(node) if isinstance(s, Scan)}
        # No parts: the table is the reader's own, its columns are those that the rule reads.
        tables = {n: Stored(name=n, columns={EVENT_COLUMN: Kind.EVENT, **s.columns}) for n, s in scans.items()}
        with deep():
            made = statement(node, self.dialect, PhysicalNames([EVENT_COLUMN]), tables)
            steps = [
                f"CREATE TEMPORARY VIEW {step.table} AS {step.query};"
                if isinstance(step, TemporaryTable | KeptTable)
                else f"-- {step.table}: {step.operation} of the rows of {step.query}"
                for step in made.before
                if isinstance(step, TemporaryTable | KeptTable | Folding)
            ]
            text = "\n".join([*steps, self.dialect.print(made.sql, pretty=True)])
        needed = sorted(set(OWN_FUNCTION.findall(text)))
        # What SQL lacks is a function of Python, which an engine that runs the statement itself registers.
        own = [f"-- functions that detlab registers in its own session: {', '.join(needed)}"] if needed else []
        return "\n".join([*self.notes, *own, text, *([self.ending] if self.ending else [])])

    def close(self) -> None:
        """Does nothing: there is no connection."""
