"""Run tests on real lab hosts, judge what they record, clean up whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness.cli import lab_plan, options
from harness.cli.lab_plan import print_progress
from harness.cli.screen import DIFFERS, out, paper
from harness.report.console import escape_controls
from harness.report.formats.json import dumps
from harness.report.formats.terminal import Terminal
from harness.report.report import Report, format
from harness.run import RunOptions
from harness.run_recording import judge_recording
from harness.scenario.atomic_library import expected_signals
from harness.scenario.scenario import Scenario
from harness.telemetry.lab.collection import Collector, FolderCollector, Waiting
from harness.telemetry.lab.detonate import Detonation, Watch, Watcher, detonate, new_run, what_if
from harness.telemetry.lab.guard import HostFacts, RefusedError, check_tests
from harness.telemetry.lab.inventory import Inventory, LabHost
from harness.telemetry.lab.journal import HostOutcome, journal_of, state_folder
from harness.telemetry.lab.recorder import Recorder
from harness.telemetry.lab.remote import RemoteHost, connect
from harness.telemetry.lab.secret import redact_secrets, redacted_data
from harness.telemetry.recording import Recording, open_recording


def judged_in(folder: Path, paths: Sequence[Path], *, as_json: bool, verbose: bool, chosen: RunOptions) -> int:
    """The same of the recording in a folder."""
    return judge_recording_scenarios(open_recording(folder), paths, as_json=as_json, verbose=verbose, chosen=chosen)


def judge_recording_scenarios(
    recording: Recording,
    scenarios: Sequence[Path],
    *,
    as_json: bool,
    verbose: bool,
    nobody_listens: bool = False,
    chosen: RunOptions | None = None,
    beside: Sequence[Scenario] = (),
) -> int:
    """Judges the scenarios that fit a recording and prints the table; the exit code."""
    chosen = chosen or RunOptions()
    found = judge_recording(recording, scenarios, chosen, listener=not nobody_listens, beside=beside)
    # Nothing is listed as chosen: conditions are those of the real hosts.
    report = Report(outcomes=found.outcomes, engine=chosen.engine, chosen=())
    terminal = Terminal(paper=paper(), verbose=verbose, quiet=False)
    out(format("json").write(report) if as_json else terminal.lines(report))
    for reason in found.left_out:
        print_progress(f"not judged: {reason}")
    if not found.outcomes.scenarios:
        print_progress("no scenario is about what was recorded; --scenarios names others")
    return 0 if found.outcomes.as_expected else DIFFERS


@click.command("detonate")
@click.argument("tests", nargs=-1, required=True, metavar="TEST...")
@click.option("--host", "hosts", multiple=True, required=True, metavar="NAME", help="A host of the inventory.")
@lab_plan.inventory
@lab_plan.atomics
@lab_plan.arguments
@lab_plan.guard_rails
@click.option(
    "--scenarios", multiple=True, type=options.PATH, metavar="PATH", help="Judge these (default: the pack's)."
)
@click.option("--out", "target", type=options.PATH, help="Where the recording goes (default: recordings/RUN).")
@click.option("--timeout", default=300, show_default=True, metavar="SECONDS", help="For one test.")
@click.option("--whole-timeout", default=3600, show_default=True, metavar="SECONDS", help="For all tests on a host.")
# Sysmon writes connections 1.1 to 2.0 s late in the median, and 5 to 6 s were seen (reference/telemetry.md); the other
# three defaults are chosen, no source.
@click.option("--quiet-for", default=6.0, show_default=True, metavar="SECONDS", help="No event for so long: all came.")
@click.option("--parallel", default=4, show_default=True, metavar="N", help="Hosts at a time.")
@click.option("--get-prerequisites", is_flag=True, help="Get what a test needs and does not find.")
@click.option("--nobody-listens", is_flag=True, help="No server answers on the host: judge the scenarios that say so.")
@click.option("--no-judge", is_flag=True, help="Only record.")
@click.option("--what-if", "only_show", is_flag=True, help="Print every command that would run, and touch nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.json_option
@options.verbose
def command(**given: Any) -> int:
    r"""Runs TEST (T1583.004, T1583.004-2, a GUID or a name) on lab hosts and judges what they recorded.

    \b
    detlab detonate T1583.004 --host win10
    detlab detonate T1053.005-2 --host win10 --atomics ~/atomic-red-team/atomics --what-if
    """
    inventory = lab_plan.open_inventory(given["inventory"])
    hosts = [inventory.host(name) for name in dict.fromkeys(given["hosts"])]
    plan = plan_detonation(given, inventory, hosts)
    if given["only_show"]:
        out([redact_secrets(line) for line in what_if(plan, hosts)])
        return 0
    # All reasons at once, and before anybody is asked to confirm.
    refusals = tuple(check_tests(plan.tests, inventory.sinks, plan.allowed, get=plan.get_prerequisites))
    if refusals:
        raise RefusedError(refusals)
    lab_plan.confirm(list(what_if(plan, hosts)), yes=given["yes"])
    path = given["target"] or Path("recordings") / plan.run
    recorder = Recorder(path=path, run=plan.run, lab=plan.lab, tests={t.atomic.name: t for t in plan.tests})
    # From here on something may be owed to a host.
    with lab_plan.ended_politely():
        outcomes = detonate(
            plan, hosts, connect, build_watchers(plan, recorder, given["quiet_for"]), lab_plan.print_progress
        )
    code = close_recording(plan, recorder, outcomes)
    # Without a recording there is nothing to judge; that is no verdict.
    if given["no_judge"] or not recorder.collected:
        out(show_detonation(outcomes, path, recorder, as_json=given["as_json"]))
        return code
    if not given["as_json"]:
        out(show_detonation(outcomes, path, recorder, as_json=False))
    chosen = {name: given[name] for name in ("as_json", "verbose", "nobody_listens")}
    signals = [s for s in map(expected_signals, (t.atomic for t in plan.tests)) if s]
    return max(code, judge_recording_scenarios(open_recording(path), given["scenarios"], beside=signals, **chosen))


def plan_detonation(given: Mapping[str, Any], inventory: Inventory, hosts: list[LabHost]) -> Detonation:
    """The plan that these options ask for."""
    run = new_run()
    tests = lab_plan.tests_at(lab_plan.open_library(given["atomics"]), given["tests"])
    # Commands are rendered once for all hosts, so they share the folder of the first.
    folder = hosts[0].entry.atomics
    return Detonation(
        run=run,
        lab=inventory.lab,
        tests=lab_plan.render_tests(tests, given["given"], run, folder=folder, raw=given["raw"]),
        state=state_folder(),
        allowed=lab_plan.allowances(given),
        timeout=given["timeout"],
        whole=given["whole_timeout"],
        get_prerequisites=given["get_prerequisites"],
        bound=given["parallel"],
    )


def build_watchers(plan: Detonation, recorder: Recorder, quiet: float) -> Watch:
    """Who collects what each host records."""

    def watch(host: LabHost, remote: RemoteHost, facts: HostFacts) -> Watcher:
        waiting = Waiting(quiet=quiet)
        if host.entry.events.folder:
            return FolderCollector(host=host, facts=facts, run=plan.run, keep=recorder.keep, waiting=waiting)
        return Collector(host=host, remote=remote, facts=facts, run=plan.run, keep=recorder.keep, waiting=waiting)

    return watch


def close_recording(plan: Detonation, recorder: Recorder, outcomes: tuple[HostOutcome, ...]) -> int:
    """Closes the recording, if anything was recorded; the exit code of what happened so far."""
    if recorder.collected:
        tests = [test for host in outcomes for test in host.tests]
        recorder.finish(tests, journal_of(plan.state, plan.run))
    return lab_plan.worst(outcomes)


def show_detonation(outcomes: tuple[HostOutcome, ...], path: Path, recorder: Recorder, *, as_json: bool) -> list[str]:
    """What happened, for people or machines."""
    if as_json:
        tests = [redacted_data(dict(t.as_json())) for host in outcomes for t in host.tests]
        errors = [host.error.as_json() for host in outcomes if host.error]
        document = {"document": "detonation", "version": 1, "run": recorder.run, "tests": tests, "errors": errors}
        return [dumps({**document, "recording": str(path) if recorder.collected else None})]
    lines = [escape_controls(redact_secrets(line)) for line in lab_plan.outcome_lines(outcomes)]
    for (host, test), kept in sorted(recorder.collected.items()):
        lines.append(f"{host}  {test}  recorded {kept.recorded} events, {kept.caused} of them the test's")
        lines += [f"    lost: {loss}" for loss in kept.losses]
    return [*lines, f"recording: {path}"] if recorder.collected else lines
