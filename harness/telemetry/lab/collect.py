"""Collection of a test's records from a host's logs until it is quiet, with losses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from harness.diagnostics import HarnessError
from harness.telemetry.event_xml import fields_of_event
from harness.telemetry.lab.attribution import attribute_events
from harness.telemetry.lab.event_log import ChannelLoss, LogState, events_between, find_channel_loss, states
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import LabHost
from harness.telemetry.lab.outcome import Status, TestOutcome
from harness.telemetry.lab.remote import RemoteHost


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
