"""Every way to fail as a message and an exit code."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

import click

from harness.diagnostics import HarnessError
from harness.report.console import escape_controls

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
