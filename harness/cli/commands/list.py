"""List what there is: scenarios, rules, behaviours, sensors, conditions, switches, languages, engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from harness.cli import options
from harness.cli.screen import out, paper
from harness.detection.engine import list_engines as engines
from harness.detection.language import language, list_switches
from harness.detection.language import list_languages as languages
from harness.diagnostics import HarnessError
from harness.report.console import Paper, format_count, one_line
from harness.report.formats.json import VERSION, dumps
from harness.report.report import list_report_formats as reports
from harness.scenario.pack import BUNDLED, DEFAULT, behaviour_folders, find_scenarios
from harness.scenario.pack import find_rules as rules_in
from harness.scenario.rule import read_rule
from harness.scenario.scenario import read_scenario
from harness.telemetry.format import list_readers
from harness.telemetry.platform import Condition, platform, platform_names
from harness.telemetry.sensor import sensor, sensor_names
from harness.telemetry.simulation.behaviour import load_behaviours

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


def behaviours(paths: Sequence[Path]) -> list[ListedItem]:
    """Behaviours that scenarios here can use, with their parameters."""
    found = load_behaviours(*behaviour_folders(find_default_folders(paths)[0] / "scenario.yaml"))
    return [
        {"behaviour": name, "parameters": ", ".join(found[name].parameters), "meaning": found[name].summary}
        for name in sorted(found)
    ]


def sensors(paths: Sequence[Path]) -> list[ListedItem]:
    """Sensors and what they are."""
    return [{"sensor": name, "meaning": sensor(name).meaning} for name in sensor_names()]


def list_conditions(paths: Sequence[Path]) -> list[ListedItem]:
    """How sensors and platforms may be set up, defaults first."""
    found = [(f"sensor {name}", c) for name in sensor_names() for c in sensor(name).conditions]
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
    "readers": lambda _: [{"reader": n} for n in list_readers()],
    "reports": lambda _: [{"report": n} for n in reports()],
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(LISTINGS)), required=False)
@click.argument("paths", nargs=-1, type=options.PATH, metavar="[PATH]...")
@options.json_option
def command(kind: str | None, paths: tuple[Path, ...], as_json: bool) -> int:
    """Lists what there is of KIND, or how much there is of each.

    PATH is a folder with scenarios, ./scenarios or the pack that comes with detlab unless given.
    """
    wanted = {kind: LISTINGS[kind](paths)} if kind else {name: entries(paths) for name, entries in LISTINGS.items()}
    if as_json:
        out(dumps({"document": "list", "version": VERSION, **wanted}))
        return 0
    sheet = paper()
    if kind:
        out(format_listing(wanted[kind], sheet))
    else:
        for name, found in wanted.items():
            out(overview(name, found, sheet))
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


def overview(kind: str, found: Sequence[ListedItem], sheet: Paper) -> list[str]:
    """One kind in a line or two: how many there are and, where they are short, their names."""
    names = [next(iter(e.values())) for e in found]
    # Paths are too long to be listed side by side.
    if any("/" in n for n in names):
        return [f"{kind:<12}{format_count(len(names), 'file')}"]
    return sheet.paragraph(", ".join(names) or "none", indent=12, first=kind)
