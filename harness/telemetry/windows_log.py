"""What records of Windows' own logs have in common: channels, computers, threads, the resolver's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import Times, encode_codes, is_ipv6
from harness.telemetry.sensor import ActivityRows, Causes, Setup, WindowsChannel, build_events
from harness.telemetry.simulation.activity import Activity, DnsQuery, Integers
from harness.telemetry.simulation.host import Process
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.schedule import convert_seconds

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


# A first, as Windows asks in the recorded log (telemetry.md 2.4).
TYPES = {"A": (1,), "AAAA": (28,), "A+AAAA": (1, 28)}


def types_of(query: DnsQuery) -> tuple[int, ...]:
    """Record types that are asked for: 1 is A, 28 AAAA."""
    return TYPES[query.query_type]


def service_of(query: DnsQuery) -> Process:
    """The Dnscache service of the host, which sends the packets of all processes."""
    return query.host.service("Dnscache")


def format_dns_result(query: DnsQuery) -> str:
    """CNAME chain and addresses, each ended by `;`; a query for both families shows IPv4 as mapped into IPv6."""
    # Two blanks, as Windows prints it; 158 of 452 answered queries among 2,059 recorded have such a chain.
    chain = [f"type:  5 {name}" for name in query.canonical_names]
    # 324 of 452 answered queries are written so; a query for A alone gives the bare address.
    mapped = ["::ffff:" + a if query.query_type == "A+AAAA" and not is_ipv6(a) else a for a in query.answers]
    return "".join(part + ";" for part in (*chain, *mapped))


def format_dns_answers(rows: ActivityRows[DnsQuery], status: Integers, nothing: str = "") -> pa.DictionaryArray:
    """The results of each query; `nothing` where it failed or has none."""
    texts = rows.each(lambda query: format_dns_result(query) or nothing)
    # One more code than there are texts stands for `nothing`: no text of a row is touched.
    codes = np.where(status != 0, len(texts.dictionary), texts.indices.to_numpy())
    return encode_codes(codes, [*texts.dictionary.to_pylist(), nothing])
