"""Limits that hold: work in a forked child that a supervisor kills at its deadline or above its memory.

The child says in shared memory until when its unit of work may take; the parent looks fifty times a second. Neither
needs the other's help: whatever Python, a regular expression or the engine is doing, the parent kills.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import ClassVar, Never

from harness.control_group import list_limit_files
from harness.diagnostics import HarnessError
from harness.record import record
from harness.scratch_folder import ScratchFolder

if sys.platform != "win32":
    import resource

POLL = 0.03
"""Seconds between two looks at a child; what it can allocate meanwhile is the margin below its memory limit."""
# A child was seen to grow by up to 3 GB a second, that is by 90 MB between two looks; less than that is not seen.
MEMORY_MARGIN = 0.93
# The engine stops a statement at the deadline itself, which leaves the child alive; chosen, no source.
OVERTIME = 0.2
# Allocators reserve what they never touch (mimalloc 1 GiB at once), which RLIMIT_DATA counts.
RESERVED = 2 << 30
# Of the machine's or the control group's memory; the rest is the system's and the supervisor's. Chosen, no source.
SHARE_OF_MEMORY = 0.75
# Whatever a machine says of itself, a rule on a few events needs 250 MB; chosen, no source.
LEAST_MEMORY = 512 << 20
"""The smallest limit of memory that can be set."""
# After Ctrl-C; chosen, no source.
SECONDS_TO_END = 2.0
INTERRUPTED = 128 + signal.SIGINT
DEADLINE, PLACE, PLACE_SLOTS = 0, 1, 2
"""Slots of a board: when the unit of work must end, and the numbers of what it is on."""


@record(kw_only=True)
class Limits:
    """Seconds for a unit of work and bytes for the process that does it; `isolated` is whether that is a child.

    `unbound`: somebody asked for none, so nothing sees to them while Python computes. `network`: it may open sockets.
    """

    seconds: float
    memory: int
    isolated: bool = False
    unbound: bool = False
    network: bool = False


class Board:
    """What a process tells of its work, in memory that it shares with its supervisor."""

    current: ClassVar[Board]

    def __init__(self, memory: int | None = None) -> None:
        """Of a process that may use so many bytes, if somebody sees to that."""
        # Doubles, since a write of eight aligned bytes cannot be seen half done.
        self.slots = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("B").cast("d")
        self.memory = memory

    def is_overdue(self) -> bool:
        """Whether a unit of work should have ended."""
        deadline = self.slots[DEADLINE]
        return bool(deadline) and time.monotonic() > deadline + OVERTIME

    def place(self) -> tuple[int, ...]:
        """The numbers of what the work is on."""
        return tuple(int(n) for n in self.slots[PLACE : PLACE + PLACE_SLOTS])


Board.current = Board()


@contextmanager
def unit_of_work(seconds: float, *place: int) -> Iterator[None]:
    """Work that ends within so many seconds, or is ended; within another unit only that one's deadline counts.

    Raises HarnessError where memory is not enough.
    """
    slots = Board.current.slots
    if slots[DEADLINE]:
        yield
        return
    mark_place(*place)
    slots[DEADLINE] = time.monotonic() + seconds
    try:
        yield
    except MemoryError:
        raise memory_error(Board.current.memory) from None
    finally:
        slots[DEADLINE] = 0.0


def begin_unit(seconds: float) -> None:
    """Begins a unit of work that lasts until the process ends."""
    Board.current.slots[DEADLINE] = time.monotonic() + seconds


def end_unit() -> None:
    """Ends the unit of work: what is left, as printing the rows, is not the rule's and is not cut in the middle."""
    Board.current.slots[DEADLINE] = 0.0


def mark_place(*place: int) -> None:
    """Says what the work is on, for whoever has to tell why it ended."""
    for slot, number in enumerate(place, PLACE):
        Board.current.slots[slot] = number


def measure_seconds_left(seconds: float) -> float:
    """So many seconds, or fewer where the unit of work ends before."""
    deadline = Board.current.slots[DEADLINE]
    return max(0.001, min(seconds, deadline - time.monotonic())) if deadline else seconds


def time_limit_error(seconds: float) -> HarnessError:
    """What is said of a rule that took too long."""
    hint = "narrow the search first, or allow more with --time-limit"
    return HarnessError("time-limit", f"it ran for more than {seconds:g} s and was stopped", help=hint)


def memory_error(memory: int | None) -> HarnessError:
    """What is said of a rule that needed too much memory."""
    bound = f"more than {format_bytes(memory)} of memory" if memory else "more memory than there is"
    hint = "narrow the search first, or allow more with --memory-limit"
    return HarnessError("memory-limit", f"it needed {bound} and was stopped", help=hint)


def format_bytes(number: int) -> str:
    """A number of bytes for people."""
    return f"{number / 1e9:.3g} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def default_memory() -> int:
    """Three quarters of the machine's memory, or of the control group's where that is less."""
    # Where nobody can be bound (Windows), nothing is said of it either.
    if not hasattr(os, "sysconf"):
        return LEAST_MEMORY
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in list_limit_files():
        # "max" stands for none.
        with suppress(OSError, ValueError):
            found.append(int(file.read_text()))
    return max(LEAST_MEMORY, int(min(found) * SHARE_OF_MEMORY))


def can_supervise() -> bool:
    """Whether this process can fork a child that is bound: a fork beside other threads can hold a lock for ever."""
    return hasattr(os, "fork") and sys.platform.startswith("linux") and threading.active_count() == 1


def die_with(parent: int) -> None:
    """Has the kernel kill this process when its parent ends, however that ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    # It may have ended before that call.
    if os.getppid() != parent:
        os._exit(INTERRUPTED)


# Of linux/audit.h and the tables of system calls.
SOCKET_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


class FilterProgram(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny_network() -> None:
    """Has the kernel refuse sockets of IPv4 and IPv6 to this process and its children, where it can filter calls."""
    if os.uname().machine not in SOCKET_CALLS:
        return
    architecture, socket_call = SOCKET_CALLS[os.uname().machine]
    load, jump_if_equal, give, allow, refuse = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000 | 13
    steps = (
        (load, 0, 0, 4),
        (jump_if_equal, 0, 5, architecture),
        (load, 0, 0, 0),
        (jump_if_equal, 0, 3, socket_call),
        (load, 0, 0, 16),
        (jump_if_equal, 2, 0, 2),
        (jump_if_equal, 1, 0, 10),
        (give, 0, 0, allow),
        (give, 0, 0, refuse),
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    library = ctypes.CDLL(None)
    pr_set_no_new_privs, pr_set_seccomp, filter_mode = 38, 22, 2
    library.prctl(pr_set_no_new_privs, 1, 0, 0, 0)
    library.prctl(pr_set_seccomp, filter_mode, ctypes.byref(FilterProgram(len(steps), code)))


class Child:
    """A forked process within limits: its board, what it sends, how it ended."""

    def __init__(self, limits: Limits, close: Sequence[Connection] = ()) -> None:
        """Forks; in the child `pid` is 0. `close` are ends of pipes of others, which only the parent needs."""
        self.limits, self.board = limits, Board(limits.memory)
        self.received, self.sent = Pipe(duplex=False)
        # What a killed child spilled is removed by its parent, and by the next start where that was killed too.
        self.scratch = ScratchFolder("detlab-")
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid:
            self.sent.close()
            # Kept open: it is read so often that opening it each time would show.
            self.pages = os.open(f"/proc/{self.pid}/statm", os.O_RDONLY | os.O_CLOEXEC)
            return
        for end in (self.received, *close):
            end.close()
        die_with(parent)
        if not limits.network:
            deny_network()
        most = limits.memory + RESERVED
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        tempfile.tempdir = str(self.scratch.path)
        Board.current = self.board

    def find_excess(self) -> HarnessError | None:
        """Which limit it is beyond, if it is."""
        if self.board.is_overdue():
            return time_limit_error(self.limits.seconds)
        return memory_error(self.limits.memory) if self.memory() > self.limits.memory * MEMORY_MARGIN else None

    def memory(self) -> int:
        """Bytes of memory that it holds; none once it has ended."""
        with suppress(OSError, IndexError):
            return int(os.pread(self.pages, 64, 0).split()[1]) * mmap.PAGESIZE
        return 0

    def kill(self) -> None:
        """Ends it at once, and waits until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.reap()

    def reap(self) -> int:
        """Its exit code once it has ended; negative for a signal."""
        _, status, used = os.wait4(self.pid, 0)
        self.received.close()
        os.close(self.pages)
        self.scratch.remove()
        # In KiB on Linux.
        self.peak = used.ru_maxrss << 10
        return os.waitstatus_to_exitcode(status)

    def explain_end(self, code: int) -> HarnessError:
        """Why a child ended that was not to end so."""
        if code < 0 and self.peak > self.limits.memory / 2:
            # Libraries in C end the process where an allocation fails.
            return memory_error(self.limits.memory)
        how = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        cause = "please report it" if code < 0 else "Python of a pack ends it so with os._exit()"
        return HarnessError("process-died", f"the process that ran it ended {how}", help=cause)


def supervise(child: Child) -> int:
    """Waits for a child that does a whole command: its exit code. Raises HarnessError where it had to be killed."""
    handle = os.pidfd_open(child.pid)
    try:
        while not select.select([handle], [], [], POLL)[0]:
            if excess := child.find_excess():
                child.kill()
                raise excess
    except KeyboardInterrupt:
        interrupt(child, handle)
        return INTERRUPTED
    finally:
        os.close(handle)
    code = child.reap()
    if code < 0:
        raise child.explain_end(code)
    return code


def interrupt(child: Child, handle: int) -> None:
    """Lets a child end after Ctrl-C, which a terminal sends to it as well; kills it where it does not."""
    # A signal that only this process got is handed on; a second one would interrupt the child's own tidying up.
    if not select.select([handle], [], [], 10 * POLL)[0]:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGINT)
    with suppress(KeyboardInterrupt):
        select.select([handle], [], [], SECONDS_TO_END)
    child.kill()


def continue_in_child(limits: Limits) -> int | None:
    """Goes on in a child: None there, its exit code in the parent. Raises HarnessError where it had to be killed."""
    child = Child(limits)
    return supervise(child) if child.pid else None


Send = Callable[[object], None]


class Crew:
    """Several children at once that do work and send what they find."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.children: dict[Connection, tuple[int, Child]] = {}

    def start(self, number: int, work: Callable[[Send], None]) -> None:
        """Has a child of its own do some work; `number` says whose messages are whose."""
        child = Child(self.limits, close=list(self.children))
        if not child.pid:
            do_work(child, work)
        self.children[child.received] = (number, child)

    def messages(self) -> Iterator[tuple[int, object]]:
        """What the children send, as it comes, until all have ended; a `Death` for each that had to be killed."""
        try:
            while self.children:
                for ready in wait(list(self.children), POLL):
                    assert isinstance(ready, Connection)
                    yield from self.receive(ready)
                for end, (number, child) in list(self.children.items()):
                    if excess := child.find_excess():
                        del self.children[end]
                        child.kill()
                        yield number, Death(error=excess, place=child.board.place())
        finally:
            for _, child in self.children.values():
                child.kill()

    def receive(self, end: Connection) -> Iterator[tuple[int, object]]:
        """The next message of a child, or how it ended."""
        number, child = self.children[end]
        try:
            message = end.recv()
        except (EOFError, OSError):
            del self.children[end]
            # It did not come to its end: what it ran may have ended the process, with exit code 0 even.
            yield number, Death(error=child.explain_end(child.reap()), place=child.board.place())
            return
        if not isinstance(message, End):
            yield number, message
            return
        del self.children[end]
        child.reap()
        if message is End.INTERRUPTED:
            raise KeyboardInterrupt


@record(kw_only=True)
class Death:
    """Why a child was killed or ended by itself, and the numbers of what it was on."""

    error: HarnessError
    place: tuple[int, ...]


class End(Enum):
    """The last message of a child that comes to its end."""

    DONE = "done"
    INTERRUPTED = "interrupted"


def do_work(child: Child, work: Callable[[Send], None]) -> Never:
    """What a child of a crew does from its beginning to its end."""
    code = 70
    try:
        work(child.sent.send)
        child.sent.send(End.DONE)
        code = 0
    except KeyboardInterrupt:
        child.sent.send(End.INTERRUPTED)
        code = INTERRUPTED
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        # Not sys.exit: what the parent has registered for its own end must not run twice.
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
