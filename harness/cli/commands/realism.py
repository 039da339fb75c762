"""Hold simulated events against recorded ones of the same kind: every difference, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import options
from harness.cli.project_settings import choose_by_project, settings_option
from harness.cli.screen import out, paper
from harness.diagnostics import HarnessError
from harness.report.console import Paper, format_count
from harness.report.json_document import VERSION, dumps
from harness.run_options import RunOptions
from harness.scenario.pack import find_scenarios
from harness.scenario.scenario import read_scenario
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry
from harness.telemetry.scenario_telemetry import check_conditions, record_scenario
from harness.telemetry.simulation.realism import RealismComparison, compare_with_recorded
from harness.telemetry.simulation.realism_classifier import Classification


@click.command("realism")
@click.option(
    "--real", multiple=True, required=True, type=options.PATH, metavar="PATH", help="Recorded events: file or folder."
)
@click.option("--world", type=options.PATH, metavar="FOLDER", help="A world that was simulated.")
@click.option(
    "--scenario", multiple=True, type=options.PATH, metavar="PATH", help="Scenarios (default: all of the pack)."
)
@click.option(
    "--fields", multiple=True, type=options.PATH, metavar="TSV", help="More that is known: kinds and their fields."
)
@click.option("--classify", is_flag=True, help="Say how well a classifier tells simulated events, and by what.")
@settings_option
@options.condition_option
@options.seed
@options.json_option
@options.verbose
def command(
    real: tuple[Path, ...],
    world: Path | None,
    scenario: tuple[Path, ...],
    fields: tuple[Path, ...],
    classify: bool,
    condition: Mapping[str, str],
    seed: int | None,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Lists where simulated events are not as recorded ones: fields, order, notation, relations of values, rates.

    Differences that a parser or a rule could trip over are structural; with one of those the exit code is 1.

    \b
    detlab realism --real capture.evtx
    detlab realism --real captures/ --world world
    """
    chosen = choose_by_project(RunOptions(conditions=condition, seed=seed))
    check_conditions({**chosen.usual, **condition})
    if world is not None and scenario:
        raise HarnessError(
            "world-or-scenario", "either a world or scenarios are compared", help="leave out one of both"
        )
    simulated = read_telemetry(world) if world is not None else simulated_by(scenario, chosen)
    found = compare_with_recorded(real, simulated, read_known_fields(fields), classify=classify)
    if as_json:
        out(dumps({"document": "realism", "version": VERSION, **comparison_object(found)}))
    else:
        out(comparison_lines(found, paper(), verbose=verbose))
    return 1 if found.structural else 0


def read_known_fields(paths: tuple[Path, ...]) -> dict[str, frozenset[str]]:
    """Fields by kind from lines of a kind, a tab, and names of fields with blanks between; a lone name is Falcon's."""
    lines: list[str] = []
    for path in paths:
        try:
            lines += path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise HarnessError("unreadable", f"{path} cannot be read as text") from error
    found: dict[str, frozenset[str]] = {}
    for line in lines:
        name, tab, rest = line.partition("\t")
        if tab:
            # Falcon's kinds have one word, all others a sensor and a number.
            kind = name if " " in name else f"falcon {name}"
            found[kind] = found.get(kind, frozenset()) | frozenset(rest.partition("\t")[0].split())
    return found


def simulated_by(scenarios: tuple[Path, ...], chosen: RunOptions) -> Telemetry:
    """The telemetry of scenarios; without any, of the whole pack."""
    parts = []
    for path in find_scenarios(scenarios):
        read_in = read_scenario(path)
        if read_in.body.simulate:
            conditions = {**chosen.usual, **read_in.body.conditions, **chosen.conditions}
            parts.append(record_scenario(read_in, conditions, seed=chosen.seed, sensors=chosen.sensors))
    return merge_telemetry(parts)


def comparison_lines(found: RealismComparison, sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """What was found, for people."""
    if not found.kinds:
        yield "nothing was recorded of a kind that was simulated"
    for kind, (real, made) in found.kinds.items():
        yield sheet.paint(f"{kind}: {format_count(real, 'recorded event')}, {made:,} simulated", "strong")
        own = [d for d in found.differences if d.kind == kind and (d.structural or d.relation or verbose)]
        for each in own:
            mark = "structural" if each.structural else "relation" if each.relation else "seen only in some"
            yield from sheet.paragraph(f"{mark}: {each.field}: {each.message}", indent=2)
            for label, text in (("recorded", each.recorded), ("simulated", each.simulated)):
                if text:
                    yield from sheet.paragraph(f"{label}: {text}", indent=6)
        for measure in found.measures.get(kind, ()):
            line = f"{measure.name}: recorded {measure.recorded}, simulated {measure.simulated}"
            between = f" ({measure.interval[0]:.2f} to {measure.interval[1]:.2f})" if measure.interval else ""
            yield from sheet.paragraph(f"{line}; apart by {measure.distance:.2f}{between}", indent=2)
        for classified in (c for c in found.classifications if c.kind == kind):
            yield from classification_lines(classified, sheet)
    if found.only_recorded and verbose:
        told = ", ".join(f"{k} ({n})" for k, n in found.only_recorded.items())
        yield from sheet.paragraph(f"not simulated: {told}")
    others = len(found.differences) - len(found.structural) - len(found.relations)
    more = (
        ""
        if verbose or not others
        else f", {format_count(others, 'field')} of some recorded events only (-v lists them)"
    )
    kinds = format_count(len(found.kinds), "kind")
    broken = f", {format_count(len(found.relations), 'relation')} apart" if found.relations else ""
    yield f"{format_count(len(found.structural), 'structural difference')} in {kinds}{broken}{more}"


def classification_lines(found: Classification, sheet: Paper) -> Iterator[str]:
    """How well a classifier tells events of a kind apart, and by what."""
    yield from sheet.paragraph(
        f"classifier: {found.accuracy:.0%} of events told right (50% is guessing), "
        f"{found.recorded:,} recorded and {found.simulated:,} simulated",
        indent=2,
    )
    for each in found.betrayals:
        medians = f"recorded {each.recorded:.3g}, simulated {each.simulated:.3g} in the median"
        yield from sheet.paragraph(f"by {each.feature} alone {each.alone:.0%}: {medians}", indent=6)


def comparison_object(found: RealismComparison) -> dict[str, object]:
    """What was found, for machines."""
    return {
        "kinds": [{"kind": k, "recorded": r, "simulated": s} for k, (r, s) in found.kinds.items()],
        "only_recorded": dict(found.only_recorded),
        "differences": [asdict(d) for d in found.differences],
        "classifications": [asdict(c) for c in found.classifications],
        "measures": {k: [asdict(m) for m in v] for k, v in found.measures.items()},
    }
