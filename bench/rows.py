"""Rows of different programs, held against one another: a digest that neither order nor the last digits change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """A value as all programs write it: numbers of ten digits whatever their type, lists in order of their text."""
    # A parallel sum has no fixed order, so the last digits of a double differ from run to run.
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return f"{float(value):.10g}"
    if isinstance(value, list):
        return sorted(map(str, map(plain, value)))
    return str(value)


def digest(rows: Iterable[Sequence[Any]]) -> str:
    """A short hash over the sorted rows."""
    lines = sorted(json.dumps([plain(value) for value in row], ensure_ascii=True) for row in rows)
    return f"{len(lines)} rows, {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:16]}"


def digest_answer(path: Path) -> str:
    """The digest of `detlab query --json`, its columns in order of their names."""
    answer = json.loads(path.read_bytes())
    names = sorted(answer["columns"])
    return digest([row.get(name) for name in names] for row in answer["rows"])


def digest_table(path: Path) -> str:
    """The digest of a competitor's answer: one JSON object with `columns` and `rows` as lists."""
    answer = json.loads(path.read_bytes())
    places = sorted(range(len(answer["columns"])), key=lambda place: answer["columns"][place])
    return digest([row[place] for place in places] for row in answer["rows"])
