"""Values of Falcon fields: process ids, device paths, flags, and versions of its events."""

from __future__ import annotations

import numpy as np

from harness.telemetry.activity import BooleanArray, Integers, NetworkConnection
from harness.telemetry.host import Process
from harness.telemetry.identity import hash_to_number
from harness.telemetry.sensor import ActivityRows

LEVELS = {"Low": "4096", "Medium": "8192", "High": "12288", "System": "16384"}
SUBSYSTEM = {False: "2", True: "3"}
"""ImageSubsystem: 2 has windows, 3 a console."""

# DnsRequest is V4 in three samples of 2023; V5, EndOfProcess V15 and ScheduledTaskDeleted V3 are made up.
VERSIONS = {
    "ProcessRollup2": "V19",
    "EndOfProcess": "V15",
    "NetworkConnectIP4": "V12",
    "NetworkConnectIP6": "V12",
    "NetworkReceiveAcceptIP4": "V12",
    "NetworkReceiveAcceptIP6": "V12",
    "DnsRequest": "V5",
    "ScheduledTaskRegistered": "V3",
    "ScheduledTaskDeleted": "V3",
}
"""Event to the version in its `name`; seen for ProcessRollup2, NetworkConnectIP4 and ScheduledTaskRegistered."""


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
