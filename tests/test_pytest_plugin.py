import shutil
import sys
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest

from harness.run import run_scenarios

pytest_plugins = ["pytester"]

PACK = Path(__file__).parents[1] / "scenarios" / "T1583.004"

RULES = {
    "mini.spl": """index=wineventlog EventCode=3
    NOT (DestinationIp="10.*" OR DestinationIp="127.*")
| stats count by Image
| where count >= 3
""",
    "mini.cql": """#event_simpleName=NetworkConnectIP4
| !cidr(RemoteAddressIP4, subnet=["127.0.0.0/8"])
| groupBy([ImageFileName], function=count(as=Calls))
| Calls >= 3
""",
}

BEACON = r"""
title: Beacon as published
technique: T1583.004
atomic_test: 1
activity: malicious
conditions: {addon: legacy, falcon: enriched}
simulate:
  - behaviour: beacon
    given: {server: 127.0.0.1, port: 8888, every: 30s, times: 5, listener: true}
telemetry:
  - {sensor: sysmon, event: 3, where: {Image: '*\powershell.exe'}, exactly: 5}
expect:
  - {rule: mini.spl, outcome: false negative, because: loopback is excluded}
  - {rule: mini.cql, outcome: false negative, because: loopback is excluded}
"""
NAMES = [
    "telemetry sysmon 3 (Image=*\\powershell.exe): exactly 5",
    "mini.spl: false negative",
    "mini.cql: false negative",
]


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All modules that a run needs, once: pytester forgets those that its runs import, and numpy cannot come twice."""
    assert run_scenarios([filled(tmp_path_factory.mktemp("loaded"))]).as_expected


def filled(folder: Path) -> Path:
    for name, text in RULES.items():
        (folder / name).write_text(text)
    (folder / "beacon.yaml").write_text(BEACON.lstrip())
    return folder


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """A repository with one scenario and the two rules."""
    scenarios = pytester.path / "scenarios"
    scenarios.mkdir()
    return filled(scenarios)


def test_each_signal_and_each_expectation_is_a_test_with_a_readable_name(pytester, folder):
    ran = pytester.runpytest("--collect-only", "-q", "scenarios")
    ran.stdout.fnmatch_lines([f"scenarios/beacon.yaml::{name}".replace("*", "[*]") for name in NAMES])


def test_scenarios_that_go_as_expected_pass(pytester, folder):
    pytester.runpytest("scenarios").assert_outcomes(passed=3)


def test_a_test_can_be_chosen_by_words_of_its_name(pytester, folder):
    pytester.runpytest("scenarios", "-k", "spl").assert_outcomes(passed=1, deselected=2)


def test_a_test_can_be_chosen_by_its_marker(pytester, folder):
    pytester.makepyfile("def test_other(): pass")
    ran = pytester.runpytest("-m", "not detlab", "--strict-markers")
    ran.assert_outcomes(passed=1, deselected=3)


def test_a_failure_is_the_explanation_and_no_traceback(pytester, folder):
    text = BEACON.replace("outcome: false negative, because: loopback is excluded", "outcome: true positive", 1)
    (folder / "beacon.yaml").write_text(text)
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(
        [
            "_* Beacon as published: mini.spl: true positive _*",
            "mini.spl: false negative, DIFFERS",
            "  expected true positive, observed false negative",
            ">    1  index=wineventlog *  LOST",
            '        line 2 lost 10 rows: DestinationIp="127.[*]" excludes 127.0.0.1',
        ]
    )
    assert "Traceback" not in ran.stdout.str()
    assert "pytest_plugin.py" not in ran.stdout.str()


def test_a_count_that_differs_fails_with_both_numbers(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("exactly: 5", "exactly: 6, promised: 6"))
    ran = pytester.runpytest("scenarios", "-k", "telemetry")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(
        ["5 recorded, expected exactly 6", "scenarios/beacon.yaml: Beacon as published", "  the page promises 6"]
    )


def test_the_first_failure_ends_the_run_when_asked_to(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("exactly: 5", "exactly: 6"))
    pytester.runpytest("scenarios", "-x").assert_outcomes(failed=1)


def test_junit_has_a_case_a_test_with_the_technique(pytester, folder):
    pytester.runpytest("scenarios", "--junitxml=out.xml")
    cases = list(etree.parse(pytester.path / "out.xml").iter("testcase"))
    assert [case.get("name") for case in cases] == NAMES
    properties = {p.get("name"): p.get("value") for p in cases[1].iter("property")}
    assert properties["technique"] == "T1583.004"
    assert properties["observed"] == "false negative"


def test_a_broken_scenario_is_an_error_at_its_place(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("    given:", "    giben:"))
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(errors=1)
    ran.stdout.fnmatch_lines(["error[[]unknown-field]: `giben` has no meaning here", " --> scenarios/beacon.yaml:9:5"])
    assert "Traceback" not in ran.stdout.str()


def test_a_rule_that_is_not_there_fails_its_own_test_only(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("rule: mini.cql", "rule: minni.cql"))
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["error[[]no-such-rule]*minni.cql*"])


def test_an_unknown_behaviour_fails_every_test_of_the_scenario(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("behaviour: beacon", "behaviour: baecon"))
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(failed=3)
    ran.stdout.fnmatch_lines(["error[[]unknown-behaviour]: no behaviour is called `baecon`"])


def test_a_scenario_that_expects_nothing_proves_nothing_and_fails(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON[: BEACON.index("telemetry:")])
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["error?nothing-to-judge?: a scenario without `expect:` and `telemetry:` proves nothing"])


def test_the_same_expectation_twice_has_two_names(pytester, folder):
    line = "  - {rule: mini.spl, outcome: false negative, because: again}\n"
    (folder / "beacon.yaml").write_text(BEACON + line)
    ran = pytester.runpytest("scenarios", "-k", "spl", "-v")
    ran.assert_outcomes(passed=2, deselected=2)
    ran.stdout.fnmatch_lines(["*::mini.spl: false negative (2) PASSED*"])


def test_pages_of_rules_atomics_and_other_yaml_are_left_alone(pytester, folder):
    (folder / "beacon.yaml").unlink()
    shutil.copy(PACK / "atomic_tests.yaml", folder / "atomic_tests.yaml")
    (pytester.path / "compose.yaml").write_text("services:\n  a: {image: x}\n")
    (pytester.path / "broken.yml").write_text("a: [1, 2\n\tb: {")
    (pytester.path / "simulate.yaml").write_text("simulate: true\n")
    ran = pytester.runpytest()
    assert ran.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    ran.assert_outcomes()


def test_options_choose_the_dialect(pytester, folder):
    (folder / "mini.cql").write_text(RULES["mini.cql"] + "| Bad := if(Calls > 5, 1, 0)\n")
    pytester.runpytest("scenarios", "-k", "cql").assert_outcomes(passed=1, deselected=2)
    ran = pytester.runpytest("scenarios", "-k", "cql", "--detlab-dialect", "strict")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(["*error[[]rejected]*"])


def test_several_processes_judge_as_one_does(pytester, folder):
    (folder / "other.yaml").write_text(BEACON.lstrip().replace("exactly: 5", "exactly: 6"))
    for jobs in ("1", "2"):
        ran = pytester.runpytest_subprocess("--detlab-jobs", jobs)
        ran.assert_outcomes(passed=5, failed=1)
        ran.stdout.fnmatch_lines(["*other.yaml*exactly 6*"])


def test_a_condition_that_there_is_not_is_told(pytester, folder):
    ran = pytester.runpytest("scenarios", "--detlab-condition", "sysmno=10")
    ran.assert_outcomes(failed=3)
    ran.stdout.fnmatch_lines(["error[[]unknown-condition]: no condition is called `sysmno`"])


def test_a_condition_without_a_value_is_a_usage_error(pytester, folder):
    ran = pytester.runpytest("scenarios", "--detlab-condition", "sysmon")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*error: argument --detlab-condition: sysmon is no name=value"])


def test_control_characters_of_a_scenario_are_spelled_out(pytester, folder):
    text = BEACON.replace("title: Beacon as published", 'title: "a\\x1b[31mb"').replace("exactly: 5", "exactly: 6")
    (folder / "beacon.yaml").write_text(text)
    ran = pytester.runpytest("scenarios", "--color=no")
    ran.assert_outcomes(passed=2, failed=1)
    assert "\x1b" not in ran.stdout.str()


def test_a_run_without_scenarios_imports_nothing_heavy(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            heavy = {"duckdb", "numpy", "pyarrow", "sqlglot", "yaml", "msgspec", "click"}
            assert heavy.isdisjoint(sys.modules)
        """
    )
    ran = pytester.run(sys.executable, "-m", "pytest", "-q", "-p", "no:faker")
    ran.assert_outcomes(passed=1)


def test_two_processes_collect_the_same_tests_in_the_same_order(pytester, folder):
    one, two = (pytester.runpytest_subprocess("--collect-only", "-q", "scenarios").outlines[:3] for _ in range(2))
    assert one == two
    assert [line.split("::", 1)[1] for line in one] == NAMES


def test_the_settings_of_the_project_hold(pytester, folder):
    (folder / "mini.spl").write_text("`acme` EventCode=3 | stats count by Image\n")
    (folder / "beacon.yaml").write_text(BEACON.replace("loopback is excluded", "no event has this index"))
    (pytester.path / "macros.conf").write_text("[acme]\ndefinition = index=elsewhere\n")
    ran = pytester.runpytest("scenarios", "-k", "mini.spl")
    ran.stdout.fnmatch_lines(["*unknown-macro*"])
    (pytester.path / "detlab.yaml").write_text("macros: macros.conf\n")
    pytester.runpytest("scenarios", "-k", "mini.spl").assert_outcomes(passed=1, deselected=2)
    (pytester.path / "other.yaml").write_text("macros: macros.conf\nindex: elsewhere\n")
    ran = pytester.runpytest("scenarios", "-k", "mini.spl", "--detlab-settings", "other.yaml")
    ran.assert_outcomes(failed=1, deselected=2)
