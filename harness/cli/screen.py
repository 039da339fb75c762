"""Where output goes, and every way to fail as a message and an exit code."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from time import monotonic

import click

from harness.diagnostics import HarnessError
from harness.report.console import WIDTH, Paper, clip_line, escape_controls

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
            line = clip_line(f"{number}/{total} {what}", WIDTH - 20)
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
# EX_SOFTWARE of sysexits.h.
BUG = 70
# What shells give for SIGINT (128 + 2) and SIGPIPE (128 + 13).
INTERRUPTED = 130
BROKEN_PIPE = 141


class BugError(HarnessError):
    """A failure that is no one's input: exit code 70, so that it never looks like a verdict that differs."""

    exit_code = BUG


def as_failure(error: Exception) -> HarnessError:
    """Any exception as a HarnessError: options, files, memory and nesting by their cause, all else as a defect."""
    match error:
        case HarnessError():
            return error
        # Before UsageError, of which it is one.
        case click.NoSuchOption():
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else None
            return HarnessError("unknown-option", f"there is no option {error.option_name}", help=near or usage(error))
        case click.UsageError():
            return HarnessError("usage", sentence(error.format_message()), help=usage(error))
        case click.ClickException():
            return HarnessError("usage", sentence(error.format_message()))
        case OSError():
            name = f"{error.filename}: " if error.filename else ""
            return HarnessError("unreadable", f"{name}{(error.strerror or str(error)).lower()}")
        case MemoryError():
            return HarnessError("out-of-memory", "there is not enough memory for this")
        case RecursionError():
            return HarnessError("too-deep", "this is nested too deeply to be read")
        case _:
            return bug(error)


def bug(error: Exception) -> BugError:
    """A defect of detlab itself, with the place where it showed."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    # The last frame only: a traceback is for those who ask for it.
    message = f"detlab itself failed{place}: {type(error).__name__}: {error}"
    return BugError("bug", message, help="DETLAB_TRACEBACK=1 shows where; please report it")


def usage(error: click.UsageError) -> str:
    """Where to read how a subcommand is called."""
    return f"`{error.ctx.command_path} --help` shows how it is called" if error.ctx else "`detlab --help`"


def sentence(text: str) -> str:
    """A message of the option parser in the style of all others."""
    line = " ".join(text.split()).rstrip(".")
    return line[:1].lower() + line[1:]


def show_failure(failure: HarnessError, *, as_json: bool) -> None:
    """Prints a failure: to stderr for people, or as the one JSON document on stdout."""
    if as_json:
        document = {"document": "error", "version": 1, "exit_code": failure.exit_code, "errors": [failure.as_json()]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        # The document has to be out before another error can happen at exit.
        sys.stdout.flush()
    else:
        # Errors quote rules and file names of strangers, whose escape sequences a terminal would obey.
        sys.stderr.write(escape_controls(failure.render()) + "\n")
