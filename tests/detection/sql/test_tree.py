"""The tree of a statement: its text is what sqlglot prints of it, in lines or in one; shared parts stay as they are."""

import re

import duckdb
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Frame,
    Join,
    JoinKind,
    Limit,
    Scan,
    Union,
    Unnest,
    Window,
)
from harness.detection.plan.nodes import Values as Rows
from harness.detection.sql import build as b
from harness.detection.sql import tree
from harness.detection.sql.translation import print_in_dialect

C, L = Column, Literal
EVENTS = Scan(
    columns={"_time": Kind.NUMBER, "host": Kind.TEXT, 'the "name"': Kind.TEXT, "ports": Kind.LIST},
    order=(SortKey(C("_time"), descending=True), SortKey(C("@event"))),
)
MANY = ops.or_(*(ops.equal(C("host"), L(f"it's {i}")) for i in range(40)))
NODES = [
    Limit(source=EVENTS, count=3, offset=2, last=True),
    Window(source=EVENTS, measures=(("n", ops.count()), ("f", ops.first(C("host")))), frame=Frame.RUNNING, rows=2),
    Unnest(source=EVENTS, column="ports", position="i", keep_empty=True),
    Join(left=EVENTS, right=EVENTS, keys=((C("host"), C("host")),), columns=(("t", C("_time")),), most=1),
    Join(left=EVENTS, right=EVENTS, keys=((C("host"), C("host")),), kind=JoinKind.ANTI),
    Union(sources=(EVENTS, EVENTS, Rows(columns={"host": Kind.TEXT}, rows=(("a",), (None,))))),
    Filter(source=EVENTS, condition=ops.and_(ops.not_(MANY), ops.glob_ci(C("host"), L("*a_b%c!*")))),
    Derive(source=EVENTS, columns=(("x", ops.to_text(ops.negate(ops.divide(C("_time"), L(-7.0))))),)),
    Aggregate(
        source=EVENTS,
        keys=(("host", C("host")),),
        measures=(
            ("v", ops.values(C('the "name"'))),
            ("l", ops.last(C("_time"))),
            ("d", ops.count_distinct(C("host"))),
        ),
    ),
]


@pytest.fixture(scope="module")
def engine():
    opened = open_engine("duckdb")
    opened.load([])
    yield opened
    opened.close()


@pytest.mark.parametrize("node", NODES, ids=lambda n: type(n).__name__)
def test_a_statement_is_the_text_that_sqlglot_prints_of_it(engine, node):
    made = engine.compiled(node).sql
    foreign = print_in_dialect(made, "duckdb", lambda _: None, pretty=False)
    # sqlglot says ASC, which is what an order is anyway, and has first_value in capitals.
    assert made.sql().lower() == re.sub(r" ASC(?=[,) ]|$)", "", foreign).lower()


@pytest.mark.parametrize("node", NODES, ids=lambda n: type(n).__name__)
def test_a_statement_in_lines_has_the_same_words(engine, node):
    flat, lines = engine.compiled(node).sql.sql(), engine.sql(node).rpartition(";\n")[2]
    assert "\n" in lines
    assert re.sub(r"\s", "", lines) == re.sub(r"\s", "", flat)


def test_names_and_texts_are_quoted_as_duckdb_reads_them():
    text = b.build_select([b.alias(b.sql_text("it's \\ 'so'"), 'a "b"')]).sql()
    assert duckdb.connect().sql(text).columns == ['a "b"']
    assert duckdb.connect().sql(text).fetchall() == [("it's \\ 'so'",)]


def test_a_part_read_from_another_relation_leaves_the_one_it_was_made_of():
    shared = b.sql_column("code")
    found = b.fn("coalesce", shared, tree.Array([shared, b.sql_integer(-1)]))
    assert found.of_table("s").sql() == 'coalesce(s."code", [s."code", -1])'
    assert found.sql() == 'coalesce("code", ["code", -1])'


def test_a_minus_before_a_negative_number_begins_no_comment():
    assert duckdb.connect().sql(f"SELECT {tree.Neg(b.sql_number(-2.0)).sql()}").fetchall() == [(2.0,)]
