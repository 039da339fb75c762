"""A rule is tuned as it stands in its file, and any point of its grid is what its text with those literals gives."""

from pathlib import Path

import numpy as np
import pytest

from harness.cli.study_subjects import build_trials
from harness.detection.language import Strictness, language
from harness.diagnostics import HarnessError, Source, mend
from harness.run import Bench
from harness.run_options import RunOptions
from harness.verdict.study.ensemble import Ensemble
from harness.verdict.tune.groups import select_varied_thresholds
from harness.verdict.tune.observations import observe
from harness.verdict.tune.thresholds import find_thresholds
from harness.verdict.tune.tune import Wishes, tune

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
        found = observe(ensemble.batch, root, select_varied_thresholds(find_thresholds(root)))
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


def test_tuning_names_the_edge_of_each_attack_and_writes_only_literals(folder):
    with Bench(RunOptions()) as bench:
        found = tune(build_trials(bench, folder / "rule.spl", []), Wishes(values={"Total": [5, 20, 100, 400]}, steps=4))
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
        found = tune(build_trials(bench, folder / "rule.spl", []), Wishes(steps=3))
    best = found.exclusions[0]
    assert (best.lost, best.removed) == (0, found.published.false_alerts)
    assert best.point.false_alerts == 0 and best.point.caught == 2
    assert {e.field for e in found.exclusions} <= {"Image", "DestinationIp"}


def test_a_budget_that_nothing_keeps_has_no_recommendation(folder):
    with Bench(RunOptions()) as bench:
        all_of_it = {"Total >= 10": [1, 2], "Hours >= 2": [1], "Ratio < 0.5": [9], "Total > 50": [0], "Risk >= 1": [0]}
        found = tune(
            build_trials(bench, folder / "rule.spl", []), Wishes(values=all_of_it, budget=0.0, exclusions=False)
        )
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
        found = tune(build_trials(bench, folder / "rule.spl", []), Wishes(steps=3, exclusions=False))
    assert [o.name for o in found.opinions] == ["regularity of waits", "RITA-like score"]
    assert all(0 <= o.area <= 1 and o.attacks == 2 for o in found.opinions)
    assert Path(found.rule.name).name == "rule.spl"
