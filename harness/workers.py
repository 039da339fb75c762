"""The same work on many items, spread over processes where that pays."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from itertools import islice
from math import ceil
from multiprocessing import get_context, parent_process
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TypeVar

from harness.diagnostics import HarnessError

if sys.platform != "win32":
    import fcntl

Item = TypeVar("Item")
Half = TypeVar("Half")
Rest = TypeVar("Rest")
WorkResult = TypeVar("WorkResult")

# Chosen, no source; a spawned process imports for about 0.65 s before its first item.
FEW = 8
"""With fewer items a process of its own costs more than it saves."""


def workers_for(items: int, jobs: int | None = None) -> int:
    """How many processes pay for so many items: as many as were asked for, else one a processor, one for a handful."""
    if jobs is not None:
        return max(1, min(jobs, items))
    return max(1, min(count_processors(), items // FEW))


def count_processors() -> int:
    """The processors that this process may use: a container's share is often less than the machine's."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([usable, *read_processor_quotas(Path("/sys/fs/cgroup"))]))


def read_processor_quotas(groups: Path) -> Iterator[int]:
    """The processors that a control group may use up in a period, if it is bound."""
    # Version 2 says `max 100000` or `150000 100000`, version 1 has two files and -1 for no bound.
    for quota, period in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        with suppress(OSError, ValueError):
            said = (groups / quota).read_text().split() + ((groups / period).read_text().split() if period else [])
            if float(said[0]) > 0:
                # Rounded up: half a processor more is used by one more process.
                yield ceil(float(said[0]) / float(said[1]))


def distribute_work(
    work: Callable[[Item], WorkResult],
    items: Sequence[Item],
    workers: int,
    prepare: Callable[..., None] | None = None,
    *given: object,
) -> Iterator[WorkResult]:
    """What the work gives for each item, in their order; each process is prepared once with what is given.

    A process is forked where that is safe, which saves importing everything again.
    """
    begin = partial(begin_worker, os.getpid(), prepare, *given)
    try:
        with ProcessPoolExecutor(workers, mp_context=choose_context(), initializer=begin) as pool:
            yield from pool.map(work, items)
    except BrokenProcessPool as error:
        raise dead_worker() from error


def distribute_in_two_steps(
    first: Callable[[Item], Half],
    between: Callable[[Half], Rest],
    second: Callable[[Rest], WorkResult],
    items: Sequence[Item],
    workers: int,
    prepare: Callable[..., None] | None = None,
    *given: object,
) -> Iterator[WorkResult]:
    """What two steps of work give for each item, in their order; `between` is done here, item after item in order.

    Only a few items are begun ahead, so that what the first step leaves behind stays little.
    """
    begin = partial(begin_worker, os.getpid(), prepare, *given)
    left = iter(items)
    begun: deque[Future[Half]] = deque()
    ended: deque[Future[WorkResult]] = deque()
    try:
        with ProcessPoolExecutor(workers, mp_context=choose_context(), initializer=begin) as pool:
            begun.extend(pool.submit(first, item) for item in islice(left, 2 * workers))
            while begun:
                ended.append(pool.submit(second, between(begun.popleft().result())))
                begun.extend(pool.submit(first, item) for item in islice(left, 1))
                while ended and (ended[0].done() or len(ended) > 2 * workers):
                    yield ended.popleft().result()
            while ended:
                yield ended.popleft().result()
    except BrokenProcessPool as error:
        raise dead_worker() from error


def choose_context() -> BaseContext:
    """How processes are made here."""
    # A fork of a process with threads can hold a lock for ever; macOS forks badly even without.
    safe = sys.platform.startswith("linux") and threading.active_count() == 1
    return get_context("fork" if safe else "spawn")


def dead_worker() -> HarnessError:
    """What is said where a process has ended by itself."""
    message = "a process that worked at this has died, or was killed"
    return HarnessError("dead-worker", message, help="it may have run out of memory")


class NumberQueue:
    """Numbers from 0 on that forked processes take one after the other, so that none waits while work is left."""

    def __init__(self, count: int) -> None:
        """A queue of so many numbers."""
        self.count = count
        self.next = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("B").cast("q")
        # A lock of a file, since the kernel gives it back when its holder is killed.
        self.lock = tempfile.TemporaryFile()  # noqa: SIM115

    def take(self) -> int | None:
        """The next number; None if all are taken."""
        fcntl.lockf(self.lock, fcntl.LOCK_EX)
        try:
            number: int = self.next[0]
            self.next[0] = min(number + 1, self.count)
        finally:
            fcntl.lockf(self.lock, fcntl.LOCK_UN)
        return number if number < self.count else None

    def is_empty(self) -> bool:
        """Whether all are taken."""
        return bool(self.next[0] >= self.count)


# Of prctl(2).
PR_SET_PDEATHSIG = 1


def begin_worker(parent: int, prepare: Callable[..., None] | None, *given: object) -> None:
    """Binds a worker's life to its parent's, and prepares it."""
    if sys.platform.startswith("linux"):
        # The kernel's own word: a parent that is killed cannot tell anybody.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before that call.
        if os.getppid() != parent:
            os._exit(1)
    else:
        threading.Thread(target=end_with_parent, daemon=True).start()
    if prepare:
        prepare(*given)


def end_with_parent() -> None:
    """Waits until the parent has ended, and ends this process then."""
    if own := parent_process():
        own.join()
        os._exit(1)
