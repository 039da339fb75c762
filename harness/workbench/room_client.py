"""The server's side of the process that does the work: sessions that begin, take orders, say things and end."""

from __future__ import annotations

import asyncio
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from harness.diagnostics import HarnessError
from harness.workbench.session_request import SessionRequest

Said = dict[str, Any]


class SessionEnd(Exception):
    """A session has said all that it had to say."""


class RunningSession:
    """One session as the server sees it: what it has said and nobody has heard yet."""

    def __init__(self, room: RoomClient, number: int, subject: str) -> None:
        """`subject` is what tells whether it is about what is wanted now."""
        self.room, self.number, self.subject = room, number, subject
        self.messages: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.ended = False
        self.stale = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()
        self.cases: Said | None = None

    async def hear(self) -> Said:
        """The next thing it says. Raises HarnessError where it failed, SessionEnd at its end."""
        if self.ended and self.messages.empty():
            raise SessionEnd
        kind, said = await self.messages.get()
        if kind == "failed":
            raise said
        if kind == "ended":
            raise SessionEnd
        found: Said = said
        return found

    def take(self, kind: str, said: Any) -> None:
        """Keeps what it says for whoever listens."""
        if kind != "said":
            self.ended = True
            self.ready.set()
        elif "begun" in said:
            self.ready.set()
        elif "cases" in said:
            self.cases = said
        self.messages.put_nowait((kind, said))

    def listen(self) -> asyncio.Event:
        """Takes the place of whoever listened before; the event is set when somebody else does so in turn."""
        self.stale.set()
        self.stale = asyncio.Event()
        return self.stale

    async def hear_unless(self, stale: asyncio.Event) -> Said | None:
        """The next thing it says; None where nobody wants to know any more."""
        hearing, leaving = asyncio.ensure_future(self.hear()), asyncio.ensure_future(stale.wait())
        try:
            done, _ = await asyncio.wait((hearing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not hearing.done():
                hearing.cancel()
        return hearing.result() if hearing in done else None

    async def order(self, *what: Any) -> None:
        """Hands it an order, once it has taken the last one that it has to say so of."""
        await self.ready.wait()
        await self.room.send("order", self.number, what)

    async def end(self) -> None:
        """Ends it; who still listens hears its end."""
        if not self.ended:
            self.ended = True
            self.room.sessions.pop(self.number, None)
            self.take("ended", None)
            await self.room.send("end", self.number)


class RoomClient:
    """The connection to the process that does the work."""

    def __init__(self, room: Connection) -> None:
        """`room` was opened before any thread was started."""
        self.room = room
        self.numbers = count(1)
        self.sessions: dict[int, RunningSession] = {}
        self.turn = asyncio.Lock()

    def open(self) -> None:
        """Begins to listen."""
        asyncio.get_running_loop().add_reader(self.room.fileno(), self.receive)

    def close(self) -> None:
        """Lets go of the process, which ends it and all sessions."""
        asyncio.get_running_loop().remove_reader(self.room.fileno())
        self.room.close()

    async def begin(self, name: str, request: SessionRequest, subject: str = "") -> RunningSession:
        """Starts a session."""
        session = RunningSession(self, next(self.numbers), subject)
        self.sessions[session.number] = session
        await self.send("begin", session.number, name, request)
        return session

    async def send(self, *message: Any) -> None:
        """Sends something. Raises HarnessError where the process is gone."""
        # In a thread: it may be sending to us at that moment, and neither must wait for the other.
        async with self.turn:
            try:
                await asyncio.to_thread(self.room.send, message)
            except OSError as error:
                raise HarnessError("process-died", "the process that runs rules is gone") from error

    def receive(self) -> None:
        """Takes one thing that a session says."""
        try:
            kind, number, said = self.room.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self.room.fileno())
            gone = HarnessError("process-died", "the process that runs rules is gone", help="start `detlab ui` again")
            for session in self.sessions.values():
                session.take("failed", gone)
            return
        known = self.sessions.get(number)
        if known is None:
            return
        known.take(kind, said)
        if kind != "said":
            del self.sessions[number]
