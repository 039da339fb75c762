"""Verdicts beside a rule: its scenarios run by the command in a child, which typing never waits for."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.pack import BUNDLED, find_pack_root, find_scenarios, list_generators

# Chosen, no source: a pack of hundreds of scenarios takes a minute, and nobody looks at an older answer.
SECONDS_FOR_RUN = 180.0
RUN_LIMITS = ("--time-limit", "30", "--jobs", "1", "--json")
RUN_PROGRAM = ("-P", "-c", "from harness.cli.main import main; main()", "run")
# Of a command line on every system.
MOST_SCENARIOS = 500
LARGEST_SCENARIO_TEXT = 1 << 20
OUTCOME_WORDS = {
    ("malicious", "true positive"): "seen",
    ("malicious", "false negative"): "missed",
    ("benign", "true negative"): "quiet",
    ("benign", "false positive"): "false alarms",
}


@record(kw_only=True)
class RunSummary:
    """What running a document's scenarios said, in one line, and whether that is as expected."""

    title: str
    as_expected: bool = True


def list_scenarios_of(path: Path) -> list[Path]:
    """The scenarios of a rule's pack that name the rule, judged by their text."""
    root = find_pack_root(path)
    folder = root / "scenarios" if (root / "scenarios").is_dir() else path.parent
    named = re.compile(rf"\brule:\s*[\"']?(?:[\w./-]*/)?{re.escape(path.name)}(?![\w-])".encode())
    found = []
    for each in find_scenarios([folder]):
        with suppress(OSError):
            if each.stat().st_size <= LARGEST_SCENARIO_TEXT and named.search(each.read_bytes()):
                found.append(each)
    return found[:MOST_SCENARIOS]


def needs_consent(scenarios: Sequence[Path]) -> bool:
    """Whether running these would run Python that did not come with detlab."""
    bundled = (BUNDLED / "generators").resolve()
    return any(folder.resolve() != bundled for folder in list_generators(scenarios))


def choose_arguments(path: Path, scenarios: Sequence[Path]) -> list[str]:
    """The command line for a rule: the scenarios that name it, else all that `detlab run --rule` takes."""
    return [*map(str, scenarios), *RUN_LIMITS] if scenarios else ["--rule", str(path), *RUN_LIMITS]


class RuleRuns:
    """The last run of each document, and the one that is going on."""

    def __init__(self) -> None:
        """Nothing has been run."""
        self.known: dict[Path, RunSummary] = {}
        self.process: Process | None = None
        self.path: Path | None = None

    async def run(self, path: Path, arguments: Sequence[str], folder: Path) -> RunSummary:
        """Runs scenarios and keeps what they say; a run that is going on is ended, since its answer is out of date."""
        self.stop()
        began = monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, *RUN_PROGRAM, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, cwd=folder
        )
        self.process, self.path = process, path
        try:
            async with asyncio.timeout(SECONDS_FOR_RUN):
                out, _ = await process.communicate()
        except TimeoutError:
            raise HarnessError("time-limit", f"the run took more than {SECONDS_FOR_RUN:g} s and was stopped") from None
        finally:
            # Also where whoever waits has gone.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            if self.process is process:
                self.process = self.path = None
        summary = summarize_run(path, out, monotonic() - began)
        self.known[path] = summary
        return summary

    def stop(self) -> None:
        """Ends the run that is going on."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()


def summarize_run(path: Path, out: bytes, seconds: float) -> RunSummary:
    """What the JSON of a run says of a rule or of a scenario."""
    try:
        document = json.loads(out)
    except ValueError:
        raise HarnessError("process-died", "the run ended without an answer") from None
    if document.get("document") != "run":
        errors = document.get("errors") or [{}]
        message = f"{errors[0].get('code', 'error')}: {errors[0].get('message', 'the run failed')}"
        return RunSummary(title=message, as_expected=False)
    verdicts = [v for v in document["verdicts"] if concerns(v, path)] or document["verdicts"]
    counts: dict[str, int] = {}
    for verdict in verdicts:
        word = OUTCOME_WORDS.get((verdict["scenario"]["activity"], verdict["observed"]), verdict["observed"])
        counts[word] = counts.get(word, 0) + 1
    differ = sum(not v["as_expected"] for v in verdicts) + sum(not s["as_expected"] for s in document["signals"])
    parts = [f"{counts[w]} {w}" for w in OUTCOME_WORDS.values() if w in counts]
    parts += [f"{differ} not as expected"] if differ else []
    parts += [f"{len(document['broken'])} broken"] if document["broken"] else []
    title = f"{', '.join(parts) or 'nothing judged'} ({seconds:.1f} s)"
    return RunSummary(title=title, as_expected=not differ and not document["broken"])


def concerns(verdict: Mapping[str, Any], path: Path) -> bool:
    """Whether a verdict is of the rule in a file, or in a file of others."""
    named = Path(verdict["rule"]["path"])
    return named.name == path.name or named.parent.name == path.name or named.name.startswith(f"{path.name}.")
