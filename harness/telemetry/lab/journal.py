"""What was done to a host, synced before it is done; one run at a time; how each test ended."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.diagnostics import HarnessError
from harness.telemetry.lab.guard import HostFacts, Refusal, RefusedError
from harness.telemetry.lab.secret import redacted_data

VERSION = 1
# An entry is about a kilobyte: far more than any run writes.
LARGEST_JOURNAL = 64 << 20


class JournalStep(StrEnum):
    """What an entry says happens next, or has happened. `started` and `cleaning` come before, the others after."""

    PLANNED = "planned"
    GETTING = "getting"
    GOT = "got"
    BLOCKED = "blocked"
    STARTED = "started"
    FINISHED = "finished"
    CLEANING = "cleaning"
    CLEANED = "cleaned"
    DIRTY = "dirty"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line: when, which run, host and test, which step, and what belongs to it."""

    at: str
    run: str
    step: JournalStep
    host: str = ""
    test: str = ""
    data: Mapping[str, Any]

    def line(self) -> bytes:
        """The entry with a checksum, as one line."""
        fields = {"v": VERSION, "at": self.at, "run": self.run, "step": self.step, "host": self.host, "test": self.test}
        body = json.dumps({**fields, "data": self.data}, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
        # A checksum, since a disk may keep a part of a line; ASCII, so that no part is half a letter.
        return f"{zlib.crc32(body.encode()):08x} {body}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A clean-up that has not been done: the command, how often it was tried, and the journal that says so.

    `unfinished` is whether the test may still run; `mark` finds its processes.
    """

    journal: Path
    run: str
    host: str
    test: str
    shell: str
    cleanup: str
    mark: str = ""
    unfinished: bool = True
    tried: int = 0
    last: str = ""


class Journal:
    """An append-only file of entries; each is on the disk when `write` returns."""

    def __init__(self, path: Path, run: str) -> None:
        """Opens the journal of a run, which is made where there is none."""
        self.path, self.run = path, run
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # O_APPEND and one write a line: hosts write side by side. 600: commands name things of the lab.
            self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.end_torn_line()
            # A new file is safe only when its folder is synced as well.
            sync_folder(path.parent)
        except OSError as error:
            raise self.failure(error) from error

    def end_torn_line(self) -> None:
        """Ends a line that a crash cut off, so that the next entry has its own."""
        content = self.path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.write(self.file, b"\n")

    def write(self, step: JournalStep, host: str = "", test: str = "", **data: Any) -> None:
        """Adds an entry and waits until the disk has it. Raises HarnessError where it cannot: nothing is done then."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = JournalEntry(at=at, run=self.run, step=step, host=host, test=test, data=redacted_data(data)).line()
        try:
            written = os.write(self.file, line)
            if written != len(line):
                # ENOSPC: a short write is a full disk.
                raise OSError(28, "No space left on device")
            os.fsync(self.file)
        except OSError as error:
            raise self.failure(error) from error

    def failure(self, error: OSError) -> HarnessError:
        """The error that stops a run: what cannot be journaled is not done."""
        reason = (error.strerror or str(error)).lower()
        hint = "nothing more is done without a journal; `detlab cleanup` does what is owed"
        return HarnessError("journal", f"the journal {self.path} cannot be written: {reason}", help=hint)

    def close(self) -> None:
        """Closes the file; each entry is on disk already."""
        os.close(self.file)


def sync_folder(folder: Path) -> None:
    """Waits until the disk has a folder's own list of files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def state_folder() -> Path:
    """Where journals are, independent of the current folder: `DETLAB_STATE`, else below the user's state folder."""
    if own := os.environ.get("DETLAB_STATE"):
        return Path(own)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "detlab"


def journals(folder: Path) -> tuple[Path, ...]:
    """All journals, oldest first."""
    return tuple(sorted((folder / "journals").glob("*.journal")))


def journal_of(folder: Path, run: str) -> Path:
    """The journal of a run."""
    return folder / "journals" / f"{run}.journal"


def read_journal(path: Path) -> tuple[tuple[JournalEntry, ...], tuple[str, ...]]:
    """The entries of a journal, and what is wrong with it. A last line that a crash cut off is no fault."""
    if path.stat().st_size > LARGEST_JOURNAL:
        raise HarnessError("journal", f"{path} is larger than {LARGEST_JOURNAL >> 20} MiB")
    entries: list[JournalEntry] = []
    faults: list[str] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = parse(line)
        if entry:
            entries.append(entry)
        elif line.strip() and not is_beginning(line, last=number == len(lines)):
            faults.append(f"{path}:{number}: this line is damaged")
    return tuple(entries), tuple(faults)


def is_beginning(line: bytes, *, last: bool) -> bool:
    """Whether a line is the torn end of a write: what stands before it was synced, what follows is a later run."""
    # A torn line lacks the brace that closes it; zeros are what file systems leave after a crash.
    return last or (not line.endswith(b"}") and b"\0" not in line)


def parse(line: bytes) -> JournalEntry | None:
    """An entry, if the line is whole."""
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return None
        found = json.loads(body)
        step = JournalStep(found["step"])
        return JournalEntry(
            at=found["at"], run=found["run"], step=step, host=found["host"], test=found["test"], data=found["data"]
        )
    except (ValueError, KeyError, TypeError):
        return None


def owed_by(path: Path) -> Iterator[Owed]:
    """Clean-ups that a journal's run still owes: of every test that was started and is not cleaned, last one first."""
    entries, _ = read_journal(path)
    planned = {(e.host, e.test): e for e in entries if e.step is JournalStep.PLANNED}
    open_: dict[tuple[str, str], Owed] = {}
    for entry in entries:
        key = (entry.host, entry.test)
        if entry.step is JournalStep.STARTED and key in planned:
            # Taken out and put back last: clean-ups are undone in reverse.
            open_.pop(key, None)
            open_[key] = owed_after(path, planned[key])
        elif entry.step is JournalStep.CLEANED:
            open_.pop(key, None)
        elif key in open_:
            open_[key] = apply_journal_entry(open_[key], entry)
    yield from reversed(open_.values())


def owed_after(path: Path, plan: JournalEntry) -> Owed:
    """What is owed as soon as a planned test has started."""

    def word(name: str) -> str:
        return str(plan.data.get(name, ""))

    return Owed(
        journal=path,
        run=plan.run,
        host=plan.host,
        test=plan.test,
        shell=word("shell"),
        cleanup=word("cleanup"),
        mark=word("mark"),
    )


def apply_journal_entry(item: Owed, entry: JournalEntry) -> Owed:
    """What is owed after one more entry about the same test."""
    if entry.step is JournalStep.FINISHED:
        return replace(item, unfinished=bool(entry.data.get("lost")))
    if entry.step is JournalStep.CLEANING:
        return replace(item, tried=item.tried + 1)
    return replace(item, last=str(entry.data.get("why", ""))) if entry.step is JournalStep.DIRTY else item


def list_owed_cleanups(folder: Path, host: str = "") -> tuple[Owed, ...]:
    """Clean-ups that all journals still owe, of one host or of all, last run first."""
    return tuple(o for path in reversed(journals(folder)) for o in owed_by(path) if host in ("", o.host))


def faults(folder: Path) -> tuple[str, ...]:
    """Damage in any journal: what such a line said is not known, and this is never left out silently."""
    return tuple(f for path in journals(folder) for f in read_journal(path)[1])


def import_file_locks() -> ModuleType | None:
    """The system's file locks; where there are none, runs are not kept apart."""
    try:
        return import_module("fcntl")
    except ImportError:
        return None


@contextmanager
def lock_host(folder: Path, host: str) -> Iterator[None]:
    """Holds a host's lock. Raises RefusedError where another process has it."""
    place = folder / "locks" / f"{''.join(c if c.isalnum() or c in '-._' else '_' for c in host)}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl = import_file_locks()
        if fcntl:
            try:
                # Not a file that is deleted at the end: the kernel drops this with the process, after a kill too.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                message = f"another detlab works on {host}"
                raise RefusedError(
                    [Refusal(rule="host-busy", message=message, allow="wait until it has ended")]
                ) from error
        yield
    finally:
        os.close(handle)


class Status(StrEnum):
    """How a test ended; only of `finished` and `timed out` ones is it known that they ran to an end."""

    FINISHED = "finished"
    TIMED_OUT = "timed out"
    LOST = "lost"
    BLOCKED = "blocked"
    MANUAL = "manual"
    NOT_RUN = "not run"


class Cleaning(StrEnum):
    """Whether a host is as it was before a test."""

    CLEANED = "cleaned"
    NOTHING = "nothing to clean"
    OWED = "owed"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOutcome:
    """One test on one host. Times are ours, not the host's."""

    host: str
    test: str
    mark: str
    status: Status
    cleaning: Cleaning = Cleaning.NOT_NEEDED
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    complete: bool = True
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    why_owed: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether it ran to its end and left nothing behind."""
        return self.status is Status.FINISHED and self.cleaning is not Cleaning.OWED

    def as_json(self) -> Mapping[str, Any]:
        """The outcome for machines."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in fields.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """Outcomes of all tests on one host; `error` is the reason of an early end."""

    host: str
    tests: tuple[TestOutcome, ...] = ()
    facts: HostFacts = field(default_factory=HostFacts)
    error: HarnessError | None = None

    @property
    def exit_code(self) -> int:
        """0 where every test ran and nothing is owed, 1 where not, 2 refused, 3 where the host did not answer."""
        if self.error:
            return self.error.exit_code
        return 0 if all(t.as_expected for t in self.tests) else 1
