"""What identifies hosts, logons, processes and program files: SIDs, GUIDs, hashes, version information.

All of them follow from names, times and a seed, so that the same world has the same identifiers in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.record import record

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

# Digits by table, a column at once: 0.35 us a GUID, where str(uuid.uuid4()) takes 2.5 us (measured over 300,000).
HEX_UPPER = np.frombuffer(b"0123456789ABCDEF", np.uint8)
HEX_LOWER = np.frombuffer(b"0123456789abcdef", np.uint8)
DASH = ord("-")
# Ticks of 100 ns between 1601, where Windows counts from, and 1970.
FILETIME_OF_1970 = 116_444_736_000_000_000


def hash_to_number(*parts: object, size: int = 8) -> int:
    """A number of `size` bytes that follows from the parts."""
    # Not hash(), which Python salts anew in each process. The zero byte keeps ("a", "bc") and ("ab", "c") apart.
    return int.from_bytes(blake2b("\0".join(map(str, parts)).encode(), digest_size=size).digest())


def digest_hex(*parts: object, size: int = 16) -> str:
    """Lower-case hex digits of `size` bytes that follow from the parts."""
    return blake2b("\0".join(map(str, parts)).encode(), digest_size=size).hexdigest()


def guid(*parts: object) -> str:
    """A GUID without braces, lower case, version 4, that follows from the parts."""
    text = digest_hex("guid", *parts)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) % 4]}{text[17:20]}-{text[20:]}"


def sid(*parts: object) -> str:
    """The issuing part of a domain's or machine's security identifier: `S-1-5-21-x-y-z`."""
    # Bit 28 makes each of the three parts nine or ten digits long, as those of most real domains are.
    numbers = (hash_to_number("sid", i, *parts, size=4) | 1 << 28 for i in range(3))
    return "S-1-5-21-" + "-".join(map(str, numbers))


def build_fixed_width_texts(matrix: Bytes) -> pa.StringArray:
    """Rows of ASCII bytes as texts of one width."""
    count, width = matrix.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(matrix)))


def hex_digits(data: Bytes, alphabet: Bytes = HEX_UPPER) -> Bytes:
    """Two hex digits for each byte of each row."""
    digits = np.empty((data.shape[0], data.shape[1] * 2), np.uint8)
    digits[:, 0::2] = alphabet[data >> 4]
    digits[:, 1::2] = alphabet[data & 15]
    return digits


def guid_text(data: Bytes, *, braces: bool = True, alphabet: Bytes = HEX_UPPER) -> pa.StringArray:
    """Rows of 16 bytes, in the order in which they are printed, as GUIDs."""
    digits = hex_digits(data, alphabet)
    text = np.full((len(data), 38), DASH, np.uint8)
    text[:, 0], text[:, 37] = ord("{"), ord("}")
    # Groups of 8, 4, 4, 4 and 12 digits behind the brace and after one dash each.
    for start, end, at in ((0, 8, 1), (8, 12, 10), (12, 16, 15), (16, 20, 20), (20, 32, 25)):
        text[:, at : at + end - start] = digits[:, start:end]
    return build_fixed_width_texts(text if braces else text[:, 1:37])


def sysmon_guid(machine: Integers, seconds: Integers, tail: Bytes) -> pa.StringArray:
    """Sysmon's ProcessGuid or LogonGuid: machine, start time (epoch seconds, low 16 bits first), eight last bytes."""
    data = np.empty((len(seconds), 16), np.uint8)
    data[:, :4] = big_endian(machine, 4)
    # Low word first: so in 3,745 of 3,745 recorded events 1 (telemetry.md 1.3).
    time = big_endian(seconds, 4)
    data[:, 4:6], data[:, 6:8] = time[:, 2:], time[:, :2]
    data[:, 8:] = tail
    return guid_text(data)


def start_key_tail(start_key: Integers) -> Bytes:
    """Last bytes of a ProcessGuid since Sysmon 11: the ProcessStartKey, least byte first."""
    return big_endian(start_key, 8)[:, ::-1]


def logon_tail(logon_id: Integers) -> Bytes:
    """Last bytes of a LogonGuid since Sysmon 11: the logon's LUID, least byte first."""
    return big_endian(logon_id, 8)[:, ::-1]


def old_tail(kind: int, identifier: Integers) -> Bytes:
    """Last bytes before Sysmon 11: 0000, 0010 for a process or 0020 for a logon, token or logon id least byte first."""
    tail = np.zeros((len(identifier), 8), np.uint8)
    # Bytes 00 00 00 10 or 00 00 00 20, as in 1,548 recorded events of 2019 to 2021.
    tail[:, 3] = kind
    tail[:, 4:] = big_endian(identifier, 4)[:, ::-1]
    return tail


def big_endian(values: Integers, size: int) -> Bytes:
    """The last `size` bytes of each number, greatest first."""
    return np.ascontiguousarray(np.asarray(values, np.int64).astype(">i8")).view(np.uint8).reshape(-1, 8)[:, 8 - size :]


def random_guids(random: np.random.Generator, count: int, *, braces: bool = False) -> pa.StringArray:
    """Random version 4 GUIDs, lower case."""
    data = random.integers(0, 256, (count, 16), np.uint8)
    # Version and variant bits of RFC 9562.
    data[:, 6] = data[:, 6] & 0x0F | 0x40
    data[:, 8] = data[:, 8] & 0x3F | 0x80
    return guid_text(data, braces=braces, alphabet=HEX_LOWER)


WINDOWS = "Microsoft® Windows® Operating System"
MICROSOFT = "Microsoft Corporation"


@record(kw_only=True)
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


@cache
def read_more_images() -> Mapping[str, tuple[str | None, ...]]:
    """Further files by name in lower case: version (`-` is the build's own) and the texts of the version resource."""
    lines = Path(__file__).with_name("images.txt").read_text("utf-8").splitlines()
    rows = [line.split("|") for line in lines if not line.startswith("#")]
    return {name: tuple(text or None for text in texts) for name, *texts in rows}


@lru_cache(maxsize=20_000)
def image(path: str, build: str) -> Image:
    """Version resource and hashes of the file at a path on a Windows build; an unlisted program has no resource."""
    name = path.rpartition("\\")[2].lower()
    if name in OF_WINDOWS:
        description, original, console = OF_WINDOWS[name]
        version = BUILDS.get(build, f"{build}.1 (WinBuild.160101.0800)")
        return build_image(name, version, description, WINDOWS, MICROSOFT, original, console)
    if name in OTHER_IMAGES:
        return build_image(name, *OTHER_IMAGES[name])
    if name in read_more_images():
        release, title, product, company, original_name, kind = read_more_images()[name]
        own = BUILDS.get(build, f"{build}.1 (WinBuild.160101.0800)") if release == "-" else release
        return build_image(name, own, title, product, company, original_name, kind == "yes")
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
