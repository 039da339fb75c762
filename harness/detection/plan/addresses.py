"""Network addresses in any spelling."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text writes; an IPv4 address mapped into IPv6 is that IPv4 address."""
    try:
        found = ip_address(text.strip("[]") if text.startswith("[") else text.split("%", 1)[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


@lru_cache(maxsize=1024)
def network(text: str) -> IPv4Network | IPv6Network | None:
    """The network that a text writes, host bits ignored; None of other text."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def cidr_contains(text: str, *networks: str) -> bool:
    """Whether an address lies in one of the networks."""
    address = parsed(text)
    if address is None:
        return False
    return any(n is not None and n.version == address.version and address in n for n in map(network, networks))


def ip_text(text: str) -> str | None:
    """The canonical form."""
    address = parsed(text)
    return None if address is None else str(address)


def ip_network_of(text: str, bits: float) -> str | None:
    """The network of so many bits around an address."""
    address = parsed(text)
    if address is None or not 0 <= bits <= address.max_prefixlen:
        return None
    return str(ip_network(f"{address}/{int(bits)}", strict=False))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cidr_contains": cidr_contains,
    "ip_text": ip_text,
    "ip_network": ip_network_of,
}
