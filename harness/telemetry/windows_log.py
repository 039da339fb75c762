"""What records of Windows' own logs have in common: channels, computers, threads, the resolver's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import Times, encode_codes, is_ipv6
from harness.telemetry.sensor import ActivityRows, Causes, Setup, WindowsChannel, build_events
from harness.telemetry.simulation.activity import Activity, DnsQuery, Integers
from harness.telemetry.simulation.coded_column import DnsAnswer, TextColumn
from harness.telemetry.simulation.host import Process
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.schedule import convert_seconds

# In all 113 Sysmon records of samples/dev/cross; the Security channel has AUDIT_SUCCESS in 7,366 of 7,607
# and 0x8010000000000000, failure, in 210.
CLASSIC_KEYWORDS = "0x8000000000000000"
AUDIT_SUCCESS = "0x8020000000000000"
AUDIT_FAILURE = "0x8010000000000000"


@record(kw_only=True)
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
        keywords: str | None = None,
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
            "Keywords": keywords or self.keywords,
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


LagQuantiles = tuple[float, float, float, float]
"""Milliseconds that one, ten, fifty and ninety of a hundred records are written late, at most."""


def late_by(times: Times, setup: Setup, quantiles: LagQuantiles) -> Times:
    """Times of writing whose lag has these quantiles, straight lines between their logarithms."""
    # Beyond the ninth decile nothing is published but that 5 to 6 s are seen (telemetry.md 1.4): the slope goes on.
    first, low, middle, high = np.log(np.maximum(quantiles, 0.05))
    most = min(high + 0.6 * (high - middle), np.log(6000.0))
    shares = setup.random.random(len(times))
    lags = np.interp(shares, (0.0, 0.01, 0.1, 0.5, 0.9, 1.0), (first - 1.0, first, low, middle, high, most))
    written: Times = times + convert_seconds(np.exp(lags) / 1000)
    return written


def thread(*parts: object) -> str:
    """A thread id that follows from its owner and task."""
    # Multiples of 4 as all 4,430 thread ids of the sample events, whose median is 4,168 and largest 9,564.
    return str(600 + 4 * (hash_to_number("thread", *parts) % 2400))


def thread_of(name: str) -> Callable[[Activity], str]:
    """The thread of a service on an activity's host."""
    return lambda a: thread(a.host.name, a.host.boot_number, name)


def vary_threads(rows: ActivityRows[Any], setup: Setup, name: str, count: int) -> pa.DictionaryArray:
    """A thread of each host's pool of `count`, the first of them the most often, as pools reuse what is warm."""
    hosts: dict[tuple[str, int], int] = {}
    of_batch = [hosts.setdefault((a.host.name, a.host.boot_number), len(hosts)) for a in rows.activities]
    names = [thread(*host, name, number) for host in hosts for number in range(count)]
    weights = 1.0 / np.arange(1, count + 1)
    drawn = np.searchsorted(np.cumsum(weights / weights.sum()), setup.random.random(len(rows)))
    place = np.asarray(of_batch, np.int64)[rows.which] * count + np.minimum(drawn, count - 1)
    return encode_codes(place, names)


# A first, as Windows asks in the recorded log (telemetry.md 2.4).
TYPES = {"A": (1,), "AAAA": (28,), "A+AAAA": (1, 28)}


def types_of(query: DnsQuery) -> tuple[int, ...]:
    """Record types that are asked for: 1 is A, 28 AAAA."""
    return TYPES[query.query_type]


def service_of(query: DnsQuery) -> Process:
    """The Dnscache service of the host, which sends the packets of all processes."""
    return query.host.service("Dnscache")


def format_dns_result(answer: DnsAnswer, query: DnsQuery) -> str:
    """CNAME chain and addresses, each ended by `;`; a query for both families shows IPv4 as mapped into IPv6."""
    # Two blanks, as Windows prints it; 158 of 452 answered queries among 2,059 recorded have such a chain.
    chain = [f"type:  5 {name}" for name in answer.canonical_names]
    # 324 of 452 answered queries are written so; a query for A alone gives the bare address.
    mapped = ["::ffff:" + a if query.query_type == "A+AAAA" and not is_ipv6(a) else a for a in answer.addresses]
    return "".join(part + ";" for part in (*chain, *mapped))


def format_dns_answers(rows: ActivityRows[DnsQuery], status: Integers, nothing: str = "") -> pa.DictionaryArray:
    """The results of each query; `nothing` where it failed or has none."""
    # Queries that were made together share their answers; kept beside the texts, since an id is given anew.
    known: dict[tuple[int, bool], tuple[Sequence[DnsAnswer], list[str]]] = {}

    def spell(query: DnsQuery) -> TextColumn:
        replies = query.replies
        key = id(replies.values), query.query_type == "A+AAAA"
        if key not in known:
            known[key] = replies.values, [format_dns_result(a, query) or nothing for a in replies.values]
        return TextColumn(values=known[key][1], codes=replies.codes)

    texts = rows.text(spell)
    # One more code than there are texts stands for `nothing`: no text of a row is touched.
    codes = np.where(status != 0, len(texts.dictionary), texts.indices.to_numpy())
    return encode_codes(codes, [*texts.dictionary.to_pylist(), nothing])
