"""Tables inside a text: a line of column names and lines of cells below it, as tools print them.

Cells stand under their names. Where a line has as many words as there are names they go together in order, and where it
has more, the last column takes the rest; otherwise a word belongs to the name that it stands under or nearest to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

WORD = re.compile(r"\S+")
UNCLEAN = re.compile(r"[^A-Za-z0-9]")
LEADING = re.compile(r"^[\d_]+")
# Both chosen, no source: rows become a list in one cell, and each column can become a field.
MOST_TEXT_TABLE_ROWS = 10_000
MOST_COLUMNS = 200
NUMBERLIKE = re.compile(r"[-+]?[\d.,:%]+[A-Za-z]?")


def parse_text_table(text: str, header: float, terms: str) -> list[str] | None:
    """The rows as objects, with their line as `_raw`; None where there is no table.

    `header` is the line with the names, counted from 1; 0 looks for it, a negative one says that there is none.
    `terms` are texts of which a row has to hold one, parted by line ends; none is no condition.
    """
    lines = text.splitlines()[: MOST_TEXT_TABLE_ROWS + 1]
    place = int(header) - 1 if header > 0 else heading(lines) if header == 0 else -1
    if place is None or place >= len(lines):
        return None
    names = split_header(lines[place]) if place >= 0 else []
    wanted = [t for t in terms.split("\n") if t]
    rows = []
    for line in lines[place + 1 :]:
        if line.strip() and (not wanted or any(t in line for t in wanted)):
            rows.append(json.dumps({"_raw": line, **split_cells(line, names)}, ensure_ascii=False))
    return rows or None


def heading(lines: Sequence[str]) -> int | None:
    """The first line of two words or more, none like a number, that lines of as many words or more follow."""
    for place, line in enumerate(lines[:-1]):
        words = WORD.findall(line)
        # Names of columns are words; numbers, percentages and sizes such as 4.2M are cells.
        if len(words) > 1 and not any(NUMBERLIKE.fullmatch(w) for w in words):
            following = next((each for each in lines[place + 1 :] if each.strip()), "")
            if len(WORD.findall(following)) >= len(words):
                return place
    return None


def split_header(line: str) -> list[tuple[str, int, int]]:
    """The names in a line, cleaned as names of fields are, and where each stands."""
    found = []
    for at, word in enumerate(WORD.finditer(line)):
        name = LEADING.sub("", UNCLEAN.sub("_", word.group())) or f"Column_{at + 1}"
        found.append((name, word.start(), word.end()))
    return found[:MOST_COLUMNS]


def split_cells(line: str, names: Sequence[tuple[str, int, int]]) -> dict[str, str]:
    """The cells of a line by their columns."""
    # More words than columns go into the last cell, but a line of a million words is no line of a table.
    words = list(WORD.finditer(line))[: MOST_COLUMNS * 5]
    if not names:
        return {f"Column_{at + 1}": w.group() for at, w in enumerate(words[:MOST_COLUMNS])}
    if len(words) >= len(names):
        last = len(names) - 1
        found = {name: w.group() for (name, _, _), w in zip(names[:last], words, strict=False)}
        return {**found, names[last][0]: line[words[last].start() :].rstrip()}
    made: dict[str, str] = {}
    for word in words:
        name = min(names, key=lambda n: measure_column_distance(word, n))[0]
        made[name] = f"{made[name]} {word.group()}" if name in made else word.group()
    return made


def measure_column_distance(word: re.Match[str], name: tuple[str, int, int]) -> int:
    """How far a word is from a name in characters; 0 where they stand one over the other."""
    return max(name[1] - word.end(), word.start() - name[2], 0)


TEXT_TABLE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.table_rows: parse_text_table}
