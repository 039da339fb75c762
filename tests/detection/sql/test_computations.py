"""What Python computes for statements: each column gets its own results, however many are computed together."""

import re

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Derive, Scan
from harness.detection.sql.computations import FEWEST_TOGETHER
from harness.detection.sql.relation import Computation
from harness.telemetry.platform import View

# RE2 has no look-around, so Python evaluates it.
PATTERN = r"a(?!b)"
VALUES = ["a", "ab", "x", "xa", None, "", "aba", "A"]


def build_columns(count):
    """Columns whose values are those of the one before, moved by one row: each has all, none in the same places."""
    return {f"c{i}": [VALUES[(i + row) % len(VALUES)] for row in range(len(VALUES))] for i in range(count)}


def check_rows(columns, patterns):
    """Asks for each pattern in each column and compares row by row; gives the number of statements of computations."""
    asked = [(f"{name} {i}", name, p) for i, p in enumerate(patterns) for name in columns]
    tests = tuple((made, ops.regex_found(Column(name), Literal(p), Literal(""))) for made, name, p in asked)
    plan = Derive(source=Scan(columns=dict.fromkeys(columns, Kind.TEXT)), columns=tests)
    engine = open_engine("duckdb")
    try:
        engine.load([View(columns=pa.table({"@event": list(range(len(VALUES))), **columns}), constants={})])
        steps = engine.compiled(plan).before
        found = engine.run(plan)
    finally:
        engine.close()
    assert len(found.rows) == len(VALUES)
    for made, name, pattern in asked:
        # A plan without an order may give its rows in any: each is compared with its own value.
        for value, result in zip(found.column(name), found.column(made), strict=True):
            assert result == (None if value is None else re.search(pattern, value) is not None), (made, value)
    return sum(isinstance(step, Computation) for step in steps)


@pytest.mark.parametrize("count", [1, 2, FEWEST_TOGETHER - 1, FEWEST_TOGETHER, 3 * FEWEST_TOGETHER])
def test_each_column_gets_its_own_results(count):
    statements = check_rows(build_columns(count), [PATTERN])
    assert statements == (count if count < FEWEST_TOGETHER else 1)


def test_patterns_of_their_own_are_not_mixed_up():
    assert check_rows(build_columns(FEWEST_TOGETHER), [PATTERN, r"(?<!x)a"]) == 2


def test_the_results_of_many_columns_take_one_join():
    columns = build_columns(3 * FEWEST_TOGETHER)
    tests = tuple((f"{n} found", ops.regex_found(Column(n), Literal(PATTERN), Literal(""))) for n in columns)
    engine = open_engine("duckdb")
    try:
        engine.load([View(columns=pa.table({"@event": list(range(len(VALUES))), **columns}), constants={})])
        text = engine.sql(Derive(source=Scan(columns=dict.fromkeys(columns, Kind.TEXT)), columns=tests))
    finally:
        engine.close()
    # A hash table a column: of 518 columns they took more memory than there was.
    assert text.count("LEFT JOIN") == 1
