"""The add-on for Windows: its events, and what Windows calls them by code. One table.

Reference: reference/spl.md 9.3 and 11.5
"""

from __future__ import annotations

from harness.detection.languages.spl.cim.dataset import (
    EventGroup,
    EventOrigin,
    account,
    channel,
    parent,
    print_case_eval,
    print_dns_answers_eval,
    print_file_name_eval,
    print_hyphen_test,
    program,
    split_names,
)

SIGNATURES = {
    "104": "The log file was cleared",
    "1102": "The audit log was cleared",
    "4624": "An account was successfully logged on",
    "4625": "An account failed to log on",
    "4634": "An account was logged off",
    "4648": "A logon was attempted using explicit credentials",
    "4656": "A handle to an object was requested",
    "4657": "A registry value was modified",
    "4660": "An object was deleted",
    "4663": "An attempt was made to access an object",
    "4672": "Special privileges assigned to new logon",
    "4688": "A new process has been created",
    "4689": "A process has exited",
    "4697": "A service was installed in the system",
    "4698": "A scheduled task was created",
    "4699": "A scheduled task was deleted",
    "4700": "A scheduled task was enabled",
    "4701": "A scheduled task was disabled",
    "4702": "A scheduled task was updated",
    "4719": "System audit policy was changed",
    "4720": "A user account was created",
    "4722": "A user account was enabled",
    "4723": "An attempt was made to change an account's password",
    "4724": "An attempt was made to reset an account's password",
    "4725": "A user account was disabled",
    "4726": "A user account was deleted",
    "4728": "A member was added to a security-enabled global group",
    "4729": "A member was removed from a security-enabled global group",
    "4732": "A member was added to a security-enabled local group",
    "4733": "A member was removed from a security-enabled local group",
    "4738": "A user account was changed",
    "4740": "A user account was locked out",
    "4741": "A computer account was created",
    "4742": "A computer account was changed",
    "4743": "A computer account was deleted",
    "4756": "A member was added to a security-enabled universal group",
    "4767": "A user account was unlocked",
    "4768": "A Kerberos authentication ticket (TGT) was requested",
    "4769": "A Kerberos service ticket was requested",
    "4770": "A Kerberos service ticket was renewed",
    "4771": "Kerberos pre-authentication failed",
    "4776": "The domain controller attempted to validate the credentials for an account",
    "4781": "The name of an account was changed",
    "4794": "An attempt was made to set the Directory Services Restore Mode administrator password",
    "5136": "A directory service object was modified",
    "5137": "A directory service object was created",
    "5140": "A network share object was accessed",
    "5141": "A directory service object was deleted",
    "5145": "A network share object was checked to see whether client can be granted desired access",
    "5152": "The Windows Filtering Platform blocked a packet",
    "5154": "The Windows Filtering Platform has permitted an application or service to listen on a port",
    "5156": "The Windows Filtering Platform has permitted a connection",
    "5157": "The Windows Filtering Platform has blocked a connection",
    "5158": "The Windows Filtering Platform has permitted a bind to a local port",
    "7036": "A service entered a new state",
    "7040": "The start type of a service was changed",
    "7045": "A service was installed in the system",
}


SECURITY = channel("Security")
SYSTEM = channel("System")
APPLICATION = channel("Application")
POWERSHELL_ORIGIN = channel("Microsoft-Windows-PowerShell/Operational")
NEWER_POWERSHELL = channel("PowerShellCore/Operational")
TASK_SCHEDULER = channel("Microsoft-Windows-TaskScheduler/Operational")
DEFENDER = channel("Microsoft-Windows-Windows Defender/Operational")
DNS_CLIENT = channel("Microsoft-Windows-DNS-Client/Operational")
RESULT = "result of the event"
"""Stands for the event's title without its first words, which a group's codes tell."""


def build_windows_group(
    origin: EventOrigin, codes: str, eventtypes: str, tags: str, fields: dict[str, str]
) -> EventGroup:
    """Events of some codes, each under its title; names are separated by blanks."""
    titles = {c: SIGNATURES[c] for c in split_names(codes) or SIGNATURES if c in SIGNATURES}
    made = {**fields, "signature": fields.get("signature", print_case_eval("EventCode", titles))}
    if made.get("result") == RESULT:
        shorter = {c: t.removeprefix("An attempt was made to ") for c, t in titles.items()}
        made["result"] = print_case_eval("EventCode", shorter)
    return EventGroup(
        origin=origin, codes=split_names(codes), eventtypes=split_names(eventtypes), tags=split_names(tags), fields=made
    )


WINDOWS_COMMON_FIELDS = {
    "dest": "Computer",
    "dvc": "Computer",
    "dvc_nt_host": "host",
    "dest_nt_host": "host",
    "signature_id": "EventCode",
    "event_id": "EventCode",
    "vendor_product": '"Microsoft Windows"',
    "os": '"Microsoft Windows"',
    "user": f"coalesce({print_hyphen_test('TargetUserName')}, {print_hyphen_test('SubjectUserName')}, "
    f"{account('User')})",
    "src_user": print_hyphen_test("SubjectUserName"),
    "src_nt_domain": print_hyphen_test("SubjectDomainName"),
    "dest_nt_domain": print_hyphen_test("TargetDomainName"),
    "user_id": "UserID",
    "session_id": "SubjectLogonId",
    "Logon_ID": "coalesce(TargetLogonId, SubjectLogonId)",
    "status": r'if(match(Keywords, "^0x8010"), "failure", "success")',
}
CREATION = {
    **WINDOWS_COMMON_FIELDS,
    **program("NewProcessName"),
    **parent("ParentProcessName"),
    "process": r'if(match(replace(CommandLine, "^(\S+).*$", "\1"), "\\\\"), CommandLine, '
    r'coalesce(NewProcessName." ".CommandLine, NewProcessName))',
    "process_id": "NewProcessId",
    "parent_process": "ParentProcessName",
    "parent_process_id": "ProcessId",
    "process_integrity_level": print_case_eval(
        "MandatoryLabel",
        {
            "S-1-16-0": "untrusted",
            "S-1-16-4096": "low",
            "S-1-16-8192": "medium",
            "S-1-16-8448": "medium",
            "S-1-16-12288": "high",
            "S-1-16-16384": "system",
        },
    ),
    "user": f"coalesce({print_hyphen_test('TargetUserName')}, {print_hyphen_test('SubjectUserName')})",
    "user_id": "SubjectUserSid",
    "action": '"allowed"',
}
TERMINATION = {
    **WINDOWS_COMMON_FIELDS,
    **program("ProcessName"),
    "process": "ProcessName",
    "process_id": "ProcessId",
    "user": print_hyphen_test("SubjectUserName"),
    "action": '"allowed"',
}
LOGON = {
    **WINDOWS_COMMON_FIELDS,
    "action": 'if(in(EventCode, "4625", "4771", "529", "530") OR (in(EventCode, "4768", "4769", "4776") AND '
    'isnotnull(Status) AND NOT Status="0x0"), "failure", "success")',
    "app": '"win:" . case(in(LogonType, "2", "7", "11"), "local", in(LogonType, "3", "10"), "remote", '
    'true(), "unknown")',
    "src": f"coalesce({print_hyphen_test('IpAddress')}, {print_hyphen_test('WorkstationName')}, "
    f"{print_hyphen_test('Workstation')})",
    "src_ip": print_hyphen_test("IpAddress"),
    "src_port": print_hyphen_test("IpPort"),
    "src_nt_host": f"coalesce({print_hyphen_test('WorkstationName')}, {print_hyphen_test('Workstation')})",
    "authentication_method": "coalesce(AuthenticationPackageName, PackageName)",
    "authentication_service": "LogonProcessName",
    "reason": "coalesce(FailureReason, SubStatus, Status)",
    "service": "ServiceName",
    "service_name": "ServiceName",
    "Logon_Type": "LogonType",
    **{k: v for k, v in program("ProcessName").items() if k != "process_exec"},
}
PRIVILEGED = {
    **WINDOWS_COMMON_FIELDS,
    "action": '"success"',
    "app": '"win:unknown"',
    "user": print_hyphen_test("SubjectUserName"),
    "privilege": "PrivilegeList",
}
ACCOUNT_CODES = (
    "4704 4705 4720 4722 4723 4724 4725 4726 4727 4728 4729 4730 4731 4732 4733 4734 4735 4737 4738 4740 4741 4742 "
    "4743 4754 4755 4756 4757 4758 4764 4765 4766 4767 4780 4781 4794"
)
CREATED, DELETED = ("4720", "4727", "4731", "4741", "4754"), ("4726", "4730", "4734", "4743", "4758")


def print_code_condition(codes: tuple[str, ...]) -> str:
    """Whether the event's code is one of these."""
    return f"in(EventCode, {', '.join(chr(34) + c + chr(34) for c in codes)})"


ACCOUNT = {
    **WINDOWS_COMMON_FIELDS,
    "object": print_hyphen_test("TargetUserName"),
    "object_id": print_hyphen_test("TargetSid"),
    "object_category": '"user"',
    "object_attrs": "coalesce(MemberName, MemberSid, PrivilegeList, OldTargetUserName)",
    "change_type": '"AAA"',
    "src": f"coalesce({print_hyphen_test('IpAddress')}, Computer)",
    "result": RESULT,
    "result_id": "EventCode",
    "action": f'case({print_code_condition(CREATED)}, "created", {print_code_condition(DELETED)}, "deleted", '
    'EventCode="4740", "lockout", '
    'EventCode="4767", "unlocked", true(), "modified")',
}
TASK = {
    **WINDOWS_COMMON_FIELDS,
    "object": "TaskName",
    "object_category": '"scheduled task"',
    "object_attrs": "coalesce(TaskContent, TaskContentNew)",
    "change_type": '"scheduling"',
    "result": RESULT,
    "result_id": "EventCode",
    "src": "Computer",
    "action": 'case(EventCode="4698", "created", EventCode="4699", "deleted", true(), "modified")',
}
DIRECTORY = {
    **WINDOWS_COMMON_FIELDS,
    "object": "ObjectDN",
    "object_id": "ObjectGUID",
    "object_category": "ObjectClass",
    "object_attrs": "AttributeLDAPDisplayName",
    "change_type": '"Active Directory"',
    "result": RESULT,
    "result_id": "EventCode",
    "user": print_hyphen_test("SubjectUserName"),
    "action": 'case(EventCode="5137", "created", EventCode="5141", "deleted", true(), "modified")',
}
POLICY = {
    **WINDOWS_COMMON_FIELDS,
    "object": 'coalesce(SubcategoryGuid, "audit policy")',
    "object_category": '"policy"',
    "object_attrs": "AuditPolicyChanges",
    "change_type": '"auditing"',
    "result": RESULT,
    "result_id": "EventCode",
    "user": print_hyphen_test("SubjectUserName"),
    "action": '"modified"',
}
CLEARED = {
    **WINDOWS_COMMON_FIELDS,
    "action": '"cleared"',
    "change_type": '"auditing"',
    "object": 'coalesce(Channel, "Security")." log"',
    "object_category": '"log"',
    "result": RESULT,
    "result_id": "EventCode",
    "user": print_hyphen_test("SubjectUserName"),
}
SHARE = {
    **WINDOWS_COMMON_FIELDS,
    "src_ip": "IpAddress",
    "src": "IpAddress",
    "src_port": "IpPort",
    "share_name": "ShareName",
    "file_name": print_file_name_eval("RelativeTargetName"),
    "file_path": r'coalesce(ShareLocalPath."\\".RelativeTargetName, RelativeTargetName)',
    "action": r'if(match(Keywords, "^0x8010"), "failure", "success")',
    "user": print_hyphen_test("SubjectUserName"),
}
OBJECT_FIELDS = {
    **WINDOWS_COMMON_FIELDS,
    **program("ProcessName"),
    "process_id": "ProcessId",
    "object": "ObjectName",
    "object_category": "lower(ObjectType)",
    "access_mask": "AccessMask",
    "user": print_hyphen_test("SubjectUserName"),
}
OBJECT = {
    **OBJECT_FIELDS,
    "file_path": "ObjectName",
    "file_name": print_file_name_eval("ObjectName"),
    "action": r'case(in(AccessMask, "0x10000"), "deleted", in(AccessMask, "0x2", "0x4", "0x6"), "modified", '
    'true(), "read")',
}
REGISTRY_VALUE = {
    **OBJECT_FIELDS,
    "registry_path": r'ObjectName."\\".ObjectValueName',
    "registry_key_name": "ObjectName",
    "registry_value_name": "ObjectValueName",
    "registry_value_data": "NewValue",
    "registry_value_type": print_case_eval(
        "NewValueType", {"%%1873": "REG_SZ", "%%1874": "REG_EXPAND_SZ", "%%1875": "REG_BINARY", "%%1876": "REG_DWORD"}
    ),
    "action": print_case_eval(
        "OperationType", {"%%1904": "created", "%%1905": "modified", "%%1906": "deleted"}, '"modified"'
    ),
}
FILTERED = {
    **WINDOWS_COMMON_FIELDS,
    "app": "Application",
    "process_id": "coalesce(ProcessID, ProcessId)",
    "process_name": print_file_name_eval("Application"),
    "process_path": "Application",
    "direction": print_case_eval("Direction", {"%%14592": "inbound", "%%14593": "outbound"}),
    "src": "SourceAddress",
    "src_ip": "SourceAddress",
    "src_port": "SourcePort",
    "dest": "DestAddress",
    "dest_ip": "DestAddress",
    "dest_port": "DestPort",
    "transport": print_case_eval("Protocol", {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp"}, "Protocol"),
    "transport_dest_port": f'{print_case_eval("Protocol", {"6": "tcp", "17": "udp"}, "Protocol")}."/".DestPort',
    "rule": "FilterRTID",
    "action": 'if(in(EventCode, "5152", "5157"), "blocked", "allowed")',
}
LISTENING = {
    **FILTERED,
    "dest": "Computer",
    "dest_port": "SourcePort",
    "transport_dest_port": f'{print_case_eval("Protocol", {"6": "tcp", "17": "udp"}, "Protocol")}."/".SourcePort',
    "state": '"listening"',
}
INSTALLED = {
    **WINDOWS_COMMON_FIELDS,
    "service": "coalesce(ServiceName, param1)",
    "service_name": "coalesce(ServiceName, param1)",
    "service_id": "coalesce(ServiceName, param4)",
    "service_path": "coalesce(ImagePath, ServiceFileName)",
    "service_exec": print_file_name_eval("coalesce(ImagePath, ServiceFileName)"),
    "start_mode": "lower(coalesce(StartType, ServiceStartType, param3))",
    "status": 'case(in(EventCode, "4697", "7045"), "installed", EventCode="7036", param2, true(), "modified")',
    "user": f"coalesce({print_hyphen_test('SubjectUserName')}, AccountName)",
}
WINDOWS_SCRIPT_FIELDS = {
    **WINDOWS_COMMON_FIELDS,
    "process": "ScriptBlockText",
    "process_path": "Path",
    "process_id": "ScriptBlockId",
    "user": account("User"),
    "user_id": "UserID",
}
JOB = {
    **WINDOWS_COMMON_FIELDS,
    "object": "TaskName",
    "object_category": '"scheduled task"',
    "change_type": '"scheduling"',
    "process_id": "ProcessID",
    "process_path": "coalesce(Path, ActionName)",
    "user": account("coalesce(UserContext, UserName)"),
    "action": 'case(EventCode="106", "created", EventCode="141", "deleted", true(), "modified")',
}
MALWARE = {
    **WINDOWS_COMMON_FIELDS,
    "signature": "coalesce(Threat_Name, ThreatName)",
    "signature_id": "coalesce(Threat_ID, ThreatID, EventCode)",
    "category": "coalesce(Category_Name, CategoryName)",
    "severity": "lower(coalesce(Severity_Name, SeverityName))",
    "file_path": r'replace(Path, "^[a-z]+:_?", "")',
    "file_name": print_file_name_eval("Path"),
    "user": account("coalesce(Detection_User, DetectionUser, User)"),
    "vendor_product": '"Microsoft Windows Defender"',
    "action": 'case(EventCode="1117", "blocked", EventCode="1116", "allowed", true(), "unknown")',
}
LOOKUP = {
    **WINDOWS_COMMON_FIELDS,
    "query": "QueryName",
    "query_type": "QueryType",
    "record_type": print_case_eval(
        "QueryType", {"1": "A", "28": "AAAA", "5": "CNAME", "12": "PTR", "15": "MX", "16": "TXT"}
    ),
    "answer": print_dns_answers_eval("QueryResults"),
    "reply_code_id": "coalesce(QueryStatus, Status)",
    "src": "Computer",
    "message_type": 'if(in(EventCode, "3006", "3009", "3010"), "QUERY", "RESPONSE")',
}

ALL_SECURITY, ALL_SYSTEM, ANY_WINDOWS = "wineventlog_security", "wineventlog_system", "wineventlog_windows"

WINDOWS_GROUPS = (
    build_windows_group(
        SECURITY, "4688 4696 4673 4674", "wineventlog_security windows_process_new", "process report", CREATION
    ),
    build_windows_group(SECURITY, "4689", ALL_SECURITY, "process report", TERMINATION),
    build_windows_group(
        SECURITY,
        "4624 4625 4648 4768 4769 4770 4771 4776 528 529 540",
        "wineventlog_security windows_logon_success",
        "authentication",
        LOGON,
    ),
    build_windows_group(
        SECURITY, "4672", "wineventlog_security windows_special_privileges", "authentication privileged", PRIVILEGED
    ),
    build_windows_group(
        SECURITY, ACCOUNT_CODES, "wineventlog_security windows_account_management", "change account", ACCOUNT
    ),
    build_windows_group(SECURITY, "4698 4699 4700 4701 4702", ALL_SECURITY, "change endpoint", TASK),
    build_windows_group(SECURITY, "5136 5137 5138 5139 5141", ALL_SECURITY, "change", DIRECTORY),
    build_windows_group(SECURITY, "4719 4817 4907", ALL_SECURITY, "change audit", POLICY),
    build_windows_group(SECURITY, "1102 517", ALL_SECURITY, "change audit", CLEARED),
    build_windows_group(SYSTEM, "104", ALL_SYSTEM, "change audit", CLEARED),
    build_windows_group(SECURITY, "5140 5145", ALL_SECURITY, "", SHARE),
    build_windows_group(SECURITY, "4656 4660 4663", ALL_SECURITY, "endpoint filesystem", OBJECT),
    build_windows_group(SECURITY, "4657", ALL_SECURITY, "endpoint registry", REGISTRY_VALUE),
    build_windows_group(SECURITY, "5152 5156 5157", ALL_SECURITY, "network communicate", FILTERED),
    build_windows_group(SECURITY, "5154 5158", ALL_SECURITY, "listening port", LISTENING),
    build_windows_group(SECURITY, "4697", ALL_SECURITY, "service report", INSTALLED),
    build_windows_group(SYSTEM, "7045 7040 7036", ALL_SYSTEM, "service report", INSTALLED),
    build_windows_group(
        DEFENDER, "1006 1007 1015 1116 1117 1118 1119", "wineventlog_windows", "malware attack", MALWARE
    ),
    build_windows_group(DNS_CLIENT, "", "wineventlog_windows", "", LOOKUP),
    build_windows_group(TASK_SCHEDULER, "", "wineventlog_task_scheduler wineventlog_windows", "", JOB),
)
WINDOWS_REST = (
    build_windows_group(SECURITY, "", "wineventlog_security wineventlog_windows", "", WINDOWS_COMMON_FIELDS),
    build_windows_group(SYSTEM, "", "wineventlog_system wineventlog_windows", "", WINDOWS_COMMON_FIELDS),
    build_windows_group(APPLICATION, "", "wineventlog_application wineventlog_windows", "", WINDOWS_COMMON_FIELDS),
    build_windows_group(POWERSHELL_ORIGIN, "4104", ANY_WINDOWS, "", WINDOWS_SCRIPT_FIELDS),
    build_windows_group(NEWER_POWERSHELL, "4104", ANY_WINDOWS, "", WINDOWS_SCRIPT_FIELDS),
    build_windows_group(POWERSHELL_ORIGIN, "", ANY_WINDOWS, "", WINDOWS_COMMON_FIELDS),
    build_windows_group(NEWER_POWERSHELL, "", ANY_WINDOWS, "", WINDOWS_COMMON_FIELDS),
)
