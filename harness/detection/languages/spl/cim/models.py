"""Data models: which tags make an event part of a dataset, and which of its fields are never missing.

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One dataset of a data model: the tags that its events have, and fields that are `unknown` rather than missing.

    `calculated` are eval expressions over the common fields, made before missing ones are filled. `search` is used
    instead of tags where a dataset is an index of its own.
    """

    model: str
    name: str
    tags: tuple[str, ...] = ()
    index: str = ""
    filled: tuple[str, ...] = ()
    calculated: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    condition: str = ""


def words(text: str) -> tuple[str, ...]:
    """Names separated by blanks."""
    return tuple(text.split())


FIRST_WORD = r'replace({0}, "^\"?([^\"\s]*).*$", "\1")'

PROCESSES = Dataset(
    model="Endpoint",
    name="Processes",
    tags=("process", "report"),
    filled=words("dest user process parent_process original_file_name process_name parent_process_name vendor_product"),
    calculated={
        "process_name": f"coalesce(process_name, {FIRST_WORD.format('process')})",
        "parent_process_name": f"coalesce(parent_process_name, {FIRST_WORD.format('parent_process')})",
        "process_integrity_level": "lower(process_integrity_level)",
    },
)
REGISTRY = Dataset(
    model="Endpoint",
    name="Registry",
    tags=("endpoint", "registry"),
    filled=words(
        "action dest registry_path registry_key_name registry_value_name registry_value_data registry_value_type user"
    ),
)
FILESYSTEM = Dataset(
    model="Endpoint",
    name="Filesystem",
    tags=("endpoint", "filesystem"),
    filled=words("action dest file_name file_path file_hash file_acl user"),
)
TRAFFIC = Dataset(
    model="Network_Traffic",
    name="All_Traffic",
    tags=("network", "communicate"),
    filled=words("action dest dvc rule src user"),
    calculated={
        "dest_port": "if(isnum(dest_port), dest_port, 0)",
        "src_port": "if(isnum(src_port), src_port, 0)",
        "transport": "lower(transport)",
        "bytes": "coalesce(bytes, bytes_in+bytes_out)",
    },
)
WEB = Dataset(
    model="Web",
    name="Web",
    tags=("web",),
    filled=words(
        "action category dest dest_port http_content_type http_method http_referrer http_user_agent site src status "
        "uri_path uri_query url user vendor_product"
    ),
    calculated={"http_user_agent": "coalesce(http_user_agent, user_agent)", "url_length": "len(url)"},
)
AUTHENTICATION = Dataset(
    model="Authentication",
    name="Authentication",
    tags=("authentication",),
    filled=words("action app dest src src_user user"),
)
CHANGES = Dataset(
    model="Change",
    name="All_Changes",
    tags=("change",),
    filled=words("action change_type command dest dvc object object_category object_id result src status user"),
)
DNS = Dataset(
    model="Network_Resolution",
    name="DNS",
    tags=("network", "resolution", "dns"),
    filled=words("answer dest query message_type name record_type reply_code src"),
    calculated={"answer_count": "coalesce(answer_count, 1)", "query_count": "coalesce(query_count, 1)"},
)
OTHERS = (
    Dataset(model="Endpoint", name="Ports", tags=("listening", "port"), filled=words("dest dest_port transport user")),
    Dataset(
        model="Endpoint",
        name="Services",
        tags=("service", "report"),
        filled=words("dest service service_name service_id start_mode status user"),
    ),
    Dataset(model="Email", name="All_Email", tags=("email",), filled=words("action src recipient src_user")),
    Dataset(model="Alerts", name="Alerts", tags=("alert",), filled=words("app dest severity src type user")),
    Dataset(model="Malware", name="Malware_Attacks", tags=("malware", "attack"), filled=words("action dest user")),
    Dataset(model="Vulnerabilities", name="Vulnerabilities", tags=("vulnerability", "report"), filled=("dest",)),
    Dataset(model="Updates", name="Updates", tags=("update", "status"), filled=words("dest status signature")),
    Dataset(model="Intrusion_Detection", name="IDS_Attacks", tags=("ids", "attack"), filled=words("dest src user")),
    Dataset(model="Certificates", name="All_Certificates", tags=("certificate",), filled=words("dest src")),
    Dataset(model="Risk", name="All_Risk", index="risk"),
    Dataset(model="Splunk_Audit", name="Datamodel_Acceleration", index="_audit"),
    Dataset(model="Splunk_Audit", name="Splunk_Audit", index="_audit"),
    Dataset(model="Splunk_Audit", name="Search_Activity", index="_audit"),
    Dataset(model="UEBA", name="All_UEBA_Events", tags=("ueba",)),
    Dataset(model="Compute_Inventory", name="All_Inventory", tags=("inventory",)),
    Dataset(model="Data_Access", name="Data_Access", tags=("data", "access")),
    Dataset(model="DLP", name="DLP_Incidents", tags=("dlp", "incident")),
    Dataset(model="Identity_Management", name="All_Identities", tags=("identity",)),
    Dataset(model="Performance", name="All_Performance", tags=("performance",)),
    Dataset(model="Network_Sessions", name="All_Sessions", tags=("network", "session")),
    Dataset(model="Databases", name="All_Databases", tags=("database",)),
    Dataset(model="Application_State", name="All_Application_State", tags=("listening",)),
    Dataset(model="Ticket_Management", name="All_Ticket_Management", tags=("ticketing",)),
    Dataset(model="JVM", name="JVM", tags=("jvm",)),
    Dataset(model="Messaging", name="Messaging", tags=("messaging",)),
    Dataset(model="Event_Signatures", name="Signatures", tags=("track_event_signatures",)),
    Dataset(model="Interprocess_Messaging", name="Interprocess_Messaging", tags=("messaging",)),
)
CHILDREN = (
    Dataset(
        model="Authentication", name="Failed_Authentication", parent="Authentication", condition='action="failure"'
    ),
    Dataset(
        model="Authentication", name="Successful_Authentication", parent="Authentication", condition='action="success"'
    ),
    Dataset(
        model="Authentication",
        name="Privileged_Authentication",
        parent="Authentication",
        condition='in(user, "Administrator", "root")',
    ),
    Dataset(model="Change", name="Account_Management", parent="All_Changes", condition='change_type="AAA"'),
    Dataset(model="Change", name="Endpoint_Changes", parent="All_Changes", condition='object_category!=""'),
    Dataset(model="Change", name="Auditing_Changes", parent="All_Changes", condition='change_type="auditing"'),
    Dataset(model="Change", name="Instance_Changes", parent="All_Changes", condition='change_type="instance"'),
    Dataset(model="Change", name="Network_Changes", parent="All_Changes", condition='change_type="network"'),
    Dataset(model="Network_Traffic", name="Allowed_Traffic", parent="All_Traffic", condition='action="allowed"'),
    Dataset(model="Network_Traffic", name="Blocked_Traffic", parent="All_Traffic", condition='action="blocked"'),
    Dataset(model="Web", name="Proxy", parent="Web", condition="isnotnull(url)"),
    Dataset(model="Updates", name="Update_Errors", parent="Updates", condition='status="error"'),
    Dataset(model="UEBA", name="UEBA_Anomalies", parent="All_UEBA_Events", condition="isnotnull(uba_model)"),
)
DATASETS: tuple[Dataset, ...] = (
    PROCESSES, REGISTRY, FILESYSTEM, TRAFFIC, WEB, AUTHENTICATION, CHANGES, DNS, *OTHERS,
)  # fmt: skip
