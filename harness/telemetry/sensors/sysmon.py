"""What Sysmon's event 3 includes: names of ports, and the choice that a widely used configuration makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import (
    Times,
    decimal,
    encode_codes,
    encode_truth,
    is_ipv6,
    long_ipv6,
    utc_time,
)
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, EventColumns, Processes, Sensor, Setup, take_column_rows
from harness.telemetry.simulation.activity import (
    BooleanArray,
    DnsQuery,
    FileCreation,
    Integers,
    NetworkConnection,
    ProcessCreation,
    ProcessTermination,
    RegistryChange,
)
from harness.telemetry.simulation.identity import Image, image, logon_tail, old_tail, start_key_tail, sysmon_guid
from harness.telemetry.windows_log import Channel, computer, format_dns_answers, late, thread_of

# Those of 7,183 events 3 are https, ldap, domain, ntp, http, epmap, microsoft-ds, netbios-dgm, kerberos, netbios-ns and
# llmnr; the others are from events elsewhere (telemetry.md 1.4) and from services files.
PORT_NAMES = {
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "domain",
    80: "http",
    88: "kerberos",
    110: "pop3",
    123: "ntp",
    135: "epmap",
    137: "netbios-ns",
    138: "netbios-dgm",
    139: "netbios-ssn",
    143: "imap",
    389: "ldap",
    443: "https",
    445: "microsoft-ds",
    636: "ldaps",
    1433: "ms-sql-s",
    1900: "ssdp",
    3389: "ms-wbt-server",
    3702: "ws-discovery",
    5355: "llmnr",
    5357: "wsd",
}
"""Ports that a Windows host names, as seen in events (its services file has more)."""

# sysmonconfig-export.xml of SwiftOnSecurity/sysmon-config at 1836897 (telemetry.md 1.4): a part of its
# include rules, by file name without the folder.
SWIFT_IMAGES = {
    "bitsadmin",
    "certutil",
    "cmd",
    "cscript",
    "msbuild",
    "mshta",
    "msiexec",
    "powershell",
    "regsvr32",
    "rundll32",
    "schtasks",
    "wmic",
    "wscript",
}
SWIFT_FOLDERS = ("c:\\users", "c:\\programdata")
SWIFT_PORTS = (22, 23, 25, 143, 3389, 5800, 5900, 4444, 1080, 3128, 8080, 1723, 9001, 9030)
# Line 378 there: exclude beats include.
SWIFT_NEVER = ("127.0.0.1",)


def is_included(
    images: pa.DictionaryArray, addresses: pa.DictionaryArray, ports: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether the configuration records each connection: some images, folders and ports, never to 127.0.0.1."""
    wanted = np.array([by_image(i or "") for i in images.dictionary.to_pylist()], bool)
    local = np.array([a in SWIFT_NEVER for a in addresses.dictionary.to_pylist()], bool)
    found: npt.NDArray[np.bool_] = wanted[images.indices.to_numpy()] | np.isin(ports, SWIFT_PORTS)
    found &= ~local[addresses.indices.to_numpy()]
    return found


def by_image(path: str) -> bool:
    """Whether connections of this file are recorded whatever their port."""
    low = path.lower()
    return low.startswith(SWIFT_FOLDERS) or low.rpartition("\\")[2].removesuffix(".exe") in SWIFT_IMAGES


CHANNEL = Channel(
    sensor="sysmon",
    provider="Microsoft-Windows-Sysmon",
    guid="{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    name="Microsoft-Windows-Sysmon/Operational",
)

# These did not change when User, ParentUser and OriginalFileName came (telemetry.md 1.2): names of fields
# tell the generation, the version does not.
VERSIONS = {"1": "5", "3": "5", "5": "3", "11": "2", "12": "2", "13": "2", "22": "5"}


def record_event_1(rows: ActivityRows[ProcessCreation], setup: Setup) -> Iterator[Events]:
    """Event 1, with hashes and version resource of the image; ParentUser in the newest profile only."""
    actors, parents = rows.processes(), rows.processes(lambda a: a.process.parent)
    files = {id(p): image(p.image, p.host.build) for p in actors.distinct}
    dash = choose_unknown_text(setup)

    def of_file(entry: str) -> pa.DictionaryArray:
        return actors.each(lambda p: getattr(files[id(p)], entry) or dash)

    columns: EventColumns = {
        "RuleName": dash,
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
        "FileVersion": of_file("file_version"),
        "Description": of_file("description"),
        "Product": of_file("product"),
        "Company": of_file("company"),
        "OriginalFileName": of_file("original_file_name"),
        "CommandLine": actors.each(lambda p: p.command_line),
        "CurrentDirectory": actors.each(lambda p: p.current_directory),
        "User": actors.each(lambda p: p.user.account),
        "LogonGuid": logon_guid(actors, setup),
        "LogonId": actors.each(lambda p: hex(p.user.logon_id)),
        "TerminalSessionId": actors.each(lambda p: str(p.session)),
        "IntegrityLevel": actors.each(lambda p: p.integrity),
        "Hashes": actors.each(lambda p: hashes(files[id(p)])),
        "ParentProcessGuid": process_guid(parents, setup),
        "ParentProcessId": parents.column(decimal(parents.numbers(lambda p: p.pids))),
        "ParentImage": parents.each(lambda p: p.image),
        "ParentCommandLine": parents.each(lambda p: p.command_line),
    }
    if modern(setup):
        columns["ParentUser"] = parents.each(lambda p: p.user.account)
    # Least wait and lognormal rest in seconds, here and below, after the medians of recorded EVTX: event 1 18 ms, 5 11
    # ms, 11 to 13 12 ms (telemetry.md 1.4). Recorded tails are longer: p90 of event 1 is 922 ms.
    yield build_sysmon_events("1", rows, setup, columns, least=0.012, median=0.006)


def record_event_5(rows: ActivityRows[ProcessTermination], setup: Setup) -> Iterator[Events]:
    """Event 5, which has no exit code."""
    actors = rows.processes()
    columns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
    }
    yield build_sysmon_events("5", rows, setup, with_user(columns, actors, setup), least=0.006, median=0.005)


def record_event_3(rows: ActivityRows[NetworkConnection], setup: Setup) -> Iterator[Events]:
    """Event 3: completed connections only; where the listener is on this host too, a second record of its own."""
    # A refused or timed-out call leaves nothing: not supported, says Microsoft (sysinternals issue 81, 2019).
    calls = rows.where(lambda a: bool(np.any(a.established)))
    # 138 of 162 recorded loopback flows are such pairs (telemetry.md 1.4).
    answers = calls.where(lambda a: a.listener is not None)
    for side, accepted in ((calls, False), (answers, True)):
        if len(side):
            yield from record_connection_side(side, setup, accepted=accepted)


def record_connection_side(rows: ActivityRows[NetworkConnection], setup: Setup, *, accepted: bool) -> Iterator[Events]:
    """Event 3 of one side: of the calling process, or of the local process that accepted."""
    actors = rows.processes(lambda a: a.listener if accepted else a.process)
    initiated = np.zeros(len(rows), bool) if accepted else rows.flag(lambda a: a.initiated)
    source, destination = endpoints(rows, setup)
    if setup.conditions["sysmon"] == "sysmon10" and not initiated.all():
        source, destination = swap_accepted_ends(source, destination, initiated)
    columns: EventColumns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
        "User": actors.each(lambda p: p.user.account),
        "Protocol": rows.each(lambda a: a.protocol),
        "Initiated": encode_truth(initiated),
        **{f"Source{name}": column for name, column in source.items()},
        **{f"Destination{name}": column for name, column in destination.items()},
    }
    kept = rows.flag(lambda a: a.established)
    if setup.conditions["sysmon_config"] == "swift":
        numbers = rows.number(lambda a: a.destination_port)
        kept = kept & is_included(columns["Image"], columns["DestinationIp"], numbers)
    # Median 1.24 s, middle half 1.1 to 1.9 s, of 168 recorded events.
    yield build_sysmon_events("3", rows, setup, columns, least=0.95, median=0.3, spread=1.0, kept=kept)


def endpoints(rows: ActivityRows[NetworkConnection], setup: Setup) -> tuple[EventColumns, EventColumns]:
    """Both ends of each connection: IsIpv6, Ip, Hostname, Port, PortName."""
    dash, lookup = choose_unknown_text(setup), setup.on("sysmon_hostname_lookup")
    udp_or_tcp = {
        "Source": (rows.text(lambda a: a.source_ip, lambda v, _: long_ipv6(v)), rows.number(lambda a: a.ports)),
        "Destination": (
            rows.text(lambda a: a.destination_ip, lambda v, _: long_ipv6(v)),
            rows.number(lambda a: a.destination_port),
        ),
    }
    own = rows.text(lambda a: a.source_ip, lambda v, a: a.host.computer if v in a.host.own_addresses else None)
    names = {"Source": own, "Destination": rows.text(lambda a: a.destination_hostname)}
    ends = []
    for end, (address, port) in udp_or_tcp.items():
        v6 = [is_ipv6(a) for a in address.dictionary.to_pylist()]
        ends.append(
            {
                "IsIpv6": encode_codes(address.indices.to_numpy(), ["true" if found else "false" for found in v6]),
                "Ip": address,
                # Without the look-up names of ports are `-` too, in all of 5,931 recorded events.
                "Hostname": fill_nulls(names[end], dash) if lookup else encode_codes(rows.which * 0, [dash]),
                "Port": decimal(port),
                "PortName": port_names(port, dash) if lookup else encode_codes(rows.which * 0, [dash]),
            }
        )
    return ends[0], ends[1]


def port_names(ports: Integers, dash: str) -> pa.DictionaryArray:
    """Names of ports in the hosts' services file."""
    # A table by port number: one indexing a column instead of a look-up a row.
    place = np.zeros(1 << 16, np.int32)
    place[list(PORT_NAMES)] = np.arange(1, len(PORT_NAMES) + 1)
    return encode_codes(place[ports & 0xFFFF], [dash, *PORT_NAMES.values()])


def swap_accepted_ends(
    source: EventColumns, destination: EventColumns, initiated: BooleanArray
) -> tuple[EventColumns, EventColumns]:
    """Both ends as Sysmon wrote them up to version 10: an accepted connection has the listener as its source."""

    def either(first: pa.DictionaryArray, second: pa.DictionaryArray) -> pa.DictionaryArray:
        values = [*first.dictionary.to_pylist(), *second.dictionary.to_pylist()]
        other = second.indices.to_numpy() + len(first.dictionary)
        return encode_codes(np.where(initiated, first.indices.to_numpy(), other), values)

    return (
        {n: either(c, destination[n]) for n, c in source.items()},
        {n: either(c, source[n]) for n, c in destination.items()},
    )


def record_event_22(rows: ActivityRows[DnsQuery], setup: Setup) -> Iterator[Events]:
    """Event 22, written by the calling process's own resolver: cached answers and failures too."""
    actors = rows.processes()
    columns: EventColumns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": utc_time(rows.at),
        "ProcessGuid": process_guid(actors, setup),
        "ProcessId": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "QueryName": rows.text(lambda a: a.query_name),
        "QueryStatus": decimal(rows.number(lambda a: a.status)),
        "QueryResults": format_dns_answers(rows, rows.number(lambda a: a.status), choose_unknown_text(setup)),
        "Image": actors.each(lambda p: p.image),
    }
    # Three are recorded: 2.0, 2.26 and 7.2 s; the median of 2.3 s is chosen after them.
    yield build_sysmon_events("22", rows, setup, with_user(columns, actors, setup), least=1.9, median=0.35, spread=1.2)


def file_creation(rows: ActivityRows[FileCreation], setup: Setup) -> Iterator[Events]:
    """Event 11: every file is new, so CreationUtcTime is the event's own time."""
    actors = rows.processes()
    columns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
        "TargetFilename": rows.text(lambda a: a.target_filename),
        "CreationUtcTime": utc_time(rows.at),
    }
    yield build_sysmon_events("11", rows, setup, with_user(columns, actors, setup), least=0.008, median=0.004)


def registry_change(rows: ActivityRows[RegistryChange], setup: Setup) -> Iterator[Events]:
    """Event 12 for keys and deletions, 13 for values that are set."""
    yield from registry_events("12", rows.where(lambda a: a.change != "SetValue"), setup)
    yield from registry_events("13", rows.where(lambda a: a.change == "SetValue"), setup)


def registry_events(kind: str, rows: ActivityRows[RegistryChange], setup: Setup) -> Iterator[Events]:
    """Event 12 or 13; Details, the value that was set, is in 13 alone."""
    if not len(rows):
        return
    actors = rows.processes()
    columns: EventColumns = {
        "RuleName": choose_unknown_text(setup),
        "EventType": rows.each(lambda a: a.change),
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
        "TargetObject": rows.text(lambda a: a.target_object),
    }
    if kind == "13":
        columns["Details"] = rows.text(lambda a: a.details)
    yield build_sysmon_events(kind, rows, setup, with_user(columns, actors, setup), least=0.008, median=0.004)


def build_sysmon_events(
    kind: str,
    rows: ActivityRows[Any],
    setup: Setup,
    columns: EventColumns,
    *,
    least: float,
    median: float,
    spread: float = 0.6,
    kept: BooleanArray | None = None,
) -> Events:
    """Records of one kind, written by the service some time after what they record."""
    at, cause = late(rows.at, setup, least=least, median=median, spread=spread), rows.cause
    everything: EventColumns = {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("sysmon").pid)),
        # The service's own threads, one for 1 and 5, one a kind else: all events 3 of one host have one thread in 141
        # of 145 captures among the 11,321 sample events.
        "Execution_ThreadID": rows.each(thread_of("1" if kind == "5" else kind)),
        "Security_UserID": "S-1-5-18",
        **columns,
    }
    if kept is not None and not kept.all():
        some = np.flatnonzero(kept)
        at, cause, everything = at[some], cause[some], take_column_rows(everything, some)
    return CHANNEL.written(kind, everything, at=at, cause=cause, version=VERSIONS[kind])


def choose_unknown_text(setup: Setup) -> str:
    """The text of an unknown value: `-`, empty up to version 10."""
    return "" if setup.conditions["sysmon"] == "sysmon10" else "-"


def modern(setup: Setup) -> bool:
    """Whether users are recorded with every event: since version 13.30."""
    return setup.conditions["sysmon"] == "sysmon15"


def build_process_columns(actors: Processes, setup: Setup) -> EventColumns:
    """ProcessGuid, ProcessId and Image."""
    return {
        "ProcessGuid": process_guid(actors, setup),
        "ProcessId": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "Image": actors.each(lambda p: p.image),
    }


def with_user(columns: EventColumns, actors: Processes, setup: Setup) -> EventColumns:
    """The columns, with the user as the last one in profiles that have it."""
    return {**columns, "User": actors.each(lambda p: p.user.account)} if modern(setup) else columns


def process_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """ProcessGuid of each row: machine, start in whole seconds of the host's clock, start key or token id."""
    started, keys = whole_seconds(actors.starts()), actors.numbers(lambda p: p.start_keys)
    if setup.conditions["sysmon"] == "sysmon10":
        # Old versions print a token id, which processes here lack: the start key is spread over 31 bits instead.
        tail = old_tail(0x10, keys * 40503 % (1 << 31))
    else:
        tail = start_key_tail(keys)
    return actors.column(sysmon_guid(actors.numbers(lambda p: p.host.machine), started, tail))


def logon_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """LogonGuid of each row's user: machine, time of logon, logon id."""
    logged_on = actors.numbers(
        lambda p: int((p.user.logged_on + p.host.clock_skew).astype("datetime64[s]").astype(int))
    )
    logon_id = actors.numbers(lambda p: p.user.logon_id)
    tail = old_tail(0x20, logon_id) if setup.conditions["sysmon"] == "sysmon10" else logon_tail(logon_id)
    return actors.column(sysmon_guid(actors.numbers(lambda p: p.host.machine), logged_on, tail))


def whole_seconds(times: Times) -> Integers:
    """Seconds since 1970."""
    found: Integers = times.astype("datetime64[s]").astype(np.int64)
    return found


def fill_nulls(column: pa.DictionaryArray, value: str) -> pa.DictionaryArray:
    """The column with `value` in place of nulls."""
    if not column.null_count:
        return column
    codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
    return encode_codes(codes, [*column.dictionary.to_pylist(), value])


def hashes(file: Image) -> str:
    """`SHA1=..,MD5=..,SHA256=..,IMPHASH=..`, hexadecimal digits in upper case."""
    # Sysmon's own order, whatever order the configuration asks for (telemetry.md 1.3).
    parts = {"SHA1": file.sha1, "MD5": file.md5, "SHA256": file.sha256, "IMPHASH": file.imphash}
    return ",".join(f"{name}={value.upper()}" for name, value in parts.items())


SENSOR = Sensor(
    name="sysmon",
    meaning="Sysmon on every host, log everything but image loads, handles and pipes",
    origin=CHANNEL,
    conditions=(
        Condition(
            name="sysmon",
            values=("sysmon15", "sysmon11", "sysmon10"),
            meaning="version: 15 writes User and ParentUser, 11 has neither, 10 writes nothing where others write `-`",
        ),
        Condition(
            name="sysmon_hostname_lookup",
            values=("on", "off"),
            meaning="whether event 3 looks up names of addresses and ports (DnsLookup); off gives `-` for all of them",
        ),
        Condition(
            name="sysmon_config",
            values=("everything", "swift"),
            meaning="which connections event 3 records: all, or those of a widely used filter that drops 127.0.0.1",
        ),
    ),
    records={
        ProcessCreation: record_event_1,
        ProcessTermination: record_event_5,
        NetworkConnection: record_event_3,
        DnsQuery: record_event_22,
        FileCreation: file_creation,
        RegistryChange: registry_change,
    },
)
