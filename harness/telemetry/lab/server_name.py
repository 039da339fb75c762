"""Names and addresses of servers in every form that Windows reads, and which of them are inside a lab."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

RESERVED_ZONES = frozenset({"example", "test", "invalid", "localhost", "example.com", "example.net", "example.org"})
LOCAL_NAMES = frozenset({"", ".", "localhost"})
# Names that a host has for itself: of the environment, of PowerShell and of the prompt.
OWN_NAME = late_pattern(
    r"%computername%|\$\{?env:computername\}?|!computername!|\$\((?:hostname|\$env:computername)\)|\$\(\[environment\]::machinename\)",
    re.IGNORECASE,
)
# Zones that no registry gives out and that name servers of private networks answer, so that a name in them is a server.
PRIVATE_ZONES = frozenset(
    {
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "private",
        "localdomain",
        "workgroup",
        "onion",
        "i2p",
        "bit",
    }
    | {"alt", "eth", "domain", "dom", "ad", "priv", "loc"}
)
HOST_NAME = late_pattern(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
NUMBER_PART = late_pattern(r"0x[0-9a-f]{0,64}|[0-9]{1,64}", re.IGNORECASE)
LITERAL_ZONE = ".ipv6-literal.net"
THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
FULL_STOPS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})


def parse_address(text: str) -> Address | None:
    """The address that programs of Windows read in a text; None where it is a name."""
    text = text.strip().lower().rstrip(".")
    text = text.removeprefix("[").removesuffix("]")
    if text.endswith(LITERAL_ZONE):
        text = text.removesuffix(LITERAL_ZONE).replace("-", ":").replace("s", "%")
    if ":" in text:
        return parse_address6(text)
    parts = text.split(".")
    if not 1 <= len(parts) <= 4 or not all(NUMBER_PART.fullmatch(p) for p in parts):
        return None
    return compute_address4([read_part(p) for p in parts])


def parse_address6(text: str) -> Address | None:
    """An IPv6 address with or without a zone; one that stands for an IPv4 address is that."""
    try:
        address = ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address


def read_part(text: str) -> int:
    """One number of an address, as RtlIpv4StringToAddress has it: hexadecimal, octal with a 0 in front, or decimal."""
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    octal = text.startswith("0") and not set(text) - set("01234567")
    return int(text, 8 if octal else 10)


def compute_address4(parts: list[int]) -> Address | None:
    """One to four numbers as inet_aton puts them together: the last fills what is left."""
    *high, last = parts
    if any(p > 255 for p in high) or last >= 256 ** (5 - len(parts)):
        return None
    return ipaddress.IPv4Address(sum(p << (24 - 8 * i) for i, p in enumerate(high)) + last)


def is_local_address(address: Address) -> bool:
    """Whether an address is the host itself; nothing is sent to 0.0.0.0/8 but to the host."""
    return address.is_loopback or address.is_unspecified or address in THIS_NETWORK


def is_understood(target: str) -> bool:
    """Whether a text is an address or a name of plain letters, which all programs read alike."""
    target = target.lower().rstrip(".")
    if target in LOCAL_NAMES or parse_address(target) or OWN_NAME.fullmatch(target):
        return True
    return HOST_NAME.fullmatch(target) is not None and not NUMBER_PART.fullmatch(target.rpartition(".")[2])


def is_allowed_target(target: str, sinks: Iterable[str]) -> bool:
    """Whether a server is the host itself, a name that no one can own, or one of the lab's sinks.

    A sink is a name, an address, a network (`10.20.0.0/24`), or all names of a zone (`*.lab.example`). What is not
    understood is no server of the lab, unless it is allowed as it stands.
    """
    target = target.lower().rstrip(".")
    allowed = [s.lower().rstrip(".") for s in sinks]
    if target in allowed or target in LOCAL_NAMES or OWN_NAME.fullmatch(target):
        return True
    address = parse_address(target)
    if address is not None:
        return is_local_address(address) or any(is_at(address, sink) for sink in allowed)
    if not is_understood(target):
        return False
    if any(is_below(target, zone) for zone in RESERVED_ZONES):
        return True
    return any(sink.startswith("*.") and target.endswith(sink[1:]) for sink in allowed)


def is_below(name: str, zone: str) -> bool:
    """Whether a name is a zone or in it."""
    return name == zone or name.endswith("." + zone)


def is_at(address: Address, sink: str) -> bool:
    """Whether a sink is an address or a network that holds it; a text that is neither holds nothing."""
    try:
        return address in ipaddress.ip_network(sink, strict=False)
    except ValueError:
        return False


def is_public_name(name: str) -> bool:
    """Whether a dotted name is one that a registry gives out, or one of a private zone. Raises HarnessError."""
    name = unicodedata.normalize("NFKC", name).translate(FULL_STOPS).lower().strip(".")
    if "." not in name:
        return False
    if name.rpartition(".")[2] in PRIVATE_ZONES:
        return True
    label: str | None = import_suffix_list().find_registrable_label(name)
    return label is not None and "_" not in label


def import_suffix_list() -> ModuleType:
    """The module that knows public suffixes. Raises HarnessError where its package is not there."""
    try:
        return import_module("harness.telemetry.lab.public_suffix")
    except ImportError as error:
        hint = "pip install 'detlab[lab]'"
        message = "the guard needs the package `publicsuffixlist`, which is not there"
        raise HarnessError("no-suffix-list", message, help=hint) from error
