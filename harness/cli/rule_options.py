"""Options of every command that runs a rule: what it refers to, what plain logs are, all of them as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from harness.cli import options
from harness.cli.options import PATH, Decorated, parse_pairs
from harness.cli.project_settings import default_of, read_project_content, settings_option
from harness.cli.sigma_options import add_sigma_options
from harness.detection.content import Content, read_content
from harness.detection.engine import DEFAULT_PATIENCE
from harness.detection.language import Settings
from harness.diagnostics import HarnessError
from harness.run_options import RunOptions
from harness.supervisor import Limits

if TYPE_CHECKING:
    from harness.telemetry.indexing.plain_text import Input

CONTENT_OPTIONS = (
    click.option("--macros", multiple=True, type=PATH, metavar="PATH", help="macros.conf, JSON or YAML, or an app."),
    click.option("--lookups", multiple=True, type=PATH, metavar="PATH", help="CSV tables, transforms.conf, or an app."),
    click.option(
        "--props", multiple=True, type=PATH, metavar="PATH", help="props.conf, or an app: how Splunk extracts fields."
    ),
    settings_option,
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
    """What was named on the command line, over what the project names; only `props` says how fields are extracted."""
    # An app that is named for its macros would otherwise change which fields events have.
    others = read_content([*lookups, *macros, *saved]).without_extraction()
    return Content(parameters=param).over(others).over(read_content(props)).over(read_project_content())


def contents(command: Decorated) -> Decorated:
    """Adds the options; the command gets them as `content`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        chosen = {name: named.pop(name) for name in ("macros", "lookups", "props", "saved", "param")}
        return command(*arguments, content=merge_given_content(**chosen), **named)

    for option in reversed(CONTENT_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def build_settings(content: Content, now: str | None = None, zone: str | None = None) -> Settings:
    """The settings that hold for every rule: when and where it is searched, and what it refers to."""
    moment = 0.0 if now is None else parse_moment(now)
    settings = Settings(now=moment, zone=parse_zone(zone or "UTC"), find_hint=find_field_hint)
    return content.settings(settings)


def find_field_hint(name: str) -> str | None:
    """Which condition of a sensor gives its events a field that none of the events at hand has."""
    # Imported by name: sensors write events, and most rules ask for nothing that they lack.
    hint: str | None = import_module("harness.telemetry.sensor").find_field_hint(name)
    return hint


def parse_moment(text: str) -> float:
    """Epoch seconds of `2024-01-31T12:00:00Z` or of a number, after 1970. Raises HarnessError."""
    try:
        moment = None if re.fullmatch(r"\d+(\.\d+)?", text) else datetime.fromisoformat(text)
        # Without a zone it would hang on the machine's.
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = float(text) if moment is None else moment.timestamp()
    except (ValueError, OverflowError):
        seconds = 0.0
    if seconds <= 0:
        message = f"--now {text} is no time after 1970"
        raise HarnessError("wrong-time", message, help="write 2024-01-31T12:00:00Z")
    return seconds


def parse_zone(name: str) -> str:
    """A time zone by its name. Raises HarnessError where there is none of it."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise HarnessError("wrong-zone", f"no time zone is called {name}", help="write Europe/Berlin") from error
    return name


SEARCH_OPTIONS = (
    click.option(
        "--now", metavar="TIME", help="What `earliest=-24h` and now() count from (default: when the events end)."
    ),
    click.option(
        "--zone", default=default_of("zone"), metavar="NAME", help="The time zone of who runs it (default: UTC)."
    ),
)


PLAIN_TEXT_OPTIONS = (
    click.option(
        "--sourcetype",
        metavar="NAME",
        help="Read text files as Splunk indexes events of this sourcetype; event logs have it as their own.",
    ),
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


def add_plain_text_input(
    chosen: RunOptions, sourcetype: str | None, source: str | None, host: str | None
) -> RunOptions:
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
    # Imported by name: `lint` has these options' module and reads no events.
    made = import_module("harness.telemetry.indexing.plain_text").Input
    given: Input = made(
        sourcetype=sourcetype,
        source=source or "",
        host=host or "",
        props=props,
        transforms=settings.transforms,
    )
    return replace(chosen, settings=replace(settings, props=props), plain=given)


def complete(limits: Limits, seconds: float = DEFAULT_PATIENCE) -> Limits:
    """The limits with this time where none was given: the option has no default, since `coverage` has another."""
    return replace(limits, seconds=limits.seconds or seconds)


def add_rule_options(command: options.Decorated) -> options.Decorated:
    """Adds engine, dialect, conditions, switches, seed, content, Sigma, plain text and --verbose."""
    return add_choice(options.verbose(command))


def add_choice(command: options.Decorated) -> options.Decorated:
    """The same without --verbose; all arrive as `chosen`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        content: Content = named.pop("content")
        chosen = RunOptions(
            engine=named.pop("engine"),
            dialect=named.pop("dialect"),
            conditions=named.pop("condition"),
            usual=content.inputs,
            sensors=tuple(default_of("sensors", ())()),
            switches={**default_of("switches", {})(), **named.pop("switch")},
            seed=named.pop("seed"),
            limits=complete(named.pop("limits")),
            settings=build_settings(content, named.pop("now"), named.pop("zone")),
            sigma=named.pop("sigma"),
        )
        chosen = add_plain_text_input(chosen, named.pop("sourcetype"), named.pop("source"), named.pop("host"))
        return command(*arguments, chosen=chosen, **named)

    decorated = options.add_judging_options(add_sigma_options(wrapped))
    for option in reversed(SEARCH_OPTIONS):
        decorated = option(decorated)
    return plain_text(contents(decorated))  # type: ignore[return-value]
