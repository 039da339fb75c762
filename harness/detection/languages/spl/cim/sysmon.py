"""Sysmon's events as the add-on for Sysmon shows them to data models.

Reference: reference/spl.md 9.3, 11.3 and 11.5
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import (
    EventGroup,
    account,
    channel,
    parent,
    print_case_eval,
    print_dns_answers_eval,
    print_file_name_eval,
    print_hyphen_test,
    program,
)

SYSMON_ORIGIN = channel("Microsoft-Windows-Sysmon/Operational")
DESCRIPTIONS = {
    "1": "Process Create", "2": "File Create Time", "3": "Network Connect", "4": "Sysmon Start",
    "5": "Process Terminate", "6": "Driver Load", "7": "Image Load", "8": "Create Remote Thread",
    "9": "Raw Access Read", "10": "Process Access", "11": "File Create", "12": "Registry object added or deleted",
    "13": "Registry value set", "14": "Registry object renamed", "15": "File create stream hash",
    "16": "Sysmon configuration state changed", "17": "Pipe Created", "18": "Pipe Connected",
    "19": "WMI Event Filter", "20": "WMI Event Consumer", "21": "WMI Event Consumer To Filter", "22": "DNS Query",
    "23": "File Delete", "24": "Clipboard Changed", "25": "Process Tampering", "26": "File Delete Logged",
    "27": "File Block Executable", "28": "File Block Shredding", "29": "File Executable Detected", "255": "Error",
}  # fmt: skip
# QueryStatus is an error of Windows (reference/spl.md 11.5): 9003 is DNS_ERROR_RCODE_NAME_ERROR.
REPLY_CODES = {
    "0": "No Error", "9001": "Format Error", "9002": "Server Failure", "9003": "Non-Existent Domain",
    "9004": "Not Implemented", "9005": "Query Refused", "9501": "No Error", "9701": "Non-Existent Domain",
}  # fmt: skip
SYSMON_COMMON_FIELDS = {
    "dest": "Computer",
    "dvc": "Computer",
    "dvc_nt_host": "host",
    "user": account("User"),
    "user_id": "UserID",
    "process_id": "ProcessId",
    "process_guid": "ProcessGuid",
    "signature": print_case_eval("EventCode", DESCRIPTIONS),
    "signature_id": "EventCode",
    "vendor_product": '"Microsoft Sysmon"',
    "os": '"Microsoft Windows"',
    "event_id": "EventCode",
    "host_fqdn": "Computer",
}
SYSMON_PROCESS_FIELDS = {
    **SYSMON_COMMON_FIELDS,
    **program("Image"),
    **parent("ParentImage"),
    "process": 'if(EventCode="5", Image, CommandLine)',
    "process_current_directory": "CurrentDirectory",
    "process_integrity_level": "lower(IntegrityLevel)",
    "process_hash": "Hashes",
    "parent_process": "ParentCommandLine",
    "parent_process_id": "ParentProcessId",
    "parent_process_guid": "ParentProcessGuid",
    "original_file_name": print_hyphen_test("OriginalFileName"),
    "action": '"allowed"',
}
IMAGE_LOAD = {
    **SYSMON_COMMON_FIELDS,
    **program("Image"),
    "loaded_file": print_file_name_eval("ImageLoaded"),
    "loaded_file_path": "ImageLoaded",
    "original_file_name": print_hyphen_test("OriginalFileName"),
    "process_hash": "Hashes",
    "service_signature_exists": "Signed",
    "service_signature_verified": 'if(SignatureStatus="Valid", "true", "false")',
    "service_dll_signature_exists": "Signed",
    "service_dll_signature_verified": 'if(SignatureStatus="Valid", "true", "false")',
    "action": '"allowed"',
}
PROCESS_ACCESS = {
    **SYSMON_COMMON_FIELDS,
    **program("SourceImage"),
    **parent("SourceImage"),
    "process_id": "SourceProcessId",
    "process_guid": "coalesce(SourceProcessGUID, SourceProcessGuid)",
    "parent_process_id": "SourceProcessId",
    "parent_process_guid": "coalesce(SourceProcessGUID, SourceProcessGuid)",
    "target_process_name": print_file_name_eval("TargetImage"),
    "target_process_path": "TargetImage",
    "granted_access": "GrantedAccess",
    "src_address": "StartAddress",
    "src_function": "StartFunction",
    "src_module": "StartModule",
    "user": account("coalesce(SourceUser, User)"),
    "action": '"allowed"',
}
NETWORK = {
    **SYSMON_COMMON_FIELDS,
    **{k: v for k, v in program("Image").items() if k != "process_path"},
    "dest": f"coalesce({print_hyphen_test('DestinationHostname')}, DestinationIp)",
    "dest_host": print_hyphen_test("DestinationHostname"),
    "dest_ip": "DestinationIp",
    "dest_port": "DestinationPort",
    "src": f"coalesce({print_hyphen_test('SourceHostname')}, SourceIp)",
    "src_host": print_hyphen_test("SourceHostname"),
    "src_ip": "SourceIp",
    "src_port": "SourcePort",
    "dvc_ip": "SourceIp",
    "transport": "Protocol",
    "transport_dest_port": 'Protocol."/".DestinationPort',
    "protocol": '"ip"',
    "protocol_version": 'if(SourceIsIpv6="true", "ipv6", "ipv4")',
    "app": "Image",
    "direction": 'if(Initiated="true", "outbound", "inbound")',
    "state": '"established"',
    "creation_time": "UtcTime",
    "action": '"allowed"',
}
SYSMON_FILE_FIELDS = {
    **SYSMON_COMMON_FIELDS,
    **program("Image"),
    "file_path": "TargetFilename",
    "file_name": print_file_name_eval("TargetFilename"),
    "file_create_time": "CreationUtcTime",
    "file_modify_time": 'if(in(EventCode, "2", "23", "26"), UtcTime, null())',
    "file_hash": "coalesce(Hashes, Hash)",
    "object_category": '"file"',
    "object_path": "TargetFilename",
    "status": '"success"',
    "action": 'case(in(EventCode, "23", "26"), "deleted", EventCode="2", "modified", '
    'in(EventCode, "27", "28"), "blocked", true(), "created")',
}
SYSMON_REGISTRY_FIELDS = {
    **SYSMON_COMMON_FIELDS,
    **program("Image"),
    "registry_path": "TargetObject",
    "registry_key_name": r'if(EventCode="12", TargetObject, replace(TargetObject, "\\\\[^\\\\]*$", ""))',
    "registry_value_name": r'if(EventCode="12", null(), replace(TargetObject, "^.*\\\\", ""))',
    "registry_value_data": r'replace(Details, "^[DQ]WORD \((.*)\)$", "\1")',
    "registry_value_type": r'case(match(Details, "^DWORD"), "REG_DWORD", match(Details, "^QWORD"), "REG_QWORD", '
    r'Details="Binary Data", "REG_BINARY", isnotnull(Details), "REG_SZ")',
    "registry_hive": r'replace(TargetObject, "^(HK\w+).*$", "\1")',
    "object_category": '"registry"',
    "object_path": "TargetObject",
    "status": '"success"',
    "action": 'case(match(EventType, "Delete"), "deleted", match(EventType, "Create"), "created", true(), "modified")',
}
WMI = {
    **SYSMON_COMMON_FIELDS,
    "object": "coalesce(Name, Consumer, Filter)",
    "object_category": '"wmi"',
    "object_path": "coalesce(Destination, Consumer, Query)",
    "object_attrs": "coalesce(Query, Filter, Type)",
    "change_type": '"wmi"',
    "src": "Computer",
    "result": "Operation",
    "status": '"success"',
    "action": 'case(Operation="Deleted", "deleted", Operation="Modified", "modified", true(), "created")',
}
SYSMON_DNS_FIELDS = {
    **SYSMON_COMMON_FIELDS,
    **program("Image"),
    "query": "QueryName",
    "query_count": "1",
    "answer": print_dns_answers_eval("QueryResults"),
    "reply_code_id": "QueryStatus",
    "reply_code": print_case_eval("QueryStatus", REPLY_CODES, '"unknown"'),
    "src": "Computer",
    "message_type": 'if(isnull(QueryResults), "QUERY", "RESPONSE")',
}
PIPE = {**SYSMON_COMMON_FIELDS, **program("Image"), "pipe_name": "PipeName", "action": '"allowed"'}
SERVICE = {
    **SYSMON_COMMON_FIELDS,
    "service": '"Sysmon"',
    "service_name": '"Sysmon"',
    "service_id": '"Sysmon"',
    "status": "lower(State)",
}

PROCESS_TYPE, PROCESS_TAGS = ("ms-sysmon-process",), ("process", "report")

SYSMON_GROUPS = (
    EventGroup(
        origin=SYSMON_ORIGIN, codes=("1", "5"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=SYSMON_PROCESS_FIELDS
    ),
    EventGroup(origin=SYSMON_ORIGIN, codes=("6", "7"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=IMAGE_LOAD),
    EventGroup(
        origin=SYSMON_ORIGIN, codes=("8", "10"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=PROCESS_ACCESS
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("9", "15", "24", "25"),
        eventtypes=PROCESS_TYPE,
        tags=PROCESS_TAGS,
        fields={**SYSMON_FILE_FIELDS, "action": '"allowed"'},
    ),
    EventGroup(origin=SYSMON_ORIGIN, codes=("17", "18"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=PIPE),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("3",),
        eventtypes=("ms-sysmon-network",),
        tags=("network", "communicate", "listening", "port"),
        fields=NETWORK,
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("2", "11", "23", "26", "27", "28", "29"),
        eventtypes=("ms-sysmon-filemod",),
        tags=("endpoint", "filesystem", "change"),
        fields=SYSMON_FILE_FIELDS,
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("12", "13", "14"),
        eventtypes=("ms-sysmon-regmod",),
        tags=("endpoint", "registry", "change"),
        fields=SYSMON_REGISTRY_FIELDS,
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("19", "20", "21"),
        eventtypes=("ms-sysmon-wmimod",),
        tags=("change", "endpoint"),
        fields=WMI,
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("22",),
        eventtypes=("ms-sysmon-dns",),
        tags=("network", "resolution", "dns"),
        fields=SYSMON_DNS_FIELDS,
    ),
    EventGroup(
        origin=SYSMON_ORIGIN,
        codes=("4", "16", "255"),
        eventtypes=("ms-sysmon-service",),
        tags=("service", "report"),
        fields=SERVICE,
    ),
)
SYSMON_REST = (EventGroup(origin=SYSMON_ORIGIN, eventtypes=("ms-sysmon",), fields=SYSMON_COMMON_FIELDS),)
