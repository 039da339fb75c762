"""What was done to a host, synced before it is done, as a chain in which any damage shows; how each test ended."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import field, fields
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.host_ledger import Chain, quote_host, read_ledger, sync_folder
from harness.telemetry.lab.secret import redacted_data

VERSION = 2
# An entry is about a kilobyte: far more than any run writes.
LARGEST_JOURNAL = 64 << 20
SUFFIX = ".journal"
RECORD = re.compile(rb"(\d{1,8}) ([0-9a-f]{64}) (\{.*\})")
OLD_RECORD = re.compile(rb'[0-9a-f]{8} \{"at":|[0-9a-f]{8} \{"v":1')
# What in a record is only read by people; everything else is executed or compared again and is never changed.
TOLD = frozenset({"why", "what"})


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
    TORN = "torn"


@record(kw_only=True)
class JournalEntry:
    """One record: its number, the hash of the one before, when, which run, host and test, which step, what belongs."""

    number: int
    before: str
    at: str
    run: str
    step: JournalStep
    host: str = ""
    test: str = ""
    data: Mapping[str, Any]

    def line(self) -> bytes:
        """The record with its length and its own hash, as one line."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        body = json.dumps({"v": VERSION, **held}, ensure_ascii=True, separators=(",", ":"), sort_keys=True).encode()
        return b"%d %s %s\n" % (len(body), sha256(body).hexdigest().encode(), body)


@record(kw_only=True)
class JournalContent:
    """What a journal says: its whole records up to the first damage, what a crash cut off, what is wrong."""

    entries: tuple[JournalEntry, ...] = ()
    digests: tuple[str, ...] = ()
    torn: bytes = b""
    damage: str = ""

    @property
    def chain(self) -> Chain:
        """How far it goes."""
        return Chain(count=len(self.digests), digest=self.digests[-1] if self.digests else "")


class Journal:
    """An append-only file of one host's records in one run; each is on the disk when `write` returns."""

    def __init__(self, state: Path, run: str, host: str) -> None:
        """Opens a journal, which is made where there is none. Raises HarnessError where it is damaged."""
        self.path, self.run, self.host = journal_of(state, run, host), run, host
        self.ledger = read_ledger(state, host)
        try:
            if run not in self.ledger.runs:
                self.ledger.note(run, Chain())
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # O_APPEND and one write a line: hosts write side by side. 600: commands name things of the lab.
            self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # A new file is safe only when its folder is synced as well.
            sync_folder(self.path.parent)
        except OSError as error:
            raise self.failure(error) from error
        content = read_journal(self.path)
        if content.damage:
            os.close(self.file)
            raise HarnessError("journal", f"{content.damage}; nothing is added to a damaged journal")
        self.chain = content.chain
        if content.torn:
            self.cut_torn_line(content.torn)

    def cut_torn_line(self, torn: bytes) -> None:
        """Takes away the start of a record that a crash cut off, and says in a record of its own what was there."""
        self.cut_to(os.fstat(self.file).st_size - len(torn))
        self.write(JournalStep.TORN, what=torn[:2000].decode("ascii", "backslashreplace"))

    def cut_to(self, size: int) -> None:
        """Takes away what stands behind a size: the start of a record, which nobody could read."""
        try:
            os.ftruncate(self.file, size)
        except OSError as error:
            raise self.failure(error) from error

    def write(self, step: JournalStep, test: str = "", **data: Any) -> None:
        """Adds a record and waits until the disk has it. Raises HarnessError where it cannot: nothing is done then."""
        entry = JournalEntry(
            number=self.chain.count + 1,
            before=self.chain.digest,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            run=self.run,
            step=step,
            host=self.host,
            test=test,
            data={key: redacted_data(value) if key in TOLD else value for key, value in data.items()},
        )
        line = entry.line()
        try:
            size = os.fstat(self.file).st_size
            if os.write(self.file, line) != len(line):
                self.cut_to(size)
                # ENOSPC: a short write is a full disk.
                raise OSError(28, "No space left on device")
            os.fsync(self.file)
            self.chain = Chain(count=entry.number, digest=line.split(b" ", 2)[1].decode())
            self.ledger.note(self.run, self.chain)
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


def state_folder() -> Path:
    """Where journals are, independent of the current folder: `DETLAB_STATE`, else below the user's state folder."""
    if own := os.environ.get("DETLAB_STATE"):
        return Path(own)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "detlab"


def journals_folder(state: Path) -> Path:
    """Where the journals are."""
    return state / "journals"


def journal_of(state: Path, run: str, host: str) -> Path:
    """The journal of a host in a run: a host's journal is its own, so that damage is one host's."""
    return journals_folder(state) / f"{run}@{quote_host(host)}{SUFFIX}"


def list_journals(state: Path, host: str = "") -> tuple[Path, ...]:
    """The journals of one host or of all, oldest first."""
    return tuple(sorted(p for p in journals_folder(state).glob("*" + SUFFIX) if host in ("", host_of(p))))


def host_of(path: Path) -> str:
    """The host of a journal by its name; nothing where the name tells none."""
    run, _, host = path.name.removesuffix(SUFFIX).partition("@")
    return unquote(host) if run and host else ""


def read_journal(path: Path) -> JournalContent:
    """What a journal says, up to the first damage. A last line that a crash cut off is told apart from damage."""
    try:
        if path.stat().st_size > LARGEST_JOURNAL:
            return JournalContent(damage=f"{path} is larger than {LARGEST_JOURNAL >> 20} MiB")
        *lines, torn = path.read_bytes().split(b"\n")
    except OSError as error:
        return JournalContent(damage=f"{path} cannot be read: {(error.strerror or str(error)).lower()}")
    run = path.name.partition("@")[0]
    entries: list[JournalEntry] = []
    digests: list[str] = []
    damage = ""
    for number, line in enumerate(lines, 1):
        entry = parse_record(line)
        damage = describe_damage(line, entry, number, digests[-1] if digests else "")
        if entry is not None and not damage and (entry.run, entry.host) != (run, host_of(path)):
            damage = f"it is about {entry.host} in run {entry.run}"
        if damage or entry is None:
            damage = f"{path}:{number}: {damage}"
            break
        entries.append(entry)
        digests.append(line.split(b" ", 2)[1].decode())
    return JournalContent(entries=tuple(entries), digests=tuple(digests), torn=torn, damage=damage)


def describe_damage(line: bytes, entry: JournalEntry | None, number: int, before: str) -> str:
    """What is wrong with a line, if anything."""
    if OLD_RECORD.match(line):
        return "this journal was written by an older detlab, which kept commands with secrets taken out"
    if entry is None:
        return "this record is damaged"
    if (entry.number, entry.before) != (number, before):
        return f"record {entry.number} does not follow what stands before it"
    return ""


def parse_record(line: bytes) -> JournalEntry | None:
    """The record in a line, if the line is as it was written."""
    match = RECORD.fullmatch(line)
    if not match or int(match[1]) != len(match[3]) or sha256(match[3]).hexdigest().encode() != match[2]:
        return None
    try:
        found = json.loads(match[3])
        return msgspec.convert({k: v for k, v in found.items() if k != "v"}, JournalEntry)
    except (ValueError, msgspec.ValidationError):
        return None


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


@record(kw_only=True)
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
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in held.items()}


@record(kw_only=True)
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
