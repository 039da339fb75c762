"""The language server through the command, as an editor uses it."""

import asyncio
import json
import subprocess
import sys

from lsprotocol import types

from harness.editor.open_document import COLOUR_NAMES
from tests.editor.editor_session import PUBLISHED, ROOT, SECONDS, apply_edits, start_editor

SPL = PUBLISHED / "server.spl"


RUN = "from harness.cli.main import main; main()"


def test_rules_yaml_and_scenarios_are_looked_through_explained_completed_and_mended(tmp_path):
    asyncio.run(spend_a_session(tmp_path))


async def spend_a_session(folder):
    # One server for all: what it costs is the start of its children.
    events = folder / "own.ndjson"
    events.write_text('{"time": "2026-03-03T09:12:00Z", "AcmeVerdict": "odd", "Image": "a.exe"}\n')
    async with start_editor(folder, manual="https://docs.example", events=str(events)) as editor:
        await write_a_rule(editor, folder / "rule.spl")
        await name_a_field_of_own_events(editor, folder / "field.spl")
        await mend_the_published_rule(editor, folder / "server.spl")
        await write_yaml(editor, folder)
        await ask_for_colours(editor)


async def write_a_rule(editor, path):
    uri = editor.open(path, "index=x 😀 | eval a=rond(2.5)\n| stats cont by host\n")
    found = await editor.wait_for(uri, 1)
    assert [(f.code, f.range.start.line, f.range.start.character) for f in found] == [
        # The smiling face counts twice in UTF-16.
        ("unknown-function", 0, 20),
        ("unknown-aggregate", 1, 8),
    ]
    assert found[0].severity is types.DiagnosticSeverity.Error
    assert found[0].message.endswith("help: did you mean `round`?")
    assert found[0].code_description.href == "https://docs.example/reference/errors/unknown-function.html"

    editor.type(uri, 2, "u", (0, 22))
    editor.type(uri, 3, "u", (1, 10))
    assert await editor.wait_for(uri, 3) == []

    said = await editor.ask(types.TEXT_DOCUMENT_HOVER, uri, 1, 4)
    assert "One row for each combination of BY fields" in said.contents.value
    assert "evidence: " in said.contents.value
    offered = await editor.ask(types.TEXT_DOCUMENT_COMPLETION, uri, 1, 5)
    assert [item.label for item in offered.items[:2]] == ["stats", "stash"]
    assert offered.items[0].text_edit.range.start.character == 2
    marks = await editor.ask(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, uri)
    assert [m.name for m in marks] == ["index=x 😀", "eval a=round(2.5)", "stats count by host"]

    editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    assert await editor.wait_for(uri, None) == []


async def name_a_field_of_own_events(editor, path):
    uri = editor.open(path, "index=x | stats count by AcmeV\n| where DestinationI\n")
    labels = []
    # Events are read beside the work of the editor; nothing is offered of them before.
    async with asyncio.timeout(SECONDS):
        while "AcmeVerdict" not in labels:
            offered = await editor.ask(types.TEXT_DOCUMENT_COMPLETION, uri, 0, 30)
            labels = [item.label for item in offered.items]
    assert offered.items[0].label == "AcmeVerdict"
    offered = await editor.ask(types.TEXT_DOCUMENT_COMPLETION, uri, 1, 20)
    known = next(item for item in offered.items if item.label == "DestinationIp")
    assert "Sysmon/Operational 3" in known.detail


async def mend_the_published_rule(editor, path):
    """Findings are those that lint prints, and the edits those that it makes."""
    text = SPL.read_text("utf-8")
    path.write_text(text, encoding="utf-8")
    uri = editor.open(path, text)
    found = await editor.wait_for(uri, 1)
    printed = subprocess.run([sys.executable, "-c", RUN, "lint", "--json", path], capture_output=True, check=False)
    expected = json.loads(printed.stdout)["rules"][0]["findings"]
    assert [(f.code, f.range.start.line + 1, f.range.start.character + 1) for f in found] == [
        (f["code"], f["line"], f["column"]) for f in expected
    ]
    actions = await editor.list_actions(uri)
    whole = next(a for a in actions if a.kind == types.CodeActionKind.SourceFixAll)
    subprocess.run([sys.executable, "-c", RUN, "lint", "--fix", path], stdout=subprocess.DEVNULL, check=False)
    assert apply_edits(text, whole) == path.read_text("utf-8") != text


async def write_yaml(editor, folder):
    (folder / "server.spl").write_text("index=x | stats count by host\n", "utf-8")
    detection = "name: X\nid: 1\nsearch: >-\n  index=x EventCode=3\n  | eval a=rond(2.5)\n  | table a\n"
    scenario = (
        "title: x\nactivity: malicous\nsimulate:\n  - behaviour: becon\n  - behaviour: beacon\n    given: {prt: 3}\n"
        "expect:\n  - rule: server.spl\n    outcome: true positive\n  - rule: other.spl\n    outcome: true positive\n"
    )
    uri = editor.open(folder / "detection.yml", detection, "yaml")
    (found,) = await editor.wait_for(uri, 1)
    assert (found.code, found.range.start.line, found.range.start.character) == ("unknown-function", 4, 11)
    said = await editor.ask(types.TEXT_DOCUMENT_HOVER, uri, 5, 6)
    assert "| table" in said.contents.value

    uri = editor.open(folder / "scenario.yaml", scenario, "yaml")
    found = await editor.wait_for(uri, 1)
    assert [(f.code, f.range.start.line) for f in found] == [
        ("unknown-value", 1),
        ("unknown-behaviour", 3),
        ("unknown-parameter", 5),
        ("no-such-rule", 9),
    ]
    (place,) = await editor.ask(types.TEXT_DOCUMENT_DEFINITION, uri, 7, 12)
    assert place.uri == (folder / "server.spl").as_uri()
    (place,) = await editor.ask(types.TEXT_DOCUMENT_DEFINITION, uri, 4, 17)
    assert place.uri == (ROOT / "generators" / "beacon.py").as_uri()
    assert place.range.start.line > 0
    # Other YAML is not ours.
    uri = editor.open(folder / "compose.yaml", "services: {web: [1\n", "yaml")
    assert await editor.wait_for(uri, 1) == []


async def ask_for_colours(editor):
    uri = editor.open("untitled:new", "#a=1 /* x\ny */ | groupBy(b, function=count())", "cql")
    answer = await editor.ask(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, uri)
    numbers = [list(answer.data[i : i + 5]) for i in range(0, len(answer.data), 5)]
    names = [(line, length, COLOUR_NAMES[kind]) for line, _, length, kind, _ in numbers]
    assert names[3:7] == [(0, 4, "comment"), (1, 4, "comment"), (0, 1, "operator"), (0, 7, "function")]


def test_without_the_extra_the_hint_says_how_to_install_it():
    script = "import sys; sys.modules['pygls.lsp.server'] = sys.modules['pygls'] = None; " + RUN
    ended = subprocess.run([sys.executable, "-c", script, "lsp"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "error[needs-extra]" in ended.stderr and "pip install 'detlab[editor]'" in ended.stderr
