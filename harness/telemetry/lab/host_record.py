"""What all journals together say of a host: what is owed there, or why what is there is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.telemetry.lab.host_ledger import Chain, HostLedger, ledger_of, list_ledger_hosts, read_ledger
from harness.telemetry.lab.host_lock import lock_host
from harness.telemetry.lab.journal import (
    LARGEST_JOURNAL,
    Journal,
    JournalContent,
    JournalEntry,
    JournalStep,
    host_of,
    journal_of,
    journals_folder,
    list_journals,
    read_journal,
)
from harness.telemetry.lab.owed_cleanup import Owed, find_owed, read_plan

HOST_IN_RECORD = re.compile(rb'"host":"([^"\\]+)"')


@dataclass(slots=True, kw_only=True)
class HostRecord:
    """A host as its journals tell it. `damages` say why it is not known; `unsure` is what damaged journals planned."""

    host: str
    owed: list[Owed] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)
    unsure: list[Owed] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)


def list_recorded_hosts(state: Path) -> list[str]:
    """Every host that any journal or ledger is about."""
    return sorted({host for path in list_journals(state) for host in hosts_of(path)} | set(list_ledger_hosts(state)))


def hosts_of(path: Path) -> frozenset[str]:
    """The hosts that a journal is about: by its name, or by its text where an older detlab wrote it."""
    if host := host_of(path):
        return frozenset({host})
    try:
        if path.stat().st_size > LARGEST_JOURNAL:
            return frozenset()
        return frozenset(m.decode("utf-8", "replace") for m in HOST_IN_RECORD.findall(path.read_bytes()))
    except OSError:
        return frozenset()


def read_host_record(state: Path, host: str) -> HostRecord:
    """What the journals of a host say, whatever has happened to them."""
    record = HostRecord(host=host)
    try:
        ledger = read_ledger(state, host)
    except HarnessError as error:
        record.damages.append(error.message)
        ledger = HostLedger(path=ledger_of(state, host), host=host)
    own = {path.name.partition("@")[0]: path for path in list_journals(state, host)}
    if own and not ledger.path.exists():
        record.damages.append(f"{ledger.path} is missing: it says which journals there have to be")
    listed = not record.damages
    for run in sorted({*own, *ledger.runs}, reverse=True):
        take_journal(record, ledger, run, there=run in own, listed=listed)
    for path in list_journals(state):
        about = hosts_of(path)
        if not host_of(path) and (host in about or not about) and ledger.accepted.get(path.name) != fingerprint(path):
            record.damages.append(read_journal(path).damage or f"{path} does not say which host it is about")
    return record


def take_journal(record: HostRecord, ledger: HostLedger, run: str, *, there: bool, listed: bool) -> None:
    """Takes one journal into a host's record; `listed` is whether the ledger has to have it."""
    path = journal_of(ledger.path.parents[1], run, record.host)
    content = read_journal(path) if there else JournalContent()
    damage = find_damage(path, content, ledger.runs.get(run), there=there, listed=listed)
    if not damage:
        try:
            record.owed += find_owed(content.entries)
        except HarnessError as error:
            damage = f"{path}: {error.message}"
    if damage and ledger.accepted.get(path.name) != fingerprint(path):
        record.damages.append(damage)
        record.unsure += find_planned(content.entries)
    if content.torn and not damage:
        record.torn.append(f"{path}: its last line is torn by a crash: the step that it announced is not known")


def find_damage(path: Path, content: JournalContent, noted: Chain | None, *, there: bool, listed: bool) -> str:
    """What is wrong with a journal, held against what its ledger noted."""
    count = noted.count if noted else 0
    if not there:
        return f"{path} is missing: it had {count} records" if count else ""
    if content.damage:
        return content.damage
    if noted is None:
        return f"{path} is not noted among the journals of its host" if listed else ""
    if len(content.digests) < count:
        return f"{path}: of {count} records that were written {count - len(content.digests)} are missing at its end"
    if count and content.digests[count - 1] != noted.digest:
        return f"{path}:{count}: this record is another one than was written"
    return ""


def find_planned(entries: Sequence[JournalEntry]) -> Iterator[Owed]:
    """Every test that records planned and did not clean: what came of it is not known."""
    cleaned = {e.test for e in entries if e.step is JournalStep.CLEANED}
    for entry in entries:
        if entry.step is JournalStep.PLANNED and entry.test not in cleaned:
            try:
                plan = read_plan(entry)
            except HarnessError:
                continue
            yield Owed(run=entry.run, host=entry.host, test=entry.test, plan=plan)


def fingerprint(path: Path) -> str:
    """What a damaged journal is, so that only what a person saw is accepted: a hash, or that it is not there."""
    try:
        if path.stat().st_size > LARGEST_JOURNAL:
            return f"{path.stat().st_size} bytes"
        return sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable ({error.errno})"


def list_owed_cleanups(state: Path, host: str = "") -> tuple[Owed, ...]:
    """Clean-ups that are known to be owed, of one host or of all, last run first."""
    hosts = [host] if host else list_recorded_hosts(state)
    return tuple(owed for name in hosts for owed in read_host_record(state, name).owed)


def describe_no_journal(state: Path) -> str:
    """Why nothing is known where no run has left a journal; nothing where one has."""
    if list_recorded_hosts(state):
        return ""
    return f"no journal at {journals_folder(state)}"


def accept_host(state: Path, host: str) -> list[str]:
    """Takes a person's word that a host is clean: nothing is owed there, and no damage so far counts. What it ended."""
    with lock_host(state, host):
        record = read_host_record(state, host)
        ledger = HostLedger(path=ledger_of(state, host), host=host)
        for path in list_journals(state):
            if host_of(path) == host and not (content := read_journal(path)).damage:
                ledger.runs[path.name.partition("@")[0]] = content.chain
            elif host in hosts_of(path) or not host_of(path):
                ledger.accepted[path.name] = fingerprint(path)
        ledger.save()
        owed = read_host_record(state, host).owed
        for item in owed:
            accept_cleanup(state, item)
    return [*record.damages, *(f"the clean-up after {item.test} of run {item.run}" for item in owed)]


def accept_cleanup(state: Path, item: Owed) -> None:
    """Takes a person's word that one clean-up was done by hand."""
    journal = Journal(state, item.run, item.host)
    try:
        journal.write(JournalStep.CLEANED, item.test, accepted=True)
    finally:
        journal.close()
