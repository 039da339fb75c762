"""Detonation: tests run on real hosts, journaled before each step, and cleaned up whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import Protocol

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Rendered
from harness.scenario.atomic_warnings import list_atomic_warnings
from harness.telemetry.lab.cleanup import CLEANUP_PATIENCE, CleanUp, run_cleanup
from harness.telemetry.lab.command_line import build_marked_line
from harness.telemetry.lab.doctor import read_facts
from harness.telemetry.lab.guard import Allowances, HostFacts, Refusal, RefusedError, check_host
from harness.telemetry.lab.host_ledger import read_ledger
from harness.telemetry.lab.host_lock import lock_host
from harness.telemetry.lab.host_record import read_host_record
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.journal import Cleaning, HostOutcome, Journal, JournalStep, Status, TestOutcome
from harness.telemetry.lab.owed_cleanup import CleanupPlan, Owed, plan_cleanup
from harness.telemetry.lab.remote import CommandLine, Connect, LostError, RemoteHost, TimedHost

Tell = Callable[[str], None]
Settle = Callable[[TestOutcome], None]

# How often the main thread looks whether it was interrupted: short enough for a person, too long to cost anything.
SECONDS_BETWEEN_LOOKS = 0.2


class Watcher(Protocol):
    """The collector of a host's events around each test."""

    def before(self, mark: str) -> None:
        """Called before a test starts."""

    def after(self, outcome: TestOutcome) -> None:
        """Called when it has ended, before it is cleaned up."""


Watch = Callable[[LabHost, RemoteHost, HostFacts], Watcher]


@record(kw_only=True)
class Detonation:
    """What is to be done: the tests, in order, on each host. Times are in seconds."""

    run: str
    lab: str
    tests: tuple[Rendered, ...]
    state: Path
    allowed: Allowances = field(default_factory=Allowances)
    # Seconds for a test, and for all tests on a host; chosen, as the four hosts at a time below.
    timeout: float = 300.0
    whole: float = 3600.0
    get_prerequisites: bool = False
    cleaning_timeout: float = CLEANUP_PATIENCE
    bound: int = 4

    def mark(self, number: int) -> str:
        """The mark of a test, by which its processes are found: run and number."""
        return f"{self.run}.{number}"


def new_run() -> str:
    """A name for a run: its time, so that names sort, and something that no other run has."""
    # Three random bytes: two runs may begin in one second.
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(3)}"


def detonate(
    plan: Detonation,
    hosts: Sequence[LabHost],
    connect: Connect,
    watch: Watch | None = None,
    tell: Tell = lambda _: None,
    *,
    settle: Settle = lambda _: None,
    stop: Event | None = None,
) -> tuple[HostOutcome, ...]:
    """Runs the tests on all hosts, at most `bound` of them at a time; `settle` is told of each test that has ended.

    Once `stop` is set (or at the first KeyboardInterrupt) running tests are killed and cleaned up, and the outcomes so
    far are the answer. A KeyboardInterrupt after that leaves the rest to `detlab cleanup`.
    """
    stop = stop or Event()
    runs = [
        OneHost(plan=plan, host=host, connect=connect, watch=watch, tell=tell, settle=settle, stop=stop)
        for host in hosts
    ]
    pool = ThreadPoolExecutor(max_workers=max(1, plan.bound), thread_name_prefix="host")
    try:
        futures = [pool.submit(run.run) for run in runs]
        try:
            wait_for(futures, stop, tell)
        except KeyboardInterrupt:
            if stop.is_set():
                raise
            stop.set()
            wait_for(futures, stop, tell)
        return tuple(future.result() for future in futures)
    except KeyboardInterrupt:
        return tuple(run.outcome_so_far() for run in runs)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def wait_for(futures: Sequence[Future[HostOutcome]], stop: Event, tell: Tell) -> None:
    """Waits for all in short stretches, between which a signal is noticed."""
    noticed = False
    while wait(futures, timeout=SECONDS_BETWEEN_LOOKS).not_done:
        if stop.is_set() and not noticed:
            tell("interrupted: cleaning up; interrupt again to leave that to `detlab cleanup`")
            noticed = True


@dataclass(slots=True, kw_only=True)
class OneHost:
    """The run of all tests on one host."""

    plan: Detonation
    host: LabHost
    connect: Connect
    watch: Watch | None
    tell: Tell
    settle: Settle
    stop: Event
    facts: HostFacts = field(default_factory=HostFacts)
    plans: dict[str, CleanupPlan] = field(default_factory=dict)
    outcomes: list[TestOutcome] = field(default_factory=list)

    def run(self) -> HostOutcome:
        """Everything on this host; an error ends it, never before owed clean-ups were tried."""
        error: HarnessError | None = None
        try:
            with lock_host(self.plan.state, self.host.name):
                # Under the lock and before a connection: nobody can start to owe in between.
                self.refuse_unless_known()
                self.open_ledger()
                remote = self.connect(self.host)
                try:
                    self.on(TimedHost(remote, time.monotonic() + self.plan.whole))
                finally:
                    remote.close()
        except HarnessError as caught:
            error = caught
        except Exception as caught:
            error = HarnessError("unforeseen", f"{self.host.name}: {type(caught).__name__}: {caught}")
        why = "the run had ended" if error is None else error.message
        return self.outcome_so_far(why, error)

    def outcome_so_far(self, why: str = "interrupted", error: HarnessError | None = None) -> HostOutcome:
        """What has happened up to now; tests without an outcome were not run."""
        outcomes = tuple(self.outcomes)
        done = {o.test for o in outcomes}
        left = [
            self.outcome(number, rendered, Status.NOT_RUN, why=why)
            for number, rendered in enumerate(self.plan.tests, 1)
            if rendered.atomic.name not in done
        ]
        return HostOutcome(host=self.host.name, tests=(*outcomes, *left), facts=self.facts, error=error)

    def refuse_unless_known(self) -> None:
        """A host that owes a clean-up, or whose journals do not say whether it does, is not touched."""
        name = self.host.name
        record = read_host_record(self.plan.state, name)
        refusals = []
        if record.owed:
            message = f"{name} still owes a clean-up after {', '.join(i.test for i in record.owed)}"
            refusals.append(Refusal(rule="owed-cleanup", message=message, allow="`detlab cleanup` first"))
        allow = f"look at {name} or restore it, then `detlab cleanup --accept {name}`"
        refusals += [
            Refusal(rule="host-not-known", message=f"what was done to {name} is not known: {damage}", allow=allow)
            for damage in record.damages
        ]
        if refusals:
            raise RefusedError(refusals)

    def open_ledger(self) -> None:
        """Notes that this state folder knows the host from now on, whatever comes of this run."""
        try:
            ledger = read_ledger(self.plan.state, self.host.name)
            if not ledger.path.exists():
                ledger.save()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise HarnessError("journal", f"{ledger.path} cannot be written: {reason}") from error

    def on(self, remote: TimedHost) -> None:
        """Looks at the host, then runs the tests one after another."""
        self.facts = read_facts(remote, self.host.name)
        refusals = tuple(check_host(self.host.name, self.facts, self.plan.lab, self.plan.tests, self.plan.allowed))
        if refusals:
            raise RefusedError(refusals)
        watcher = self.watch(self.host, remote, self.facts) if self.watch else None
        journal = Journal(self.plan.state, self.plan.run, self.host.name)
        try:
            # All plans before the first start: each clean-up is in the journal whatever comes.
            for number, rendered in enumerate(self.plan.tests, 1):
                plan = self.plans[rendered.atomic.name] = plan_cleanup(rendered, self.plan.mark(number))
                journal.write(JournalStep.PLANNED, rendered.atomic.name, **msgspec.to_builtins(plan))
            self.run_tests(remote, watcher, journal)
            journal.write(JournalStep.ENDED)
        finally:
            journal.close()

    def run_tests(self, remote: TimedHost, watcher: Watcher | None, journal: Journal) -> None:
        """Runs the tests until they are through, their time is over or somebody stops them."""
        for number, rendered in enumerate(self.plan.tests, 1):
            over = remote.seconds_left() <= 0
            if self.stop.is_set() or over:
                why = "interrupted" if self.stop.is_set() else "the run's time was over"
                self.outcomes.append(self.outcome(number, rendered, Status.NOT_RUN, why=why))
            else:
                self.test(remote, watcher, journal, number, rendered)

    def outcome(self, number: int, rendered: Rendered, status: Status, *, why: str = "") -> TestOutcome:
        """An outcome of a test without times and output yet."""
        mark = self.plan.mark(number)
        return TestOutcome(host=self.host.name, test=rendered.atomic.name, mark=mark, status=status, why=why)

    def test(
        self, remote: TimedHost, watcher: Watcher | None, journal: Journal, number: int, rendered: Rendered
    ) -> None:
        """One test: its prerequisites, then the rest of it; its outcome is kept whatever happens."""
        name = rendered.atomic.name
        if rendered.command is None:
            self.outcomes.append(self.outcome(number, rendered, Status.MANUAL, why="its steps are for a person"))
            return
        missing = self.missing_prerequisite(remote, journal, number, rendered)
        if missing:
            journal.write(JournalStep.BLOCKED, name, why=missing)
            self.outcomes.append(self.outcome(number, rendered, Status.BLOCKED, why=missing))
            return
        if watcher:
            watcher.before(self.plan.mark(number))
        line = build_marked_line(rendered.command, self.plan.mark(number))
        self.tell(f"{self.host.name}: {name} {rendered.atomic.test.name}")
        # Synced before the command is sent: from here on a clean-up is owed.
        journal.write(JournalStep.STARTED, name)
        self.run_and_clean(remote, watcher, journal, line, self.outcome(number, rendered, Status.LOST))

    def run_and_clean(
        self, remote: TimedHost, watcher: Watcher | None, journal: Journal, line: CommandLine, outcome: TestOutcome
    ) -> None:
        """The command of a test and what was recorded of it; whatever happens there, its clean-up is next."""
        try:
            outcome = self.command(remote, journal, line, outcome)
            if watcher:
                watcher.after(outcome)
        except HarnessError as error:
            outcome = replace(outcome, why=outcome.why or error.message)
            raise
        finally:
            item = Owed(
                run=self.plan.run,
                host=self.host.name,
                test=outcome.test,
                plan=self.plans[outcome.test],
                # A lost test may still run, so it is killed first.
                unfinished=outcome.status is Status.LOST,
            )
            cleaned = run_cleanup(remote.remote, journal, item, timeout=self.plan.cleaning_timeout)
            self.outcomes.append(with_cleaning(outcome, cleaned))
            self.settle(self.outcomes[-1])

    def command(self, remote: TimedHost, journal: Journal, line: CommandLine, outcome: TestOutcome) -> TestOutcome:
        """Runs the command of a test and journals how it ended, also when that is not known."""
        started, within = datetime.now(UTC), min(self.plan.timeout, remote.seconds_left())
        try:
            ended = remote.run(line, timeout=self.plan.timeout, stop=self.stop)
        except LostError as error:
            journal.write(JournalStep.FINISHED, outcome.test, lost=True, why=error.message)
            return replace(outcome, started=started, ended=datetime.now(UTC), complete=False, why=error.message)
        journal.write(JournalStep.FINISHED, outcome.test, exit_code=ended.exit_code, timed_out=ended.timed_out)
        reason = "it was interrupted" if self.stop.is_set() else f"it did not end within {within:.0f} s"
        return replace(
            outcome,
            status=Status.TIMED_OUT if ended.timed_out else Status.FINISHED,
            exit_code=ended.exit_code,
            stdout=ended.stdout,
            stderr=ended.stderr,
            complete=ended.complete,
            started=started,
            ended=datetime.now(UTC),
            why=f"{reason} and was killed" if ended.timed_out else "",
        )

    def missing_prerequisite(self, remote: RemoteHost, journal: Journal, number: int, rendered: Rendered) -> str:
        """The first dependency that is not there, after getting it where that is allowed; nothing if all are."""
        mark = f"{self.plan.mark(number)}p"
        for prerequisite in rendered.prerequisites:
            check = build_marked_line(prerequisite.check, mark)
            if remote.run(check, timeout=self.plan.timeout).ok:
                continue
            if prerequisite.get is None or not self.plan.get_prerequisites:
                return prerequisite.description
            name = rendered.atomic.name
            journal.write(JournalStep.GETTING, name, what=prerequisite.description)
            remote.run(build_marked_line(prerequisite.get, mark), timeout=self.plan.timeout)
            there = remote.run(check, timeout=self.plan.timeout).ok
            journal.write(JournalStep.GOT, name, there=there)
            if not there:
                return prerequisite.description
        return ""


def with_cleaning(outcome: TestOutcome, cleaned: CleanUp) -> TestOutcome:
    """The outcome with what became of its clean-up."""
    if not cleaned.done:
        return replace(outcome, cleaning=Cleaning.OWED, why_owed=cleaned.why)
    return replace(outcome, cleaning=Cleaning.CLEANED if cleaned.owed.plan.cleanup else Cleaning.NOTHING)


def what_if(plan: Detonation, hosts: Sequence[LabHost]) -> Iterator[str]:
    """Every command that would run, host by host, as it would be sent."""
    for host in hosts:
        yield f"# {host.name} ({host.endpoint}, {host.entry.wire})"
        for number, rendered in enumerate(plan.tests, 1):
            yield f"# {rendered.atomic.name} {rendered.atomic.test.name}"
            yield from (f"# {w.severity}: {w.message}" for w in list_atomic_warnings(rendered.atomic))
            if rendered.steps:
                yield "\n".join(f"# by hand: {row}" for row in rendered.steps.splitlines())
            for what, command in rendered.commands():
                if what != "get prerequisite" or plan.get_prerequisites:
                    line = build_marked_line(command, plan.mark(number))
                    yield f"{what}: {line.text}"
                    # A script that was too long for the line is base64 there.
                    if line.stdin and command.shell is Shell.COMMAND_PROMPT:
                        yield "\n".join(f"  | {row}" for row in line.stdin.decode().splitlines())
