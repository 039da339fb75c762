"""A place in a rule that stands inside a document is told in the document, with the caret under the right character."""

import json
import re

import pytest

from tests.cli.command_line import detlab

HEAD = "name: Three calls\nid: 00000000-0000-0000-0000-000000000001\n"
STYLES = {
    "literal": "search: |\n  index=wineventlog EventCode=1\n  | eval n=rond(2.5)\n",
    "folded": "search: >-\n  index=wineventlog\n\n    EventCode=1\n  | eval n=rond(2.5)\n  | head 1\n",
    "indented": "search: |2-\n     index=wineventlog\n   | eval n=rond(2.5)\n",
    "single": "search: 'index=wineventlog CommandLine=\"it''s\" | eval n=rond(2.5)\n  | head 1'\n",
    "double": 'search: "index=a CommandLine=\\"a\\\\\\\\b\\u0041\\" \\\n  | eval n=rond(2.5)\\n| head 1"\n',
    "plain": "search: index=wineventlog EventCode=1\n  | eval n=rond(2.5)\n  | head 1\n",
    "windows": "search: |\r\n  index=wineventlog\r\n  | eval n=rond(2.5)\r\n",
    "after": "description: it says rond(\nsearch: |\n  index=a | eval n=rond(2.5)\ntags: {x: y}\n",
}
CQL = """name: Dashboard
queryString: |
  #event_simpleName=ProcessRollup2
  | n := rond(2.5)
"""
SIGMA = """title: Commands
id: 5f5b8f1e-3b1f-4d59-8d2c-111111111111
status: test
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: '\\cmd.exe'
  condition: selection
"""
EVENT = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\cmd.exe"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.ndjson").write_text(json.dumps(EVENT) + "\n")
    return tmp_path


def place_of(text):
    """Line and column of the name that is wrong, as an editor counts."""
    before = text[: text.index("rond(2.5)")]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize("style", STYLES)
def test_the_caret_stands_under_the_character_in_the_document(folder, style):
    text = HEAD + STYLES[style]
    (folder / "rule.yml").write_bytes(text.encode())
    line, column = place_of(text)
    shown = detlab("lint", "rule.yml").out.split("\n")
    assert shown[1].strip() == f"--> rule.yml:{line}:{column}"
    gutter = shown[3].index("|") + 2
    assert shown[3][gutter:] == text.split("\n")[line - 1].rstrip("\r")
    assert shown[4][gutter:] == " " * (column - 1) + "^^^^"


def test_every_command_tells_the_same_place(folder):
    text = HEAD + STYLES["literal"]
    (folder / "rule.yml").write_text(text)
    (folder / "board.yml").write_text(CQL)
    (folder / "scenario.yaml").write_text(
        "title: A command\nactivity: malicious\nsimulate: [{behaviour: beacon}]\n"
        "expect:\n  - {rule: rule.yml, outcome: true positive}\n"
    )
    for arguments in (
        ["query", "rule.yml", "--events", "events.ndjson"],
        ["run", "--in-process", "scenario.yaml"],
        ["run", "--in-process", "--rule", "rule.yml", "--events", "events.ndjson"],
        ["coverage", "rule.yml", "--events", "events.ndjson", "-v"],
        ["hunt", "rule.yml", "--events", "events.ndjson", "-v"],
    ):
        ran = detlab(*arguments)
        assert "rule.yml:5:12" in ran.out + ran.err, arguments
        assert not re.search(r"yml\.(spl|cql):\d", ran.out + ran.err), arguments
    assert "board.yml:4:10" in detlab("query", "board.yml", "--events", "events.ndjson").err


def test_code_review_shows_it_there(folder):
    (folder / "rule.yml").write_text(HEAD + STYLES["literal"])
    ran = detlab("lint", "rule.yml", "--github", "--sarif", "found.sarif")
    assert "::error file=rule.yml,line=5,endLine=5,col=12,endColumn=16," in ran.err
    (result,) = json.loads((folder / "found.sarif").read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rule.yml"
    assert (place["region"]["startLine"], place["region"]["startColumn"], place["region"]["endColumn"]) == (5, 12, 16)
    (found,) = detlab("lint", "rule.yml", "--json").document["rules"][0]["findings"]
    assert (found["file"], found["line"], found["column"], found["text"]) == ("rule.yml", 5, 12, "rond")


def test_a_loss_is_told_at_the_line_of_the_document(folder):
    search = 'search: |\n  EventCode=1\n  | search Image="*\\\\none.exe"\n  | stats count by Image\n'
    (folder / "rule.yml").write_text(HEAD + search)
    (folder / "scenario.yaml").write_text(
        "title: A beacon\nactivity: malicious\nsimulate: [{behaviour: beacon}]\n"
        "expect:\n  - {rule: rule.yml, outcome: true positive}\n"
    )
    ran = detlab("run", "--in-process", "scenario.yaml", "--sarif", "run.sarif", "--github")
    assert "rule.yml:5" in " ".join(ran.out.split())
    assert not re.search(r"yml\.spl:\d", ran.out)
    (result,) = json.loads((folder / "run.sarif").read_text())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "rule.yml"
    assert "::error file=rule.yml,line=5," in ran.err


def test_what_was_converted_is_told_at_the_detection_with_its_own_text(folder):
    (folder / "rule.yml").write_text(SIGMA)
    shown = detlab("lint", "rule.yml").out
    assert " --> rule.yml:5:1\n" in shown
    assert "5 | detection:\n  | ^^^^^^^^^\n  | converted: Channel=" in shown
    ran = detlab("lint", "rule.yml", "--github")
    assert "file=rule.yml,line=5," in ran.err
    assert "file=rule.yml.cql" not in ran.err


def test_a_document_is_mended_where_the_text_stands_as_it_is(folder):
    query = "#event_simpleName=NetworkConnectIP4\n  | Many := if(RemotePort > 50, 1, 0)\n"
    (folder / "rule.yml").write_text(f"name: Many\nqueryString: |\n  {query}description: kept\n")
    assert detlab("lint", "rule.yml").code == 1
    assert "1 mended" in detlab("lint", "--fix", "rule.yml").out
    mended = query.replace("> 50, 1, 0", "> 50, then=1, else=0")
    assert (folder / "rule.yml").read_text() == f"name: Many\nqueryString: |\n  {mended}description: kept\n"
    assert detlab("lint", "rule.yml").code == 0
    # Nothing is written under the name that the rule has for itself.
    assert sorted(p.name for p in folder.iterdir()) == ["events.ndjson", "rule.yml"]
