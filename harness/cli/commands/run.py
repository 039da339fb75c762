"""Judge scenarios: does each rule say what it should?"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.options import PATH, Decorated, in_child
from harness.cli.project_settings import current_project
from harness.cli.rule_options import add_rule_options
from harness.cli.screen import DIFFERS, ProgressLine, out, paper
from harness.cli.sigma_options import expand_rules
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.report.console import escape_controls
from harness.report.formats.terminal import Terminal
from harness.report.report import Report, format
from harness.report.report_formats import list_report_formats
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.verdict.verdict import Outcomes

TO_STDOUT = ("terminal", "json")


def written_reports(command: Decorated) -> Decorated:
    """Adds the options; their values arrive as keyword arguments by the format's name."""
    for name in reversed([n for n in list_report_formats() if n not in TO_STDOUT]):
        kind = click.Path(dir_okay=False, path_type=Path)
        command = click.option(f"--{name}", type=kind, metavar="FILE", help=f"Also write the report as {name}.")(
            command
        )
    return command


def write_reports(report: Report, files: Mapping[str, Path | None]) -> None:
    """Writes each report that was asked for."""
    for name, path in files.items():
        if path is not None:
            # As bytes, so line feeds on every system: reports are compared and hashed.
            write_file(path, format(name).write(report).encode("utf-8"))


@click.command("run")
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@click.option(
    "--rule", "rules", multiple=True, type=PATH, metavar="FILE", help="Judge this rule, not the scenarios' own."
)
@click.option("--events", multiple=True, type=PATH, metavar="PATH", help="Run rules on recorded events, not scenarios.")
@click.option("--replay", type=PATH, metavar="RECORDING", help="Judge on what lab hosts recorded, not on simulation.")
@click.option("--attack-data", type=PATH, metavar="FOLDER", help="The events of security_content's tests.")
@options.jobs_option
@click.option("-q", "--quiet", is_flag=True, help="Only what differs, and the summary.")
@written_reports
@add_rule_options
def command(
    paths: tuple[Path, ...],
    rules: tuple[Path, ...],
    events: tuple[Path, ...],
    replay: Path | None,
    attack_data: Path | None,
    jobs: int | None,
    quiet: bool,
    chosen: RunOptions,
    as_json: bool,
    verbose: bool,
    **files: Any,
) -> int:
    r"""Judges scenarios and says which rule sees what, and why not.

    PATH is a scenario file or a folder of them; without one it is ./scenarios, or the pack that comes with detlab.
    Sigma rules with regression data and security_content's detections with tests are scenarios too.

    \b
    detlab run                                         the pack
    detlab run --rule my.spl                           does my rule see the pack's attacks?
    detlab run --events capture.evtx --rule my.spl     what does my rule find in my events?
    """
    # On events the rules are told one by one, those without a query too.
    judged = rules if events else expand_rules(rules, chosen.sigma)
    chosen = replace(chosen, rules=judged, attack_data=attack_data, jobs=jobs)
    if replay:
        # Imported by name: a run on simulation needs nothing of the lab.
        recorded = import_module("harness.cli.commands.detonate")
        return int(recorded.judged_in(replay, paths, as_json=as_json, verbose=verbose, chosen=chosen))
    if events:
        return on_events(events, paths, chosen, as_json=as_json, verbose=verbose)
    outcomes = judge(paths, chosen)
    unbound = (("limits", "not hard"),) if chosen.limits.unbound else ()
    said = (*chosen.conditions.items(), *chosen.switches.items(), *unbound)
    report = Report(outcomes=outcomes, engine=chosen.engine, chosen=said)
    write_reports(report, files)
    terminal = Terminal(paper=paper(), verbose=verbose, quiet=quiet)
    out(format("json").write(report) if as_json else terminal.lines(report))
    return choose_exit_code(outcomes) or tell_gates(outcomes)


def tell_gates(outcomes: Outcomes) -> int:
    """Says on stderr which gates of the project are not reached; the exit code."""
    project = current_project()
    # Imported by name: most runs have no gates.
    failures = import_module("harness.verdict.gates").list_gate_failures
    missing = list(failures(outcomes, project.settings.gates)) if project else []
    sys.stderr.write("".join(f"{escape_controls(line)}\n" for line in missing))
    return DIFFERS if missing else 0


def choose_exit_code(outcomes: Outcomes) -> int:
    """What the command ends with: what could not be judged counts more than what differs, as it may hide anything."""
    broken = max((b.error.exit_code for b in outcomes.broken), default=0)
    return broken or (0 if outcomes.as_expected else DIFFERS)


def on_events(
    events: tuple[Path, ...],
    paths: tuple[Path, ...],
    chosen: RunOptions,
    *,
    as_json: bool,
    verbose: bool,
) -> int:
    """Rules on recorded events, in place of scenarios."""
    if paths:
        hint = "leave PATH out, or write a scenario with `replay:` to judge recorded events"
        raise HarnessError("usage", "--events takes the place of scenarios", help=hint)
    code = in_child(chosen.limits, engine=chosen.engine, whole=len(chosen.rules) == 1)
    if code is not None:
        return code
    # Imported by name, as above: scenarios are not told as answers are.
    answers = import_module("harness.cli.rule_answers")
    return int(answers.inquire(chosen.rules, events, chosen, as_json=as_json, verbose=verbose))


def judge(paths: tuple[Path, ...], chosen: RunOptions) -> Outcomes:
    """Everything that is found out of these paths, progress shown; finding no scenario is an error."""
    progress = ProgressLine()
    try:
        outcomes = run_scenarios(paths, chosen, progress)
    finally:
        progress.done()
    if not outcomes.scenarios:
        where = ", ".join(str(p) for p in paths) or "scenarios"
        raise HarnessError("no-scenarios", f"there is no scenario in {where}", help="`detlab run --help`")
    return outcomes
