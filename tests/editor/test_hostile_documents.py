"""Documents and requests that an editor should survive, by the client of pytest-lsp; and how fast findings come."""

import asyncio
import sys
from pathlib import Path
from time import perf_counter

import pytest

from tests.editor.editor_session import PUBLISHED, start_editor

pytestmark = pytest.mark.more
pytest_lsp = pytest.importorskip("pytest_lsp", reason="requirements.more.lock brings pytest-lsp")

from lsprotocol import types  # noqa: E402
from pygls.exceptions import JsonRpcException  # noqa: E402

KEYS = 60
"""Seconds from a key to its findings, from the last change on."""


def test_the_protocol_is_kept_as_a_strict_client_checks_it(tmp_path):
    asyncio.run(use_strict_client(tmp_path))


async def use_strict_client(folder):
    # Its client checks answers against what the specification says and warns, and warnings are errors here.
    client = pytest_lsp.make_test_lsp_client()
    await client.start_io(str(Path(sys.executable).with_name("detlab")), "lsp")
    params = types.InitializeParams(capabilities=pytest_lsp.client_capabilities("neovim"), root_uri=folder.as_uri())
    await client.initialize_session(params)
    text = (PUBLISHED / "server.cql").read_text("utf-8")
    uri = (folder / "server.cql").as_uri()
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "cql", 1, text)))
    async with asyncio.timeout(60):
        while uri not in client.diagnostics:
            await asyncio.sleep(0.05)
    assert {"unnamed-argument", "and-in-expression"} <= {d.code for d in client.diagnostics[uri]}
    document = types.TextDocumentIdentifier(uri)
    place = types.Position(5, 4)
    await client.text_document_completion_async(types.CompletionParams(document, place))
    assert (await client.text_document_hover_async(types.HoverParams(document, place))).contents.value
    span = types.Range(types.Position(0, 0), types.Position(30, 0))
    actions = types.CodeActionParams(document, span, types.CodeActionContext([]))
    assert await client.text_document_code_action_async(actions)
    assert await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    await client.shutdown_session()
    await client.stop()


def test_every_key_on_the_published_rules_gets_its_findings(capsys):
    for name in ("server.spl", "server.cql"):
        seconds = asyncio.run(measure_keys(PUBLISHED / name))
        p50, p95 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.95)]
        with capsys.disabled():
            print(f"\n{name}: p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms, {len(seconds)} keys")
        # The bar is 200 ms; how loaded the machine is decides it, so it is printed and judges nothing.
        assert len(seconds) == KEYS


async def measure_keys(path):
    """Seconds from a change to the findings of that version, in order."""
    text = path.read_text("utf-8")
    async with start_editor() as editor:
        uri = editor.open(path, text)
        await editor.wait_for(uri, 1)
        await asyncio.sleep(8)  # What is begun at the start is done.
        seconds = []
        line = text.count("\n") // 2
        for number in range(KEYS):
            began = perf_counter()
            # A letter in a comment of the middle line's end would be no work; one in a word is.
            editor.type(uri, number + 2, "x" if number % 2 == 0 else "", (line, 3), (line, 3 + number % 2))
            await editor.wait_for(uri, number + 2)
            seconds.append(editor.shown[uri][1] - began)
            await asyncio.sleep(0.1)
        return sorted(seconds)


HOSTILE = {
    "brackets.spl": "[" * 50_000,
    "parentheses.cql": "a=(" * 30_000,
    "quotes.spl": 'index=x "' + '\\"' * 100_000,
    "pipes.spl": "index=x " + "| eval a=rond(1) " * 400,
    "words.spl": "index=x " + "foo bar=baz* OR " * 15_000,
    "macro.spl": "index=x " + "`a(" * 20_000,
    "comment.cql": "a=1 /*" + "*" * 200_000,
    "regex.cql": "a=/" + "(a+)+" * 20_000 + "/",
    "regex.spl": 'index=x | rex "' + "(?<a>(x+x+)+)" * 300 + '"',
    "aliases.yml": "a: &a [x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20)),
    "deep.yaml": "activity:\nsimulate:\n" + "".join("  " * i + "- \n" for i in range(200)),
    "page.spl.yaml": "title: {" + "{" * 5_000,
    "controls.spl": "index=x \x00\x01\u202e\ufeff\x0c | head\x85",
    "surrogate.spl": "index=x \ud83d | eval a=rond(1)",
    "huge.spl": "index=x " + "a" * 3_000_000,
    "long.cql": "a=1\n" * 60_000,
}


def test_no_document_hangs_the_editor(tmp_path):
    asyncio.run(open_hostile(tmp_path))


async def open_hostile(folder):
    async with start_editor(folder) as editor:
        sound = editor.open(folder / "sound.spl", "index=x | stats count by host")
        assert await editor.wait_for(sound, 1) == []
        for number, (name, text) in enumerate(HOSTILE.items(), 2):
            began = perf_counter()
            uri = editor.open(folder / name, text)
            # Typed and asked at once, before anything is known of it.
            editor.type(uri, 2, " ")
            for what in (types.TEXT_DOCUMENT_HOVER, types.TEXT_DOCUMENT_COMPLETION):
                await editor.ask(what, uri, 0, 9)
            await editor.ask(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, uri)
            await editor.wait_for(uri, 2)
            assert perf_counter() - began < 60, name
            editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
            change = f"index=x | eval a=rond({number})"
            editor.change(sound, number, types.TextDocumentContentChangeWholeDocument(text=change))
            (found,) = await editor.wait_for(sound, number)
            assert found.code == "unknown-function", name
            assert (await editor.ask(types.TEXT_DOCUMENT_HOVER, sound, 0, 12)).contents.value, name


def test_wrong_requests_are_errors_or_nothing_and_the_server_goes_on(tmp_path):
    asyncio.run(ask_wrongly(tmp_path))


async def ask_wrongly(folder):
    async with start_editor(folder) as editor:
        protocol = editor.client.protocol
        unknown = (folder / "not_open.spl").as_uri()
        assert await editor.ask(types.TEXT_DOCUMENT_HOVER, unknown, 5, 5) is None
        assert await editor.list_actions(unknown) == await editor.list_lenses(unknown) == []
        uri = editor.open(folder / "rule.spl", "index=x\r\n| head")
        await editor.wait_for(uri, 1)
        assert await editor.ask(types.TEXT_DOCUMENT_HOVER, uri, 0, 999) is None
        editor.type(uri, 2, "zz", (900, 900), (5, 5))
        await editor.wait_for(uri, 2)
        editor.change("file:///never/opened.spl", 3, types.TextDocumentContentChangeWholeDocument(text="x"))
        run = types.WORKSPACE_EXECUTE_COMMAND
        for method, params in (
            (run, types.ExecuteCommandParams("detlab.run", ["file:///etc/passwd"])),
            (run, types.ExecuteCommandParams("detlab.run", [])),
            (run, types.ExecuteCommandParams("detlab.run", [{"a": 1}, 2])),
            (run, types.ExecuteCommandParams("rm", ["-rf"])),
            ("no/such/method", None),
        ):
            with pytest.raises(JsonRpcException):
                await asyncio.wait_for(protocol.send_request_async(method, params), 20)
        editor.change(uri, 3, types.TextDocumentContentChangeWholeDocument(text="index=x | eval a=rond(1)"))
        (found,) = await editor.wait_for(uri, 3)
        assert found.code == "unknown-function"


def test_keys_come_faster_than_findings_and_the_last_text_counts(tmp_path):
    asyncio.run(type_quickly(tmp_path / "rule.cql"))


async def type_quickly(path):
    async with start_editor(path.parent, encodings=["utf-8"]) as editor:
        uri = editor.open(path, "é=1\n| ")
        word = "x := rond(2)"
        for number, letter in enumerate(word):
            editor.type(uri, number + 2, letter, (1, 2 + number))
        found = await editor.wait_for(uri, len(word) + 1)
        assert [f.code for f in found if f.severity is types.DiagnosticSeverity.Error] == ["unknown-function"]
        # Versions in between are not shown once there is a later one.
        editor.client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
        assert await editor.wait_for(uri, None) == []


def test_verdicts_stand_above_a_rule_once_it_is_saved(tmp_path):
    asyncio.run(save_rule(tmp_path))


async def save_rule(folder):
    rule = folder / "rule.spl"
    rule.write_text('EventCode=3 Image="*powershell.exe" | stats count by host, DestinationIp\n', "utf-8")
    (folder / "scenarios").mkdir()
    rule.rename(folder / "scenarios" / "rule.spl")
    rule = folder / "scenarios" / "rule.spl"
    attack = (
        "title: x\nactivity: malicious\nsimulate:\n  - behaviour: beacon\n    given: {times: 3, server: 203.0.113.9}\n"
        "expect:\n  - rule: rule.spl\n    outcome: true positive\n"
    )
    (folder / "scenarios" / "attack.yaml").write_text(attack, "utf-8")
    async with start_editor(folder) as editor:
        uri = editor.open(rule, rule.read_text("utf-8"))
        await editor.wait_for(uri, 1)
        (lens,) = await editor.list_lenses(uri)
        assert lens.command.title == "detlab: run its scenarios"
        document = types.TextDocumentIdentifier(uri)
        editor.client.text_document_did_save(types.DidSaveTextDocumentParams(document))
        async with asyncio.timeout(90):
            while "seen" not in (await editor.list_lenses(uri))[0].command.title:
                await asyncio.sleep(0.2)
        assert (await editor.list_lenses(uri))[0].command.title.startswith("detlab: 1 seen (")
        assert editor.refreshed >= 2
        # Python of a stranger's pack does not run by saving a file, only once a person asks for it.
        (folder / "generators").mkdir()
        (folder / "generators" / "beacon.py").write_text("open('/tmp/never', 'x')\n", "utf-8")
        editor.said.clear()
        editor.client.text_document_did_save(types.DidSaveTextDocumentParams(document))
        async with asyncio.timeout(30):
            while not any("not run on saving" in line for line in editor.said):
                await asyncio.sleep(0.1)
