"""Run tests on real lab hosts, judge what they record, clean up whatever happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness.cli import lab_plan, options
from harness.cli.lab_plan import print_progress
from harness.cli.lab_secrets import open_arguments, open_passwords, refuse_ordinary_words
from harness.cli.project_settings import choose_by_project, settings_option
from harness.cli.screen import DIFFERS, INTERRUPTED, out, paper
from harness.diagnostics import HarnessError
from harness.report.formats.terminal import Terminal
from harness.report.json_document import dumps
from harness.report.report import Report, format
from harness.run_options import RunOptions
from harness.run_recording import judge_recording
from harness.scenario.atomic_library import expected_signals
from harness.scenario.scenario import Scenario
from harness.telemetry.lab.collection import Collector, FolderCollector, Waiting
from harness.telemetry.lab.detonate import Detonation, Watch, Watcher, detonate, new_run, what_if
from harness.telemetry.lab.guard import HostFacts, Refusal, RefusedError, check_tests
from harness.telemetry.lab.host_record import describe_no_journal
from harness.telemetry.lab.inventory import Inventory, LabHost
from harness.telemetry.lab.journal import HostOutcome, state_folder
from harness.telemetry.lab.recorder import Recorder
from harness.telemetry.lab.remote import RemoteHost, connect
from harness.telemetry.lab.secret import count_secrets, redact_secrets, redacted_data
from harness.telemetry.lab.state_note import find_other_state, write_state_note
from harness.telemetry.recording import Recording, format_revealed, is_recording, open_recording


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
    chosen: RunOptions,
    beside: Sequence[Scenario] = (),
) -> int:
    """Judges the scenarios that fit a recording and prints the table; the exit code."""
    if not recording.manifest.complete:
        tests = ", ".join(f"{t.host} {t.name}" for t in recording.manifest.tests if t.events)
        print_progress(f"{recording.path} is of a run that was cut off; judged is what it had recorded: {tests}")
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
@lab_plan.secret_arguments
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
@settings_option
@options.json_option
@options.verbose
def command(**given: Any) -> int:
    r"""Runs TEST (T1583.004, T1583.004-2, a GUID or a name) on lab hosts and judges what they recorded.

    \b
    detlab detonate T1583.004 --host win10
    detlab detonate T1053.005-2 --host win10 --atomics ~/atomic-red-team/atomics --what-if
    """
    # What is wrong with the project is told before anything runs.
    given["chosen"] = choose_by_project(RunOptions())
    inventory = lab_plan.open_inventory(given["inventory"])
    hosts = [inventory.host(name) for name in dict.fromkeys(given["hosts"])]
    passwords = open_passwords(inventory, hosts, needed=not given["only_show"])
    secrets = open_arguments(given["secret"])
    given["given"] = {**given["given"], **{name: secret.reveal() for name, secret in secrets.items()}}
    plan = plan_detonation(given, inventory, hosts)
    if given["only_show"]:
        lab_plan.show_lines(list(what_if(plan, hosts)))
        return 0
    refusals = (
        # All reasons at once, and before anybody is asked to confirm.
        *check_tests(plan.tests, inventory.targets, plan.allowed, get=plan.get_prerequisites),
        *refuse_ordinary_words(inventory, passwords, secrets, plan.tests),
        *refuse_other_state(given["inventory"], plan, hosts),
    )
    if refusals:
        raise RefusedError([hide_in_refusal(refusal) for refusal in refusals])
    path = given["target"] or Path("recordings") / plan.run
    if is_recording(path):
        raise HarnessError("exists", f"{path} is a recording already", help="name another folder with --out")
    lab_plan.confirm(list(what_if(plan, hosts)), yes=given["yes"])
    return run_plan(given, plan, hosts, path)


def run_plan(given: Mapping[str, Any], plan: Detonation, hosts: list[LabHost], path: Path) -> int:
    """Runs a plan, closes its recording whatever ended it, and judges what was recorded."""
    recorder = Recorder(path=path, run=plan.run, lab=plan.lab, tests={t.atomic.name: t for t in plan.tests})
    watch = build_watchers(plan, recorder, given["quiet_for"], given["inventory"])
    tell, interruption = lab_plan.print_progress, lab_plan.Interruption()
    # From here on something may be owed to a host.
    with lab_plan.notice_signals(interruption):
        outcomes = detonate(plan, hosts, connect, watch, tell, settle=recorder.settle, stop=interruption.stop)
        interrupted = interruption.stop.is_set()
        code = close_recording(plan, recorder, outcomes, complete=not interrupted)
    if interrupted:
        with suppress(OSError, ValueError):
            show_detonation(outcomes, recorder, as_json=given["as_json"], interrupted=True)
            sys.stdout.flush()
        if interruption.repeated:
            # Threads that wait for a host would keep the process for as long as the host likes.
            os._exit(INTERRUPTED)
        return INTERRUPTED
    # Without a recording there is nothing to judge; that is no verdict.
    if given["no_judge"] or not recorder.collected:
        show_detonation(outcomes, recorder, as_json=given["as_json"])
        return code
    if not given["as_json"]:
        show_detonation(outcomes, recorder, as_json=False)
    chosen = {name: given[name] for name in ("as_json", "verbose", "nobody_listens", "chosen")}
    signals = [s for s in map(expected_signals, (t.atomic for t in plan.tests)) if s]
    return max(code, judge_recording_scenarios(open_recording(path), given["scenarios"], beside=signals, **chosen))


def hide_in_refusal(refusal: Refusal) -> Refusal:
    """A refusal for people: what a command says may hold a secret."""
    return replace(refusal, message=redact_secrets(refusal.message), allow=redact_secrets(refusal.allow))


def refuse_other_state(inventory: Path, plan: Detonation, hosts: Sequence[LabHost]) -> Iterator[Refusal]:
    """Refuses hosts whose journals are in another state folder: what was done there is not known here."""
    for host in hosts:
        reason = find_other_state(inventory, host.name, plan.state)
        if reason:
            message = f"what was done to {host.name} is not known: {reason}"
            allow = f"use that folder, or look at {host.name} and `detlab cleanup --accept {host.name}`"
            yield Refusal(rule="host-not-known", message=message, allow=allow)
    missing = describe_no_journal(plan.state)
    if missing:
        lab_plan.print_progress(f"{missing}: of earlier runs nothing is known")


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


def build_watchers(plan: Detonation, recorder: Recorder, quiet: float, inventory: Path) -> Watch:
    """Who collects what each host records; from then on the host has a journal, and where is noted."""

    def watch(host: LabHost, remote: RemoteHost, facts: HostFacts) -> Watcher:
        try:
            write_state_note(inventory, host.name, plan.state)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            lab_plan.print_progress(f"where the journals are cannot be noted beside {inventory}: {reason}")
        waiting = Waiting(quiet=quiet)
        if host.entry.events.folder:
            return FolderCollector(host=host, facts=facts, run=plan.run, keep=recorder.keep, waiting=waiting)
        return Collector(host=host, remote=remote, facts=facts, run=plan.run, keep=recorder.keep, waiting=waiting)

    return watch


def close_recording(plan: Detonation, recorder: Recorder, outcomes: tuple[HostOutcome, ...], *, complete: bool) -> int:
    """Closes the recording, if anything was recorded; the exit code of what happened so far."""
    code = lab_plan.worst(outcomes)
    if recorder.collected:
        try:
            recorder.finish([test for host in outcomes for test in host.tests], plan.state, complete=complete)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            lab_plan.print_progress(f"the recording {recorder.path} cannot be closed: {reason}; its tests are whole")
            return max(code, HarnessError.exit_code)
    return code


def show_detonation(
    outcomes: tuple[HostOutcome, ...], recorder: Recorder, *, as_json: bool, interrupted: bool = False
) -> None:
    """Prints what happened, for people or machines."""
    kept = [test for _, test in sorted(recorder.collected.items())]
    revealed = [line for test in kept for line in format_revealed(test)]
    if as_json:
        document = {
            "document": "detonation",
            "version": 1,
            "run": recorder.run,
            "interrupted": interrupted,
            "tests": [dict(t.as_json()) for host in outcomes for t in host.tests],
            "errors": [host.error.as_json() for host in outcomes if host.error],
            "recorded": [{"host": t.host, "test": t.name, "events": t.recorded, "caused": t.caused} for t in kept],
            "revealed": revealed,
            "recording": str(recorder.path) if kept else None,
        }
        hidden = sum(count_secrets([dumps(document)]).values())
        out(dumps({**redacted_data(document), "hidden": hidden}))
        return
    lines = list(lab_plan.outcome_lines(outcomes))
    for test in kept:
        lines.append(f"{test.host}  {test.name}  recorded {test.recorded} events, {test.caused} of them the test's")
        lines += [f"    lost: {loss}" for loss in test.losses]
    lines += [f"    {line}" for line in revealed]
    lab_plan.show_lines([*lines, f"recording: {recorder.path}"] if kept else lines)
