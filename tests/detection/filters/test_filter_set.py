"""Filters over distinct values find what DuckDB finds, rule by rule."""

import json
from random import Random

import duckdb
import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.filters.coded_columns import lower_texts
from harness.detection.filters.filter_set import FilterSet
from harness.detection.language import Settings, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Lambda, LambdaParameter, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Scan, Select
from harness.detection.view_columns import without_hidden
from harness.diagnostics import Source
from harness.telemetry.platform import View, platform
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.rule_set import read_summary, summarize_rows

TEXTS = (
    "cmd.exe",
    "CMD.EXE",
    "C:\\Windows\\cmd.exe",
    "\u212aey",
    "key",
    "\u0130x",
    "ix",
    "",
    "a%b_c",
    "10.1.2.3",
    "7",
    "1e3",
)
PATTERNS = ("cmd", "EXE$", "^c", "[0-9]+", "(?<=c)md", "\\.", "k", "a%b")


def text_column(random, rows):
    return pa.array([random.choice((*TEXTS, None)) for _ in range(rows)], pa.string()).dictionary_encode()


def random_views(random):
    """Two kinds with a constant each, columns of texts, numbers and lists, in several chunks."""
    views, number = [], 0
    for kind in ("1", "3"):
        tables = []
        for rows in (random.randint(0, 9), random.randint(1, 9)):
            lists = [random.choice((None, ["cmd.exe"], ["x", "KEY"])) for _ in range(rows)]
            columns = {
                "Image": text_column(random, rows),
                "User": text_column(random, rows),
                "host": text_column(random, rows),
                "_time": pa.array([random.choice((None, 1.5, 20.0)) for _ in range(rows)], pa.float64()),
                "@event": pa.array(range(number, number + rows), pa.int64()),
                "@cause": pa.array([0] * rows, pa.int32()),
            }
            columns |= {"Data": pa.array(lists, pa.list_(pa.string()))} if kind == "3" else {}
            tables.append(pa.table(columns))
            number += rows
        views.append(View(constants={"EventCode": kind, "source": "Sysmon"}, columns=pa.concat_tables(tables)))
    return views


def random_test(random):
    column, text = (
        Column(random.choice(("Image", "User", "EventCode", "made", "nowhere"))),
        Literal(random.choice(TEXTS)),
    )
    others = [Literal(random.choice(TEXTS)) for _ in range(3)]
    tests = [ops.equal, ops.equal_ci, ops.contains, ops.contains_ci, ops.starts_with, ops.starts_with_ci]
    tests += [ops.ends_with, ops.ends_with_ci]
    element = LambdaParameter("x")
    choices = [
        lambda: random.choice(tests)(column, text),
        lambda: random.choice((ops.in_, ops.in_ci))(column, text, *others),
        lambda: random.choice((ops.glob, ops.glob_ci))(column, Literal(random.choice(("*cmd*", "c*e", "*", "k*")))),
        lambda: ops.regex_found(column, Literal(random.choice(PATTERNS)), Literal(random.choice(("", "i")))),
        lambda: ops.is_null(column),
        lambda: ops.cidr_contains(column, Literal("10.0.0.0/8")),
        lambda: random.choice((ops.equal, ops.less, ops.greater_equal))(ops.to_number(column), Literal(7.0)),
        lambda: ops.less(Column("_time"), Literal(3.0)),
        lambda: ops.list_any(Column("Data"), Lambda(element, ops.contains_ci(element, Literal("key")))),
        lambda: ops.equal(ops.coalesce(column, Literal("none")), Literal("none")),
        lambda: ops.equal(ops.if_(ops.contains_ci(column, text), Literal("yes"), Literal("no")), Literal("yes")),
        lambda: Literal(random.choice((True, False, None))),
        lambda: ops.equal(Column("Image"), Column("User")),
    ]
    return random.choice(choices)()


def random_condition(random, depth=0):
    if depth > 3 or random.random() < 0.3:
        return random_test(random)
    inner = [random_condition(random, depth + 1) for _ in range(random.randint(1, 4))]
    return random.choice(
        (
            lambda: ops.and_(*inner),
            lambda: ops.or_(*inner),
            lambda: ops.not_(inner[0]),
            lambda: ops.is_true(inner[0]),
            lambda: ops.is_null(inner[0]),
        )
    )()


def random_plan(random, columns):
    plan = Scan(columns=columns)
    if random.random() < 0.5:
        made = ops.regex_extract(Column("Image"), Literal("(c)md"), Literal(""), Literal(1.0))
        named = random.choice((("made", made), ("EventCode", Column("User")), ("made", Literal("cmd.exe"))))
        plan = Derive(source=plan, columns=(named,))
        if random.random() < 0.3:
            kept = ("Image", "made", "_time", "host", "@event")
            plan = Select(source=plan, columns=tuple((name, Column(name)) for name in kept))
    return Filter(source=plan, condition=random_condition(random))


@pytest.mark.parametrize("seed", range(6))
def test_filters_find_the_rows_hosts_and_times_that_duckdb_finds(seed):
    random = Random(seed)
    engine, answered = open_engine("duckdb"), 0
    for _ in range(12):
        views = random_views(random)
        columns = engine.load(views)
        filters = FilterSet(views)
        assert without_hidden(filters.kinds) == columns
        for _ in range(12):
            plan = random_plan(random, columns)
            found = filters.find(plan)
            if found is not None:
                answered += 1
                (record,) = engine.run(summarize_rows(plan)).records()
                assert found == read_summary(record, columns), plan
    engine.close()
    # What only the engine can tell is a part of them: columns that are compared with one another, for one.
    assert 80 < answered < 144


@pytest.mark.parametrize(
    "plan",
    [
        Limit(source=Scan(columns={}), count=1),
        Aggregate(source=Scan(columns={}), keys=(), measures=(("n", ops.count()),)),
        Filter(
            source=Scan(columns={}), condition=ops.and_(Literal(False), ops.equal(ops.md5(Column("a")), Literal("")))
        ),
        Scan(columns={}, table="others"),
    ],
)
def test_what_does_more_than_filter_is_left_to_its_engine(plan):
    assert FilterSet([View(columns=pa.table({"@event": [0], "a": ["x"]}))]).find(plan) is None


def test_lower_case_is_that_of_the_engine_for_every_character():
    values = pa.array([chr(c) for c in range(1, 0x110000) if not 0xD800 <= c < 0xE000])
    with duckdb.connect() as connection:
        connection.register("characters", pa.table({"c": values}))
        lower = connection.sql("SELECT lower(c) AS c FROM characters").to_arrow_table().column("c")
    assert lower_texts(values).to_pylist() == lower.to_pylist()


def list_rules(samples, suffix, step):
    rules = (samples / "dev" / "cross" / "rules.ndjson").read_text("utf-8").splitlines()
    return [r for r in map(json.loads, rules[::step]) if r[suffix]]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 24])
@pytest.mark.parametrize(
    ("suffix", "conditions"), [("spl", {"source": "WinEventLog", "system_names": "sigma"}), ("cql", {})]
)
def test_published_rules_find_what_they_find_one_by_one(samples, suffix, conditions, step):
    spoken, engine = language(suffix), open_engine("duckdb")
    views = platform(spoken.platform).present(replay(samples / "dev" / "cross" / "events.ndjson"), conditions)
    filters, columns, answered = FilterSet(views), engine.load(views), 0
    rules = list_rules(samples, suffix, step)
    for rule in rules:
        query = spoken.parse(Source("rule", rule[suffix]))
        plan = query.plan(columns, Settings()).node
        if not query.raw and (found := filters.find(plan)) is not None:
            answered += 1
            (record,) = engine.run(summarize_rows(plan)).records()
            assert found == read_summary(record, columns), rule["id"]
    engine.close()
    assert answered >= len(rules) - 1
