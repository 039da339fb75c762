"""Data models about what passes between hosts: traffic, names, sessions, logons, web, mail, certificates.

Reference: reference/spl.md 9.2; CIM, Network Traffic, Network Resolution, Network Sessions, Authentication, Web, Email
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import CimDataset, about, build_child_dataset, build_root_dataset

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
