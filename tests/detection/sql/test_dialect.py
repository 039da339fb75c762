"""Each engine's table of primitives is whole, and what it refuses it refuses with a reason."""

from importlib import import_module

import pyarrow as pa
import pytest
import sqlglot
from click.testing import CliRunner

from harness.cli.main import main
from harness.detection.dialects import list_dialects, open_dialect
from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Frame, Join, Limit, Scan, Sort, Unnest, Window
from harness.detection.plan.operations import PLAN_OPERATIONS
from harness.detection.plan.value import COMPUTATIONS
from harness.detection.plan.values.folds import FOLDS
from harness.detection.sql.expressions import CHAINS
from harness.diagnostics import HarnessError
from harness.telemetry.platform import View

DIALECTS = {"duckdb": "DUCKDB"} | dict.fromkeys(list_dialects()[1:], "")
C, L = Column, Literal
EVENTS = Scan(
    columns={"_time": Kind.NUMBER, "host": Kind.TEXT, "Image": Kind.TEXT, "ports": Kind.LIST},
    order=(SortKey(C("_time"), descending=True), SortKey(C("@event"))),
)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_operation_is_spelled_computed_or_refused_with_a_reason(name):
    dialect = load_dialect(name)
    evaluated = {o for o in PLAN_OPERATIONS.values() if dialect.name_function(o)}
    computed = {*COMPUTATIONS, *FOLDS, *evaluated} if dialect.computes else set()
    had = set(dialect.spellings) | computed | set(CHAINS)
    assert set(PLAN_OPERATIONS.values()) - had == set(dialect.unsupported) - had
    assert not set(dialect.unsupported) & set(dialect.spellings)
    assert all(dialect.unsupported.values())


def load_dialect(name):
    if name == "duckdb":
        open_engine(name).close()
        return getattr(import_module(f"harness.detection.engines.{name}.dialect"), DIALECTS[name])
    return open_dialect(name).dialect


def spark(node):
    return open_dialect("spark").sql(node)


def test_spark_gets_a_statement_in_its_own_words():
    kept = Filter(source=EVENTS, condition=ops.ends_with_ci(C("Image"), L(r"\cmd.exe")))
    grouped = Aggregate(source=kept, keys=(("host", C("host")),), measures=(("v", ops.values(C("Image"))),))
    text = spark(grouped)
    assert r"endswith(lower(replace(`Image`, 'İ', 'i')), '\\cmd.exe')" in text
    assert "collect_set(`Image`)" in text


@pytest.mark.parametrize(
    "node",
    [
        Limit(source=EVENTS, count=3, last=True),
        Window(source=EVENTS, measures=(("n", ops.count()),), frame=Frame.RUNNING, rows=2),
        Unnest(source=EVENTS, column="ports", position="i"),
        Join(left=EVENTS, right=EVENTS, keys=((C("host"), C("host")),), columns=(("t", C("_time")),), most=1),
        Sort(source=EVENTS, keys=(SortKey(C("host"), nulls_first=True),)),
        Filter(source=EVENTS, condition=ops.glob_ci(C("Image"), L("*a_b%c!*"))),
        Derive(source=EVENTS, columns=(("h", ops.format_time(C("_time"), L("%Y-%m-%d %H:00:00"), L("UTC"))),)),
        Derive(source=EVENTS, columns=(("x", ops.to_text(ops.divide(C("_time"), L(7)))),)),
    ],
    ids=lambda n: type(n).__name__,
)
def test_a_statement_for_spark_is_one_that_a_parser_of_spark_reads(node):
    assert sqlglot.parse_one(spark(node), read="spark") is not None


def test_what_spark_sql_lacks_is_a_function_that_is_named_above_the_statement():
    text = spark(Derive(source=EVENTS, columns=(("e", ops.entropy(C("host"))),)))
    assert "-- functions that detlab registers in its own session: detlab_entropy" in text.splitlines()


def test_an_operation_that_a_warehouse_has_not_is_an_error_with_the_reason():
    node = Derive(source=EVENTS, columns=(("e", ops.entropy(C("host"))),))
    with pytest.raises(HarnessError) as error:
        open_dialect("snowflake").sql(node)
    assert error.value.render() == (
        "error[unsupported-operation]: snowflake cannot run `entropy`: "
        "no word for it stands in its table, since nobody has run one"
    )


@pytest.mark.parametrize("name", list_dialects()[1:])
@pytest.mark.parametrize("rule", ["server.spl", "server.cql"])
def test_the_published_rules_are_statements_that_a_parser_of_each_dialect_reads(name, rule):
    printed = CliRunner().invoke(main, ["compile", f"scenarios/T1583.004/{rule}", "--dialect", name, "--in-process"])
    assert printed.exit_code == 0, printed.output
    assert sqlglot.parse_one(printed.stdout, read=name) is not None
    # A field that a rule reads is a column of the table, and no null.
    assert {"server.spl": "DestinationIp", "server.cql": "RemoteAddressIP4"}[rule] in printed.stdout.partition("FROM")[
        0
    ]


def test_a_dialect_that_is_not_there_is_an_error_with_the_nearest_name():
    with pytest.raises(HarnessError) as error:
        open_dialect("snowflak")
    assert error.value.help == "did you mean `snowflake`?"


def test_spark_without_java_is_out_of_reach_and_no_case_holds_there(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    told = CliRunner().invoke(main, ["conformance", "--engine", "spark"])
    assert told.exit_code == 3
    assert "engine-missing" in told.stderr
    assert "holds" not in told.stdout


def test_an_engine_that_is_not_there_is_an_error_with_the_nearest_name():
    with pytest.raises(HarnessError) as error:
        open_engine("duckbd")
    assert error.value.help == "did you mean `duckdb`?"


@pytest.fixture
def duckdb():
    opened = open_engine("duckdb")
    yield opened
    opened.close()


def test_a_store_of_several_kinds_of_events_joins_their_columns_and_their_kinds(duckdb):
    one = View(
        constants={"kind": "1", "same": "x"},
        columns=pa.table({"@event": pa.array([1], pa.int64()), "a": ["t"], "n": [1.0], "l": ["single"]}),
    )
    other = View(
        constants={"kind": "2"},
        columns=pa.table(
            {
                "@event": pa.array([2], pa.int64()),
                "A": pa.array(["T"]).dictionary_encode(),
                "n": ["two"],
                "l": pa.array([["p", "q"]], pa.list_(pa.string())),
            }
        ),
    )
    columns = duckdb.load([one, other])
    assert columns == {
        "kind": Kind.TEXT,
        "same": Kind.TEXT,
        "a": Kind.TEXT,
        "n": Kind.TEXT,
        "l": Kind.LIST,
        "A": Kind.TEXT,
    }
    made = duckdb.run(Scan(columns=columns, order=(SortKey(C("@event")),)))
    assert made.rows == (("1", "x", "t", "1", ["single"], None), ("2", None, None, "two", ["p", "q"], "T"))


def test_a_rule_that_a_constant_rules_out_reads_no_events_of_that_kind(duckdb):
    views = [
        View(constants={"EventCode": c}, columns=pa.table({"@event": pa.array([i], pa.int64()), "x": [c]}))
        for i, c in enumerate(("1", "3"))
    ]
    columns = duckdb.load(views)
    node = Filter(source=Scan(columns=columns), condition=ops.equal_ci(C("EventCode"), L("3")))
    assert duckdb.run(node).column("x") == ("3",)
    assert "events_0" not in duckdb.sql(node)


def test_a_new_load_replaces_the_events(duckdb):
    for value in ("first", "second"):
        view = View(columns=pa.table({"@event": pa.array([0], pa.int64()), "x": [value]}))
        scan = Scan(columns=duckdb.load([view]))
        entropy = Derive(source=scan, columns=(("e", ops.entropy(C("x"))),))
        assert duckdb.run(entropy).column("x") == (value,)
        assert duckdb.run(entropy).column("e") == (pytest.approx({"first": 2.321928, "second": 2.584963}[value]),)


def test_a_parquet_file_is_read_where_it_lies_and_nothing_else_is(duckdb, tmp_path):
    path = tmp_path / "it's.parquet"
    import_module("pyarrow.parquet").write_table(pa.table({"Id": ["1"], "ID": ["2"], "n": [5]}), path)
    columns = duckdb.attach(path, {"index": "main"})
    assert columns == {"index": Kind.TEXT, "Id": Kind.TEXT, "ID": Kind.TEXT, "n": Kind.NUMBER}
    assert duckdb.run(Scan(columns=columns)).rows == (("main", "1", "2", 5.0),)
    with pytest.raises(HarnessError, match="DuckDB gave up"):
        duckdb.store.execute("SELECT * FROM read_text('/etc/hostname')")
    with pytest.raises(HarnessError, match="DuckDB gave up"):
        duckdb.store.execute("INSTALL httpfs")


def test_a_file_of_duckdb_is_read_where_it_lies(duckdb, tmp_path):
    path = tmp_path / "store.duckdb"
    with import_module("duckdb").connect(str(path)) as connection:
        connection.execute("CREATE TABLE events AS SELECT * FROM (VALUES ('a', 1), ('b', 2)) AS v(host, n)")
    columns = duckdb.attach(path, {})
    scan = Scan(columns=columns, order=(SortKey(C("@event"), descending=True),))
    assert duckdb.run(scan).rows == (("b", 2.0), ("a", 1.0))
    assert duckdb.load([]) == {}
