"""An atomic's commands with its arguments filled in; values from outside may not change what a command is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from harness.diagnostics import HarnessError, SourceError, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.atomic import PLACEHOLDER, Atomic, Dependency, Shell, describe_argument_misfit

# Where Invoke-AtomicRedTeam installs the library.
ATOMICS_FOLDER = r"C:\AtomicRedTeam\atomics"
# The longest command of 1,581 tests has 6,449 characters; arguments may stand in a default many times over.
LARGEST_COMMAND = 1 << 20
# Two defaults of 1,581 tests name another argument; chosen.
DEEPEST_REFERENCE = 16

FOLDER_PLACEHOLDER = late_pattern(r"\$?PathToAtomicsFolder", re.IGNORECASE)
# What ends a word, a string or a command for cmd.exe, PowerShell or sh; PowerShell takes typographic quotes for quotes.
STRUCTURE = frozenset("'\"`$;|&<>^%!(){}[]#@*?\r\n\0\u2018\u2019\u201a\u201b\u201c\u201d\u201e")
UNQUOTED_STRUCTURE = STRUCTURE | {" ", "\t", ","}


@record(kw_only=True)
class Command:
    """A text and what runs it."""

    shell: Shell
    text: str


@record(kw_only=True)
class Prerequisite:
    """A dependency with its arguments filled in; without `get` a person has to provide it."""

    description: str
    check: Command
    get: Command | None


@record(kw_only=True)
class Rendered:
    """A test ready to be run: what each argument became, and every command. `steps` are a person's."""

    atomic: Atomic
    arguments: Mapping[str, str]
    prerequisites: tuple[Prerequisite, ...] = ()
    command: Command | None = None
    cleanup: Command | None = None
    steps: str = ""
    set_by: Mapping[str, str] = field(default_factory=dict)
    folder: str = ATOMICS_FOLDER

    def commands(self) -> Iterator[tuple[str, Command]]:
        """Every command and what it is for."""
        for prerequisite in self.prerequisites:
            yield "prerequisite", prerequisite.check
            if prerequisite.get:
                yield "get prerequisite", prerequisite.get
        if self.command:
            yield "command", self.command
        if self.cleanup:
            yield "cleanup", self.cleanup


def render_atomic(
    atomic: Atomic,
    given: Mapping[str, object] | None = None,
    *,
    folder: str = ATOMICS_FOLDER,
    raw: frozenset[str] = frozenset(),
) -> Rendered:
    """The commands of a test with `given` in place of defaults; `folder` is where the library is on the host.

    A given value that holds characters with which it could leave its place in a command is refused, unless the default
    holds them too or the argument is named in `raw`. Raises HarnessError for an argument the test does not have.
    """
    supplied = {name: print_argument_value(value) for name, value in (given or {}).items()}
    for name in [*supplied, *sorted(raw)]:
        check_known(atomic, name)
    for name, value in supplied.items():
        check_value(atomic, name, (given or {})[name], value, raw)
    arguments = {n: in_folder(v, folder) for n, v in resolve_arguments(atomic, supplied).items()}
    return Filler(atomic=atomic, arguments=arguments, folder=folder, supplied=frozenset(supplied)).rendered()


@record(kw_only=True)
class Filler:
    """Puts the values of one test's arguments in its texts."""

    atomic: Atomic
    arguments: Mapping[str, str]
    folder: str
    supplied: frozenset[str]

    def filled(self, text: str) -> str:
        """A text with its placeholders replaced, once each: values are not read again."""
        return check_argument_length(self.atomic, fill_placeholders(text, self.arguments, self.folder))

    def command(self, text: str | None, shell: Shell) -> Command | None:
        """A command, where there is one to run."""
        return Command(shell=shell, text=self.filled(text)) if text and text.strip() else None

    def prerequisite(self, dependency: Dependency) -> Prerequisite:
        """A dependency with its commands filled; the check is always there."""
        shell = self.atomic.dependency_shell
        return Prerequisite(
            description=self.filled(dependency.description).strip(),
            check=Command(shell=shell, text=self.filled(dependency.prereq_command)),
            get=self.command(dependency.get_prereq_command, shell),
        )

    def rendered(self) -> Rendered:
        """The test with every command filled; a manual one has steps alone."""
        executor, manual = self.atomic.test.executor, self.atomic.manual
        return Rendered(
            atomic=self.atomic,
            arguments=self.arguments,
            prerequisites=tuple(self.prerequisite(d) for d in self.atomic.test.dependencies or ()),
            command=None if manual else self.command(executor.command, executor.name),
            cleanup=None if manual else self.command(executor.cleanup_command, executor.name),
            steps=self.filled(executor.steps),
            set_by={n: "given" if n in self.supplied else "default" for n in self.arguments},
            folder=self.folder,
        )


def fill_placeholders(text: str, arguments: Mapping[str, str], folder: str) -> str:
    """A text with its arguments and the library's folder in place, each once: values are not read again."""
    return in_folder(PLACEHOLDER.sub(lambda m: arguments.get(m[1], m[0]), text), folder)


def in_folder(text: str, folder: str) -> str:
    """The text with the library's folder on the host in place of its placeholder."""
    # A function, since backslashes of a folder would be escapes in a replacement.
    return FOLDER_PLACEHOLDER.sub(lambda _: folder, text)


def print_argument_value(value: object) -> str:
    """A value as it stands in a command; null is nothing."""
    return "" if value is None else str(value)


def resolve_arguments(atomic: Atomic, supplied: Mapping[str, str]) -> dict[str, str]:
    """Every argument's value; defaults may name other arguments, given values are taken as they are."""
    done: dict[str, str] = {}

    def value(name: str, above: tuple[str, ...]) -> str:
        if name in done:
            return done[name]
        if name in supplied:
            return supplied[name]
        place = atomic.place("input_arguments", name, "default")
        if name in above or len(above) >= DEEPEST_REFERENCE:
            raise SourceError("circular-argument", f"the default of `{name}` leads back to itself", place)
        default = atomic.test.input_arguments[name].default
        if not isinstance(default, str):
            at = ("atomic_tests", atomic.number - 1, "input_arguments", name, "default")
            # As written: 1.10 is a version and would become 1.1.
            return "" if default is None else (atomic.document.written(at) or "")
        done[name] = check_argument_length(atomic, PLACEHOLDER.sub(lambda m: value(m[1], (*above, name)), default))
        return done[name]

    return {name: value(name, ()) for name in atomic.test.input_arguments}


def check_argument_length(atomic: Atomic, text: str) -> str:
    """The text, if it is not absurdly long: arguments may be in a default many times."""
    if len(text) > LARGEST_COMMAND:
        message = f"a command of {atomic.name} is longer than {LARGEST_COMMAND >> 20} MiB with its arguments filled in"
        raise HarnessError("command-too-long", message)
    return text


def check_known(atomic: Atomic, name: str) -> None:
    """An argument that the test does not have is an error: ignored, it would leave the default in force."""
    known = list(atomic.test.input_arguments)
    if name not in known:
        hint = did_you_mean(name, known) or (f"it has {', '.join(known)}" if known else "it has no arguments")
        raise HarnessError("unknown-argument", f"{atomic.name} has no argument `{name}`", help=hint)


def check_value(atomic: Atomic, name: str, value: Any, text: str, raw: frozenset[str]) -> None:
    """A given value is of its argument's type and stays in its place in every command."""
    argument = atomic.test.input_arguments[name]
    wrong = describe_argument_misfit(argument.type, text, text)
    if wrong and value is not None and not is_argument_number(text, wrong):
        raise HarnessError("argument-type", f"the value of `{name}` for {atomic.name} {wrong}")
    # The default is the library's own text and trusted like its command.
    if name in raw or text == print_argument_value(argument.default):
        return
    unsafe = UNQUOTED_STRUCTURE if any(is_unquoted_argument(t, name) for _, t in atomic.commands()) else STRUCTURE
    found = sorted((set(text) & unsafe) - set(print_argument_value(argument.default)))
    if found:
        shown = " ".join(
            "space" if c == " " else ascii(c)[1:-1] if c in "\r\n\t\0" or ord(c) > 126 else c for c in found
        )
        message = f"the value of `{name}` for {atomic.name} holds {shown}, which can change what the command is"
        raise HarnessError(
            "argument-breaks-command", message, help=f"look at the rendered command and allow it with --raw {name}"
        )


def is_argument_number(text: str, wrong: str) -> bool:
    """Whether the text is a number where one was asked for: values from a command line are always text."""
    try:
        float(text)
    except ValueError:
        return False
    return wrong == "is not a number"


def is_unquoted_argument(text: str, name: str) -> bool:
    """Whether an argument stands outside quotes somewhere in a command."""
    for line in text.split("\n"):
        for found in re.finditer(re.escape(f"#{{{name}}}"), line):
            before = line[: found.start()]
            # By the quotes before it on its line: no shell is parsed, so an apostrophe may mislead it.
            if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
                return True
    return False
