"""List what there is: scenarios, rules, behaviours, sensors, conditions, switches, languages, engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import options
from harness.cli.screen import out, paper
from harness.detection.engine import list_engines as engines
from harness.detection.language import language, list_switch_names, list_switches
from harness.detection.language import list_languages as languages
from harness.diagnostics import HarnessError
from harness.report.console import Paper, format_count, one_line
from harness.report.json_document import VERSION, dumps
from harness.report.report_formats import list_report_formats as reports
from harness.scenario.pack import BUNDLED, DEFAULT, behaviour_folders, find_behaviours, find_scenarios
from harness.scenario.pack import find_rules as rules_in
from harness.scenario.rule import read_rule
from harness.scenario.scenario import read_scenario
from harness.telemetry.format_names import list_formats
from harness.telemetry.platform import Condition, list_condition_names, platform, platform_names, sensor_names

if TYPE_CHECKING:
    from harness.telemetry.sensor import Sensor

ListedItem = Mapping[str, str]


def list_scenarios(paths: Sequence[Path]) -> list[ListedItem]:
    """Scenario files and what they are."""
    found: list[ListedItem] = []
    for path in find_scenarios(paths):
        try:
            body = read_scenario(path).body
            facts = {"technique": body.technique, "activity": str(body.activity), "title": body.title}
        except HarnessError as error:
            # Listed all the same: a list is where people look for what is wrong.
            facts = {"technique": "", "activity": "", "title": f"cannot be read: {error.message}"}
        found.append({"scenario": str(path), **facts})
    return found


def list_rules(paths: Sequence[Path]) -> list[ListedItem]:
    """Rule files and the titles of their pages."""
    found: list[ListedItem] = []
    for path in rules_in(find_default_folders(paths), languages()):
        page = read_rule(path).page
        found.append({"rule": str(path), "technique": page.technique, "level": page.level, "title": page.title})
    return found


def find_default_folders(paths: Sequence[Path]) -> list[Path]:
    """The folders to look in."""
    return [p if p.is_dir() else p.parent for p in paths] or [DEFAULT if DEFAULT.is_dir() else BUNDLED / "scenarios"]


def find_behaviour_folders(paths: Sequence[Path]) -> list[Path]:
    """The folders with the behaviours that scenarios here can use."""
    return behaviour_folders(find_default_folders(paths)[0] / "scenario.yaml")


def behaviours(paths: Sequence[Path]) -> list[ListedItem]:
    """Behaviours that scenarios here can use, with their parameters."""
    simulation = import_module("harness.telemetry.simulation.behaviour")
    found = simulation.load_behaviours(*find_behaviour_folders(paths))
    return [
        {"behaviour": name, "parameters": ", ".join(found[name].parameters), "meaning": found[name].summary}
        for name in sorted(found)
    ]


def load_sensor(name: str) -> Sensor:
    """The sensor of that name."""
    made: Sensor = import_module("harness.telemetry.sensor").sensor(name)
    return made


def sensors(paths: Sequence[Path]) -> list[ListedItem]:
    """Sensors and what they are."""
    return [{"sensor": name, "meaning": load_sensor(name).meaning} for name in sensor_names()]


def list_conditions(paths: Sequence[Path]) -> list[ListedItem]:
    """How sensors and platforms may be set up, defaults first."""
    found = [(f"sensor {name}", c) for name in sensor_names() for c in load_sensor(name).conditions]
    found += [(f"platform {name}", c) for name in platform_names() for c in platform(name).conditions]
    return [
        {"condition": c.name, "values": format_condition_values(c), "of": owner, "meaning": c.meaning}
        for owner, c in found
    ]


def format_condition_values(condition: Condition) -> str:
    """What a condition may be, its default first."""
    return " | ".join([*condition.values, *(["..."] if condition.free else [])])


def switches(paths: Sequence[Path]) -> list[ListedItem]:
    """Meanings that products leave open, defaults first."""
    return [
        {"switch": name, "values": " | ".join(s.values), "language": owner, "question": s.question}
        for name, (owner, s) in list_switches().items()
    ]


def every_language(paths: Sequence[Path]) -> list[ListedItem]:
    """Query languages, by the suffix of their files."""
    return [{"language": n, "product": language(n).product, "platform": language(n).platform} for n in languages()]


LISTINGS: Mapping[str, Callable[[Sequence[Path]], list[ListedItem]]] = {
    "scenarios": list_scenarios,
    "rules": list_rules,
    "behaviours": behaviours,
    "sensors": sensors,
    "conditions": list_conditions,
    "switches": switches,
    "languages": every_language,
    "engines": lambda _: [{"engine": n} for n in engines()],
    "readers": lambda _: [{"reader": n} for n in list_formats("read")],
    "reports": lambda _: [{"report": n} for n in reports()],
}
# Told without importing what they are the names of.
NAMES: Mapping[str, Callable[[Sequence[Path]], Sequence[str]]] = {
    "scenarios": lambda paths: [str(p) for p in find_scenarios(paths)],
    "rules": lambda paths: [str(p) for p in rules_in(find_default_folders(paths), languages())],
    "behaviours": lambda paths: sorted(find_behaviours(find_behaviour_folders(paths))),
    "sensors": lambda _: sensor_names(),
    "conditions": lambda _: list_condition_names(),
    "switches": lambda _: list_switch_names(),
    "languages": lambda _: languages(),
    "engines": lambda _: engines(),
    "readers": lambda _: list_formats("read"),
    "reports": lambda _: reports(),
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(LISTINGS)), required=False)
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH]...")
@options.json_option
def command(kind: str | None, paths: tuple[Path, ...], as_json: bool) -> int:
    """Lists what there is of KIND, or how much there is of each.

    PATH is a folder with scenarios, ./scenarios or the pack that comes with detlab unless given.
    """
    if as_json:
        wanted = [kind] if kind else list(LISTINGS)
        out(dumps({"document": "list", "version": VERSION, **{name: LISTINGS[name](paths) for name in wanted}}))
    elif kind:
        out(format_listing(LISTINGS[kind](paths), paper()))
    else:
        sheet = paper()
        for name, find_names in NAMES.items():
            out(overview(name, find_names(paths), sheet))
    return 0


def format_listing(found: Sequence[ListedItem], sheet: Paper) -> list[str]:
    """One kind as a table; where it is too wide, the last column stands below the others."""
    if not found:
        return ["there are none"]
    rows = [tuple(found[0]), *(tuple(e.values()) for e in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if sum(widths) + 2 * len(widths) <= sheet.width:
        return sheet.table(rows[0], rows[1:])
    shown = []
    for row in rows[1:]:
        cells = (one_line(cell).ljust(width) for cell, width in zip(row[:-1], widths, strict=False))
        shown.append("  ".join(cells).rstrip())
        shown += [sheet.paint(line, "dim") for line in sheet.paragraph(row[-1], indent=4)]
    return shown


def overview(kind: str, names: Sequence[str], sheet: Paper) -> list[str]:
    """One kind in a line or two: how many there are and, where they are short, their names."""
    # Paths are too long to be listed side by side.
    if any("/" in n for n in names):
        return [f"{kind:<12}{format_count(len(names), 'file')}"]
    return sheet.paragraph(", ".join(names) or "none", indent=12, first=kind)
