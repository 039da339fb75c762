"""A command in a fresh process, and what its whole tree of processes took: CPU, wall time, memory."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36
# Ten looks a second: smaps_rollup of a process of 1 GB takes the kernel milliseconds, during which it holds its memory.
LOOK = 0.1
# Spark's JVM ends after the Python that started it.
PATIENCE = 30.0


class CommandFailed(Exception):
    """A command that a measure needs ended with an error; its message is the end of what it wrote to stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run of a command took."""

    cpu: float
    """Seconds of user and system time of all its processes."""
    wall: float
    memory: int
    """Bytes: of the largest process by the kernel, or of all together as they were sampled, whichever is more."""

    @property
    def quiet(self) -> float:
        """Seconds that it takes at most on a machine that does nothing else: CPU time, less where cores shared it."""
        return min(self.cpu, self.wall)

    def __add__(self, after: Cost) -> Cost:
        """One command after the other."""
        return Cost(cpu=self.cpu + after.cpu, wall=self.wall + after.wall, memory=max(self.memory, after.memory))


def run(
    command: Sequence[str | Path],
    *,
    output: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    codes: Sequence[int] = (0,),
) -> Cost:
    """Runs a command with its stdout in a file. Raises CommandFailed where its exit code is not among `codes`."""
    errors = output.with_name(output.name + ".stderr")
    request = {
        "command": [str(part) for part in command],
        "output": str(output),
        "errors": str(errors),
        "folder": str(folder),
        "environment": dict(environment or {}),
    }
    runner = open_runner()
    assert runner.stdin is not None and runner.stdout is not None
    runner.stdin.write(json.dumps(request) + "\n")
    runner.stdin.flush()
    answer = json.loads(runner.stdout.readline())
    if answer["code"] not in codes:
        told = errors.read_text("utf-8", "replace").strip() or output.read_text("utf-8", "replace").strip()
        # In one line, whether it was said as text or as JSON.
        told = " ".join(told.split())[-600:]
        raise CommandFailed(f"{' '.join(request['command'])} ended with {answer['code']}: {told}")
    return Cost(cpu=answer["cpu"], wall=answer["wall"], memory=answer["memory"])


@cache
def open_runner() -> subprocess.Popen[str]:
    """The process that starts all commands and waits for them."""
    # A child's peak begins with what its parent holds when it is started, so the parent is one that stays small.
    return subprocess.Popen(
        [sys.executable, "-m", "bench.process"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def answer_requests() -> None:
    """Runs one command after the other, as stdin asks."""
    adopt_orphans()
    for line in sys.stdin:
        print(json.dumps(run_requested(json.loads(line))), flush=True)


def adopt_orphans() -> None:
    """Makes this process the parent of grandchildren whose parent ends, so that their CPU is counted as well."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_requested(request: Mapping[str, Any]) -> dict[str, float]:
    """Runs a command: its exit code, and what it and all below it took."""
    with open(request["output"], "wb") as out, open(request["errors"], "wb") as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            request["command"],
            cwd=request["folder"],
            env={**os.environ, **request["environment"]},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        with sampled_memory(process.pid) as most:
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu, largest = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    for orphan in reaped_orphans():
        cpu, largest = cpu + orphan.ru_utime + orphan.ru_stime, max(largest, orphan.ru_maxrss * 1024)
    return {"code": process.returncode, "cpu": cpu, "wall": wall, "memory": max(largest, most[0])}


@contextlib.contextmanager
def sampled_memory(pid: int) -> Iterator[list[int]]:
    """The most that a process and its descendants held together, in a list of one; lone processes are not looked at."""
    most, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(LOOK):
            tree = list(descendants(pid))
            # The kernel knows the peak of one process better than samples do.
            if len(tree) > 1:
                most[0] = max(most[0], sum(map(proportional_set, tree)))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def descendants(pid: int) -> Iterator[int]:
    """A process and all below it, as far as they still run."""
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text("ascii").split():
                yield from descendants(int(child))


def proportional_set(pid: int) -> int:
    """Bytes of a process, a page that several share counted as a part for each; 0 where it has ended."""
    # Resident sets would count pages twice that a forked child shares with its parent.
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def reaped_orphans() -> Iterator[resource.struct_rusage]:
    """What each process used that a command left behind, once it has ended; those that stay are killed."""
    patience = time.monotonic() + PATIENCE
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            yield usage
        elif time.monotonic() > patience:
            for child in list(descendants(os.getpid()))[1:]:
                with contextlib.suppress(OSError):
                    os.kill(child, 9)
        else:
            time.sleep(0.02)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        answer_requests()
