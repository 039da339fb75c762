"""Clean-up: exactly what is owed, however the run that owes it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.lab.command_line import build_marked_line, kill
from harness.telemetry.lab.host_lock import lock_host
from harness.telemetry.lab.host_record import accept_cleanup, list_owed_cleanups
from harness.telemetry.lab.inventory import Inventory
from harness.telemetry.lab.journal import Journal, JournalStep
from harness.telemetry.lab.owed_cleanup import Owed
from harness.telemetry.lab.remote import Connect, RemoteHost

# Seconds; chosen.
CLEANUP_PATIENCE = 120.0


@record(kw_only=True)
class CleanUp:
    """The result of one owed clean-up; `why` is the reason where it is still owed."""

    owed: Owed
    done: bool
    why: str = ""


def run_cleanup(remote: RemoteHost, journal: Journal, item: Owed, *, timeout: float = CLEANUP_PATIENCE) -> CleanUp:
    """Runs one clean-up and journals it. Never raises for the host's sake: what fails stays owed and says why."""
    why = journal_cleanup_step(journal, JournalStep.CLEANING, item)
    try:
        if item.unfinished and item.plan.mark:
            # A test that still runs would undo its own clean-up.
            remote.run(kill(item.plan.mark), timeout=timeout)
        why = perform(remote, item, timeout) or why
    except HarnessError as error:
        why = error.message
    except KeyboardInterrupt:
        journal_cleanup_step(journal, JournalStep.DIRTY, item, why="interrupted")
        raise
    step, data = (JournalStep.DIRTY, {"why": why}) if why else (JournalStep.CLEANED, {"nothing": not item.plan.cleanup})
    why = journal_cleanup_step(journal, step, item, **data) or why
    return CleanUp(owed=item, done=not why, why=why)


def journal_cleanup_step(journal: Journal, step: JournalStep, item: Owed, **data: object) -> str:
    """Journals a step of a clean-up; what is wrong where it cannot. Cleaning goes on: it does no harm twice."""
    try:
        journal.write(step, item.test, **data)
    except HarnessError as error:
        return error.message
    return ""


def perform(remote: RemoteHost, item: Owed, timeout: float) -> str:
    """Renders and runs the command of a clean-up; what is wrong with how it ended, if anything."""
    command = item.plan.render()
    if command is None:
        return ""
    ended = remote.run(build_marked_line(command, f"{item.plan.mark}c"), timeout=timeout)
    if ended.timed_out:
        return f"the clean-up did not end within {timeout:.0f} s"
    if ended.exit_code:
        said = " ".join((ended.stderr or ended.stdout).split())[:200]
        return f"the clean-up ended with exit code {ended.exit_code}" + (f": {said}" if said else "")
    return ""


def clean_up(state: Path, inventory: Inventory, connect: Connect, *, host: str = "") -> tuple[CleanUp, ...]:
    """Does every clean-up that is known to be owed, host by host; whatever happens all are in the answer."""
    return tuple(clean_hosts(state, inventory, connect, host=host))


def clean_hosts(
    state: Path,
    inventory: Inventory,
    connect: Connect,
    *,
    host: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[CleanUp]:
    """The same, each result as soon as it is known."""
    # groupby needs them side by side; the sort is stable, so the last run stays first.
    items = sorted(list_owed_cleanups(state, host), key=lambda o: o.host)
    for name, group in groupby(items, key=lambda o: o.host):
        yield from clean_host(state, inventory, connect, name, tuple(group), tell)


def clean_host(
    state: Path,
    inventory: Inventory,
    connect: Connect,
    name: str,
    items: tuple[Owed, ...],
    tell: Callable[[str], None],
) -> Iterator[CleanUp]:
    """Does the clean-ups of one host; what fails there, foreseen or not, ends nothing on others."""
    done: list[Owed] = []
    try:
        with lock_host(state, name):
            remote = connect(inventory.host(name))
            try:
                # Asked again under the host's lock: another detlab may have done it meanwhile.
                for item in still_owed(state, items):
                    tell(f"{name}: cleaning up after {item.test}")
                    journal = Journal(state, item.run, item.host)
                    try:
                        cleaned = run_cleanup(remote, journal, item)
                    finally:
                        journal.close()
                    done.append(item)
                    yield cleaned
            finally:
                remote.close()
    except Exception as error:
        why = error.message if isinstance(error, HarnessError) else f"unforeseen: {type(error).__name__}: {error}"
        for item in still_owed(state, [i for i in items if i not in done]):
            yield CleanUp(owed=item, done=False, why=why)


def still_owed(state: Path, items: Iterable[Owed]) -> Iterator[Owed]:
    """The owed clean-ups that no other process has done in the meantime."""
    for item in items:
        if any((o.run, o.test) == (item.run, item.test) for o in list_owed_cleanups(state, item.host)):
            yield item


def accept(state: Path, run: str, test: str) -> int:
    """Takes a person's word that clean-ups of a run (of one test, or of all) were done by hand: how many."""
    items = [o for o in list_owed_cleanups(state) if o.run == run and test in ("", o.test)]
    for item in items:
        with lock_host(state, item.host):
            accept_cleanup(state, item)
    return len(items)
