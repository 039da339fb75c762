"""Shippers of event logs: NXLog, Fluent Bit, Vector, OpenTelemetry, and decoders that write flat objects."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.export_times import QUARTER
from harness.telemetry.shape import Shape

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
NXLOG_MARKS = ("EventID|SourceName|SourceModuleType", "EventID|Hostname|SourceModuleType")
NXLOG_MARKS += ("EventID|SourceName|@timestamp", "EventID|Hostname|@timestamp")
BARE_MARKS = ("EventID|SourceName", "EventID|Hostname")
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
