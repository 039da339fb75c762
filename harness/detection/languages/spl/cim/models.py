"""All data models: endpoint, network, alert. One table.

Reference: reference/spl.md 9.2; CIM, Endpoint, Change, Updates, Vulnerabilities, Inventory

Reference: reference/spl.md 9.2; CIM, Network Traffic, Network Resolution, Network Sessions, Authentication, Web, Email

Reference: reference/spl.md 9.2; CIM, Alerts, Malware, Intrusion Detection, DLP, Data Access, Splunk Audit Logs

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import (
    CimDataset,
    about,
    build_child_dataset,
    build_root_dataset,
    split_names,
)

# process_name falls back to the first word of the command line (reference/spl.md 9.2).
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


TRAFFIC = build_root_dataset(
    "Network_Traffic",
    "All_Traffic",
    "network communicate",
    f"action app bytes bytes_in bytes_out channel {about('dest')} dest_interface dest_ip dest_mac dest_port "
    "dest_translated_ip dest_translated_port dest_zone direction duration "
    f"{about('dvc')} dvc_ip dvc_mac dvc_zone flow_id icmp_code icmp_type packets packets_in packets_out process_id "
    f"protocol protocol_version response_time rule session_id {about('src')} src_interface src_ip src_mac src_port "
    f"src_translated_ip src_translated_port src_zone ssid tcp_flag transport tos ttl {about('user')} vendor_account "
    "vlan wifi vendor_product",
    "action dest dvc rule src user",
    {
        "dest_port": "if(isnum(dest_port), dest_port, 0)",
        "src_port": "if(isnum(src_port), src_port, 0)",
        "transport": "lower(transport)",
        "bytes": "coalesce(bytes, bytes_in+bytes_out)",
    },
)
DNS_DATASET = build_root_dataset(
    "Network_Resolution",
    "DNS",
    "network resolution dns",
    f"additional_answer_count answer answer_count authority_answer_count {about('dest')} dest_port duration "
    f"message_type name query query_count query_type record_type reply_code reply_code_id response_time {about('src')} "
    "src_port transaction_id transport ttl flow_id vendor_product",
    "answer dest query message_type name record_type reply_code src",
    {
        "answer_count": "coalesce(answer_count, 1)",
        "query_count": "coalesce(query_count, 1)",
        "query_type": "coalesce(query_type, record_type)",
    },
)
SESSIONS = build_root_dataset(
    "Network_Sessions",
    "All_Sessions",
    "network session",
    "action app dest_bunit dest_category dest_dns dest_ip dest_mac dest_nt_host dest_priority duration dvc "
    "response_time signature signature_id src_bunit src_category src_dns src_ip src_mac src_nt_host src_priority "
    f"{about('user')} vendor_product",
    "action dest_dns dest_ip dest_mac dest_nt_host dvc src_dns src_ip src_mac src_nt_host user",
)
AUTHENTICATION = build_root_dataset(
    "Authentication",
    "Authentication",
    "authentication",
    f"action app authentication_method authentication_service {about('dest')} dest_nt_domain duration method reason "
    f"response_time signature signature_id {about('src')} src_nt_domain {about('src_user')} src_user_id src_user_role "
    f"src_user_type {about('user')} user_agent user_id user_role user_type vendor_account vendor_product",
    "action app dest src src_user user",
    condition='NOT coalesce(lower(action)="success" AND match(user, "\\$$"), false())',
)
WEB = build_root_dataset(
    "Web",
    "Web",
    "web",
    f"action app bytes bytes_in bytes_out cached category cookie {about('dest')} dest_port duration "
    "http_content_type http_method http_referrer http_referrer_domain http_user_agent http_user_agent_length "
    f"response_time site {about('src')} status uri_path uri_query url url_domain url_length {about('user')} "
    "error_code operation storage_name vendor_product",
    "action category dest dest_port http_content_type http_method http_referrer http_user_agent site src status "
    "uri_path uri_query url user",
    {
        "bytes": "coalesce(bytes, bytes_in+bytes_out)",
        "http_user_agent": "coalesce(http_user_agent, user_agent)",
        "http_user_agent_length": "len(coalesce(http_user_agent, user_agent))",
        "url_length": "len(url)",
        "url_domain": r'coalesce(url_domain, replace(url, "^(?:\w+://)?([^/:?]+).*$", "\1"))',
        "http_referrer_domain": r"coalesce(http_referrer_domain, "
        r'replace(http_referrer, "^(?:\w+://)?([^/:?]+).*$", "\1"))',
    },
)
EMAIL = build_root_dataset(
    "Email",
    "All_Email",
    "email",
    f"action delay {about('dest')} duration file_hash file_name file_size internal_message_id message_id message_info "
    "orig_dest orig_recipient orig_src process process_id protocol recipient recipient_count recipient_domain "
    f"recipient_status response_time retries return_addr size {about('src')} {about('src_user')} src_user_domain "
    f"status_code subject url {about('user')} xdelay xref vendor_product",
    "action dest recipient src src_user",
)
CERTIFICATES = build_root_dataset(
    "Certificates",
    "All_Certificates",
    "certificate",
    f"{about('dest')} dest_port duration response_time {about('src')} src_port transport vendor_product",
    "dest src",
)
NETWORK_PARTS: tuple[CimDataset, ...] = (
    build_child_dataset(TRAFFIC, "Allowed_Traffic", 'action="allowed"'),
    build_child_dataset(TRAFFIC, "Blocked_Traffic", 'action="blocked"'),
    build_child_dataset(SESSIONS, "Session_Start", tags="start"),
    build_child_dataset(SESSIONS, "Session_End", tags="end"),
    build_child_dataset(SESSIONS, "DHCP", tags="dhcp", fields="lease_duration lease_scope"),
    build_child_dataset(SESSIONS, "VPN", tags="vpn"),
    build_child_dataset(AUTHENTICATION, "Failed_Authentication", 'action="failure"'),
    build_child_dataset(AUTHENTICATION, "Successful_Authentication", 'action="success"'),
    build_child_dataset(AUTHENTICATION, "Default_Authentication", tags="default"),
    build_child_dataset(AUTHENTICATION, "Failed_Default_Authentication", 'action="failure"', tags="default"),
    build_child_dataset(AUTHENTICATION, "Successful_Default_Authentication", 'action="success"', tags="default"),
    build_child_dataset(AUTHENTICATION, "Insecure_Authentication", tags="insecure"),
    build_child_dataset(AUTHENTICATION, "Privileged_Authentication", tags="privileged"),
    build_child_dataset(AUTHENTICATION, "Failed_Privileged_Authentication", 'action="failure"', tags="privileged"),
    build_child_dataset(AUTHENTICATION, "Successful_Privileged_Authentication", 'action="success"', tags="privileged"),
    build_child_dataset(WEB, "Proxy", tags="proxy"),
    build_child_dataset(WEB, "Storage", tags="storage", fields="error_code operation storage_name"),
    build_child_dataset(EMAIL, "Delivery", tags="delivery"),
    build_child_dataset(EMAIL, "Content", tags="content"),
    build_child_dataset(
        EMAIL, "Filtering", tags="filter", fields="filter_action filter_score signature signature_extra signature_id"
    ),
    build_child_dataset(
        CERTIFICATES,
        "SSL",
        tags="ssl",
        fields="ssl_end_time ssl_engine ssl_hash ssl_is_valid ssl_issuer ssl_issuer_common_name ssl_issuer_email "
        "ssl_issuer_email_domain ssl_issuer_locality ssl_issuer_organization ssl_issuer_state ssl_issuer_street "
        "ssl_issuer_unit ssl_name ssl_policies ssl_publickey ssl_publickey_algorithm ssl_serial ssl_session_id "
        "ssl_signature_algorithm ssl_start_time ssl_subject ssl_subject_common_name ssl_subject_email "
        "ssl_subject_email_domain ssl_subject_locality ssl_subject_organization ssl_subject_state ssl_subject_street "
        "ssl_subject_unit ssl_validity_window ssl_version",
    ),
)
NETWORK_ROOTS = (TRAFFIC, DNS_DATASET, SESSIONS, AUTHENTICATION, WEB, EMAIL, CERTIFICATES)


ALERTS = build_root_dataset(
    "Alerts",
    "Alerts",
    "alert",
    f"app description {about('dest')} dest_type id mitre_technique_id severity severity_id signature signature_id "
    f"{about('src')} src_type type {about('user')} user_name vendor vendor_account vendor_region vendor_product",
    "app dest severity signature src type user",
)
MALWARE = build_root_dataset(
    "Malware",
    "Malware_Attacks",
    "malware attack",
    f"action category date {about('dest')} dest_nt_domain dest_requires_av file_hash file_name file_path sender "
    f"severity severity_id signature signature_id {about('src')} src_user url {about('user')} vendor_product",
    "action category date dest file_hash file_name file_path sender signature src url user",
)
MALWARE_OPERATIONS = build_root_dataset(
    "Malware",
    "Malware_Operations",
    "malware operations",
    f"{about('dest')} dest_nt_domain dest_requires_av product_version signature_version vendor_product",
    "dest product_version signature_version",
)
INTRUSIONS = build_root_dataset(
    "Intrusion_Detection",
    "IDS_Attacks",
    "ids attack",
    f"action category {about('dest')} dest_port {about('dvc')} file_hash file_name file_path ids_type severity "
    f"severity_id signature signature_id {about('src')} src_port transport url {about('user')} vendor_product",
    "action category dest dvc ids_type severity signature src transport user",
)
LEAKS = build_root_dataset(
    "DLP",
    "DLP_Incidents",
    "dlp incident",
    f"action app category {about('dest')} dest_zone dlp_type {about('dvc')} dvc_zone object object_category "
    f"object_path severity severity_id signature signature_id {about('src')} {about('src_user')} src_zone "
    f"{about('user')} vendor_product",
    "action app category dest dlp_type dvc object severity signature src src_user user",
)
ACCESS = build_root_dataset(
    "Data_Access",
    "Data_Access",
    "data access",
    "action app dest dvc email object object_attrs object_category object_id object_path object_size owner owner_email "
    "owner_id parent_object parent_object_category parent_object_id src tenant_id user user_agent user_group user_name "
    "user_role vendor_account vendor_product_id vendor_region vendor_product",
    "action app dest object object_category src user",
)
TICKETS = build_root_dataset(
    "Ticket_Management",
    "All_Ticket_Management",
    "ticketing",
    f"affect_dest comments description {about('dest', 'src_user', 'user')} priority severity severity_id splunk_id "
    "splunk_realm status ticket_id time_submitted vendor_product",
    "dest src_user status ticket_id user",
)
SIGNATURES = build_root_dataset(
    "Event_Signatures",
    "Signatures",
    "track_event_signatures",
    f"{about('dest')} signature signature_id vendor_product",
    "dest signature signature_id",
)
MESSAGES = build_root_dataset(
    "Interprocess_Messaging",
    "All_Interprocess_Messaging",
    "messaging",
    f"{about('dest')} duration endpoint endpoint_version message message_consumed_time message_correlation_id "
    "message_delivered_time message_delivery_mode message_expiration_time message_id message_priority "
    "message_properties message_received_time message_redelivered message_reply_dest message_type parameters payload "
    "payload_type request_payload request_payload_type request_sent_time response_code response_payload_type "
    "response_received_time response_time return_message rpc_protocol status vendor_product",
    "dest",
)
BEHAVIOUR = build_root_dataset(
    "UEBA",
    "All_UEBA_Events",
    "ueba",
    f"action app category description {about('dest')} dvc id link modify_time severity severity_id signature "
    f"{about('src')} uba_event_id uba_event_type uba_host uba_model uba_model_version uba_time url {about('user')} "
    "vendor_product",
    "dest src user",
)
RISK = CimDataset(
    model="Risk",
    name="All_Risk",
    index="risk",
    fields=split_names(
        f"analyticstories annotations annotations._all annotations.mitre_attack "
        "annotations.mitre_attack.mitre_description annotations.mitre_attack.mitre_tactic "
        "annotations.mitre_attack.mitre_technique annotations.mitre_attack.mitre_technique_id annotations.cis20 "
        "annotations.kill_chain_phases annotations.nist calculated_risk_score control creator description "
        f"{about('dest')} governance normalized_risk_object object object_category risk_event_id risk_factor_add "
        "risk_factor_mult risk_message risk_modifier_count risk_object risk_object_bunit risk_object_category "
        "risk_object_priority risk_object_type risk_score savedsearch_description source "
        f"{about('src')} tag threat_object threat_object_type {about('user')}"
    ),
)
AUDITED = "action app dest host info search search_id search_name search_type user vendor_product"
AUDITS = (
    CimDataset(model="Splunk_Audit", name="Datamodel_Acceleration", index="_audit", fields=split_names(
        "access_count access_time app buckets buckets_size complete cron datamodel digest earliest error_message "
        "is_inprogress last_error last_sid latest mod_time retention size summary_id"
    )),
    CimDataset(model="Splunk_Audit", name="Splunk_Audit", index="_audit", fields=split_names(AUDITED)),
    CimDataset(model="Splunk_Audit", name="Search_Activity", index="_audit", fields=split_names(
        f"{AUDITED} event_count exec_time result_count savedsearch_name scan_count search_et search_lt spid "
        "total_run_time user_bunit user_category user_priority"
    )),
    CimDataset(model="Splunk_Audit", name="Scheduler_Activity", index="_internal", fields=split_names(
        "app host savedsearch_name sid splunk_server status user run_time"
    )),
    CimDataset(
        model="Splunk_Audit", name="View_Activity", index="_internal", fields=split_names("app spent uri user view")
    ),
    CimDataset(model="Splunk_Audit", name="Web_Service_Errors", index="_internal", fields=split_names("event_id host")),
    CimDataset(model="Splunk_Audit", name="Modular_Actions", index="cim_modactions", fields=split_names(
        "action_mode action_name action_status app duration component orig_rid orig_sid rid search_name signature sid "
        "user worker"
    )),
)  # fmt: skip
ALERT_PARTS: tuple[CimDataset, ...] = (
    build_child_dataset(MALWARE, "Allowed_Malware", 'action="allowed"'),
    build_child_dataset(MALWARE, "Blocked_Malware", 'action="blocked"'),
    build_child_dataset(MALWARE, "Quarantined_Malware", 'action="deferred"'),
    build_child_dataset(INTRUSIONS, "Application_Intrusion_Detection", 'ids_type="application"'),
    build_child_dataset(INTRUSIONS, "Host_Intrusion_Detection", 'ids_type="host"'),
    build_child_dataset(INTRUSIONS, "Network_Intrusion_Detection", 'ids_type="network"'),
    build_child_dataset(INTRUSIONS, "Wireless_Intrusion_Detection", 'ids_type="wireless"'),
    build_child_dataset(TICKETS, "Change", tags="change"),
    build_child_dataset(TICKETS, "Incident", tags="incident"),
    build_child_dataset(TICKETS, "Problem", tags="problem"),
    build_child_dataset(BEHAVIOUR, "UEBA_Anomalies", "isnotnull(uba_model)", fields="uba_model uba_model_version"),
)
ALERT_ROOTS = (
    ALERTS, MALWARE, MALWARE_OPERATIONS, INTRUSIONS, LEAKS, ACCESS, TICKETS, SIGNATURES, MESSAGES, BEHAVIOUR, RISK,
    *AUDITS,
)  # fmt: skip


CIM_DATASETS: tuple[CimDataset, ...] = (
    *ENDPOINT_ROOTS,
    *NETWORK_ROOTS,
    *ALERT_ROOTS,
)
CHILDREN: tuple[CimDataset, ...] = (
    *ENDPOINT_PARTS,
    *NETWORK_PARTS,
    *ALERT_PARTS,
)
