"""Rules on recorded worlds: what is read file by file gives what all of it at once gives."""

from datetime import timedelta
from pathlib import Path

import pytest

from harness.cli.commands.query import by_cause, split_census_windows
from harness.detection.plan.expressions import EVENT_COLUMN
from harness.diagnostics import HarnessError
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.world import read_world
from harness.study_trials import RecordedEvents, build_recorded_trial
from harness.telemetry.simulation.world.simulate_world import simulate_world
from harness.telemetry.store.reader import read_stored_telemetry
from harness.verdict.store import TelemetryStore, fields_read
from harness.verdict.tune.result import Wishes
from harness.verdict.tune.tune import tune

ROOT = Path(__file__).parents[2]
RULES = [ROOT / "scenarios/T1583.004/server.spl", ROOT / "scenarios/T1583.004/server.cql"]
WORLD = """title: A few hosts
hosts: 4
days: 2
conditions: {addon: legacy, falcon: enriched}
sites:
  - {name: Berlin, time_zone: Europe/Berlin}
roles:
  server: {prefix: SRV, share: 1, user: false, reboot_every_days: 30}
software:
  EDR sensor: {behaviour: edr_agent, on: [server], given: {every: 10m}}
  services: {behaviour: internal_services, on: [server]}
attacks:
  Sliver: {behaviour: implant, on: [server], after_days: 0.3, given: {framework: sliver, lasts: 20h}}
  kept: {behaviour: implant, on: [server], given: {channel: kept_alive, held: 20h, image: 'C:\\x.exe'}}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    (folder / "generators").symlink_to(ROOT / "generators")
    (folder / "few.yaml").write_text(WORLD)
    simulate_world(read_world(folder / "few.yaml"), folder / "world")
    return folder / "world"


def rounded(fields):
    """The last digits of a mean depend on the order in which a parallel sum was made."""
    return str({n: round(v, 9) if isinstance(v, float) else v for n, v in fields.items()})


@pytest.mark.parametrize("rule", RULES, ids=lambda p: p.suffix)
def test_streamed_and_at_hand_a_rule_returns_the_same_alerts(rule, world):
    conditions = {"addon": "legacy", "falcon": "enriched"}
    with Bench(RunOptions(conditions=conditions)) as bench:
        streamed = bench.query(rule, [world])
    with Bench(RunOptions(conditions=conditions)) as bench:
        whole = read_stored_telemetry(world)
        trial = bench.trial(rule, "lenient", TelemetryStore(bench.engine, lambda _: whole), conditions, {})
        alerts = trial.alerts(trial.plan())
    assert len(alerts) > 4
    told = [
        sorted((rounded(a.fields), [c.name for c in a.causes], len(a.events)) for a in each)
        for each in (streamed.alerts, alerts)
    ]
    assert told[0] == told[1]


def test_only_the_kind_and_the_fields_that_a_rule_reads_are_read(world):
    with Bench() as bench:
        answer = bench.query(RULES[0], [world])
        store = answer.trial.store
        read = [store.stored.manifest.tables[i] for i in store.tables_read(answer.plan.node)]
        assert {(t.sensor, t.kind) for t in read} == {("sysmon", "3")}
        # Every column of the rule is codes or times of the store's own files: nothing was written for the plan.
        assert list(store.folder.path.glob("*.parquet")) == []
        assert fields_read(answer.plan.node) == {
            *("EventCode", "index", "sourcetype", "host", "_time", "Image"),
            *("DestinationHostname", "DestinationIp", "DestinationPort", EVENT_COLUMN),
        }
        left = store.folder.path
        assert left.is_dir()
    assert not left.exists()


def test_conditions_of_the_world_hold_unless_others_are_given(world):
    with Bench() as bench:
        assert len(bench.query(RULES[0], [world]).rows) > 0
    with Bench(RunOptions(conditions={"addon": "current"})) as bench:
        assert len(bench.query(RULES[0], [world]).rows) == 0


def test_alerts_are_counted_by_software_and_attacks_without_any_are_told(world):
    found = by_cause(RULES[0], [world], RunOptions(), None)
    lines = {line.cause: line for line in found.lines}
    assert (found.days, found.hosts, found.runs) == (2.0, 4, 1)
    assert lines["EDR sensor"].alerts == 8
    assert lines["EDR sensor"].hosts == lines["EDR sensor"].present == 4
    assert found.a_day(lines["EDR sensor"].alerts) == 4.0
    assert lines["Sliver"].malicious and lines["Sliver"].alerts == 1
    assert lines["kept"].alerts == 0
    assert found.alerts == 9


def test_a_rule_that_looks_at_a_day_alerts_each_day_anew(world):
    from_days = by_cause(RULES[0], [world], RunOptions(), timedelta(days=1))
    assert from_days.runs == 2
    assert {line.cause: line.alerts for line in from_days.lines}["EDR sensor"] == 16


def test_only_a_world_is_cut_into_stretches(tmp_path):
    with pytest.raises(HarnessError, match="only a recorded world is cut"):
        list(split_census_windows([tmp_path], timedelta(days=1)))


def test_several_stores_are_asked_as_one(world):
    with Bench() as bench:
        once = bench.query(RULES[0], [world])
    with Bench() as bench:
        twice = bench.query(RULES[0], [world, world])
    assert twice.events == 2 * once.events
    calls = [{r["host"]: r["TotalConnections"] for r in a.rows.records()} for a in (once, twice)]
    assert calls[1] == {host: 2 * count for host, count in calls[0].items()}


def test_a_rule_that_asks_for_its_columns_reads_for_the_question_and_for_the_answer(world, tmp_path):
    rule = tmp_path / "charted.spl"
    rule.write_text(
        "index=wineventlog EventCode=3 | chart count over host by DestinationPort limit=3 | where OTHER > 0"
        '| map search="search EventCode=3 host=$host$ | stats count dc(DestinationPort) as ports by host"'
    )
    conditions = {"addon": "legacy", "falcon": "enriched"}
    with Bench(RunOptions(conditions=conditions)) as bench:
        streamed = bench.query(rule, [world])
    with Bench(RunOptions(conditions=conditions)) as bench:
        whole = read_stored_telemetry(world)
        trial = bench.trial(rule, "lenient", TelemetryStore(bench.engine, lambda _: whole), conditions, {})
        alerts = trial.alerts(trial.plan())
    assert alerts
    assert sorted(rounded(a.fields) for a in streamed.alerts) == sorted(rounded(a.fields) for a in alerts)
    assert [len(a.events) for a in streamed.alerts] == [len(a.events) for a in alerts]


@pytest.mark.parametrize("rule", RULES, ids=lambda p: p.suffix)
def test_tuning_a_world_counts_its_attacks_and_alerts_as_a_query_does(rule, world):
    with Bench(RunOptions()) as bench:
        asked = bench.query(rule, [world])
        caught = {c.name for a in asked.alerts for c in a.causes if c.malicious}
    with Bench(RunOptions()) as bench:
        found = tune(
            [build_recorded_trial(bench, rule, [], RecordedEvents(paths=(world,)))],
            Wishes(exclusions=False, opinions=False, seconds=0),
        )
    assert found.published.alerts == len(asked.alerts) > 4
    assert {m.attack.name for m in found.margins if m.caught} == caught
    # On every server that had one, and on none else.
    assert len(found.population.attacks) == len({(m.attack.name, m.attack.host) for m in found.margins})
    assert all(m.attack.events for m in found.margins)
