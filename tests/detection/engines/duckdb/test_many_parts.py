"""Rules over a store of many kinds of events: what is derived of all of them is made once."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, NULL, Column, Kind, Literal
from harness.detection.plan.nodes import Derive, Filter, Scan, Select
from harness.telemetry.platform import View

KINDS = 12
VIEWS = [
    View(
        constants={"EventCode": str(code)},
        columns=pa.table({EVENT_COLUMN: pa.array([2 * code, 2 * code + 1]), "Image": [f"p{code}.exe", "other.exe"]}),
    )
    for code in range(KINDS)
]


def image_of(code):
    return ops.equal(Column("EventCode"), Literal(str(code)))


def named(choices):
    """Each event's own name, as a long choice of conditions makes it."""
    made = NULL
    for number in range(choices):
        made = ops.if_(image_of(number % KINDS), ops.concat(Literal(f"{number}:"), Column("Image")), made)
    return made


@pytest.fixture(scope="module")
def store():
    opened = open_engine("duckdb")
    yield opened, opened.load(VIEWS)
    opened.close()


def searched(columns, choices):
    derived = Derive(source=Scan(columns=columns), columns=(("name", named(choices)),))
    found = Filter(source=derived, condition=ops.ends_with_ci(Column("name"), Literal("p7.exe")))
    return Select(source=found, columns=(("name", Column("name")), ("EventCode", Column("EventCode"))))


@pytest.mark.parametrize(("choices", "kept"), [(12, False), (120, True)])
def test_a_heavy_statement_keeps_what_it_derives_of_many_kinds(store, choices, kept):
    opened, columns = store
    node = searched(columns, choices)
    assert ("AS MATERIALIZED" in opened.sql(node)) is kept
    assert opened.run(node).rows == ((f"{choices - 5}:p7.exe", "7"),)


def test_events_of_a_few_kinds_are_derived_where_they_are_needed():
    opened = open_engine("duckdb")
    columns = opened.load(VIEWS[5:8])
    node = searched({**columns, "Image": Kind.TEXT}, 120)
    assert "MATERIALIZED" not in opened.sql(node)
    assert opened.run(node).rows == (("115:p7.exe", "7"),)
    opened.close()
