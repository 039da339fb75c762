"""The process behind the workbench: it forks a child for each session, within limits, and kills it when told to.

It was forked before the server had any thread, imports what rules need once, and dies with the server.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from harness.detection.engine import import_engine
from harness.detection.language import language, list_languages
from harness.diagnostics import HarnessError, explain_failure
from harness.garbage import collect_nothing
from harness.run_options import RunOptions
from harness.supervisor import DEADLINE, POLL, Child, die_with
from harness.workbench.session_request import SessionRequest, list_sessions

SECONDS_BETWEEN_LOOKS = 0.5
"""Seconds between two looks where no child has a deadline."""


@dataclass(slots=True)
class ChildSession:
    """A running child and the end of the pipe by which it is given orders."""

    child: Child
    orders: Connection


class StudyRoom:
    """Begins and ends sessions, hands orders down and what children say up."""

    def __init__(self, server: Connection, chosen: RunOptions) -> None:
        """`chosen` holds for every session."""
        self.server, self.chosen = server, chosen
        self.sessions: dict[int, ChildSession] = {}

    def run(self) -> None:
        """Works until the server is gone."""
        while True:
            ends = {s.child.received: n for n, s in self.sessions.items()}
            busy = any(s.child.board.slots[DEADLINE] for s in self.sessions.values())
            for ready in wait([self.server, *ends], POLL if busy else SECONDS_BETWEEN_LOOKS):
                assert isinstance(ready, Connection)
                if ready is self.server:
                    self.take(*self.server.recv())
                elif (number := ends[ready]) in self.sessions:
                    self.hear(number)
            for number in [n for n, s in self.sessions.items() if s.child.find_excess()]:
                self.end(number, self.sessions[number].child.find_excess())

    def take(self, kind: str, number: int, *rest: Any) -> None:
        """One thing that the server asks: to begin a session, to hand it an order, to end it."""
        if kind == "begin":
            self.begin(number, *rest)
        elif kind == "end":
            self.end(number, None)
        elif session := self.sessions.get(number):
            # Its end is heard next.
            with suppress(OSError):
                session.orders.send(rest[0])

    def begin(self, number: int, name: str, request: SessionRequest) -> None:
        """Starts a session's child."""
        # Both ways, for their larger buffer: a text must fit, whatever the child is doing.
        orders, given = Pipe()
        ends = [e for s in self.sessions.values() for e in (s.child.received, s.orders)]
        child = Child(self.chosen.limits, close=[self.server, given, *ends])
        if not child.pid:
            follow_session(child, name, request, self.chosen, orders)
        orders.close()
        self.sessions[number] = ChildSession(child, given)

    def end(self, number: int, error: HarnessError | None) -> None:
        """Kills a session, if it runs, and tells why where the server did not ask for it."""
        session = self.sessions.pop(number, None)
        if session is not None:
            session.orders.close()
            session.child.kill()
            if error is not None:
                self.server.send(("failed", number, error))

    def hear(self, number: int) -> None:
        """What a child says, or that it is gone."""
        session = self.sessions[number]
        try:
            kind, said = session.child.received.recv()
        except (EOFError, OSError):
            del self.sessions[number]
            session.orders.close()
            code = session.child.reap()
            error = session.child.explain_end(code) if code else None
            self.server.send(("failed", number, error) if error else ("ended", number, None))
            return
        self.server.send((kind, number, said))


def follow_session(child: Child, name: str, request: SessionRequest, chosen: RunOptions, orders: Connection) -> None:
    """What a session's child does from its beginning to its end; it does not come back."""
    code = 70
    try:
        run = import_module(f"harness.workbench.sessions.{name}").run_session
        try:
            run(request, chosen, orders, lambda said: child.sent.send(("said", said)))
        except (KeyboardInterrupt, EOFError, BrokenPipeError):
            raise
        except BaseException as error:
            child.sent.send(("failed", explain_failure(error)))
        code = 0
    except (KeyboardInterrupt, EOFError, OSError):
        code = 0
    finally:
        os._exit(code)


def open_study_room(chosen: RunOptions) -> Connection:
    """Forks the process behind the workbench: the connection to it. Before any thread is started."""
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
            import_for_sessions(chosen)
        StudyRoom(theirs, chosen).run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        os._exit(0)


def import_for_sessions(chosen: RunOptions) -> None:
    """Imports what sessions need, once for all of them."""
    import_engine(chosen.engine)
    for name in list_sessions():
        import_module(f"harness.workbench.sessions.{name}")
    for name in list_languages():
        language(name)
