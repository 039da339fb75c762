"""Guard rails: what a detonation may not do unless it is allowed by name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness.diagnostics import HarnessError
from harness.scenario.atomic import ArgumentType, SupportedPlatform
from harness.scenario.atomic_command import Rendered

URLS = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"`<>|()]+", re.IGNORECASE)
# Not the backslashes within a path: C:\\temp\\x.
SHARES = re.compile(r"(?<![\w\\:.])\\\\([\w.-]+)\\[\w$.-]")
# Not within longer dotted numbers, names or versions (1.2.3.4-5).
IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|-\d)")
IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{1,4}:){2,7}[0-9a-f]{0,4}(?:%\w+)?(?![\w:])|(?<![\w:.])::1(?![\w:])", re.IGNORECASE
)
# Fifty common ones, since scripts are full of names with dots (Net.WebClient): a name under another zone is not seen as
# a server. The lab's network is what keeps traffic in (lab/README.md).
PUBLIC_TOP_LEVELS = (
    "com|net|org|edu|gov|mil|int|info|biz|io|co|me|tv|cc|ws|xyz|top|site|online|club|shop|app|dev|cloud|tech|live|pro|"
    "ru|cn|uk|de|fr|nl|eu|us|ca|au|jp|in|br|it|es|pl|se|ch|ly|gg|ai|onion"
)
DOMAINS = re.compile(
    rf"(?<![\w.\\/$\[-])(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:{PUBLIC_TOP_LEVELS})(?![\w.\\-]|\()", re.IGNORECASE
)
# RFC 2606 and 6761: nobody can own them.
RESERVED = ("example", "test", "invalid", "localhost")
RESERVED_DOMAINS = ("example.com", "example.net", "example.org")
# .NET's names that end like a domain.
PLATFORM_NAMES = frozenset({"system.net", "microsoft.net", "system.io", "vb.net", "asp.net", "ado.net"})
LOCAL_NAMES = frozenset({"", ".", "localhost", "0.0.0.0", "::", "*", "+"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Something that is not done: the rule, what it met, and how to allow it."""

    rule: str
    message: str
    allow: str

    def __str__(self) -> str:
        return f"refused[{self.rule}]: {self.message}\n  = allow: {self.allow}"


class RefusedError(HarnessError):
    """A detonation that did not begin, with every rule that stopped it."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        first = self.refusals[0]
        super().__init__(first.rule, first.message, help=first.allow)

    def render(self) -> str:
        """Each refusal with its rule and how to allow it."""
        return "\n".join(str(r) for r in self.refusals)

    def as_json(self) -> dict[str, object]:
        """The refusals for machines."""
        rules = [{"rule": r.rule, "message": r.message, "allow": r.allow} for r in self.refusals]
        return {**HarnessError.as_json(self), "refusals": rules}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowances:
    """Exceptions from guard rails, allowed by name for one detonation."""

    targets: frozenset[str] = frozenset()
    elevation: bool = False
    unmarked: bool = False
    domain_controller: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host says of itself; `marker` is what provisioning wrote there, `offset` seconds its clock is ahead."""

    marker: str = ""
    product: str = ""
    elevated: bool = False
    computer: str = ""
    offset: float = 0.0
    uncertainty: float = 0.0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def domain_controller(self) -> bool:
        """Whether it is a domain controller; a host that does not say what it is counts as one."""
        # ProductType: a client or a member server; LanmanNT is a domain controller.
        return self.product not in ("WinNT", "ServerNT")


def check_tests(
    tests: Iterable[Rendered], sinks: Iterable[str], allowed: Allowances, *, get: bool = True
) -> Iterator[Refusal]:
    """Refusals that the tests' own texts cause; with `get` missing prerequisites are got, and their servers count."""
    sinks = (*sinks, *allowed.targets)
    for rendered in tests:
        atomic = rendered.atomic
        if SupportedPlatform.WINDOWS not in atomic.test.supported_platforms:
            platforms = ", ".join(atomic.test.supported_platforms)
            yield Refusal(
                rule="not-for-windows", message=f"{atomic.name} is for {platforms}", allow="choose another test"
            )
        if atomic.test.executor.elevation_required and not allowed.elevation:
            message = f"{atomic.name} needs elevated rights"
            yield Refusal(rule="elevation", message=message, allow="--allow-elevation")
        for target in sorted(find_targets(rendered, get=get)):
            if not is_allowed_target(target, sinks):
                message = f"{atomic.name} talks to {target}, which is no sink of the lab"
                allow = f"--allow-target {target}, or add it to `sinks:` in the inventory"
                yield Refusal(rule="target-outside-lab", message=message, allow=allow)


def check_host(
    name: str, facts: HostFacts, lab: str, tests: Iterable[Rendered], allowed: Allowances
) -> Iterator[Refusal]:
    """Refusals by a host: wrong marker, domain controller, missing rights."""
    if facts.marker != lab and not allowed.unmarked:
        says = f"carries the marker of `{facts.marker}`" if facts.marker else "carries no lab marker"
        allow = f"provision it for the lab `{lab}` (lab/windows/), or --allow-unmarked"
        yield Refusal(rule="no-lab-marker", message=f"{name} {says}", allow=allow)
    if facts.domain_controller and not allowed.domain_controller:
        what = (
            "is a domain controller"
            if facts.product == "LanmanNT"
            else "does not say whether it is a domain controller"
        )
        yield Refusal(rule="domain-controller", message=f"{name} {what}", allow="--allow-domain-controller")
    if not facts.elevated:
        for rendered in tests:
            if rendered.atomic.test.executor.elevation_required:
                message = f"{rendered.atomic.name} needs elevated rights, which the account has not on {name}"
                yield Refusal(rule="not-elevated", message=message, allow="use an administrator's account")


def find_targets(rendered: Rendered, *, get: bool = True) -> set[str]:
    """Every server that a test's commands or arguments name: in URLs, shares, as addresses or as domains."""
    found: set[str] = set()
    run = "\n".join(command.text for what, command in rendered.commands() if get or what != "get prerequisite")
    found |= find_servers(run)
    for name, value in rendered.arguments.items():
        # An argument that no command holds goes nowhere.
        if value not in run:
            continue
        found |= find_servers(value)
        if rendered.atomic.test.input_arguments[name].type is ArgumentType.URL and value and "://" not in value:
            found.add(value.split("/")[0].lower())
    return {f for f in found if f not in PLATFORM_NAMES}


def find_servers(text: str) -> set[str]:
    """Servers in a text: of URLs, shares, addresses and domain names, in lower case."""
    found = {server_of(m) for m in URLS.findall(text)}
    found |= {m.lower() for m in SHARES.findall(text)} | {m.lower() for m in DOMAINS.findall(text)}
    found |= {m for m in (*IPV4.findall(text), *IPV6.findall(text)) if address_of(m) is not None}
    return {f for f in found if f}


def server_of(url: str) -> str:
    """The server in a URL; of one that hides it, the whole URL."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return url


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in a text, a zone index aside; None where it is none."""
    try:
        return ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return None


def is_allowed_target(target: str, sinks: Iterable[str]) -> bool:
    """Whether a server is the host itself, a name that no one can own, or one of the lab's sinks.

    A sink is a name, an address, a network (`10.20.0.0/24`), or all names of a zone (`*.lab.example`).
    """
    target = target.lower().rstrip(".")
    address = address_of(target)
    if target in LOCAL_NAMES or (address is not None and address.is_loopback):
        return True
    if target.rpartition(".")[2] in RESERVED or any(is_below(target, d) for d in RESERVED_DOMAINS):
        return True
    for sink in (s.lower().rstrip(".") for s in sinks):
        if target == sink or (sink.startswith("*.") and target.endswith(sink[1:])):
            return True
        if address is not None and "/" in sink and is_in_network(address, sink):
            return True
    return False


def is_below(name: str, zone: str) -> bool:
    """Whether a name is a zone or in it."""
    return name == zone or name.endswith("." + zone)


def is_in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, network: str) -> bool:
    """Whether an address is in a network; a text that is no network holds nothing."""
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
