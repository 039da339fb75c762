"""The order of the rows of stats, which no source settles, is asked for wherever something depends on it."""

import pytest

from tests.cli.command_line import detlab

EVENTS = """{"_time":"2026-01-01T00:00:02Z","host":"zeta","user":"ann"}
{"_time":"2026-01-01T00:00:01Z","host":"alpha","user":"ann"}
"""
HOSTS = "index=* | stats count by host"


@pytest.fixture
def query(tmp_path):
    """The rows and switches of a search over two events, the newer one of zeta, with a value of the switch."""
    (tmp_path / "two.ndjson").write_text(EVENTS)

    def run(text, value):
        (tmp_path / "rule.spl").write_text(text)
        switch = f"stats_order={value}"
        ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "two.ndjson", "--switch", switch, "--json")
        assert ran.code == 0, ran.err
        return ran.document["rows"], ran.document["switches"]

    return run


DEPENDS = {
    f"{HOSTS} | head 1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    f"{HOSTS} | stats first(host) as x": ({"x": "alpha"}, {"x": "zeta"}),
    f"{HOSTS} | stats last(host) as x": ({"x": "zeta"}, {"x": "alpha"}),
    f"{HOSTS} | stats list(host) as x": ({"x": ["alpha", "zeta"]}, {"x": ["zeta", "alpha"]}),
    f"{HOSTS} | stats list(eval(upper(host))) as x": ({"x": ["ALPHA", "ZETA"]}, {"x": ["ZETA", "ALPHA"]}),
    f"{HOSTS} | stats eval(upper(first(host))) as x": ({"x": "ALPHA"}, {"x": "ZETA"}),
    f"{HOSTS} | eval _time=5 | stats latest(host) as x": ({"x": "alpha"}, {"x": "zeta"}),
    f"{HOSTS} | eventstats first(host) as x | where x=host | table x": ({"x": "alpha"}, {"x": "zeta"}),
    f"{HOSTS} | chart first(host) as x by count": ({"count": 1, "x": "alpha"}, {"count": 1, "x": "zeta"}),
    f"{HOSTS} | sort count | head 1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    f'{HOSTS} | transpose | search column=host | table "row 1"': ({"row 1": "alpha"}, {"row 1": "zeta"}),
    f"{HOSTS} | mvcombine host | table host": ({"host": ["alpha", "zeta"]}, {"host": ["zeta", "alpha"]}),
    f"{HOSTS} | return host": ({"search": 'host="alpha"'}, {"search": 'host="zeta"'}),
    f'{HOSTS} | eval r="h" | xyseries r count host': ({"r": "h", "1": "zeta"}, {"r": "h", "1": "alpha"}),
    f"{HOSTS} | transaction count mvlist=host | table host": ({"host": ["alpha", "zeta"]}, {"host": ["zeta", "alpha"]}),
    f"{HOSTS} | foreach host [streamstats count as n] | where n=1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    f"{HOSTS} | appendpipe [head 1 | eval n=1] | where n=1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    "index=* | appendpipe [stats count by host] | where count=1 | head 1 | table host": (
        {"host": "alpha"},
        {"host": "zeta"},
    ),
    f"index=* | head 0 | append [search {HOSTS}] | head 1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    f"| union [search {HOSTS}] | head 1 | table host": ({"host": "alpha"}, {"host": "zeta"}),
    "index=* | head 1 | fields user | join user [search index=* | stats count by user, host] | table host": (
        {"host": "alpha"},
        {"host": "zeta"},
    ),
    f"index=* | head 1 | table user | appendcols [search {HOSTS} | fields host]": (
        {"user": "ann", "host": "alpha"},
        {"user": "ann", "host": "zeta"},
    ),
}


@pytest.mark.parametrize("text", DEPENDS)
def test_what_depends_on_the_order_of_stats_says_so_and_changes_with_it(query, text):
    by_fields, first_seen = DEPENDS[text]
    rows, switches = query(text, "by-fields")
    assert (rows, switches["stats_order"]) == ([by_fields], "by-fields")
    rows, switches = query(text, "first-seen")
    assert (rows, switches["stats_order"]) == ([first_seen], "first-seen")


@pytest.mark.parametrize(
    "text",
    [
        f"{HOSTS} | sort - host",
        f"{HOSTS} | eventstats sum(count) as n",
        f"{HOSTS} | stats values(host) as x, sum(count) as n",
        f"{HOSTS} | top host",
        f"{HOSTS} | appendpipe [stats sum(count) as n]",
        f'{HOSTS} | foreach host [eval x="<<FIELD>>"]',
        f"{HOSTS} | append [search {HOSTS}] | stats count",
        f"index=* [search {HOSTS} | fields host]",
        "index=* | stats max(_time) as _time by host | stats latest(_time) as x",
        "index=* | stats first(host) as host | head 1",
    ],
)
def test_what_does_not_depend_on_it_does_not_name_it(query, text):
    assert "stats_order" not in query(text, "first-seen")[1]


def test_a_verdict_of_no_rows_is_the_same_whichever_command_takes_the_first_row(query):
    for last in ("stats first(host) as host", "head 1"):
        rows, switches = query(f'{HOSTS} | {last} | where host="alpha"', "first-seen")
        assert (rows, switches["stats_order"]) == ([], "first-seen")
