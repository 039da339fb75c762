"""Data models about hosts: what runs there, what it changes, what is installed.

Reference: reference/spl.md 9.2; CIM, Endpoint, Change, Updates, Vulnerabilities, Inventory
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import CimDataset, about, build_child_dataset, build_root_dataset

FIRST_WORD = r'replace({0}, "^\"?([^\"\s]*).*$", "\1")'
DEST = about("dest") + " dest_is_expected dest_requires_av dest_should_timesync dest_should_update"

PROCESSES = build_root_dataset(
    "Endpoint",
    "Processes",
    "process report",
    f"action cpu_load_percent {DEST} loaded_file mem_used original_file_name os parent_process parent_process_exec "
    "parent_process_guid parent_process_id parent_process_name parent_process_path process process_current_directory "
    "process_exec process_guid process_hash process_id process_integrity_level process_name process_path "
    f"{about('user')} user_id vendor_product",
    "dest user process parent_process original_file_name process_name parent_process_name",
    {
        "process_name": f"coalesce(process_name, {FIRST_WORD.format('process')})",
        "parent_process_name": f"coalesce(parent_process_name, {FIRST_WORD.format('parent_process')})",
        "process_integrity_level": "lower(process_integrity_level)",
    },
)
REGISTRY_DATASET = build_root_dataset(
    "Endpoint",
    "Registry",
    "endpoint registry",
    f"action {DEST} process_guid process_id registry_hive registry_key_name registry_path registry_value_data "
    f"registry_value_name registry_value_text registry_value_type status {about('user')} vendor_product",
    "action dest registry_path registry_key_name registry_value_name registry_value_data registry_value_type user",
)
FILESYSTEM = build_root_dataset(
    "Endpoint",
    "Filesystem",
    "endpoint filesystem",
    f"action {DEST} file_access_time file_acl file_create_time file_hash file_modify_time file_name file_path "
    f"file_size process_guid process_id process_name process_path {about('user')} vendor_product",
    "action dest file_name file_path file_hash file_acl user",
    {"file_size": "if(isnum(file_size), file_size, null())"},
)
PORTS = build_root_dataset(
    "Endpoint",
    "Ports",
    "listening port",
    f"creation_time {DEST} dest_port process_guid process_id {about('src')} src_port state transport "
    f"transport_dest_port {about('user')} user_id vendor_product",
    "dest dest_port transport user",
    {"transport": "lower(transport)"},
)
SERVICES = build_root_dataset(
    "Endpoint",
    "Services",
    "service report",
    f"description {DEST} process_guid process_id service service_dll service_dll_hash service_dll_path "
    "service_dll_signature_exists service_dll_signature_verified service_exec service_hash service_id service_name "
    f"service_path service_signature_exists service_signature_verified start_mode status {about('user')} user_id "
    "vendor_product",
    "dest service service_name service_id start_mode status user",
)
CHANGES = build_root_dataset(
    "Change",
    "All_Changes",
    "change",
    f"action change_type command {about('dest')} dvc image_id instance_type object object_attrs object_category "
    f"object_id object_path result result_id {about('src')} status {about('user')} user_agent user_name user_type "
    "vendor_account vendor_region vendor_product",
    "action change_type command dest dvc object object_category object_id result src status user",
    condition='NOT in(lower(coalesce(object_category, "")), "file", "directory", "registry")',
)
ACCOUNTS = build_child_dataset(
    CHANGES,
    "Account_Management",
    tags="account",
    fields=f"dest_nt_domain src_nt_domain {about('src_user')} src_user_name src_user_type",
)
UPDATES = build_root_dataset(
    "Updates",
    "Updates",
    "update status",
    f"{DEST} dvc file_hash file_name severity severity_id signature signature_id status vendor_product",
    "dest dvc severity signature signature_id status",
)
VULNERABILITIES = build_root_dataset(
    "Vulnerabilities",
    "Vulnerabilities",
    "report vulnerability",
    f"bugtraq category cert cve cvss {about('dest', 'dvc')} msft mskb severity severity_id signature signature_id url "
    f"{about('user')} xref vendor_product",
    "category dest dvc severity signature user",
)
INVENTORY = build_root_dataset(
    "Compute_Inventory",
    "All_Inventory",
    "inventory",
    f"{about('dest')} description enabled family hypervisor_id serial status version vendor_product",
    "dest",
)
PERFORMANCE = build_root_dataset(
    "Performance",
    "All_Performance",
    "performance",
    f"{about('dest')} cpu_load_percent mem mem_free mem_used storage storage_free storage_used thruput uptime "
    "hypervisor_id resource_type vendor_product",
    "dest",
)
DATABASES = build_root_dataset(
    "Databases",
    "All_Databases",
    "database",
    f"{about('dest')} duration object response_time {about('src', 'user')} vendor_product",
    "dest object src user",
)
ENDPOINT_PARTS: tuple[CimDataset, ...] = (
    ACCOUNTS,
    build_child_dataset(CHANGES, "Accounts_Created", 'action="created"', tags="account"),
    build_child_dataset(CHANGES, "Accounts_Deleted", 'action="deleted"', tags="account"),
    build_child_dataset(CHANGES, "Accounts_Updated", 'action="modified"', tags="account"),
    build_child_dataset(CHANGES, "Account_Lockouts", 'action="lockout"', tags="account"),
    build_child_dataset(CHANGES, "Auditing_Changes", tags="audit"),
    build_child_dataset(CHANGES, "Endpoint_Changes", tags="endpoint"),
    build_child_dataset(CHANGES, "Endpoint_Restarts", 'change_type="restart"', tags="endpoint"),
    build_child_dataset(CHANGES, "Other_Endpoint_Changes", 'change_type!="restart"', tags="endpoint"),
    build_child_dataset(CHANGES, "Network_Changes", tags="network"),
    build_child_dataset(CHANGES, "Device_Restarts", 'change_type="restart"', tags="network"),
    build_child_dataset(CHANGES, "Instance_Changes", tags="instance", fields="image_id instance_type"),
    build_child_dataset(UPDATES, "Update_Errors", tags="error"),
    *(
        build_child_dataset(VULNERABILITIES, f"{level.title()}_Vulnerabilities", f'severity="{level}"')
        for level in ("informational", "low", "medium", "high", "critical")
    ),
    build_child_dataset(VULNERABILITIES, "High_Or_Critical_Vulnerabilities", 'in(severity, "high", "critical")'),
    build_child_dataset(INVENTORY, "CPU", tags="cpu", fields="cpu_cores cpu_count cpu_mhz"),
    build_child_dataset(INVENTORY, "Memory", tags="memory", fields="mem"),
    build_child_dataset(
        INVENTORY, "Network", tags="network", fields="dns inline_nat interface ip lb_method mac name node node_port "
        "src_ip vip_port",
    ),
    build_child_dataset(
        INVENTORY, "Storage", tags="storage", fields="array blocksize cluster fd_max latency mount parent storage"
    ),
    build_child_dataset(INVENTORY, "OS", tags="system version", fields="os version"),
    build_child_dataset(INVENTORY, "User", tags="user", fields="interactive password shell user user_id"),
    build_child_dataset(INVENTORY, "Virtual_OS", tags="virtual", fields="hypervisor"),
    build_child_dataset(PERFORMANCE, "CPU", tags="cpu"),
    build_child_dataset(PERFORMANCE, "Memory", tags="memory"),
    build_child_dataset(PERFORMANCE, "Storage", tags="storage"),
    build_child_dataset(PERFORMANCE, "Network", tags="network"),
    build_child_dataset(PERFORMANCE, "OS", tags="os"),
    build_child_dataset(PERFORMANCE, "Uptime", tags="uptime"),
    build_child_dataset(
        DATABASES, "Database_Instance", tags="instance", fields="instance_name instance_version process_limit"
    ),
    build_child_dataset(DATABASES, "Database_Query", tags="query", fields="query query_id query_time records_affected"),
)  # fmt: skip
ENDPOINT_ROOTS = (
    PROCESSES, REGISTRY_DATASET, FILESYSTEM, PORTS, SERVICES, CHANGES, UPDATES, VULNERABILITIES, INVENTORY, PERFORMANCE,
    DATABASES,
)  # fmt: skip
