"""Windows events: names of System fields, sensors of channels, and repairs of values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.telemetry.event import Events
from harness.telemetry.sensor import WindowsChannel, sensor, sensor_names

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


@cache
def map_windows_sensors() -> Mapping[str, WindowsChannel]:
    """The channel of each sensor that writes one. Raises HarnessError where two sensors write the same."""
    found = {name: origin for name in sensor_names() if isinstance(origin := sensor(name).origin, WindowsChannel)}
    owners: dict[str, str] = {}
    for name, channel in found.items():
        other = owners.setdefault(channel.name.lower(), name)
        if other != name:
            message = f"the sensors `{other}` and `{name}` both write the channel {channel.name}"
            raise HarnessError("registration", message, help="let one of them record both activities")
    return found


@cache
def map_channel_sensors() -> Mapping[str, str]:
    """The sensor of each channel, by the channel's name in lower case."""
    return {channel.name.lower(): name for name, channel in map_windows_sensors().items()}


def sensor_of(channel: str | None) -> str:
    """The sensor that writes a channel; `windows` for all that have none of their own."""
    return map_channel_sensors().get((channel or "").lower(), "windows")


@lru_cache(maxsize=1024)
def find_provider_channel(provider: str) -> str | None:
    """The channel of a provider that a sensor knows, for events that do not name theirs."""
    return next((c.name for c in map_windows_sensors().values() if c.provider == provider), None)


def is_windows(events: Events) -> bool:
    """Whether these are records of a Windows event log."""
    return events.sensor == "windows" or events.sensor in map_windows_sensors()


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
