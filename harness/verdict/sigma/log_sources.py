"""Which events a log source of Sigma means, by the taxonomy that its rules are written for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.scenario.sigma.rule import LogSource
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.sigma.event_texts import EventTable

SYSMON = "Microsoft-Windows-Sysmon/Operational"
POWERSHELL = ("Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational")
CLASSIC_POWERSHELL = ("Windows PowerShell",)

CATEGORIES: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "process_creation": ((SYSMON,), (1,)),
    "file_change": ((SYSMON,), (2,)),
    "network_connection": ((SYSMON,), (3,)),
    "sysmon_status": ((SYSMON,), (4, 16)),
    "process_termination": ((SYSMON,), (5,)),
    "driver_load": ((SYSMON,), (6,)),
    "image_load": ((SYSMON,), (7,)),
    "create_remote_thread": ((SYSMON,), (8,)),
    "raw_access_thread": ((SYSMON,), (9,)),
    "process_access": ((SYSMON,), (10,)),
    "file_event": ((SYSMON,), (11,)),
    "registry_add": ((SYSMON,), (12,)),
    "registry_delete": ((SYSMON,), (12,)),
    "registry_set": ((SYSMON,), (13,)),
    "registry_rename": ((SYSMON,), (14,)),
    "registry_event": ((SYSMON,), (12, 13, 14)),
    "create_stream_hash": ((SYSMON,), (15,)),
    "pipe_created": ((SYSMON,), (17, 18)),
    "wmi_event": ((SYSMON,), (19, 20, 21)),
    "dns_query": ((SYSMON,), (22,)),
    "file_delete": ((SYSMON,), (23,)),
    "clipboard_capture": ((SYSMON,), (24,)),
    "process_tampering": ((SYSMON,), (25,)),
    "file_delete_detected": ((SYSMON,), (26,)),
    "file_block_executable": ((SYSMON,), (27,)),
    "file_block_shredding": ((SYSMON,), (28,)),
    "file_executable_detected": ((SYSMON,), (29,)),
    "sysmon_error": ((SYSMON,), (255,)),
    "ps_module": (POWERSHELL, (4103,)),
    "ps_script": (POWERSHELL, (4104,)),
    "ps_classic_start": (CLASSIC_POWERSHELL, (400,)),
    "ps_classic_provider_start": (CLASSIC_POWERSHELL, (600,)),
    "ps_classic_script": (CLASSIC_POWERSHELL, (800,)),
}
"""Channels and event ids of the categories of Windows (Sigma's taxonomy appendix, 2.1)."""

SERVICES: Mapping[str, tuple[str, ...]] = {
    "application": ("Application",),
    "applocker": tuple(
        f"Microsoft-Windows-AppLocker/{part}"
        for part in ("MSI and Script", "EXE and DLL", "Packaged app-Deployment", "Packaged app-Execution")
    ),
    "appmodel-runtime": ("Microsoft-Windows-AppModel-Runtime/Admin",),
    "appxdeployment-server": ("Microsoft-Windows-AppXDeploymentServer/Operational",),
    "appxpackaging-om": ("Microsoft-Windows-AppxPackaging/Operational",),
    "bitlocker": ("Microsoft-Windows-BitLocker/BitLocker Management",),
    "bits-client": ("Microsoft-Windows-Bits-Client/Operational",),
    "capi2": ("Microsoft-Windows-CAPI2/Operational",),
    "certificateservicesclient-lifecycle-system": (
        "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
    ),
    "codeintegrity-operational": ("Microsoft-Windows-CodeIntegrity/Operational",),
    "dhcp": ("Microsoft-Windows-DHCP-Server/Operational",),
    "diagnosis-scripted": ("Microsoft-Windows-Diagnosis-Scripted/Operational",),
    "dns-client": ("Microsoft-Windows-DNS Client Events/Operational",),
    "dns-server": ("DNS Server",),
    "dns-server-analytic": ("Microsoft-Windows-DNS-Server/Analytical",),
    "dns-server-audit": ("Microsoft-Windows-DNS-Server/Audit",),
    "driver-framework": ("Microsoft-Windows-DriverFrameworks-UserMode/Operational",),
    "firewall-as": ("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",),
    "ldap_debug": ("Microsoft-Windows-LDAP-Client/Debug",),
    "lsa-server": ("Microsoft-Windows-LSA/Operational",),
    "microsoft-servicebus-client": ("Microsoft-ServiceBus-Client",),
    "msexchange-management": ("MSExchange Management",),
    "ntlm": ("Microsoft-Windows-NTLM/Operational",),
    "openssh": ("OpenSSH/Operational",),
    "powershell": POWERSHELL,
    "powershell-classic": CLASSIC_POWERSHELL,
    "printservice-admin": ("Microsoft-Windows-PrintService/Admin",),
    "printservice-operational": ("Microsoft-Windows-PrintService/Operational",),
    "security": ("Security",),
    "security-mitigations": (
        "Microsoft-Windows-Security-Mitigations/Kernel Mode",
        "Microsoft-Windows-Security-Mitigations/User Mode",
    ),
    "shell-core": ("Microsoft-Windows-Shell-Core/Operational",),
    "smbclient-security": ("Microsoft-Windows-SmbClient/Security",),
    "sysmon": (SYSMON,),
    "system": ("System",),
    "taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational",),
    "terminalservices-localsessionmanager": ("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",),
    "vhdmp": ("Microsoft-Windows-VHDMP/Operational",),
    "windefend": ("Microsoft-Windows-Windows Defender/Operational",),
    "wmi": ("Microsoft-Windows-WMI-Activity/Operational",),
}
"""Channels of the services of Windows (Sigma's taxonomy appendix, 2.1)."""


def select_log_source(source: LogSource, table: EventTable) -> BooleanArray:
    """Which events are of a log source; one that the taxonomy gives no channel takes every event of its product."""
    chosen = np.ones(table.rows, dtype=bool)
    if source.product and (source.product == "windows") != table.windows:
        return np.zeros(table.rows, dtype=bool)
    if source.product != "windows":
        return chosen
    channels, numbers = CATEGORIES.get(source.category, ((), ()))
    for wanted in (channels, SERVICES.get(source.service, ())):
        if wanted:
            names = {name.lower() for name in wanted}
            chosen &= has_text(table, "Channel", names)
    if numbers:
        chosen &= has_text(table, "EventID", {str(n) for n in numbers})
    return chosen


def has_text(table: EventTable, name: str, wanted: set[str]) -> BooleanArray:
    """Which events have one of these texts in a field, whatever its case."""
    found = np.zeros(table.rows, dtype=bool)
    for texts in table.find(name):
        found |= texts.where(lambda text: text.lower() in wanted)
    return found
