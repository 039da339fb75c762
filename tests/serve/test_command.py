"""How the command starts: addresses, the token, what it refuses."""

import json
import subprocess
import sys

import pytest

from harness.serve.options import read_token
from tests.cli.command_line import detlab
from tests.serve.server_process import TOKEN


def test_other_addresses_are_not_served_in_plain_text():
    ran = detlab("serve", "--host", "0.0.0.0", "--plain")
    assert ran.code == 2
    assert ran.err == (
        "error[exposed]: --plain on 0.0.0.0 would send the token readable\n  = help: leave out --plain\n"
    )


def test_a_token_is_one_that_nobody_guesses(monkeypatch):
    monkeypatch.setenv("SHORT", "abc")
    assert "has fewer than 8 characters" in detlab("serve", "--token-env", "SHORT").err
    assert "is not set" in detlab("serve", "--token-env", "NO_SUCH_VARIABLE").err
    assert len(read_token(None)) >= 32


def test_half_a_certificate_is_refused(tmp_path):
    assert "--tls-cert and --tls-key belong together" in detlab("serve", "--tls-cert", str(tmp_path / "a.pem")).err


def test_a_server_without_its_libraries_says_what_to_install():
    program = (
        "import sys; sys.modules['starlette'] = None; sys.modules['uvicorn'] = None\n"
        "from harness.cli.main import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", program, "serve"], capture_output=True, text=True)
    assert ran.returncode == 3
    assert "pip install 'detlab[serve]'" in ran.stderr


def test_the_token_is_never_printed_when_it_came_by_a_variable(server):
    assert "token" not in server.started
    assert TOKEN not in json.dumps(server.started)
    assert server.started["user"] == "admin"


def test_what_is_not_served_is_answered_as_the_product_answers_it_and_told(server):
    status, answer = server.ask("GET", "/services/no/such/endpoint")
    assert status == 404
    assert b'<msg type="ERROR">Not Found</msg>' in answer
    status, answer = server.ask("GET", "/services/no/such/endpoint?output_mode=json")
    assert json.loads(answer) == {"messages": [{"type": "ERROR", "text": "Not Found"}]}
    assert server.ask("GET", "/services/no/such/endpoint", token=None)[0] == 401


@pytest.mark.more
def test_recorded_events_and_macros_are_there_from_the_beginning(own_server, tmp_path):
    (tmp_path / "events.ndjson").write_text('{"time":"2026-05-05T08:00:00Z","user":"a"}\n')
    app = tmp_path / "app" / "default"
    app.mkdir(parents=True)
    (app / "macros.conf").write_text("[mine]\ndefinition = user=a\n")
    found = own_server("--events", str(tmp_path / "events.ndjson"), "--macros", str(tmp_path / "app"))
    assert found.search("search index=* `mine` | stats count") == [{"count": "1"}]
    # An older start has read them already.
    found.stop()
    again = own_server("--events", str(tmp_path / "events.ndjson"))
    assert again.search("search index=* user=a | stats count") == [{"count": "1"}]


@pytest.mark.more
def test_no_name_leads_out_of_the_data_folder(own_server, tmp_path):
    server = own_server("--plain")
    before = {path for path in tmp_path.parent.rglob("*") if "data" not in path.parts}
    away = "..%2F..%2Faway"
    server.ask("POST", f"/servicesNS/nobody/{away}/configs/conf-{away}", {"name": "../../away", "a": "1"})
    server.ask("POST", f"/services/properties/{away}/{away}/{away}", {"value": "1"})
    form = {"name": "../../away.csv", "eai:data": "a\n1\n"}
    assert server.ask("POST", "/services/data/lookup-table-files", form)[0] == 400
    form = {"name": "mine.csv", "eai:data": "/etc/passwd"}
    assert server.ask("POST", "/services/data/lookup-table-files", form)[0] == 400
    assert {path for path in tmp_path.parent.rglob("*") if "data" not in path.parts} == before


@pytest.mark.more
def test_the_macros_and_switches_of_the_project_are_there(own_server, tmp_path):
    (tmp_path / "events.ndjson").write_text('{"time":"2026-05-05T08:00:00Z","user":"a"}\n')
    (tmp_path / "macros.conf").write_text("[mine]\ndefinition = user=a\n")
    (tmp_path / "detlab.yaml").write_text("macros: macros.conf\n")
    chosen = ("--events", str(tmp_path / "events.ndjson"), "--settings", str(tmp_path / "detlab.yaml"))
    assert own_server(*chosen).search("search index=* `mine` | stats count") == [{"count": "1"}]
