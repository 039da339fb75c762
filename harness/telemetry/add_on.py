"""Fields that Splunk's add-ons for Windows and Sysmon set beside the recorded ones: CIM's names for the same things."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.columnar import Field, encoded, mapped

Recorded: TypeAlias = "Mapping[str, Field | None]"
Derived: TypeAlias = "Callable[[Recorded], Field | None]"


def same(name: str) -> Derived:
    """A field under another name."""
    return lambda recorded: recorded.get(name)


def always(text: str) -> Derived:
    """The same text in every event."""
    return lambda recorded: text


def of(name: str, change: Callable[[pa.Array], pa.Array]) -> Derived:
    """What a change makes of a field's values."""

    def derived(recorded: Recorded) -> Field | None:
        field = recorded.get(name)
        return None if field is None else mapped(field, change)

    return derived


def name_or_address(name: str, address: str) -> Derived:
    """A host's name, and its address where the name is absent or `-`."""

    def derived(recorded: Recorded) -> Field | None:
        found = of(name, without_dash)(recorded)
        otherwise = recorded.get(address)
        if found is None or otherwise is None or isinstance(found, str):
            return otherwise if found is None else found
        if isinstance(otherwise, str):
            return encoded(found.cast(pa.string()).fill_null(otherwise))
        return encoded(pc.coalesce(found.cast(pa.string()), otherwise.cast(pa.string())))

    return derived


def command_line(recorded: Recorded) -> Field | None:
    """A process's command line, behind the path of its image where the first word has no path."""
    line, image = recorded.get("CommandLine"), recorded.get("NewProcessName")
    if line is None or image is None:
        return line
    if isinstance(line, str) and isinstance(image, str):
        return line if re.match(r"\S*\\", line) else f"{image} {line}"
    columns = [f if isinstance(f, str) else f.cast(pa.string()) for f in (line, image)]
    with_image = pc.binary_join_element_wise(columns[1], columns[0], " ")
    has_path = pc.match_substring_regex(columns[0], r"^\S*\\")
    return encoded(pc.if_else(has_path, columns[0], with_image))


def file_name(values: pa.Array) -> pa.Array:
    """What stands behind the last backslash."""
    return pc.replace_substring_regex(values, r"(?s)^.*\\", "")


def without_dash(values: pa.Array) -> pa.Array:
    """Values where `-` is absent."""
    return pc.if_else(pc.equal(values, "-"), pa.scalar(None, pa.string()), values)


def direction(values: pa.Array) -> pa.Array:
    """Which way a connection goes, from whether this host initiated it."""
    return pc.if_else(pc.equal(values, "true"), "outbound", "inbound")


PROCESS: dict[str, Derived] = {
    "process_exec": of("Image", file_name),
    "process_name": of("Image", file_name),
    "process_guid": same("ProcessGuid"),
    "process_id": same("ProcessId"),
    "user": of("User", file_name),
    "creation_time": same("UtcTime"),
    "vendor_product": always("Microsoft Sysmon"),
}

EVENTS: dict[tuple[str, str], dict[str, Derived]] = {
    ("sysmon", "1"): {
        **PROCESS,
        "process": same("CommandLine"),
        "process_path": same("Image"),
        "process_hash": same("Hashes"),
        "original_file_name": of("OriginalFileName", without_dash),
        "parent_process": same("ParentCommandLine"),
        "parent_process_path": same("ParentImage"),
        "parent_process_name": of("ParentImage", file_name),
        "parent_process_guid": same("ParentProcessGuid"),
        "parent_process_id": same("ParentProcessId"),
        "dest": same("Computer"),
        "action": always("allowed"),
    },
    ("sysmon", "3"): {
        **PROCESS,
        "app": same("Image"),
        "dest_ip": same("DestinationIp"),
        "dest_port": same("DestinationPort"),
        "dest_host": of("DestinationHostname", without_dash),
        "dest": name_or_address("DestinationHostname", "DestinationIp"),
        "src_ip": same("SourceIp"),
        "dvc_ip": same("SourceIp"),
        "src_port": same("SourcePort"),
        "src_host": of("SourceHostname", without_dash),
        "src": name_or_address("SourceHostname", "SourceIp"),
        "transport": same("Protocol"),
        "transport_dest_port": same("DestinationPort"),
        "direction": of("Initiated", direction),
        "state": always("established"),
        "protocol": always("ip"),
        "action": always("allowed"),
    },
    ("sysmon", "22"): {
        **PROCESS,
        "query": same("QueryName"),
        "reply_code_id": same("QueryStatus"),
        "src": same("Computer"),
    },
    ("windows_security", "4688"): {
        "process_exec": of("NewProcessName", file_name),
        "process_name": of("NewProcessName", file_name),
        "process_path": same("NewProcessName"),
        "process_id": same("NewProcessId"),
        "process": command_line,
        "parent_process_name": of("ParentProcessName", file_name),
        "parent_process_path": same("ParentProcessName"),
        "parent_process_id": same("ProcessId"),
        "dest": same("Computer"),
    },
}
"""Fields of each kind of event, by sensor and kind; an event's own field of that name stays."""


def added(sensor: str, kind: str, recorded: Recorded) -> dict[str, Field]:
    """What the add-ons add to the extracted fields of one kind of events."""
    found = {name: make(recorded) for name, make in EVENTS.get((sensor, kind), {}).items()}
    found["dvc"] = recorded.get("Computer")
    found["signature_id"] = recorded.get("EventCode")
    return {name: field for name, field in found.items() if field is not None}
