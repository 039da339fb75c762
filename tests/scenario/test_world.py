"""Worlds: documents of organisations, with errors at their places."""

from pathlib import Path

import pytest

from harness.diagnostics import HarnessError, SourceError
from harness.scenario.world import read_world, resolve_world

ROOT = Path(__file__).parents[2]
SMALL = """title: Two rooms
sites:
  - {name: Berlin, time_zone: Europe/Berlin}
roles:
  laptop: {prefix: LT, share: 1, runs: sleeps}
software:
  mail: {behaviour: mail, on: [laptop]}
"""


def written(folder, text):
    path = folder / "small.yaml"
    path.write_text(text)
    return path


def refused(folder, old, new):
    assert old in SMALL
    with pytest.raises(SourceError) as caught:
        read_world(written(folder, SMALL.replace(old, new)))
    return caught.value


def test_a_world_has_defaults_for_all_that_is_not_said(tmp_path):
    body = read_world(written(tmp_path, SMALL)).body
    assert (body.hosts, body.days, body.seed) == (100, 7, 1)
    assert body.roles["laptop"].hours.begin == "09:00"


@pytest.mark.parametrize(
    ("old", "new", "message", "place"),
    [
        ("on: [laptop]", "on: [tablet]", "no role is called `tablet`", "tablet"),
        ("share: 1,", "share: -1,", "a share is not negative", "-1"),
        ("runs: sleeps", "runs: sleeps, user: false", "a host without a user runs always", "sleeps"),
        ("runs: sleeps", "reboot_every_days: 90", "hosts are rebooted every 1 to 31 days", "90"),
        ("runs: sleeps", 'hours: {begin: "25:00"}', "`begin` is a time of day such as 09:00", '"25:00"'),
        ("behaviour: mail,", "behaviour: mail, failures: 2,", "`failures` is from 0 to 1", "2"),
    ],
)
def test_what_cannot_be_is_told_at_its_place(tmp_path, old, new, message, place):
    error = refused(tmp_path, old, new)
    assert error.message == message
    assert error.span.text == place


def test_an_unknown_key_is_told_with_the_nearest_one(tmp_path):
    assert refused(tmp_path, "share: 1", "shares: 1").help == "did you mean `share`?"


def test_a_world_is_named_without_its_folder():
    assert resolve_world("office").name == "office.yaml"
    assert resolve_world("mine.yaml") == Path("mine.yaml")
    with pytest.raises(HarnessError) as caught:
        resolve_world("ofice")
    assert caught.value.help == "did you mean `office`?"


def test_a_world_that_is_not_there_is_told():
    with pytest.raises(HarnessError, match="no such file"):
        read_world(Path("nowhere.yaml"))


def test_every_benign_part_of_the_office_says_where_its_numbers_come_from():
    body = read_world(ROOT / "scenarios/worlds/office.yaml").body
    assert [name for name, part in body.software.items() if not part.source] == []


def test_the_office_has_all_frameworks_and_the_hard_cases():
    attacks = read_world(ROOT / "scenarios/worlds/office.yaml").body.attacks
    assert {"Cobalt Strike", "Sliver", "Empire", "Covenant", "Mythic", "Havoc", "PoshC2", "Merlin"} <= set(attacks)
    assert {
        "long poll",
        "kept connection",
        "working hours only",
        "rotating servers",
        "fronted",
        "slow",
        "bursty",
    } <= set(attacks)
