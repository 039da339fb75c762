import json
import os
import pty
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest

from tests.cli.command_line import detlab

DETLAB = str(Path(sys.executable).with_name("detlab"))


def test_without_a_path_the_scenarios_of_this_folder_are_judged(repository):
    ran = detlab("run")
    assert ran.code == 0
    assert "  Five calls to the same host" in ran.out
    assert '        mini.spl:2 DestinationIp="127.*" excludes 127.0.0.1\n' in ran.out
    assert ran.out.splitlines()[-1].startswith(
        "2 scenarios, 3 verdicts as expected, 0 differ; 1 signal as expected, 0 differ; "
    )
    assert ran.err == ""


def test_a_verdict_that_differs_is_exit_code_1(repository):
    path = repository / "scenarios" / "public.yaml"
    path.write_text(
        path.read_text().replace("mini.spl, outcome: true positive", "mini.spl, outcome: false negative, because: x")
    )
    ran = detlab("run", "scenarios/public.yaml")
    assert ran.code == 1
    assert "expected false negative, observed true positive" in ran.out
    assert "the gap on record is closed: x" in ran.out


def test_a_signal_that_differs_is_exit_code_1(repository):
    path = repository / "scenarios" / "loopback.yaml"
    path.write_text(path.read_text().replace("exactly: 10", "exactly: 5"))
    ran = detlab("run", "scenarios/loopback.yaml", "-q")
    assert ran.code == 1
    assert "page promises 5, host records 10, expected exactly 5: both sides count" in " ".join(ran.out.split())


def test_a_scenario_that_cannot_be_judged_is_exit_code_2_and_the_others_are_judged(repository):
    path = repository / "scenarios" / "loopback.yaml"
    path.write_text(path.read_text().replace("behaviour: beacon", "behaviour: baecon"))
    ran = detlab("run")
    assert ran.code == 2
    assert "error[unknown-behaviour]: no behaviour is called `baecon`\n --> scenarios/loopback.yaml:7:16\n" in ran.out
    assert "2 scenarios, 2 verdicts as expected, 0 differ; 1 broken;" in ran.out


def test_a_rule_of_ones_own_is_judged_in_place_of_the_scenarios_own(repository):
    (repository / "mine.spl").write_text("index=wineventlog EventCode=3 | stats count by Image | where count >= 3\n")
    ran = detlab("run", "--rule", "mine.spl")
    assert ran.code == 0
    assert "mine.spl" in ran.out
    assert "mini.spl" not in ran.out
    assert "2 scenarios, 2 verdicts as expected" in ran.out


def test_a_rule_of_ones_own_that_misses_is_exit_code_1(repository):
    (repository / "mine.spl").write_text("index=wineventlog EventCode=3 | stats count by Image | where count >= 9\n")
    ran = detlab("run", "--rule", "mine.spl", "scenarios/public.yaml")
    assert ran.code == 1
    assert "mine.spl:1 count 5, needs >= 9" in ran.out


def test_json_is_one_document_on_stdout(repository):
    ran = detlab("run", "--json")
    assert ran.code == 0
    assert ran.document["summary"]["verdicts"] == 3
    assert ran.document["verdicts"][0]["scenario"]["path"] == "scenarios/loopback.yaml"


def test_reports_are_written_beside_what_is_shown(repository):
    ran = detlab("run", "--junit", "out.xml", "--html", "out.html", "--navigator", "layer.json", "-q")
    assert ran.code == 0
    assert etree.parse("out.xml").getroot().get("tests") == "4"
    assert Path("out.html").read_text().startswith("<!doctype html>")
    assert json.loads(Path("layer.json").read_text())["techniques"][0]["score"] == 67


def test_a_report_that_cannot_be_written_is_told(repository):
    ran = detlab("run", "--junit", "nowhere/out.xml")
    assert ran.code == 2
    assert ran.err == "error[unwritable]: nowhere/out.xml: no such file or directory\n"


def test_a_folder_without_scenarios_is_told_and_is_no_success(repository):
    (repository / "empty").mkdir()
    ran = detlab("run", "empty")
    assert ran.code == 2
    assert ran.err.startswith("error[no-scenarios]: there is no scenario in empty\n")


def test_a_path_that_is_not_there_is_told(repository):
    ran = detlab("run", "nowhere")
    assert ran.code == 2
    assert ran.err.startswith("error[no-such-path]: there is no file or folder nowhere\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--engine", "dukdb"],
            "error[unknown-engine]: no engine is called `dukdb`\n  = help: did you mean `duckdb`?\n",
        ),
        (["--condition", "adon=legacy"], "error[unknown-condition]: no condition is called `adon`\n"),
        (["--condition", "addon=lagacy"], "error[unknown-condition-value]: condition `addon` has no value `lagacy`\n"),
        (["--switch", "stdev=sample"], "error[unknown-switch]: no switch is called `stdev`\n"),
        (["--switch", "stddev=smaple"], "error[unknown-switch-value]: switch `stddev` has no value `smaple`\n"),
        (["--rule", "mine.spl"], "error[no-such-rule]: there is no file mine.spl\n"),
        (["--rule", "README.kql"], "error[no-such-rule]: there is no file README.kql\n"),
    ],
)
def test_a_choice_that_there_is_not_is_told_once_or_at_each_scenario(repository, arguments, words):
    ran = detlab("run", "scenarios/public.yaml", *arguments)
    assert ran.code == 2
    assert words in ran.out + ran.err


def test_a_language_that_there_is_not_is_told(repository):
    (repository / "mine.kql").write_text("DeviceNetworkEvents | take 5\n")
    ran = detlab("run", "scenarios/public.yaml", "--rule", "mine.kql")
    assert ran.code == 2
    assert "error[unknown-language]: no query language is called `kql`" in ran.out


def test_strict_reading_is_broken_where_the_product_rejects(repository):
    ran = detlab("run", "scenarios/public.yaml", "--dialect", "strict")
    assert ran.code == 2
    assert "error[rejected]: LogScale rejects this in 1 place" in ran.out
    assert "mini.cql:5:" in ran.out


def test_an_unsupported_construct_is_never_a_true_negative(repository):
    (repository / "mine.spl").write_text("index=wineventlog | frobnicate count\n")
    ran = detlab("run", "scenarios/public.yaml", "--rule", "mine.spl")
    assert ran.code == 2
    assert "0 verdicts as expected" in ran.out
    assert "mine.spl:1:21" in ran.out


def test_events_of_ones_own_and_a_rule_of_ones_own(capture):
    ran = detlab("run", "--events", capture, "--rule", "mini.spl")
    assert ran.code == 0
    assert "mini.spl on capture.ndjson: " in ran.out
    assert ", 1 row\n" in ran.out
    assert "powershell.exe  203.0.113.10       5\n" in ran.out


def test_a_range_that_ends_now_has_the_last_event_too(repository):
    (repository / "one.json").write_text('{"_time": "2024-01-15T10:00:00.25Z", "EventID": 1, "Image": "C:\\\\a.exe"}\n')
    (repository / "recent.spl").write_text("search earliest=-60m latest=now | table Image")
    ran = detlab("run", "--events", "one.json", "--rule", "recent.spl")
    assert ran.code == 0
    assert "1 event, 1 row" in ran.out


def test_events_without_a_rule_meet_every_rule_of_this_folder(capture, repository):
    (repository / "mini.spl").rename(repository / "scenarios" / "mini.spl")
    (repository / "mini.cql").rename(repository / "scenarios" / "mini.cql")
    ran = detlab("run", "--events", capture)
    assert ran.code == 0
    assert "scenarios/mini.spl on capture.ndjson" in ran.out
    assert "scenarios/mini.cql on capture.ndjson" in ran.out


def test_events_without_any_rule_are_told(capture):
    ran = detlab("run", "--events", capture)
    assert ran.code == 2
    assert ran.err == "error[no-rules]: there is no rule in scenarios\n  = help: name one: --rule FILE\n"


def test_events_and_scenarios_exclude_each_other(capture):
    ran = detlab("run", "scenarios", "--events", capture)
    assert ran.code == 2
    assert ran.err.startswith("error[usage]: --events takes the place of scenarios\n")


def test_a_pipe_gets_no_colours_and_a_terminal_does(repository):
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    piped = subprocess.run([DETLAB, "run"], capture_output=True, text=True, timeout=120, env=environment)
    assert "\x1b[" not in piped.stdout
    assert piped.stderr == ""
    assert "\x1b[32mseen" in on_a_terminal({**environment, "COLUMNS": "100"})
    assert "\x1b[32mseen" not in on_a_terminal({**environment, "NO_COLOR": "1"})


def on_a_terminal(environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([DETLAB, "run"], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert process.wait(timeout=120) == 0
    os.close(ours)
    return shown.decode()


def test_an_interrupt_is_exit_code_130_without_a_traceback(repository):
    text = (repository / "scenarios" / "public.yaml").read_text().replace("times: 5", "times: 1000000, every: 1s")
    (repository / "scenarios" / "public.yaml").write_text(text.replace("every: 30s, ", ""))
    process = subprocess.Popen(
        [DETLAB, "run", "scenarios/public.yaml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "Traceback" not in out + err
