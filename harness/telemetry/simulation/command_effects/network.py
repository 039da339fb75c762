"""Servers that a command calls: names that are looked up, connections, the files that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import numpy as np

from harness.late_pattern import late_pattern
from harness.telemetry.simulation.activity import Activity, FileCreation
from harness.telemetry.simulation.command_effects.files import name_file
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.network_calls import connect_to_server, look_up_name
from harness.telemetry.simulation.process_lifecycle import to_milliseconds

SERVER_URL = late_pattern(r"(?i)\b(?P<scheme>https?|ftp)://(?P<host>\[[0-9a-f:]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?")
# Methods of .NET's classes that fetch what an address holds.
METHOD = late_pattern(
    r"(?i)\.(?:download(?:string|file|data)|openread|getstringasync)\w*\(\s*[\"']?(?P<url>[^\"')\s]+)"
)
PORTS = {"http": 80, "https": 443, "ftp": 21}
NAME = late_pattern(r"[\w-]+(\.[\w-]+)+")
OUTPUT_OPTIONS = ("o", "output", "outfile", "destination", "d")


def resolve_domain_name(name: str) -> str:
    """The address that a name has in a simulation: one of TEST-NET-3, always the same."""
    # RFC 5737; nothing here points at anybody.
    return f"203.0.113.{1 + hash_to_number('name', name.lower()) % 254}"


def call_server(host: Host, process: Process, name: str, port: int, at: np.datetime64) -> Iterator[Activity]:
    """The lookup of a name and the connection to it; an address is called without a lookup."""
    bare = name.strip("[]")
    try:
        address, asked = str(ip_address(bare)), None
    except ValueError:
        address, asked = resolve_domain_name(bare), bare
    if asked is not None:
        yield from look_up_name(host, process, at, name=asked, answers=(address,))
    yield connect_to_server(host, process, at + to_milliseconds(60), server=address, port=port, name=asked)


def call_methods(host: Host, process: Process, script: str, at: np.datetime64) -> Iterator[Activity]:
    """Each address that a script fetches by a method of .NET."""
    for method in METHOD.finditer(script):
        found = SERVER_URL.match(method["url"])
        if found and int(found["port"] or 0) < 65536:
            yield from call_server(
                host, process, found["host"], int(found["port"] or PORTS[found["scheme"].lower()]), at
            )


def call_urls(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """Each SERVER_URL among the words, and the file that the answer is kept in."""
    for found in SERVER_URL.finditer(" ".join(call.words)):
        port = int(found["port"] or PORTS[found["scheme"].lower()])
        if port < 65536:
            yield from call_server(host, process, found["host"], port, at)
    file = call.option(*OUTPUT_OPTIONS)
    if call.name == "certutil" and len(call.plain) > 1:
        file = call.plain[-1]
    path = name_file(host, file) if file and not SERVER_URL.search(file) else None
    if path is not None:
        yield FileCreation(at=at + to_milliseconds(240), host=host, process=process, target_filename=path)


def look_up_words(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`nslookup`, `ping`, `Resolve-DnsName`, `Test-Connection`: the first word that is a name."""
    name = call.option("name", "computername") or next((w for w in call.plain if NAME.fullmatch(w)), "")
    # nslookup asks the server itself and not the resolver of Windows, which alone leaves an event 22.
    if not name or not NAME.fullmatch(name) or name.replace(".", "").isdecimal() or call.name == "nslookup":
        return
    yield from look_up_name(host, process, at, name=name, answers=(resolve_domain_name(name),))


NETWORK_EFFECTS = {
    **dict.fromkeys(
        ("curl", "wget", "certutil", "bitsadmin", "mshta", "regsvr32", "msiexec", "rundll32", "invoke-webrequest",
         "invoke-restmethod", "start-bitstransfer", "new-object"), call_urls,
    ),
    **dict.fromkeys(("nslookup", "ping", "resolve-dnsname", "test-connection"), look_up_words),
}  # fmt: skip
