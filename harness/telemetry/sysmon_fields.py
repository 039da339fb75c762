"""Fields of Sysmon's events: identifiers, hashes, names of ports, and what a widely used configuration includes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.events.text_columns import Times, decimal, encode_codes
from harness.telemetry.sensor import EventColumns, Processes, Setup
from harness.telemetry.simulation.identity import Image, Integers, logon_tail, old_tail, start_key_tail, sysmon_guid

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


def port_names(ports: Integers, dash: str) -> pa.DictionaryArray:
    """Names of ports in the hosts' services file."""
    # A table by port number: one indexing a column instead of a look-up a row.
    place = np.zeros(1 << 16, np.int32)
    place[list(PORT_NAMES)] = np.arange(1, len(PORT_NAMES) + 1)
    return encode_codes(place[ports & 0xFFFF], [dash, *PORT_NAMES.values()])


def choose_unknown_text(setup: Setup) -> str:
    """The text of an unknown value: `-`, empty up to version 10."""
    return "" if setup.conditions["sysmon"] == "sysmon10" else "-"


def modern(setup: Setup) -> bool:
    """Whether users are recorded with every event: since version 13.30."""
    return setup.conditions["sysmon"] == "sysmon15"


def build_process_columns(actors: Processes, setup: Setup) -> EventColumns:
    """ProcessGuid, ProcessId and Image."""
    return {
        "ProcessGuid": process_guid(actors, setup),
        "ProcessId": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "Image": actors.each(lambda p: p.image),
    }


def with_user(columns: EventColumns, actors: Processes, setup: Setup) -> EventColumns:
    """The columns, with the user as the last one in profiles that have it."""
    return {**columns, "User": actors.each(lambda p: p.user.account)} if modern(setup) else columns


def process_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """ProcessGuid of each row: machine, start in whole seconds of the host's clock, start key or token id."""
    started, keys = whole_seconds(actors.starts()), actors.numbers(lambda p: p.start_keys)
    if setup.conditions["sysmon"] == "sysmon10":
        # Old versions print a token id, which processes here lack: the start key is spread over 31 bits instead.
        tail = old_tail(0x10, keys * 40503 % (1 << 31))
    else:
        tail = start_key_tail(keys)
    return actors.column(sysmon_guid(actors.numbers(lambda p: p.host.machine), started, tail))


def logon_guid(actors: Processes, setup: Setup) -> pa.DictionaryArray:
    """LogonGuid of each row's user: machine, time of logon, logon id."""
    logged_on = actors.numbers(
        lambda p: int((p.user.logged_on + p.host.clock_skew).astype("datetime64[s]").astype(int))
    )
    logon_id = actors.numbers(lambda p: p.user.logon_id)
    tail = old_tail(0x20, logon_id) if setup.conditions["sysmon"] == "sysmon10" else logon_tail(logon_id)
    return actors.column(sysmon_guid(actors.numbers(lambda p: p.host.machine), logged_on, tail))


def whole_seconds(times: Times) -> Integers:
    """Seconds since 1970."""
    found: Integers = times.astype("datetime64[s]").astype(np.int64)
    return found


def fill_nulls(column: pa.DictionaryArray, value: str) -> pa.DictionaryArray:
    """The column with `value` in place of nulls."""
    if not column.null_count:
        return column
    codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
    return encode_codes(codes, [*column.dictionary.to_pylist(), value])


def hashes(file: Image) -> str:
    """`SHA1=..,MD5=..,SHA256=..,IMPHASH=..`, hexadecimal digits in upper case."""
    # Sysmon's own order, whatever order the configuration asks for (telemetry.md 1.3).
    parts = {"SHA1": file.sha1, "MD5": file.md5, "SHA256": file.sha256, "IMPHASH": file.imphash}
    return ",".join(f"{name}={value.upper()}" for name, value in parts.items())
