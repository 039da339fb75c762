"""Parameters, saved queries and lookups: what a query brings along, and what is said where it is missing."""

import pytest

from harness.detection.language import Lookup, Settings, Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.diagnostics import HarnessError, Source, SourceError
from tests.detection.languages.cql.query_rows import load, plan, records

EVENTS = [{"host": "WS01", "ip": "10.1.2.3"}, {"host": "DC01", "ip": "203.0.113.9"}]


def made(query, rows=EVENTS, dialect=Strictness.LENIENT, **given):
    return plan(query, load(rows), dialect, Settings(**given))


def test_a_parameter_has_its_value_its_default_or_a_star():
    assert len(records("host=?h", EVENTS, settings=Settings(parameters={"h": "WS*"}))) == 1
    assert len(records("host=?{h=DC01}", EVENTS)) == 1
    assert len(records("host=?h", EVENTS)) == 2
    assert [f.code for f in made("host=?h").findings] == ["parameter-without-value"]


def test_a_comparison_with_a_parameter_that_is_no_number_holds_for_no_event_and_says_so():
    assert [f.code for f in made("host > ?h").findings] == ["parameter-without-value", "not-a-number"]


def test_a_saved_query_stands_where_it_is_called():
    saved = {"only": "host=?h | x := 1"}
    assert records('$only(h="WS*")', EVENTS, settings=Settings(saved=saved)) == [
        {"host": "WS01", "ip": "10.1.2.3", "@timestamp": "1700000000000", "x": "1"}
    ]
    assert len(records("$package/path:only()", EVENTS, settings=Settings(saved=saved))) == 2


def test_a_saved_query_may_read_the_text_of_events():
    settings = Settings(saved={"find": "needle"})
    assert LANGUAGE.parse(Source("query.cql", "$find()"), settings=settings).raw
    assert not LANGUAGE.parse(Source("query.cql", "$find()")).raw


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("timeChart(series=host, limit=1000)", "limited"),
        ("setTimeInterval(start=1d) | host=*", "interval-not-cut"),
        ("join({host=*}, field=host, start=1d)", "interval-not-cut"),
        ('parseTimestamp("yyyy-MM-dd HH:mm:ss", field=host)', "no-timezone"),
        ("nothing=1", "absent-field"),
        ("groupBy(host, function=[count(), count()])", "same-output"),
        ("groupBy(host, function=[groupBy(user), groupBy(image)])", "same-output"),
    ],
)
def test_what_is_not_done_as_the_product_does_it_is_told(query, code):
    assert code in {f.code for f in made(query).findings}


def test_a_saved_query_that_calls_itself_is_an_error():
    with pytest.raises(SourceError) as told:
        made("$a()", saved={"a": "$b()", "b": "$a()"})
    assert told.value.code == "saved-query-loop"


def test_a_saved_query_that_is_not_at_hand_is_told_or_refused():
    found = made("$enrich() | host=WS01")
    assert [f.message for f in found.findings] == ["the saved query `enrich` is not at hand; events pass it unchanged"]
    assert found.switches["missing-content"] == "pass"
    for options in ({"switches": {"missing-content": "refuse"}}, {"dialect": Strictness.STRICT}):
        with pytest.raises(SourceError) as told:
            made("$enrich() | host=WS01", **options)
        assert told.value.code == "missing-saved-query"


def test_a_lookup_that_is_not_at_hand_is_told_or_refused():
    assert [f.code for f in made('match(file="x.csv", field=host)').findings] == ["missing-lookup"]
    with pytest.raises(SourceError) as told:
        made('match(file="x.csv", field=host)', switches={"missing-content": "refuse"})
    assert told.value.render() == (
        "error[missing-lookup]: the lookup `x.csv` is not at hand\n --> query.cql:1:1\n  |\n"
        '1 | match(file="x.csv", field=host)\n  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^'
    )


def test_a_lookup_without_the_column_is_an_error():
    with pytest.raises(SourceError) as told:
        made('match(file="x.csv", field=host)', lookups={"x.csv": Lookup(columns=("a",), rows=(("1",),))})
    assert (told.value.code, told.value.message) == ("unknown-column", "the lookup `x.csv` has no column `host`")


def test_a_table_of_patterns_has_a_bound():
    lookup = Lookup(columns=("host",), rows=tuple((f"h{i}",) for i in range(5001)))
    with pytest.raises(HarnessError) as told:
        made('match(file="x", field=host, mode=glob)', lookups={"x": lookup})
    assert told.value.code == "lookup-too-large"


PLACES = Lookup(columns=("network", "country", "city"), rows=(("203.0.113.0/24", "NL", "Delft"),))


def test_places_and_networks_come_from_lookups():
    rows = records(
        "ipLocation(ip) | asn(ip) | ip.country=NL", EVENTS, settings=Settings(lookups={"ipLocation": PLACES})
    )
    assert [(r["ip"], r["ip.city"]) for r in rows] == [("203.0.113.9", "Delft")]


def test_indicators_come_from_a_lookup():
    indicators = Lookup(columns=("indicator", "malicious_confidence"), rows=(("203.0.113.9", "high"),))
    query = "ioc:lookup(ip, type=ip_address, strict=true)"
    (row,) = records(query, EVENTS, settings=Settings(lookups={"ioc": indicators}))
    assert (row["ioc.detected"], row["ioc[0].malicious_confidence"]) == ("true", "high")
    assert len(records(f"!{query}", EVENTS, settings=Settings(lookups={"ioc": indicators}))) == 1


def test_the_rows_of_a_file_take_the_place_of_events():
    rows = records('readFile("t.csv") | city=*', EVENTS, settings=Settings(lookups={"t.csv": PLACES}))
    assert rows == [{"network": "203.0.113.0/24", "country": "NL", "city": "Delft"}]


def test_a_plan_says_which_fields_it_reads():
    assert made("host=WS01 | x := lower(ip)").reads == {"host", "ip"}


ERRORS = [
    (
        "unsupported",
        "array:filter(a, function={join({b=1}, field=a)})",
        "a join inside an array function is not supported",
    ),
    ("misplaced", "a=1 or lower(b)", "`lower` is no filter; it stands as a step of its own"),
    ("misplaced", "a <=> B.b", "`<=>` stands in `correlate` only"),
    ("misplaced", "!groupBy(a)", "`groupBy` is no filter and cannot be negated"),
    ("misplaced", "window(count())", "`window` stands in `bucket` and `timeChart` only"),
    ("not-a-value", "x := if(groupBy(a), then=1, else=0)", "`groupBy` has no value in an expression"),
    ("not-a-value", "x := drop(a)", "`drop` gives no value to assign"),
    ("not-an-aggregate", "groupBy(a, function=lower(b))", "`lower` is no aggregate"),
    ("not-an-aggregate", "groupBy(a, function={b=1})", "this pipeline has no aggregate"),
    ("not-a-number", "a > b", "`>` compares with a number"),
    ("not-a-number", "sort(a, limit=many)", "expected a number, found `many`"),
    ("not-a-boolean", "regex(x, field=a, strict=maybe)", "expected `true` or `false`, found `maybe`"),
    ("not-a-duration", "bucket(span=soon)", "`soon` is no length of time"),
    ("argument", "in([a, b], values=[1])", "expected a name or a text here"),
    ("argument", "rename([[a, b, c]])", "expected a pair of names"),
    ("argument", "correlate(A: {a=1})", "`correlate` needs two named sub-queries"),
    ("missing-parameter", "in(a)", "`in` needs `values`"),
    ("too-many-arguments", "worldMap(a)", "`worldMap` has no parameter for this"),
    ("unknown-parameter", "in(a, nope=1)", "`in` has no parameter `nope`"),
    ("bad-regex", "a=/(x/", "a `(` in the regular expression is not closed"),
    ("bad-regex", "a=/x)/", "a `)` in the regular expression closes nothing"),
    ("free-text-after-aggregate", "count() | x", "text is looked for in events; after an aggregate there are none"),
]


@pytest.mark.parametrize(("code", "query", "message"), ERRORS)
def test_what_cannot_be_run_is_an_error_at_its_place(code, query, message):
    with pytest.raises(SourceError) as told:
        made(query, [{"a": "1", "b": "2"}])
    assert (told.value.code, told.value.message) == (code, message)
    assert "^" in told.value.render()


def test_a_value_of_a_switch_changes_only_what_it_is_about():
    query = LANGUAGE.parse(Source("query.cql", "groupBy([a, b])"))
    assert query.plan(load([{"a": "1"}]), Settings()).switches == {"missing-key": "keep"}
    assert query.plan(load([{"a": "1"}]), Settings(switches={"stddev": "population"})).switches == {
        "missing-key": "keep"
    }


def test_a_key_that_is_certainly_there_needs_no_switch():
    assert made("host=* | groupBy(host)").switches == {}
    assert made('h := formatTime("%H") | groupBy(h)').switches == {}
