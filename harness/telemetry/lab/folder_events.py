"""Events of a host that are read from a folder: exported files, or what a Windows Event Collector writes there."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.telemetry.event_xml import fields_of_event
from harness.telemetry.lab.attribution import attribute_events
from harness.telemetry.lab.collect import Collected, CollectedRecord, Waiting
from harness.telemetry.lab.event_log import EVENT_ELEMENT, ChannelLoss
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.outcome import TestOutcome
from harness.telemetry.moment import parse_microseconds
from harness.telemetry.reader import read_telemetry
from harness.telemetry.writer import write_telemetry

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
