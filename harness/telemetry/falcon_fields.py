"""Values of Falcon fields: process ids, device paths, flags, builds of the sensor, what its DNS events say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from harness.telemetry.events.text_columns import decimal, encode_codes, epoch_seconds, is_ipv6
from harness.telemetry.sensor import ActivityRows, EventColumns, Setup
from harness.telemetry.simulation.activity import (
    Activity,
    BooleanArray,
    DnsQuery,
    Integers,
    NetworkConnection,
    UserLogon,
)
from harness.telemetry.simulation.coded_column import DnsAnswer, TextColumn
from harness.telemetry.simulation.host import Process, User
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.windows_log import types_of

LEVELS = {"AppContainer": "4096", "Low": "4096", "Medium": "8192", "High": "12288", "System": "16384"}


SUBSYSTEM = {False: "2", True: "3"}
"""ImageSubsystem: 2 has windows, 3 a console."""


def falcon_id(process: Process) -> Integers:
    """TargetProcessId of each: never an operating system's pid, rising with the start of processes."""
    # Windows samples lie between 1,685,738 and 1.2e12. 4099 is a prime: ids of neighbours differ in more than the end.
    base = 2**32 + hash_to_number("falcon", process.host.aid, process.host.boot_number) % 2**34
    numbers: Integers = base + np.atleast_1d(np.asarray(process.sequence, np.int64)) * 4099
    return numbers


def thread_id(process: Process) -> str:
    """ContextThreadId of a process: one thread each, its number derived from the process's."""
    # Samples show no relation (thread 43270698197 of process 21866918); the formula is made up.
    return str(int(falcon_id(process)[0]) * 5 + 1)


def device_path(process: Process) -> str:
    r"""The image as the kernel names it: `\Device\HarddiskVolume3\Windows\...` for `C:\Windows\...`."""
    if process.image[1:3] != ":\\":
        return process.image
    return rf"\Device\HarddiskVolume{process.host.volume}{process.image[2:]}"


def format_process_tags(process: Process) -> str:
    """The Tags of a process, as the sensor classifies it: numbers with commas between."""
    # What 33 of 35 Windows samples begin with; the meaning of the numbers is documented nowhere.
    common = "25, 27, 40, 151, 874, 924, 12094627905582, 12094627906234"
    return common if process.user.system else common + ", 211106232533012"


def first_datagrams(rows: ActivityRows[NetworkConnection]) -> BooleanArray:
    """Whether each is recorded: of datagrams from one socket to one destination only the first is."""
    kept = np.ones(len(rows), bool)
    starts = np.cumsum(rows.counts) - rows.counts
    for activity, start, count in zip(rows.activities, starts.tolist(), rows.counts.tolist(), strict=True):
        # Documented: without a connection only the first attempt to transmit counts. One port is one socket.
        if activity.protocol == "udp" and count > 1 and isinstance(activity.source_port, int):
            addresses = repeat_field_text(activity.destination_ip, count)
            ports = np.broadcast_to(np.asarray(activity.destination_port), (count,)).tolist()
            seen: set[tuple[str, int]] = set()
            for i, key in enumerate(zip(addresses, ports, strict=True)):
                kept[start + i] = key not in seen
                seen.add(key)
    return kept


def repeat_field_text(value: object, count: int) -> list[str]:
    """The text of a field in each of `count` rows, given once, as codes, or row by row."""
    if isinstance(value, str):
        return [value] * count
    values, codes = getattr(value, "values", None), getattr(value, "codes", None)
    if values is not None and codes is not None:
        return [values[c] for c in codes.tolist()]
    return [str(v) for v in value] if isinstance(value, list | tuple) else []


# Values of ProcessRollup2 that recordings have (telemetry.md 3.3 and addenda). 1024 and 0 are 16 and 19 of 35 samples;
# the shares of the others are chosen.
PROCESS_FLAGS = {
    "ProcessCreateFlags": {"0": 0.5, "1024": 0.42, "4": 0.05, "525324": 0.03},
    "ProcessParameterFlags": {"24577": 0.85, "8193": 0.15},
    "TokenType": {"1": 0.96, "2": 0.04},
    "EffectiveTransmissionClass": {"3": 0.7, "2": 0.3},
}


def draw_shares(setup: Setup, shares: Mapping[str, float], count: int) -> pa.DictionaryArray:
    """So many values, each as often as its share says in the mean."""
    bounds = np.cumsum(list(shares.values()))
    drawn = np.searchsorted(bounds / bounds[-1], setup.random.random(count), side="right")
    return encode_codes(drawn.astype(np.int64), list(shares))


# Identical lookups are counted, not sent one by one (telemetry.md 3.3); how many are is chosen.
REQUEST_COUNTS = {"1": 0.86, "2": 0.09, "3": 0.03, "5": 0.02}


NO_INTERFACE = 0.9
"""Share of queries without the number of an interface: 5 of 5 recorded ones have 0, the rest is left for others."""


SECOND_OF_BOTH = 0.3
"""Share of queries for both families that are told under the second one, 28: recordings have both; chosen."""


def list_family(answer: DnsAnswer, *, v6: bool) -> list[str]:
    """The addresses of one family."""
    return [a for a in answer.addresses if is_ipv6(a) is v6]


def interface_indexes(rows: ActivityRows[DnsQuery], setup: Setup) -> pa.DictionaryArray:
    """InterfaceIndex: 0 mostly, else the number that the host's adapter has."""
    numbers = rows.number(lambda q: 3 + hash_to_number("interface", q.host.aid) % 20)
    return decimal(np.where(setup.random.random(len(rows)) < NO_INTERFACE, 0, numbers))


def request_types(rows: ActivityRows[DnsQuery], setup: Setup) -> pa.DictionaryArray:
    """RequestType: 1 is A, 28 AAAA; of a query for both the one or the other."""
    first, last = rows.number(lambda q: types_of(q)[0]), rows.number(lambda q: types_of(q)[-1])
    return decimal(np.where(setup.random.random(len(rows)) < SECOND_OF_BOTH, last, first))


# Last but one is the sensor's build: 16606 and 18207 in samples of 2023 and 2024, the others are chosen after them. A
# fleet is updated in rings, so most hosts have the latest.
SENSOR_BUILDS = ("18909", "18909", "18909", "18909", "18909", "18706", "18706", "18207")


def sensor_build(activity: Activity) -> str:
    """The build of a host's sensor."""
    build = SENSOR_BUILDS[hash_to_number("sensor build", activity.host.aid) % len(SENSOR_BUILDS)]
    return f"1007.3.00{build}.11"


def config_state(activity: Activity) -> str:
    """The hash of a sensor's configuration: the same for all sensors of a customer."""
    return str(int(activity.host.cid[:8], 16))


def describe_sessions(rows: ActivityRows[UserLogon]) -> EventColumns:
    """The fields of UserLogon that say who logged on, how and from where."""
    # PrivilegesBitmask and the flags are scrambled in the key set: zero and what an administrator has are made up.
    rights = rows.each(lambda a: "8589934591" if a.privileged else "8388608")
    columns: EventColumns = {
        "AuthenticationId": decimal(rows.number(lambda a: a.logon_ids)),
        "AuthenticationPackage": rows.each(lambda a: "Kerberos" if a.logon_type == 3 else "Negotiate"),
        "ClientComputerName": rows.text(lambda a: a.workstation or "-"),
        "EnabledPrivilegesBitmask": rights,
        "LogonDomain": of_account(rows, lambda u: u.domain),
        "LogonServer": rows.each(lambda a: f"{a.host.netbios_domain}-DC" if a.logon_type == 3 else ""),
        "LogonTime": epoch_seconds(rows.at),
        "LogonType": rows.each(lambda a: str(a.logon_type)),
        "PasswordLastSet": of_account(rows, date_password),
        "PrivilegesBitmask": rights,
        "RemoteAccount": rows.each(lambda a: "1" if a.logon_type in (3, 10) else "0"),
        "UserFlags": "0",
        "UserGroupsBitmask": "0",
        "UserIsAdmin": rows.each(lambda a: "1" if a.privileged else "0"),
        "UserLogonFlags": "0",
        "UserName": of_account(rows, lambda u: u.name),
        "UserPrincipal": of_account(rows, lambda u: f"{u.name}@{u.domain.lower()}"),
        "UserSid": of_account(rows, lambda u: u.sid),
    }
    addresses = rows.text(lambda a: a.source_ip if a.logon_type in (3, 10) else None)
    # Not in the key set that was found, but in published rules on logons from elsewhere.
    if addresses.null_count < len(rows):
        columns["RemoteAddressIP4"] = addresses
    return columns


def of_account(rows: ActivityRows[UserLogon], value: Callable[[User], str]) -> Any:
    """A text of the account of each row."""
    return rows.text(lambda a: TextColumn(values=[value(u) for u in a.accounts], codes=a.who))


def date_password(user: User) -> str:
    """When an account's password was set, in epoch seconds: within the ninety days before 2026, chosen."""
    return f"{1_759_500_000 + hash_to_number('password', user.sid) % 7_776_000}.000"
