"""A rule on a command line: a file, `-` for stdin, or its text itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from harness.cli.completion_words import complete_languages
from harness.cli.options import PATH, Decorated
from harness.detection.language import list_languages
from harness.diagnostics import HarnessError
from harness.scenario.inline_rule import keep_inline_rule
from harness.scenario.rule import LARGEST_RULE

STDIN = Path("-")


def add_rule_argument(*, several: bool = False, name: str = "rule") -> Callable[[Decorated], Decorated]:
    """Adds the argument RULE, `-e` and `--language`; the command gets a rule's path, or `several`, as `name`."""

    def decorate(command: Decorated) -> Decorated:
        @wraps(command)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            text, language = named.pop("inline"), named.pop("language")
            given: Sequence[Path] = named.pop(name)
            if text is not None and given:
                raise HarnessError("usage", "-e takes the place of RULE", help="leave one of both out")
            if not given and text is None:
                hint = f"name a file, `-` for stdin, or write -e TEXT; `detlab {command_name()} --help`"
                raise HarnessError("usage", "no rule is given", help=hint)
            paths = [keep_text(text, language, "<inline>")] if text is not None else list(given)
            paths = [keep_text(read_stdin(), language, "<stdin>") if path == STDIN else path for path in paths]
            if language and paths == list(given):
                raise HarnessError("usage", "--language is said of -e and of `-`", help="a file's suffix tells it")
            return command(*arguments, **{name: tuple(paths) if several else paths[0]}, **named)

        metavar = f"[{name.upper()}{'...' if several else ''}]"
        # One alone is a list of at most one, so that its absence can be told in words.
        argument = click.argument(name, type=PATH, nargs=-1 if several else 1, required=False, metavar=metavar)
        decorated = argument(wrapped if several else unwrap_single(wrapped, name))
        for option in reversed(RULE_OPTIONS):
            decorated = option(decorated)
        return cast(Decorated, decorated)

    return decorate


RULE_OPTIONS = (
    click.option("-e", "--expression", "inline", metavar="TEXT", help="The rule's text, in place of a file."),
    click.option(
        "--language",
        metavar="NAME",
        shell_complete=complete_languages,
        help=f"What -e and `-` are written in: {', '.join(list_languages())}.",
    ),
)


def unwrap_single(wrapped: Any, name: str) -> Any:
    """The same for an argument that is one path or none."""

    @wraps(wrapped)
    def single(*arguments: Any, **named: Any) -> Any:
        given = named.pop(name)
        return wrapped(*arguments, **{name: () if given is None else (given,)}, **named)

    return single


def command_name() -> str:
    """The subcommand that is running."""
    return click.get_current_context().info_name or ""


def keep_text(text: str, language: str | None, shown: str) -> Path:
    """A text as a rule; without a language it is that in which alone it can be read."""
    if language is not None and language not in list_languages():
        hint = f"there are {', '.join(list_languages())}"
        raise HarnessError("unknown-language", f"no query language is called `{language}`", help=hint)
    # Imported by name: it has every language.
    told = language or import_module("harness.detection.language_guess").guess_language(text)
    return keep_inline_rule(text, told, name=shown)


def read_stdin() -> str:
    """A rule's text from stdin, within the limits of a file."""
    held = sys.stdin.buffer.read(LARGEST_RULE + 1)
    if len(held) > LARGEST_RULE:
        raise HarnessError("rule-too-large", f"<stdin> is larger than {LARGEST_RULE >> 20} MiB")
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"<stdin> is not UTF-8 at byte {error.start}") from error
