"""Rules on servers that speak Splunk's and LogScale's APIs, in another process, over TLS, with a token."""

import json
import os
import time
from pathlib import Path

import pytest

from harness.detection.product_journal import MadeThere, list_made, note_made
from tests.cli.command_line import detlab
from tests.serve.server_process import TOKEN, ServerProcess

for needed in ("splunklib", "falconpy", "starlette", "uvicorn", "cryptography"):
    pytest.importorskip(needed)

pytestmark = [pytest.mark.more, pytest.mark.filterwarnings("ignore")]

SCENARIO = """title: A beacon beside a backup that talks as often
technique: T1583.004
activity: malicious
conditions: {falcon: enriched}
simulate:
  - behaviour: beacon
    host: WS01
    given: {server: 203.0.113.10, port: 8888, every: 30s, jitter: 0, times: 5}
  - behaviour: beacon
    host: WS01
    given: {server: 203.0.113.10, port: 443, every: 30s, jitter: 0, times: 2}
  - behaviour: beacon
    host: WS02
    activity: benign
    given: {server: 203.0.113.20, port: 443, every: 30s, jitter: 0, times: 5}
expect:
  - {rule: events.spl, outcome: true positive}
  - {rule: counted.spl, outcome: true positive}
  - {rule: backup.spl, outcome: false negative, because: it looks for the backup only}
  - {rule: portions.spl, outcome: true positive}
  - {rule: counted.cql, outcome: true positive}
"""
RULES = {
    "events.spl": "index=wineventlog EventCode=3 DestinationPort=8888 | table _time host DestinationIp",
    "counted.spl": "index=wineventlog EventCode=3 | stats count by host index | where count > 3",
    "backup.spl": "index=wineventlog EventCode=3 DestinationIp=203.0.113.20 | stats count by host",
    "portions.spl": "index=wineventlog EventCode=3\n| stats count as n, perc25(DestinationPort) as low by host\n"
    "| where n > 3",
    "counted.cql": "#event_simpleName=NetworkConnectIP4 | groupBy([ComputerName], function=count(as=n)) | n >= 3",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    found = ServerProcess(
        str(tmp_path_factory.mktemp("product") / "data"), ("--switch", "percentiles=nearest-rank")
    ).start()
    yield found
    found.stop()


@pytest.fixture
def there(server, tmp_path, monkeypatch):
    for name, port in (("SPLUNK", "splunk"), ("SPLUNK_HEC", "hec"), ("LOGSCALE", "logscale")):
        monkeypatch.setenv(f"{name}_URL", server.started["addresses"][port])
        monkeypatch.setenv(f"{name}_TOKEN", TOKEN)
    monkeypatch.setenv("DETLAB_STATE", str(tmp_path / "state"))
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "generators").symlink_to(Path(__file__).parents[2] / "generators")
    (tmp_path / "scenarios" / "both.yaml").write_text(SCENARIO)
    for name, text in RULES.items():
        (tmp_path / "scenarios" / name).write_text(text)
        (tmp_path / "scenarios" / f"{name}.yaml").write_text("title: a rule\ntechnique: T1583.004\n")
    monkeypatch.chdir(tmp_path)
    return ["--ca", server.started["certificate"]]


def list_indexes(server):
    status, answer = server.ask("GET", "/services/data/indexes?count=0&output_mode=json")
    assert status == 200
    return [e["name"] for e in json.loads(answer)["entry"] if e["name"].startswith("detlab_")]


def test_a_difference_is_found_with_its_step_and_the_switch_that_explains_it(server, there):
    ran = detlab("run", "scenarios", "--engine", "duckdb", "--engine", "splunk", *there, "--json")
    (product,) = ran.document["products"]
    assert (ran.code, product["compared"], product["left_out"], len(product["differences"])) == (1, 4, 1, 1)
    (found,) = product["differences"]
    assert (Path(found["rule"]).name, found["outcomes"]) == ("portions.spl", ["true positive", "true positive"])
    assert (found["step"]["number"], found["step"]["line"], found["step"]["name"]) == (2, 2, "stats")
    assert found["switches"] == [{"percentiles": "nearest-rank"}]
    assert TOKEN not in ran.out + ran.err
    assert (list_indexes(server), list_made()) == ([], [])


def test_with_the_switch_the_engines_agree_and_alerts_are_whose_they_are(there):
    chosen = ["--switch", "percentiles=nearest-rank"]
    ran = detlab("run", "scenarios", "--engine", "duckdb", "--engine", "splunk", *there, *chosen)
    assert ran.code == 0, ran.out
    assert "4 verdicts compared with their rows, 4 the same, 0 differ" in " ".join(ran.out.split())


def test_logscale_says_the_same_and_nothing_is_left_there(server, there):
    ran = detlab("run", "scenarios", "--engine", "duckdb", "--engine", "logscale", "--repository", "t1", *there)
    assert ran.code == 0, ran.out
    assert "1 verdict compared with their rows, 1 the same, 0 differ" in " ".join(ran.out.split())
    asked = {"queryString": "count()", "start": 0, "end": 4_000_000_000_000}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = "/api/v1/repositories/t1/query"
    left = server.ask("POST", path, json.dumps(asked), port="logscale", headers=headers, token=None)[1]
    assert (json.loads(left), list_made()) == ([{"_count": "0"}], [])


def test_falcon_is_asked_by_its_own_sdk(server, there, monkeypatch):
    address = os.environ.pop("LOGSCALE_URL")
    monkeypatch.setenv("FALCON_CLIENT_ID", "anyone")
    monkeypatch.setenv("FALCON_CLIENT_SECRET", TOKEN)
    monkeypatch.setenv("FALCON_BASE_URL", address)
    monkeypatch.setenv("FALCON_INGEST_URL", f"{address}/api/v1/ingest/hec")
    monkeypatch.setenv("FALCON_INGEST_TOKEN", TOKEN)
    monkeypatch.setenv("FALCON_REPOSITORY", "sandbox")
    ran = detlab("run", "scenarios", "--engine", "duckdb", "--engine", "logscale", *there)
    said = " ".join(ran.out.split())
    assert ran.code == 0, ran.out
    assert "duckdb and Falcon Next-Gen SIEM: 1 verdict compared with their rows, 1 the same" in said
    assert "events stay in Falcon until its retention ends" in said


def test_recorded_events_are_queried_there(server, there, tmp_path):
    assert detlab("simulate", "scenarios/both.yaml", "--out", "out").code == 0
    events = next((tmp_path / "out").rglob("*.ndjson"), None) or tmp_path / "out"
    here = detlab("query", "scenarios/counted.spl", "--events", events, "--json")
    ran = detlab("query", "scenarios/counted.spl", "--events", events, "--engine", "splunk", *there, "--json")
    assert (here.code, ran.code) == (0, 0), ran.err
    assert sorted(map(str, ran.document["rows"])) == sorted(map(str, here.document["rows"]))


def test_what_a_product_holds_itself_is_queried_there(server, there, tmp_path):
    at = time.time() - 120
    told = [{"time": at - 86_400 * n, "event": f"order={n}", "sourcetype": "shop", "index": "main"} for n in range(3)]
    assert server.send(*told)[0] == 200
    (tmp_path / "macros.conf").write_text("[orders]\ndefinition = index=main sourcetype=shop\n")
    (tmp_path / "own.spl").write_text("`orders` | stats count max(order) as last")
    asked = ["query", "own.spl", "--engine", "splunk", "--macros", "macros.conf", *there]
    assert detlab(*asked, "--json").document["rows"] == [{"count": 1.0, "last": 0.0}]
    ran = detlab(*asked, "--last", "7d", "--json")
    assert (ran.document["events"], ran.document["rows"]) == (None, [{"count": 3.0, "last": 2.0}])
    refused = detlab(*asked, "--last", "7d", "--events", "own.spl")
    assert (refused.code, "--last is said of a product's own events" in refused.err) == (2, True)
    assert (list_indexes(server), list_made()) == ([], [])


def test_a_wrong_token_is_exit_code_3_and_is_not_shown(there, monkeypatch):
    monkeypatch.setenv("SPLUNK_TOKEN", "a-wrong-token")
    ran = detlab("run", "scenarios", "--engine", "splunk", *there)
    assert (ran.code, ran.err.startswith("error[refused]: Splunk refuses the token (401)")) == (3, True)
    assert "a-wrong-token" not in ran.err


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(there):
    ran = detlab("run", "scenarios", "--engine", "splunk")
    assert (ran.code, "CERTIFICATE_VERIFY_FAILED" in ran.err) == (3, True)


def test_what_a_killed_run_left_is_removed_by_cleanup(server, there):
    name = "detlab_0123456789"
    address, ca = os.environ["SPLUNK_URL"], there[1]
    form = {"name": f"{name}_1-attack_main"}
    assert server.ask("POST", "/services/data/indexes", form)[0] == 201
    note_made(MadeThere(engine="splunk", address=address, name=name, ca=ca))
    listed = detlab("cleanup", "--list")
    assert (listed.code, f"{name}  splunk at {address}  owed" in listed.out) == (1, True)
    assert detlab("cleanup").code == 0
    assert (list_indexes(server), list_made()) == ([], [])


def test_what_was_left_on_another_server_stays_noted(there):
    note_made(MadeThere(engine="splunk", address="https://other.example:8089", name="detlab_aaaa"))
    ran = detlab("cleanup")
    assert (ran.code, "it was made at https://other.example:8089" in ran.out) == (1, True)
    assert [made.name for made in list_made()] == ["detlab_aaaa"]
