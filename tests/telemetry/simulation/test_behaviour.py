from datetime import timedelta

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.simulation.behaviour import convert_to_annotation, describe_annotation, load_behaviours


def refused(behaviours, name, given):
    with pytest.raises(HarnessError) as error:
        behaviours[name].arguments(given)
    return error.value.render()


def test_a_behaviour_is_the_function_of_its_file_s_name(behaviours):
    beacon = behaviours["beacon"]
    assert beacon.summary.startswith("One process that connects to `server`")
    assert list(beacon.parameters)[:4] == ["image", "server", "port", "every"]
    assert beacon.parameters["every"].default == timedelta(seconds=60)


def test_an_unknown_behaviour_is_refused_with_the_nearest_name(behaviours):
    with pytest.raises(HarnessError) as error:
        behaviours["beacn"]
    assert error.value.render() == (
        "error[unknown-behaviour]: no behaviour is called `beacn`\n  = help: did you mean `beacon`?"
    )


def test_an_unknown_parameter_is_refused_with_the_nearest_name(behaviours):
    assert refused(behaviours, "beacon", {"evry": "30s"}) == (
        "error[unknown-parameter]: behaviour `beacon` has no parameter `evry`\n  = help: did you mean `every`?"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": "soon"}, "`every` of behaviour `beacon` is a duration such as `30s`, `10m` or `1h30m`, not `soon`"),
        ({"every": 30}, "`every` of behaviour `beacon` is a duration such as `30s`, `10m` or `1h30m`, not `30`"),
        ({"every": "9" * 300 + "s"}, "`every` of behaviour `beacon` is a duration such as"),
        ({"times": "five"}, "`times` of behaviour `beacon` is a whole number, not `five`"),
        ({"times": True}, "`times` of behaviour `beacon` is a whole number, not `True`"),
        ({"times": 10**12}, "`times` of behaviour `beacon` is a number from 0 to 1000000, not 1000000000000"),
        ({"times": -1}, "`times` of behaviour `beacon` is a number from 0 to 1000000, not -1"),
        ({"port": 70000}, "`port` of behaviour `beacon` is a number from 0 to 65535, not 70000"),
        ({"jitter": float("nan")}, "`jitter` of behaviour `beacon` is a number, not `nan`"),
        ({"jitter": 1.5}, "`jitter` of behaviour `beacon` is a number from 0 to 1, not 1.5"),
        ({"server": "example.com"}, "`server` of behaviour `beacon` is an IPv4 or IPv6 address, not `example.com`"),
        ({"shape": "wild"}, "`shape` of behaviour `beacon` is one of around, longer, shorter, not `wild`"),
        ({"listener": "yes"}, "`listener` of behaviour `beacon` is true or false, not `yes`"),
        ({"image": ["a"]}, "`image` of behaviour `beacon` is text, not `['a']`"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_refused_in_words(given, message, behaviours):
    assert message in refused(behaviours, "beacon", given)


def test_a_list_is_refused_where_one_of_its_members_is_wrong(behaviours):
    assert "is a number from 0 to 65535, not 99999" in refused(behaviours, "port_probe", {"ports": [443, 99999]})
    assert "is a list, each a whole number from 0 to 65535, not `443`" in refused(
        behaviours, "port_probe", {"ports": 443}
    )


def test_a_parameter_without_a_default_is_asked_for(tmp_path):
    (tmp_path / "wait.py").write_text("def wait(host, start, random, *, how_long: int): yield from ()\n", "utf-8")
    assert "needs the parameter `how_long`" in refused(load_behaviours(tmp_path), "wait", {})


def test_a_file_without_its_function_is_refused(tmp_path):
    (tmp_path / "wait.py").write_text("x = 1\n", "utf-8")
    with pytest.raises(HarnessError, match="has no function `wait`"):
        load_behaviours(tmp_path)["wait"]


@pytest.mark.parametrize("text", ["def wait(:\n", "import nowhere_at_all\n"])
def test_a_file_that_cannot_be_loaded_is_refused_with_its_name(text, tmp_path):
    (tmp_path / "wait.py").write_text(text, "utf-8")
    with pytest.raises(HarnessError, match=r"wait\.py"):
        load_behaviours(tmp_path)["wait"]


def test_of_equal_names_the_first_folder_counts(tmp_path):
    for folder, value in (("own", 1), ("bundled", 2)):
        (tmp_path / folder).mkdir()
        text = f"def wait(host, start, random, *, n: int = {value}): yield from ()\n"
        (tmp_path / folder / "wait.py").write_text(text, "utf-8")
    found = load_behaviours(tmp_path / "own", tmp_path / "bundled")
    assert found["wait"].parameters["n"].default == 1
    assert list(found) == ["wait"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("500ms", 0.5), ("1d", 86400), ("1.5h", 5400)],
)
def test_durations(text, seconds):
    assert convert_to_annotation(text, timedelta) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "10", "1x", "-5s", "10s and more", "4000d"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="a duration"):
        convert_to_annotation(text, timedelta)


def test_types_are_said_in_words(behaviours):
    words = {name: p.kind for name, p in behaviours["beacon"].parameters.items()}
    assert words["every"] == "a duration"
    assert words["server"] == "an address"
    assert words["listener"] == "true or false"
    assert words["times"] == "a whole number from 0 to 1000000"
    assert describe_annotation(tuple[int, ...]) == "a list, each a whole number"
