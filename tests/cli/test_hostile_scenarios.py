"""One bad scenario among good ones: it alone is broken, and every report is written."""

from pathlib import Path

import pytest

from tests.cli.command_line import detlab

GIVEN = "{server: 203.0.113.20, every: 30s, jitter: 0, times: 5}"
GOOD = f"""title: Calls
technique: T1583.004
activity: malicious
conditions: {{falcon: enriched}}
simulate:
  - {{behaviour: beacon, given: {GIVEN}}}
expect:
  - {{rule: r.spl, outcome: true positive}}
"""
BEHAVIOUR = """def %s(host, start, random, *, times: int = 1):
    '''Ends badly.'''
    %s
    yield
"""


def with_behaviour(name: str) -> str:
    return GOOD.replace(f"behaviour: beacon, given: {GIVEN}", f"behaviour: {name}")


BAD = {
    "negative seed": (GOOD + "seed: -1\n", "error[wrong-seed]: a seed is a whole number from 0 to"),
    "year 1": (GOOD + 'start: "0001-01-01T00:00:00Z"\n', "error[wrong-start]: `start` lies between the years"),
    "year 9999": (GOOD + 'start: "9999-12-31T23:59:59Z"\n', "error[wrong-start]: `start` lies between the years"),
    "NUL in a name": (GOOD.replace("rule: r.spl", 'rule: "r\\0.spl"'), "error[no-such-file]: no file can be called"),
    "a long name": (GOOD.replace("rule: r.spl", f"rule: {'r' * 5000}.spl"), "of 5004 characters"),
    "raises": (with_behaviour("raises"), "behaviour `raises` (raises.py), line 3: ValueError: no"),
    "exits": (with_behaviour("exits"), "behaviour `exits` (exits.py), line 3: SystemExit: 0"),
    "raises a base exception": (with_behaviour("base"), "behaviour `base` (base.py), line 3: BaseException: odd"),
    "exits when read": (with_behaviour("early"), "early.py, line 1: SystemExit: 0"),
    "yields a number": (with_behaviour("number"), "behaviour `number` (number.py)"),
    "nothing to judge": (
        GOOD.split("expect:")[0],
        "error[nothing-to-judge]: a scenario without",
    ),
}
GENERATORS = {
    "raises": BEHAVIOUR % ("raises", "raise ValueError('no')"),
    "exits": BEHAVIOUR % ("exits", "raise SystemExit(0)"),
    "base": BEHAVIOUR % ("base", "raise BaseException('odd')"),
    "early": "raise SystemExit(0)\n",
    "number": BEHAVIOUR % ("number", "yield 5"),
}


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "generators").mkdir()
    for name, text in GENERATORS.items():
        (tmp_path / f"generators/{name}.py").write_text(text)
    (tmp_path / "r.spl").write_text("index=wineventlog EventCode=3 | stats count by Image | where count>=3")
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("what", BAD)
def test_a_bad_scenario_is_one_broken_verdict(pack, what):
    text, words = BAD[what]
    (pack / "bad.yaml").write_text(text)
    ran = detlab("run", "bad.yaml", "good.yaml", "--junit", "r.xml", "--html", "r.html", "--json")
    assert ran.code == 2
    ((broken,), (verdict,)) = ran.document["broken"], ran.document["verdicts"]
    assert verdict["as_expected"] is True
    assert broken["path"] == "bad.yaml"
    for report in ("r.xml", "r.html"):
        assert "bad.yaml" in (pack / report).read_text()
        assert "good.yaml" in (pack / report).read_text()
    shown = detlab("run", "bad.yaml", "good.yaml", "-q").out
    assert words in shown
    assert "1 verdict as expected" in shown
    assert "Traceback" not in shown


def test_a_seed_of_the_command_line_is_no_negative_number(pack):
    ran = detlab("run", "good.yaml", "--seed", "-1")
    assert (ran.code, "invalid value for '--seed'" in ran.err) == (2, True)


def test_a_folder_without_a_scenario_is_an_error(pack):
    (pack / "empty").mkdir()
    ran = detlab("run", "empty")
    assert (ran.code, ran.err.split(":")[0]) == (2, "error[no-scenarios]")


def test_one_rule_that_cannot_be_read_leaves_the_others_of_lint_and_query(pack):
    (pack / "bad.spl").write_text("index=* | nosuchcommand")
    (pack / "ev.ndjson").write_text('{"EventID":"3","Channel":"X","SystemTime":"2026-03-03T09:12:00Z"}\n')
    ran = detlab("lint", "missing.spl", "r.spl")
    assert ran.code == 2
    assert "error[no-such-rule]: there is no file missing.spl" in ran.out
    assert "r.spl (Splunk): 0 errors" in ran.out
    ran = detlab("run", "--events", "ev.ndjson", "--rule", "bad.spl", "--rule", "r.spl", "--json")
    assert ran.code == 2
    assert [b["path"] for b in ran.document["broken"]] == ["bad.spl"]
    assert [a["rule"]["path"] for a in ran.document["answers"]] == ["r.spl"]


def test_one_bad_file_of_atomics_leaves_the_others(pack):
    good = pack / "lib/T1059.001/T1059.001.yaml"
    good.parent.mkdir(parents=True)
    good.write_text(
        "attack_technique: T1059.001\ndisplay_name: PowerShell\natomic_tests:\n- name: Say a word to the screen\n"
        "  auto_generated_guid: 11111111-2222-4333-8444-555555555556\n  description: Says a word.\n"
        "  supported_platforms: [windows]\n  executor: {name: powershell, command: Write-Host a}\n"
    )
    (pack / "lib/T9999").mkdir()
    (pack / "lib/T9999/T9999.yaml").write_text("display_name: x\n")
    (pack / "lib/T9998").mkdir()
    (pack / "lib/T9998/T9998.yaml").write_text(
        "attack_technique: T9998\ndisplay_name: x\natomic_tests:\n- name: Wait for somebody\n  description: Waits.\n"
        "  supported_platforms: [windows]\n  input_arguments: {unused: {description: d, type: string, default: ''}}\n"
        "  executor: {name: command_prompt, command: pause}\n"
        "- name: Name what is not there\n  description: Says.\n  supported_platforms: [windows]\n"
        "  executor: {name: command_prompt, command: 'echo #{wrod}'}\n"
        "  input_arguments: {word: {description: d, type: string, default: a}}\n"
    )
    ran = detlab("atomics", "list", "--atomics", "lib")
    assert ran.code == 2
    assert "Say a word to the screen" in ran.out
    assert "T9999.yaml:1:" in ran.err
    assert "warning[unused-argument]: no command uses `unused`" in ran.err
    found = detlab("atomics", "show", "11111111-2222-4333-8444-555555555556", "--atomics", "lib")
    assert (found.code, found.out.splitlines()[0]) == (0, "T1059.001-1 Say a word to the screen")
    assert detlab("atomics", "show", "T9998-1", "--atomics", "lib").out.startswith("T9998-1 Wait for somebody")
    ran = detlab("atomics", "show", "T9998-2", "--atomics", "lib")
    assert ran.code == 2
    assert "no input argument is called `wrod`" in ran.err
    assert "did you mean `word`?" in ran.err
    ran = detlab("atomics", "check", "lib")
    assert ran.out.splitlines()[-1] == "2 tests are as they should be, 2 are not; warnings: 3"
    for told in ("warning[too-short]", "warning[unused-argument]", "warning[interactive]: `pause` waits for a person"):
        assert told in ran.out


def test_what_nobody_foresaw_is_told_with_its_traceback_where_one_is_asked_for(pack, monkeypatch):
    (pack / "generators/number.py").write_text(
        "from harness.telemetry.simulation.activity import ProcessCreation\n"
        "def number(host, start, random):\n    yield ProcessCreation(at=start, host=host, process=5)\n"
    )
    (pack / "bad.yaml").write_text(with_behaviour("number"))
    plain = detlab("run", "bad.yaml", "good.yaml")
    assert plain.code == 2
    assert "error[bug]: detlab itself failed at " in plain.out
    assert "1 verdict as expected" in plain.out
    assert "Traceback" not in plain.out
    monkeypatch.setenv("DETLAB_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in detlab("run", "bad.yaml").out
