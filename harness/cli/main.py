"""The command `detlab`: subcommands found by file name, every failure told in one way and with one exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Never

import click

from harness import __version__
from harness.cli.screen import (
    BROKEN_PIPE,
    INTERRUPTED,
    as_failure,
    discard_output,
    replace_closed_streams,
    show_failure,
)
from harness.diagnostics import NO_OUTPUT, HarnessError, did_you_mean
from harness.garbage import collect_nothing, collect_rarely
from harness.process_end import end_process

COMMANDS_FOLDER = Path(__file__).parent / "commands"
# The variable that click's completion scripts set, made of the command's name.
COMPLETION = "_DETLAB_COMPLETE"


def list_subcommands() -> list[str]:
    """All subcommands there are: one for each file in `commands/`."""
    return sorted(p.stem.replace("_", "-") for p in COMMANDS_FOLDER.glob("*.py") if not p.stem.startswith("_"))


def summary(name: str) -> str:
    """What a subcommand does: the first line of its file, read without importing it."""
    with (COMMANDS_FOLDER / f"{name.replace('-', '_')}.py").open(encoding="utf-8") as text:
        # Importing all subcommands for the list in the help would take duckdb, pyarrow and sqlglot along.
        return text.readline().strip().strip('"')


def keep_example_lines(command: click.Command) -> click.Command:
    """A command whose help keeps the lines of its examples: click's mark for that is a control character."""
    # Help texts are raw strings, in which `\b` is two characters.
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    for below in getattr(command, "commands", {}).values():
        keep_example_lines(below)
    return command


class Commands(click.Group):
    """Subcommands that are imported when they are called for, so that the others cost nothing."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of all subcommands."""
        return list_subcommands()

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The subcommand of that name; its file has an object called `command`."""
        if name not in list_subcommands():
            hint = did_you_mean(name, list_subcommands()) or "`detlab --help` lists them"
            raise HarnessError("unknown-command", f"no subcommand is called `{name}`", help=hint)
        with collect_nothing():
            found: click.Command = import_module(f"harness.cli.commands.{name.replace('-', '_')}").command
        return keep_example_lines(found)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands in the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in list_subcommands()])

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> Never:
        """Runs a command line and ends the process with its exit code."""
        collect_rarely()
        arguments = list(sys.argv[1:] if args is None else args)
        # Completion needs click's own main, which ends the process by itself.
        if COMPLETION in os.environ:
            super().main(arguments, "detlab", COMPLETION)
        replace_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # A terminal that is not UTF-8 must not end a run at the first character that it lacks.
                stream.reconfigure(errors="backslashreplace")
        code = self.run(arguments, own=args is None)
        # Whoever calls this with arguments goes on afterwards.
        if args is not None:
            sys.exit(code)
        end_process(code)

    def run(self, arguments: list[str], *, own: bool) -> int:
        """The exit code of a command line, its errors shown; `own` is whether the process does nothing else."""
        # Looked for by hand, since errors of the options themselves are told in JSON too.
        as_json = "--json" in arguments[: arguments.index("--") if "--" in arguments else None]
        try:
            with self.make_context("detlab", list(arguments), obj=own) as context:
                code = self.invoke(context)
            # Here and not at exit, or a full disk would be told by Python in its own words.
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
        except click.exceptions.Exit as end:
            return end.exit_code
        except (KeyboardInterrupt, EOFError, click.Abort):
            return INTERRUPTED
        # `detlab ... | head` closes stdout: no error, but the code that a shell gives for it.
        except BrokenPipeError:
            discard_output()
            return BROKEN_PIPE
        # Everything, an exit by some library included: nothing but a verdict may end with 1, and nothing in Python's
        # own words.
        except BaseException as error:
            failure = as_failure(error)
            if failure.code == NO_OUTPUT:
                discard_output()
            show_failure(failure, as_json=as_json)
            return failure.exit_code


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="detlab %(version)s")
def main() -> None:
    """Proves detections: runs the text of a published rule (SPL, CQL) on simulated, recorded or detonated telemetry.

    `detlab run` judges the scenarios in ./scenarios, or those that come with it. Exit codes: 0 as expected, 1 a verdict
    differs, 2 something to put right, 3 an engine or lab that does not answer.
    """
