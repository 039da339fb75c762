"""A rule that is no file: its text came from the command line or from stdin."""

from __future__ import annotations

from pathlib import Path

from harness.diagnostics import Source

# One process runs one command line, which gives one such text or a few.
INLINE_RULES: dict[Path, Source] = {}


def keep_inline_rule(text: str, language: str, *, name: str) -> Path:
    """Keeps a text as a rule, and gives the path by which every reader of rules finds it; `name` is how it is shown."""
    path = Path(f"{name}.{language}")
    INLINE_RULES[path] = Source(name, text)
    return path
