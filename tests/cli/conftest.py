from pathlib import Path

import pytest

from tests.cli.command_line import detlab

FILES = {
    "mini.spl": """index=wineventlog EventCode=3
    NOT (DestinationIp="10.*" OR DestinationIp="127.*")
| stats count by Image, DestinationIp
| where count >= 3
""",
    "mini.spl.yaml": "title: Three calls\ntechnique: T1583.004\nfalse_positives: [anything that calls three times]\n",
    "mini.cql": """#event_simpleName=NetworkConnectIP4
| !cidr(RemoteAddressIP4, subnet=["127.0.0.0/8"])
| groupBy([ImageFileName], function=count(as=Calls))
| Calls >= 3
| Many := if(Calls > 50, 1, 0)
""",
    "scenarios/loopback.yaml": """title: Five calls to the same host
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 127.0.0.1, port: 8888, every: 30s, jitter: 0, times: 5, listener: true}
telemetry:
  - {sensor: sysmon, event: 3, where: {DestinationPort: '8888'}, exactly: 10, promised: 5, because: both sides count}
expect:
  - {rule: mini.spl, outcome: false negative, because: loopback is excluded}
""",
    "scenarios/public.yaml": """title: Five calls to a public server
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 203.0.113.10, every: 30s, jitter: 0, times: 5}
expect:
  - {rule: mini.spl, outcome: true positive}
  - {rule: mini.cql, outcome: true positive}
""",
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small rules and two scenarios, which is where commands run."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def capture(repository: Path) -> Path:
    """What hosts recorded of five calls to a public server, as NDJSON."""
    assert detlab("simulate", "scenarios/public.yaml", "--out", "capture.ndjson").code == 0
    return Path("capture.ndjson")
