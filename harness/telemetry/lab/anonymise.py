"""Recordings without the names of a real lab: hosts, users, SIDs and addresses become others, the same everywhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.telemetry.events.event import NO_FIELDS, Events, Telemetry
from harness.telemetry.events.text_columns import map_distinct_values
from harness.telemetry.events.windows_event import fields_of_event
from harness.telemetry.format import read_telemetry, write_telemetry
from harness.telemetry.lab.event_log import split_events
from harness.telemetry.lab.recorder import digests, write_recording_manifest, write_whole_file
from harness.telemetry.lab.secret import SecretName, list_spellings
from harness.telemetry.recording import MANIFEST, RecordedTest, Recording, open_recording

# Without the account's last number: S-1-5-21-...-500 is an administrator everywhere, and rules say so.
SID = late_pattern(r"S-1-5-21-\d+-\d+-\d+(?=-\d+|\b)")
IPV4_ADDRESS = late_pattern(r"(?<![\w.:-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]|-\d)")
USER_FIELDS = ("User", "ParentUser", "SourceUser", "TargetUser", "SubjectUserName", "TargetUserName", "UserContext")
DOMAIN_FIELDS = ("SubjectDomainName", "TargetDomainName")
# Names of every Windows: rules read them, and they tell nothing about a lab.
BUILT_IN = frozenset(
    {"system", "local service", "network service", "anonymous logon", "nt authority", "iis apppool", "window manager"}
    | {"font driver host", "builtin", "administrators", "users", "everyone", "-", "", "nt service"}
)
USER_FOLDER = late_pattern(r"(?i)(?<=\\Users\\)([^\\<>\"'&|]+)")
COMMON_FOLDERS = frozenset({"public", "default", "default user", "all users"})
KEPT_NETWORKS = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("0.0.0.0/32"),
    ipaddress.ip_network("255.255.255.255/32"),
)


@dataclass(slots=True)
class Disguise:
    """What becomes of each name: the first time it is seen it gets another, and keeps it."""

    hosts: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    sids: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> None:
        """Takes the value of a secret, in each spelling that a file may have it in."""
        number = f"secret{len(set(self.secrets.values())) + 1:02}"
        self.secrets.update(dict.fromkeys(list_spellings(text), number))

    def learn(self, fields: dict[str, str]) -> None:
        """Takes the names of one event."""
        computer = fields.get("Computer", "")
        if computer:
            self.host(computer)
        for name in USER_FIELDS:
            domain, _, user = fields.get(name, "").rpartition("\\")
            self.user(user)
            self.domain(domain)
        for name in DOMAIN_FIELDS:
            self.domain(fields.get(name, ""))

    def host(self, name: str) -> None:
        """Takes a host's name, with and without its domain."""
        short, _, domain = name.partition(".")
        if short.lower() not in self.hosts and short.lower() not in BUILT_IN:
            self.hosts[short.lower()] = f"HOST{len(self.hosts) + 1:02}"
        if domain:
            self.domain(domain)

    def user(self, name: str) -> None:
        """Takes an account's name; a computer's own account goes with the computer."""
        low = name.lower()
        if low.endswith("$"):
            self.host(name[:-1])
        # Accounts of window manager and font driver have a session's number: DWM-1, UMFD-0.
        elif low not in BUILT_IN and low not in self.hosts and not low.startswith(("dwm-", "umfd-")):
            self.users.setdefault(low, f"user{len(self.users) + 1:02}")

    def domain(self, name: str) -> None:
        """Takes a domain's name; that of a local account is its host's."""
        low = name.lower()
        if low not in BUILT_IN and low not in self.hosts:
            self.domains.setdefault(
                low, f"lab{len(self.domains) + 1:02}.example" if "." in low else f"LAB{len(self.domains) + 1:02}"
            )

    def text(self, text: str) -> str:
        """A text with all known names replaced, and all addresses and SIDs."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, self.secrets[value])
        text = SID.sub(lambda m: self.sid(m[0]), text)
        text = IPV4_ADDRESS.sub(lambda m: self.address(m[0]), text)
        names = {**self.domains, **self.users, **self.hosts}
        if names:
            # A name may begin another one: lab before lab.example would leave .example behind.
            longest_first = sorted(names, key=len, reverse=True)
            pattern = "|".join(re.escape(n) for n in longest_first)
            text = re.sub(rf"(?i)(?<![\w-])(?:{pattern})(?![\w-])", lambda m: names[m[0].lower()], text)
        return USER_FOLDER.sub(lambda m: self.folder(m[1]), text)

    def folder(self, name: str) -> str:
        """A user's folder, which may be of a user that no event names."""
        if name.lower() in COMMON_FOLDERS or name in self.users.values():
            return name
        self.user(name)
        return self.users.get(name.lower(), name)

    def sid(self, sid: str) -> str:
        """A machine's or domain's SID, without the account's part."""
        return self.sids.setdefault(sid, f"S-1-5-21-{1000 + len(self.sids)}-2000-3000")

    def address(self, text: str) -> str:
        """An address of the same kind: private ones stay private, public ones go to 198.18.0.0/15."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if any(address in network for network in KEPT_NETWORKS) or address.is_multicast:
            return text
        if text not in self.addresses:
            number = len(self.addresses) + 1
            # 198.18.0.0/15 is for benchmarks (RFC 2544): documentation networks have room for 762 addresses only.
            start = "10.99" if address.is_private else "198.18"
            self.addresses[text] = f"{start}.{number // 250}.{number % 250 + 1}"
        return self.addresses[text]


def anonymise(source: Path, target: Path, *, also: Iterable[str] = ()) -> Disguise:
    """Writes a recording anew with other names; `also` are words to replace that no event field names as such.

    Raises HarnessError where events hold a secret that cannot be opened to be replaced.
    """
    recording = open_recording(source)
    if target.exists():
        raise HarnessError("exists", f"{target} is already there", help="name a folder that is not")
    disguise = Disguise()
    hide_revealed_secrets(recording, disguise)
    for test in recording.manifest.tests:
        for file in test.raw.values():
            for xml in split_events((source / file).read_text("utf-8")):
                disguise.learn(fields_of_event(xml))
    for host, told in recording.manifest.hosts.items():
        disguise.host(told.computer or host)
        disguise.hosts.setdefault(
            host.lower(), disguise.hosts.get(told.computer.lower(), f"HOST{len(disguise.hosts) + 1:02}")
        )
    for number, word in enumerate(also, 1):
        disguise.users.setdefault(word.lower(), f"word{number:02}")
    tests = tuple(one_test(recording.path, target, test, disguise) for test in recording.manifest.tests)
    hosts = {
        disguise.text(name): msgspec.structs.replace(told, computer=disguise.text(told.computer))
        for name, told in recording.manifest.hosts.items()
    }
    put_journal(target)
    manifest = msgspec.structs.replace(
        recording.manifest,
        tests=tests,
        hosts=hosts,
        lab="lab",
        anonymised=True,
        files=digests(target),
    )
    write_recording_manifest(target / MANIFEST, manifest)
    return disguise


def hide_revealed_secrets(recording: Recording, disguise: Disguise) -> None:
    """Opens the secrets that events hold, so that they are replaced. Raises HarnessError where one is not to be had."""
    for revealed in [r for test in recording.manifest.tests for r in test.revealed]:
        name = SecretName(env=revealed.env, keyring=revealed.keyring, user=revealed.user)
        count = sum(revealed.files.values())
        message = f"{count} values of {name} stand in the events of {recording.path} and cannot be replaced"
        try:
            value = name.open().reveal()
        except HarnessError as error:
            raise HarnessError("revealed-secret", f"{message}: {error.message}", help=error.help) from error
        texts = [(recording.path / file).read_text("utf-8") for file in revealed.files if file.endswith(".xml")]
        if not any(spelling in text for text in texts for spelling in list_spellings(value)):
            hint = "set it to the value that it had when the test ran"
            raise HarnessError("revealed-secret", f"{message}: it has another value now", help=hint)
        disguise.hide(value)


def put_journal(target: Path) -> None:
    """The journal is left out: its commands and checksums belong to the real lab."""
    target.mkdir(parents=True, exist_ok=True)
    write_whole_file(target / "journal.txt", b"left out: this recording is anonymised\n")


def one_test(source: Path, target: Path, test: RecordedTest, disguise: Disguise) -> RecordedTest:
    """Writes one test's files with other names; returns its entry for the new manifest."""
    host = disguise.text(test.host)
    raw: dict[str, str] = {}
    for channel, file in test.raw.items():
        raw[channel] = f"{host}/{Path(file).parent.name}/{Path(file).name}"
        (target / raw[channel]).parent.mkdir(parents=True, exist_ok=True)
        write_whole_file(target / raw[channel], disguise.text((source / file).read_text("utf-8")).encode("utf-8"))
    events = ""
    if test.events:
        events = f"{host}/{Path(test.events).parent.name}/events.parquet"
        (target / events).parent.mkdir(parents=True, exist_ok=True)
        with (target / events).open("wb") as out:
            write_telemetry(anonymise_telemetry(read_telemetry(source / test.events), disguise), "parquet", out)
    arguments = {n: disguise.text(v) for n, v in test.arguments.items()}
    why = disguise.text(test.why)
    return msgspec.structs.replace(
        test, host=host, raw=raw, events=events, arguments=arguments, why=why, secrets={}, revealed=()
    )


def anonymise_telemetry(telemetry: Telemetry, disguise: Disguise) -> Telemetry:
    """The tables with every text changed, distinct values once; causes and times stay."""
    causes = tuple(replace(c, host=disguise.text(c.host)) for c in telemetry.causes)
    return replace(telemetry, events=tuple(other(e, disguise) for e in telemetry.events), causes=causes)


def other(events: Events, disguise: Disguise) -> Events:
    """One table with every distinct text and constant disguised."""

    def change(values: pa.Array) -> pa.Array:
        return pa.array([None if v is None else disguise.text(v) for v in values.to_pylist()], pa.string())

    table = events.columns
    for name in [n for n in table.column_names if n not in NO_FIELDS]:
        column = map_distinct_values(table.column(name), change)
        if column is not None and not isinstance(column, str):
            table = table.set_column(table.schema.get_field_index(name), name, column)
    constants = {k: disguise.text(v) for k, v in events.constants.items()}
    return replace(events, columns=table, constants=constants)
