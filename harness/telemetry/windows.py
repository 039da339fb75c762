"""The envelope of a Windows event: names of its System fields, and which sensor a channel belongs to."""

from __future__ import annotations

from harness.telemetry.event import Events

SYSTEM_FIELDS = (
    "Provider_Name",
    "Provider_Guid",
    "EventID",
    "Version",
    "Level",
    "Task",
    "Opcode",
    "Keywords",
    "SystemTime",
    "EventRecordID",
    "Correlation_ActivityID",
    "Correlation_RelatedActivityID",
    "Execution_ProcessID",
    "Execution_ThreadID",
    "Channel",
    "Computer",
    "Security_UserID",
)
"""Fields of an event's System element in the order in which Windows writes them."""

SENSORS = {
    "microsoft-windows-sysmon/operational": "sysmon",
    "security": "windows_security",
    "microsoft-windows-powershell/operational": "powershell",
    "microsoft-windows-dns-client/operational": "dns_client",
    "microsoft-windows-taskscheduler/operational": "task_scheduler",
}
"""Sensor of each channel, by the channel's name in lower case."""


def sensor_of(channel: str | None) -> str:
    """The sensor that writes a channel; `windows` for all that have none of their own."""
    return SENSORS.get((channel or "").lower(), "windows")


def is_windows(events: Events) -> bool:
    """Whether these are records of a Windows event log."""
    return events.sensor == "windows" or events.sensor in SENSORS.values()
