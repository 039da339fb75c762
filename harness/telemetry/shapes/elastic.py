"""Elastic: hits of its search, Winlogbeat of several ages, events under the Elastic Common Schema alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.shape import Envelope, OpenedEvent, Shape


def open_hit(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The document of a hit of the search API, with or without its source."""
    source = value.get("_source")
    if isinstance(source, dict):
        return OpenedEvent(inner=source)
    fields = value.get("fields")
    if not isinstance(fields, dict):
        return None
    # The search's `fields` are lists, of one value mostly; those for sorting repeat the others.
    kept = {n: v for n, v in fields.items() if not n.endswith(".keyword")}
    return OpenedEvent(inner={n: v[0] if isinstance(v, list) and len(v) == 1 else v for n, v in kept.items()})


ENVELOPES = (Envelope(name="elastic_hit", keys=("_source|_index", "_source|_id", "fields|_index"), open=open_hit),)

WINLOGBEAT_WORDS = {"opcode": "", "task": "", "keywords": "", "keywords[0]": "", "keywords[1]": "", "keywords[2]": ""}
"""What Winlogbeat renders in the language of the host: the numbers behind it are not kept."""

ECS_DATA = {
    "process.entity_id": "ProcessGuid",
    "process.pid": "ProcessId",
    "process.executable": "Image",
    "process.command_line": "CommandLine",
    "process.working_directory": "CurrentDirectory",
    "process.pe.file_version": "FileVersion",
    "process.pe.description": "Description",
    "process.pe.product": "Product",
    "process.pe.company": "Company",
    "process.pe.original_file_name": "OriginalFileName",
    "process.parent.entity_id": "ParentProcessGuid",
    "process.parent.pid": "ParentProcessId",
    "process.parent.executable": "ParentImage",
    "process.parent.command_line": "ParentCommandLine",
    "network.transport": "Protocol",
    "source.ip": "SourceIp",
    "source.domain": "SourceHostname",
    "source.port": "SourcePort",
    "destination.ip": "DestinationIp",
    "destination.domain": "DestinationHostname",
    "destination.port": "DestinationPort",
    "network.protocol": "DestinationPortName",
    "dns.question.name": "QueryName",
    "sysmon.dns.status": "QueryStatus",
    "registry.path": "TargetObject",
    "file.code_signature.signed": "Signed",
    "file.code_signature.status": "SignatureStatus",
    "rule.name": "RuleName",
}
"""ECS's names of Sysmon's data, as Elastic's Sysmon module moves them."""

ECS_FILES = {"6": "ImageLoaded", "7": "ImageLoaded", "2": "TargetFilename", "11": "TargetFilename"}
ECS_FILES |= {"15": "TargetFilename", "17": "PipeName", "18": "PipeName", "23": "TargetFilename"}
ECS_FILES |= {"26": "TargetFilename", "27": "TargetFilename", "28": "TargetFilename", "29": "TargetFilename"}
"""What `file.path` is, by EventID; of 17 and 18 it is `file.name`."""

ECS_DIRECTIONS = {"outbound": "true", "egress": "true", "inbound": "false", "ingress": "false"}


def finish_ecs(fields: dict[str, str], event: Mapping[str, str]) -> None:
    """Puts together what ECS has in several fields: account, direction, file, hashes, the kind of address."""
    number = fields.get("EventID", "")
    if "user.name" in event:
        account = "\\".join(p for p in (event.get("user.domain"), event["user.name"]) if p)
        fields.setdefault("User", account)
    direction = ECS_DIRECTIONS.get(event.get("network.direction", ""))
    if direction:
        fields.setdefault("Initiated", direction)
    path = event.get("file.name" if number in ("17", "18") else "file.path")
    if path and number in ECS_FILES:
        fields.setdefault(ECS_FILES[number], path)
    hashes = [f"{n.upper()}={event[f'process.hash.{n}'].upper()}" for n in HASHES if f"process.hash.{n}" in event]
    if hashes:
        fields.setdefault("Hashes", ",".join(hashes))
    for end in ("Source", "Destination"):
        if f"{end}Ip" in fields:
            fields.setdefault(f"{end}IsIpv6", "true" if ":" in fields[f"{end}Ip"] else "false")
    # The module leaves out what Sysmon writes as a dash or as nothing.
    if "Protocol" in fields:
        for name in ("SourceHostname", "SourcePortName", "DestinationHostname", "DestinationPortName"):
            fields.setdefault(name, "-")
    fields.setdefault("RuleName", "-")
    # The module makes Sysmon's own time the event's.
    if "@timestamp" in event:
        fields.setdefault("UtcTime", event["@timestamp"].replace("T", " ").removesuffix("Z"))


HASHES = ("sha1", "md5", "sha256")

ECS_SYSTEM = {"event.code": "EventID", "event.provider": "Provider_Name", "host.name": "Computer"}
"""What ECS has of the System fields where `winlog` lacks them."""

WINLOG_NAMES = {
    **{f"winlog.{name}": "" for name in WINLOGBEAT_WORDS},
    "winlog.user_data.xml_name": "",
    "log.level": "Level",
    # Where a table was exported without the columns of `winlog`.
    "event.code": "EventID",
    "event.provider": "Provider_Name",
}

SHAPES = (
    Shape(
        name="ecs_sysmon",
        meaning="Sysmon under the Elastic Common Schema, its data moved to ECS fields",
        marks=("winlog.channel|process.entity_id", "event.code|event.module|process.entity_id"),
        without=("winlog.event_data.ProcessGuid", "event_data.ProcessGuid"),
        rank=15,
        example="ecs_sysmon.ndjson",
        system=("winlog.",),
        data=("winlog.event_data.", "winlog.user_data."),
        names={
            **WINLOG_NAMES,
            **ECS_DATA,
            "event.code": "EventID",
            "event.provider": "Provider_Name",
            "host.name": "Computer",
        },
        time=("@timestamp", "event.created"),
        finish=finish_ecs,
    ),
    Shape(
        name="winlogbeat",
        meaning="Winlogbeat and Elastic Agent from version 7 on, CSV of Kibana included",
        marks=("winlog.event_id", "winlog.channel", "winlog.event_data.*", "winlog.*"),
        rank=20,
        example="winlogbeat.ndjson",
        system=("winlog.",),
        data=("winlog.event_data.", "winlog.user_data."),
        names=WINLOG_NAMES,
        time=("@timestamp", "winlog.time_created", "event.created"),
    ),
    Shape(
        name="winlogbeat_6",
        meaning="Winlogbeat up to version 6",
        marks=(
            *(f"event_data.*|{own}" for own in ("log_name", "computer_name", "source_name", "record_number")),
            "event_id|log_name",
            "event_id|source_name",
        ),
        rank=21,
        example="winlogbeat_6.ndjson",
        data=("event_data.", "user_data."),
        names={
            **WINLOGBEAT_WORDS,
            "user.identifier": "Security_UserID",
            "user_data.xml_name": "",
            "source": "",
            "host": "",
            "type": "",
        },
        time=("@timestamp",),
    ),
)
