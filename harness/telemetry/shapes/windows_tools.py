"""Tools of Windows itself: Event Viewer, Get-WinEvent and Get-EventLog through PowerShell's exports."""

from __future__ import annotations

from harness.telemetry.shape import Shape

SHAPES = (
    Shape(
        name="get_winevent",
        meaning="Get-WinEvent through ConvertTo-Json, Export-Clixml or Export-Csv",
        marks=("ProviderName|LogName|Id", "ProviderName|MachineName|Id", "ProviderName|TimeCreated*|Id|Message"),
        rank=19,
        example="get_winevent.json",
        # Properties hold values without names; below them nothing is a System field.
        data=("Properties.",),
        names={
            "UserId.Value": "Security_UserID",
            "Message": "",
            "TimeCreated.value": "SystemTime",
            "TimeCreated.DateTime": "",
            "Bookmark": "",
        },
        inserts="Properties",
        message="Message",
        time=("TimeCreated", "TimeCreated.value", "TimeCreated.DateTime"),
    ),
    Shape(
        name="event_viewer",
        meaning="Event Viewer's export as CSV or text",
        marks=("Event ID|Source|Date and Time", "Event ID|Source|Task Category"),
        rank=19,
        example="event_viewer.csv",
        data=("EventData.",),
        names={"Task Category": "", "Message": "", "Date and Time": ""},
        message="Message",
        time=("Date and Time",),
    ),
    Shape(
        name="get_eventlog",
        meaning="Get-EventLog or Win32_NTLogEvent through ConvertTo-Json or Export-Csv",
        marks=("InstanceId|EventID|Source|Message", "EventCode|SourceName|Logfile", "InstanceId|EventID|MachineName"),
        rank=19,
        example="get_eventlog.csv",
        data=("ReplacementStrings.",),
        names={
            "EntryType": "Level",
            "Category": "",
            "CategoryNumber": "Task",
            "Index": "EventRecordID",
            "EventIdentifier": "",
            "InstanceId": "",
            "Message": "",
            "UserName": "",
            "User": "",
            "Type": "",
            "EventType": "",
            "Data": "",
        },
        inserts="ReplacementStrings",
        message="Message",
        time=("TimeGenerated", "TimeWritten"),
    ),
)
