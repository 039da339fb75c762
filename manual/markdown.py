"""Markdown of tables and fences in which nothing that a text holds can act."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

# Outside of code these would be markup; a bar ends a cell everywhere.
MARKUP = re.compile(r"([\\*_\[\]<>])")


def escape_cell(text: object) -> str:
    """A text as one cell of a table."""
    parts = re.split(r"(`[^`]*`)", " ".join(str(text).split()))
    return "".join(p if p.startswith("`") else MARKUP.sub(r"\\\1", p) for p in parts).replace("|", "\\|")


def format_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A table, a line a row."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(escape_cell(cell) for cell in row)} |"
    yield ""


def fence(text: str, language: str = "") -> Iterator[str]:
    """A block of code; the fence is longer than any within."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    yield from (f"{ticks}{language}", *text.rstrip("\n").split("\n"), ticks, "")


def code(text: str) -> str:
    """A text as code within a line."""
    return f"`{text}`" if "`" not in text else f"`` {text} ``"
