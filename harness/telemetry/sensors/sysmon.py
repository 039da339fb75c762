"""Sysmon's channel: processes, connections, names, files, registry, libraries and pipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
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
from harness.telemetry.sensor import ActivityRows, EventColumns, Sensor, Setup, take_column_rows
from harness.telemetry.simulation.activity import (
    BooleanArray,
    DnsQuery,
    FileCreation,
    ImageLoad,
    NamedPipe,
    NetworkConnection,
    ProcessCreation,
    ProcessTermination,
    RegistryChange,
)
from harness.telemetry.simulation.identity import (
    WINDOWS,
    Image,
    image,
)
from harness.telemetry.sysmon_fields import (
    build_process_columns,
    choose_unknown_text,
    fill_nulls,
    hashes,
    is_included,
    logon_guid,
    modern,
    port_names,
    process_guid,
    with_user,
)
from harness.telemetry.windows_log import (
    Channel,
    LagQuantiles,
    computer,
    format_dns_answers,
    late,
    late_by,
    thread_of,
)

CHANNEL = Channel(
    sensor="sysmon",
    provider="Microsoft-Windows-Sysmon",
    guid="{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    name="Microsoft-Windows-Sysmon/Operational",
)

# These did not change when User, ParentUser and OriginalFileName came (telemetry.md 1.2): names of fields
# tell the generation, the version does not.
VERSIONS = {"1": "5", "3": "5", "5": "3", "7": "3", "11": "2", "12": "2", "13": "2", "17": "1", "18": "1", "22": "5"}


# Milliseconds after recorded EVTX (telemetry.md, addenda): event 1, and 11; 5, 12, 13, 17 and 18 are as quick as 11 in
# the median, 7 takes 37 ms there, and the tails of all of these are taken from 11 and 1.
START_LAG: LagQuantiles = (0.4, 3.8, 18.4, 922.0)
QUICK_LAG: LagQuantiles = (0.05, 0.6, 11.0, 91.0)
LOAD_LAG: LagQuantiles = (0.8, 7.5, 37.0, 1000.0)


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
        "CommandLine": actors.texts(lambda p: p.command_line),
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
        "ParentCommandLine": parents.texts(lambda p: p.command_line),
    }
    if modern(setup):
        columns["ParentUser"] = parents.each(lambda p: p.user.account)
    yield build_sysmon_events("1", rows, setup, columns, late_by(rows.at, setup, START_LAG))


def record_event_5(rows: ActivityRows[ProcessTermination], setup: Setup) -> Iterator[Events]:
    """Event 5, which has no exit code."""
    actors = rows.processes()
    columns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
    }
    yield build_sysmon_events("5", rows, setup, with_user(columns, actors, setup), late_by(rows.at, setup, QUICK_LAG))


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
    at = late(rows.at, setup, least=0.95, median=0.3, spread=1.0)
    yield build_sysmon_events("3", rows, setup, columns, at, kept=kept)


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
    at = late(rows.at, setup, least=1.9, median=0.35, spread=1.2)
    yield build_sysmon_events("22", rows, setup, with_user(columns, actors, setup), at)


def file_creation(rows: ActivityRows[FileCreation], setup: Setup) -> Iterator[Events]:
    """Event 11: every file is new, so CreationUtcTime is the event's own time."""
    actors, created = rows.processes(), utc_time(rows.at)
    columns = {
        "RuleName": choose_unknown_text(setup),
        "UtcTime": created,
        **build_process_columns(actors, setup),
        "TargetFilename": rows.text(lambda a: a.target_filename),
        "CreationUtcTime": created,
    }
    yield build_sysmon_events("11", rows, setup, with_user(columns, actors, setup), late_by(rows.at, setup, QUICK_LAG))


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
    yield build_sysmon_events(kind, rows, setup, with_user(columns, actors, setup), late_by(rows.at, setup, QUICK_LAG))


def image_load(rows: ActivityRows[ImageLoad], setup: Setup) -> Iterator[Events]:
    """Event 7: the library with version resource, hashes and signature."""
    actors = rows.processes()
    libraries = rows.text(lambda a: a.library)
    build = rows.activities[0].host.build if rows.activities else ""
    files = [image(path, build) for path in libraries.dictionary.to_pylist()]
    dash = choose_unknown_text(setup)

    def of_file(value: Callable[[Image], str | None]) -> pa.DictionaryArray:
        return encode_codes(libraries.indices.to_numpy(), [value(f) or dash for f in files])

    columns: EventColumns = {
        "RuleName": dash,
        "UtcTime": utc_time(rows.at),
        **build_process_columns(actors, setup),
        "ImageLoaded": libraries,
        "FileVersion": of_file(lambda f: f.file_version),
        "Description": of_file(lambda f: f.description),
        "Product": of_file(lambda f: f.product),
        "Company": of_file(lambda f: f.company),
        "OriginalFileName": of_file(lambda f: f.original_file_name),
        "Hashes": of_file(hashes),
        # Signature is `Microsoft Windows` for files of Windows (sample event); other makers sign as their company.
        "Signed": of_file(lambda f: "true" if f.company else "false"),
        "Signature": of_file(lambda f: "Microsoft Windows" if f.product == WINDOWS else f.company),
        "SignatureStatus": of_file(lambda f: "Valid" if f.company else "Unavailable"),
    }
    yield build_sysmon_events("7", rows, setup, with_user(columns, actors, setup), late_by(rows.at, setup, LOAD_LAG))


def named_pipe(rows: ActivityRows[NamedPipe], setup: Setup) -> Iterator[Events]:
    """Event 17 where a pipe is created, 18 where one is opened."""
    for kind, chosen in (("17", rows.where(lambda a: not a.connected)), ("18", rows.where(lambda a: a.connected))):
        if len(chosen):
            actors = chosen.processes()
            process = build_process_columns(actors, setup)
            columns: EventColumns = {
                "RuleName": choose_unknown_text(setup),
                "EventType": "CreatePipe" if kind == "17" else "ConnectPipe",
                "UtcTime": utc_time(chosen.at),
                "ProcessGuid": process["ProcessGuid"],
                "ProcessId": process["ProcessId"],
                "PipeName": chosen.text(lambda a: a.name),
                "Image": process["Image"],
            }
            at = late_by(chosen.at, setup, QUICK_LAG)
            yield build_sysmon_events(kind, chosen, setup, with_user(columns, actors, setup), at)


def build_sysmon_events(
    kind: str,
    rows: ActivityRows[Any],
    setup: Setup,
    columns: EventColumns,
    at: Times,
    *,
    kept: BooleanArray | None = None,
) -> Events:
    """Records of one kind, written by the service at these times, some time after what they record."""
    cause = rows.cause
    everything: EventColumns = {
        "Computer": rows.each_host(computer),
        "Execution_ProcessID": rows.each_host(lambda a: str(a.host.running("sysmon").pid)),
        # The service's own threads, one for 1 and 5, one a kind else: all events 3 of one host have one thread in 141
        # of 145 captures among the 11,321 sample events.
        "Execution_ThreadID": rows.each_host(thread_of("1" if kind == "5" else kind)),
        "Security_UserID": "S-1-5-18",
        **columns,
    }
    if kept is not None and not kept.all():
        some = np.flatnonzero(kept)
        at, cause, everything = at[some], cause[some], take_column_rows(everything, some)
    return CHANNEL.written(kind, everything, at=at, cause=cause, version=VERSIONS[kind])


SENSOR = Sensor(
    name="sysmon",
    meaning="Sysmon on every host, log everything but handles; image loads of some programs only",
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
        ImageLoad: image_load,
        NamedPipe: named_pipe,
    },
)
