"""Where output goes, and every way to fail as a message and an exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable
from time import monotonic
from typing import Any

import click

from harness.diagnostics import NO_OUTPUT, HarnessError, explain_failure
from harness.report.console import WIDTH, Paper, clip_line, escape_controls

# Chosen, no source: tables need 60 columns, sentences over 140 are hard to read.
NARROWEST, WIDEST = 60, 140
# Chosen, no source: what is done by then should not flicker.
SECONDS_BEFORE_PROGRESS = 0.7


def paper() -> Paper:
    """As wide as COLUMNS or the terminal within reason, else 100; no colours in a pipe or where NO_COLOR is set."""
    terminal = sys.stdout.isatty()
    # COLUMNS counts before the terminal, whose size would be asked of another stream where stdout is a pipe.
    asked = terminal or os.environ.get("COLUMNS", "").isdigit()
    width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WIDTH, 50)).columns)) if asked else WIDTH
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
        self.say(f"{number}/{total} {what}")

    def say(self, what: str) -> None:
        """Tells how far the work is."""
        if self.terminal and monotonic() - self.began > SECONDS_BEFORE_PROGRESS:
            line = clip_line(what, WIDTH - 20)
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


DIFFERS = 1
# What shells give for SIGINT (128 + 2) and SIGPIPE (128 + 13).
INTERRUPTED = 130
BROKEN_PIPE = 141


def as_failure(error: BaseException) -> HarnessError:
    """Any exception as a HarnessError: options by their cause, all else as `explain_failure` does."""
    match error:
        # Before UsageError, of which it is one.
        case click.NoSuchOption():
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else None
            return HarnessError("unknown-option", f"there is no option {error.option_name}", help=near or usage(error))
        case click.UsageError():
            return HarnessError("usage", sentence(error.format_message()), help=usage(error))
        case click.ClickException():
            return HarnessError("usage", sentence(error.format_message()))
        case _:
            return explain_failure(error)


def usage(error: click.UsageError) -> str:
    """Where to read how a subcommand is called."""
    return f"`{error.ctx.command_path} --help` shows how it is called" if error.ctx else "`detlab --help`"


def sentence(text: str) -> str:
    """A message of the option parser in the style of all others."""
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:]


def show_failure(failure: HarnessError, *, as_json: bool) -> None:
    """Prints a failure: to stderr for people, or as the one JSON document on stdout; nothing where neither can be."""
    if as_json and failure.code != NO_OUTPUT:
        document = {"document": "error", "version": 1, "exit_code": failure.exit_code, "errors": [failure.as_json()]}
        try:
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            # The document has to be out before another error can happen at exit.
            sys.stdout.flush()
            return
        except OSError:
            discard_output()
    try:
        # Errors quote rules and file names of strangers, whose escape sequences a terminal would obey.
        # For people only: what scripts and tests compare stays as it is.
        more = f"  = more: `detlab docs {failure.code}`\n" if sys.stderr.isatty() else ""
        sys.stderr.write(escape_controls(failure.render()) + "\n" + more)
        sys.stderr.flush()
    except OSError:
        sys.stderr = io.StringIO()


class ClosedOutput(io.RawIOBase):
    """Stands for a stdout that was closed before the process began: what is written to it fails, as to a full disk."""

    def writable(self) -> bool:
        """As a stream that is written to."""
        return True

    def write(self, _: Any) -> int:
        """Raises OSError."""
        raise OSError(errno.EBADF, "stdout is closed")


def replace_closed_streams() -> None:
    """Puts streams in place of those that the shell closed (`>&-`), and takes their numbers before any file does."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one: a native library prints to it, whatever file it is.
            os.open(os.devnull, os.O_RDWR)
    # The types say that there always is one; `>&-` gives None.
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(ClosedOutput()), "utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def discard_output() -> None:
    """Gives up what is still buffered for stdout: Python would fail at it once more at exit, with a code of its own."""
    sys.stdout = io.StringIO()
