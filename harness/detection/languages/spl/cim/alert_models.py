"""Data models about what other products and Splunk itself found: alerts, malware, intrusions, risk, leaks, audits.

Reference: reference/spl.md 9.2; CIM, Alerts, Malware, Intrusion Detection, DLP, Data Access, Splunk Audit Logs
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import CimDataset, about, build_child_dataset, build_root_dataset
from harness.detection.languages.spl.cim.groups import split_names

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
