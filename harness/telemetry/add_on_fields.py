"""Fields that Splunk's add-ons for Windows and Sysmon set beside the recorded ones: CIM's names for the same things."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.text_columns import Field, encode_text, map_distinct_values

Recorded: TypeAlias = "Mapping[str, Field | None]"
Derived: TypeAlias = "Callable[[Recorded], Field | None]"


def copy_field(name: str) -> Derived:
    """An alias: a field's values under another name."""
    return lambda recorded: recorded.get(name)


def build_constant_field(text: str) -> Derived:
    """A calculated field with one text in every event."""
    return lambda recorded: text


def of(name: str, change: Callable[[pa.Array], pa.Array]) -> Derived:
    """A calculated field: a change made to each distinct value of `name`."""

    def derived(recorded: Recorded) -> Field | None:
        field = recorded.get(name)
        return None if field is None else map_distinct_values(field, change)

    return derived


def name_or_address(name: str, address: str) -> Derived:
    """A host's name, and its address where the name is absent or `-`."""

    def derived(recorded: Recorded) -> Field | None:
        # The add-on: dest is DestinationHostname unless it is null or `-`, then DestinationIp (spl.md 11.3).
        found = of(name, without_dash)(recorded)
        otherwise = recorded.get(address)
        if found is None or otherwise is None or isinstance(found, str):
            return otherwise if found is None else found
        if isinstance(otherwise, str):
            return encode_text(found.cast(pa.string()).fill_null(otherwise))
        return encode_text(pc.coalesce(found.cast(pa.string()), otherwise.cast(pa.string())))

    return derived


def command_line(recorded: Recorded) -> Field | None:
    """A process's command line, behind the path of its image where the first word has no path."""
    line, image = recorded.get("CommandLine"), recorded.get("NewProcessName")
    if line is None or image is None:
        return line
    # Windows add-on 742 puts NewProcessName in front of a line whose first word has no backslash (spl.md 11.5).
    if isinstance(line, str) and isinstance(image, str):
        return line if re.match(r"\S*\\", line) else f"{image} {line}"
    columns = [f if isinstance(f, str) else f.cast(pa.string()) for f in (line, image)]
    with_image = pc.binary_join_element_wise(columns[1], columns[0], " ")
    has_path = pc.match_substring_regex(columns[0], r"^\S*\\")
    return encode_text(pc.if_else(has_path, columns[0], with_image))


def extract_file_names(values: pa.Array) -> pa.Array:
    """File names of paths: the text behind the last backslash."""
    return pc.replace_substring_regex(values, r"(?s)^.*\\", "")


def without_dash(values: pa.Array) -> pa.Array:
    """Values where `-` is absent."""
    return pc.if_else(pc.equal(values, "-"), pa.scalar(None, pa.string()), values)


def direction(values: pa.Array) -> pa.Array:
    """`outbound` or `inbound`, from Sysmon's Initiated."""
    return pc.if_else(pc.equal(values, "true"), "outbound", "inbound")


PROCESS_ADDITIONS: dict[str, Derived] = {
    "process_exec": of("Image", extract_file_names),
    "process_name": of("Image", extract_file_names),
    "process_guid": copy_field("ProcessGuid"),
    "process_id": copy_field("ProcessId"),
    # Only the account's own part, as the add-on has it.
    "user": of("User", extract_file_names),
    "creation_time": copy_field("UtcTime"),
    "vendor_product": build_constant_field("Microsoft Sysmon"),
}

EVENTS: dict[tuple[str, str], dict[str, Derived]] = {
    ("sysmon", "1"): {
        **PROCESS_ADDITIONS,
        "process": copy_field("CommandLine"),
        "process_path": copy_field("Image"),
        "process_hash": copy_field("Hashes"),
        "original_file_name": of("OriginalFileName", without_dash),
        "parent_process": copy_field("ParentCommandLine"),
        "parent_process_path": copy_field("ParentImage"),
        "parent_process_name": of("ParentImage", extract_file_names),
        "parent_process_guid": copy_field("ParentProcessGuid"),
        "parent_process_id": copy_field("ParentProcessId"),
        "dest": copy_field("Computer"),
        "action": build_constant_field("allowed"),
    },
    # Sysmon add-on 5709 (spl.md 11.3); process_path is not among its fields of event 3.
    ("sysmon", "3"): {
        **PROCESS_ADDITIONS,
        "app": copy_field("Image"),
        "dest_ip": copy_field("DestinationIp"),
        "dest_port": copy_field("DestinationPort"),
        "dest_host": of("DestinationHostname", without_dash),
        "dest": name_or_address("DestinationHostname", "DestinationIp"),
        "src_ip": copy_field("SourceIp"),
        "dvc_ip": copy_field("SourceIp"),
        "src_port": copy_field("SourcePort"),
        "src_host": of("SourceHostname", without_dash),
        "src": name_or_address("SourceHostname", "SourceIp"),
        "transport": copy_field("Protocol"),
        "transport_dest_port": copy_field("DestinationPort"),
        "direction": of("Initiated", direction),
        "state": build_constant_field("established"),
        "protocol": build_constant_field("ip"),
        "action": build_constant_field("allowed"),
    },
    ("sysmon", "22"): {
        **PROCESS_ADDITIONS,
        "query": copy_field("QueryName"),
        "reply_code_id": copy_field("QueryStatus"),
        "src": copy_field("Computer"),
    },
    # The creator is ProcessId here and the new process NewProcessId: the names are crossed against Sysmon's.
    ("windows_security", "4688"): {
        "process_exec": of("NewProcessName", extract_file_names),
        "process_name": of("NewProcessName", extract_file_names),
        "process_path": copy_field("NewProcessName"),
        "process_id": copy_field("NewProcessId"),
        "process": command_line,
        "parent_process_name": of("ParentProcessName", extract_file_names),
        "parent_process_path": copy_field("ParentProcessName"),
        "parent_process_id": copy_field("ProcessId"),
        "dest": copy_field("Computer"),
    },
}
"""Fields of each kind of event, by sensor and kind; an event's own field of that name stays."""


def add_on_fields(sensor: str, kind: str, recorded: Recorded) -> dict[str, Field]:
    """Aliases and calculated fields of the add-ons for one kind of events, absent ones left out."""
    found = {name: make(recorded) for name, make in EVENTS.get((sensor, kind), {}).items()}
    found["dvc"] = recorded.get("Computer")
    found["signature_id"] = recorded.get("EventCode")
    return {name: field for name, field in found.items() if field is not None}
