"""What a pack cannot reach: files behind links out of it, and Python in folders above it."""

from pathlib import Path

import pytest

from harness.detection.content import read_content
from harness.diagnostics import HarnessError
from harness.scenario.pack import BUNDLED, behaviour_folders, find_pack_root, find_rules, resolve_beside
from harness.scenario.rule import read_rule
from harness.telemetry.simulation.behaviour import load_behaviours


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack with one technique, and beside it a file that is none of its business."""
    (tmp_path / "secret.csv").write_text("user,password\nroot,toor\n")
    home = tmp_path / "pack"
    (home / "scenarios" / "T1059").mkdir(parents=True)
    (home / "scenarios" / "T1059" / "one.yaml").write_text("title: One\n")
    return home


def refused(work) -> str:
    with pytest.raises(HarnessError) as error:
        work()
    assert error.value.code == "outside"
    return error.value.message


def test_a_rule_that_is_a_link_out_of_the_pack_is_refused(pack):
    scenario = pack / "scenarios" / "T1059" / "one.yaml"
    (scenario.parent / "link.spl").symlink_to("/etc/passwd")
    assert "link.spl` is a link that leads out of" in refused(lambda: resolve_beside(scenario, "link.spl"))


def test_a_folder_that_is_a_link_out_of_the_pack_is_refused(pack):
    scenario = pack / "scenarios" / "T1059" / "one.yaml"
    (scenario.parent / "events").symlink_to(pack.parent)
    refused(lambda: resolve_beside(scenario, "events/secret.csv"))
    refused(lambda: resolve_beside(scenario, "events"))


def test_a_link_within_the_pack_is_followed(pack):
    scenario = pack / "scenarios" / "T1059" / "one.yaml"
    (pack / "shared.spl").write_text("index=*\n")
    (scenario.parent / "near.spl").symlink_to("../../shared.spl")
    assert read_rule(resolve_beside(scenario, "near.spl")).query.text == "index=*\n"


def test_a_lookup_that_is_a_link_out_of_its_folder_is_refused(pack):
    (pack / "lookups").mkdir()
    (pack / "lookups" / "users.csv").symlink_to(pack.parent / "secret.csv")
    assert "users.csv" in refused(lambda: read_content([pack / "lookups"]))


def test_a_table_that_a_page_names_through_a_link_is_refused(pack):
    (pack / "lookups").symlink_to(pack.parent)
    (pack / "detlab.yaml").write_text("lookups: lookups/secret.csv\n")
    refused(lambda: read_content([pack / "detlab.yaml"]))


def test_the_page_of_a_rule_may_not_be_a_link_out_of_its_folder(pack):
    (pack / "rule.spl").write_text("index=*\n")
    (pack / "rule.spl.yaml").symlink_to("/etc/passwd")
    refused(lambda: read_rule(pack / "rule.spl"))


def test_rules_behind_links_out_of_a_folder_are_not_found_in_it(pack):
    (pack.parent / "other.spl").write_text("index=*\n")
    (pack / "own.spl").write_text("index=*\n")
    (pack / "link.spl").symlink_to("../other.spl")
    assert [p.name for p in find_rules([pack], ["spl"])] == ["own.spl"]


def test_generators_are_those_of_the_pack_and_of_no_folder_above_it(pack):
    for folder in (pack, pack.parent):
        (folder / "generators").mkdir()
    scenario = pack / "scenarios" / "T1059" / "one.yaml"
    assert find_pack_root(scenario) == pack.resolve()
    assert behaviour_folders(scenario) == [pack.resolve() / "generators", BUNDLED / "generators"]
    (pack / "generators").rmdir()
    assert behaviour_folders(scenario) == [BUNDLED / "generators"]


def test_generators_of_strangers_are_told_once(pack, capsys):
    (pack / "generators").mkdir()
    (pack / "generators" / "idle.py").write_text("def idle(host, start, random):\n    return iter(())\n")
    for _ in range(2):
        assert load_behaviours(pack / "generators")["idle"].name == "idle"
    assert capsys.readouterr().err == f"note: Python of this pack runs: {pack / 'generators'}\n"


def test_generators_behind_a_link_out_of_the_pack_are_refused(pack):
    (pack.parent / "foreign").mkdir()
    (pack / "generators").symlink_to(pack.parent / "foreign")
    refused(lambda: behaviour_folders(pack / "scenarios" / "T1059" / "one.yaml"))
    (pack / "generators").unlink()
    (pack / "generators").mkdir()
    (pack.parent / "evil.py").write_text("")
    (pack / "generators" / "evil.py").symlink_to("../../evil.py")
    refused(lambda: load_behaviours(pack / "generators"))
