"""The language server: documents as they are typed, findings, and questions handed on to children that read them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from harness import __version__
from harness.diagnostics import HarnessError
from harness.editor.document_text import DocumentText
from harness.editor.open_document import OpenDocument, find_path
from harness.editor.rule_runs import RuleRuns
from harness.editor.worker_process import WorkerKilledError, WorkerProcess

# Chosen, no source: keys come 100 ms apart and more, and findings are to show within 200 ms of the last one.
SECONDS_OF_QUIET = 0.03
LONGEST_WAIT = 0.6
# The published rules take 10 to 40 ms, on a machine that does much else ten times that.
SECONDS_TO_READ = 8.0
SECONDS_TO_ANSWER = 5.0
SECONDS_OF_STALE_WORK = 1.5
"""How long a child may go on with a text that has changed since."""


class EditorProtocol(LanguageServerProtocol):
    """The protocol with documents of our own: pygls ends lines where editors do not, at form feeds for one."""

    _server: DetlabServer

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """Keeps a document and looks through it."""
        self._server.open(params.text_document)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """Changes a document and looks through it once the keys rest."""
        document = self._server.documents.get(params.text_document.uri)
        if document is not None:
            document.change(list(params.content_changes))
            document.version = params.text_document.version
            self._server.reread(document)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """Forgets a document and takes its findings back."""
        self._server.close(params.text_document.uri)

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Ends the children."""
        self._server.end_children()
        yield from super().lsp_shutdown(*args)


class DetlabServer(LanguageServer):
    """The documents of an editor, the two children that read them, and the runs of their rules.

    One child looks for findings, the other answers questions, so that neither waits for the other.
    """

    def __init__(self) -> None:
        super().__init__("detlab", __version__, protocol_cls=EditorProtocol)
        self.documents: dict[str, OpenDocument] = {}
        self.reader, self.answerer = WorkerProcess(), WorkerProcess()
        self.runs = RuleRuns()
        self.run_on_save, self.events, self.manual = True, "", ""
        self.trusts_python = self.warm = False
        self.tasks: set[asyncio.Task[Any]] = set()

    @property
    def encoding(self) -> str:
        """In which units the editor counts columns."""
        return str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding))

    def begin(self, work: Any) -> asyncio.Task[Any]:
        """Begins work beside everything else."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        # The loop itself keeps weak references only.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def configure(self, options: Any) -> None:
        """Takes what an editor's settings say."""
        given = options if isinstance(options, dict) else {}
        self.run_on_save = given.get("runOnSave") is not False
        self.trusts_python = given.get("trustPython") is True
        self.events, self.manual = (v if isinstance(v := given.get(k), str) else "" for k in ("events", "manual"))

    def open(self, item: types.TextDocumentItem) -> None:
        """Keeps a document and looks through it."""
        self.documents[item.uri] = document = OpenDocument(
            uri=item.uri,
            language_id=str(getattr(item.language_id, "value", item.language_id)),
            content=DocumentText(item.text, self.encoding),
            version=item.version,
            path=find_path(item.uri),
            manual=self.manual,
        )
        self.reread(document)

    def close(self, uri: str) -> None:
        """Forgets a document and takes its findings back."""
        document = self.documents.pop(uri, None)
        if document is not None:
            if document.task is not None:
                document.changed = False
            self.publish(uri, [], None)

    def reread(self, document: OpenDocument) -> None:
        """Has a document looked through once no key has been pressed for a moment."""
        document.changed = True
        if document.task is None or document.task.done():
            document.task = self.begin(self.keep_read(document))
        else:
            loop, number = asyncio.get_running_loop(), self.reader.number
            loop.call_later(SECONDS_OF_STALE_WORK, self.reader.abandon, document.uri, number)

    async def keep_read(self, document: OpenDocument) -> None:
        """Looks through a document until it does not change any more."""
        while document.changed:
            await self.wait_for_quiet(document)
            document.changed = False
            content, version = document.content, document.version
            began = monotonic()
            try:
                found = await self.reader.ask(document.describe("analyse"), SECONDS_TO_READ)
            except WorkerKilledError as error:
                # Killed since the text has changed: what is there now is looked at next.
                if document.changed:
                    continue
                found = {"findings": [build_failure(error)], "rules": [], "kind": ""}
            except HarnessError as error:
                found = {"findings": [build_failure(error)], "rules": [], "kind": ""}
            document.seconds = monotonic() - began
            if document.content is content and self.documents.get(document.uri) is document:
                document.found, document.found_in = found, content
                self.publish(document.uri, document.list_diagnostics(), version)
            if not self.warm:
                self.warm = True
                self.begin(self.warm_up())

    async def warm_up(self) -> None:
        """Has the fields of events read, once there is a document and its findings are shown."""
        with suppress(HarnessError):
            folder = next((str(find_path(f.uri)) for f in self.workspace.folders.values()), "")
            await self.answerer.ask({"do": "warm", "events": self.events, "folder": folder}, SECONDS_TO_ANSWER)

    async def wait_for_quiet(self, document: OpenDocument) -> None:
        """Waits until the keys rest, longer for a document that takes long, but never for ever."""
        pause = max(SECONDS_OF_QUIET, min(LONGEST_WAIT, document.seconds - 0.1))
        until = monotonic() + LONGEST_WAIT
        while True:
            content = document.content
            await asyncio.sleep(pause)
            if document.content is content or monotonic() > until:
                return

    async def wait_until_read(self, document: OpenDocument) -> None:
        """Waits until a document has been looked through as it is now."""
        if document.task is not None and document.found_in is not document.content:
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS_TO_ANSWER):
                    await asyncio.shield(document.task)

    async def ask(self, uri: str, do: str, **more: Any) -> Any:
        """The answer to a question about an open document; None where there is none."""
        document = self.documents.get(uri)
        if document is None:
            return None
        try:
            return await self.answerer.ask(document.describe(do, **more), SECONDS_TO_ANSWER)
        except HarnessError as error:
            self.say(f"{do}: {error.message}")
            return None

    def publish(self, uri: str, diagnostics: list[types.Diagnostic], version: int | None) -> None:
        """Shows the findings of a document."""
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri=uri, diagnostics=diagnostics, version=version)
        )

    def say(self, message: str) -> None:
        """Writes a line to the editor's log."""
        self.window_log_message(types.LogMessageParams(type=types.MessageType.Info, message=message))

    async def forget_projects(self) -> None:
        """Has projects read again, and every open document looked through."""
        for worker in (self.reader, self.answerer):
            with suppress(HarnessError):
                await worker.ask({"do": "forget"}, SECONDS_TO_ANSWER)
        for document in self.documents.values():
            self.reread(document)

    def find_folder(self, path: Path) -> Path:
        """Where a document's run is started: the workspace that holds it, else its own folder."""
        roots = [find_path(folder.uri) for folder in self.workspace.folders.values()]
        return next((root for root in roots if path.is_relative_to(root)), path.parent)

    def end_children(self) -> None:
        """Ends every child."""
        for worker in (self.reader, self.answerer):
            worker.kill()
        self.runs.stop()


def build_failure(error: HarnessError) -> dict[str, Any]:
    """A failure as a finding at the beginning of a document."""
    said = {"code": error.code, "message": error.message, "help": error.help}
    return {"start": 0, "end": 1, "severity": "error", "edits": [], **said}
