"""Say what lies in files of events: shapes, kinds, hosts, times, and what was not understood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.project_settings import choose_by_project, settings_option
from harness.cli.rule_options import complete
from harness.cli.screen import out, paper
from harness.detection.language import list_languages
from harness.diagnostics import HarnessError, explain_failure
from harness.record import record
from harness.report.console import Paper, format_count, one_line
from harness.report.json_document import VERSION, dumps
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.rule_library import list_library_rules
from harness.supervisor import Limits
from harness.telemetry.events.event import Damage
from harness.telemetry.survey import ShapeCount, Survey, survey_events
from harness.verdict.reach import Reach, measure_reach
from harness.verdict.store import TelemetryStore

# Chosen: a folder of more files is told by shape, and of hosts, kinds and damages the first; --json has all.
MOST_SHAPES = 60
MOST_SHOWN_HOSTS = 10
MOST_SHOWN_KINDS = 40
MOST_SHOWN_DAMAGES = 20


@record(kw_only=True)
class RuleReach:
    """What a rule of a folder could see of the events, or why that cannot be told."""

    path: Path
    reach: Reach | None = None
    error: HarnessError | None = None


@click.command("events")
@click.argument("paths", nargs=-1, required=True, type=options.PATH, metavar="PATH...")
@click.option(
    "--rules", multiple=True, type=options.PATH, metavar="PATH", help="Which of these rules could see any of it."
)
@settings_option
@options.add_limits
@options.json_option
@options.verbose
def command(paths: tuple[Path, ...], rules: tuple[Path, ...], limits: Limits, as_json: bool, verbose: bool) -> int:
    r"""Says what lies in PATH, a file or a folder: events by shape, channel, id and host, and their span of time.

    What was damaged, what was not understood and what that looks like has a line each. With --rules a rule that none of
    the events can reach is told apart from one that could see some.

    \b
    detlab events export/
    detlab events capture.evtx --rules my_rules/ --json
    """
    limits = complete(limits)
    code = options.in_child(limits, whole=True)
    if code is not None:
        return code
    found = survey_events(paths)
    reached = list(reach_rules(found, rules, limits)) if rules else []
    if as_json:
        out(dumps({"document": "events", "version": VERSION, **survey_object(found), **rules_object(rules, reached)}))
    else:
        out([*survey_lines(found, paper(), verbose=verbose), *reach_lines(reached, paper(), verbose=verbose)])
    return 0


def reach_rules(survey: Survey, rules: Sequence[Path], limits: Limits) -> Iterator[RuleReach]:
    """Each rule of files and folders against the events."""
    found = list_library_rules(rules, list_languages())
    if not found:
        where = ", ".join(map(str, rules))
        raise HarnessError("no-rules", f"there is no rule in {where}", help="name a folder with rules")
    with Bench(choose_by_project(RunOptions(limits=limits))) as bench:
        store = TelemetryStore(bench.engine, lambda conditions: survey.telemetry)
        for rule in found:
            try:
                if rule.error is not None:
                    raise rule.error
                conditions = bench.conditions(rule.path)
                trial = bench.trial(rule.path, "lenient", store, conditions, bench.options.switches)
                yield RuleReach(path=rule.path, reach=measure_reach(trial))
            # One rule that cannot be planned must not hide what the others see.
            except Exception as error:
                yield RuleReach(path=rule.path, error=explain_failure(error))


def survey_lines(found: Survey, sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """The whole answer for people."""
    files = len({s.file for s in found.shapes})
    span = f", {format_moment(found.first)} to {format_moment(found.last)} UTC" if found.first else ""
    said = f"{format_count(len(found.telemetry), 'event')} in {format_count(files, 'file')}{span}"
    yield from (sheet.paint(line, "strong") for line in sheet.paragraph(said))
    if found.shapes:
        yield from ("", *shape_table(found.shapes, sheet, whole=verbose))
    if found.kinds:
        yield from ("", *kind_table(found, sheet, whole=verbose))
    if found.hosts:
        yield from ("", *host_lines(found, sheet, whole=verbose))
    yield from damage_lines("not understood", found.misread, sheet, whole=verbose)
    yield from damage_lines("damaged", found.damages, sheet, whole=verbose)


def shape_table(shapes: Sequence[ShapeCount], sheet: Paper, *, whole: bool) -> list[str]:
    """A line for each file and shape; of very many files a line for each shape."""
    if len(shapes) <= MOST_SHAPES or whole:
        listed = [[s.file, s.shape, f"{s.events:,}"] for s in shapes]
        return sheet.table(["file", "shape", "events"], listed, right=frozenset({2}))
    grouped: dict[str, list[ShapeCount]] = defaultdict(list)
    for each in shapes:
        grouped[each.shape].append(each)
    rows = [
        [shape, f"{len(same):,}", f"{sum(s.events for s in same):,}", same[0].file]
        for shape, same in sorted(grouped.items(), key=lambda item: -sum(s.events for s in item[1]))
    ]
    return sheet.table(["shape", "files", "events", "first file"], rows, right=frozenset({1, 2}))


def kind_table(found: Survey, sheet: Paper, *, whole: bool) -> list[str]:
    """A line for each kind of events."""
    shown = found.kinds if whole else found.kinds[:MOST_SHOWN_KINDS]
    rows = [
        [
            k.sensor,
            k.channel,
            k.kind,
            f"{k.events:,}",
            str(k.hosts),
            *(format_moment(t)[:-3] for t in (k.first, k.last)),
        ]
        for k in shown
    ]
    head = ["sensor", "channel", "id", "events", "hosts", "first", "last"]
    return [*sheet.table(head, rows, right=frozenset({3, 4})), *list_rest(len(found.kinds) - len(shown), "kind")]


def host_lines(found: Survey, sheet: Paper, *, whole: bool) -> list[str]:
    """The hosts with the most events."""
    shown = found.hosts.most_common(None if whole else MOST_SHOWN_HOSTS)
    rows = [[host, f"{count:,}"] for host, count in shown]
    rest = list_rest(len(found.hosts) - len(shown), "host")
    return [*sheet.table(["host", "events"], rows, right=frozenset({1})), *rest]


def damage_lines(head: str, damages: Sequence[Damage], sheet: Paper, *, whole: bool) -> Iterator[str]:
    """A line for each damage under a head."""
    if not damages:
        return
    yield from ("", sheet.paint(head, "bad"))
    shown = damages if whole else damages[:MOST_SHOWN_DAMAGES] if head == "damaged" else damages[:MOST_SHAPES]
    # Each on a line of its own, however long: a list of strangers is read line by line, and by grep.
    yield from (f"  {one_line(str(damage))}" for damage in shown)
    yield from list_rest(len(damages) - len(shown), "line")


def list_rest(count: int, noun: str) -> list[str]:
    """How many more there are than were shown."""
    return [f"  and {format_count(count, f'more {noun}')}; -v lists them"] if count > 0 else []


def reach_lines(reached: Sequence[RuleReach], sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """Rules that could see events, and those that none can reach."""
    if not reached:
        return
    seeing = [r for r in reached if r.reach and r.reach.events]
    yield from (
        "",
        sheet.paint(f"{len(seeing)} of {format_count(len(reached), 'rule')} could see some of it", "strong"),
    )
    rows = [
        [r.path.name, f"{r.reach.events:,}", shorten_list(r.reach.kinds), shorten_list(r.reach.absent)]
        for r in seeing
        if r.reach
    ]
    if rows:
        yield from sheet.table(["rule", "events", "kinds", "fields that none has"], rows, right=frozenset({1}))
    yield from reach_faults(reached, sheet, whole=verbose)


def reach_faults(reached: Sequence[RuleReach], sheet: Paper, *, whole: bool) -> Iterator[str]:
    """Rules that cannot be planned, and those that none of the events can reach."""
    broken = [f"{r.path.name}: cannot be planned: {r.error.message}" for r in reached if r.error is not None]
    blind = [f"{r.path.name}: none of the events can reach it" for r in reached if r.reach and not r.reach.events]
    told = [*broken, *blind]
    shown = told if whole else told[:MOST_SHOWN_DAMAGES]
    for line in shown:
        yield from sheet.paragraph(line, indent=2)
    yield from list_rest(len(told) - len(shown), "rule")


def shorten_list(names: Sequence[str]) -> str:
    """The first names and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def format_moment(moment: datetime | None) -> str:
    """A time to the second; nothing for none."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def format_minute(moment: datetime | None) -> str:
    """A time to the minute."""
    return format_moment(moment)[:-3]


def survey_object(found: Survey) -> dict[str, Any]:
    """The survey for machines; times are ISO 8601 in UTC."""
    return {
        "events": len(found.telemetry),
        "first": found.first.isoformat() if found.first else None,
        "last": found.last.isoformat() if found.last else None,
        "shapes": [{"file": s.file, "shape": s.shape, "events": s.events} for s in found.shapes],
        "kinds": [
            {
                "sensor": k.sensor,
                "kind": k.kind,
                "channel": k.channel,
                "events": k.events,
                "hosts": k.hosts,
                "first": k.first.isoformat() if k.first else None,
                "last": k.last.isoformat() if k.last else None,
            }
            for k in found.kinds
        ],
        "hosts": [{"host": host, "events": count} for host, count in found.hosts.most_common()],
        "not_understood": [{"place": d.place, "message": d.message} for d in found.misread],
        "damages": [{"place": d.place, "message": d.message} for d in found.damages],
    }


def rules_object(rules: Sequence[Path], reached: Sequence[RuleReach]) -> dict[str, Any]:
    """What rules could see, for machines; nothing where none was asked for."""
    if not rules:
        return {}
    listed = [
        {
            "rule": str(r.path),
            "events": r.reach.events if r.reach else 0,
            "kinds": list(r.reach.kinds) if r.reach else [],
            "absent": list(r.reach.absent) if r.reach else [],
            "error": r.error.as_json() if r.error else None,
        }
        for r in reached
    ]
    return {"rules": listed}
