"""One target for a while in a process of its own, which `fuzz.__main__` watches.

The input at hand is in a file before it is tried, so that whoever watches this process has it where it hangs or dies.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import traceback
from pathlib import Path
from time import monotonic

from fuzz.mutation import TOKENS, Mutation
from fuzz.promise import Target, hold
from fuzz.targets import TARGETS

ROOT = Path(__file__).parents[1]
# Above what DuckDB and Arrow reserve without using it; an input that needs more is a finding.
MOST_MEMORY = 6 << 30
SHRINKING_TRIES = 120
CURRENT = "current-input"


def name_failure(error: BaseException) -> str:
    """What kind of failure it is and where it showed: one finding for each such name is kept."""
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "/harness/" in f.filename]
    place = f"{Path(ours[-1].filename).stem}.{ours[-1].name}" if ours else "check"
    words = re.sub(r"[^A-Za-z ]", "", str(error).partition("\n")[0])[:40].strip() if not ours else ""
    return re.sub(r"[^\w.-]+", "-", f"{type(error).__name__}-{place}-{words}").strip("-<>")


def find_failure(target: Target, data: bytes) -> BaseException | None:
    """What an input breaks, or nothing."""
    try:
        hold(target, data)
    except Exception as error:
        return error
    return None


def shrink_input(target: Target, data: bytes, name: str) -> bytes:
    """A smaller input that fails alike, found by leaving out stretches of its tokens."""
    tokens = TOKENS.findall(data) if not target.binary else [data[i : i + 64] for i in range(0, len(data), 64)]
    tries, length = 0, max(1, len(tokens) // 2)
    while tries < SHRINKING_TRIES:
        at = 0
        while at < len(tokens) and tries < SHRINKING_TRIES:
            fewer = tokens[:at] + tokens[at + length :]
            tries += 1
            failure = find_failure(target, b"".join(fewer))
            if failure is not None and name_failure(failure) == name:
                tokens = fewer
            else:
                at += length
        if length == 1:
            break
        length //= 2
    return b"".join(tokens)


def keep_finding(folder: Path, name: str, data: bytes, error: BaseException) -> None:
    """Writes a finding: the input, and beside it the traceback."""
    (folder / f"{name}.txt").write_bytes(data)
    said = "".join(traceback.format_exception(error))
    (folder / f"{name}.traceback").write_text(said, encoding="utf-8", errors="replace")


def fuzz_target(name: str, seconds: float, seed: int, folder: Path | None = None) -> tuple[int, dict[str, bytes]]:
    """How many inputs of a target were tried, and a smallest input for each kind of failure."""
    target, found, tried = TARGETS[name], {}, 0
    mutation = Mutation(target, seed)
    ends = monotonic() + seconds
    while monotonic() < ends:
        data = mutation.next()
        if folder:
            (folder / CURRENT).write_bytes(data)
        tried += 1
        failure = find_failure(target, data)
        if failure is None or (kind := name_failure(failure)) in found:
            continue
        found[kind] = data if isinstance(failure, MemoryError) else shrink_input(target, data, kind)
        if folder:
            keep_finding(folder, kind, found[kind], failure)
    return tried, found


def main() -> None:
    """Fuzzes one target and prints what came of it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.loop", description=__doc__)
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    tried, found = fuzz_target(given.target, given.seconds, given.seed, given.folder)
    sys.stdout.write(json.dumps({"tried": tried, "found": sorted(found)}) + "\n")
    sys.stdout.flush()
    # Without the end of the interpreter: DuckDB's binding would tell there of all that it still holds.
    os._exit(0)


if __name__ == "__main__":
    main()
