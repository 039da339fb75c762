"""Search-time extraction with many stanzas, with hostile ones, and where nobody can be asked what events hold."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.detection.languages.spl.extraction.props import inline_parts
from harness.diagnostics import HarnessError, Source
from harness.scenario.conf import stanzas
from harness.telemetry.platform import View


@pytest.fixture(scope="module")
def duckdb():
    connected = open_engine("duckdb")
    yield connected
    connected.close()


def view(**columns: list[str | None]) -> View:
    size = len(next(iter(columns.values())))
    numbers = {"@event": pa.array(range(size), pa.int64()), "@cause": pa.array([-1] * size, pa.int32())}
    return View(columns=pa.table({"_time": [float(i) for i in range(size)], **columns, **numbers}))


EVENTS = view(
    _raw=["who=ann", "who=bea n=1", "who=eve", None],
    sourcetype=["door", "gate", "wall", "door"],
    host=["h1", "h1", "h2", None],
)
MANY = {
    f"s{i}": {f"EVAL-f{j}": f'"{i}.{j}"' for j in range(5)} | {f"REPORT-r{j}": "pairs" for j in range(5)}
    for i in range(10)
} | {
    "door": {"EVAL-said": '"door " . who', "REPORT-r": "pairs"},
    "host::h1": {"EVAL-said": '"host " . who'},
    "gate": {"KV_MODE": "none"},
}
PAIRS = {"pairs": {"REGEX": r"(w)ho=(\w)", "FORMAT": "$1::$2"}}


def answer(text: str, settings: Settings, duckdb):
    columns = duckdb.load((EVENTS,))
    plan = language("spl").parse(Source("search", text), settings=settings).plan(columns, settings)
    return plan, duckdb.run(plan.node)


def test_many_stanzas_mean_the_same_whether_somebody_can_be_asked_or_not(duckdb):
    alone = Settings(props=MANY, transforms=PAIRS)
    asked, there = answer("| table _time, who, w, said, f1", replace(alone, ask=duckdb.run), duckdb)
    unasked, here = answer("| table _time, who, w, said, f1", alone, duckdb)
    assert [dict(r) for r in here.records()] == [
        {"_time": 3.0},
        {"_time": 2.0, "who": "eve"},
        {"_time": 1.0},
        {"_time": 0.0, "who": "ann", "w": "a", "said": "host ann"},
    ]
    assert list(there.records()) == list(here.records())
    assert asked.asked and not unasked.asked
    assert len(duckdb.sql(asked.node)) * 5 < len(duckdb.sql(unasked.node))


def test_a_search_that_names_no_fields_asks_for_their_names(duckdb):
    few = Settings(props={"door": {}}, ask=duckdb.run)
    plan, rows = answer("sourcetype=gate", few, duckdb)
    assert plan.asked
    assert next(iter(rows.records()))["n"] == "1"
    plan, rows = answer("sourcetype=gate", replace(few, ask=None), duckdb)
    assert "n" not in rows.columns


def test_without_props_nothing_is_extracted_and_texts_are_not_read(duckdb):
    query = language("spl").parse(Source("search", "who=ann"))
    assert not query.raw
    assert language("spl").parse(Source("search", "who=ann"), settings=Settings(props={"door": {}})).raw


def test_an_unknown_transform_is_a_warning(duckdb):
    settings = Settings(props={"door": {"REPORT-a": "pears"}}, transforms=PAIRS, ask=duckdb.run)
    plan, _ = answer("| table who", settings, duckdb)
    (finding,) = [f for f in plan.findings if f.code == "unknown-transform"]
    assert (finding.message, finding.help) == ("no transform is called `pears`", "did you mean `pairs`?")


def test_what_a_search_does_not_name_may_be_broken(duckdb):
    broken = {"door": {"EVAL-bad": "nosuch(who)", "EXTRACT-bad": "(?<worse>(", "LOOKUP-l": "nosuch who OUTPUT worst"}}
    settings = Settings(props=broken, ask=duckdb.run)
    plan, rows = answer("sourcetype=door who=ann", settings, duckdb)
    assert len(rows) == 1
    assert sorted(f.code for f in plan.findings) == ["bad-regex", "unknown-function", "unknown-lookup"]
    for name in ("bad", "worse", "worst"):
        with pytest.raises(HarnessError):
            answer(f"| table {name}", settings, duckdb)
    answer("| table who", settings, duckdb)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        (r"(?<a>\d) in url", (r"(?<a>\d)", "url")),
        (r"(?<a>\d)  in  url ", (r"(?<a>\d)", "url")),
        (r"(?<a>\d) [i]n x", (r"(?<a>\d) [i]n x", "_raw")),
        (r"begin url", ("begin url", "_raw")),
        (" " * 50_000, (" " * 50_000, "_raw")),
    ],
)
def test_an_inline_extraction_may_name_a_field(written, parts):
    assert inline_parts(written) == parts


NAMES = st.sampled_from(
    ["EXTRACT-a", "REPORT-a", "KV_MODE", "FIELDALIAS-a", "EVAL-x", "EVAL-a{b}", "LOOKUP-a", "priority"]
)
VALUES = st.one_of(
    st.sampled_from(["(?<who>.)", "pairs", "json", "who AS x", "who . 1", "t who OUTPUT x", "in", "a in b", "1"]),
    st.text(st.sampled_from(list("ab(?<>)[]{}|.*+\\\"'$:=, \n")), max_size=12),
)
STANZA = st.sampled_from(
    ["door", "default", "source::...", "host::h*", "host::(", "(?::){0}d*", "source::a|b", "", "rule::x"]
)


@given(
    props=st.dictionaries(STANZA, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3),
    transform=st.dictionaries(st.sampled_from(["REGEX", "FORMAT", "DELIMS", "FIELDS", "SOURCE_KEY", "MV_ADD"]), VALUES),
)
@effort(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_stanzas_give_rows_or_an_error(duckdb, props, transform):
    settings = Settings(props={"door": {}, **props}, transforms={"pairs": transform}, ask=duckdb.run)
    for text in ("who=ann", "| table who, x"):
        try:
            answer(text, settings, duckdb)
        except HarnessError as error:
            assert error.render()


def test_a_stanza_whose_name_is_no_pattern_is_an_error(duckdb):
    settings = Settings(props={"host::(": {"EVAL-x": "1"}}, ask=duckdb.run)
    with pytest.raises(HarnessError) as error:
        answer("| table x", settings, duckdb)
    assert "[host::(]" in error.value.render()


@given(st.text(st.sampled_from(list('[]ab=\\\n# "')), max_size=60))
def test_any_text_of_a_conf_file_is_stanzas(text):
    assert all(isinstance(name, str) and isinstance(found, dict) for name, found in stanzas(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fieldsummary | search field=who | table count", [{"count": 3.0}]),
        ("addtotals | table Total", [{"Total": 0.0}, {"Total": 1.0}, {"Total": 0.0}]),
        ("appendpipe [addtotals] | where isnotnull(Total) | stats max(Total) as m", [{"m": 1.0}]),
        ("fields - _raw, _time, sourcetype | uniq | stats count", [{"count": 3.0}]),
        ("fields - _raw, _time, sourcetype | mvcombine host | stats count", [{"count": 3.0}]),
        ("fields - _raw, _time, sourcetype, host | head 1 | format | table search", [{"search": '( ( who="eve" ) )'}]),
        ("join [search host=h1 | head 1 | fields - _raw, _time, sourcetype] | stats count", [{"count": 1.0}]),
    ],
)  # fmt: skip
def test_a_command_that_works_on_fields_that_nobody_names_has_them_all(text, expected, duckdb):
    settings = Settings(props={name: {"KV_MODE": "auto"} for name in ("door", "gate", "wall")}, ask=duckdb.run)
    _, rows = answer(f"host=h* | {text}", settings, duckdb)
    assert [dict(r) for r in rows.records()] == expected
