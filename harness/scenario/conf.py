"""Splunk's conf files: stanzas of settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.late_pattern import late_pattern

# re.S, since a value may go over several lines.
SETTING = late_pattern(r"\s*([^\s=#][^=]*?)\s*=[ \t]?(.*)", re.S)


def stanzas(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each `[stanza]` with its settings, in order; those before the first are `default`.

    A line that ends in a backslash goes on in the next.
    """
    name: str | None = None
    given: dict[str, str] = {}
    for line in whole_lines(text):
        if line.startswith("[") and line.rstrip().endswith("]"):
            if name is not None or given:
                yield name or "default", given
            name, given = line.rstrip()[1:-1], {}
        elif (found := SETTING.fullmatch(line)) and not line.lstrip().startswith("#"):
            given[found[1]] = found[2].strip()
    if name is not None or given:
        yield name or "default", given


def whole_lines(text: str) -> Iterator[str]:
    """The lines of a conf file, those that a backslash continues put together."""
    pending: list[str] = []
    for line in text.splitlines():
        # A comment that ends in a backslash does not go on.
        if line.endswith("\\") and not (not pending and line.startswith("#")):
            pending.append(line[:-1])
            continue
        yield "\n".join([*pending, line])
        pending = []
    if pending:
        yield "\n".join(pending)
