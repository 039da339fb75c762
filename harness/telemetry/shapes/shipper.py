"""Shippers of event logs: NXLog, Fluent Bit, Vector, OpenTelemetry, and decoders that write flat objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.export_times import QUARTER
from harness.telemetry.shape import Envelope, NameSpelling, OpenedEvent, Shape


def open_loki_stream(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A stream of Loki: labels, and pairs of nanoseconds and line."""
    labels, pairs = value["stream"], value["values"]
    if not isinstance(labels, dict) or not isinstance(pairs, list):
        return None
    lines = [pair for pair in pairs if isinstance(pair, list) and len(pair) >= 2]
    return OpenedEvent(inner=[{**labels, "timestamp": pair[0], "line": pair[1]} for pair in lines])


ENVELOPES = (Envelope(name="loki", keys=("stream|values",), open=open_loki_stream),)

NXLOG = {
    "SourceName": "Provider_Name",
    "ProviderGuid": "Provider_Guid",
    "OpcodeValue": "Opcode",
    "TimeCreated": "SystemTime",
    "RecordNumber": "EventRecordID",
    "ActivityID": "Correlation_ActivityID",
    "RelatedActivityID": "Correlation_RelatedActivityID",
    "ExecutionProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
    "Hostname": "Computer",
    "UserID": "Security_UserID",
    "EventTypeOrignal": "EventType",
}
"""NXLog, and Security-Datasets after it; the misspelt name is theirs, for data called EventType."""

NXLOG_OWN = (
    r"Message|Event(Time|ReceivedTime|Type)|Severity(Value)?|SourceModule(Name|Type)|Category|Opcode|"
    r"Account(Name|Type)|Domain|ERROR_EVT_UNRESOLVED|@timestamp|@version|host|port|type|tags\[.*"
)
"""What NXLog and Logstash add, or render from the event for people."""

# NXLog has ProcessID for the log's own process unless the event's data have that name.
NXLOG_PROCESS = {**NXLOG, "ProcessID": "Execution_ProcessID"}


def nxlog_time(event: Mapping[str, str]) -> int | None:
    """When an event was written: NXLog prints local time without its zone, which other times of the event tell."""
    local = parse_microseconds(event.get("EventTime"))
    # Position 19 is behind the seconds: before it a dash belongs to the date.
    if "TimeCreated" in event or local is None or re.search(r"(Z|[+-]\d\d:?\d\d)$", event["EventTime"][19:]):
        return parse_microseconds(event.get("TimeCreated")) or local
    for utc, beside in (("@timestamp", "EventReceivedTime"), ("UtcTime", "EventTime")):
        there, here = parse_microseconds(event.get(utc)), parse_microseconds(event.get(beside))
        if there is not None and here is not None:
            return local + round((there - here) / QUARTER) * QUARTER
    return local


NXLOG_TIMES = ("SystemTime", "@timestamp", "UtcTime", "EventReceivedTime")
BARE_MARKS = ("EventID|SourceName", "EventID|Hostname")
NXLOG_MARKS = tuple(f"{bare}|{own}" for bare in BARE_MARKS for own in ("SourceModuleType", "@timestamp"))
# StringInserts are Fluent Bit's, the others decoders' and Azure's.
NOT_NXLOG = ("Provider_Name", "StringInserts*", "EventLevelName", "EventData", "EventData.*")

SHAPES = (
    Shape(
        name="nxlog",
        meaning="NXLog, alone or behind Logstash",
        marks=NXLOG_MARKS,
        without=(*NOT_NXLOG, "ExecutionProcessID"),
        rank=31,
        example="nxlog.ndjson",
        beside=True,
        names=NXLOG_PROCESS,
        left_out=NXLOG_OWN,
        message="Message",
        time=NXLOG_TIMES,
        read_time=nxlog_time,
    ),
    Shape(
        name="nxlog",
        meaning="NXLog, with a datum that is called ProcessID",
        marks=NXLOG_MARKS,
        without=NOT_NXLOG,
        rank=32,
        example="nxlog.ndjson",
        beside=True,
        names=NXLOG,
        left_out=NXLOG_OWN,
        message="Message",
        time=NXLOG_TIMES,
        read_time=nxlog_time,
    ),
    # Only where the rest shows that a shipper added them are Category or Domain no data.
    Shape(
        name="nxlog_bare",
        meaning="NXLog's names without what NXLog adds",
        marks=BARE_MARKS,
        without=(*NOT_NXLOG, "ExecutionProcessID"),
        rank=33,
        example="nxlog.ndjson",
        beside=True,
        names=NXLOG_PROCESS,
        left_out="Message",
        message="Message",
        time=NXLOG_TIMES,
        read_time=nxlog_time,
    ),
    Shape(
        name="nxlog_bare",
        meaning="NXLog's names without what NXLog adds, with a datum that is called ProcessID",
        marks=BARE_MARKS,
        without=NOT_NXLOG,
        rank=34,
        example="nxlog.ndjson",
        beside=True,
        names=NXLOG,
        left_out="Message",
        message="Message",
        time=NXLOG_TIMES,
        read_time=nxlog_time,
    ),
    Shape(
        name="fluentbit_winevtlog",
        meaning="Fluent Bit's winevtlog: data without names, in the order of the manifest",
        marks=("StringInserts*|ProviderName|EventID", "ProviderName|EventID|Channel|EventRecordID|TimeCreated"),
        rank=16,
        example="fluentbit_winevtlog.ndjson",
        data=("EventData.",),
        names={"Message": "", "date": "", "host": ""},
        inserts="StringInserts",
        message="Message",
        time=("TimeCreated", "SystemTime", "@timestamp", "date"),
    ),
    Shape(
        name="fluentbit_winlog",
        meaning="Fluent Bit's winlog: data without names, in the order of the manifest",
        marks=("StringInserts*|SourceName", "EventId|SourceName|ComputerName|TimeGenerated"),
        rank=17,
        example="fluentbit_winlog.ndjson",
        data=("EventData.",),
        # EventType is a word for the level, EventCategory the task.
        names={"EventType": "Level", "Sid": "Security_UserID", "Message": "", "Data": "", "date": ""},
        # A number of classic events, 0 in all others.
        words={"Qualifiers": {"0": ""}},
        inserts="StringInserts",
        message="Message",
        time=("TimeGenerated", "TimeWritten", "@timestamp", "date"),
    ),
    Shape(
        name="promtail",
        meaning="Promtail and Grafana Alloy, in lines of Loki or alone",
        marks=("event_data.*|channel|event_id", "channel|event_id|eventRecordID|computer"),
        without=("event_id.id",),
        rank=36,
        example="loki.json",
        data=("event_data.", "user_data."),
        names={
            "execution.processId": "Execution_ProcessID",
            "execution.threadId": "Execution_ThreadID",
            "security.userId": "Security_UserID",
            "correlation.activityID": "Correlation_ActivityID",
            "levelText": "",
            "message": "",
        },
        time=("timeCreated", "timestamp", "ts"),
    ),
    Shape(
        name="opentelemetry",
        meaning="OpenTelemetry's receiver windowseventlog",
        marks=("event_id.id|channel", "event_id.id|provider.name"),
        rank=36,
        example="otel.ndjson",
        data=("event_data.", "user_data."),
        names={
            "event_id.id": "EventID",
            "event_id.qualifiers": "Qualifiers",
            "provider.name": "Provider_Name",
            "provider.guid": "Provider_Guid",
            "execution.process_id": "Execution_ProcessID",
            "execution.thread_id": "Execution_ThreadID",
            "security.user_id": "Security_UserID",
            "correlation.activity_id": "Correlation_ActivityID",
            "message": "",
        },
        words={"Qualifiers": {"0": ""}},
        time=("system_time", "observed_timestamp", "timestamp"),
    ),
    Shape(
        name="telegraf",
        meaning="Telegraf's input win_eventlog",
        marks=("fields.EventID|fields.Channel|tags.*", "fields.EventID|fields.Source|tags.*", "fields.EventID|name"),
        rank=37,
        example="telegraf.ndjson",
        system=("fields.",),
        data=("fields.Data_", "fields.UserData_"),
        names={"fields.Message": "", "fields.LevelText": "", "fields.TaskText": "", "fields.UserName": ""},
        spelling=NameSpelling.CHANGED,
        message="fields.Message",
        time=("fields.TimeCreated", "timestamp"),
    ),
    Shape(
        name="classic_text",
        meaning="the text of Splunk's classic collection: lines of a header, then the message",
        marks=("LogName|EventCode|SourceName|TimeWritten", "LogName|EventCode|Message"),
        rank=35,
        example="classic_text.ndjson",
        beside=True,
        names={
            "LogName": "Channel",
            "EventCode": "EventID",
            "ComputerName": "Computer",
            "SourceName": "Provider_Name",
            "RecordNumber": "EventRecordID",
            "Keywords": "Keywords",
            "Type": "Level",
            "Sid": "Security_UserID",
        },
        left_out="EventType|OpCode|TaskCategory|User|SidType|CategoryString|Message|TimeWritten|_time",
        message="Message",
        time=("_time", "TimeWritten"),
    ),
    Shape(
        name="flat",
        meaning="one flat object, as decoders write it: System fields and data under the log's own names",
        marks=("EventID|Channel", "EventID|Provider_Name"),
        rank=60,
        example="flat.ndjson",
        beside=True,
        names={"EventCode": ""},
        time=("SystemTime", "_time", "@timestamp", "timestamp", "TimeCreated", "TimeGenerated", "EventTime", "UtcTime"),
    ),
    Shape(
        name="flat_event_code",
        meaning="one flat object with EventCode for EventID",
        marks=("EventCode|Channel", "EventCode|RecordNumber"),
        rank=61,
        example="flat.ndjson",
        beside=True,
        names={"EventCode": "EventID"},
        time=("SystemTime", "_time", "@timestamp", "timestamp", "TimeCreated", "TimeGenerated", "EventTime", "UtcTime"),
    ),
)
