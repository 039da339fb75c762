"""Judge scenarios: does each rule say what it should?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.options import PATH, in_child, list_chosen_engines
from harness.cli.report_options import ReportChoice, add_report_options, write_reports
from harness.cli.rule_options import add_rule_options
from harness.cli.screen import DIFFERS, ProgressLine, out, paper
from harness.cli.sigma_options import expand_rules
from harness.diagnostics import HarnessError
from harness.report.formats.terminal import Terminal
from harness.report.report import format
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.scenario.pack import DEFAULT
from harness.scenario.project import SETTINGS_FILE
from harness.verdict.verdict import Outcomes


@click.command("run")
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@click.option(
    "--rule", "rules", multiple=True, type=PATH, metavar="FILE", help="Judge this rule, not the scenarios' own."
)
@click.option("--events", multiple=True, type=PATH, metavar="PATH", help="Run rules on recorded events, not scenarios.")
@click.option("--replay", type=PATH, metavar="RECORDING", help="Judge on what lab hosts recorded, not on simulation.")
@click.option("--attack-data", type=PATH, metavar="FOLDER", help="The events of security_content's tests.")
@options.add_product_options
@options.jobs_option
@click.option("-q", "--quiet", is_flag=True, help="Only what differs, and the summary.")
@add_report_options
@add_rule_options
def command(
    paths: tuple[Path, ...],
    rules: tuple[Path, ...],
    events: tuple[Path, ...],
    replay: Path | None,
    attack_data: Path | None,
    product: Mapping[str, Any],
    jobs: int | None,
    quiet: bool,
    told: ReportChoice,
    chosen: RunOptions,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Judges scenarios and says which rule sees what, and why not.

    PATH is a scenario file or a folder of them; without one it is ./scenarios, or the pack that comes with detlab.
    Sigma rules with regression data and security_content's detections with tests are scenarios too.

    \b
    detlab run                                         the pack
    detlab run --rule my.spl                           does my rule see the pack's attacks?
    detlab run --events capture.evtx --rule my.spl     what does my rule find in my events?
    detlab run --html page.html --junit tests.xml
    detlab run --engine duckdb --engine splunk         does my Splunk say the same?
    """
    # On events the rules are told one by one, those without a query too.
    judged = rules if events else expand_rules(rules, chosen.sigma)
    chosen = replace(chosen, rules=judged, attack_data=attack_data, jobs=jobs, since=told.since, shard=told.shard)
    if replay:
        return judge_recording(replay, paths, chosen, as_json=as_json, verbose=verbose)
    how = {"as_json": as_json, "verbose": verbose, "quiet": quiet, "told": told}
    if list_chosen_engines() != (chosen.engine,):
        return judge_elsewhere(paths, chosen, product, how, recorded=bool(events))
    if events:
        return on_events(events, paths, chosen, as_json=as_json, verbose=verbose)
    terminal = Terminal(paper=paper(), verbose=verbose, quiet=quiet)
    return judge_here(paths, chosen, told, None if as_json else terminal)


def judge_here(paths: tuple[Path, ...], chosen: RunOptions, told: ReportChoice, terminal: Terminal | None) -> int:
    """Scenarios on this machine; JSON without a terminal."""
    # By name: a digest of the program is for those who want it.
    cache = import_module("harness.kept_results").find_verdict_folder() if told.cache else None
    # Steps of what is seen and the events behind alerts are for the page alone.
    chosen = replace(chosen, detailed="html" in told.files, cache=cache)
    report = told.report(judge(paths, chosen), chosen)
    write_reports(report, told)
    out(terminal.lines(report) if terminal else format("json").write(report))
    return choose_exit_code(report.outcomes, gates_missed=bool(report.gates))


def judge_recording(replay: Path, paths: tuple[Path, ...], chosen: RunOptions, *, as_json: bool, verbose: bool) -> int:
    """Scenarios on what lab hosts recorded."""
    # Imported by name: a run on simulation needs nothing of the lab.
    recorded = import_module("harness.cli.commands.detonate")
    return int(recorded.judged_in(replay, paths, as_json=as_json, verbose=verbose, chosen=chosen))


def judge_elsewhere(
    paths: tuple[Path, ...], chosen: RunOptions, product: Mapping[str, Any], how: Mapping[str, Any], *, recorded: bool
) -> int:
    """Scenarios on a product, or on several engines."""
    # Imported by name: few runs leave this machine.
    products = import_module("harness.cli.product_answers")
    return int(products.judge_on_engines(paths, chosen, product, products.Shown(**how), elsewhere=recorded))


def choose_exit_code(outcomes: Outcomes, *, gates_missed: bool = False) -> int:
    """What the command ends with: what could not be judged counts more than what differs, as it may hide anything."""
    broken = max((b.error.exit_code for b in outcomes.broken), default=0)
    return broken or (0 if outcomes.as_expected and not gates_missed else DIFFERS)


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
    if not paths and not DEFAULT.is_dir() and Path(SETTINGS_FILE).is_file():
        hint = "`detlab init RULE` makes one from a rule, `detlab new scenario` begins one"
        raise HarnessError("no-scenarios", "this project has no folder scenarios", help=hint)
    progress = ProgressLine()
    try:
        outcomes = run_scenarios(paths, chosen, progress)
    finally:
        progress.done()
    if not outcomes.scenarios and not outcomes.unselected:
        where = ", ".join(str(p) for p in paths) or "scenarios"
        raise HarnessError("no-scenarios", f"there is no scenario in {where}", help="`detlab run --help`")
    return outcomes
