"""Results that a run before has found: the same in every report, and never taken once something has changed."""

import json
import os
import re
import shutil
import zlib
from pathlib import Path

import msgspec
import pytest

from harness import kept_files, kept_results
from harness.detection.language import Settings
from harness.diagnostics import Source
from harness.kept_files import DIGEST_SIZE, find_cache_folder
from harness.value_digest import UndigestedError, ValueDigest, digest_files
from harness.verdict.kept_verdicts import VERDICT_FIELDS, decode_kept
from tests.cli.command_line import detlab

ROOT = Path(__file__).parents[3]
FILES = {
    "detlab.yaml": "macros: [content/macros.conf]\nlookups: [content]\nswitches: {}\n",
    "content/macros.conf": "[busy]\ndefinition = count >= 3\n",
    "content/known.csv": "DestinationIp,owner\n198.51.100.9,us\n",
    "generators/call.py": '''"""Calls."""

from harness.telemetry.simulation.activity import NetworkConnection, ProcessCreation

from datetime import timedelta

import numpy as np


def call(host, start, random, *, server: str = "203.0.113.10", times: int = 5):
    """Calls a server."""
    process = host.process("C:\\\\\\\\Tools\\\\\\\\call.exe")
    yield ProcessCreation(at=start, host=host, process=process)
    at = start + timedelta(seconds=1)
    for _ in range(times):
        yield NetworkConnection(at=at, host=host, process=process, destination_ip=server, destination_port=443)
''',
    "scenarios/calls.spl": """index=wineventlog EventCode=3
| lookup known DestinationIp OUTPUT owner
| where isnull(owner)
| stats count by Image, DestinationIp
| where `busy`
""",
    "scenarios/calls.spl.yaml": "title: Three calls\nfalse_positives: [anything]\n",
    "scenarios/other.spl": "index=wineventlog EventCode=3 DestinationPort=443 | stats count by host\n",
    "scenarios/attack.yaml": """title: Five calls
activity: malicious
simulate:
  - {behaviour: call, given: {times: 5}}
telemetry:
  - {sensor: sysmon, event: 3, at_least: 1}
expect:
  - {rule: calls.spl, outcome: true positive}
  - {rule: other.spl, outcome: true positive}
""",
    "scenarios/recorded.yaml": """title: What was recorded
activity: malicious
replay:
  - path: capture.ndjson
expect:
  - {rule: other.spl, outcome: false negative, because: the port is another}
""",
    "scenarios/capture.ndjson": json.dumps(
        {
            "Event": {
                "System": {
                    "Provider": {"Name": "Microsoft-Windows-Sysmon"},
                    "EventID": 3,
                    "Channel": "Microsoft-Windows-Sysmon/Operational",
                    "Computer": "WS01",
                    "TimeCreated": {"SystemTime": "2026-03-03T09:12:00Z"},
                },
                "EventData": {"Image": "C:\\a.exe", "DestinationIp": "203.0.113.10", "DestinationPort": "80"},
            }
        }
    )
    + "\n",
}
ALL = {"calls.spl", "other.spl", "recorded", "signal"}
CHANGES = {
    "rule": (["scenarios/calls.spl", "isnull(owner)", "isnull(owner) AND true()"], [], {"calls.spl"}),
    "page": (["scenarios/calls.spl.yaml", "anything", "nothing"], [], {"calls.spl"}),
    "macro": (["content/macros.conf", ">= 3", ">= 4"], [], {"calls.spl", "other.spl", "recorded"}),
    "lookup": (["content/known.csv", "us", "them"], [], {"calls.spl", "other.spl", "recorded"}),
    "settings": (["detlab.yaml", "switches: {}", "sensors: [sysmon]"], [], ALL),
    "behaviour": (["generators/call.py", "seconds=1", "seconds=2"], [], ALL - {"recorded"}),
    "steps": (["scenarios/attack.yaml", "times: 5", "times: 6"], [], ALL - {"recorded"}),
    "expectation": (["scenarios/attack.yaml", "calls.spl, ", "calls.spl, at_least: 1, "], [], {"calls.spl"}),
    "signal": (["scenarios/attack.yaml", "at_least: 1}", "at_least: 2}"], [], {"signal"}),
    "recording": (["scenarios/capture.ndjson", "a.exe", "b.exe"], [], {"recorded"}),
    "seed": ([], ["--seed", "7"], ALL),
    "condition": ([], ["--condition", "sysmon=sysmon10"], ALL),
    "switch": ([], ["--switch", "lookup_no_match=kept"], {"calls.spl", "other.spl", "recorded"}),
    "dialect": ([], ["--dialect", "strict"], {"calls.spl", "other.spl", "recorded"}),
    "zone": ([], ["--zone", "Europe/Berlin"], {"calls.spl", "other.spl", "recorded"}),
    "now": ([], ["--now", "2026-03-04T00:00:00Z"], {"calls.spl", "other.spl", "recorded"}),
    "detail": ([], ["--html", "page.html"], {"calls.spl", "other.spl", "recorded"}),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    return tmp_path


def judge(*options):
    ran = detlab("run", "--json", "--in-process", "--cache", *options)
    assert ran.code == 0, ran.out
    return ran.document


def list_fresh(document):
    """What was judged anew: rules on the simulated attack, the rule on the recording, the signal."""
    verdicts = [v for v in document["verdicts"] if not v["cached"]]
    names = {
        "recorded" if v["scenario"]["path"].endswith("recorded.yaml") else Path(v["rule"]["path"]).name
        for v in verdicts
    }
    return names | {"signal" for s in document["signals"] if not s["cached"]}


def without_marks(document):
    for result in (*document["verdicts"], *document["signals"]):
        del result["cached"]
    for name in ("seconds", "began", "verdicts_cached"):
        del document["summary"][name]
    return document


def test_what_a_verdict_follows_from_is_judged_anew_when_it_changes(project):
    assert list_fresh(judge()) == ALL
    for name, (change, options, expected) in CHANGES.items():
        assert list_fresh(judge()) == set(), name
        before = {}
        if change:
            path, old, new = project / change[0], *change[1:]
            before[path] = path.read_text()
            assert old in before[path], name
            path.write_text(before[path].replace(old, new))
        assert list_fresh(judge(*options)) == expected, name
        for path, text in before.items():
            path.write_text(text)
    assert list_fresh(judge("--seed", "7")) == set()


def test_another_program_finds_nothing(project, monkeypatch):
    judge()
    kept_results.digest_program.cache_clear()
    monkeypatch.setattr(kept_results, "__version__", "0.0.0")
    assert list_fresh(judge()) == ALL
    kept_results.digest_program.cache_clear()


def test_the_program_is_told_by_its_bytes_and_not_by_their_times(tmp_path):
    shutil.copytree(ROOT / "harness" / "verdict", tmp_path / "a")
    shutil.copytree(ROOT / "harness" / "verdict", tmp_path / "b")
    os.utime(tmp_path / "b" / "judge.py", (1, 1))
    assert digest_files(tmp_path / "a") == digest_files(tmp_path / "b")
    with (tmp_path / "b" / "judge.py").open("a") as file:
        file.write("\n")
    assert digest_files(tmp_path / "a") != digest_files(tmp_path / "b")


def test_every_report_says_the_same_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1772529120")
    folder = "scenarios/T1583.004"
    paths = [
        f"{folder}/1-beacon-check-in.yaml",
        f"{folder}/routable/three-ports.yaml",
        f"{folder}/benign/amazon-with-ptr.yaml",
    ]
    chosen = [*paths, "--in-process", "--cache", "--json"]
    written = ("html", "sarif", "markdown", "attire", "navigator")
    documents = []
    for number in range(2):
        files = [part for name in written for part in (f"--{name}", str(tmp_path / f"{number}.{name}"))]
        documents.append(detlab("run", *chosen, *files).document)
    assert all(v["cached"] for v in documents[1]["verdicts"])
    assert len(documents[1]["verdicts"]) == documents[1]["summary"]["verdicts_cached"] > 5
    assert without_marks(documents[0]) == without_marks(documents[1])
    for name in written:
        first, second = ((tmp_path / f"{number}.{name}").read_text() for number in range(2))
        assert strip_seconds(first) == strip_seconds(second), name


def strip_seconds(text):
    """A report without how long the run took."""
    return re.sub(r"[0-9.]+ s\b", "", text)


def test_a_damaged_file_is_judged_anew_and_people_are_told_what_came_from_the_cache(project):
    judge()
    assert "3 verdicts from the cache" in " ".join(detlab("run", "--cache", "--in-process").out.split())
    assert "cache" not in detlab("run", "--in-process").out
    assert "cache" not in detlab("run", "--in-process", "--no-cache").out
    kept = sorted(find_cache_folder("verdicts", kept_results.digest_program()).iterdir())
    assert len(kept) == 4
    assert {p.stat().st_mode & 0o777 for p in kept} == {0o600}
    for number, path in enumerate(kept):
        # One bit of each, anywhere.
        content = bytearray(path.read_bytes())
        content[zlib.crc32(path.name.encode()) % len(content)] ^= 1 << number
        path.write_bytes(content)
    assert list_fresh(judge()) == ALL
    assert list_fresh(judge()) == set()


def test_a_whole_file_that_says_something_else_is_no_result():
    text = Source("rule.spl", "index=a")
    bodies = ([], {}, [[], [["Popen", "ls"]]], [[], [["span", 0, 0, 900]]], [[], [["span", 7, 0, 1]]], [[["a"]], []])
    for body in bodies:
        assert decode_kept(msgspec.json.encode(body), VERDICT_FIELDS, (text,)) is None
    assert decode_kept(b"[" * 100_000, VERDICT_FIELDS, (text,)) is None


def test_the_oldest_results_go_first(project, monkeypatch):
    judge()
    kept = find_cache_folder("verdicts", kept_results.digest_program())
    size = sum(p.stat().st_size for p in kept.iterdir())
    oldest = min(kept.iterdir())
    os.utime(oldest, (1, 1))
    kept_files.remove_oldest(kept, size - 1)
    assert len(list(kept.iterdir())) == 3
    assert not oldest.exists()
    assert DIGEST_SIZE < size < kept_files.MOST_BYTES


def test_what_has_no_known_content_has_no_digest():
    with pytest.raises(UndigestedError):
        ValueDigest().add(Settings(macros={"a": {"b": object()}}))
    assert ValueDigest().add({"a": 1, "b": "2"}).text() == ValueDigest().add({"b": "2", "a": 1}).text()
    assert len({ValueDigest().add(v).text() for v in (1, 1.0, "1", True, None, [1], (1, 2), {1}, b"1")}) == 9


def test_a_converted_rule_is_found_again_until_its_sigma_text_changes(project):
    (project / "scenarios" / "shell.yml").write_text(
        "title: Call\nid: 5f5b8f1e-3b1f-4d59-8d2c-111111111111\nstatus: test\ndate: 2026-01-01\n"
        "logsource: {product: windows, category: network_connection}\n"
        "detection:\n  selection: {DestinationPort: 443}\n  condition: selection\n"
    )
    (project / "scenarios" / "attack.yaml").write_text(
        FILES["scenarios/attack.yaml"] + "  - {rule: shell.yml.spl, outcome: true positive}\n"
    )
    assert "shell.yml.spl" in list_fresh(judge())
    assert list_fresh(judge()) == set()
    sigma = project / "scenarios" / "shell.yml"
    sigma.write_text(sigma.read_text().replace("title: Call", "title: Calls"))
    assert list_fresh(judge()) == {"shell.yml.spl"}
