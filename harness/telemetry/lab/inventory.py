"""The lab's inventory: which hosts there are, how they are reached, and which servers tests may talk to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path

import msgspec

from harness.diagnostics import HarnessError, Source, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.atomic_command import ATOMICS_FOLDER
from harness.scenario.document import Document, convert_document, load
from harness.telemetry.lab.secret import Secret, SecretSource

LARGEST_INVENTORY = 1 << 20
LONGEST_TIMEOUT = 600
# RFC 1035, 2.3.4; underscores are in the names of Windows hosts.
LONGEST_HOST_NAME = 253
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_LABELS = late_pattern(rf"{LABEL}(?:\.{LABEL})*")

CHANNELS = (
    "Microsoft-Windows-Sysmon/Operational",
    "Security",
    "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-DNS-Client/Operational",
    "Microsoft-Windows-TaskScheduler/Operational",
)


class Wire(StrEnum):
    """How commands reach a host: a remote shell (WinRS) or PowerShell remoting (PSRP), both over WS-Management."""

    WINRM = "winrm"
    PSRP = "psrp"


class Authentication(StrEnum):
    """How the user is shown to be who they are; `basic` sends the password itself and is only for https."""

    NTLM = "ntlm"
    KERBEROS = "kerberos"
    CERTIFICATE = "certificate"
    BASIC = "basic"


class EventSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a host's events are read: from its own logs, or from a folder that exports or a collector fills."""

    folder: str = ""
    channels: tuple[str, ...] = CHANNELS


class HostEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host as the inventory writes it. Times are in seconds."""

    address: str
    user: str = ""
    password: SecretSource | None = None
    wire: Wire = Wire.WINRM
    authentication: Authentication = Authentication.NTLM
    scheme: str = "https"
    port: int | None = None
    ca: str = ""
    certificate: str = ""
    key: str = ""
    atomics: str = ATOMICS_FOLDER
    events: EventSource = EventSource()
    # Until a host that drops packets counts as unreachable; chosen.
    connect_timeout: float = 20
    answer_timeout: float = 25
    reconnect: float = 60


class InventoryBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An inventory as it is written. `lab` is what the marker on each host says; `sinks` are servers inside the lab."""

    lab: str
    hosts: dict[str, HostEntry]
    sinks: tuple[str, ...] = ()


@record(kw_only=True)
class LabHost:
    """A host of the lab under the name that people type."""

    name: str
    entry: HostEntry
    folder: Path = field(repr=False)

    @property
    def port(self) -> int:
        """The port of WS-Management: 5986 for https, 5985 for http, unless the inventory says otherwise."""
        return self.entry.port or (5986 if self.entry.scheme == "https" else 5985)

    @property
    def endpoint(self) -> str:
        """The URL of WS-Management on the host."""
        address = f"[{self.entry.address}]" if ":" in self.entry.address else self.entry.address
        return f"{self.entry.scheme}://{address}:{self.port}/wsman"

    def file(self, name: str) -> str:
        """A file that the inventory names, seen from the inventory's folder."""
        return str(self.folder / Path(name).expanduser())

    def open_password(self) -> Secret:
        """The password. Raises HarnessError where it is not to be had."""
        if self.entry.password is None:
            hint = f"hosts: {{{self.name}: {{password: {{env: DETLAB_PASSWORD}}}}}}"
            raise HarnessError("no-secret", f"the inventory names no password for {self.name}", help=hint)
        return self.entry.password.open(self.entry.user)


@record(kw_only=True)
class Inventory:
    """A lab: its marker, its hosts and its sinks."""

    lab: str
    hosts: Mapping[str, LabHost]
    sinks: tuple[str, ...]
    document: Document = field(repr=False)

    @property
    def targets(self) -> tuple[str, ...]:
        """Servers that tests may talk to: the sinks, and the hosts by their names and addresses."""
        return (*self.sinks, *self.hosts, *(host.entry.address for host in self.hosts.values()))

    def host(self, name: str) -> LabHost:
        """The host of that name. Raises HarnessError: only hosts of the inventory are ever touched."""
        if name not in self.hosts:
            known = ", ".join(sorted(self.hosts)) or "no host"
            hint = did_you_mean(name, self.hosts) or f"it has {known}; add the host to {self.document.source.name}"
            raise HarnessError("not-in-inventory", f"the inventory has no host `{name}`", help=hint)
        return self.hosts[name]


def read_inventory(path: Path) -> Inventory:
    """The inventory in a file. Raises SourceError at the line of what is wrong."""
    try:
        if path.stat().st_size > LARGEST_INVENTORY:
            raise HarnessError("document-too-large", f"{path} is larger than {LARGEST_INVENTORY >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        hint = "copy lab/hosts.example.yaml, or name another file with --inventory"
        raise HarnessError("no-inventory", f"there is no inventory {path}", help=hint) from error
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {error.strerror}") from error
    return parse_inventory(Source(str(path), text), path.parent)


def parse_inventory(source: Source, folder: Path) -> Inventory:
    """The inventory in a text; files that it names are seen from `folder`."""
    document = load(source)
    # Before types are checked: an error of theirs would show the line.
    refuse_plain_passwords(document)
    body = convert_document(document, InventoryBody)
    if not body.lab.strip():
        raise SourceError("no-lab", "a lab has a name: its hosts carry it as their marker", document.span(["lab"]))
    for name, entry in body.hosts.items():
        check_host_entry(name, entry, document)
    hosts = {name: LabHost(name=name, entry=entry, folder=folder) for name, entry in body.hosts.items()}
    return Inventory(lab=body.lab.strip(), hosts=hosts, sinks=body.sinks, document=document)


def refuse_plain_passwords(document: Document) -> None:
    """A password in the file itself is refused before anything shows it, and the error does not show it either."""
    hosts = document.node(["hosts"]).members or {}
    for name in hosts:
        node = document.node(["hosts", name]).child("password")
        if node is not None and node.scalar:
            place = document.key(["hosts", name, "password"])
            blank = Source(place.source.name, mask(place.source.text, node.span))
            hint = "write password: {env: NAME} or password: {keyring: SERVICE}"
            message = "a password does not stand in the inventory, only where it is kept"
            raise SourceError("plain-password", message, Span(blank, place.start, place.end), help=hint)


def mask(text: str, span: Span) -> str:
    """The text with stars in place of a stretch."""
    return text[: span.start] + "*" * (span.end - span.start) + text[span.end :]


def check_host_entry(name: str, entry: HostEntry, document: Document) -> None:
    """What types cannot say about a host."""

    def refuse(key: str, message: str, help: str) -> None:
        raise SourceError("unsafe-host", message, document.span(["hosts", name, key]), help=help)

    if not is_address(entry.address):
        refuse("address", f"`{entry.address[:100]}` is no name and no address of a host", "write 192.0.2.10 or a name")
    if entry.scheme not in ("https", "http"):
        refuse("scheme", f"`scheme` cannot be `{entry.scheme}`", "one of https, http")
    if entry.scheme == "http" and entry.authentication in (Authentication.BASIC, Authentication.CERTIFICATE):
        refuse("scheme", f"{entry.authentication} over http shows everything to everybody", "leave `scheme` out")
    # pywinrm encrypts with Kerberos only where the Kerberos package can (winrm/transport.py).
    if entry.scheme == "http" and entry.wire is Wire.WINRM and entry.authentication is Authentication.KERBEROS:
        refuse("scheme", "kerberos over http is not encrypted by this transport", "use https, or wire: psrp")
    if entry.authentication is Authentication.CERTIFICATE and not (entry.certificate and entry.key):
        refuse("authentication", "a certificate needs `certificate:` and `key:`", "name both files")
    if entry.authentication is not Authentication.CERTIFICATE and not entry.user:
        refuse("address", f"`{name}` has no user", "add `user:`")
    for key in ("connect_timeout", "answer_timeout", "reconnect"):
        if not 0 < getattr(entry, key) <= LONGEST_TIMEOUT:
            refuse(key, f"`{key}` is a number of seconds up to {LONGEST_TIMEOUT}", "leave it out")
    if entry.port is not None and not 0 < entry.port < 65536:
        refuse("port", f"{entry.port} is no port", "5986 is usual for https")


def is_address(text: str) -> bool:
    """Whether a text is a host's name in ASCII or an IP address; the HTTP clients fail on others in many ways."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return len(text) <= LONGEST_HOST_NAME and HOST_LABELS.fullmatch(text) is not None
