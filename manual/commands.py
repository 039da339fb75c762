"""The reference of the command line, from the options that the commands declare."""

from __future__ import annotations

from collections.abc import Iterator

import click

from harness.cli.main import main
from manual.markdown import code, fence, format_table


def build_pages() -> Iterator[tuple[str, str]]:
    """One page for each command, and one of all."""
    context = click.Context(main, info_name="detlab")
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    rows = [(f"[`{name}`](commands/{name}.md)", each.get_short_help_str(200)) for name, each in found.items() if each]
    lines = ["# Commands", "", "| command | what it does |", "|---|---|"]
    lines += [f"| {link} | {text.replace('|', chr(92) + '|')} |" for link, text in rows]
    yield "commands.md", "\n".join(lines) + "\n"
    for name, command in found.items():
        if command is not None:
            yield f"commands/{name}.md", "\n".join(describe_command(command, f"detlab {name}", context)) + "\n"


def describe_command(command: click.Command, name: str, parent: click.Context, depth: int = 1) -> Iterator[str]:
    """What a command does, takes and prints, and the same of its own commands."""
    context = click.Context(command, info_name=name, parent=None)
    yield from (f"{'#' * depth} {name}", "")
    yield from fence(" ".join((name, *command.collect_usage_pieces(context))))
    yield from describe_help(command.help or "")
    options = [p for p in command.get_params(context) if isinstance(p, click.Option) and not p.hidden]
    rows = [(code(", ".join((*o.opts, *o.secondary_opts))), name_value(o), o.help or "") for o in options]
    yield from format_table(("option", "value", "meaning"), rows)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            if inner := command.get_command(context, each):
                yield from describe_command(inner, f"{name} {each}", parent, depth + 1)


def name_value(option: click.Option) -> str:
    """What an option takes: the name of its value, or what it may be."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return ", ".join(str(each) for each in option.type.choices)
    return option.metavar or option.type.name


def describe_help(text: str) -> Iterator[str]:
    """The help of a command: paragraphs, and examples as blocks of code."""
    for part in text.replace("\b\n", "\x00").split("\n\n"):
        if part.strip().startswith("\x00"):
            yield from fence(part.strip().lstrip("\x00"), "sh")
        elif part.strip():
            yield from (" ".join(part.split()).replace("<", "&lt;"), "")
