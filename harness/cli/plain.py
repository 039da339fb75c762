"""Options that say what plain log files are, for commands that read events."""

from __future__ import annotations

from dataclasses import replace

import click

from harness.cli.options import Decorated
from harness.diagnostics import HarnessError
from harness.run import RunOptions
from harness.telemetry.indexing.plain_text import Input

PLAIN_TEXT_OPTIONS = (
    click.option("--sourcetype", metavar="NAME", help="Read text files as Splunk indexes events of this sourcetype."),
    click.option(
        "--source", metavar="NAME", help="With --sourcetype: where they come from (default: each file's path)."
    ),
    click.option("--host", metavar="NAME", help="With --sourcetype: which host wrote them (default: localhost)."),
)


def plain_text(command: Decorated) -> Decorated:
    """Adds the options; the command gets them as `sourcetype`, `source` and `host`."""
    for option in reversed(PLAIN_TEXT_OPTIONS):
        command = option(command)
    return command


def reading(chosen: RunOptions, sourcetype: str | None, source: str | None, host: str | None) -> RunOptions:
    """The same choice, with how plain files are read and that fields are extracted from them."""
    if sourcetype is None:
        # Said of files that bring both along, they would be silently ignored.
        if source or host:
            name = "--source" if source else "--host"
            raise HarnessError("usage", f"{name} is said of plain text only", help="add --sourcetype NAME")
        return chosen
    settings = chosen.settings
    # An empty stanza switches extraction on: Splunk extracts key=value pairs of every sourcetype by default.
    props = {sourcetype: {}, **settings.props}
    given = Input(
        sourcetype=sourcetype,
        source=source or "",
        host=host or "localhost",
        props=props,
        transforms=settings.transforms,
    )
    return replace(chosen, settings=replace(settings, props=props), plain=given)
