"""What is done on codes in place of values: what reaches the engine before and after, and that rows are the same."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Scan, Select, Sort, list_sources
from harness.detection.plan.passes.lower_filters import lower_filters
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.sql import column_pairs
from harness.diagnostics import Source
from harness.telemetry.platform import View
from tests.coded_events import CodedDuckDB

C, L = Column, Literal
HOUR = 3600.0
# Sunday 2025-10-26: in Berlin the hour from 2 to 3 comes twice, at 0 and at 1 UTC.
NIGHT = 1_761_436_800.0
SCHEMA = {"_time": Kind.NUMBER, "host": Kind.TEXT, "Image": Kind.TEXT, "port": Kind.TEXT}
SCAN = Scan(columns=SCHEMA, order=(SortKey(C("_time")), SortKey(C("@event"))))
BUSY = 100


def events():
    """Events of two hosts, one without an Image now and then, and of more ports than an integer has bits."""
    numbers = range(BUSY)
    table = pa.table(
        {
            "@event": pa.array(numbers, pa.int64()),
            "_time": [NIGHT + 97.0 * i for i in numbers],
            "host": ["WS01" if i % 3 else "DC01" for i in numbers],
            "Image": [None if i % 7 == 0 else f"C:\\{'cmd' if i % 2 else 'Notepad'}{i % 5}.exe" for i in numbers],
            "port": [str(i % 70) for i in numbers],
        }
    )
    return [View(columns=table, constants={"index": "main"})]


@pytest.fixture(scope="module")
def engines():
    plain, coded = open_engine("duckdb"), CodedDuckDB()
    assert plain.load(events()) == coded.load(events())
    yield plain, coded
    plain.close()
    coded.close()


def agree(engines, node):
    """The rows of a plan, which are the same on values and on codes; and the statement on codes."""
    plain, coded = engines
    # Before the run: what that keeps is not made again.
    text = coded.sql(node)
    wanted = plain.run(node)
    assert coded.run(node) == wanted
    return wanted.rows, text


def split_statement(text):
    """What is made once for a dimension, and what is asked of the events."""
    lines = text.split(";\n")
    return "\n".join(lines[:-1]), lines[-1]


def by(node, *names, **measures):
    return Aggregate(source=node, keys=tuple((n, C(n)) for n in names), measures=tuple(measures.items()))


def test_a_condition_on_one_column_is_asked_of_its_values(engines):
    chosen = Filter(source=SCAN, condition=ops.contains_ci(C("Image"), L("NOTEPAD")))
    rows, text = agree(engines, chosen)
    once, each = split_statement(text)
    assert len(rows) == 42
    assert "ILIKE" in once
    assert "ILIKE" not in each


def test_a_condition_that_holds_without_a_value_keeps_rows_without_one(engines):
    without = Filter(source=SCAN, condition=ops.not_(ops.is_true(ops.contains_ci(C("Image"), L("cmd")))))
    rows, _ = agree(engines, without)
    assert len(rows) == 57
    assert sum(row[2] is None for row in rows) == 15


def test_members_of_an_or_that_read_one_column_are_one_look_up(engines):
    tests = [ops.ends_with_ci(C("Image"), L(f"{i}.exe")) for i in (1, 2, 3)]
    rows, text = agree(
        engines, Filter(source=SCAN, condition=ops.or_(tests[0], ops.equal(C("port"), L("5")), *tests[1:]))
    )
    assert len(rows) > 40
    # Behind the parts, which join the codes of texts.
    # Before the rows are decoded.
    assert split_statement(text)[1].partition("), scan_")[2].partition("filter_")[0].count("LEFT JOIN kept_") == 2


def test_an_expression_of_codes_is_a_dimension_of_its_own(engines):
    name = ops.lower(ops.regex_extract(C("Image"), L(r"([a-zA-Z]+)\d"), L(""), L(1)))
    derived = Derive(source=SCAN, columns=(("name", name), ("known", ops.coalesce(C("Image"), L("none")))))
    rows, text = agree(engines, by(derived, "name", "known", n=ops.count()))
    assert {row[0] for row in rows} == {"cmd", "notepad", None}
    assert "regexp_extract" not in split_statement(text)[1]


PAIRED = {
    "a comparison": ops.less(C("host"), C("Image")),
    "a value where one is missing": ops.coalesce(C("Image"), C("host")),
    "a text of both": ops.concat(C("host"), L(" "), C("Image")),
    "a choice": ops.if_(ops.contains_ci(C("Image"), L("cmd")), C("host"), L("none")),
}


@pytest.mark.parametrize("made", PAIRED.values(), ids=PAIRED)
def test_an_expression_of_two_columns_is_made_once_a_pair(engines, made):
    rows, text = agree(engines, by(Derive(source=SCAN, columns=(("made", made),)), "made", n=ops.count()))
    once, each = split_statement(text)
    assert len(rows) > 1
    assert "CROSS JOIN" in once
    assert "kept_" in each


def test_a_condition_on_two_columns_is_asked_of_their_pairs(engines):
    of_both = ops.not_(ops.ends_with_ci(C("Image"), ops.concat(C("host"), L(".exe"))))
    rows, text = agree(engines, Filter(source=SCAN, condition=ops.and_(of_both, ops.contains(C("host"), L("W")))))
    once, each = split_statement(text)
    assert 0 < len(rows) < BUSY
    assert "'.exe'" in once
    assert "'.exe'" not in each


def test_columns_of_many_pairs_are_looked_at_by_event(engines, monkeypatch):
    monkeypatch.setattr(column_pairs, "MOST_PAIRS", 3)
    _, text = agree(engines, Filter(source=SCAN, condition=ops.less(C("host"), C("Image"))))
    assert "CROSS JOIN" not in text


def test_what_an_expression_makes_of_a_missing_value_is_not_made_twice(engines):
    first = Derive(source=SCAN, columns=(("known", ops.coalesce(C("Image"), L("none"))),))
    second = Derive(source=first, columns=(("again", ops.coalesce(C("known"), L("nothing"))),))
    rows, _ = agree(engines, by(second, "again", n=ops.count()))
    assert sum(row[1] for row in rows) == BUSY


def test_equal_values_of_several_codes_are_one_group(engines):
    # Each value stands twice in the dimensions that CodedDuckDB writes.
    rows, _ = agree(engines, by(SCAN, "host", n=ops.count(), images=ops.count_distinct(C("Image"))))
    assert rows == (("DC01", 34.0, 10.0), ("WS01", 66.0, 10.0))


@pytest.mark.parametrize(("most", "listed"), [(12, "bit_or"), (70, "list(DISTINCT")])
def test_the_values_of_a_group_are_codes_until_they_are_shown(most, listed):
    table = events()[0].columns
    few = table.set_column(4, "port", pa.array([str(i % most) for i in range(BUSY)]))
    engines = open_engine("duckdb"), CodedDuckDB()
    for each in engines:
        each.load([View(columns=few)])
    hourly = by(SCAN, "host", "Image", ports=ops.values(C("port")))
    rows, text = agree(engines, by(hourly, "host", ports=ops.values(C("ports"))))
    assert listed in text
    # As text, so that 10 comes before 2.
    assert rows[1][1][0:3] in (["0", "1", "10"], ["1", "10", "11"])
    assert rows[1][1] == sorted(rows[1][1])
    for each in engines:
        each.close()


@pytest.mark.parametrize("zone", ["UTC", "+05:30", "Europe/Berlin", "America/St_Johns"])
def test_the_text_of_an_hour_is_a_number_until_it_is_shown(engines, zone):
    label = ops.format_time(C("_time"), L("%Y-%m-%d %H:00"), L(zone))
    hourly = by(Derive(source=SCAN, columns=(("hour", label),)), "hour", n=ops.count())
    total = Aggregate(source=hourly, keys=(), measures=(("first", ops.minimum(C("hour"))), ("n", ops.sum(C("n")))))
    rows, text = agree(engines, hourly)
    assert sum(row[1] for row in rows) == BUSY
    assert "strftime" not in split_statement(text)[1]
    agree(engines, total)


def test_two_hours_that_have_one_text_are_one_group(engines):
    label = ops.format_time(C("_time"), L("%d %H"), L("Europe/Berlin"))
    rows, _ = agree(engines, by(Derive(source=SCAN, columns=(("hour", label),)), "hour", n=ops.count()))
    # 02 lasts two hours of 37 events each.
    assert rows[0] == ("26 02", 75.0)


def test_a_text_with_seconds_is_written_event_by_event(engines):
    label = ops.format_time(C("_time"), L("%H:%M:%S.%f"), L("UTC"))
    rows, _ = agree(engines, by(Derive(source=SCAN, columns=(("moment", label),)), "moment", n=ops.count()))
    assert len(rows) == BUSY


@pytest.mark.parametrize("chosen", [ops.first, ops.last, ops.minimum, ops.maximum, ops.mode])
def test_one_value_of_a_group_is_the_same_one(engines, chosen):
    agree(engines, by(SCAN, "host", image=chosen(C("Image"))))


def test_the_order_is_that_of_values_and_not_of_codes(engines):
    ordered = Sort(source=SCAN, keys=(SortKey(C("Image"), descending=True), SortKey(ops.to_number(C("port")))))
    rows, _ = agree(engines, Limit(source=ordered, count=5, offset=2))
    assert [row[3] for row in rows] == ["19", "19", "29", "29", "39"]


def test_the_first_rows_by_a_count_are_found_among_few(engines):
    groups = by(SCAN, "Image", "port", n=ops.count())
    most = Sort(source=groups, keys=(SortKey(ops.coalesce(C("n"), L(0)), descending=True),))
    rows, text = agree(engines, Limit(source=most, count=4))
    assert len(rows) == 4
    assert "counts_" in text


@pytest.mark.parametrize("count", [4, 69, 70, 71, 1000])
def test_a_limit_that_cuts_no_group_sorts_none(engines, count):
    groups = by(SCAN, "Image", "port", n=ops.count())
    assert len(engines[0].run(groups).rows) == 70
    most = Sort(source=groups, keys=(SortKey(ops.coalesce(C("n"), L(0)), descending=True),))
    rows, text = agree(engines, by(Limit(source=most, count=count), "Image", n=ops.sum(C("n")), ports=ops.count()))
    assert sum(row[-1] for row in rows) == min(count, 70)
    assert "UNION ALL" in text


def test_events_behind_rows_are_the_same(engines):
    groups = by(Filter(source=SCAN, condition=ops.contains_ci(C("Image"), L("cmd"))), "host", n=ops.count())
    rows, _ = agree(engines, trace_events(groups))
    assert len(rows[0][-1]) == rows[0][1]


def test_what_is_asked_of_kept_groups_next_reads_no_events(tmp_path):
    coded = CodedDuckDB()
    coded.load(events())
    groups = by(SCAN, "host", "Image", n=ops.count(), ports=ops.values(C("port")))
    wanted = coded.run(groups)
    for written in coded.attached_folder.rglob("*.parquet"):
        written.unlink()
    after = coded.run(
        Filter(source=Select(source=groups, columns=(("n", C("n")),)), condition=ops.greater(C("n"), L(5)))
    )
    assert [row[0] for row in after.rows] == [n for n in wanted.column("n") if n > 5]
    assert coded.run(groups) == wanted
    coded.close()


def test_kept_groups_are_made_again_after_a_connection_died(engines):
    _, coded = engines
    groups = by(SCAN, "host", n=ops.count())
    wanted = coded.run(groups)
    coded.store.connection.close()
    assert coded.run(groups) == wanted


def test_a_condition_moves_below_columns_that_it_does_not_read():
    derived = Derive(
        source=Filter(source=SCAN, condition=ops.not_(ops.equal(C("host"), L("x")))), columns=(("a", L("1")),)
    )
    present = ops.not_(ops.is_null(C("host")))
    lowered = lower_filters(Filter(source=derived, condition=ops.and_(present, ops.equal(C("a"), L("1")))))
    assert isinstance(lowered, Filter)
    assert lowered.condition == ops.equal(C("a"), L("1"))
    (below,) = list_sources(lowered)
    (joint,) = list_sources(below)
    assert joint.condition == ops.and_(ops.not_(ops.equal(C("host"), L("x"))), present)


def test_a_condition_stays_above_what_somebody_else_reads():
    derived = Derive(source=SCAN, columns=(("a", L("1")),))
    both = Filter(source=derived, condition=ops.equal(C("host"), L("x")))
    plan = Limit(source=by(Select(source=derived, columns=(("host", C("host")),)), "host"), count=1)
    joined = lower_filters(Filter(source=derived, condition=ops.equal(C("host"), L("x"))))
    assert isinstance(joined, Derive)
    assert lower_filters(plan) is plan
    assert both.source is derived


@pytest.mark.parametrize("name", ["server.spl", "server.cql"])
def test_a_published_rule_asks_nothing_of_text_event_by_event(name, engines):
    spoken = language(name.rsplit(".", 1)[1])
    with open(f"scenarios/T1583.004/{name}", encoding="utf-8") as rule:
        text = rule.read()
    names = (
        "index",
        "sourcetype",
        "EventCode",
        "host",
        "Image",
        "DestinationIp",
        "DestinationHostname",
        "DestinationPort",
    )
    falcon = ("#event_simpleName", "ComputerName", "ImageFileName", "RemoteAddressIP4", "RemotePort")
    columns = {n: ["a", "b"] for n in (names if name.endswith("spl") else falcon)}
    time = {"_time": [1.0, 2.0]} if name.endswith("spl") else {"@timestamp": [1.7e12, 1.7e12]}
    coded = CodedDuckDB()
    schema = coded.load([View(columns=pa.table({"@event": pa.array([0, 1], pa.int64()), **time, **columns}))])
    once, each = split_statement(coded.sql(spoken.parse(Source(name, text)).plan(schema, Settings()).node))
    assert "regexp_matches" in once
    assert not [word for word in ("ILIKE", "regexp", "strftime", "suffix(") if word in each]
    coded.close()
