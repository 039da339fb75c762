"""An editor at the other end of `detlab lsp`: opens, types, and waits for what the server says."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from lsprotocol import types
from pygls.lsp.client import LanguageClient

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "scenarios" / "T1583.004"
SECONDS = 60
WORKSPACE = types.WorkspaceClientCapabilities(
    code_lens=types.CodeLensWorkspaceClientCapabilities(refresh_support=True),
    workspace_edit=types.WorkspaceEditClientCapabilities(document_changes=True),
)


class EditorSession:
    """An editor with its open documents; `shown` are the findings that it was last sent for each, with their time."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.shown: dict[str, tuple[types.PublishDiagnosticsParams, float]] = {}
        self.said: list[str] = []
        self.news = asyncio.Event()
        self.refreshed = 0
        client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(lambda found: self.take_findings(found))
        client.feature(types.WINDOW_LOG_MESSAGE)(lambda said: self.said.append(said.message))
        client.feature(types.WORKSPACE_CODE_LENS_REFRESH)(lambda *_: self.take_refresh())

    def take_findings(self, found: types.PublishDiagnosticsParams) -> None:
        self.shown[found.uri] = (found, perf_counter())
        self.news.set()

    def take_refresh(self) -> None:
        self.refreshed += 1

    def open(self, path: Path | str, text: str, language: str = "", version: int = 1) -> str:
        uri = path if isinstance(path, str) else path.as_uri()
        item = types.TextDocumentItem(uri=uri, language_id=language, version=version, text=text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, version: int, text: str, start=(0, 0), end=None) -> None:
        stop = types.Position(*(end or start))
        part = types.TextDocumentContentChangePartial(range=types.Range(types.Position(*start), stop), text=text)
        self.change(uri, version, part)

    def change(self, uri: str, version: int, change) -> None:
        document = types.VersionedTextDocumentIdentifier(version=version, uri=uri)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def wait_for(self, uri: str, version: int | None) -> list[types.Diagnostic]:
        """The findings of a version of a document, once they come."""
        async with asyncio.timeout(SECONDS):
            while uri not in self.shown or self.shown[uri][0].version != version:
                self.news.clear()
                await self.news.wait()
        return list(self.shown[uri][0].diagnostics)

    async def ask(self, what: str, uri: str, line: int | None = None, column: int = 0):
        """The answer to a request about a document, or about a place in it."""
        place = {} if line is None else {"position": types.Position(line, column)}
        params = types.METHOD_TO_TYPES[what][2](text_document=types.TextDocumentIdentifier(uri), **place)
        return await asyncio.wait_for(self.client.protocol.send_request_async(what, params), SECONDS)

    async def list_actions(self, uri: str, start=(0, 0), end=(10_000, 0)) -> list[types.CodeAction]:
        span = types.Range(types.Position(*start), types.Position(*end))
        params = types.CodeActionParams(types.TextDocumentIdentifier(uri), span, types.CodeActionContext([]))
        return list(await asyncio.wait_for(self.client.text_document_code_action_async(params), SECONDS) or ())

    async def list_lenses(self, uri: str) -> list[types.CodeLens]:
        params = types.CodeLensParams(types.TextDocumentIdentifier(uri))
        return list(await asyncio.wait_for(self.client.text_document_code_lens_async(params), SECONDS) or ())


@asynccontextmanager
async def start_editor(folder: Path = ROOT, encodings: list[str] | None = None, **options):
    """An editor with `detlab lsp` started as editors start it."""
    client = LanguageClient("editor", "1")
    session = EditorSession(client)
    detlab = Path(sys.executable).with_name("detlab")
    await client.start_io(str(detlab), "lsp", cwd=folder)
    general = types.GeneralClientCapabilities(position_encodings=encodings)
    params = types.InitializeParams(
        capabilities=types.ClientCapabilities(workspace=WORKSPACE, general=general),
        workspace_folders=[types.WorkspaceFolder(uri=folder.as_uri(), name="work")],
        initialization_options=options or None,
    )
    try:
        await asyncio.wait_for(client.initialize_async(params), SECONDS)
        client.initialized(types.InitializedParams())
        yield session
    finally:
        await asyncio.wait_for(client.shutdown_async(None), SECONDS)
        client.exit(None)
        await asyncio.wait_for(client.stop(), SECONDS)


def apply_edits(text: str, action: types.CodeAction) -> str:
    """The text with an action's edits made, columns counted in UTF-16 as editors do."""
    lines = text.split("\n")
    edits = [e for change in action.edit.document_changes for e in change.edits]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(place: types.Position) -> int:
        return starts[place.line] + len(
            lines[place.line].encode("utf-16-le")[: 2 * place.character].decode("utf-16-le")
        )

    for edit in sorted(edits, key=lambda e: offset(e.range.start), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text
