"""What families of endpoints work with: events in, searches out, documents, who may ask, and the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import count, islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from harness.detection.engine import CellValue
from harness.detection.language import Settings
from harness.diagnostics import HarnessError
from harness.serve.access import Access
from harness.serve.documents import Documents
from harness.serve.journal import EventJournal
from harness.serve.journal_record import Received, encode_received
from harness.serve.options import ServeOptions
from harness.serve.request_body import BodiesInFlight
from harness.serve.search import SearchDone, SearchRequest, describe_search_error
from harness.serve.server_log import write_log

# Bytes of the journal that are taken into the store without waiting for a search; chosen.
BACKLOG = 8 << 20
CATCH_UP_SECONDS = 0.5


class SearchRun:
    """A search that was begun: `done` says what became of it, its rows lie in a file until it is closed."""

    def __init__(self, backend: Backend, number: int, request: SearchRequest, out: Path) -> None:
        self.backend, self.number, self.request, self.out = backend, number, request, out
        self.began = time.time()
        self.done: asyncio.Future[SearchDone] = asyncio.get_running_loop().create_future()

    def rows(self, offset: int = 0, most: int | None = None) -> Iterator[list[CellValue]]:
        """Its rows, each a list of cells in the order of the columns."""
        if not self.out.is_file():
            return
        with self.out.open("rb") as file:
            for line in islice(file, offset, None if most is None else offset + most):
                yield msgspec.json.decode(line)

    def cancel(self, said: str = "the search was cancelled") -> None:
        """Ends it."""
        if not self.done.done():
            self.backend.tell_room("cancel", self.number)
            self.backend.waiting.pop(self.number, None)
            self.done.set_result(SearchDone(error=said))

    def pause(self, *, paused: bool) -> None:
        """Lets it wait where it is, or go on."""
        if not self.done.done():
            self.backend.tell_room("pause" if paused else "go_on", self.number)

    def close(self) -> None:
        """Ends it and removes its rows."""
        self.cancel()
        self.out.unlink(missing_ok=True)


class Backend:
    """One server's state. Everything here is called from the server's one thread."""

    def __init__(self, options: ServeOptions, room: Connection) -> None:
        """`room` is the connection to the process that searches."""
        self.options, self.room = options, room
        self.documents = Documents(options.data / "documents")
        self.access = Access(token=options.token, user=options.user, documents=self.documents)
        self.journal = EventJournal(options.data / "journal")
        self.bodies = BodiesInFlight()
        self.results = options.data / "results"
        self.numbers = count(1)
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.indexed = 0
        self.started = time.time()
        given = Settings(switches=options.switches, zone=options.zone)
        self.settings = given if options.content is None else options.content.settings(given)

    async def open(self) -> None:
        """Begins to listen to the process that searches, and takes in what a crash left in the journal."""
        self.results.mkdir(parents=True, exist_ok=True)
        for old in self.results.iterdir():
            old.unlink()
        asyncio.get_running_loop().add_reader(self.room.fileno(), self.hear_room)
        self.catching_up = asyncio.create_task(self.catch_up())

    async def close(self) -> None:
        """Ends what runs."""
        for task in (self.catching_up, *self.tasks):
            task.cancel()
        asyncio.get_running_loop().remove_reader(self.room.fileno())
        self.room.close()
        self.journal.close()

    async def add_events(self, parts: Sequence[Received]) -> int:
        """Keeps what was received; gives its place in the journal once it would survive a crash.

        A search that begins afterwards sees it. Raises BufferError where too much waits, OSError for a full disk.
        """
        return await self.journal.append(encode_received(list(parts)))

    async def catch_up(self) -> None:
        """Takes what was received into the store while nobody searches, once it is much."""
        while True:
            await asyncio.sleep(CATCH_UP_SECONDS)
            if self.journal.end - self.indexed >= BACKLOG:
                await self.index()

    async def index(self) -> None:
        """Takes all that has been received so far into the store."""
        end = self.journal.end
        if end > self.indexed:
            try:
                reached = await self.ask_room("index", end, self.settings.props)
                self.indexed = max(self.indexed, int(reached))
            except HarnessError as error:
                self.indexed = end
                self.log(f"events were not indexed: {describe_search_error(error)}")

    async def begin_search(self, request: SearchRequest) -> SearchRun:
        """Begins a search over everything that has been received until now."""
        number = next(self.numbers)
        run = SearchRun(self, number, request, self.results / f"{number}.ndjson")
        task = asyncio.create_task(self.search(run))
        # Kept until it ends: the loop itself would not.
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return run

    async def search(self, run: SearchRun) -> None:
        """Runs a search from its beginning to its end."""
        await self.index()
        if run.done.done():
            return
        try:
            found = await self.ask_room("search", run.request, run.out, number=run.number)
        except HarnessError as error:
            found = SearchDone(error=describe_search_error(error))
        if not run.done.done():
            run.done.set_result(found)

    async def drop_events(self, numbers: Sequence[int]) -> None:
        """Takes events out of the store."""
        await self.ask_room("drop", tuple(numbers))

    async def drop_index(self, name: str) -> None:
        """Takes all events of an index out of the store."""
        await self.index()
        await self.ask_room("drop_index", name)

    async def ask_room(self, kind: str, *details: object, number: int = 0) -> Any:
        """What the process that searches answers. Raises HarnessError."""
        number = number or next(self.numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[number] = answer
        self.tell_room(kind, number, *details)
        return await answer

    def tell_room(self, kind: str, number: int, *details: object) -> None:
        """Sends something to the process that searches. Raises HarnessError where it is gone."""
        try:
            self.room.send((kind, number, *details))
        except OSError as error:
            raise HarnessError("no-engine", "the process that runs searches is gone") from error

    def hear_room(self) -> None:
        """Takes one answer."""
        try:
            message: tuple[str, int, Any] = self.room.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self.room.fileno())
            for answer in self.waiting.values():
                if not answer.done():
                    answer.set_exception(HarnessError("no-engine", "the process that runs searches is gone"))
            return
        kind, number, found = message
        asked = self.waiting.pop(number, None)
        if asked is None or asked.done():
            return
        if kind == "failed":
            asked.set_exception(found)
        else:
            asked.set_result(found)

    def log(self, message: str) -> None:
        """Tells whoever runs the server."""
        write_log(message)
