"""A host's event logs, read with wevtutil: where each stands, what came since, and what was lost."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.lab.command_line import BREAK, split_outputs
from harness.telemetry.lab.output import CUT, printable
from harness.telemetry.lab.remote import LARGEST_OUTPUT, CommandLine, RemoteHost

COLLECTION_PATIENCE = 120.0
# Records of a few KiB each stay below remote.LARGEST_OUTPUT; a page that is cut ends the reading,
# and what is missing is then told as lost.
PAGE = 200
# A test leaves hundreds; this bounds what a busy host makes us hold.
MOST_COLLECTED_CHARACTERS = 256 << 20
CHANNEL_NAME = late_pattern(r"[\w .()/-]+")
EVENT_START = late_pattern(r"<Event[ >]")
EVENT_END = "</Event>"
# EventRecordID is an unsigned 64-bit number (Event schema, SystemPropertiesType).
RECORD = late_pattern(r"<EventRecordID>([0-9]{1,20})</EventRecordID>")

Record = tuple[int, str]


@record(kw_only=True)
class LogState:
    """A channel at one moment: whether it is there and on, and the numbers of its oldest and newest record."""

    channel: str
    there: bool = False
    enabled: bool = False
    oldest: int = 0
    newest: int = 0


@record(kw_only=True)
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
        raise HarnessError(
            "no-event-logs", f"the host does not say how its logs stand: {printable(ended.stderr.strip(), 200)}"
        )
    return {c: state_of(c, found[2 * i], found[2 * i + 1]) for i, c in enumerate(names)}


def check_channel_name(channel: str) -> str:
    """A channel's name, which has nothing in it that a command prompt would read otherwise."""
    if not CHANNEL_NAME.fullmatch(channel):
        raise HarnessError("channel-name", f"`{channel}` is no name of a channel")
    return channel


def state_of(channel: str, config: str, status: str) -> LogState:
    """A channel's state from what `wevtutil gl` and `wevtutil gli` print."""
    settings, numbers = read_settings(config), read_settings(status)
    oldest = read_number(numbers.get("oldestRecordNumber", ""))
    return LogState(
        channel=channel,
        there="enabled" in settings,
        enabled=settings.get("enabled") == "true",
        oldest=oldest,
        newest=max(0, oldest + read_number(numbers.get("numberOfLogRecords", "")) - 1),
    )


def read_settings(text: str) -> dict[str, str]:
    """Names and values of lines such as `name: value`."""
    rows = (row.partition(":") for row in text.splitlines() if ":" in row)
    return {name.strip(): value.strip() for name, _, value in rows}


def read_number(text: str) -> int:
    """A number of a record, or 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0


def split_events(text: str) -> Iterator[str]:
    """The whole events in a text that `wevtutil` printed; what is cut off at its end is none.

    No regular expression: one with `.*?` before an end that never comes costs the square of what a host sends.
    """
    at = 0
    while (start := EVENT_START.search(text, at)) and (end := text.find(EVENT_END, start.end())) >= 0:
        at = end + len(EVENT_END)
        yield text[start.start() : at]


def events_between(
    remote: RemoteHost, channel: str, after: int, upto: int, *, until: float = math.inf, most: int | None = None
) -> list[Record]:
    """Number and XML of the records of a channel behind `after` up to `upto`; see `read_events`."""
    return list(read_events(remote, channel, after, upto, until=until, most=most))


def read_events(
    remote: RemoteHost, channel: str, after: int, upto: int, *, until: float = math.inf, most: int | None = None
) -> Iterator[Record]:
    """Number and XML of the records of a channel behind `after` up to `upto`, page by page, oldest first.

    A page whose text is cut off is followed by smaller ones; a record that alone is more than a command may print has
    no XML. Reading stops at the time `until` and after `most` characters: what is missing then was not read.
    """
    size, room = PAGE, MOST_COLLECTED_CHARACTERS if most is None else most
    while after < upto and room > 0 and time.monotonic() < until:
        text = read_page(remote, channel, after, upto, size)
        cut = text.endswith(CUT)
        page = [(int(number[1]), xml) for xml in split_events(text) if (number := RECORD.search(xml))]
        # A page that does not go on from where the last one ended would be read for ever.
        page = [record for record in page if after < record[0] <= upto]
        if not page and size == 1 and cut:
            page = [(read_first_number(text, after), "")]
        elif not page and not cut:
            break
        yield from page
        room -= sum(len(xml) for _, xml in page)
        after = max([after, *(number for number, _ in page)])
        if cut:
            size = max(1, min(size, len(page)) * 3 // 4)
        elif 2 * len(text) < LARGEST_OUTPUT:
            size = min(PAGE, size * 2)


def read_page(remote: RemoteHost, channel: str, after: int, upto: int, size: int) -> str:
    """What a host prints of the next records of a channel. Raises HarnessError where it prints none for a reason."""
    query = f"*[System[(EventRecordID>{after}) and (EventRecordID<={upto})]]"
    # Oldest first, so that the last number of a page is where the next begins.
    line = CommandLine(text=f'wevtutil qe "{check_channel_name(channel)}" /q:"{query}" /f:xml /c:{size} /rd:false')
    ended = remote.run(line, timeout=COLLECTION_PATIENCE)
    if not ended.ok:
        said = printable(" ".join(ended.stderr.split()), 200)
        raise HarnessError("no-events", f"{channel} cannot be read: {said or 'the query did not end'}")
    return ended.stdout


def read_first_number(text: str, after: int) -> int:
    """The number of a record that is cut off: it stands before the data. Else the next there can be."""
    found = RECORD.search(text)
    return max(after + 1, int(found[1])) if found else after + 1


def find_channel_losses(
    before: LogState, now: LogState, read: Mapping[int, str], unread: str = ""
) -> tuple[ChannelLoss, ...]:
    """What a channel did not keep or give between two moments, each part for its own reason.

    `read` has the number of each record that came, and why it is of no use where it is of none; `unread` is why reading
    stopped before the end, where it did.
    """
    channel = before.channel
    if not now.there:
        return (ChannelLoss(channel=channel, message="this channel is not there", command=provision(channel)),)
    if not now.enabled:
        command = f'wevtutil sl "{channel}" /e:true /q:true'
        return (ChannelLoss(channel=channel, message="this channel is off", command=command),)
    if now.newest < before.newest:
        return (ChannelLoss(channel=channel, message="the log was cleared while the test ran", records=0),)
    came = {number: why for number, why in read.items() if before.newest < number <= now.newest}
    last = max(came, default=before.newest)
    # Only counted, never listed: a host says freely how large its numbers are.
    rolled = max(0, now.oldest - before.newest - 1) - sum(number < now.oldest for number in came)
    behind = now.newest - max(last, now.oldest - 1) if unread else 0
    counts = Counter(why for why in came.values() if why)
    counts["the log rolled over"] = rolled
    counts[unread] += behind
    counts["the host does not give them"] = now.newest - before.newest - len(came) - rolled - behind
    # 256 MiB; Windows begins with 1 MiB for most channels.
    commands = {"the log rolled over": f'wevtutil sl "{channel}" /ms:268435456'}
    return tuple(
        ChannelLoss(channel=channel, message=describe_loss(count, why), command=commands.get(why, ""), records=count)
        for why, count in sorted(counts.items())
        if count > 0
    )


def describe_loss(count: int, why: str) -> str:
    """How many records are lost, and why."""
    return f"{count} {'record is' if count == 1 else 'records are'} lost: {why}"


def provision(channel: str) -> str:
    """The command that installs a channel's provider; empty for those of Windows."""
    return r"lab\windows\provision.ps1, which installs Sysmon" if "Sysmon" in channel else ""
