"""List what there is: scenarios, rules, behaviours, sensors, conditions, switches, languages, engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from harness.cli import options
from harness.cli.screen import out, paper
from harness.detection import switches as switching
from harness.detection.engine import names as engines
from harness.detection.language import language
from harness.detection.language import names as languages
from harness.diagnostics import HarnessError
from harness.report.formats.json import VERSION, dumps
from harness.report.paper import Paper, count, one_line
from harness.report.report import names as reports
from harness.scenario.pack import BUNDLED, DEFAULT, behaviour_folders, find
from harness.scenario.pack import rules as rules_in
from harness.scenario.rule import read_rule
from harness.scenario.scenario import read_scenario
from harness.telemetry.behaviour import load_behaviours
from harness.telemetry.platform import Condition, platform, platform_names
from harness.telemetry.reader import formats
from harness.telemetry.sensor import sensor, sensor_names

Entry = Mapping[str, str]
FILE = click.Path(path_type=Path)


def scenarios(paths: Sequence[Path]) -> list[Entry]:
    """Scenario files and what they are."""
    found: list[Entry] = []
    for path in find(paths):
        try:
            body = read_scenario(path).body
            facts = {"technique": body.technique, "activity": str(body.activity), "title": body.title}
        except HarnessError as error:
            facts = {"technique": "", "activity": "", "title": f"cannot be read: {error.message}"}
        found.append({"scenario": str(path), **facts})
    return found


def rules(paths: Sequence[Path]) -> list[Entry]:
    """Rule files and the titles of their pages."""
    found: list[Entry] = []
    for path in rules_in(folders(paths), languages()):
        page = read_rule(path).page
        found.append({"rule": str(path), "technique": page.technique, "level": page.level, "title": page.title})
    return found


def folders(paths: Sequence[Path]) -> list[Path]:
    """The folders to look in."""
    return [p if p.is_dir() else p.parent for p in paths] or [DEFAULT if DEFAULT.is_dir() else BUNDLED / "scenarios"]


def behaviours(paths: Sequence[Path]) -> list[Entry]:
    """Behaviours that scenarios here can use, with their parameters."""
    found = load_behaviours(*behaviour_folders(folders(paths)[0] / "scenario.yaml"))
    return [
        {"behaviour": name, "parameters": ", ".join(found[name].parameters), "meaning": found[name].summary}
        for name in sorted(found)
    ]


def sensors(paths: Sequence[Path]) -> list[Entry]:
    """Sensors and what they are."""
    return [{"sensor": name, "meaning": sensor(name).meaning} for name in sensor_names()]


def conditions(paths: Sequence[Path]) -> list[Entry]:
    """How sensors and platforms may be set up, defaults first."""
    found = [(f"sensor {name}", c) for name in sensor_names() for c in sensor(name).conditions]
    found += [(f"platform {name}", c) for name in platform_names() for c in platform(name).conditions]
    return [{"condition": c.name, "values": values(c), "of": owner, "meaning": c.meaning} for owner, c in found]


def values(condition: Condition) -> str:
    """What a condition may be, its default first."""
    return " | ".join([*condition.values, *(["..."] if condition.free else [])])


def switches(paths: Sequence[Path]) -> list[Entry]:
    """Meanings that products leave open, defaults first."""
    return [
        {"switch": name, "values": " | ".join(s.values), "language": owner, "question": s.question}
        for name, (owner, s) in switching.known().items()
    ]


def every_language(paths: Sequence[Path]) -> list[Entry]:
    """Query languages, by the suffix of their files."""
    return [{"language": n, "product": language(n).product, "platform": language(n).platform} for n in languages()]


KINDS: Mapping[str, Callable[[Sequence[Path]], list[Entry]]] = {
    "scenarios": scenarios,
    "rules": rules,
    "behaviours": behaviours,
    "sensors": sensors,
    "conditions": conditions,
    "switches": switches,
    "languages": every_language,
    "engines": lambda _: [{"engine": n} for n in engines()],
    "readers": lambda _: [{"reader": n} for n in formats()],
    "reports": lambda _: [{"report": n} for n in reports()],
}


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@click.argument("paths", nargs=-1, type=FILE, metavar="[PATH]...")
@options.as_json
def command(kind: str | None, paths: tuple[Path, ...], as_json: bool) -> int:
    """Lists what there is of KIND, or how much there is of each.

    PATH is a folder with scenarios, ./scenarios or the pack that comes with detlab unless given.
    """
    wanted = {kind: KINDS[kind](paths)} if kind else {name: entries(paths) for name, entries in KINDS.items()}
    if as_json:
        out(dumps({"document": "list", "version": VERSION, **wanted}))
        return 0
    sheet = paper()
    if kind:
        out(lines(wanted[kind], sheet))
    else:
        for name, found in wanted.items():
            out(overview(name, found, sheet))
    return 0


def lines(found: Sequence[Entry], sheet: Paper) -> list[str]:
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


def overview(kind: str, found: Sequence[Entry], sheet: Paper) -> list[str]:
    """One kind in a line or two: how many there are and, where they are short, their names."""
    names = [next(iter(e.values())) for e in found]
    if any("/" in n for n in names):
        return [f"{kind:<12}{count(len(names), 'file')}"]
    return sheet.paragraph(", ".join(names) or "none", indent=12, first=kind)
