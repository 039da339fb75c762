"""Options that say what rules refer to: macros, lookup tables, saved queries, values of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.cli.options import PATH, Decorated, parse_pairs
from harness.detection.content import Content, read_content
from harness.detection.language import Settings

CONTENT_OPTIONS = (
    click.option("--macros", multiple=True, type=PATH, metavar="PATH", help="macros.conf, JSON or YAML, or an app."),
    click.option("--lookups", multiple=True, type=PATH, metavar="PATH", help="CSV tables, transforms.conf, or an app."),
    click.option(
        "--props", multiple=True, type=PATH, metavar="PATH", help="props.conf, or an app: how Splunk extracts fields."
    ),
    click.option("--saved", multiple=True, type=PATH, metavar="PATH", help="Saved queries of LogScale, as exported."),
    click.option("--param", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="The value of a `?NAME`."),
)


def merge_given_content(
    macros: tuple[Path, ...],
    lookups: tuple[Path, ...],
    props: tuple[Path, ...],
    saved: tuple[Path, ...],
    param: Mapping[str, str],
) -> Content:
    """What was named on the command line; only `props` says how fields are extracted."""
    # An app that is named for its macros would otherwise change which fields events have.
    others = read_content([*lookups, *macros, *saved]).without_extraction()
    return Content(parameters=param).over(others).over(read_content(props))


def contents(command: Decorated) -> Decorated:
    """Adds the options; the command gets them as `content`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        chosen = {name: named.pop(name) for name in ("macros", "lookups", "props", "saved", "param")}
        return command(*arguments, content=merge_given_content(**chosen), **named)

    for option in reversed(CONTENT_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def build_settings(content: Content) -> Settings:
    """The settings that hold for every rule."""
    return content.settings(Settings())
