"""Exactly what a host recorded of a test, over the wire or from a folder, and whose doing each event is."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.input import EventTexts
from harness.telemetry.events.windows_event import fields_of_event
from harness.telemetry.format import read_telemetry, write_telemetry
from harness.telemetry.lab.event_log import (
    EVENT_ELEMENT,
    ChannelLoss,
    LogState,
    events_between,
    find_channel_loss,
    states,
)
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.journal import Status, TestOutcome
from harness.telemetry.lab.remote import RemoteHost

SYSMON_CHANNEL = "Microsoft-Windows-Sysmon/Operational"
# Sysmon's GUID of a process that it does not know: all of them would be one family.
NO_GUID = "{00000000-0000-0000-0000-000000000000}"
ATTRIBUTED_FIELDS = (
    "CommandLine",
    "ParentCommandLine",
    "ScriptBlockText",
    "TaskContent",
    "Payload",
    "ProcessCommandLine",
)
TUPLE = ("SourceIp", "SourcePort", "DestinationIp", "DestinationPort")


TASK_OPTION = re.compile(r"""(?i)/tn\s+(?:"([^"]+)"|(\S+))""")
TASK_EVENTS = frozenset({"4698", "4699", "4700", "4701", "4702"})


@dataclass(slots=True)
class Family:
    """The processes of one test: the one that carries its mark, all that they started, and all that their tasks did."""

    mark: str
    run: str
    guids: set[str] = field(default_factory=set)
    pids: set[str] = field(default_factory=set)
    logons: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)
    task_pids: set[str] = field(default_factory=set)
    connections: set[tuple[str, ...]] = field(default_factory=set)

    def carries(self, fields: EventTexts) -> bool:
        """Whether a text of an event has the test's mark, or the run's name in what the test itself did."""
        texts = [fields[n] for n in ATTRIBUTED_FIELDS if n in fields]
        # The ampersand keeps run.1 apart from run.10; the run's name is the user agent of tests 1 and 4.
        return any(f"DETLAB={self.mark}&" in t or f"detlab/{self.run}" in t for t in texts)

    def learn(self, fields: EventTexts) -> bool:
        """Takes an event into account; whether anything about the family became known by it."""
        before = self.known()
        if fields.get("Channel") == SYSMON_CHANNEL and fields.get("EventID") == "1":
            if self.is_member(fields):
                self.member(fields)
        elif self.owns(fields):
            if "TaskName" in fields:
                self.tasks.add(fields["TaskName"].lower())
                self.task_pids.add(fields.get("ProcessID", ""))
            if fields.get("EventID") == "3":
                self.connections.add(tuple(fields.get(n, "") for n in TUPLE))
        return self.known() != before

    def is_member(self, fields: EventTexts) -> bool:
        """Whether a process that starts belongs to the family."""
        if self.carries(fields) or self.is_ours(fields.get("ParentProcessGuid", "")):
            return True
        # Pids are given anew: only a child of the Schedule service is what event 129 named.
        by_scheduler = "-s schedule" in fields.get("ParentCommandLine", "").lower()
        return by_scheduler and fields.get("ProcessId", "") in self.task_pids - {""}

    def member(self, fields: EventTexts) -> None:
        """Takes a process into the family, and the name of the task that it makes, if it makes one."""
        self.guids.add(fields.get("ProcessGuid", ""))
        self.pids.add(fields.get("ProcessId", ""))
        self.logons.add(fields.get("LogonId", ""))
        task = TASK_OPTION.search(fields.get("CommandLine", ""))
        if task and fields.get("Image", "").lower().endswith("\\schtasks.exe"):
            self.tasks.add("\\" + (task[1] or task[2]).lower().lstrip("\\"))

    def known(self) -> int:
        """The number of known processes, logons, tasks and connections."""
        names = (self.guids, self.pids, self.logons, self.tasks, self.task_pids)
        return sum(len(found) for found in names) + len(self.connections)

    def is_ours(self, guid: str) -> bool:
        """Whether a ProcessGuid is one of the family's."""
        return guid in self.guids and guid not in ("", NO_GUID)

    def owns(self, fields: EventTexts) -> bool:
        """Whether the test caused an event."""
        if fields.get("Channel") == SYSMON_CHANNEL:
            guids = (fields.get(n, "") for n in ("ProcessGuid", "SourceProcessGUID", "ParentProcessGuid"))
            # The listener's record of a loopback connection has the same ends (telemetry.md 1.4).
            mirrored = tuple(fields.get(n, "") for n in TUPLE)
            return any(self.is_ours(g) for g in guids) or (
                fields.get("EventID") == "3" and mirrored in self.connections
            )
        if self.carries(fields) or fields.get("TaskName", "").lower() in self.tasks:
            return True
        if fields.get("EventID") in TASK_EVENTS and fields.get("SubjectLogonId", "") in self.logons - {""}:
            return True
        # Not in Security, where the kernel or lsass.exe writes for all.
        return fields.get("Execution_ProcessID", "") in self.pids and "Security" not in fields.get("Channel", "")


def attribute_events(events: Sequence[EventTexts], mark: str, run: str) -> list[bool]:
    """Which events the test with this mark caused; events may come in any order."""
    family = Family(mark, run)
    # Until a pass teaches nothing: a child may stand before its parent. any() would stop at the first.
    while sum(family.learn(e) for e in events):
        pass
    return [family.owns(e) for e in events]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedRecord:
    """One event as the host gave it: its channel and number, its XML, its fields, and whether the test caused it."""

    channel: str
    number: int
    xml: str
    fields: Mapping[str, str]
    caused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a host recorded of one test. `late` is whether events still came when patience ended."""

    outcome: TestOutcome
    facts: HostFacts
    records: tuple[CollectedRecord, ...] = ()
    losses: tuple[ChannelLoss, ...] = ()
    windows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    late: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long to wait for events, in seconds: until none of the test's came for `quiet`, at most `patience`."""

    # Sysmon writes event 22 2 to 7 s late (telemetry.md 1.4); 90 s bound a host that never rests.
    quiet: float = 6.0
    patience: float = 90.0
    poll: float = 1.0


@dataclass(slots=True, kw_only=True)
class Collector:
    """Watches one host's logs around each test; what is collected goes to `keep`."""

    host: LabHost
    remote: RemoteHost
    facts: HostFacts
    run: str
    keep: Callable[[LabHost, Collected], None]
    waiting: Waiting = field(default_factory=Waiting)
    bookmarks: Mapping[str, LogState] = field(default_factory=dict)

    def before(self, mark: str) -> None:
        """Remembers where each log stands."""
        self.bookmarks = states(self.remote, self.host.entry.events.channels)

    def after(self, outcome: TestOutcome) -> None:
        """Waits until no more events of the test come, then keeps all that came since."""
        start = time.monotonic()
        collected = self.until_quiet(outcome)
        try:
            self.keep(self.host, replace(collected, seconds=time.monotonic() - start))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "the host is cleaned up; make room and run the test again"
            raise HarnessError("recording", f"the recording cannot be written: {reason}", help=hint) from error

    def until_quiet(self, outcome: TestOutcome) -> Collected:
        """Takes what comes until nothing of the test's came for a while; background never ends and does not count."""
        records: dict[tuple[str, int], CollectedRecord] = {}
        # A host that is lost has nothing more to say.
        end = time.monotonic() + (self.waiting.patience if outcome.status is not Status.LOST else self.waiting.quiet)
        quiet_since, count = time.monotonic(), 0
        while True:
            now = states(self.remote, self.host.entry.events.channels)
            self.take(now, records)
            caused = attribute_events([r.fields for r in records.values()], outcome.mark, self.run)
            if sum(caused) != count:
                quiet_since, count = time.monotonic(), sum(caused)
            late = time.monotonic() >= end
            if late or time.monotonic() - quiet_since >= self.waiting.quiet:
                break
            time.sleep(self.waiting.poll)
        labelled = tuple(replace(r, caused=c) for r, c in zip(records.values(), caused, strict=True))
        return Collected(
            outcome=outcome,
            facts=self.facts,
            records=tuple(sorted(labelled, key=lambda r: (r.channel, r.number))),
            losses=self.losses(now, records),
            windows={c: (b.newest, now[c].newest) for c, b in self.bookmarks.items()},
            late=late and time.monotonic() - quiet_since < self.waiting.quiet,
        )

    def take(self, now: Mapping[str, LogState], records: dict[tuple[str, int], CollectedRecord]) -> None:
        """Adds the records of each log behind the last one taken."""
        for channel, state in now.items():
            got = [number for c, number in records if c == channel]
            after = max([self.bookmarks[channel].newest, *got])
            # Numbers begin anew where the log was cleared.
            if state.newest < self.bookmarks[channel].newest:
                after = max([0, *got])
            if state.there and state.newest > after:
                for number, xml in events_between(self.remote, channel, after, state.newest):
                    fields = fields_of_event(xml)
                    records[channel, number] = CollectedRecord(channel=channel, number=number, xml=xml, fields=fields)

    def losses(
        self, now: Mapping[str, LogState], records: Mapping[tuple[str, int], CollectedRecord]
    ) -> tuple[ChannelLoss, ...]:
        """Losses of all channels between bookmark and now."""
        found = (
            find_channel_loss(before, now[channel], (number for c, number in records if c == channel))
            for channel, before in self.bookmarks.items()
        )
        return tuple(loss for loss in found if loss)


MICROSECONDS_IN_SECOND = 1_000_000


@dataclass(slots=True, kw_only=True)
class FolderCollector:
    """Watches a folder around each test; only events of the host and of the test's time are taken."""

    host: LabHost
    facts: HostFacts
    run: str
    keep: Callable[[LabHost, Collected], None]
    waiting: Waiting = field(default_factory=Waiting)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def before(self, mark: str) -> None:
        """Remembers when the test started."""
        self.began = datetime.now(UTC)
        folder = self.folder
        if not folder.is_dir():
            hint = "`events: {folder: ...}` in the inventory names a folder on this machine"
            raise HarnessError("no-events", f"there is no folder {folder}", help=hint)

    @property
    def folder(self) -> Path:
        """The folder that the inventory names."""
        return Path(self.host.file(self.host.entry.events.folder))

    def after(self, outcome: TestOutcome) -> None:
        """Waits until no more events of the test come, then keeps all that came since."""
        start = time.monotonic()
        # A collector forwards in batches, so silence counts only once something has come.
        end, quiet_since, count = start + self.waiting.patience, start, -1
        while True:
            records = self.records()
            caused = attribute_events([r.fields for r in records], outcome.mark, self.run)
            if sum(caused) != count:
                quiet_since, count = time.monotonic(), sum(caused)
            late = time.monotonic() >= end
            if late or (count > 0 and time.monotonic() - quiet_since >= self.waiting.quiet):
                break
            time.sleep(self.waiting.poll)
        collected = Collected(
            outcome=outcome,
            facts=self.facts,
            records=tuple(replace(r, caused=c) for r, c in zip(records, caused, strict=True)),
            losses=()
            if count
            else (ChannelLoss(channel=str(self.folder), message="no event of the test has come here"),),
            late=late and count > 0,
            seconds=time.monotonic() - start,
        )
        self.keep(self.host, collected)

    def records(self) -> list[CollectedRecord]:
        """Events of the host in the folder since the test started, whatever format the files have."""
        try:
            telemetry = read_telemetry(self.folder)
        except HarnessError as error:
            if error.code == "no-events":
                return []
            raise
        # Through the log's own XML, so that the rest is as for events read from a host.
        text = io.BytesIO()
        write_telemetry(telemetry, "windows_xml", text)
        # By the host's clock, and a second for the test's own beginning.
        earliest = (self.began.timestamp() + self.facts.offset - self.facts.uncertainty - 1) * MICROSECONDS_IN_SECOND
        found: dict[tuple[str, str], CollectedRecord] = {}
        for xml in EVENT_ELEMENT.findall(text.getvalue().decode("utf-8")):
            fields = fields_of_event(xml)
            if self.ours(fields) and (parse_microseconds(fields.get("SystemTime")) or 0) >= earliest:
                channel, number = fields.get("Channel", ""), fields.get("EventRecordID", "")
                found[channel, number] = CollectedRecord(
                    channel=channel, number=int(number or 0), xml=xml, fields=fields
                )
        return list(found.values())

    def ours(self, fields: dict[str, str]) -> bool:
        """Whether an event is of this host: a collector's folder has those of many."""
        return fields.get("Computer", "").partition(".")[0].lower() == self.facts.computer.partition(".")[0].lower()
