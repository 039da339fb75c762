"""Channels of the Windows event log: System fields, time of writing and thread of their events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.telemetry.activity import Activity
from harness.telemetry.event import Events
from harness.telemetry.identity import hash_to_number
from harness.telemetry.schedule import convert_seconds
from harness.telemetry.sensor import Causes, Setup, WindowsChannel, build_events
from harness.telemetry.spelling import Times

# In all 113 Sysmon records of samples/dev/cross; the Security channel has AUDIT_SUCCESS in 7,366 of 7,607
# and 0x8010000000000000, failure, in 210.
CLASSIC_KEYWORDS = "0x8000000000000000"
AUDIT_SUCCESS = "0x8020000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(WindowsChannel):
    """A channel with what its records have in common; `sensor` is the file that knows its events."""

    sensor: str
    guid: str
    keywords: str = CLASSIC_KEYWORDS
    level: str = "4"

    def written(
        self,
        kind: str,
        columns: Mapping[str, Any],
        *,
        at: Times,
        cause: Causes,
        version: str = "0",
        task: str | None = None,
        opcode: str = "0",  # a channel says where its events have another
        level: str | None = None,
    ) -> Events:
        """Records of one kind with their System fields: a column given as one text is the same in all records."""
        constants = {
            "Provider_Name": self.provider,
            "Provider_Guid": self.guid,
            "EventID": kind,
            "Version": version,
            "Level": level or self.level,
            # Sysmon's Task is its EventID (telemetry.md 1.1); the others that name none are assumed to do the same.
            "Task": task or kind,
            "Opcode": opcode,
            "Keywords": self.keywords,
            "Channel": self.name,
        }
        return build_events(self.sensor, kind, at=at, cause=cause, constants=constants, columns=columns)


def computer(activity: Activity) -> str:
    """The field Computer: the fully qualified name in a domain."""
    return activity.host.computer


def late(times: Times, setup: Setup, *, least: float, median: float = 0.004, spread: float = 0.6) -> Times:
    """Times of writing: `least` seconds after the event and a lognormal rest, never more than five seconds later."""
    # Lognormal, since recorded lags have a sharp lower edge and a long tail; events 3 are recorded 5 to 6 s late at
    # most, but for steps of a clock (telemetry.md 1.4).
    waits = np.minimum(least + median * np.exp(spread * setup.random.standard_normal(len(times))), least + 5)
    written: Times = times + convert_seconds(waits)
    return written


def thread(*parts: object) -> str:
    """A thread id that follows from its owner and task."""
    # Multiples of 4 as all 4,430 thread ids of the sample events, whose median is 4,168 and largest 9,564.
    return str(600 + 4 * (hash_to_number("thread", *parts) % 2400))


def thread_of(name: str) -> Callable[[Activity], str]:
    """The thread of a service on an activity's host."""
    return lambda a: thread(a.host.name, a.host.boot_number, name)
