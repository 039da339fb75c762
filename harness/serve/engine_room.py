"""The process behind a server: it forks a child for each search, within limits, and one that writes the store.

It was forked before the server had any thread, imports what searches need once, and dies with the server.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Never

from harness.detection.engine import DEFAULT_ENGINE, import_engine
from harness.detection.language import language, list_languages
from harness.diagnostics import HarnessError, explain_failure
from harness.garbage import collect_nothing
from harness.serve.options import SEARCHES_AT_ONCE, ServeOptions
from harness.supervisor import POLL, Child, die_with, unit_of_work

Message = tuple[Any, ...]
IDLE = 0.5
"""Seconds between two looks where nothing runs."""


@dataclass(slots=True)
class WriterChild:
    """The child that writes the store: where commands go, and those that it has not answered."""

    child: Child
    orders: Connection
    unanswered: deque[Message] = field(default_factory=deque)


class EngineRoom:
    """Does what the server asks: searches side by side, changes of the store one after another."""

    def __init__(self, server: Connection, options: ServeOptions) -> None:
        self.server, self.options = server, options
        self.searches: dict[int, Child] = {}
        self.waiting: deque[Message] = deque()
        self.writer: WriterChild | None = None
        self.failed: Message | None = None
        self.begun: dict[int, Message] = {}
        self.paused: set[int] = set()

    def run(self) -> None:
        """Works until the server is gone."""
        while True:
            ends = [self.server, *(c.received for c in self.searches.values())]
            if self.writer is not None:
                ends.append(self.writer.child.received)
            busy = self.searches or (self.writer is not None and self.writer.unanswered)
            for ready in wait(ends, POLL if busy else IDLE):
                assert isinstance(ready, Connection)
                if ready is self.server:
                    self.take(self.server.recv())
                else:
                    self.hear(ready)
            self.stop_excess()
            while (found := self.find_next()) is not None:
                self.start_search(*found)

    def take(self, message: Message) -> None:
        """One thing that the server asks."""
        kind, number, *rest = message
        if kind == "search":
            self.waiting.append((number, *rest))
        elif kind == "cancel":
            self.cancel(number)
        elif kind in ("pause", "go_on"):
            self.pause(number, paused=kind == "pause")
        else:
            self.order((kind, number, *rest))

    def pause(self, number: int, *, paused: bool) -> None:
        """Stops a search where it is, or lets it go on; its time limit counts on."""
        (self.paused.add if paused else self.paused.discard)(number)
        if child := self.searches.get(number):
            os.kill(child.pid, signal.SIGSTOP if paused else signal.SIGCONT)

    def find_next(self) -> Message | None:
        """The search to start now, taken out of those that wait; None where none may."""
        chosen = next((m for m in self.waiting if m[0] not in self.paused), None)
        if chosen is None:
            return None
        if len(self.searches) >= SEARCHES_AT_ONCE:
            stopped = next((n for n in self.searches if n in self.paused), None)
            if stopped is None:
                return None
            # A search that stands still must not hold up others: it begins anew once it may go on.
            self.searches.pop(stopped).kill()
            self.waiting.append(self.begun[stopped])
        self.waiting.remove(chosen)
        return chosen

    def start_search(self, number: int, request: Any, out: Path) -> None:
        """Runs a search in a child of its own."""
        child = Child(self.options.limits, close=self.list_ends())
        if not child.pid:
            work_in_child(child, lambda: child.sent.send(self.search(request, out)))
        self.searches[number], self.begun[number] = child, (number, request, out)

    def search(self, request: Any, out: Path) -> Any:
        """What became of a search."""
        with unit_of_work(self.options.limits.seconds):
            return import_module("harness.serve.search").answer_search(request, self.options.data / "store", out)

    def cancel(self, number: int) -> None:
        """Ends a search, running or waiting."""
        self.waiting = deque(m for m in self.waiting if m[0] != number)
        self.forget(number)
        if child := self.searches.pop(number, None):
            child.kill()

    def forget(self, number: int) -> None:
        """Keeps nothing of a search that has ended."""
        self.begun.pop(number, None)
        self.paused.discard(number)

    def order(self, message: Message) -> None:
        """Hands a change to the writer."""
        if self.writer is None:
            self.writer = self.start_writer()
        self.writer.unanswered.append(message)
        # A writer that has just died answers nothing; `hear` starts another one with what is unanswered.
        if len(self.writer.unanswered) == 1:
            self.send_order(message)

    def send_order(self, message: Message) -> None:
        """Sends the next change."""
        assert self.writer is not None
        try:
            self.writer.orders.send(message)
        except OSError:
            return

    def start_writer(self) -> WriterChild:
        """A child that has the store to itself."""
        taken, given = Pipe(duplex=False)
        child = Child(self.options.limits, close=[*self.list_ends(), given])
        if not child.pid:
            work_in_child(child, lambda: follow_orders(taken, child.sent.send, self.options))
        taken.close()
        return WriterChild(child, given)

    def list_ends(self) -> list[Connection]:
        """The ends of pipes that no child may hold open."""
        ends = [self.server, *(c.received for c in self.searches.values())]
        return ends if self.writer is None else [*ends, self.writer.child.received, self.writer.orders]

    def hear(self, end: Connection) -> None:
        """What a child says, or that it is gone."""
        if self.writer is not None and end is self.writer.child.received:
            self.hear_writer(self.writer)
            return
        number = next(n for n, c in self.searches.items() if c.received is end)
        child = self.searches[number]
        self.forget(number)
        try:
            said = end.recv()
        except (EOFError, OSError):
            del self.searches[number]
            self.server.send(("failed", number, child.explain_end(child.reap())))
            return
        del self.searches[number]
        child.reap()
        self.server.send(("done", number, said))

    def hear_writer(self, writer: WriterChild) -> None:
        """An answer of the writer, or its end: then another one does what is unanswered."""
        try:
            said = writer.child.received.recv()
        except (EOFError, OSError):
            self.replace_writer(writer, writer.child.explain_end(writer.child.reap()))
            return
        writer.unanswered.popleft()
        self.server.send(said)
        if writer.unanswered:
            self.send_order(writer.unanswered[0])

    def replace_writer(self, writer: WriterChild, error: HarnessError) -> None:
        """Starts another writer; an order that ends two of them is left out, which is told."""
        writer.orders.close()
        left = writer.unanswered
        self.writer = None
        if left and left[0] == self.failed:
            kind, number, *rest = left.popleft()
            self.server.send(("failed", number, error))
            # Else the same events would end each writer there will be.
            if kind == "index":
                left.appendleft(("skip", -1, *rest))
        self.failed = left[0] if left else None
        if left:
            self.writer = self.start_writer()
            self.writer.unanswered = left
            self.send_order(left[0])

    def stop_excess(self) -> None:
        """Ends children that are beyond a limit."""
        for number, child in [*self.searches.items()]:
            if excess := child.find_excess():
                del self.searches[number]
                self.forget(number)
                child.kill()
                self.server.send(("failed", number, excess))
        if self.writer is not None and (excess := self.writer.child.find_excess()):
            writer = self.writer
            writer.child.kill()
            self.replace_writer(writer, excess)


def work_in_child(child: Child, work: Callable[[], object]) -> Never:
    """What a child does from its beginning to its end."""
    code = 70
    try:
        work()
        code = 0
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        code = 0
    finally:
        os._exit(code)


def follow_orders(orders: Connection, tell: Callable[[object], None], options: ServeOptions) -> None:
    """The writer's work: changes as they are ordered, each answered when it is committed."""
    index = import_module("harness.serve.event_index").EventIndex(options.data)
    actions: dict[str, Callable[..., object]] = {
        "index": index.catch_up,
        "skip": index.skip,
        "files": index.add_files,
        "drop": index.drop_events,
        "drop_index": index.drop_index,
    }
    while True:
        kind, number, *rest = orders.recv()
        try:
            with unit_of_work(options.limits.seconds):
                actions[kind](*rest)
            tell(("done", number, index.place.journal))
        except Exception as error:
            tell(("failed", number, explain_failure(error)))


def open_engine_room(options: ServeOptions) -> Connection:
    """Forks the process behind a server: the connection to it. Before any thread is started."""
    ours, theirs = Pipe()
    parent = os.getpid()
    if os.fork():
        theirs.close()
        return ours
    try:
        ours.close()
        die_with(parent)
        # Ctrl-C ends the server, which ends this.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with collect_nothing():
            import_for_searches()
        EngineRoom(theirs, options).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        os._exit(0)


def import_for_searches() -> None:
    """Imports what searches need, once for all of them."""
    import_engine(DEFAULT_ENGINE)
    import_module("harness.serve.search")
    import_module("harness.serve.event_index")
    for name in list_languages():
        language(name)
