"""Scenario documents: what they may say, and the place of what is wrong."""

from pathlib import Path

import pytest

from harness.diagnostics import HarnessError, SourceError
from harness.scenario.pack import find_scenarios, resolve_beside, split_on_request
from harness.scenario.rule import read_rule
from harness.scenario.scenario import Outcome, read_scenario

GOOD = """\
title: A beacon
activity: malicious
simulate:
  - {behaviour: beacon, given: {server: 203.0.113.7}}
expect:
  - rule: server.spl
    outcome: false negative
    because: it is too slow
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "one.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_scenario_says_what_is_done_and_what_is_expected(tmp_path):
    scenario = read_scenario(written(tmp_path, GOOD))
    assert scenario.body.simulate[0].given == {"server": "203.0.113.7"}
    assert scenario.body.expect[0].outcome is Outcome.FALSE_NEGATIVE
    assert str(scenario.place("expect", 0, "outcome")).endswith("one.yaml:7:14")


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("    because: it is too slow\n", "", "gap-without-reason", "7:14"),
        ("false negative", "false positive", "impossible-outcome", "7:14"),
        ("false negative", "fals negative", None, "7:14"),
        ("title", "titel", None, "1:1"),
        ("simulate:\n  - {behaviour: beacon, given: {server: 203.0.113.7}}\n", "", "nothing-happens", "1:8"),
        ("behaviour:", "behavior:", None, "4:6"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path, old, new, code, place):
    with pytest.raises(SourceError) as caught:
        read_scenario(written(tmp_path, GOOD.replace(old, new)))
    assert str(caught.value.span).endswith(f"one.yaml:{place}")
    assert code in (None, caught.value.code)


def test_only_files_that_look_like_scenarios_are_found(tmp_path):
    written(tmp_path, GOOD)
    (tmp_path / "server.spl.yaml").write_text("title: page\n", "utf-8")
    (tmp_path / "other.yaml").write_text("services: {}\n", "utf-8")
    assert [p.name for p in find_scenarios([tmp_path])] == ["one.yaml"]


def test_a_path_that_is_not_there_is_told(tmp_path):
    with pytest.raises(HarnessError, match="no-such-path"):
        find_scenarios([tmp_path / "nothing"])


def test_a_rule_is_found_beside_its_scenario_or_above_it_and_nowhere_else(tmp_path):
    (tmp_path / "server.spl").write_text("index=x", "utf-8")
    below = tmp_path / "routable"
    below.mkdir()
    assert read_rule(resolve_beside(written(below, GOOD), "server.spl")).query.text == "index=x"
    for hostile in ("../../etc/passwd", "/etc/passwd"):
        with pytest.raises(HarnessError, match="outside"):
            resolve_beside(below / "one.yaml", hostile)


def test_a_rule_that_is_not_there_names_those_that_are(tmp_path):
    (tmp_path / "server.spl").write_text("index=x", "utf-8")
    with pytest.raises(HarnessError, match=r"there is server\.spl"):
        read_rule(tmp_path / "sever.spl")


def test_a_folder_on_request_is_left_out_of_a_run_that_names_nothing_and_told(tmp_path):
    written(tmp_path, GOOD)
    extra = tmp_path / "extra"
    extra.mkdir()
    written(extra, GOOD)
    assert split_on_request(find_scenarios([tmp_path])) == ([tmp_path / "one.yaml", extra / "one.yaml"], [])
    (extra / "ON_REQUEST").write_text("they take long", "utf-8")
    assert split_on_request(find_scenarios([tmp_path])) == ([tmp_path / "one.yaml"], [extra])
