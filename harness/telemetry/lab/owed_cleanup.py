"""Clean-ups that a journal says are still to run, each with all that it takes to render its command again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command, Rendered, fill_placeholders
from harness.telemetry.lab.journal import JournalEntry, JournalStep
from harness.telemetry.lab.secret_reference import ReferenceText, open_references, print_references, refer_to_secrets


class CleanupPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a test is undone: its clean-up as the library writes it, and its arguments; secrets stand by their names.

    The text is kept, not only the test's address: the library may change or go. `digest` says which definition it was.
    """

    mark: str
    technique: str
    number: int
    guid: str
    digest: str
    shell: Shell | None = None
    cleanup: ReferenceText = ""
    arguments: dict[str, ReferenceText] = {}
    folder: str = ""

    def render(self) -> Command | None:
        """The command, rendered again. Raises HarnessError, which says its name, where a secret is not to be had."""
        if self.shell is None or not self.cleanup:
            return None
        arguments = {name: open_references(value) for name, value in self.arguments.items()}
        return Command(shell=self.shell, text=fill_placeholders(open_references(self.cleanup), arguments, self.folder))

    def print(self) -> str:
        """The command for people, with the names of secrets in place of their values."""
        arguments = {name: print_references(value) for name, value in self.arguments.items()}
        return fill_placeholders(print_references(self.cleanup), arguments, self.folder).strip()


def plan_cleanup(rendered: Rendered, mark: str) -> CleanupPlan:
    """How a test will be undone. Raises HarnessError where that could not be rendered again as it is now."""
    atomic, cleanup = rendered.atomic, rendered.cleanup
    plan = CleanupPlan(
        mark=mark,
        technique=atomic.technique,
        number=atomic.number,
        guid=atomic.guid,
        digest=atomic.digest,
        shell=cleanup.shell if cleanup else None,
        cleanup=refer_to_secrets(atomic.test.executor.cleanup_command or "") if cleanup else "",
        arguments={name: refer_to_secrets(value) for name, value in rendered.arguments.items()},
        folder=rendered.folder,
    )
    if plan.render() != cleanup:
        message = f"the clean-up of {atomic.name} would not be rendered again as it is now"
        raise HarnessError("clean-up-differs", message, help="give its arguments other values")
    return plan


@record(kw_only=True)
class Owed:
    """A clean-up that has not been done: how it is done, and how often it was tried.

    `unfinished` is whether the test may still run; the plan's mark finds its processes.
    """

    run: str
    host: str
    test: str
    plan: CleanupPlan
    unfinished: bool = True
    tried: int = 0
    last: str = ""


def find_owed(entries: Sequence[JournalEntry]) -> Iterator[Owed]:
    """Clean-ups that a journal's run still owes: of every test that was started and is not cleaned, last one first.

    Raises HarnessError where a plan cannot be read.
    """
    planned: dict[str, CleanupPlan] = {}
    owed: dict[str, Owed] = {}
    for entry in entries:
        if entry.step is JournalStep.PLANNED:
            planned[entry.test] = read_plan(entry)
        elif entry.step is JournalStep.STARTED and entry.test in planned:
            owed.pop(entry.test, None)
            owed[entry.test] = Owed(run=entry.run, host=entry.host, test=entry.test, plan=planned[entry.test])
        elif entry.step is JournalStep.CLEANED:
            owed.pop(entry.test, None)
        elif entry.test in owed:
            owed[entry.test] = apply_journal_entry(owed[entry.test], entry)
    yield from reversed(owed.values())


def read_plan(entry: JournalEntry) -> CleanupPlan:
    """The plan in a journal's entry."""
    try:
        return msgspec.convert(entry.data, CleanupPlan)
    except msgspec.ValidationError as error:
        raise HarnessError("journal", f"record {entry.number} plans no clean-up that can be read: {error}") from error


def apply_journal_entry(item: Owed, entry: JournalEntry) -> Owed:
    """What is owed after one more entry about the same test."""
    if entry.step is JournalStep.FINISHED:
        return replace(item, unfinished=bool(entry.data.get("lost")))
    if entry.step is JournalStep.CLEANING:
        return replace(item, tried=item.tried + 1)
    return replace(item, last=str(entry.data.get("why", ""))) if entry.step is JournalStep.DIRTY else item
