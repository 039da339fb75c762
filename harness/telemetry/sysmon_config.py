"""What Sysmon's event 3 includes: names of ports, and the choice that a widely used configuration makes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Those of 7,183 events 3 are https, ldap, domain, ntp, http, epmap, microsoft-ds, netbios-dgm, kerberos, netbios-ns and
# llmnr; the others are from events elsewhere (telemetry.md 1.4) and from services files.
PORT_NAMES = {
    21: "ftp",
    22: "ssh",
    23: "telnet",
    25: "smtp",
    53: "domain",
    80: "http",
    88: "kerberos",
    110: "pop3",
    123: "ntp",
    135: "epmap",
    137: "netbios-ns",
    138: "netbios-dgm",
    139: "netbios-ssn",
    143: "imap",
    389: "ldap",
    443: "https",
    445: "microsoft-ds",
    636: "ldaps",
    1433: "ms-sql-s",
    1900: "ssdp",
    3389: "ms-wbt-server",
    3702: "ws-discovery",
    5355: "llmnr",
    5357: "wsd",
}
"""Ports that a Windows host names, as seen in events (its services file has more)."""

# sysmonconfig-export.xml of SwiftOnSecurity/sysmon-config at 1836897 (telemetry.md 1.4): a part of its
# include rules, by file name without the folder.
SWIFT_IMAGES = {
    "bitsadmin",
    "certutil",
    "cmd",
    "cscript",
    "msbuild",
    "mshta",
    "msiexec",
    "powershell",
    "regsvr32",
    "rundll32",
    "schtasks",
    "wmic",
    "wscript",
}
SWIFT_FOLDERS = ("c:\\users", "c:\\programdata")
SWIFT_PORTS = (22, 23, 25, 143, 3389, 5800, 5900, 4444, 1080, 3128, 8080, 1723, 9001, 9030)
# Line 378 there: exclude beats include.
SWIFT_NEVER = ("127.0.0.1",)


def is_included(
    images: pa.DictionaryArray, addresses: pa.DictionaryArray, ports: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether the configuration records each connection: some images, folders and ports, never to 127.0.0.1."""
    wanted = np.array([by_image(i or "") for i in images.dictionary.to_pylist()], bool)
    local = np.array([a in SWIFT_NEVER for a in addresses.dictionary.to_pylist()], bool)
    found: npt.NDArray[np.bool_] = wanted[images.indices.to_numpy()] | np.isin(ports, SWIFT_PORTS)
    found &= ~local[addresses.indices.to_numpy()]
    return found


def by_image(path: str) -> bool:
    """Whether connections of this file are recorded whatever their port."""
    low = path.lower()
    return low.startswith(SWIFT_FOLDERS) or low.rpartition("\\")[2].removesuffix(".exe") in SWIFT_IMAGES
