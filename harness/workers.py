"""The same work on many items, spread over processes where that pays."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
WorkResult = TypeVar("WorkResult")

# Chosen, no source; a spawned process imports for about 0.65 s before its first item.
FEW = 8
"""With fewer items a process of its own costs more than it saves."""


def workers_for(items: int) -> int:
    """How many processes pay for so many items: one for each processor, one for a handful."""
    # The processors that this process may use: a container's share is often less than the machine's.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, items // FEW))


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
    # A fork of a process with threads can hold a lock for ever; macOS forks badly even without.
    safe = sys.platform.startswith("linux") and threading.active_count() == 1
    context = get_context("fork" if safe else "spawn")
    prepared = partial(prepare, *given) if prepare else None
    with ProcessPoolExecutor(workers, mp_context=context, initializer=prepared) as pool:
        yield from pool.map(work, items)
