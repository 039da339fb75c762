"""Falcon's events as the add-on for CrowdStrike FDR shows them to data models.

The field names of ProcessRollup2 are those that published detections declare for this add-on; which data models the
other kinds are tagged for is known of release 3.2, how their fields are made is assumed. That release tags connections
`listening` and `port` alone: the switch `falcon_connections` says whether a site made them network traffic besides.

Reference: reference/telemetry.md 3; Splunk Add-on for CrowdStrike FDR, source types and CIM extractions
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import EventGroup, EventOrigin, print_case_eval, split_names

FALCON_ORIGIN = EventOrigin(field="sourcetype", ends="crowdstrike:events:sensor", code="event_simpleName")
STREAM = EventOrigin(field="sourcetype", ends="CrowdStrike:Event:Streams:JSON", code="metadata.eventType")


def last_part(field: str) -> str:
    """The file name of a path, whichever slash it has."""
    return rf'replace({field}, "^.*[\\\\/]", "")'


HOST = "coalesce(ComputerName, aid_computer_name, aid)"
# Numbers of IANA: protocols here, types of DNS records and of registry values below.
TRANSPORTS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp"}
RECORD_TYPES = {
    "1": "A", "2": "NS", "5": "CNAME", "6": "SOA", "12": "PTR", "15": "MX", "16": "TXT", "28": "AAAA", "33": "SRV",
    "255": "ANY",
}  # fmt: skip
VALUE_TYPES = {
    "0": "REG_NONE", "1": "REG_SZ", "2": "REG_EXPAND_SZ", "3": "REG_BINARY", "4": "REG_DWORD", "7": "REG_MULTI_SZ",
    "11": "REG_QWORD",
}  # fmt: skip
FALCON_COMMON_FIELDS = {
    "dest": HOST,
    "dvc": HOST,
    "user": "coalesce(UserName, UserSid)",
    "user_id": "UserSid",
    "process_id": "coalesce(RawProcessId, ContextProcessId, TargetProcessId)",
    "process_name": "coalesce(ContextBaseFileName, ContextImageFileName)",
    "process_exec": "coalesce(ContextBaseFileName, ContextImageFileName)",
    "signature": "event_simpleName",
    "signature_id": "event_simpleName",
    "vendor_product": '"CrowdStrike FDR"',
    "os": print_case_eval("event_platform", {"Win": "Windows", "Mac": "macOS", "Lin": "Linux"}, "event_platform"),
}
FALCON_PROCESS_FIELDS = {
    **FALCON_COMMON_FIELDS,
    "process": "CommandLine",
    "process_id": "RawProcessId",
    "process_guid": "TargetProcessId",
    "process_path": "ImageFileName",
    "process_name": last_part("ImageFileName"),
    "process_exec": last_part("ImageFileName"),
    "process_hash": "SHA256HashData",
    "process_integrity_level": print_case_eval(
        "IntegrityLevel", {"0": "untrusted", "4096": "low", "8192": "medium", "12288": "high", "16384": "system"}
    ),
    "process_current_directory": "WorkingDirectory",
    "original_file_name": "OriginalFilename",
    "parent_process_name": last_part("ParentBaseFileName"),
    "parent_process_exec": last_part("ParentBaseFileName"),
    "parent_process_id": "ParentProcessId",
    "parent_process_guid": "ParentProcessId",
    "action": 'if(match(event_simpleName, "Blocked"), "blocked", "allowed")',
}
FALCON_FILE_FIELDS = {
    **FALCON_COMMON_FIELDS,
    "file_path": "coalesce(TargetFileName, ImageFileName)",
    "file_name": last_part("coalesce(TargetFileName, ImageFileName)"),
    "file_hash": "coalesce(SHA256HashData, MD5HashData)",
    "file_size": "Size",
    "object_category": '"file"',
    "action": 'case(match(event_simpleName, "Delete"), "deleted", match(event_simpleName, "Rename"), "modified", '
    'true(), "created")',
}
FALCON_REGISTRY_FIELDS = {
    **FALCON_COMMON_FIELDS,
    "registry_path": r'coalesce(RegObjectName."\\".RegValueName, RegObjectName)',
    "registry_key_name": "RegObjectName",
    "registry_value_name": "RegValueName",
    "registry_value_data": "coalesce(RegStringValue, RegNumericValue, RegBinaryValue)",
    "registry_value_type": print_case_eval("RegType", VALUE_TYPES),
    "registry_hive": r'case(match(RegObjectName, "(?i)^\\\\REGISTRY\\\\MACHINE"), "HKEY_LOCAL_MACHINE", '
    r'match(RegObjectName, "(?i)^\\\\REGISTRY\\\\USER"), "HKEY_USERS", true(), null())',
    "object_category": '"registry"',
    "status": '"success"',
    "action": '"modified"',
}
LOCAL, REMOTE = "coalesce(LocalAddressIP4, LocalAddressIP6)", "coalesce(RemoteAddressIP4, RemoteAddressIP6)"
TRANSPORT = print_case_eval("Protocol", TRANSPORTS, "Protocol")
TRAFFIC = {
    **FALCON_COMMON_FIELDS,
    "app": "ContextBaseFileName",
    "transport": TRANSPORT,
    "protocol": '"ip"',
    "protocol_version": 'if(match(event_simpleName, "6$"), "ipv6", "ipv4")',
    "process_id": "ContextProcessId",
    "creation_time": "ContextTimeStamp",
    "state": '"established"',
    "action": '"allowed"',
}
OUTBOUND = {
    **TRAFFIC,
    "src": LOCAL,
    "src_ip": LOCAL,
    "src_port": "LocalPort",
    "dest": REMOTE,
    "dest_ip": REMOTE,
    "dest_port": "RemotePort",
    "transport_dest_port": f'{TRANSPORT}."/".RemotePort',
    "direction": 'if(ConnectionDirection="1", "inbound", "outbound")',
}
INBOUND = {
    **TRAFFIC,
    "src": REMOTE,
    "src_ip": REMOTE,
    "src_port": "RemotePort",
    "dest": LOCAL,
    "dest_ip": LOCAL,
    "dest_port": "LocalPort",
    "transport_dest_port": f'{TRANSPORT}."/".LocalPort',
    "direction": '"inbound"',
}
# A listening socket has no other side.
LISTENING = {**INBOUND, "src": "null()", "src_port": "null()", "dest": HOST, "state": '"listening"'}
FALCON_DNS_FIELDS = {
    **FALCON_COMMON_FIELDS,
    "query": "DomainName",
    "query_count": "coalesce(DnsRequestCount, 1)",
    "record_type": print_case_eval("RequestType", RECORD_TYPES, "RequestType"),
    "answer": 'mvappend(split(trim(CNAMERecords, ";"), ";"), split(trim(IP4Records, ";"), ";"), '
    'split(trim(IP6Records, ";"), ";"))',
    "reply_code_id": "QueryStatus",
    "reply_code": print_case_eval(
        "QueryStatus", {"0": "No Error", "9002": "Server Failure", "9003": "Non-Existent Domain"}
    ),
    "src": HOST,
    "dest": 'if(RespondingDnsServer="", null(), RespondingDnsServer)',
    "process_id": "ContextProcessId",
    "message_type": 'if(isnull(IP4Records) AND isnull(IP6Records) AND isnull(CNAMERecords), "QUERY", "RESPONSE")',
}
LOGON = {
    **FALCON_COMMON_FIELDS,
    "action": 'if(match(event_simpleName, "Failed"), "failure", "success")',
    "app": '"win:" . case(in(LogonType, "2", "7", "11"), "local", in(LogonType, "3", "10"), "remote", '
    'true(), "unknown")',
    "src": "coalesce(RemoteAddressIP4, RemoteAddressIP6, ClientComputerName)",
    "src_ip": "coalesce(RemoteAddressIP4, RemoteAddressIP6)",
    "dest_nt_domain": "LogonDomain",
    "authentication_method": "AuthenticationPackage",
    "reason": "coalesce(SubStatus, Status)",
    "user_role": 'if(UserIsAdmin="1", "admin", null())',
}
ACCOUNT = {
    **FALCON_COMMON_FIELDS,
    "object": "coalesce(UserName, GroupRid)",
    "object_id": "UserSid",
    "object_category": '"user"',
    "change_type": '"AAA"',
    "result": "event_simpleName",
    "status": '"success"',
    "action": 'case(match(event_simpleName, "Created"), "created", match(event_simpleName, "Deleted"), "deleted", '
    'true(), "modified")',
}
TASK = {
    **FALCON_COMMON_FIELDS,
    "object": "TaskName",
    "object_category": '"scheduled task"',
    "object_attrs": "coalesce(TaskXml, TaskExecCommand)",
    "change_type": '"scheduling"',
    "command": 'coalesce(TaskExecCommand." ".TaskExecArguments, TaskExecCommand)',
    "result": "event_simpleName",
    "status": '"success"',
    "action": 'case(match(event_simpleName, "Registered"), "created", match(event_simpleName, "Deleted"), "deleted", '
    'true(), "modified")',
}
SERVICE = {
    **FALCON_COMMON_FIELDS,
    "service": "coalesce(ServiceDisplayName, ServiceObjectName)",
    "service_name": "coalesce(ServiceDisplayName, ServiceObjectName)",
    "service_path": "coalesce(ServiceImagePath, ImageFileName)",
    "service_exec": last_part("coalesce(ServiceImagePath, ImageFileName)"),
    "service_hash": "SHA256HashData",
    "start_mode": print_case_eval(
        "ServiceStart", {"0": "boot", "1": "system", "2": "auto", "3": "manual", "4": "disabled"}, "ServiceStart"
    ),
    "status": 'case(match(event_simpleName, "Started"), "started", match(event_simpleName, "Stopped"), "stopped", '
    'match(event_simpleName, "Create"), "installed", true(), "modified")',
}
MODULE = {
    **FALCON_COMMON_FIELDS,
    "loaded_file": last_part("ImageFileName"),
    "loaded_file_path": "ImageFileName",
    "process_hash": "SHA256HashData",
}
FALCON_SCRIPT_FIELDS = {
    **FALCON_COMMON_FIELDS,
    "process": "coalesce(CommandLine, CommandHistory)",
    "process_path": "ImageFileName",
}
DETECTION = {
    "dest": "event.ComputerName",
    "user": "event.UserName",
    "severity": "lower('event.SeverityName')",
    "signature": "coalesce('event.DetectName', 'event.Name')",
    "description": "coalesce('event.DetectDescription', 'event.Description')",
    "file_name": "event.FileName",
    "file_path": "event.FilePath",
    "file_hash": "coalesce('event.SHA256String', 'event.MD5String')",
    "process": "event.CommandLine",
    "id": "coalesce('event.DetectId', 'event.CompositeId')",
    "type": '"alert"',
    "app": '"CrowdStrike Falcon"',
    "vendor_product": '"CrowdStrike Falcon Event Streams"',
}
DETECTION = {k: f"'{v}'" if v.startswith("event.") else v for k, v in DETECTION.items()}


def build_falcon_group(codes: str, tags: str, fields: dict[str, str], disputed: str = "") -> EventGroup:
    """Events of some names; their event types are named after the dataset that they are tagged for."""
    own = split_names(tags)
    named = ("crowdstrike_" + "_".join(own),) if own else ()
    return EventGroup(
        origin=FALCON_ORIGIN,
        codes=split_names(codes),
        eventtypes=("crowdstrike_events_sensor", *named),
        tags=own,
        fields=fields,
        disputed=split_names(disputed),
        switch="falcon_connections",
        value="traffic",
    )


WRITTEN = (
    "GenericFileWritten NewExecutableWritten NewScriptWritten PeFileWritten ElfFileWritten MachOFileWritten "
    "ZipFileWritten SevenZipFileWritten RarFileWritten CabFileWritten TarFileWritten GzipFileWritten OleFileWritten "
    "OoxmlFileWritten PdfFileWritten RtfFileWritten EmailFileWritten LnkFileWritten MsiFileWritten "
    "JavaClassFileWritten JpegFileWritten PngFileWritten GifFileWritten BmpFileWritten TiffFileWritten VmdkFileWritten "
    "VdiFileWritten DmpFileWritten IsoFileWritten WebScriptFileWritten ScriptFileWritten FileWrittenWithEntropyHigh "
    "MotwWritten RansomwareCreateFile SuspiciousCreateSymbolicLink DirectoryCreate NewExecutableRenamed FileRenameInfo "
    "RansomwareRenameFile FileDeleteInfo ExecutableDeleted DirectoryDelete"
)
TO_NETWORK = "network communicate"

FALCON_GROUPS = (
    build_falcon_group(
        "ProcessRollup2 SyntheticProcessRollup2 ProcessBlocked", "process report", FALCON_PROCESS_FIELDS
    ),
    build_falcon_group(WRITTEN, "endpoint filesystem", FALCON_FILE_FIELDS),
    build_falcon_group("AsepKeyUpdate AsepValueUpdate", "endpoint registry", FALCON_REGISTRY_FIELDS),
    build_falcon_group("RegGenericValueUpdate RegSystemConfigValueUpdate", "", FALCON_REGISTRY_FIELDS),
    build_falcon_group("NetworkConnectIP4 NetworkConnectIP6", "listening port", OUTBOUND, TO_NETWORK),
    build_falcon_group("NetworkReceiveAcceptIP4 NetworkReceiveAcceptIP6", "listening port", INBOUND, TO_NETWORK),
    build_falcon_group("NetworkListenIP4 NetworkListenIP6", "listening port", LISTENING),
    build_falcon_group("DnsRequest SuspiciousDnsRequest", "network resolution dns", FALCON_DNS_FIELDS),
    build_falcon_group("UserLogon UserLogonFailed UserLogonFailed2", "authentication", LOGON),
    build_falcon_group("UserAccountCreated UserAccountDeleted UserAccountAddedToGroup", "change account", ACCOUNT),
    build_falcon_group("ScheduledTaskRegistered ScheduledTaskModified ScheduledTaskDeleted", "change endpoint", TASK),
    build_falcon_group(
        "CreateService ModifyServiceBinary ServiceStarted HostedServiceStarted HostedServiceStopped",
        "service report",
        SERVICE,
    ),
    build_falcon_group("ClassifiedModuleLoad UnsignedModuleLoad DriverLoad", "", MODULE),
    build_falcon_group("CommandHistory ScriptControlScanTelemetry ScriptControlScanInfo", "", FALCON_SCRIPT_FIELDS),
    EventGroup(
        origin=STREAM,
        codes=("DetectionSummaryEvent", "EppDetectionSummaryEvent"),
        eventtypes=("crowdstrike_event_streams",),
        tags=("alert", "malware", "attack"),
        fields=DETECTION,
    ),
)
FALCON_REST = (build_falcon_group("", "", FALCON_COMMON_FIELDS),)
