"""What every target promises of any input: a result or a documented error, within its time and memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time

from harness.diagnostics import HarnessError

# Bytes; the same number as libFuzzer's -max_len in `fuzz.__main__`.
LONGEST = 64 << 10
# Seconds of CPU, which a loaded machine does not stretch; chosen, no source.
SLOWEST = 10.0

# What DuckDB says of a statement that is wrong in itself: the author of a rule can do nothing about it.
WRONG_STATEMENT = re.compile(r"DuckDB gave up: (Binder|Parser|Catalog|INTERNAL|Fatal|Not implemented|Internal)", re.I)


class BrokenPromiseError(AssertionError):
    """An input for which a target does not hold what it promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to fuzz. `check` raises what it must not; `seeds` are real inputs to begin with.

    `repair` makes lengths and hashes of a changed input right again, so that it is not refused for these alone.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    binary: bool = False
    repair: Callable[[bytes], bytes] | None = None
    words: Sequence[bytes] = ()


def expect_documented_errors(call: Callable[[], object]) -> None:
    """Does something; an error has to be one for people, which is rendered as it would be for them."""
    try:
        call()
    except HarnessError as error:
        # Rendering is part of the promise: the caret needs a place that is in the text.
        shown = error.render()
        if error.code == "bug" or WRONG_STATEMENT.search(error.message):
            raise BrokenPromiseError(shown) from error


def hold(target: Target, data: bytes) -> None:
    """Raises where a target's promise does not hold for an input, or it takes too long."""
    began = process_time()
    expect_documented_errors(lambda: target.check(data[:LONGEST]))
    taken = process_time() - began
    if taken > SLOWEST:
        raise BrokenPromiseError(f"it took {taken:.0f} s of CPU")
