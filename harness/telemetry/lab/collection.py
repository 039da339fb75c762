"""Exactly what a host recorded of a test, over the wire or from a folder, and whose doing each event is."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.windows_event import fields_of_event
from harness.telemetry.format import read_telemetry, write_telemetry
from harness.telemetry.lab.attribution import attribute_events
from harness.telemetry.lab.event_log import (
    MOST_COLLECTED_CHARACTERS,
    ChannelLoss,
    LogState,
    find_channel_losses,
    read_events,
    split_events,
    states,
)
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.journal import Status, TestOutcome
from harness.telemetry.lab.remote import LARGEST_OUTPUT, RemoteHost, RunOverError


@record(kw_only=True)
class CollectedRecord:
    """One event as the host gave it: its channel and number, its XML, its fields, and whether the test caused it."""

    channel: str
    number: int
    xml: str
    fields: Mapping[str, str]
    caused: bool = False


@record(kw_only=True)
class Collected:
    """What a host recorded of one test. `late` is whether events still came when patience ended."""

    outcome: TestOutcome
    facts: HostFacts
    records: tuple[CollectedRecord, ...] = ()
    losses: tuple[ChannelLoss, ...] = ()
    windows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    late: bool = False
    seconds: float = 0.0


@record(kw_only=True)
class Waiting:
    """How long to wait for events, in seconds: until none of the test's came for `quiet`, at most `patience`.

    `reading` is for how long a test's logs are read at most, however much is in them.
    """

    # Sysmon writes event 22 2 to 7 s late (telemetry.md 1.4); 90 s bound a host that never rests.
    quiet: float = 6.0
    patience: float = 90.0
    poll: float = 1.0
    reading: float = 600.0


MOST_COLLECTED_EVENTS = 200_000


@dataclass(slots=True, kw_only=True)
class LogReading:
    """What was read of one test so far, within a time and a size; `useless` says why of records that are of no use."""

    until: float
    seconds: float
    room: int = MOST_COLLECTED_CHARACTERS
    records: dict[tuple[str, int], CollectedRecord] = field(default_factory=dict)
    useless: dict[tuple[str, int], str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def came(self, channel: str) -> dict[int, str]:
        """The number of each record of a channel that came, and why it is of no use where it is of none."""
        came = {number: "" for c, number in self.records if c == channel}
        return came | {number: why for (c, number), why in self.useless.items() if c == channel}

    def read(self, remote: RemoteHost, channel: str, after: int, upto: int) -> None:
        """Reads what is new in a channel."""
        last = after
        for number, xml in read_events(remote, channel, after, upto, until=self.until, most=self.room):
            last = number
            self.room -= len(xml)
            self.keep(channel, number, xml)
            if self.why_ended():
                break
        if last < upto and (why := self.why_ended()):
            self.unread[channel] = why

    def keep(self, channel: str, number: int, xml: str) -> None:
        """Takes one record."""
        try:
            fields = fields_of_event(xml) if xml else {}
        except (ValueError, RecursionError):
            self.useless[channel, number] = "what the host gives is no XML"
            return
        if xml:
            self.records[channel, number] = CollectedRecord(channel=channel, number=number, xml=xml, fields=fields)
        else:
            self.useless[channel, number] = f"larger than {LARGEST_OUTPUT >> 20} MiB each"

    def why_ended(self) -> str:
        """Why no more is read, if that is so."""
        if time.monotonic() >= self.until:
            return f"reading took longer than {self.seconds:.0f} s"
        if self.room <= 0:
            return f"more than {MOST_COLLECTED_CHARACTERS >> 20} MiB of events came"
        many = len(self.records) + len(self.useless) >= MOST_COLLECTED_EVENTS
        return f"more than {MOST_COLLECTED_EVENTS:,} came" if many else ""


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
        """Waits until no more events of the test come, then keeps all that came since.

        Where the host goes while it is read, what had come is kept first. Raises HarnessError then.
        """
        start = time.monotonic()
        collected, fault = self.until_quiet(outcome)
        try:
            self.keep(self.host, replace(collected, seconds=time.monotonic() - start))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "the host is cleaned up; make room and run the test again"
            raise HarnessError("recording", f"the recording cannot be written: {reason}", help=hint) from error
        if fault and not isinstance(fault, RunOverError):
            raise fault

    def until_quiet(self, outcome: TestOutcome) -> tuple[Collected, HarnessError | None]:
        """Takes what comes until nothing of the test's came for a while; background never ends and does not count."""
        start = time.monotonic()
        reading = LogReading(until=start + self.waiting.reading, seconds=self.waiting.reading)
        # A host that is lost has nothing more to say.
        end = start + (self.waiting.patience if outcome.status is not Status.LOST else self.waiting.quiet)
        now, count, quiet_since, late = self.bookmarks, 0, start, False
        while True:
            try:
                now = states(self.remote, self.host.entry.events.channels)
                self.take(now, reading)
            except HarnessError as fault:
                if not reading.records and not isinstance(fault, RunOverError):
                    raise
                return self.collected(outcome, now, reading, late=True, fault=fault), fault
            caused = attribute_events([r.fields for r in reading.records.values()], outcome.mark, self.run)
            if sum(caused) != count:
                quiet_since, count = time.monotonic(), sum(caused)
            late = time.monotonic() >= end
            if late or time.monotonic() - quiet_since >= self.waiting.quiet:
                break
            time.sleep(min(self.waiting.poll, self.waiting.quiet))
        late = late and time.monotonic() - quiet_since < self.waiting.quiet
        return self.collected(outcome, now, reading, late=late), None

    def collected(
        self,
        outcome: TestOutcome,
        now: Mapping[str, LogState],
        reading: LogReading,
        *,
        late: bool,
        fault: HarnessError | None = None,
    ) -> Collected:
        """What was read, in order, with whose doing each event is and what is lost."""
        records = sorted(reading.records.values(), key=lambda r: (r.channel, r.number))
        caused = attribute_events([r.fields for r in records], outcome.mark, self.run)
        ended = (ChannelLoss(channel="all channels", message=f"not read to the end: {fault.message}"),) if fault else ()
        return Collected(
            outcome=outcome,
            facts=self.facts,
            records=tuple(replace(r, caused=c) for r, c in zip(records, caused, strict=True)),
            losses=(*ended, *(() if fault else self.losses(now, reading))),
            windows={c: (b.newest, now[c].newest) for c, b in self.bookmarks.items()},
            late=late,
        )

    def take(self, now: Mapping[str, LogState], reading: LogReading) -> None:
        """Adds the records of each log behind the last one taken."""
        for channel, state in now.items():
            came = reading.came(channel)
            after = max([self.bookmarks[channel].newest, *came])
            # Numbers begin anew where the log was cleared.
            if state.newest < self.bookmarks[channel].newest:
                after = max([0, *came])
            if state.there and state.newest > after:
                reading.read(self.remote, channel, after, state.newest)

    def losses(self, now: Mapping[str, LogState], reading: LogReading) -> tuple[ChannelLoss, ...]:
        """What each log did not keep or give."""
        return tuple(
            loss
            for channel, before in self.bookmarks.items()
            for loss in find_channel_losses(
                before, now[channel], reading.came(channel), reading.unread.get(channel, "")
            )
        )


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
        for xml in split_events(text.getvalue().decode("utf-8")):
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
