"""Data models about hosts: what runs there, what it changes, what is installed.

Reference: reference/spl.md 9.2; CIM, Endpoint, Change, Updates, Vulnerabilities, Inventory
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import Dataset, about, part, root

FIRST_WORD = r'replace({0}, "^\"?([^\"\s]*).*$", "\1")'
DEST = about("dest") + " dest_is_expected dest_requires_av dest_should_timesync dest_should_update"

PROCESSES = root(
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
REGISTRY = root(
    "Endpoint",
    "Registry",
    "endpoint registry",
    f"action {DEST} process_guid process_id registry_hive registry_key_name registry_path registry_value_data "
    f"registry_value_name registry_value_text registry_value_type status {about('user')} vendor_product",
    "action dest registry_path registry_key_name registry_value_name registry_value_data registry_value_type user",
)
FILESYSTEM = root(
    "Endpoint",
    "Filesystem",
    "endpoint filesystem",
    f"action {DEST} file_access_time file_acl file_create_time file_hash file_modify_time file_name file_path "
    f"file_size process_guid process_id process_name process_path {about('user')} vendor_product",
    "action dest file_name file_path file_hash file_acl user",
    {"file_size": "if(isnum(file_size), file_size, null())"},
)
PORTS = root(
    "Endpoint",
    "Ports",
    "listening port",
    f"creation_time {DEST} dest_port process_guid process_id {about('src')} src_port state transport "
    f"transport_dest_port {about('user')} user_id vendor_product",
    "dest dest_port transport user",
    {"transport": "lower(transport)"},
)
SERVICES = root(
    "Endpoint",
    "Services",
    "service report",
    f"description {DEST} process_guid process_id service service_dll service_dll_hash service_dll_path "
    "service_dll_signature_exists service_dll_signature_verified service_exec service_hash service_id service_name "
    f"service_path service_signature_exists service_signature_verified start_mode status {about('user')} user_id "
    "vendor_product",
    "dest service service_name service_id start_mode status user",
)
CHANGES = root(
    "Change",
    "All_Changes",
    "change",
    f"action change_type command {about('dest')} dvc image_id instance_type object object_attrs object_category "
    f"object_id object_path result result_id {about('src')} status {about('user')} user_agent user_name user_type "
    "vendor_account vendor_region vendor_product",
    "action change_type command dest dvc object object_category object_id result src status user",
    condition='NOT in(lower(coalesce(object_category, "")), "file", "directory", "registry")',
)
ACCOUNTS = part(
    CHANGES,
    "Account_Management",
    tags="account",
    fields=f"dest_nt_domain src_nt_domain {about('src_user')} src_user_name src_user_type",
)
UPDATES = root(
    "Updates",
    "Updates",
    "update status",
    f"{DEST} dvc file_hash file_name severity severity_id signature signature_id status vendor_product",
    "dest dvc severity signature signature_id status",
)
VULNERABILITIES = root(
    "Vulnerabilities",
    "Vulnerabilities",
    "report vulnerability",
    f"bugtraq category cert cve cvss {about('dest', 'dvc')} msft mskb severity severity_id signature signature_id url "
    f"{about('user')} xref vendor_product",
    "category dest dvc severity signature user",
)
INVENTORY = root(
    "Compute_Inventory",
    "All_Inventory",
    "inventory",
    f"{about('dest')} description enabled family hypervisor_id serial status version vendor_product",
    "dest",
)
PERFORMANCE = root(
    "Performance",
    "All_Performance",
    "performance",
    f"{about('dest')} cpu_load_percent mem mem_free mem_used storage storage_free storage_used thruput uptime "
    "hypervisor_id resource_type vendor_product",
    "dest",
)
DATABASES = root(
    "Databases",
    "All_Databases",
    "database",
    f"{about('dest')} duration object response_time {about('src', 'user')} vendor_product",
    "dest object src user",
)
PARTS: tuple[Dataset, ...] = (
    ACCOUNTS,
    part(CHANGES, "Accounts_Created", 'action="created"', tags="account"),
    part(CHANGES, "Accounts_Deleted", 'action="deleted"', tags="account"),
    part(CHANGES, "Accounts_Updated", 'action="modified"', tags="account"),
    part(CHANGES, "Account_Lockouts", 'action="lockout"', tags="account"),
    part(CHANGES, "Auditing_Changes", tags="audit"),
    part(CHANGES, "Endpoint_Changes", tags="endpoint"),
    part(CHANGES, "Endpoint_Restarts", 'change_type="restart"', tags="endpoint"),
    part(CHANGES, "Other_Endpoint_Changes", 'change_type!="restart"', tags="endpoint"),
    part(CHANGES, "Network_Changes", tags="network"),
    part(CHANGES, "Device_Restarts", 'change_type="restart"', tags="network"),
    part(CHANGES, "Instance_Changes", tags="instance", fields="image_id instance_type"),
    part(UPDATES, "Update_Errors", tags="error"),
    *(
        part(VULNERABILITIES, f"{level.title()}_Vulnerabilities", f'severity="{level}"')
        for level in ("informational", "low", "medium", "high", "critical")
    ),
    part(VULNERABILITIES, "High_Or_Critical_Vulnerabilities", 'in(severity, "high", "critical")'),
    part(INVENTORY, "CPU", tags="cpu", fields="cpu_cores cpu_count cpu_mhz"),
    part(INVENTORY, "Memory", tags="memory", fields="mem"),
    part(
        INVENTORY, "Network", tags="network", fields="dns inline_nat interface ip lb_method mac name node node_port "
        "src_ip vip_port",
    ),
    part(INVENTORY, "Storage", tags="storage", fields="array blocksize cluster fd_max latency mount parent storage"),
    part(INVENTORY, "OS", tags="system version", fields="os version"),
    part(INVENTORY, "User", tags="user", fields="interactive password shell user user_id"),
    part(INVENTORY, "Virtual_OS", tags="virtual", fields="hypervisor"),
    part(PERFORMANCE, "CPU", tags="cpu"),
    part(PERFORMANCE, "Memory", tags="memory"),
    part(PERFORMANCE, "Storage", tags="storage"),
    part(PERFORMANCE, "Network", tags="network"),
    part(PERFORMANCE, "OS", tags="os"),
    part(PERFORMANCE, "Uptime", tags="uptime"),
    part(DATABASES, "Database_Instance", tags="instance", fields="instance_name instance_version process_limit"),
    part(DATABASES, "Database_Query", tags="query", fields="query query_id query_time records_affected"),
)  # fmt: skip
ROOTS = (
    PROCESSES, REGISTRY, FILESYSTEM, PORTS, SERVICES, CHANGES, UPDATES, VULNERABILITIES, INVENTORY, PERFORMANCE,
    DATABASES,
)  # fmt: skip
