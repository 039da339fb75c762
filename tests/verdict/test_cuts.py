"""Limits that leave rows out, told of each scenario by itself although all are judged in one statement."""

from harness.run import run_scenarios

SCENARIO = """\
title: Beacons to {count} servers
activity: malicious
start: 2026-03-03T09:00:00Z
simulate:
{beacons}
expect:
  - {{rule: rule.cql, outcome: true positive}}
"""
GIVEN = "{{server: 203.0.113.{i}, port: 443, every: 10m, jitter: 0, times: 2}}"
BEACON = f"  - {{{{behaviour: beacon, host: WS01, given: {GIVEN}}}}}"


def test_a_limit_is_told_only_where_a_scenario_reaches_it(tmp_path):
    for count in (2, 3):
        beacons = "\n".join(BEACON.format(i=20 + i) for i in range(count))
        (tmp_path / f"servers-{count}.yaml").write_text(SCENARIO.format(count=count, beacons=beacons))
    rule = "#event_simpleName=NetworkConnectIP4 | groupBy(RemoteAddressIP4, limit=2) | _count > 1"
    (tmp_path / "rule.cql").write_text(rule)
    outcomes = run_scenarios([tmp_path])
    assert not outcomes.broken, outcomes.broken[0].error
    told = {
        v.scenario.path.stem: (len(v.alerts), [f.span.text for f in v.findings if f.code == "limit-reached"])
        for v in outcomes.verdicts
    }
    assert told == {"servers-2": (2, []), "servers-3": (2, ["groupBy(RemoteAddressIP4, limit=2)"])}
