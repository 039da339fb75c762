"""Sysmon: processes, connections, files, registry and DNS as its service writes them, in three profiles of versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from harness.telemetry.activity import (
    DnsQuery,
    FileCreation,
    Flags,
    Integers,
    NetworkConnection,
    ProcessCreation,
    ProcessTermination,
    RegistryChange,
)
from harness.telemetry.dns import answers
from harness.telemetry.event import Events
from harness.telemetry.event_log import Channel, computer, late, thread_of
from harness.telemetry.identity import logon_tail, old_tail, start_key_tail, sysmon_guid
from harness.telemetry.images import Image, image
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import Processes, Rows, Sensor, Setup, chosen
from harness.telemetry.spelling import Times, coded, decimal, flags, is_ipv6, long_ipv6, utc_time
from harness.telemetry.sysmon_config import PORT_NAMES, included

CHANNEL = Channel(
    sensor="sysmon",
    provider="Microsoft-Windows-Sysmon",
    guid="{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    name="Microsoft-Windows-Sysmon/Operational",
)

VERSIONS = {"1": "5", "3": "5", "5": "3", "11": "2", "12": "2", "13": "2", "22": "5"}

Columns = dict[str, Any]


def process_creation(rows: Rows[ProcessCreation], setup: Setup) -> Iterator[Events]:
    """Event 1."""
    actors, parents = rows.processes(), rows.processes(lambda a: a.process.parent)
    files = {id(p): image(p.image, p.host.build) for p in actors.distinct}
    dash = missing(setup)

    def of_file(entry: str) -> pa.DictionaryArray:
        return actors.each(lambda p: getattr(files[id(p)], entry) or dash)

    columns: Columns = {
        "RuleName": dash,
        "UtcTime": utc_time(rows.at),
        **identity(actors, setup),
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
    yield written("1", rows, setup, columns, least=0.012, median=0.006)


def process_termination(rows: Rows[ProcessTermination], setup: Setup) -> Iterator[Events]:
    """Event 5."""
    actors = rows.processes()
    columns = {"RuleName": missing(setup), "UtcTime": utc_time(rows.at), **identity(actors, setup)}
    yield written("5", rows, setup, with_user(columns, actors, setup), least=0.006, median=0.005)


def network_connection(rows: Rows[NetworkConnection], setup: Setup) -> Iterator[Events]:
    """Event 3: completed connections only; where the listener is on this host too, a second record of its own."""
    calls = rows.where(lambda a: bool(np.any(a.established)))
    answers = calls.where(lambda a: a.listener is not None)
    for side, accepted in ((calls, False), (answers, True)):
        if len(side):
            yield from connections(side, setup, accepted=accepted)


def connections(rows: Rows[NetworkConnection], setup: Setup, *, accepted: bool) -> Iterator[Events]:
    """The records of one side: of who called, or of the local process that accepted."""
    actors = rows.processes(lambda a: a.listener if accepted else a.process)
    initiated = np.zeros(len(rows), bool) if accepted else rows.flag(lambda a: a.initiated)
    source, destination = endpoints(rows, setup)
    if setup.conditions["sysmon"] == "sysmon10" and not initiated.all():
        source, destination = mirrored(source, destination, initiated)
    columns: Columns = {
        "RuleName": missing(setup),
        "UtcTime": utc_time(rows.at),
        **identity(actors, setup),
        "User": actors.each(lambda p: p.user.account),
        "Protocol": rows.each(lambda a: a.protocol),
        "Initiated": flags(initiated),
        **{f"Source{name}": column for name, column in source.items()},
        **{f"Destination{name}": column for name, column in destination.items()},
    }
    kept = rows.flag(lambda a: a.established)
    if setup.conditions["sysmon_config"] == "swift":
        numbers = rows.number(lambda a: a.destination_port)
        kept = kept & included(columns["Image"], columns["DestinationIp"], numbers)
    yield written("3", rows, setup, columns, least=0.95, median=0.3, spread=1.0, kept=kept)


def endpoints(rows: Rows[NetworkConnection], setup: Setup) -> tuple[Columns, Columns]:
    """Both ends of each connection: IsIpv6, Ip, Hostname, Port, PortName."""
    dash, lookup = missing(setup), setup.on("sysmon_hostname_lookup")
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
                "IsIpv6": coded(address.indices.to_numpy(), ["true" if found else "false" for found in v6]),
                "Ip": address,
                "Hostname": filled(names[end], dash) if lookup else coded(rows.which * 0, [dash]),
                "Port": decimal(port),
                "PortName": port_names(port, dash) if lookup else coded(rows.which * 0, [dash]),
            }
        )
    return ends[0], ends[1]


def port_names(ports: Integers, dash: str) -> pa.DictionaryArray:
    """Names of ports in the hosts' services file."""
    place = np.zeros(1 << 16, np.int32)
    place[list(PORT_NAMES)] = np.arange(1, len(PORT_NAMES) + 1)
    return coded(place[ports & 0xFFFF], [dash, *PORT_NAMES.values()])


def mirrored(source: Columns, destination: Columns, initiated: Flags) -> tuple[Columns, Columns]:
    """Both ends as Sysmon wrote them up to version 10: an accepted connection has the listener as its source."""

    def either(first: pa.DictionaryArray, second: pa.DictionaryArray) -> pa.DictionaryArray:
        values = [*first.dictionary.to_pylist(), *second.dictionary.to_pylist()]
        other = second.indices.to_numpy() + len(first.dictionary)
        return coded(np.where(initiated, first.indices.to_numpy(), other), values)

    return (
        {n: either(c, destination[n]) for n, c in source.items()},
        {n: either(c, source[n]) for n, c in destination.items()},
    )


def dns_query(rows: Rows[DnsQuery], setup: Setup) -> Iterator[Events]:
    """Event 22, written by the calling process's own resolver: cached answers and failures too."""
    actors = rows.processes()
    columns: Columns = {
        "RuleName": missing(setup),
        "UtcTime": utc_time(rows.at),
        "ProcessGuid": process_guid(actors, setup),
        "ProcessId": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "QueryName": rows.text(lambda a: a.query_name),
        "QueryStatus": decimal(rows.number(lambda a: a.status)),
        "QueryResults": answers(rows, rows.number(lambda a: a.status), missing(setup)),
        "Image": actors.each(lambda p: p.image),
    }
    yield written("22", rows, setup, with_user(columns, actors, setup), least=1.9, median=0.35, spread=1.2)


def file_creation(rows: Rows[FileCreation], setup: Setup) -> Iterator[Events]:
    """Event 11."""
    actors = rows.processes()
    columns = {
        "RuleName": missing(setup),
        "UtcTime": utc_time(rows.at),
        **identity(actors, setup),
        "TargetFilename": rows.text(lambda a: a.target_filename),
        "CreationUtcTime": utc_time(rows.at),
    }
    yield written("11", rows, setup, with_user(columns, actors, setup), least=0.008, median=0.004)


def registry_change(rows: Rows[RegistryChange], setup: Setup) -> Iterator[Events]:
    """Event 12 for keys and deletions, 13 for values that are set."""
    yield from registry_events("12", rows.where(lambda a: a.change != "SetValue"), setup)
    yield from registry_events("13", rows.where(lambda a: a.change == "SetValue"), setup)


def registry_events(kind: str, rows: Rows[RegistryChange], setup: Setup) -> Iterator[Events]:
    """The records of one of both kinds."""
    if not len(rows):
        return
    actors = rows.processes()
    columns: Columns = {
        "RuleName": missing(setup),
        "EventType": rows.each(lambda a: a.change),
        "UtcTime": utc_time(rows.at),
        **identity(actors, setup),
        "TargetObject": rows.text(lambda a: a.target_object),
    }
    if kind == "13":
        columns["Details"] = rows.text(lambda a: a.details)
    yield written(kind, rows, setup, with_user(columns, actors, setup), least=0.008, median=0.004)


def written(
    kind: str,
    rows: Rows[Any],
    setup: Setup,
    columns: Columns,
    *,
    least: float,
    median: float,
    spread: float = 0.6,
    kept: Flags | None = None,
) -> Events:
    """Records of one kind, written by the service some time after what they record."""
    at, cause = late(rows.at, setup, least=least, median=median, spread=spread), rows.cause
    everything: Columns = {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("sysmon").pid)),
        "Execution_ThreadID": rows.each(thread_of("1" if kind == "5" else kind)),
        "Security_UserID": "S-1-5-18",
        **columns,
    }
    if kept is not None and not kept.all():
        some = np.flatnonzero(kept)
        at, cause, everything = at[some], cause[some], chosen(everything, some)
    return CHANNEL.written(kind, everything, at=at, cause=cause, version=VERSIONS[kind])


def missing(setup: Setup) -> str:
    """What stands for an unknown value: "-", nothing up to version 10."""
    return "" if setup.conditions["sysmon"] == "sysmon10" else "-"


def modern(setup: Setup) -> bool:
    """Whether users are recorded with every event: since version 13.30."""
    return setup.conditions["sysmon"] == "sysmon15"


def identity(actors: Processes, setup: Setup) -> Columns:
    """ProcessGuid, ProcessId and Image."""
    return {
        "ProcessGuid": process_guid(actors, setup),
        "ProcessId": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "Image": actors.each(lambda p: p.image),
    }


def with_user(columns: Columns, actors: Processes, setup: Setup) -> Columns:
    """The columns, with the user as the last one in profiles that have it."""
    return {**columns, "User": actors.each(lambda p: p.user.account)} if modern(setup) else columns


def process_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """ProcessGuid of each row's process."""
    started, keys = whole_seconds(actors.starts()), actors.numbers(lambda p: p.start_keys)
    if setup.conditions["sysmon"] == "sysmon10":
        tail = old_tail(0x10, keys * 40503 % (1 << 31))
    else:
        tail = start_key_tail(keys)
    return actors.column(sysmon_guid(actors.numbers(lambda p: p.host.machine), started, tail))


def logon_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """LogonGuid of each row's process's user."""
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


def filled(column: pa.DictionaryArray, value: str) -> pa.DictionaryArray:
    """The column with `value` where nothing is."""
    if not column.null_count:
        return column
    codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
    return coded(codes, [*column.dictionary.to_pylist(), value])


def hashes(file: Image) -> str:
    """All four hashes in Sysmon's order."""
    parts = {"SHA1": file.sha1, "MD5": file.md5, "SHA256": file.sha256, "IMPHASH": file.imphash}
    return ",".join(f"{name}={value.upper()}" for name, value in parts.items())


SENSOR = Sensor(
    name="sysmon",
    meaning="Sysmon on every host, log everything but image loads, handles and pipes",
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
        ProcessCreation: process_creation,
        ProcessTermination: process_termination,
        NetworkConnection: network_connection,
        DnsQuery: dns_query,
        FileCreation: file_creation,
        RegistryChange: registry_change,
    },
)
