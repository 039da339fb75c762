import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report.report import Report
from harness.run import run_scenarios

PACK = Path(__file__).parents[2] / "scenarios" / "T1583.004"

SCENARIOS = {
    "1-beacon.yaml": r"""
title: Beacon as published
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {addon: legacy, falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 127.0.0.1, port: 8888, every: 30s, times: 5, listener: true}
telemetry:
  - sensor: sysmon
    event: 3
    where: {DestinationPort: '8888'}
    exactly: 10
    promised: 5
    because: a connection to the same host leaves an event of each side
expect:
  - {rule: server.spl, outcome: false negative, because: loopback is excluded}
  - {rule: server.cql, outcome: false negative, because: loopback is excluded}
""",
    "routable/1-five-calls.yaml": """
title: Five calls to a public server
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {addon: legacy, falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 203.0.113.10, every: 30s, times: 5}
expect:
  - {rule: server.spl, outcome: false negative, because: five calls are too few}
""",
    "routable/1-three-hours.yaml": """
title: A call a minute for three hours
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {addon: legacy, falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 203.0.113.10, every: 60s, times: 180}
expect:
  - {rule: server.spl, outcome: true positive}
  - {rule: server.cql, outcome: true positive}
""",
    "benign/updater.yaml": r"""
title: An updater that polls
technique: T1583.004
activity: benign
conditions: {addon: legacy, falcon: enriched}
simulate:
  - behaviour: beacon
    given: {image: 'C:\Program Files\Acme\update.exe', server: 203.0.113.20, every: 10m, times: 24}
expect:
  - {rule: server.spl, outcome: false positive, because: updaters poll as regularly as implants}
""",
}


def write_pack(folder: Path) -> Path:
    for name in ("server.spl", "server.spl.yaml", "server.cql", "server.cql.yaml"):
        shutil.copy(PACK / name, folder / name)
    (folder / "atomic_tests.yaml").write_text("attack_technique: T1583.004\n")
    for name, text in SCENARIOS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.lstrip())
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    (folder / "pack").mkdir()
    write_pack(folder / "pack")
    return folder


@pytest.fixture(autouse=True)
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)


@pytest.fixture(scope="session")
def found(repository: Path) -> Report:
    before = Path.cwd()
    os.chdir(repository)
    try:
        return Report(outcomes=replace(run_scenarios([Path("pack")]), seconds=0.9))
    finally:
        os.chdir(before)


@pytest.fixture
def report(found: Report) -> Report:
    """What the command finds out in a folder that holds this pack."""
    return found
