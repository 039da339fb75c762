"""A rule is tuned as it stands in its file, and any point of its grid is what its text with those literals gives."""

from pathlib import Path

import numpy as np
import pytest

from harness.detection.language import Strictness, language
from harness.diagnostics import HarnessError, Source, mend
from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import build_population, build_trials
from harness.verdict.study.ensemble import Ensemble
from harness.verdict.tune.choice import Objective
from harness.verdict.tune.groups import select_varied_thresholds
from harness.verdict.tune.observations import observe
from harness.verdict.tune.result import Wishes
from harness.verdict.tune.thresholds import find_thresholds
from harness.verdict.tune.tune import tune

SPL = r"""index=wineventlog EventCode=3 NOT DestinationIp="10.*"
| eval Hour=strftime(_time, "%Y-%m-%d %H:00:00")
| stats count as Hourly by host, Image, DestinationIp, Hour
| stats sum(Hourly) as Total, count as Hours, avg(Hourly) as Mean, stdev(Hourly) as Deviation
    by host, Image, DestinationIp
| where Total >= 10 AND Hours >= 2
| eval Ratio=Deviation/Mean
| eval Risk=if(match(Image, "(?i)powershell"), 1, 0) + if(Ratio < 0.5, 1, 0) + if(Total > 50, 1, 0)
| where Risk >= 1
| sort - Risk"""

CQL = r"""#event_simpleName=NetworkConnectIP4
| Hour := formatTime("%Y-%m-%d %H:00:00", field=@timestamp, timezone="UTC")
| groupBy([ComputerName, ImageFileName, RemoteAddressIP4, Hour], function=count(as=Hourly))
| groupBy([ComputerName, ImageFileName, RemoteAddressIP4], function=[sum(Hourly, as=Total), count(as=Hours)])
| Total >= 10 and Hours >= 2
| if(Total > 40, then=1, else=0, as=Many) | Many >= 1"""

STEADY = """\
title: Check-ins of an implant
activity: malicious
simulate:
  - {behaviour: beacon, host: WS01, given: {server: 203.0.113.20, every: %s, times: %d}}
  - {behaviour: beacon, host: WS02, given: {server: 203.0.113.21, every: 3m, jitter: 0.8, times: 60}}
"""

SYNC = """\
title: A vendor's program calls home
activity: benign
simulate:
  - {behaviour: vendor_heartbeat, host: %s, given: {servers: [198.51.100.80], lasts: %s, ptr: heartbeat.vendor.example}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rule.spl").write_text(SPL)
    (tmp_path / "rule.cql").write_text(CQL)
    (tmp_path / "fast.yaml").write_text(STEADY % ("60s", 180))
    (tmp_path / "slow.yaml").write_text(STEADY % ("20m", 12))
    for host, lasts in (("WS03", "2h"), ("WS04", "5h"), ("WS05", "9h")):
        (tmp_path / f"sync-{host}.yaml").write_text(SYNC % (host, lasts))
    return tmp_path


@pytest.mark.parametrize("name", ["rule.spl", "rule.cql"])
def test_random_points_equal_running_the_text_with_those_literals(folder, name):
    random = np.random.default_rng(5)
    with Bench(RunOptions()) as bench, Ensemble(build_trials(bench, folder / name, [])) as ensemble:
        root = ensemble.plan.node
        found = observe(ensemble.batch, root, select_varied_thresholds(find_thresholds(root)), ensemble.watched)
        trial = ensemble.subjects[0].trial
        seen = set()
        for _ in range(12):
            at = [
                float(random.choice(v))
                for v in ([1, 5, 12, 60, 180], [1, 2, 3, 5], [0.1, 0.3, 0.9], [0, 30, 90], [0, 1, 2])
            ]
            point = at[: len(found.thresholds)] if name == "rule.spl" else [at[0], at[1], at[3], at[4]]
            edits = [t.edit(v) for t, v in zip(found.thresholds, point, strict=True)]
            text = mend(trial.rule.query, edits)
            query = language(trial.rule.language).parse(Source("edited", text), Strictness.LENIENT)
            alerts = ensemble.batch.alerts(query.plan(ensemble.batch.columns, trial.settings).node)
            judged = found.point(point)
            assert judged.alerts == sum(map(len, alerts)), text
            assert judged.caught == sum(any(a.malicious for a in case) for case in alerts), text
            seen.add(judged.alerts)
        assert len(seen) > 3


Z_SCORE = r"""index=wineventlog EventCode=3
| bucket _time span=10m
| stats count as n by host, Image, _time
| where n > 1
| eventstats avg(n) as avg, stdev(n) as sd by host, Image
| eval upper = avg + sd*3
| eval isOutlier=if(n > 3 AND n > upper, 1, 0)
| search isOutlier=1"""
TWO_STAGES = r"""#event_simpleName=NetworkConnectIP4
| bucket(span=30m, field=[aid, RemoteAddressIP4, RemotePort], function=[count(as=c)])
| c > 1
| groupBy([aid, RemoteAddressIP4], function=[count(as=Halves), avg(c, as=m), percentile(c, percentiles=[90])])
| m > 2
| groupBy([aid], function=[count(as=Servers), sum(Halves, as=Total)])
| Total >= 3"""
GAPS = r"""index=wineventlog EventCode=3
| sort 0 _time
| streamstats current=f last(_time) as previous by host, Image, DestinationIp
| eval gap=_time-previous
| where gap < 7200
| stats count, perc95(gap) as high, avg(gap) as mean, stdev(gap) as sd by host, Image, DestinationIp
| eval cv=sd/mean
| where count>10 AND cv<0.5 AND high<3600"""
FOREIGN = {"z.spl": Z_SCORE, "two.cql": TWO_STAGES, "gaps.spl": GAPS}
NUMBERS = {
    "z.spl": ["span=10m", "n > 1", "sd*3", "n > 3"],
    "two.cql": ["span=30m", "c > 1", "m > 2", "Total >= 3"],
    "gaps.spl": ["gap < 7200", "count>10", "cv<0.5", "high<3600", "perc95"],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_every_number_in_any_stage_is_varied_and_each_point_is_what_its_text_gives(folder, name):
    (folder / name).write_text(FOREIGN[name])
    with Bench(RunOptions()) as bench:
        trials = build_population(bench, folder / name, [])
        found = tune(trials, Wishes(steps=4, seconds=20, exclusions=False, opinions=False))
        assert {"".join(n.split()) for n in NUMBERS[name]} <= {"".join(str(k).split()) for k in found.varied}
        assert found.explored.runs > 5 and found.explored.left == 0
        seen = set()
        for number, point in enumerate((found.published, *found.front)):
            text = mend(found.rule, [k.edit(v) for k, v in zip(found.varied, point.values, strict=True)])
            edited = folder / f"edited-{number}-{name}"
            edited.write_text(text)
            with Ensemble(build_population(bench, edited, [])) as ensemble:
                alerts = ensemble.alerts()
            assert point.alerts == sum(map(len, alerts)), text
            assert point.caught == sum(any(a.malicious for a in case) for case in alerts), text
            seen.add((point.alerts, text))
    assert len(seen) > 1


def test_names_of_columns_and_conversions_of_units_are_no_numbers_to_vary(folder):
    (folder / "units.spl").write_text(
        "index=wineventlog EventCode=3 | eval ms=_time*1000 | stats count as n, p50(ms) as p50 by host, DestinationIp "
        "| eval rate=n*7/3600 | where n > 3 AND rate < 5"
    )
    with Bench(RunOptions()) as bench:
        found = tune(build_population(bench, folder / "units.spl", []), Wishes(steps=3, seconds=5))
    assert sorted(k.place.text for k in found.varied) == ["3", "5", "50", "7"]


def test_edited_texts_are_run_where_the_rule_as_published_groups_nothing(folder):
    (folder / "strict.spl").write_text(
        "index=wineventlog EventCode=3 | stats count as c by host, DestinationIp | where c > 300 "
        "| stats sum(c) as Total by host | where Total >= 3"
    )
    with Bench(RunOptions()) as bench:
        trials = build_population(bench, folder / "strict.spl", [])
        found = tune(trials, Wishes(steps=3, seconds=20))
        with pytest.raises(HarnessError, match="no group reaches"):
            tune(trials, Wishes(steps=3, seconds=0))
    assert found.published.caught == 0 and max(p.caught for p in found.front) > 0


def test_nothing_is_chosen_without_an_objective_and_a_choice_is_scored_on_what_was_held_out(folder):
    for number in range(6):
        (folder / f"more-{number}.yaml").write_text(STEADY % (f"{2 + 3 * number}m", 40))
    with Bench(RunOptions()) as bench:
        trials = build_population(bench, folder / "rule.spl", [])
        silent = tune(trials, Wishes(steps=4, seconds=0, exclusions=False, opinions=False))
        found = tune(
            trials, Wishes(steps=4, seconds=0, exclusions=False, opinions=False, objective=Objective(recall=0.5))
        )
    assert silent.choice is None and silent.recommended is None and silent.diff == ""
    choice = found.choice
    assert choice is not None and choice.held_out is not None and sum(choice.attacks) == 8
    assert choice.on.caught + choice.held_out.caught == found.recommended.caught
    assert choice.on.false_alerts + choice.held_out.false_alerts == found.recommended.false_alerts
    # Nothing that changes fewer alerts to as many attacks was left.
    assert choice.on.caught >= choice.attacks[0] / 2


def test_scenarios_with_the_same_telemetry_count_once(folder):
    for name in ("again", "once-more"):
        (folder / f"{name}.yaml").write_text((folder / "sync-WS03.yaml").read_text())
    with Bench(RunOptions()) as bench:
        trials = build_population(bench, folder / "rule.spl", [])
        found = tune(trials, Wishes(steps=3, seconds=0, exclusions=False, opinions=False))
    assert len(found.shares) == 5
    assert any("counted once" in remark and "once-more.yaml" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("rule", "keeps", "told"),
    [
        ("index=nowhere EventCode=3 | stats count as n by host | where n > 3", "*", "none is left after line 1"),
        (SPL, "sync*", "none of the events is an attack's"),
    ],
)
def test_a_study_of_nothing_is_an_error_that_says_why(folder, rule, keeps, told):
    (folder / "empty.spl").write_text(rule)
    with Bench(RunOptions()) as bench, pytest.raises(HarnessError, match=told):
        tune(build_population(bench, folder / "empty.spl", sorted(folder.glob(f"{keeps}.yaml"))))


def test_tuning_names_the_edge_of_each_attack_and_writes_only_literals(folder):
    with Bench(RunOptions()) as bench:
        found = tune(
            build_trials(bench, folder / "rule.spl", []),
            Wishes(values={"Total": [5, 20, 100, 400]}, steps=4, seconds=0, objective=Objective(budget=1e9)),
        )
    assert [str(t) for t in found.varied] == ["Total >= 10", "Hours >= 2", "Ratio < 0.5", "Total > 50", "Risk >= 1"]
    assert found.published.caught == 2 and len(found.margins) == 2
    edges = {m.attack.name: {str(e.threshold): e.reached for e in m.edges} for m in found.margins}
    assert edges["Check-ins of an implant"]["Hours >= 2"] >= 4
    assert [p.caught for p in found.front] == sorted(p.caught for p in found.front)
    assert found.recommended is not None and found.recommended.caught == 2
    changed = [line for line in found.diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert len(changed) <= 3
    assert len(found.mended) - len(SPL) < 20


def test_an_exclusion_is_run_before_it_is_named(folder):
    with Bench(RunOptions()) as bench:
        found = tune(build_trials(bench, folder / "rule.spl", []), Wishes(steps=3, seconds=0))
    best = found.exclusions[0]
    assert (best.lost, best.removed) == (0, found.published.false_alerts)
    assert best.point.false_alerts == 0 and best.point.caught == 2
    assert {e.field for e in found.exclusions} <= {"Image", "DestinationIp"}


def test_a_budget_that_nothing_keeps_has_no_recommendation(folder):
    with Bench(RunOptions()) as bench:
        all_of_it = {"Total >= 10": [1, 2], "Hours >= 2": [1], "Ratio < 0.5": [9], "Total > 50": [0], "Risk >= 1": [0]}
        wishes = Wishes(values=all_of_it, objective=Objective(budget=0.0), seconds=0, exclusions=False)
        found = tune(build_trials(bench, folder / "rule.spl", []), wishes)
    assert found.recommended is None or found.recommended.false_alerts == 0


def test_a_rule_without_thresholds_says_so(folder):
    (folder / "plain.spl").write_text("index=wineventlog EventCode=3 | stats count by host")
    with Bench(RunOptions()) as bench, pytest.raises(HarnessError, match="compares no aggregated value"):
        tune(build_trials(bench, folder / "plain.spl", []))


def test_a_value_for_a_threshold_that_is_not_there_names_the_nearest(folder):
    with Bench(RunOptions()) as bench, pytest.raises(HarnessError, match="no threshold `Totl`") as error:
        tune(build_trials(bench, folder / "rule.spl", []), Wishes(values={"Totl": [1]}))
    assert error.value.help == "did you mean `Total`?"


def test_second_opinions_rank_the_same_pairs(folder):
    with Bench(RunOptions()) as bench:
        found = tune(build_trials(bench, folder / "rule.spl", []), Wishes(steps=3, seconds=0, exclusions=False))
    assert [o.name for o in found.opinions] == ["regularity of waits", "RITA-like score"]
    assert all(0 <= o.area <= 1 and o.attacks == 2 for o in found.opinions)
    assert Path(found.rule.name).name == "rule.spl"
