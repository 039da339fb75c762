"""Lookup tables as CSV files: `name.csv` is the table `name`."""

from __future__ import annotations

from pathlib import Path

from harness.detection.content import Content, Lazy, by_file


def recognises(path: Path) -> bool:
    """Whether a file is a table."""
    return path.name.lower().endswith((".csv", ".csv.gz"))


def read(path: Path) -> Content:
    """The table under its file's name."""
    return Content(lookups=Lazy(by_file(path)))
