"""Options that name a table of a lake and say which of its columns are which fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.cli.options import Decorated, parse_pairs
from harness.cli.project_settings import current_project
from harness.detection.lake import UNITS_OF_TIME, LakeTable
from harness.diagnostics import HarnessError, did_you_mean

LAKE_OPTIONS = (
    click.option(
        "--lake",
        metavar="TABLE",
        help="Events in a table: a path of Parquet or Delta, a name in Spark's catalog, or one of the project's lakes.",
    ),
    click.option("--lake-time", default="", metavar="COLUMN", help="Which column of the table is the events' time."),
    click.option(
        "--lake-unit",
        type=click.Choice(list(UNITS_OF_TIME)),
        default="s",
        show_default=True,
        help="What its numbers count.",
    ),
    click.option(
        "--lake-event", default="", metavar="COLUMN", help="Whole numbers that rise in the order of recording."
    ),
    click.option(
        "--lake-field",
        multiple=True,
        callback=parse_pairs,
        metavar="FIELD=COLUMN",
        help="Which column a field is: host=device_name.",
    ),
    click.option(
        "--lake-constant",
        multiple=True,
        callback=parse_pairs,
        metavar="FIELD=VALUE",
        help="A field that has one value in all events: index=wineventlog.",
    ),
)
NAMES = ("lake", "lake_time", "lake_unit", "lake_event", "lake_field", "lake_constant")


def add_lake_options(command: Decorated) -> Decorated:
    """Adds the options; the command gets a table as `lake`, None where none is named."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        given = {name.removeprefix("lake_"): named.pop(name) for name in NAMES}
        return command(*arguments, lake=choose_lake(given.pop("lake"), given), **named)

    for option in reversed(LAKE_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def choose_lake(name: str | None, given: Mapping[str, Any]) -> LakeTable | None:
    """The table of a name, with what is said of it here over what the project says. Raises HarnessError."""
    if name is None:
        if any(given[n] for n in ("time", "event", "field", "constant")):
            raise HarnessError("usage", "columns of a table are named, and no table", help="add --lake TABLE")
        return None
    project = current_project()
    known = project.settings.lakes if project else {}
    own = known.get(name)
    if own is None and not ("/" in name or "." in name or Path(name).exists()):
        hint = did_you_mean(name, list(known)) or "name a path, catalog.schema.table, or a lake of detlab.yaml"
        raise HarnessError("unknown-lake", f"there is no lake `{name}`", help=hint)
    return LakeTable(
        table=own.table if own else name,
        time=given["time"] or (own.time if own else ""),
        unit=own.unit if own and own.time and not given["time"] else given["unit"],
        event=given["event"] or (own.event if own else ""),
        fields={**(own.fields if own else {}), **given["field"]},
        constants={**(own.constants if own else {}), **given["constant"]},
    )


def refuse_sources(
    events: Sequence[Path], lake: LakeTable | None, *, product: bool, last: str | None, counted: bool
) -> None:
    """Raises HarnessError unless events come from exactly one place; a product has events of its own."""
    hint = "name files with --events, or a table with --lake"
    if events and lake:
        raise HarnessError("usage", "--events and --lake are two places of events", help=hint)
    if not (events or lake or product):
        raise HarnessError("usage", "it is not said where events are", help=hint)
    if product and lake:
        raise HarnessError("usage", "a product has no table of a lake", help="leave out --lake, or name another engine")
    if counted and lake:
        raise HarnessError("usage", "nobody knows who caused a lake's events", help="leave out --by and --every")
    if last and (events or not product):
        raise HarnessError("usage", "--last is said of a product's own events", help="leave out --last")
