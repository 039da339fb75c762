"""Version resources of known programs, and hashes that are the same for the same file."""

from __future__ import annotations

from dataclasses import dataclass

from harness.telemetry.identity import digest_hex, hash_to_number

WINDOWS = "Microsoft® Windows® Operating System"
MICROSOFT = "Microsoft Corporation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Version resource and hashes of an executable file; None where the file has no such entry."""

    file_version: str | None
    description: str | None
    product: str | None
    company: str | None
    original_file_name: str | None
    console: bool
    sha1: str
    md5: str
    sha256: str
    imphash: str

    @property
    def microsoft(self) -> bool:
        """Whether its company is Microsoft."""
        return self.company == MICROSOFT


# Texts of version resources as events 1 show them, odd case and signs included (OriginalFileName `PowerShell.EXE`,
# `Cmd.Exe`): a rule may match them. Not each of them was seen in a sample.
OF_WINDOWS = {
    "powershell.exe": ("Windows PowerShell", "PowerShell.EXE", True),
    "cmd.exe": ("Windows Command Processor", "Cmd.Exe", True),
    "schtasks.exe": ("Task Scheduler Configuration Tool", "schtasks.exe", True),
    "svchost.exe": ("Host Process for Windows Services", "svchost.exe", False),
    "conhost.exe": ("Console Window Host", "CONHOST.EXE", False),
    "rundll32.exe": ("Windows host process (Rundll32)", "RUNDLL32.EXE", False),
    "regsvr32.exe": ("Microsoft(C) Register Server", "REGSVR32.EXE", False),
    "mshta.exe": ("Microsoft (R) HTML Application host", "MSHTA.EXE", False),
    "msiexec.exe": ("Windows® installer", "msiexec.exe", False),
    "certutil.exe": ("CertUtil.exe", "CertUtil.exe", True),
    "bitsadmin.exe": ("BITS administration utility", "bitsadmin.exe", True),
    "wscript.exe": ("Microsoft ® Windows Based Script Host", "wscript.exe", False),
    "cscript.exe": ("Microsoft ® Console Based Script Host", "cscript.exe", True),
    "explorer.exe": ("Windows Explorer", "EXPLORER.EXE", False),
    "notepad.exe": ("Notepad", "NOTEPAD.EXE", False),
    "services.exe": ("Services and Controller app", "services.exe", False),
    "lsass.exe": ("Local Security Authority Process", "lsass.exe", False),
    "taskhostw.exe": ("Host Process for Windows Tasks", "taskhostw.exe", False),
    "wmiprvse.exe": ("WMI Provider Host", "Wmiprvse.exe", False),
    "winrshost.exe": ("Host Process for WinRM's Remote Shell plugin", "winrshost.exe", False),
    "wsmprovhost.exe": ("Host process for WinRM plug-ins", "wsmprovhost.exe", False),
    "wermgr.exe": ("Windows Problem Reporting", "WerMgr", False),
    "dns.exe": ("Domain Name System (DNS) Server", "dns.exe", False),
}
"""File of Windows to its description, original name, and whether it runs in a console."""

# Versions of late 2024, chosen once: hashes follow from them, so that a change here changes every simulation.
OTHER_IMAGES = {
    "curl.exe": ("8.9.1", "The curl executable", "The curl executable", "curl, https://curl.se/", "curl.exe", True),
    "pwsh.exe": ("7.4.6.500", "pwsh", "PowerShell", MICROSOFT, "pwsh.dll", True),
    "csc.exe": (
        "4.8.9037.0 built by: NET481REL1",
        "Visual C# Command Line Compiler",
        "Microsoft® .NET Framework",
        MICROSOFT,
        "csc.exe",
        True,
    ),
    "msbuild.exe": (
        "4.8.9037.0 built by: NET481REL1",
        "MSBuild.exe",
        "Microsoft® .NET Framework",
        MICROSOFT,
        "MSBuild.exe",
        True,
    ),
    "msedge.exe": ("131.0.2903.86", "Microsoft Edge", "Microsoft Edge", MICROSOFT, "msedge.exe", False),
    "microsoftedgeupdate.exe": (
        "1.3.195.35",
        "Microsoft Edge Update",
        "Microsoft Edge Update",
        MICROSOFT,
        "msedgeupdate.dll",
        False,
    ),
    "chrome.exe": ("131.0.6778.109", "Google Chrome", "Google Chrome", "Google LLC", "chrome.exe", False),
    "firefox.exe": ("133.0.3", "Firefox", "Firefox", "Mozilla Corporation", "firefox.exe", False),
    "teams.exe": ("1.7.00.27855", "Microsoft Teams", "Microsoft Teams", MICROSOFT, "Teams.exe", False),
    "ms-teams.exe": ("24295.605.3225.8804", "Microsoft Teams", "Microsoft Teams", MICROSOFT, "ms-teams.exe", False),
    "onedrive.exe": ("24.226.1110.0004", "Microsoft OneDrive", "Microsoft OneDrive", MICROSOFT, "OneDrive.exe", False),
    "slack.exe": ("4.41.105", "Slack", "Slack", "Slack Technologies Inc.", "slack.exe", False),
    "sysmon64.exe": ("15.15", "System activity monitor", "Sysinternals Sysmon", "Sysinternals", "-", False),
    "git.exe": ("2.47.1.1", "Git for Windows", "Git", "The Git Development Community", "git.exe", True),
}
"""File of other software to version, description, product, company, original name, and whether it runs in a console."""

# A feature update leaves most files at the version of the build that it stands on:
# 19045 has files of 19041, 22631 of 22621.
BUILDS = {
    "10.0.19045": "10.0.19041.3996 (WinBuild.160101.0800)",
    "10.0.22631": "10.0.22621.3672 (WinBuild.160101.0800)",
    "10.0.26100": "10.0.26100.2454 (WinBuild.160101.0800)",
    "10.0.20348": "10.0.20348.2849 (WinBuild.160101.0800)",
}


def image(path: str, build: str) -> Image:
    """Version resource and hashes of the file at a path on a Windows build; an unlisted program has no resource."""
    name = path.rpartition("\\")[2].lower()
    if name in OF_WINDOWS:
        description, original, console = OF_WINDOWS[name]
        version = BUILDS.get(build, f"{build}.1 (WinBuild.160101.0800)")
        return build_image(name, version, description, WINDOWS, MICROSOFT, original, console)
    if name in OTHER_IMAGES:
        return build_image(name, *OTHER_IMAGES[name])
    # Windows has far more programs than are listed: whatever runs from System32 counts as one of them.
    if path.lower().startswith("c:\\windows\\system32\\"):
        version = BUILDS.get(build, f"{build}.1 (WinBuild.160101.0800)")
        return build_image(
            name, version, name.removesuffix(".exe"), WINDOWS, MICROSOFT, path.rpartition("\\")[2], False
        )
    # Nobody knows whether it has a console: one bit of its name decides, always the same.
    return build_image(name, None, None, None, None, None, bool(hash_to_number(name) & 1))


def build_image(
    name: str,
    version: str | None,
    description: str | None,
    product: str | None,
    company: str | None,
    original: str | None,
    console: bool,
) -> Image:
    """An image whose hashes follow from its name and version."""
    return Image(
        file_version=version,
        description=description,
        product=product,
        company=company,
        original_file_name=original,
        console=console,
        sha1=digest_hex("sha1", name, version, size=20),
        md5=digest_hex("md5", name, version, size=16),
        sha256=digest_hex("sha256", name, version, size=32),
        imphash=digest_hex("imphash", name, version, size=16),
    )
