"""What each parser promises of any text: a result or a message, the same again when printed, in bounded time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter

from harness.detection.conformance_page import parse_cases
from harness.detection.language import Settings, language, list_languages
from harness.diagnostics import HarnessError, Source
from harness.scenario.conf import stanzas
from harness.scenario.document import load

# Characters; the same number as libFuzzer's -max_len in `fuzz.__main__`.
LONGEST = 64 << 10
# Chosen, no source.
SLOWEST = 20.0


class BrokenPromiseError(AssertionError):
    """A text for which a parser does not hold what it promises."""


def query(name: str, text: str) -> None:
    """A query is parsed, planned and printed, or an error with a place is rendered."""
    spoken = language(name)
    try:
        first = spoken.parse(Source(f"fuzz.{name}", text))
    except HarnessError as error:
        # Rendering is part of the promise: the caret needs a place that is in the text.
        error.render()
        return
    printed = first.render()
    try:
        again = spoken.parse(Source(f"printed.{name}", printed))
    except HarnessError as error:
        raise BrokenPromiseError(f"what was printed cannot be read: {printed!r}\n{error.render()}") from error
    if again.render() != printed:
        raise BrokenPromiseError(f"printed twice it differs:\n{printed!r}\n{again.render()!r}")
    try:
        # Over no columns, so planning is tried and running is not.
        first.plan({}, Settings())
    except HarnessError as error:
        error.render()


def told(read: Callable[[str], object], text: str) -> None:
    """A document is read, or an error is rendered."""
    try:
        read(text)
    except HarnessError as error:
        error.render()


TARGETS: dict[str, Callable[[str], None]] = {
    **{name: partial(query, name) for name in list_languages()},
    "yaml": partial(told, lambda text: load(Source("fuzz.yaml", text))),
    "conf": partial(told, lambda text: list(stanzas(text))),
    "page": partial(told, lambda text: parse_cases(Source("fuzz.md", text), "spl")),
}


def hold(name: str, text: str) -> None:
    """Raises where a target's promise does not hold for a text, or it takes too long."""
    began = perf_counter()
    TARGETS[name](text[:LONGEST])
    taken = perf_counter() - began
    if taken > SLOWEST:
        raise BrokenPromiseError(f"it took {taken:.0f} s")
