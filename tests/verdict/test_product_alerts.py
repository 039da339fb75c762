"""Rows of a product: whose doing they are, and where they part from the rows here."""

import pyarrow as pa

from harness.detection.engine import ResultRows, open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import Source
from harness.telemetry.events.event import Cause
from harness.telemetry.platform import View
from harness.verdict.divergence import QueryPrefix, find_explaining_switches, find_parting_step
from harness.verdict.product_alerts import ATTACK_PART, BENIGN_PART, build_alerts, is_row_by_row, split_by_cause
from harness.verdict.row_keys import make_row_key

CAUSES = (Cause(name="beacon", malicious=True), Cause(name="backup", malicious=False))
VIEW = View(
    constants={"index": "win"},
    columns=pa.table(
        {
            "_time": pa.array([1.5, 2.5, 3.5]),
            "host": ["WS01", "WS01", "WS02"],
            "port": ["443", "80", "443"],
            "@event": pa.array([0, 1, 2], pa.int64()),
            "@cause": pa.array([0, 1, 1], pa.int32()),
        }
    ),
)


def rows(*records):
    names = tuple(dict.fromkeys(n for r in records for n in r))
    return ResultRows(names, tuple(tuple(r.get(n) for n in names) for r in records))


def plan(text, engine=None):
    engine = engine or open_engine()
    return language("spl").parse(Source("q", text)).plan(engine.load([VIEW]), Settings())


def test_the_attacks_events_and_all_others_are_sent_apart():
    parts = split_by_cause([VIEW], CAUSES)
    assert [v.columns.column("@event").to_pylist() for v in parts.views[ATTACK_PART]] == [[0]]
    assert [v.columns.column("@event").to_pylist() for v in parts.views[BENIGN_PART]] == [[1, 2]]


def test_a_row_that_is_an_event_is_joined_by_its_fields():
    parts = split_by_cause([VIEW], CAUSES)
    found = build_alerts(rows({"host": "WS01", "port": 443.0}, {"host": "WS02"}), parts, None, plan("index=win"))
    assert [(a.events, [c.name for c in a.causes]) for a in found] == [((0,), ["beacon"]), ((2,), ["backup"])]


def test_a_time_is_joined_to_the_millisecond():
    parts = split_by_cause([VIEW], CAUSES)
    (found,) = build_alerts(rows({"_time": 2.5004}), parts, None, plan("index=win"))
    assert found.events == (1,)


def test_a_row_of_many_events_is_the_attacks_if_it_is_not_there_without_the_attack():
    parts = split_by_cause([VIEW], CAUSES)
    whole = rows({"host": "WS01", "count": 2.0}, {"host": "WS02", "count": 1.0})
    alone = rows({"host": "WS01", "count": 1.0}, {"host": "WS02", "count": 1.0})
    found = build_alerts(whole, parts, alone, plan("index=win | stats count by host"))
    assert [a.malicious for a in found] == [True, False]


def test_only_steps_that_keep_events_give_rows_that_are_events():
    assert is_row_by_row(plan("index=win | eval a=1 | where a=1 | table host"))
    assert not is_row_by_row(plan("index=win | stats count by host"))
    assert not is_row_by_row(None)


def test_rows_are_compared_without_what_products_show_differently():
    here = {"_time": 1.500999, "n": "5", "list": ["a"], "empty": "", "gone": None, "_raw": "x"}
    there = {"n": 5.0, "_time": 1.5, "list": "a"}
    assert make_row_key(here) == make_row_key(there)


def prefixes(text, engine):
    spoken = language("spl")
    columns = engine.load([VIEW])

    def parse(end):
        return spoken.parse(Source("q", text[:end]))

    for step in plan(text, engine).steps:
        query = parse(step.span.end)
        yield QueryPrefix(
            step=step,
            plan=query.plan(columns, Settings()),
            replan=lambda settings, query=query: query.plan(columns, settings),
        )


def test_the_first_step_at_which_rows_part_is_found_with_the_switch_that_explains_it():
    engine = open_engine()
    text = "index=win | eval p=port*1 | stats perc25(p) as low | where low > 1"
    # Nearest rank instead of a value between two, from the second value of three on.
    there = {"stats": rows({"low": 80.0}), "where": rows({"low": 80.0})}
    known = list(prefixes(text, engine))

    def ask(step):
        return there.get(step.name) or engine.run(next(p for p in known if p.step is step).plan.node)

    parting, prefix, expected = find_parting_step(known, engine.run, ask)
    assert (parting.number, parting.name, parting.rows) == (3, "stats", (1, 1))
    assert parting.only == (("low=261.5",), ("low=80",))
    found = find_explaining_switches(prefix, Settings(), language("spl").switches, engine.run, expected)
    assert found == [{"percentiles": "nearest-rank"}]


def test_equal_rows_part_nowhere():
    engine = open_engine()
    known = list(prefixes("index=win | stats count by host", engine))
    assert (
        find_parting_step(known, engine.run, lambda s: engine.run(next(p for p in known if p.step is s).plan.node))
        is None
    )


def test_microseconds_of_a_time_are_cut_off_and_not_rounded():
    keys = {make_row_key({"_time": seconds}) for seconds in (1772529183.939, 1772529183.9395, 1772529183.939999)}
    assert keys == {("_time=1772529183939",)}
