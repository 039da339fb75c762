"""What the server does for an editor, a function a request of the protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from harness.diagnostics import HarnessError
from harness.editor.document_text import DocumentText
from harness.editor.open_document import (
    COLOUR_NAMES,
    LONGEST_TEXT_FOR_COLOURS,
    OpenDocument,
    build_range,
    encode_colours,
)
from harness.editor.rule_runs import RUN_LIMITS, choose_arguments, list_scenarios_of, needs_consent
from harness.editor.server import DetlabServer

SERVER = DetlabServer()
RUN_COMMAND = "detlab.run"
"""The command that runs a rule's scenarios, or a scenario; its argument is the document's address."""

WATCHED = "**/*.{spl,cql,yaml,yml,conf,csv}"
RUNNABLE = frozenset(["rule", "rules in YAML", "sigma", "scenario"])
ITEM_KINDS = {
    "command": types.CompletionItemKind.Keyword,
    "function": types.CompletionItemKind.Function,
    "parameter": types.CompletionItemKind.Property,
    "macro": types.CompletionItemKind.Constant,
    "field": types.CompletionItemKind.Field,
    "keyword": types.CompletionItemKind.Operator,
    "value": types.CompletionItemKind.Value,
}
SYMBOL_KINDS = {
    "rule": types.SymbolKind.Class,
    "stage": types.SymbolKind.Function,
    "key": types.SymbolKind.Key,
    "item": types.SymbolKind.Object,
}


@SERVER.feature(types.INITIALIZE)
def take_settings(server: DetlabServer, params: types.InitializeParams) -> None:
    """Takes the editor's settings."""
    server.configure(params.initialization_options)


@SERVER.feature(types.INITIALIZED)
async def start_children(server: DetlabServer, _: types.InitializedParams) -> None:
    """Starts the children, so that the first key does not wait for them, and asks to be told of changed files."""
    server.begin(server.forget_projects())
    watched = server.client_capabilities.workspace and server.client_capabilities.workspace.did_change_watched_files
    if watched and watched.dynamic_registration:
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(glob_pattern=WATCHED)])
        wish = types.Registration("detlab-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        server.client_register_capability(types.RegistrationParams([wish]))


@SERVER.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
async def change_watched_files(server: DetlabServer, _: types.DidChangeWatchedFilesParams) -> None:
    """Reads projects again, whose macros, lookups or settings may have changed."""
    await server.forget_projects()


@SERVER.feature(types.TEXT_DOCUMENT_DID_SAVE)
async def handle_save(server: DetlabServer, params: types.DidSaveTextDocumentParams) -> None:
    """Reads projects again, and runs the rule that was saved where that runs nobody's Python."""
    await server.forget_projects()
    document = server.documents.get(params.text_document.uri)
    if document is not None and server.run_on_save:
        await server.wait_until_read(document)
        server.begin(judge_document(server, document, asked=False))


@SERVER.feature(types.TEXT_DOCUMENT_HOVER)
async def send_hover(server: DetlabServer, params: types.HoverParams) -> types.Hover | None:
    """The manual of the word at a place."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return None
    content, offset = document.content, document.find_offset(params.position)
    codes = {f["code"]: f for f in document.findings if f["start"] <= offset < max(f["end"], f["start"] + 1)}
    said = await server.ask(document.uri, "hover", offset=offset, codes=list(codes))
    if said is None:
        return None
    text = types.MarkupContent(kind=types.MarkupKind.Markdown, value=said["text"])
    return types.Hover(contents=text, range=build_range(content, said["start"], said["end"]))


@SERVER.feature(
    types.TEXT_DOCUMENT_COMPLETION,
    types.CompletionOptions(trigger_characters=["|", "`", "$", "(", ",", " "], resolve_provider=True),
)
async def offer_completions(server: DetlabServer, params: types.CompletionParams) -> types.CompletionList | None:
    """What may be written at a place."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return None
    content, offset = document.content, document.find_offset(params.position)
    said = await server.ask(document.uri, "complete", offset=offset)
    if said is None:
        return None
    place = build_range(content, said["start"], offset)
    language = document.found["rules"][0]["language"] if document.found.get("rules") else document.language_id
    items = [build_completion(item, place, language) for item in said["items"]]
    return types.CompletionList(is_incomplete=said["incomplete"], items=items)


def build_completion(item: dict[str, Any], place: types.Range, language: str) -> types.CompletionItem:
    """One thing that may be written, in the place of the word that was begun."""
    return types.CompletionItem(
        label=item["label"],
        kind=ITEM_KINDS[item["kind"]],
        detail=item["detail"] or None,
        sort_text=f"{item['rank']}{item['order']}{item['label'].lower()}",
        filter_text=item["label"],
        text_edit=types.TextEdit(range=place, new_text=item["insert"]),
        data={"language": language, "kind": item["kind"]},
    )


@SERVER.feature(types.COMPLETION_ITEM_RESOLVE)
async def resolve_completion(server: DetlabServer, item: types.CompletionItem) -> types.CompletionItem:
    """The same with its manual, which is asked for when it is looked at."""
    data = item.data if isinstance(item.data, dict) else {}
    if data.get("kind") in ("command", "function"):
        request = {"do": "explain", "language": data.get("language"), "word": item.label}
        try:
            said = await server.answerer.ask({**request, "command": data["kind"] == "command"}, 3.0)
        except HarnessError:
            said = None
        if said:
            item.documentation = types.MarkupContent(kind=types.MarkupKind.Markdown, value=said)
    return item


@SERVER.feature(types.TEXT_DOCUMENT_DEFINITION)
async def send_definitions(server: DetlabServer, params: types.DefinitionParams) -> list[types.Location]:
    """Where the thing at a place is defined."""
    return await locate_places(server, "define", params.text_document.uri, params.position)


@SERVER.feature(types.TEXT_DOCUMENT_REFERENCES)
async def send_references(server: DetlabServer, params: types.ReferenceParams) -> list[types.Location]:
    """Every place of a field or macro in its query."""
    return await locate_places(server, "refer", params.text_document.uri, params.position)


async def locate_places(server: DetlabServer, do: str, uri: str, position: types.Position) -> list[types.Location]:
    """Places in this document and in other files."""
    document = server.documents.get(uri)
    if document is None:
        return []
    content = document.content
    found = []
    for place in await server.ask(uri, do, offset=document.find_offset(position)) or ():
        other = place["path"] is not None
        text = DocumentText(place["text"], content.encoding) if other else content
        span = build_range(text, place["start"], place["end"])
        found.append(types.Location(uri=Path(place["path"]).as_uri() if other else uri, range=span))
    return found


@SERVER.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
async def send_symbols(server: DetlabServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    """The stages of rules, the parts of scenarios."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return []
    content = document.content
    found = await server.ask(document.uri, "symbols")
    return [build_symbol(content, each) for each in found or ()]


def build_symbol(content: DocumentText, symbol: dict[str, Any]) -> types.DocumentSymbol:
    """A part of a document with those below it."""
    place = build_range(content, symbol["start"], symbol["end"])
    return types.DocumentSymbol(
        name=symbol["name"],
        kind=SYMBOL_KINDS[symbol["kind"]],
        range=place,
        selection_range=place,
        children=[build_symbol(content, each) for each in symbol["below"]],
    )


@SERVER.feature(
    types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
    types.SemanticTokensLegend(token_types=list(COLOUR_NAMES), token_modifiers=[]),
)
async def send_colours(server: DetlabServer, params: types.SemanticTokensParams) -> types.SemanticTokens:
    """What each word of a query is: editors have no grammar of these languages."""
    document = server.documents.get(params.text_document.uri)
    if document is None or len(document.content.text) > LONGEST_TEXT_FOR_COLOURS:
        return types.SemanticTokens(data=[])
    content = document.content
    spans = await server.ask(document.uri, "colours") or ()
    return types.SemanticTokens(data=encode_colours(content, [(s, e, c) for s, e, c in spans]))


@SERVER.feature(
    types.TEXT_DOCUMENT_CODE_ACTION,
    types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]),
)
async def list_actions(server: DetlabServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    """What `lint --fix` would mend at a place, and all of it at once."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return []
    await server.wait_until_read(document)
    start, end = document.find_offset(params.range.start), document.find_offset(params.range.end)
    only = params.context.only
    fixable = [f for f in document.findings if f["edits"]]
    actions = []
    if not only or any(types.CodeActionKind.QuickFix.startswith(kind) for kind in only):
        for finding in fixable:
            if finding["start"] <= end and start <= max(finding["end"], finding["start"]):
                actions.append(build_action(document, finding["help"] or finding["message"], [finding]))
    # Notes are for the author to decide.
    all_of_it = [f for f in fixable if f["severity"] != "note"]
    if all_of_it and (not only or any(types.CodeActionKind.SourceFixAll.startswith(kind) for kind in only)):
        title = f"mend all that can be mended ({len(all_of_it)})"
        actions.append(build_action(document, title, all_of_it, types.CodeActionKind.SourceFixAll))
    return actions


def build_action(
    document: OpenDocument,
    title: str,
    findings: list[dict[str, Any]],
    kind: types.CodeActionKind = types.CodeActionKind.QuickFix,
) -> types.CodeAction:
    """Edits under a title; the version says of which state of the document they are."""
    edits = document.build_edits(findings)
    whole = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    change = types.TextDocumentEdit(text_document=whole, edits=list(edits))
    features = SERVER.client_capabilities.workspace
    versioned = features and features.workspace_edit and features.workspace_edit.document_changes
    edit = (
        types.WorkspaceEdit(document_changes=[change])
        if versioned
        else types.WorkspaceEdit(changes={document.uri: edits})
    )
    shown = [document.build_diagnostic(f) for f in findings] if kind is types.CodeActionKind.QuickFix else None
    return types.CodeAction(title=title, kind=kind, diagnostics=shown, edit=edit)


@SERVER.feature(types.TEXT_DOCUMENT_CODE_LENS)
async def list_lenses(server: DetlabServer, params: types.CodeLensParams) -> list[types.CodeLens]:
    """Above each rule what its scenarios said last, and the command that runs them."""
    document = server.documents.get(params.text_document.uri)
    if document is None:
        return []
    await server.wait_until_read(document)
    if document.found.get("kind") not in RUNNABLE or not document.path.is_absolute():
        return []
    starts = [rule["start"] for rule in document.found.get("rules", ())] or [0]
    return [
        types.CodeLens(
            range=document.build_range(start, start),
            command=types.Command(title=describe_run(server, document), command=RUN_COMMAND, arguments=[document.uri]),
        )
        for start in starts
    ]


def describe_run(server: DetlabServer, document: OpenDocument) -> str:
    """What a lens says: that it is running, what came of it, or that it can be run."""
    if server.runs.path == document.path:
        return "detlab: running ..."
    known = server.runs.known.get(document.path)
    what = "run this scenario" if document.found.get("kind") == "scenario" else "run its scenarios"
    return f"detlab: {known.title}" if known else f"detlab: {what}"


@SERVER.command(RUN_COMMAND)
async def run_on_request(server: DetlabServer, uri: str) -> str:
    """Runs a rule's scenarios, or a scenario, because a person asks for it: the pack's own Python runs then too."""
    document = server.documents.get(uri)
    if document is None or not document.path.is_file():
        raise JsonRpcInvalidParams(f"{uri} is no open document with a file")
    await server.wait_until_read(document)
    return await judge_document(server, document, asked=True) or "nothing to run"


async def judge_document(server: DetlabServer, document: OpenDocument, *, asked: bool) -> str | None:
    """Runs what a document is judged by; on saving only where no foreign Python runs, or where that is trusted."""
    kind, path = document.found.get("kind"), document.path
    if kind not in RUNNABLE or not path.is_file():
        return None
    try:
        scenarios = [path] if kind == "scenario" else await asyncio.to_thread(list_scenarios_of, path)
        if asked:
            server.trusts_python = True
        elif needs_consent(scenarios or [path]) and not server.trusts_python:
            server.say("not run on saving: this pack has Python of its own; run it once by the command to allow that")
            return None
        # A rule that no scenario names is judged by whatever there is, which is more than a saved file should start.
        if not scenarios and not asked:
            return None
        arguments = [str(path), *RUN_LIMITS] if kind == "scenario" else choose_arguments(path, scenarios)
        refresh_lenses(server)
        summary = await server.runs.run(path, arguments, server.find_folder(path))
        title = summary.title
    except HarnessError as error:
        title = error.message
        # A later run has taken its place.
        if error.code == "process-died" and server.runs.process is not None:
            return None
    refresh_lenses(server)
    server.say(f"{path.name}: {title}")
    return title


def refresh_lenses(server: DetlabServer) -> None:
    """Asks an editor that can to ask for lenses again."""
    features = server.client_capabilities.workspace
    if features and features.code_lens and features.code_lens.refresh_support:
        server.workspace_code_lens_refresh(None)


def serve() -> None:
    """Serves an editor over stdin and stdout until it is done."""
    SERVER.start_io()
