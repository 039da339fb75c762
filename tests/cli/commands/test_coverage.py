"""`detlab coverage` and `detlab docs` on the command line."""

import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from time import sleep
from typing import IO

import pytest

from tests.cli.command_line import detlab

DETECTION = """name: Rare tool
id: 11111111-2222-3333-4444-555555555555
author: Ann Other
data_source: [Sysmon EventID 1]
search: '`tools` | stats count by host'
how_to_implement: collect
known_false_positives: none
tags: {mitre_attack_id: [T1059.001]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "good.spl": "index=main Image=*\\\\powershell.exe | stats count by host",
        "bad.spl": "index=main | fnord x",
        "good.cql": "#event_simpleName=ProcessRollup2 | groupBy([aid])",
        "pages/detection.yml": DETECTION,
        "pages/notes.yml": "hello: world\n",
        "macros/tools.yml": "name: tools\ndefinition: Image=*\\\\tool.exe\n",
        "index.tsv": "file\tkind\tstatus\ngood.spl\tdetection\tproduction\nbad.spl\tdetection\texperimental\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_rule_is_counted_and_the_one_that_does_not_run_is_named_with_its_construct(folder):
    ran = detlab("coverage", ".")
    assert ran.code == 1
    assert "bad.spl:1:14: no command is called `fnord` [unknown-command]" in ran.out
    assert "1  parse     unknown-command: fnord" in ran.out
    assert "all                            4      3   75.0 %    3   75.0 %" in ran.out
    assert "spl detection, production      1      1  100.0 %    1  100.0 %" in ran.out


def test_verbose_shows_the_place_with_a_caret(folder):
    assert "1 | index=main | fnord x\n  |              ^^^^^" in detlab("coverage", "bad.spl", "-v").out


def test_a_page_of_security_content_finds_its_macro_in_the_same_folder(folder):
    ran = detlab("coverage", "pages/detection.yml")
    assert ran.code == 1
    assert "no macro is called `tools`" in ran.out
    assert detlab("coverage", "pages", "--macros", "macros").code == 0


def test_the_document_lists_every_rule_with_its_stage(folder):
    ran = detlab("coverage", ".", "--json")
    found = json.loads(ran.out)
    assert (found["rules"], found["parse"], found["run"]) == (4, 3, 3)
    stages = {Path(c["path"]).name: c["stage"] for c in found["covered"]}
    assert stages == {"bad.spl": "parse", "detection.yml.spl": "runs", "good.cql": "runs", "good.spl": "runs"}
    assert found["failing"] == [{"stage": "parse", "construct": "unknown-command: fnord", "rules": 1}]


def test_rules_are_also_run_on_events(folder):
    event = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1", "Image": "C:\\powershell.exe"}
    event |= {"Provider_Name": "Microsoft-Windows-Sysmon", "Computer": "ws01", "SystemTime": "2026-03-03T09:12:00Z"}
    (folder / "events.ndjson").write_text(json.dumps(event) + "\n")
    (folder / "any.spl").write_text("Image=*powershell.exe")
    ran = detlab("coverage", "any.spl", "good.spl", "--events", "events.ndjson")
    assert ran.code == 0
    assert "1 rule returned 1 row on the events" in ran.out


def write_events(folder: Path, hosts: int = 2) -> Path:
    event = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1", "Image": "C:\\powershell.exe"}
    event |= {"Provider_Name": "Microsoft-Windows-Sysmon"}
    path = folder / "events.ndjson"
    lines = [event | {"Computer": f"ws{n}", "SystemTime": f"2026-03-03T09:1{n}:00Z"} for n in range(hosts)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_rules_that_find_something_are_listed_with_level_hits_hosts_and_times_the_gravest_first(folder):
    events = write_events(folder)
    (folder / "low.spl").write_text("Image=*powershell.exe")
    (folder / "low.spl.yaml").write_text("title: Any shell\nlevel: low\n")
    (folder / "high.spl").write_text("Image=*powershell.exe | stats count by host | where count>5")
    (folder / "high.cql").write_text("Image=/powershell/i Computer=ws1")
    (folder / "high.cql.yaml").write_text("title: One host\nlevel: high\n")
    ran = detlab("coverage", "low.spl", "high.spl", "high.cql", "--events", events)
    assert ran.code == 0
    table = [line.split() for line in ran.out.splitlines()[1:4]]
    assert table[0] == ["rule", "level", "hits", "hosts", "first", "last"]
    assert table[1] == ["One", "host", "high", "1", "ws1", "2026-03-03T09:11:00Z", "2026-03-03T09:11:00Z"]
    assert table[2] == ["Any", "shell", "low", "2", "2", "2026-03-03T09:10:00Z", "2026-03-03T09:11:00Z"]
    document = json.loads(detlab("coverage", "low.spl", "high.spl", "--events", events, "--json").out)
    low, high = sorted(document["covered"], key=lambda each: -each["rows"])
    assert (low["level"], low["hosts"], low["first"]) == ("low", ["ws0", "ws1"], "2026-03-03T09:10:00Z")
    assert (high["rows"], high["hosts"], high["first"]) == (0, [], None)


def test_conditions_say_how_the_platform_is_set_up(folder):
    events = write_events(folder)
    (folder / "any.spl").write_text('source="WinEventLog:*" Image=*')
    assert "0 rules returned 0 rows" in detlab("coverage", "any.spl", "--events", events).out
    ran = detlab("coverage", "any.spl", "--events", events, "--condition", "source=WinEventLog")
    assert "1 rule returned 2 rows" in ran.out


def run_apart(folder: Path, *arguments: object, cache: Path) -> str:
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "coverage", *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert ran.stderr == ""
    document = json.loads(ran.stdout)
    for each in document["covered"]:
        del each["seconds"]
    return json.dumps(document)


def test_whatever_the_number_of_processes_and_what_was_kept_the_answer_is_the_same(folder, tmp_path):
    events, cache = write_events(folder), tmp_path / "cache"
    rules = tmp_path / "rules"
    rules.mkdir()
    for n in range(20):
        (rules / f"a{n}.spl").write_text(f"Image=*shell.exe Computer=ws{n % 3}")
        (rules / f"b{n}.cql").write_text(f"Image=/shell/i | Computer=ws{n % 3}")
    (rules / "grouped.spl").write_text("Image=*shell.exe | stats count by host")
    (rules / "bad.spl").write_text("| fnord")
    given = [rules, "--events", events, "--json"]
    found = [run_apart(folder, *given, "--jobs", jobs, "--no-cache", cache=cache) for jobs in (1, 3)]
    assert not cache.exists()
    found += [run_apart(folder, *given, cache=cache) for _ in range(2)]
    assert len(list(cache.glob("detlab/plans/*/*.json"))) == 2
    assert len(set(found)) == 1
    assert json.loads(found[0])["run"] == 41
    # A rule that was changed is read again.
    (rules / "a0.spl").write_text("Image=nothing")
    (changed,) = [c for c in json.loads(run_apart(folder, *given, cache=cache))["covered"] if "a0.spl" in c["path"]]
    assert changed["rows"] == 0


def test_a_kept_file_that_another_wrote_changes_nothing(folder, tmp_path):
    events, cache = write_events(folder), tmp_path / "cache"
    (folder / "any.spl").write_text("Image=*powershell.exe")
    given = ["any.spl", "--events", events, "--json"]
    before = run_apart(folder, *given, cache=cache)
    (path,) = cache.glob("detlab/plans/*/*.json")
    body = path.read_bytes()[32:].replace(b"ends_with_ci", b"fnord_with_i")
    path.write_bytes(sha256(body).digest() + body)
    assert run_apart(folder, *given, cache=cache) == before


def wait_for(text: str, stream: IO[str]) -> None:
    """Reads lines until one holds the text."""
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"{text} was not printed")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_tells_what_it_has_found_by_then(tmp_path, how):
    # One rule that nothing stops for half a minute, and others beside it that are done at once.
    (tmp_path / "bad.spl").write_text("index=main | fnord x")
    slow = "| makeresults count=3000 | eval a=mvrange(0,3000) | mvexpand a | eval b=md5(a) | stats values(b) as b"
    (tmp_path / "slow.spl").write_text("| makeresults count=100000 " + slow[slow.index("| eval") :])
    for n in range(16):
        (tmp_path / f"ok{n}.spl").write_text("index=main")
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "coverage", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout
        # The first rule's failure is printed while the slow one runs.
        wait_for("bad.spl:1:14", ran.stdout)
        sleep(1)
        ran.send_signal(how)
        rest = ran.stdout.read()
        assert ran.wait() == 130
    assert "interrupted:" in rest
    assert "unknown-command: fnord" in rest


def test_a_folder_without_rules_is_an_error(folder):
    (folder / "empty").mkdir()
    ran = detlab("coverage", "empty")
    assert ran.code == 2
    assert "there is no rule in empty" in ran.err


def test_docs_print_what_is_supported_and_what_is_refused_and_count_both(folder):
    ran = detlab("docs", "--language", "cql", "--json")
    found = json.loads(ran.out)["languages"][0]
    states = {e["name"]: e["state"] for e in found["entries"]}
    assert states["groupBy"] == "supported"
    assert len(found["entries"]) == found["supported"] + found["diverging"] + found["refused"] >= 189
    assert "refused" in detlab("docs", "predict").out
