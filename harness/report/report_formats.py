"""Which formats of reports there are, without anything that they tell of."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules


def list_report_formats() -> tuple[str, ...]:
    """All formats there are; a format's name is its file's."""
    return tuple(sorted(m.name for m in iter_modules([str(Path(__file__).parent / "formats")])))
