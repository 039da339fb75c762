"""Windows events: names of System fields, sensors of channels, and repairs of values."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

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
    # In lower case: exports and shippers write channels in either.
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


# The evtx package prints GUIDs without braces (0.14.0), which joins and rules for the log's own XML expect.
BARE_GUID = r"^([0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12})$"


def repair_values(values: pa.Array) -> pa.Array:
    """Values with what decoders and shippers change put back: braces of GUIDs, brackets of `<unknown process>`.

    Only upper-case GUIDs are touched: EVTX decoders print those of type GUID so, while ids that are text, as the
    ScriptBlockId of PowerShell, are lower case and have no braces in the log itself.
    """
    # Length first: hardly a column has texts of 36 bytes, and a regular expression over all would cost more.
    if pc.any(pc.equal(pc.binary_length(values), 36)).as_py():
        values = pc.replace_substring_regex(values, BARE_GUID, r"{\1}")
    # Some shippers send it HTML-escaped (telemetry.md 1.1); 91 of 2,059 recorded events 22 name no process.
    unknown = pc.equal(values, "&lt;unknown process&gt;")
    return pc.if_else(unknown, "<unknown process>", values) if pc.any(unknown).as_py() else values
