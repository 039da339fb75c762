"""ClickHouse as the second opinion: each case of the pages within its reach gives the page's rows."""

from collections import Counter
from pathlib import Path

import pytest

from harness.detection.conformance import check_case
from harness.detection.conformance_page import pages, parse_cases
from harness.detection.dialects import open_dialect
from harness.detection.engine import ResultRows
from harness.detection.plan.expressions import EVENT_COLUMN, Kind
from harness.detection.plan.schema import columns_of
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.view_columns import list_view_columns
from harness.diagnostics import HarnessError, Source

pytestmark = pytest.mark.more
chdb = pytest.importorskip("chdb", reason="ClickHouse is not installed: pip install chdb")

FOLDER = Path(__file__).parents[2] / "conformance"
CLICKHOUSE_TYPES = {
    Kind.TEXT: "Nullable(String)",
    Kind.NUMBER: "Nullable(Float64)",
    Kind.BOOLEAN: "Nullable(Bool)",
    Kind.LIST: "Array(Nullable(String))",
    Kind.EVENT: "Nullable(Int64)",
}


JOIN = "ClickHouse takes the aliased relation of this join for a correlated subquery"
NULLS = "a join by nothing but nulls has no key there"
LONG = "ClickHouse's planner gives up on a statement of thousands of parts"
DECLARED = {
    "A backslash and a caret are letters of a name": "sqlglot doubles a backslash in a name for ClickHouse",
    "slidingTimeWindow leaves out the event a whole span before": JOIN,
    "A condition inside of a sliding window counts the events that meet it": JOIN,
    "slidingTimeWindow runs over another time": JOIN,
    "streamstats with a window of time looks at the rows before that are so near": JOIN,
    "A window of rows spans all groups together": JOIN,
    "The row before, of any group or of the own one": "a frame of RANGE takes no 64-bit distance there",
    "A key that is missing agrees with nothing": NULLS,
    "A subsearch is a condition: rows joined by OR, their fields by AND": NULLS,
    "cidrmatch of both versions; other text is in no network": "a network has to be a constant text there",
    "The search of a join gives 50,000 rows at most": LONG,
    "A subsearch gives 10,000 rows at most": LONG,
    "Without a number 10,000 rows are kept": LONG,
    "With 0 all rows are kept": LONG,
}
"""Cases that ClickHouse answers otherwise or not at all, each with the reason."""


class NotReachedError(Exception):
    """A statement that ClickHouse has no words for, or events of a type that it has not."""


class ClickHouse:
    """Statements of the writer, run by the ClickHouse in this process."""

    name = "clickhouse"
    patience = 60.0

    def __init__(self):
        self.connection = chdb.connect(":memory:")
        # Its parser stops at 256 KiB unless told; statements over many conditions are longer.
        self.connection.query("SET max_query_size = 100000000")
        self.writer = open_dialect("clickhouse")

    def load(self, views):
        self.views, self.kinds = views, list_view_columns(views)
        return self.writer.load(views)

    def run(self, node, *, limit=None):
        try:
            text = self.writer.sql(node)
        except HarnessError as error:
            raise NotReachedError(error.message) from error
        self.fill()
        try:
            found = self.connection.query(text, "ArrowTable")
        except Exception as error:
            raise HarnessError("engine", f"ClickHouse gave up: {str(error)[:300]}") from error
        columns = [[show(v) for v in c.to_pylist()] for c in found.columns]
        return ResultRows(tuple(columns_of(node)), tuple(zip(*columns, strict=True)))

    def fill(self):
        names = PhysicalNames([EVENT_COLUMN])
        listed = ", ".join(f"`{names(n)}` {CLICKHOUSE_TYPES[k]}" for n, k in self.kinds.items())
        self.connection.query("DROP TABLE IF EXISTS events")
        self.connection.query(f"CREATE TABLE events ({listed}) ENGINE = Memory")
        for view in self.views:
            rows = self.rows(view)
            if rows:
                self.connection.query(f"INSERT INTO events VALUES {', '.join(rows)}")

    def rows(self, view):
        held = {n: view.columns.column(n).to_pylist() for n in view.columns.column_names}
        return [
            "("
            + ", ".join(write(held[n][i] if n in held else view.constants.get(n), k) for n, k in self.kinds.items())
            + ")"
            for i in range(len(view.columns))
        ]


def write(value, kind):
    """A value as ClickHouse reads it."""
    if kind is Kind.LIST:
        members = value if isinstance(value, list) else [] if value is None else [value]
        return "[" + ", ".join(write(m, Kind.TEXT) for m in members) + "]"
    if value is None:
        return "NULL"
    if kind is Kind.TEXT:
        text = value if isinstance(value, str) else str(value)
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"
    return str(value)


def show(value):
    """An array of nothing is no list of the plan; the driver gives texts as bytes."""
    if isinstance(value, list):
        return [show(v) for v in value] or None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def every_case():
    for spoken, path in pages(FOLDER):
        for case in parse_cases(Source(path.relative_to(FOLDER).as_posix(), path.read_text("utf-8")), spoken):
            if case.error is None and not case.known_gap:
                yield case


def test_each_case_within_its_reach_gives_the_rows_of_the_page():
    engine, counted, differing = ClickHouse(), Counter(), []
    for case in every_case():
        try:
            problem = check_case(case, engine)
        except NotReachedError:
            counted["not reached"] += 1
            continue
        declared = case.title in DECLARED
        counted["declared" if declared else "equal" if problem is None else "differs"] += 1
        if problem and not declared:
            differing.append(f"{case.place}: {case.title}\n{problem}")
    assert not differing, f"{counted}\n" + "\n\n".join(differing)
    # So many were within reach when this was written.
    assert counted["equal"] >= 1300, counted
