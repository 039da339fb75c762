"""Verdicts on a recording, told as `detlab run` tells them, with what could not be judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.cli import lab
from harness.cli.failure import DIFFERS
from harness.cli.screen import out, paper
from harness.recorded import judge_recording
from harness.report.formats.terminal import Terminal
from harness.report.report import Report, format
from harness.run import RunOptions
from harness.scenario.scenario import Scenario
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
        lab.print_progress(f"not judged: {reason}")
    if not found.outcomes.scenarios:
        lab.print_progress("no scenario is about what was recorded; --scenarios names others")
    return 0 if found.outcomes.as_expected else DIFFERS
