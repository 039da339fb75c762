import shutil
import sys
import xml.etree.ElementTree as etree
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PACK = Path(__file__).parents[1] / "scenarios" / "T1583.004"

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
  - {sensor: sysmon, event: 3, where: {Image: '*\powershell.exe'}, exactly: 10}
expect:
  - {rule: server.spl, outcome: false negative, because: loopback is excluded}
  - {rule: server.cql, outcome: false negative, because: loopback is excluded}
"""
NAMES = [
    "telemetry sysmon 3 (Image=*\\powershell.exe): exactly 5",
    "server.spl: false negative",
    "server.cql: false negative",
]


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """A repository with one scenario and the two rules."""
    scenarios = pytester.path / "scenarios"
    scenarios.mkdir()
    for name in ("server.spl", "server.spl.yaml", "server.cql", "server.cql.yaml"):
        shutil.copy(PACK / name, scenarios / name)
    (scenarios / "beacon.yaml").write_text(BEACON.lstrip())
    return scenarios


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
            "*Beacon as published: server.spl: true positive*",
            "server.spl: false negative, DIFFERS",
            "  expected true positive, observed false negative",
            "*LOST",
            '*excluded by DestinationIp="127.[*]" (events held DestinationIp 127.0.0.1)',
        ]
    )
    assert "Traceback" not in ran.stdout.str()
    assert "pytest_plugin.py" not in ran.stdout.str()


def test_a_count_that_differs_fails_with_both_numbers(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("exactly: 10", "exactly: 11, promised: 6"))
    ran = pytester.runpytest("scenarios", "-k", "telemetry")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(["*exactly 11, but 10 recorded, expected exactly 11", "  the page promises 6"])


def test_the_first_failure_ends_the_run_when_asked_to(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("exactly: 10", "exactly: 11"))
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
    ran.stdout.fnmatch_lines(["error[[]unknown-field]: `giben` has no meaning here", " --> scenarios/beacon.yaml:8:5"])
    assert "Traceback" not in ran.stdout.str()


def test_a_rule_that_is_not_there_fails_its_own_test_only(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("rule: server.cql", "rule: servre.cql"))
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["error[[]no-such-rule]*servre.cql*"])


def test_an_unknown_behaviour_fails_every_test_of_the_scenario(pytester, folder):
    (folder / "beacon.yaml").write_text(BEACON.replace("behaviour: beacon", "behaviour: baecon"))
    ran = pytester.runpytest("scenarios")
    ran.assert_outcomes(failed=3)
    ran.stdout.fnmatch_lines(["error[[]unknown-behaviour]: no behaviour is called `baecon`"])


def test_a_scenario_that_expects_nothing_is_still_a_test(pytester, folder):
    text = BEACON[: BEACON.index("telemetry:")]
    (folder / "beacon.yaml").write_text(text)
    pytester.runpytest("scenarios").assert_outcomes(passed=1)
    (folder / "beacon.yaml").write_text(text.replace("behaviour: beacon", "behaviour: baecon"))
    pytester.runpytest("scenarios").assert_outcomes(failed=1)


def test_the_same_expectation_twice_has_two_names(pytester, folder):
    line = "  - {rule: server.spl, outcome: false negative, because: again}\n"
    (folder / "beacon.yaml").write_text(BEACON + line)
    ran = pytester.runpytest("scenarios", "-k", "spl", "-v")
    ran.assert_outcomes(passed=2, deselected=2)
    ran.stdout.fnmatch_lines(["*::server.spl: false negative (2) PASSED*"])


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
    ran = pytester.runpytest("scenarios", "-k", "cql", "--detlab-dialect", "strict")
    ran.assert_outcomes(failed=1, deselected=2)
    ran.stdout.fnmatch_lines(["*error[[]rejected]*"])


def test_a_condition_that_there_is_not_is_told(pytester, folder):
    ran = pytester.runpytest("scenarios", "--detlab-condition", "sysmno=10")
    ran.assert_outcomes(failed=3)
    ran.stdout.fnmatch_lines(["error[[]unknown-condition]: no condition is called `sysmno`"])


def test_a_condition_without_a_value_is_a_usage_error(pytester, folder):
    ran = pytester.runpytest("scenarios", "--detlab-condition", "sysmon")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["ERROR: --detlab-condition sysmon: write --detlab-condition NAME=VALUE"])


def test_control_characters_of_a_scenario_are_spelled_out(pytester, folder):
    text = BEACON.replace("title: Beacon as published", 'title: "a\\x1b[31mb"').replace("exactly: 10", "exactly: 11")
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
    ran = pytester.run(sys.executable, "-m", "pytest", "-q", "-p", "harness.pytest_plugin", "-p", "no:faker")
    ran.assert_outcomes(passed=1)


def test_two_processes_collect_the_same_tests_in_the_same_order(pytester, folder):
    one, two = (pytester.runpytest_subprocess("--collect-only", "-q", "scenarios").outlines[:3] for _ in range(2))
    assert one == two
    assert [line.split("::", 1)[1] for line in one] == NAMES
