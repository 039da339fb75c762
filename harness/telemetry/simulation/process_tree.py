"""Processes that every Windows has from its boot on: the tree, and services that share svchost.exe."""

from __future__ import annotations

SYSTEM32 = r"C:\Windows\System32"

# Parents as on every Windows since Vista; smss.exe and userinit.exe end soon in reality, but nothing asks for their
# end. Seconds are chosen, in the order of a boot.
TREE = {
    "System": ("", "System", "", "SYSTEM", 0.0),
    "smss.exe": ("System", rf"{SYSTEM32}\smss.exe", r"\SystemRoot\System32\smss.exe", "SYSTEM", 2.0),
    "wininit.exe": ("smss.exe", rf"{SYSTEM32}\wininit.exe", "wininit.exe", "SYSTEM", 6.0),
    "winlogon.exe": ("smss.exe", rf"{SYSTEM32}\winlogon.exe", "winlogon.exe", "SYSTEM", 6.5),
    "services.exe": ("wininit.exe", rf"{SYSTEM32}\services.exe", r"C:\Windows\system32\services.exe", "SYSTEM", 7.0),
    "lsass.exe": ("wininit.exe", rf"{SYSTEM32}\lsass.exe", r"C:\Windows\system32\lsass.exe", "SYSTEM", 7.2),
    "userinit.exe": ("winlogon.exe", rf"{SYSTEM32}\userinit.exe", r"C:\Windows\system32\userinit.exe", "", 1.0),
    "explorer.exe": ("userinit.exe", r"C:\Windows\explorer.exe", r"C:\Windows\Explorer.EXE", "", 2.0),
    "sysmon": ("services.exe", r"C:\Windows\Sysmon64.exe", r"C:\Windows\Sysmon64.exe", "SYSTEM", 15.0),
}
"""Name to parent, image, command line, account ("" is the user at the desktop), seconds after boot or logon."""

# Arguments as recorded (`-k netsvcs -p -s Schedule` in 140 events 1, `-k DcomLaunch -p` in 373); a service alone in its
# svchost.exe from 3.5 GB of memory on, so one process each.
HOSTED_SERVICES = {
    "Schedule": ("SYSTEM", "-k netsvcs -p -s Schedule"),
    "DcomLaunch": ("SYSTEM", "-k DcomLaunch -p"),
    "wuauserv": ("SYSTEM", "-k netsvcs -p -s wuauserv"),
    "BITS": ("SYSTEM", "-k netsvcs -p -s BITS"),
    "UsoSvc": ("SYSTEM", "-k netsvcs -p -s UsoSvc"),
    "Winmgmt": ("SYSTEM", "-k netsvcs -p -s Winmgmt"),
    "gpsvc": ("SYSTEM", "-k netsvcs -p -s gpsvc"),
    "DiagTrack": ("SYSTEM", "-k utcsvc -p"),
    "DoSvc": ("NETWORK SERVICE", "-k NetworkService -p -s DoSvc"),
    "Dnscache": ("NETWORK SERVICE", "-k NetworkService -p -s Dnscache"),
    "WinRM": ("NETWORK SERVICE", "-k NetworkService -p -s WinRM"),
    "CryptSvc": ("NETWORK SERVICE", "-k NetworkService -p -s CryptSvc"),
    "W32Time": ("LOCAL SERVICE", "-k LocalService -s W32Time"),
    "SSDPSRV": ("LOCAL SERVICE", "-k LocalServiceAndNoImpersonation -p -s SSDPSRV"),
    "FDResPub": ("LOCAL SERVICE", "-k LocalServiceAndNoImpersonation -p -s FDResPub"),
}
"""Service to its account and the arguments of its svchost.exe on Windows 10 1809 and later."""
