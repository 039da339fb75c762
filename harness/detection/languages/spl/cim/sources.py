"""Which events an add-on knows, their event types and tags, and the common fields it makes of their own.

Every field is an eval expression over the event's own fields.

Reference: reference/spl.md 9.3, 11.3 and 11.5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYSMON = "WinEventLog:Microsoft-Windows-Sysmon/Operational"
SECURITY = "WinEventLog:Security"
SYSTEM = "WinEventLog:System"
POWERSHELL = "WinEventLog:Microsoft-Windows-PowerShell/Operational"
NEWER_POWERSHELL = "WinEventLog:PowerShellCore/Operational"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Events of one source, told by their codes (all of them if there are none), with tags and common fields."""

    source: str
    codes: tuple[str, ...] = ()
    eventtypes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str]


def file_name(field: str) -> str:
    """The part of a path behind the last backslash."""
    return rf'replace({field}, "^.*\\\\", "")'


def account(field: str) -> str:
    """The part of an account behind the domain."""
    return rf'replace({field}, "^.*\\\\", "")'


def known(field: str) -> str:
    """A field unless it is a lone hyphen."""
    return f'if({field}="-", null(), {field})'


def program(image: str) -> dict[str, str]:
    """Common fields of the process whose image is in a field."""
    return {"process_name": file_name(image), "process_exec": file_name(image), "process_path": image}


SYSMON_ALL = {
    "dest": "Computer",
    "dvc": "Computer",
    "dvc_nt_host": "host",
    "user": account("User"),
    "user_id": "UserID",
    "process_id": "ProcessId",
    "process_guid": "ProcessGuid",
    "signature_id": "EventCode",
    "vendor_product": '"Microsoft Sysmon"',
    "os": '"Microsoft Windows"',
    "event_id": "EventCode",
    "host_fqdn": "Computer",
}
PROCESS = {
    **SYSMON_ALL,
    **program("Image"),
    "process": "CommandLine",
    "process_current_directory": "CurrentDirectory",
    "process_integrity_level": "lower(IntegrityLevel)",
    "process_hash": "Hashes",
    "parent_process": "ParentCommandLine",
    "parent_process_name": file_name("ParentImage"),
    "parent_process_exec": file_name("ParentImage"),
    "parent_process_path": "ParentImage",
    "parent_process_id": "ParentProcessId",
    "parent_process_guid": "ParentProcessGuid",
    "original_file_name": known("OriginalFileName"),
    "action": '"allowed"',
}
IMAGE_LOAD = {
    **SYSMON_ALL,
    **program("Image"),
    "loaded_file": file_name("ImageLoaded"),
    "loaded_file_path": "ImageLoaded",
    "original_file_name": known("OriginalFileName"),
    "process_hash": "Hashes",
    "service_signature_exists": "Signed",
    "service_signature_verified": 'if(SignatureStatus="Valid", "true", "false")',
    "action": '"allowed"',
}
PROCESS_ACCESS = {
    **SYSMON_ALL,
    **program("SourceImage"),
    "process_id": "SourceProcessId",
    "process_guid": "coalesce(SourceProcessGUID, SourceProcessGuid)",
    "parent_process_name": file_name("SourceImage"),
    "parent_process_path": "SourceImage",
    "target_process_name": file_name("TargetImage"),
    "target_process_path": "TargetImage",
    "user": account("coalesce(SourceUser, User)"),
    "action": '"allowed"',
}
NETWORK = {
    **SYSMON_ALL,
    **{k: v for k, v in program("Image").items() if k != "process_path"},
    "dest": f"coalesce({known('DestinationHostname')}, DestinationIp)",
    "dest_host": known("DestinationHostname"),
    "dest_ip": "DestinationIp",
    "dest_port": "DestinationPort",
    "src": f"coalesce({known('SourceHostname')}, SourceIp)",
    "src_host": known("SourceHostname"),
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
FILE = {
    **SYSMON_ALL,
    **program("Image"),
    "file_path": "TargetFilename",
    "file_name": file_name("TargetFilename"),
    "file_create_time": "CreationUtcTime",
    "file_hash": "coalesce(Hashes, Hash)",
    "object_category": '"file"',
    "action": 'case(in(EventCode, "23", "26"), "deleted", EventCode="2", "modified", true(), "created")',
}
REGISTRY = {
    **SYSMON_ALL,
    **program("Image"),
    "registry_path": "TargetObject",
    "registry_key_name": r'if(EventCode="12", TargetObject, replace(TargetObject, "\\\\[^\\\\]*$", ""))',
    "registry_value_name": r'if(EventCode="12", null(), replace(TargetObject, "^.*\\\\", ""))',
    "registry_value_data": r'replace(Details, "^[DQ]WORD \((.*)\)$", "\1")',
    "registry_value_type": r'case(match(Details, "^DWORD"), "REG_DWORD", match(Details, "^QWORD"), "REG_QWORD", '
    r'Details="Binary Data", "REG_BINARY", isnotnull(Details), "REG_SZ")',
    "registry_hive": r'replace(TargetObject, "^(HK\w+).*$", "\1")',
    "object_category": '"registry"',
    "status": '"success"',
    "action": 'case(match(EventType, "Delete"), "deleted", match(EventType, "Create"), "created", true(), "modified")',
}
DNS = {
    **SYSMON_ALL,
    **program("Image"),
    "query": "QueryName",
    "answer": known("QueryResults"),
    "reply_code_id": "QueryStatus",
    "reply_code": 'if(QueryStatus="0", "NoError", "unknown")',
    "src": "Computer",
    "message_type": 'if(isnull(QueryResults), "QUERY", "RESPONSE")',
}
PIPE = {**SYSMON_ALL, **program("Image"), "pipe_name": "PipeName", "action": '"allowed"'}
SERVICE = {**SYSMON_ALL, "service": '"Sysmon"', "service_name": '"Sysmon"', "status": "State"}
WINDOWS_ALL = {
    "dest": "Computer",
    "dvc": "Computer",
    "dest_nt_host": "host",
    "signature_id": "EventCode",
    "event_id": "EventCode",
    "vendor_product": '"Microsoft Windows"',
    "os": '"Microsoft Windows"',
    "user": f"coalesce({known('TargetUserName')}, {known('SubjectUserName')}, {account('User')})",
    "src_user": known("SubjectUserName"),
    "src_nt_domain": known("SubjectDomainName"),
    "dest_nt_domain": known("TargetDomainName"),
    "user_id": "UserID",
    "Logon_ID": "coalesce(TargetLogonId, SubjectLogonId)",
}
CREATION = {
    **WINDOWS_ALL,
    **program("NewProcessName"),
    "process": r'if(match(replace(CommandLine, "^(\S+).*$", "\1"), "\\\\"), CommandLine, '
    r'coalesce(NewProcessName." ".CommandLine, NewProcessName))',
    "process_id": "NewProcessId",
    "parent_process_id": "ProcessId",
    "parent_process": "ParentProcessName",
    "parent_process_name": file_name("ParentProcessName"),
    "parent_process_exec": file_name("ParentProcessName"),
    "parent_process_path": "ParentProcessName",
    "user": f"coalesce({known('TargetUserName')}, {known('SubjectUserName')})",
    "action": '"allowed"',
}
LOGON = {
    **WINDOWS_ALL,
    "action": 'if(in(EventCode, "4625", "4771", "529", "530") OR (in(EventCode, "4768", "4769", "4776") AND '
    'isnotnull(Status) AND NOT Status="0x0"), "failure", "success")',
    "app": '"win:" . case(in(LogonType, "2", "7", "11"), "local", in(LogonType, "3", "10"), "remote", '
    'true(), "unknown")',
    "src": f"coalesce({known('IpAddress')}, {known('WorkstationName')}, {known('Workstation')})",
    "src_ip": known("IpAddress"),
    "src_port": known("IpPort"),
    "authentication_method": "coalesce(AuthenticationPackageName, PackageName)",
    "signature": 'case(EventCode="4624", "An account was successfully logged on", EventCode="4625", '
    '"An account failed to log on", EventCode="4648", "A logon was attempted using explicit credentials")',
    "Logon_Type": "LogonType",
}
ACCOUNT = {
    **WINDOWS_ALL,
    "object": known("TargetUserName"),
    "object_category": '"user"',
    "change_type": '"AAA"',
    "status": '"success"',
    "result": "EventCode",
    "action": 'case(in(EventCode, "4720", "4741", "4727", "4731", "4754"), "created", in(EventCode, "4726", "4743", '
    '"4730", "4734", "4758"), "deleted", EventCode="4740", "lockout", true(), "modified")',
}
TASK = {**WINDOWS_ALL, "object": "TaskName", "object_category": '"scheduled task"', "change_type": '"scheduling"'}
SHARE = {
    **WINDOWS_ALL,
    "src_ip": "IpAddress",
    "src": "IpAddress",
    "src_port": "IpPort",
    "share_name": "ShareName",
    "file_name": file_name("RelativeTargetName"),
}
CLEARED = {**WINDOWS_ALL, "action": '"cleared"', "change_type": '"auditing"', "object": '"Security log"'}
INSTALLED = {
    **WINDOWS_ALL,
    "service": "ServiceName",
    "service_name": "ServiceName",
    "service_path": "coalesce(ImagePath, ServiceFileName)",
    "start_mode": "StartType",
    "status": '"installed"',
}

PROCESS_TYPE, PROCESS_TAGS = ("ms-sysmon-process",), ("process", "report")

GROUPS: tuple[Group, ...] = (
    Group(source=SYSMON, codes=("1", "5"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=PROCESS),
    Group(
        source=SYSMON,
        codes=("6", "7"),
        eventtypes=("ms-sysmon-process",),
        tags=("process", "report"),
        fields=IMAGE_LOAD,
    ),
    Group(
        source=SYSMON,
        codes=("8", "10"),
        eventtypes=("ms-sysmon-process",),
        tags=("process", "report"),
        fields=PROCESS_ACCESS,
    ),
    Group(
        source=SYSMON,
        codes=("9", "15", "24", "25"),
        eventtypes=("ms-sysmon-process",),
        tags=("process", "report"),
        fields={**FILE, "action": '"allowed"'},
    ),
    Group(source=SYSMON, codes=("17", "18"), eventtypes=PROCESS_TYPE, tags=PROCESS_TAGS, fields=PIPE),
    Group(
        source=SYSMON,
        codes=("3",),
        eventtypes=("ms-sysmon-network",),
        tags=("network", "communicate", "listening", "port"),
        fields=NETWORK,
    ),
    Group(
        source=SYSMON,
        codes=("2", "11", "23", "26", "27", "28", "29"),
        eventtypes=("ms-sysmon-filemod",),
        tags=("endpoint", "filesystem", "change"),
        fields=FILE,
    ),
    Group(
        source=SYSMON,
        codes=("12", "13", "14"),
        eventtypes=("ms-sysmon-regmod",),
        tags=("endpoint", "registry", "change"),
        fields=REGISTRY,
    ),
    Group(
        source=SYSMON,
        codes=("19", "20", "21"),
        eventtypes=("ms-sysmon-wmimod",),
        tags=("change", "endpoint"),
        fields=SYSMON_ALL,
    ),
    Group(
        source=SYSMON,
        codes=("22",),
        eventtypes=("ms-sysmon-dns",),
        tags=("network", "resolution", "dns"),
        fields=DNS,
    ),
    Group(
        source=SYSMON,
        codes=("4", "16", "255"),
        eventtypes=("ms-sysmon-service",),
        tags=("service", "report"),
        fields=SERVICE,
    ),
    Group(
        source=SECURITY,
        codes=("4688", "4689", "4696", "4673", "4674"),
        eventtypes=("wineventlog_security", "windows_process_new"),
        tags=("process", "report"),
        fields=CREATION,
    ),
    Group(
        source=SECURITY,
        codes=("4624", "4625", "4648", "4768", "4769", "4771", "4776", "528", "529", "540"),
        eventtypes=("wineventlog_security", "windows_logon_success"),
        tags=("authentication",),
        fields=LOGON,
    ),
    Group(
        source=SECURITY,
        codes=(
            "4720", "4722", "4723", "4724", "4725", "4726", "4727", "4728", "4729", "4730", "4731", "4732", "4733",
            "4734", "4735", "4737", "4738", "4740", "4741", "4742", "4743", "4754", "4756", "4757", "4767", "4781",
        ),
        eventtypes=("wineventlog_security", "windows_account_management"),
        tags=("change", "account"),
        fields=ACCOUNT,
    ),
    Group(
        source=SECURITY,
        codes=("4698", "4699", "4700", "4701", "4702"),
        eventtypes=("wineventlog_security",),
        tags=("change", "endpoint"),
        fields=TASK,
    ),
    Group(source=SECURITY, codes=("5140", "5145"), eventtypes=("wineventlog_security",), fields=SHARE),
    Group(
        source=SECURITY,
        codes=("1102", "517"),
        eventtypes=("wineventlog_security",),
        tags=("change", "audit"),
        fields=CLEARED,
    ),
    Group(
        source=SECURITY,
        codes=("4697",),
        eventtypes=("wineventlog_security",),
        tags=("service", "report"),
        fields=INSTALLED,
    ),
    Group(
        source=SYSTEM,
        codes=("7045", "7040", "7036"),
        eventtypes=("wineventlog_system",),
        tags=("service", "report"),
        fields=INSTALLED,
    ),
    Group(source=SECURITY, eventtypes=("wineventlog_security", "wineventlog_windows"), fields=WINDOWS_ALL),
    Group(source=SYSTEM, eventtypes=("wineventlog_system", "wineventlog_windows"), fields=WINDOWS_ALL),
    Group(source=POWERSHELL, eventtypes=("wineventlog_windows",), fields=WINDOWS_ALL),
    Group(source=NEWER_POWERSHELL, eventtypes=("wineventlog_windows",), fields=WINDOWS_ALL),
    Group(source=SYSMON, eventtypes=("ms-sysmon",), fields=SYSMON_ALL),
)  # fmt: skip
"""The first group that an event belongs to gives its fields; those without codes are what is left of a source."""
