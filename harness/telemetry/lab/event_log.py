"""A host's event logs, read with wevtutil: where each stands, what came since, and what was lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.diagnostics import HarnessError
from harness.telemetry.lab.command_line import BREAK, split_outputs
from harness.telemetry.lab.remote import CommandLine, RemoteHost

COLLECTION_PATIENCE = 120.0
# Records of a few KiB each stay below remote.LARGEST_OUTPUT; a page that is cut ends the reading,
# and what is missing is then told as lost.
PAGE = 200
# A test leaves hundreds; this bounds what a busy host makes us hold.
MOST_COLLECTED_EVENTS = 200_000
CHANNEL_NAME = re.compile(r"[\w .()/-]+")
EVENT_ELEMENT = re.compile(r"<Event[ >].*?</Event>", re.DOTALL)
RECORD = re.compile(r"<EventRecordID>(\d+)</EventRecordID>")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """A channel at one moment: whether it is there and on, and the numbers of its oldest and newest record."""

    channel: str
    there: bool = False
    enabled: bool = False
    oldest: int = 0
    newest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLoss:
    """Events that a host did not keep or did not write, and the command that changes it."""

    channel: str
    message: str
    command: str = ""
    records: int = 0

    def __str__(self) -> str:
        return f"{self.channel}: {self.message}" + (f" (run: {self.command})" if self.command else "")


def states(remote: RemoteHost, channels: Iterable[str]) -> Mapping[str, LogState]:
    """States of channels by name. Raises HarnessError where the host gives no answer."""
    names = tuple(check_channel_name(c) for c in channels)
    # `&`, not `&&`: a channel that is not there must not hide those behind it.
    text = f" & echo {BREAK} & ".join(f'wevtutil gl "{c}" & echo {BREAK} & wevtutil gli "{c}"' for c in names)
    ended = remote.run(CommandLine(text=text), timeout=COLLECTION_PATIENCE)
    found = split_outputs(ended.stdout)
    if ended.timed_out or len(found) != 2 * len(names):
        raise HarnessError("no-event-logs", f"the host does not say how its logs stand: {ended.stderr.strip()[:200]}")
    return {c: state_of(c, found[2 * i], found[2 * i + 1]) for i, c in enumerate(names)}


def check_channel_name(channel: str) -> str:
    """A channel's name, which has nothing in it that a command prompt would read otherwise."""
    if not CHANNEL_NAME.fullmatch(channel):
        raise HarnessError("channel-name", f"`{channel}` is no name of a channel")
    return channel


def state_of(channel: str, config: str, status: str) -> LogState:
    """A channel's state from what `wevtutil gl` and `wevtutil gli` print."""
    settings = dict(re.findall(r"(?m)^\s*(\w+):[ \t]*(.*?)\s*$", config))
    numbers = {k: int(v) for k, v in re.findall(r"(?m)^\s*(\w+):[ \t]*(\d+)\s*$", status)}
    oldest = numbers.get("oldestRecordNumber", 0)
    return LogState(
        channel=channel,
        there="enabled" in settings,
        enabled=settings.get("enabled") == "true",
        oldest=oldest,
        newest=max(0, oldest + numbers.get("numberOfLogRecords", 0) - 1),
    )


def events_between(remote: RemoteHost, channel: str, after: int, upto: int) -> list[tuple[int, str]]:
    """Number and XML of every record of a channel behind `after` up to `upto`, page by page."""
    found: list[tuple[int, str]] = []
    while after < upto and len(found) < MOST_COLLECTED_EVENTS:
        query = f"*[System[(EventRecordID>{after}) and (EventRecordID<={upto})]]"
        # Oldest first, so that the last number of a page is where the next begins.
        line = CommandLine(text=f'wevtutil qe "{check_channel_name(channel)}" /q:"{query}" /f:xml /c:{PAGE} /rd:false')
        ended = remote.run(line, timeout=COLLECTION_PATIENCE)
        if not ended.ok:
            said = " ".join(ended.stderr.split())[:200]
            raise HarnessError("no-events", f"{channel} cannot be read: {said or 'the query did not end'}")
        page = [(int(number[1]), xml) for xml in EVENT_ELEMENT.findall(ended.stdout) if (number := RECORD.search(xml))]
        found += page
        if len(page) < PAGE:
            break
        after = page[-1][0]
    return found


def find_channel_loss(before: LogState, now: LogState, got: Iterable[int]) -> ChannelLoss | None:
    """The loss of a channel between two moments: absent, off, cleared, or rolled over; None without one."""
    channel = before.channel
    if not now.there:
        return ChannelLoss(channel=channel, message="this channel is not there", command=provision(channel))
    if not now.enabled:
        return ChannelLoss(
            channel=channel, message="this channel is off", command=f'wevtutil sl "{channel}" /e:true /q:true'
        )
    if now.newest < before.newest:
        return ChannelLoss(channel=channel, message="the log was cleared while the test ran", records=0)
    numbers = set(got)
    missing = sum(1 for n in range(before.newest + 1, now.newest + 1) if n not in numbers)
    if missing:
        rolled = now.oldest > before.newest + 1
        why = "the log rolled over" if rolled else "the host does not give them"
        # 256 MiB; Windows begins with 1 MiB for most channels.
        command = f'wevtutil sl "{channel}" /ms:268435456' if rolled else ""
        return ChannelLoss(
            channel=channel, message=f"{missing} records are lost: {why}", command=command, records=missing
        )
    return None


def provision(channel: str) -> str:
    """The command that installs a channel's provider; empty for those of Windows."""
    return r"lab\windows\provision.ps1, which installs Sysmon" if "Sysmon" in channel else ""
