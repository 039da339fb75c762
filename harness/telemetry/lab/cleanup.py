"""Clean-up: exactly what is owed, however the run that owes it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command
from harness.telemetry.lab.command_line import build_marked_line, kill
from harness.telemetry.lab.inventory import Inventory
from harness.telemetry.lab.journal import Journal, JournalStep, Owed, list_owed_cleanups, lock_host
from harness.telemetry.lab.remote import Connect, RemoteHost

# Seconds; chosen.
CLEANUP_PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """The result of one owed clean-up; `why` is the reason where it is still owed."""

    owed: Owed
    done: bool
    why: str = ""


def run_cleanup(remote: RemoteHost, journal: Journal, item: Owed, *, timeout: float = CLEANUP_PATIENCE) -> CleanUp:
    """Runs one clean-up and journals it. Never raises for the host's sake: what fails stays owed and says why."""
    why = journal_cleanup_step(journal, JournalStep.CLEANING, item)
    try:
        if item.unfinished and item.mark:
            # A test that still runs would undo its own clean-up.
            remote.run(kill(item.mark), timeout=timeout)
        why = perform(remote, item, timeout) or why
    except HarnessError as error:
        why = error.message
    except KeyboardInterrupt:
        journal_cleanup_step(journal, JournalStep.DIRTY, item, why="interrupted")
        raise
    step, data = (JournalStep.DIRTY, {"why": why}) if why else (JournalStep.CLEANED, {"nothing": not item.cleanup})
    why = journal_cleanup_step(journal, step, item, **data) or why
    return CleanUp(owed=item, done=not why, why=why)


def journal_cleanup_step(journal: Journal, step: JournalStep, item: Owed, **data: object) -> str:
    """Journals a step of a clean-up; what is wrong where it cannot. Cleaning goes on: it does no harm twice."""
    try:
        journal.write(step, item.host, item.test, **data)
    except HarnessError as error:
        return error.message
    return ""


def perform(remote: RemoteHost, item: Owed, timeout: float) -> str:
    """Runs the command of a clean-up; the reason where it did not succeed, else empty."""
    if not item.cleanup:
        return ""
    # A mark of its own: killing by the test's must not find the clean-up.
    line = build_marked_line(Command(shell=Shell(item.shell), text=item.cleanup), f"{item.mark}c")
    ended = remote.run(line, timeout=timeout)
    if ended.timed_out:
        return f"the clean-up did not end within {timeout:.0f} s"
    if ended.exit_code:
        said = " ".join((ended.stderr or ended.stdout).split())[:200]
        return f"the clean-up ended with exit code {ended.exit_code}" + (f": {said}" if said else "")
    return ""


def clean_up(
    folder: Path,
    inventory: Inventory,
    connect: Connect,
    *,
    host: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[CleanUp, ...]:
    """Does every clean-up that any journal in a folder owes, host by host; whatever happens all are in the answer."""
    # groupby needs them side by side; the sort is stable, so the last run stays first.
    items = sorted(list_owed_cleanups(folder, host), key=lambda o: o.host)
    found: list[CleanUp] = []
    for name, group in groupby(items, key=lambda o: o.host):
        found += clean_host(folder, inventory, connect, name, tuple(group), tell)
    return tuple(found)


def clean_host(
    folder: Path,
    inventory: Inventory,
    connect: Connect,
    name: str,
    items: tuple[Owed, ...],
    tell: Callable[[str], None],
) -> Iterator[CleanUp]:
    """Does the clean-ups of one host under its lock; where it cannot be reached all of them stay owed."""
    try:
        with lock_host(folder, name):
            remote = connect(inventory.host(name))
            try:
                # Asked again under the host's lock: another detlab may have done it meanwhile.
                for item in still_owed(folder, items):
                    tell(f"{name}: cleaning up after {item.test}")
                    journal = Journal(item.journal, item.run)
                    try:
                        yield run_cleanup(remote, journal, item)
                    finally:
                        journal.close()
            finally:
                remote.close()
    except HarnessError as error:
        for item in still_owed(folder, items):
            yield CleanUp(owed=item, done=False, why=error.message)


def still_owed(folder: Path, items: Iterable[Owed]) -> Iterator[Owed]:
    """The owed clean-ups that no other process has done in the meantime."""
    for item in items:
        if any(
            (o.run, o.host, o.test) == (item.run, item.host, item.test) for o in list_owed_cleanups(folder, item.host)
        ):
            yield item


def accept(folder: Path, run: str, test: str) -> int:
    """Takes a person's word that a host is clean: the clean-ups of a run (of one test, or of all) are owed no more."""
    count = 0
    for item in list_owed_cleanups(folder):
        if item.run == run and test in ("", item.test):
            journal = Journal(item.journal, item.run)
            journal.write(JournalStep.CLEANED, item.host, item.test, accepted=True)
            journal.close()
            count += 1
    return count
