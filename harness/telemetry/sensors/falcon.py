"""The Falcon sensor of Windows: processes, connections, names and tasks as its cloud has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import (
    Times,
    decimal,
    each_its_own,
    encode_codes,
    epoch_seconds,
    is_ipv6,
    long_ipv6,
)
from harness.telemetry.falcon_fields import (
    LEVELS,
    PROCESS_FLAGS,
    REQUEST_COUNTS,
    SUBSYSTEM,
    config_state,
    describe_sessions,
    device_path,
    draw_shares,
    falcon_id,
    first_datagrams,
    format_process_tags,
    interface_indexes,
    list_family,
    request_types,
    sensor_build,
    thread_id,
)
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import (
    ActivityRows,
    EventColumns,
    Sensor,
    Setup,
    SplunkInput,
    build_events,
    take_column_rows,
)
from harness.telemetry.simulation.activity import (
    DnsQuery,
    NetworkConnection,
    ProcessCreation,
    ProcessTermination,
    ScheduledJobCreation,
    ScheduledJobDeletion,
    UserLogon,
)
from harness.telemetry.simulation.coded_column import DnsAnswer, TextColumn
from harness.telemetry.simulation.identity import image, random_guids
from harness.telemetry.simulation.schedule import convert_seconds
from harness.telemetry.windows_log import types_of

# DnsRequest is V4 in three samples of 2023; EndOfProcess V15, ScheduledTaskDeleted V3 and UserLogon V8 are made up.
VERSIONS = {
    "ProcessRollup2": "V19",
    "EndOfProcess": "V15",
    "NetworkConnectIP4": "V12",
    "NetworkConnectIP6": "V12",
    "NetworkReceiveAcceptIP4": "V12",
    "NetworkReceiveAcceptIP6": "V12",
    "DnsRequest": "V4",
    "ScheduledTaskRegistered": "V3",
    "ScheduledTaskDeleted": "V3",
    "UserLogon": "V8",
}
"""Event to the version in its `name`; seen for ProcessRollup2, NetworkConnectIP4 and ScheduledTaskRegistered."""


# 35 Windows samples (telemetry.md 3.3) all have ProcessSxsFlags 64 and forty zeros for SHA-1. SignInfoFlags is 8683538
# in the 33 that have it; there is none of another maker, so its bit 16 taken away is made up.
def record_process_rollup(rows: ActivityRows[ProcessCreation], setup: Setup) -> Iterator[Events]:
    """ProcessRollup2: the event that knows the image, the command line and the parent."""
    new, parents = rows.processes(), rows.processes(lambda a: a.process.parent)
    files = {id(p): image(p.image, p.host.build) for p in new.distinct}
    parent_ids = parents.column(decimal(parents.numbers(falcon_id)))
    columns: EventColumns = {
        "AuthenticationId": new.each(lambda p: str(p.user.logon_id)),
        "AuthenticodeHashData": new.each(lambda p: files[id(p)].sha1),
        "CommandLine": new.texts(lambda p: p.command_line),
        "ImageFileName": new.each(device_path),
        "ImageSubsystem": new.each(lambda p: SUBSYSTEM[files[id(p)].console]),
        "IntegrityLevel": new.each(lambda p: LEVELS[p.integrity]),
        "MD5HashData": new.each(lambda p: files[id(p)].md5),
        "ParentAuthenticationId": parents.each(lambda p: str(p.user.logon_id)),
        "ParentBaseFileName": parents.each(lambda p: p.name),
        "ParentProcessId": parent_ids,
        "ProcessEndTime": "",
        "ProcessStartTime": epoch_seconds(rows.at),
        "ProcessSxsFlags": "64",
        "RawProcessId": new.column(decimal(new.numbers(lambda p: p.pids))),
        "SHA1HashData": "0" * 40,
        "SHA256HashData": new.each(lambda p: files[id(p)].sha256),
        "SessionId": new.each(lambda p: str(p.session)),
        "SignInfoFlags": new.each(lambda p: "8683538" if files[id(p)].microsoft else "8683522"),
        "SourceProcessId": parent_ids,
        "SourceThreadId": rows.each(lambda a: thread_id(a.process.parent or a.process)),
        "Tags": new.each(format_process_tags),
        "TargetProcessId": new.column(decimal(new.numbers(falcon_id))),
        **{name: draw_shares(setup, shares, len(rows)) for name, shares in PROCESS_FLAGS.items()},
        "UserSid": new.each(lambda p: p.user.sid),
        "WindowFlags": new.each(lambda p: "128" if p.session == 0 else "3073"),
    }
    if setup.conditions["falcon"] == "ngsiem":
        columns["FileName"] = new.each(lambda p: p.name)
        columns["FilePath"] = new.each(lambda p: device_path(p).removesuffix(p.name))
        columns["UserName"] = new.each(lambda p: p.user.name)
        columns["LocalAddressIP4"] = columns["LocalIP"] = rows.each(lambda a: a.host.address)
    yield build_cloud_events("ProcessRollup2", rows, setup, columns)


def record_end_of_process(rows: ActivityRows[ProcessTermination], setup: Setup) -> Iterator[Events]:
    """EndOfProcess: exit code, processor time and threads of a process that ended."""
    ended = rows.processes()
    ids = ended.column(decimal(ended.numbers(falcon_id)))
    parents = rows.processes(lambda a: a.process.parent)
    files = {id(p): image(p.image, p.host.build) for p in ended.distinct}
    # The key set is real, its values are scrambled (fieldsets_win_2025.tsv): 150 ms of a 2.9 GHz clock is made up.
    busy = np.maximum(1, setup.random.exponential(150_000, len(rows)).astype(np.int64))
    columns: EventColumns = {
        **in_context(rows, ended.each(lambda p: thread_id(p)), ids),
        "ConHostId": "0",
        "ConHostProcessId": "0",
        "CycleTime": decimal(busy * 2900),
        "ExitCode": decimal(rows.number(lambda a: a.exit_code)),
        "ImageSubsystem": ended.each(lambda p: SUBSYSTEM[files[id(p)].console]),
        "KernelTime": decimal(busy // 3 * 10),
        "MaxThreadCount": decimal(setup.random.integers(3, 30, len(rows))),
        "ParentProcessId": parents.column(decimal(parents.numbers(falcon_id))),
        "ProcessStartTime": ended.column(epoch_seconds(ended.starts())),
        "RawProcessId": ended.column(decimal(ended.numbers(lambda p: p.pids))),
        "SHA256HashData": ended.each(lambda p: files[id(p)].sha256),
        "TargetProcessId": ids,
        "UserSid": ended.each(lambda p: p.user.sid),
        "UserTime": decimal(busy // 2 * 10),
    }
    yield build_cloud_events("EndOfProcess", rows, setup, columns)


def record_network_events(rows: ActivityRows[NetworkConnection], setup: Setup) -> Iterator[Events]:
    """NetworkConnectIP4/IP6 for every attempt, NetworkReceiveAcceptIP4/IP6 where a process on this host answered."""
    # Refused attempts too: documented as sent when a program calls connect(), unlike Sysmon (telemetry.md 0.4).
    calls = rows.where(lambda a: a.initiated)
    if len(calls):
        yield from record_address_families("NetworkConnect", calls, setup, accepted=False)
    for taken_by, answered in (
        (rows.where(lambda a: not a.initiated), False),
        (rows.where(lambda a: a.listener is not None), True),
    ):
        if len(taken_by):
            yield from record_address_families(
                "NetworkReceiveAccept", taken_by, setup, accepted=True, by_listener=answered
            )


def record_address_families(
    kind: str, rows: ActivityRows[NetworkConnection], setup: Setup, *, accepted: bool, by_listener: bool = False
) -> Iterator[Events]:
    """The events of one side of connections, each address family under its own name."""
    actors = rows.processes(lambda a: a.listener if by_listener else a.process)
    source = rows.text(lambda a: a.source_ip, lambda v, _: long_ipv6(v)), rows.number(lambda a: a.ports)
    destination = (
        rows.text(lambda a: a.destination_ip, lambda v, _: long_ipv6(v)),
        rows.number(lambda a: a.destination_port),
    )
    local, remote = (destination, source) if accepted else (source, destination)
    v6 = np.array([is_ipv6(a) for a in destination[0].dictionary.to_pylist()], bool)[destination[0].indices.to_numpy()]
    kept = rows.flag(lambda a: a.established) if accepted else first_datagrams(rows)
    ids = actors.column(decimal(actors.numbers(falcon_id)))
    for family, mine in (("4", ~v6), ("6", v6)):
        columns: EventColumns = {
            **in_context(rows, None, ids),
            "ConnectionDirection": "1" if accepted else "0",
            "ConnectionFlags": "0",
            "ContextBaseFileName": actors.each(lambda p: p.name),
            "InContext": "0",
            f"LocalAddressIP{family}": local[0],
            "LocalPort": decimal(local[1]),
            "Protocol": rows.each(lambda a: "17" if a.protocol == "udp" else "6"),
            f"RemoteAddressIP{family}": remote[0],
            "RemotePort": decimal(remote[1]),
        }
        # In the key set of calls only (2025); its meaning is documented nowhere, the address is a guess.
        if not accepted:
            columns["RemoteAddressString"] = remote[0]
        columns = leave_out_newer(columns, setup)
        if (mine & kept).any():
            # Published rules read the image of calls; none was found that reads it of accepted ones.
            process = None if accepted else actors
            yield build_cloud_events(f"{kind}IP{family}", rows, setup, columns, process=process, kept=mine & kept)


def record_dns_request(rows: ActivityRows[DnsQuery], setup: Setup) -> Iterator[Events]:
    """DnsRequest; answers are absent when the query failed."""
    actors = rows.processes()
    failed = rows.number(lambda a: a.status) != 0

    def if_answered(column: Any) -> Any:
        codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
        return encode_codes(np.where(failed, len(column.dictionary), codes), [*column.dictionary.to_pylist(), None])

    def of_answer(value: Callable[[DnsAnswer], str | None]) -> Any:
        def spell(query: DnsQuery) -> TextColumn:
            replies = query.replies
            return TextColumn(values=[value(a) for a in replies.values], codes=replies.codes)

        return if_answered(rows.text(spell))

    ids = actors.column(decimal(actors.numbers(falcon_id)))
    columns: EventColumns = {
        **in_context(rows, actors.each(lambda p: thread_id(p)), ids),
        "CNAMERecords": of_answer(lambda a: "".join(c + ";" for c in a.canonical_names)),
        "ContextBaseFileName": actors.each(lambda p: p.name),
        "DnsRequestCount": draw_shares(setup, REQUEST_COUNTS, len(rows)),
        # No sample of a query that succeeded on Windows; 2 is made up.
        "DnsResponseType": if_answered(rows.each(lambda q: "2")),
        "DomainName": rows.text(lambda q: q.query_name),
        "DualRequest": rows.each(lambda q: str(len(types_of(q)) - 1)),
        "FirstIP4Record": of_answer(lambda a: next(iter(list_family(a, v6=False)), "")),
        "IP4Records": of_answer(lambda a: "".join(i + ";" for i in list_family(a, v6=False))),
        # Where there are any (telemetry.md, addenda).
        "FirstIP6Record": of_answer(lambda a: next(iter(list_family(a, v6=True)), None)),
        "IP6Records": of_answer(lambda a: "".join(i + ";" for i in list_family(a, v6=True)) or None),
        "InterfaceIndex": interface_indexes(rows, setup),
        "QueryStatus": decimal(rows.number(lambda q: q.status)),
        "RequestType": request_types(rows, setup),
        "RespondingDnsServer": if_answered(rows.each(lambda q: "" if q.cached else q.resolver or q.host.resolvers[0])),
    }
    kept = {n: c for n, c in columns.items() if isinstance(c, str) or c.null_count < len(rows) or not n.count("IP6")}
    yield build_cloud_events("DnsRequest", rows, setup, leave_out_newer(kept, setup))


def record_task_registered(rows: ActivityRows[ScheduledJobCreation], setup: Setup) -> Iterator[Events]:
    """ScheduledTaskRegistered, with the task's document."""
    columns: EventColumns = {
        **job(rows),
        "TaskAuthor": rows.each(lambda a: a.task.author.account),
        "TaskExecArguments": rows.each(lambda a: a.task.arguments),
        "TaskExecCommand": rows.each(lambda a: a.task.command),
        "TaskXml": rows.each(lambda a: a.task.document),
    }
    yield build_cloud_events("ScheduledTaskRegistered", rows, setup, columns)


def record_task_deleted(rows: ActivityRows[ScheduledJobDeletion], setup: Setup) -> Iterator[Events]:
    """ScheduledTaskDeleted: the fields of a registration without command and document."""
    yield build_cloud_events("ScheduledTaskDeleted", rows, setup, job(rows))


def job(rows: ActivityRows[Any]) -> EventColumns:
    """Fields of both events of a task: the Schedule service acted for an RPC client, schtasks.exe."""
    services, clients = rows.processes(lambda a: a.service), rows.processes()
    return {
        **in_context(rows, None, services.column(decimal(services.numbers(falcon_id)))),
        "AuthenticationId": clients.each(lambda p: str(p.user.logon_id)),
        # ITaskSchedulerService and its SchRpcRegisterTask (MS-TSCH), inferred;
        # deletions keep the 1 for want of a sample.
        "InterfaceGuid": "86D35949-83C9-4044-B424-DB363231FD0C",
        "InterfaceVersion": "1",
        "RpcClientProcessId": clients.column(decimal(clients.numbers(falcon_id))),
        "RpcClientThreadId": clients.each(lambda p: thread_id(p)),
        "RpcNestingLevel": "0",
        "RpcOpNum": "1",
        "TaskName": rows.each(lambda a: a.task.name),
        "TokenType": "2",
        "UserName": clients.each(lambda p: p.user.account),
    }


def record_user_logon(rows: ActivityRows[UserLogon], setup: Setup) -> Iterator[Events]:
    """UserLogon of sessions that were granted; of refused ones no key set was found, so they leave nothing."""
    granted = rows.where(lambda a: a.failure is None)
    if len(granted):
        actors = granted.processes()
        ids = actors.column(decimal(actors.numbers(falcon_id)))
        columns = {**in_context(granted, actors.each(lambda p: thread_id(p)), ids), **describe_sessions(granted)}
        yield build_cloud_events("UserLogon", granted, setup, columns)


def leave_out_newer(columns: EventColumns, setup: Setup) -> EventColumns:
    """The fields that a sensor has: those of 2023 have neither of two that the key sets of 2025 have."""
    if setup.conditions["falcon_sensor"] == "2025":
        return columns
    return {name: column for name, column in columns.items() if name not in FIELDS_SINCE_2025}


def in_context(rows: ActivityRows[Any], threads: Any, ids: Any) -> EventColumns:
    """ContextProcessId, ContextTimeStamp (the sensor's clock) and ContextThreadId where `threads` has it."""
    columns: EventColumns = {"ContextProcessId": ids, "ContextTimeStamp": epoch_seconds(rows.at)}
    return columns if threads is None else {**columns, "ContextThreadId": threads}


def build_cloud_events(
    kind: str, rows: ActivityRows[Any], setup: Setup, columns: EventColumns, *, process: Any = None, kept: Any = None
) -> Events:
    """Events of one kind as the cloud has them: its own time of receipt, identifiers of sensor and customer."""
    at = cloud_times(rows, setup)
    everything: EventColumns = {
        "aid": rows.each(lambda a: a.host.aid),
        "aip": rows.each(lambda a: a.host.public_address),
        "cid": rows.each(lambda a: a.host.cid),
        "ConfigBuild": rows.each(sensor_build),
        "ConfigStateHash": rows.each(config_state),
        **columns,
    }
    if setup.conditions["falcon"] != "raw":
        everything["ComputerName"] = rows.each(lambda a: a.host.name)
    # No recorded network event has the image (telemetry.md 3.2), but published rules read it.
    if setup.conditions["falcon"] == "enriched" and process is not None:
        everything["ImageFileName"] = process.each(device_path)
    cause = rows.cause
    if kept is not None and not kept.all():
        some = np.flatnonzero(kept)
        at, cause, everything = at[some], cause[some], take_column_rows(everything, some)
    everything["timestamp"] = decimal(at.astype("datetime64[ms]").astype(np.int64))
    everything["id"] = each_its_own(random_guids(setup.random, len(at)))
    fixed = {n: v for n, v in constants(kind).items() if n not in everything}
    return build_events("falcon", kind, at=at, cause=cause, constants=fixed, columns=everything)


def constants(kind: str) -> dict[str, str]:
    """Fields that are the same in all events of a kind."""
    return {
        "event_simpleName": kind,
        "name": kind + VERSIONS[kind],
        "event_platform": "Win",
        "EffectiveTransmissionClass": "3",
        "Entitlements": "15",
        "EventOrigin": "1",
    }


def cloud_times(rows: ActivityRows[Any], setup: Setup) -> Times:
    """When the cloud received each event: half a second to a second later, by its own clock, in milliseconds."""
    skew = rows.number(lambda a: int(a.host.clock_skew.astype("timedelta64[us]").astype(int)))
    # 0.5 to 1 s in the samples that have both times (telemetry.md 3.1).
    lag = convert_seconds(setup.random.uniform(0.45, 1.05, len(rows)))
    received: Times = (rows.at - skew.astype("timedelta64[us]") + lag).astype("datetime64[ms]").astype("datetime64[us]")
    return received


FIELDS_SINCE_2025 = ("ContextBaseFileName", "RemoteAddressString")
NEXT_GENERATION_FIELDS = ("FileName", "FilePath", "UserName", "LocalAddressIP4", "LocalIP")

SENSOR = Sensor(
    name="falcon",
    meaning="the Falcon sensor of Windows and its cloud",
    origin=SplunkInput(index="crowdstrike", source="crowdstrike:fdr", sourcetype="crowdstrike:events:sensor"),
    page_words=("falcon", "crowdstrike"),
    conditions=(
        Condition(
            name="falcon",
            values=("raw", "enriched", "ngsiem"),
            meaning="raw: network events have no ImageFileName and nothing has ComputerName, as the sensor sends them; "
            "enriched: ComputerName everywhere and ImageFileName on calls, as the published rules expect; "
            "ngsiem: ComputerName is, ImageFileName is not",
            fields={"ComputerName": ("enriched", "ngsiem"), **dict.fromkeys(NEXT_GENERATION_FIELDS, ("ngsiem",))},
        ),
        Condition(
            name="falcon_sensor",
            values=("2025", "2023"),
            meaning="age of the sensor: that of 2023 does not name the calling program in calls and names",
            fields=dict.fromkeys(FIELDS_SINCE_2025, ("2025",)),
        ),
    ),
    records={
        ProcessCreation: record_process_rollup,
        ProcessTermination: record_end_of_process,
        NetworkConnection: record_network_events,
        DnsQuery: record_dns_request,
        ScheduledJobCreation: record_task_registered,
        ScheduledJobDeletion: record_task_deleted,
        UserLogon: record_user_logon,
    },
)
