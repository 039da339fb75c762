"""A connection that dies takes nobody else's queries with it."""

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Scan
from harness.diagnostics import HarnessError
from harness.telemetry.platform import View

C, L = Column, Literal
SCAN = Scan(columns={"name": Kind.TEXT, "Name": Kind.TEXT, "host": Kind.TEXT})
COUNT = Aggregate(source=SCAN, keys=(("host", C("host")),), measures=(("n", ops.count()),))
SLOW = ops.regex_found(C("name"), L(r"^(a|b)(?=c)"), L(""))


def view():
    columns = pa.table({"@event": [0, 1], "name": ["ac", "x"], "Name": ["A", "X"]})
    return View(columns=columns, constants={"host": "WS01"})


class Dying:
    """A connection of DuckDB on which the next statement is the last one."""

    def __init__(self, connection, error):
        self.connection, self.error = connection, error
        self.interrupt, self.close = connection.interrupt, connection.close

    def execute(self, text):
        self.close()
        raise self.error


@pytest.fixture
def opened():
    made = open_engine("duckdb")
    made.load([view()])
    yield made
    made.close()


def test_a_connection_that_was_closed_is_replaced_with_its_events(opened):
    assert opened.run(COUNT).rows == (("WS01", 2.0),)
    opened.store.connection.close()
    assert opened.run(COUNT).rows == (("WS01", 2.0),)
    assert opened.run(Derive(source=SCAN, columns=())).column("Name") == ("A", "X")


def test_what_python_computed_is_computed_again(opened):
    found = Filter(source=SCAN, condition=SLOW)
    assert opened.run(found).column("name") == ("ac",)
    opened.store.connection.close()
    assert opened.run(found).column("name") == ("ac",)


def test_a_connection_that_dies_before_its_events_arrived_is_replaced(opened):
    opened.store.connection.close()
    assert opened.run(COUNT).rows == (("WS01", 2.0),)


def test_other_events_can_be_loaded_after_a_connection_died(opened):
    opened.store.connection.close()
    with pytest.raises(HarnessError, match="Connection already closed"):
        opened.store.execute("SELECT 1")
    opened.load([])
    assert opened.run(COUNT).rows == ()


@pytest.mark.parametrize("kind", [duckdb.InternalException, duckdb.FatalException])
def test_an_error_that_kills_the_store_is_told_once_and_the_next_query_runs(opened, kind):
    opened.run(COUNT)
    before = opened.store.connection
    opened.store.connection = Dying(before, kind("INTERNAL Error: out of reach"))
    with pytest.raises(HarnessError, match="DuckDB gave up: INTERNAL Error: out of reach"):
        opened.run(COUNT)
    assert opened.run(COUNT).rows == (("WS01", 2.0),)
    assert opened.store.connection is not before


def test_a_file_is_attached_again(tmp_path):
    path = tmp_path / "events.parquet"
    pa.parquet.write_table(pa.table({"name": ["ac"]}), path)
    made = open_engine("duckdb")
    made.attach(path, {"host": "WS01"})
    assert made.run(COUNT).rows == (("WS01", 1.0),)
    made.store.connection.close()
    assert made.run(COUNT).rows == (("WS01", 1.0),)
    made.close()


def test_an_error_of_a_query_alone_keeps_the_connection(opened):
    opened.run(COUNT)
    before = opened.store.connection
    with pytest.raises(HarnessError, match="gave up"):
        opened.store.execute("SELECT nothing")
    assert opened.run(COUNT).rows == (("WS01", 2.0),)
    assert opened.store.connection is before
