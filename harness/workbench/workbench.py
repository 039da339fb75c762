"""The state of one workbench: its folder, the children that read texts, the sessions of each page that is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError
from harness.editor.worker_process import WorkerKilledError, WorkerProcess
from harness.workbench.project_rules import WorkFolder
from harness.workbench.room_client import RoomClient, RunningSession, Said, SessionEnd
from harness.workbench.session_request import SessionRequest

# As in the language server, where the reasons stand.
SECONDS_FOR_TEXTS = 8.0
SECONDS_FOR_ANSWERS = 5.0
SECONDS_OF_STALE_WORK = 1.5
# Chosen, no source: a person has one page open, perhaps two; each holds the events of a rule's scenarios.
MOST_PAGES = 3


@dataclass(slots=True)
class PageState:
    """What one open page has running, by kind, and which of its texts is the newest."""

    sessions: dict[str, RunningSession] = field(default_factory=dict)
    newest: int = 0


class Workbench:
    """Everything here is called from the server's one thread; nothing here reads or runs a rule."""

    def __init__(self, folder: WorkFolder, room: RoomClient, opened: Path | None) -> None:
        """`opened` is the rule that was named on the command line."""
        self.folder, self.room, self.opened = folder, room, opened
        self.reader, self.answerer = WorkerProcess(), WorkerProcess()
        self.reading = asyncio.Lock()
        self.pages: dict[str, PageState] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.numbers = count(1)
        self.settings_stamp = self.stamp_settings()

    async def open(self) -> None:
        """Begins to listen, and starts the children that read texts before the first key."""
        self.room.open()
        self.warming = asyncio.ensure_future(self.warm_up())

    async def warm_up(self) -> None:
        """Starts the children, and has the fields of events read, which completion offers."""
        with suppress(HarnessError):
            await self.forget()
            await self.answerer.ask({"do": "warm", "events": "", "folder": str(self.folder.path)}, SECONDS_FOR_ANSWERS)

    async def close(self) -> None:
        """Ends every child."""
        self.warming.cancel()
        for worker in (self.reader, self.answerer):
            worker.kill()
        self.room.close()

    async def forget(self) -> None:
        """Has projects read again, whose settings, macros or lookups may have changed."""
        for worker in (self.reader, self.answerer):
            await worker.ask({"do": "forget"}, SECONDS_FOR_ANSWERS)

    def stamp_settings(self) -> tuple[int, int]:
        """What tells whether the project's settings have changed since."""
        try:
            held = self.folder.settings.stat() if self.folder.settings else None
        except OSError:
            return 0, 0
        return (held.st_mtime_ns, held.st_size) if held else (0, 0)

    @property
    def restart_needed(self) -> bool:
        """Whether rules are run with settings that the file does not hold any more."""
        return self.stamp_settings() != self.settings_stamp

    def find_page(self, name: str) -> PageState:
        """The state of an open page; of too many the oldest is forgotten."""
        known = self.pages.pop(name, None) or PageState()
        self.pages[name] = known
        while len(self.pages) > MOST_PAGES:
            old = self.pages.pop(next(iter(self.pages)))
            for session in old.sessions.values():
                self.begin(session.end())
        return known

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins work that nobody waits for."""
        task = asyncio.ensure_future(work)
        # The loop itself keeps weak references only.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def analyse(self, page: str, path: Path, text: str) -> Said:
        """Findings and colours of a text; `stale` where the page has sent another one meanwhile."""
        state = self.find_page(page)
        state.newest = mine = next(self.numbers)
        subject = {"uri": f"{page} {path}", "path": str(path), "text": text, "language": path.suffix.lstrip(".")}
        if self.reader.busy:
            loop, number = asyncio.get_running_loop(), self.reader.number
            loop.call_later(SECONDS_OF_STALE_WORK, self.reader.abandon, subject["uri"], number)
        async with self.reading:
            if state.newest != mine:
                return {"stale": True}
            try:
                found = await self.reader.ask({"do": "analyse", **subject}, SECONDS_FOR_TEXTS)
                colours = await self.reader.ask({"do": "colours", **subject}, SECONDS_FOR_TEXTS)
            except WorkerKilledError:
                if state.newest != mine:
                    return {"stale": True}
                raise
        return {"findings": found["findings"], "colours": colours}

    async def ask(self, do: str, path: Path, text: str, **more: Any) -> Any:
        """The answer to a question about a place in a text."""
        subject = {"uri": str(path), "path": str(path), "text": text, "language": path.suffix.lstrip(".")}
        return await self.answerer.ask({"do": do, **subject, **more}, SECONDS_FOR_ANSWERS)

    async def explain(self, language: str, word: str, *, command: bool) -> Any:
        """The manual of a word."""
        request = {"do": "explain", "language": language, "word": word, "command": command}
        return await self.answerer.ask(request, SECONDS_FOR_ANSWERS)

    async def list_project_rules(self) -> Said:
        """The rules of the folder."""
        session = await self.room.begin("rules", SessionRequest(root=self.folder.path))
        try:
            return await session.hear()
        finally:
            await session.end()

    async def judge(self, page: str, request: SessionRequest, focus: str, *, every: bool) -> AsyncIterator[Said]:
        """What scenarios say of a text, as it comes; another call for the same page ends this one."""
        session = await self.find_verdicts(page, request)
        number = next(self.numbers)
        stale = session.listen()
        if session.cases is not None:
            yield session.cases
        await session.order(number, request.text, focus, every)
        while (said := await session.hear_unless(stale)) is not None:
            if said.get("number", number) == number:
                yield said
                if said.get("done"):
                    return
        yield {"stale": True}

    async def find_verdicts(self, page: str, request: SessionRequest) -> RunningSession:
        """The page's session of a rule, which another one takes the place of once the page opens another rule."""
        sessions = self.find_page(page).sessions
        known = sessions.get("verdicts")
        if known is not None and known.subject == str(request.rule) and not known.ended:
            return known
        return await self.replace_session(page, "verdicts", request, str(request.rule))

    async def replace_session(self, page: str, name: str, request: SessionRequest, subject: str) -> RunningSession:
        """A new session in place of the page's last one of this kind."""
        sessions = self.find_page(page).sessions
        if old := sessions.pop(name, None):
            await old.end()
        made = sessions[name] = await self.room.begin(name, request, subject)
        return made

    async def study(self, page: str, name: str, request: SessionRequest) -> AsyncIterator[Said]:
        """What a study of a text says; the one before it is ended."""
        session = await self.replace_session(page, name, request, request.text)
        said: Said | None = None
        try:
            said = await session.hear()
            yield said
        except SessionEnd:
            yield {"stale": True}
        finally:
            # Whoever asked has gone, or has typed on.
            if said is None:
                self.begin(session.end())

    async def find_point(self, page: str, values: list[float]) -> Said:
        """A setting of the page's study of numbers. Raises HarnessError where there is none."""
        session = self.find_page(page).sessions.get("tune")
        if session is None or session.ended:
            raise HarnessError("no-study", "there is no study of this text", help="run it again")
        number = next(self.numbers)
        stale = session.listen()
        await session.order(number, values)
        try:
            while (said := await session.hear_unless(stale)) is not None:
                if said.get("number") == number:
                    return said
        except SessionEnd:
            pass
        return {"stale": True}
