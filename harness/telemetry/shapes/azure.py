"""Azure and Microsoft 365 Defender: tables of Sentinel, Log Analytics and advanced hunting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.events.windows_event import data_of, scan_leaves
from harness.telemetry.shape import Envelope, OpenedEvent, Shape
from harness.telemetry.shapes.splunk import object_in


def open_event_data(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A row of a table whose data are a text of JSON or XML."""
    name = "EventData" if "EventData" in value else "event_data"
    data = value[name]
    if not isinstance(data, str):
        return None
    text = data.lstrip()
    rest = {n: v for n, v in value.items() if n != name}
    if text.startswith("{"):
        return OpenedEvent(inner={**rest, "EventData": object_in(text)})
    if text.startswith(("<DataItem", "<EventData", "<UserData")):
        return OpenedEvent(inner={**rest, name: dict(data_in_xml(text))})
    # Promtail has the elements without the one around them.
    if text.startswith("<Data"):
        return OpenedEvent(inner={**rest, name: dict(data_in_xml(f"<EventData>{text}</EventData>"))})
    return None


def open_query_answer(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The rows of an answer of Log Analytics or of advanced hunting, whose columns are named beside."""
    tables = value.get("tables") or value.get("Tables") or [value]
    rows: list[dict[str, Any]] = []
    for table in tables if isinstance(tables, list) else []:
        columns = table.get("columns") or table.get("Columns") if isinstance(table, dict) else None
        cells = table.get("rows") or table.get("Rows") if isinstance(table, dict) else None
        if not isinstance(columns, list) or not isinstance(cells, list):
            return None
        names = [str(c.get("name") or c.get("ColumnName") if isinstance(c, dict) else c) for c in columns]
        rows += [dict(zip(names, row, strict=False)) for row in cells if isinstance(row, list)]
    return OpenedEvent(inner=rows) if rows else None


def data_in_xml(text: str) -> list[tuple[str, str]]:
    """Names and values of EventData, with or without the agent's DataItem around it."""
    begin = text.find("<EventData")
    inner = text[begin : text.rfind("</EventData>") + len("</EventData>")] if begin >= 0 else text
    return [*data_of(scan_leaves(f"<Event>{inner}</Event>"))]


AZURE_OWN = (
    r"EventLevelName|EventOriginId|ManagementGroupName|SourceSystem|TenantId|Type|_ResourceId|_SubscriptionId|MG|"
    r"TimeGenerated|TimeGenerated \[UTC\]|TimeCollected|SourceComputerId|AccountType|Activity|RawEventData|"
    r"TimeCollected \[UTC\]|PartitionKey|RowKey|StorageAccount|AzureDeploymentID|Role|_ItemId|_BilledSize|_IsBillable"
)
AZURE_TIMES = ("TimeCreated", "TimeGenerated", "TimeGenerated [UTC]", "TimeCollected", "TimeCollected [UTC]")

SECURITY_EVENT = {
    "EventSourceName": "Provider_Name",
    "EventLevel": "Level",
    "EventRecordId": "EventRecordID",
    "SystemProcessId": "Execution_ProcessID",
    "SystemThreadId": "Execution_ThreadID",
    "SystemUserId": "Security_UserID",
    "Correlation": "Correlation_ActivityID",
    "TimeCreated": "SystemTime",
    # The collector's own additions to what the event has.
    "Account": "",
    "Process": "",
    "SubjectAccount": "",
    "TargetAccount": "",
    "LogonTypeName": "",
    "ParentProcessNameHash": "",
}


def finish_security_event(fields: dict[str, str], event: Mapping[str, str]) -> None:
    """Takes out what the table has for other kinds of events, whose columns are empty here."""
    for name in [n for n, v in fields.items() if v == ""]:
        del fields[name]


EVENT_TABLE = {
    "Source": "Provider_Name",
    "EventLog": "Channel",
    "EventLevel": "Level",
    "RenderedDescription": "",
    "ParameterXml": "",
    "UserName": "",
    "EventCategory": "Task",
    "Message": "",
}


DEFENDER_TIMES = ("Timestamp", "TimeGenerated", "TimeGenerated [UTC]", "Timestamp [UTC]")

ENVELOPES = (
    Envelope(name="log_analytics", keys=("tables", "Tables", "columns|rows", "Columns|Rows"), open=open_query_answer),
    Envelope(
        name="azure",
        keys=("EventData|EventID", "EventData|EventId", "EventData|EventCode", "event_data|event_id"),
        open=open_event_data,
        objects=("EventData", "event_data"),
    ),
)

SHAPES = (
    Shape(
        name="sentinel_windows_event",
        meaning="Azure Monitor's table WindowsEvent",
        marks=("EventLevelName|EventID|Provider", "EventLevelName|EventID|EventData.*|Channel"),
        without=("EventSourceName", "EventLog"),
        rank=24,
        example="sentinel_windows_event.ndjson",
        data=("EventData.",),
        names={"EventLevelName": "", "EventOriginId": "", "Type": "", "Data": "", "Version": "Version"},
        left_out=AZURE_OWN,
        time=AZURE_TIMES,
    ),
    Shape(
        name="sentinel_security_event",
        meaning="Azure Monitor's table SecurityEvent, a column a datum",
        marks=(
            "EventSourceName|EventID|Activity",
            "EventSourceName|EventID|SourceSystem",
            "EventSourceName|EventID|AccountType",
        ),
        rank=22,
        example="sentinel_security_event.csv",
        beside=True,
        names=SECURITY_EVENT,
        left_out=AZURE_OWN,
        time=AZURE_TIMES,
        finish=finish_security_event,
    ),
    Shape(
        name="sentinel_event",
        meaning="Azure Monitor's table Event, its data as XML",
        marks=("EventLog|EventID|Source", "EventLog|EventID|RenderedDescription"),
        rank=23,
        example="sentinel_event.csv",
        data=("EventData.",),
        names=EVENT_TABLE,
        left_out=AZURE_OWN,
        message="RenderedDescription",
        time=AZURE_TIMES,
    ),
    Shape(
        name="defender_hunting",
        meaning="tables of Microsoft 365 Defender's advanced hunting: DeviceNetworkEvents, DeviceProcessEvents",
        marks=("DeviceId|ActionType|ReportId", "DeviceName|ActionType|InitiatingProcessFileName"),
        rank=25,
        example="defender_hunting.csv",
        sensor="defender_endpoint",
        kind=("Type", "$table", "ActionType"),
        host="DeviceName",
        time=DEFENDER_TIMES,
    ),
)
