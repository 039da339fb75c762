"""Where output goes: data to stdout, progress to stderr, colours only for a person's terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from time import monotonic

from harness.report.console import WIDTH, Paper, beginning

# Chosen, no source: tables need 60 columns, sentences over 140 are hard to read.
NARROWEST, WIDEST = 60, 140
# Chosen, no source: what is done by then should not flicker.
SECONDS_BEFORE_PROGRESS = 0.7


def paper() -> Paper:
    """As wide as the terminal within reason, else 100; no colours in a pipe, with NO_COLOR or on a dumb terminal."""
    terminal = sys.stdout.isatty()
    width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WIDTH, 50)).columns)) if terminal else WIDTH
    # https://no-color.org: the variable counts if it is there and not empty.
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Paper(width=width, colour=(terminal or bool(os.environ.get("FORCE_COLOR"))) and not plain)


def out(lines: Iterable[str] | str) -> None:
    """Writes data to stdout, with a line end at the end."""
    text = lines if isinstance(lines, str) else "\n".join(lines)
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")


class ProgressLine:
    """One line on stderr that tells how far long work is, on a terminal only, and that is gone at the end."""

    def __init__(self) -> None:
        """Nothing is shown before work has taken `SECONDS_BEFORE_PROGRESS`."""
        self.began = monotonic()
        self.shown = False
        self.terminal = sys.stderr.isatty()

    def __call__(self, what: str, number: int, total: int) -> None:
        """Tells which of how many is being worked on."""
        if self.terminal and monotonic() - self.began > SECONDS_BEFORE_PROGRESS:
            line = beginning(f"{number}/{total} {what}", WIDTH - 20)
            # Back to the start of the line, erase to its end.
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self.shown = True

    def done(self) -> None:
        """Clears the line."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self.shown = False
