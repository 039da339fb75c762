"""Hosts, users and processes, with the identifiers that all sensors agree on; the processes every Windows has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from harness.record import record
from harness.telemetry.events.text_columns import Times, is_ipv6
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.identity import Integers, digest_hex, hash_to_number, sid
from harness.telemetry.simulation.process_tree import HOSTED_SERVICES, TREE

if TYPE_CHECKING:
    from harness.telemetry.simulation.attack import AtomicAttack

WELL_KNOWN_USERS = {
    "SYSTEM": ("S-1-5-18", 0x3E7),
    "LOCAL SERVICE": ("S-1-5-19", 0x3E5),
    "NETWORK SERVICE": ("S-1-5-20", 0x3E4),
}
"""Account to its security identifier and logon session."""

POWERSHELL_IMAGE = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
ONE_SECOND = np.timedelta64(1_000_000, "us")


@record(kw_only=True, eq=False)
class User:
    """An account and its logon session on one host; `logon_id` is the session's LUID."""

    name: str
    domain: str
    sid: str
    logon_id: int
    logged_on: np.datetime64
    session: int = 0
    integrity: str = "Medium"

    @property
    def account(self) -> str:
        r"""`DOMAIN\name`."""
        return f"{self.domain}\\{self.name}"

    @property
    def folder(self) -> str:
        """Where its programs start."""
        # As in 712 recorded events 1 of system accounts; people's own folder is one of many recorded.
        return "C:\\Windows\\system32\\" if self.system else f"C:\\Users\\{self.name}\\"

    @property
    def system(self) -> bool:
        """Whether it is an account of the operating system itself."""
        return self.domain == "NT AUTHORITY"


@record(kw_only=True, eq=False)
class Process:
    """A process, or an array of like ones: then `started`, `sequence` and `pid` are arrays with one element each.

    They may differ in command lines and parents. `sequence` counts the processes of a boot: the ProcessStartKey.
    """

    host: Host
    image: str
    command_line: str | TextColumn
    user: User
    parent: Process | None
    started: np.datetime64 | Times
    sequence: int | Integers
    pid: int | Integers
    integrity: str = "Medium"
    current_directory: str = "C:\\Windows\\system32\\"
    # The array that `take` took it of, and where: what is worked out of a process need not be worked out twice.
    origin: Process | None = field(default=None, repr=False)
    places: Integers | None = field(default=None, repr=False)

    def __len__(self) -> int:
        # np.size takes a microsecond more, and it is asked for dozens of times a batch.
        return len(self.started) if isinstance(self.started, np.ndarray) and self.started.ndim else 1

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.image.rpartition("\\")[2]

    @property
    def session(self) -> int:
        """The terminal session it runs in; 0 is that of services."""
        return self.user.session

    @property
    def start_keys(self) -> Integers:
        """ProcessStartKey of each: the boot's number in the upper 16 bits."""
        # (boot << 48) | sequence, read out of 2,156 recorded ProcessGuids; Falcon
        # knows the same number (telemetry.md 1.3).
        return np.atleast_1d(np.asarray(self.sequence, np.int64)) | (self.host.boot_number << 48)

    @property
    def starts(self) -> Times:
        """Start time of each process, an array even for one."""
        # Asked for several times a batch: an array as it is.
        own = self.started
        return own if isinstance(own, np.ndarray) and own.ndim else np.array([own], "datetime64[us]")

    @property
    def pids(self) -> Integers:
        """Process id of each, an array even for one."""
        own = self.pid
        return own if isinstance(own, np.ndarray) and own.ndim else np.array([own], np.int64)

    def take(self, rows: npt.NDArray[np.int64]) -> Process:
        """The processes at these places, in this order: for activities of which one process has several."""
        # A single process is the same in every row.
        if np.ndim(self.started) == 0:
            return self
        line = self.command_line
        # Not dataclasses.replace, which takes as long as the rest of it.
        return Process(
            host=self.host,
            image=self.image,
            command_line=line if isinstance(line, str) else line.take(rows),
            user=self.user,
            parent=self.parent and self.parent.take(rows),
            started=self.starts[rows],
            sequence=np.asarray(self.sequence)[rows],
            pid=self.pids[rows],
            integrity=self.integrity,
            current_directory=self.current_directory,
            origin=self.origin or self,
            places=rows if self.places is None else self.places[rows],
        )


@record(kw_only=True, eq=False)
class Neighbour:
    """Another host of the same organisation and its user, as this one meets them on the network."""

    name: str
    address: str
    user: User


@dataclass(slots=True)
class Ledger:
    """What a host has handed out already: process numbers, and processes that exist once."""

    sequences: set[int] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)
    processes: dict[str, Process] = field(default_factory=dict)

    def number(self, wanted: Integers) -> Integers:
        """The wanted numbers, each raised until nobody has it."""
        given: list[int] = wanted.tolist()
        # Mostly nobody has any of them, and asking once costs a third of asking number by number.
        if len(set(given)) == len(given) and self.sequences.isdisjoint(given):
            self.sequences.update(given)
            return wanted
        given = []
        for number in wanted.tolist():
            while number in self.sequences:
                number += 1
            self.sequences.add(number)
            given.append(number)
        return np.array(given, np.int64)

    def identify(self, wanted: int) -> int:
        """The wanted process id, or the next one that no lasting process has."""
        # Pids are multiples of 4 on Windows: 1,830 of 1,830 recorded.
        while wanted in self.pids:
            wanted += 4
        return wanted


@record(kw_only=True, eq=False)
class Host:
    """A Windows machine. `now` is the time at which a behaviour begins on it: new processes start then.

    `domain` is the DNS domain, "" in a workgroup. `clock_skew` is added to the time of everything the host records.
    `attack` is the atomic whose command the behaviour at hand runs.
    """

    name: str
    domain: str
    netbios_domain: str
    build: str
    address: str
    address_v6: str
    public_address: str
    resolvers: tuple[str, ...]
    time_zone: str
    boot: np.datetime64
    boot_number: int
    machine: int
    aid: str
    cid: str
    volume: int
    user: User
    now: np.datetime64
    clock_skew: np.timedelta64 = field(default_factory=lambda: np.timedelta64(0, "us"))
    seed: int = 0
    neighbours: tuple[Neighbour, ...] = field(default=(), repr=False)
    ledger: Ledger = field(default_factory=Ledger, repr=False)
    attack: AtomicAttack | None = None

    @property
    def computer(self) -> str:
        """Its name in Windows events: fully qualified in a domain."""
        return f"{self.name}.{self.domain}" if self.domain else self.name

    @property
    def own_addresses(self) -> tuple[str, ...]:
        """Addresses that are this host itself."""
        return ("127.0.0.1", "::1", self.address, self.address_v6)

    def starting(self, now: np.datetime64, attack: AtomicAttack | None = None) -> Host:
        """The same host at the time at which something begins, and the atomic that it is."""
        return replace(self, now=now.astype("datetime64[us]"), attack=attack)

    def source_for(self, destination: str) -> str:
        """The address from which this host calls a destination."""
        return self.sources_for([destination])[0]

    def sources_for(self, destinations: Sequence[str]) -> list[str]:
        """The same for many destinations."""
        own, v4, v6 = self.own_addresses, self.address, self.address_v6
        return [v if v.startswith("127.") or v in own else v6 if is_ipv6(v) else v4 for v in destinations]

    def account(self, name: str) -> User:
        """SYSTEM, NETWORK SERVICE or LOCAL SERVICE of this host."""
        identifier, logon = WELL_KNOWN_USERS[name]
        # When services.exe and lsass.exe run (process_tree.py).
        logged_on = self.boot + 8 * ONE_SECOND
        return User(
            name=name, domain="NT AUTHORITY", sid=identifier, logon_id=logon, logged_on=logged_on, integrity="System"
        )

    def process(
        self,
        image: str,
        *,
        command_line: str | TextColumn | None = None,
        parent: Process | None = None,
        user: User | None = None,
        started: np.datetime64 | Times | None = None,
        integrity: str | None = None,
        current_directory: str | None = None,
    ) -> Process:
        """A new process, or with an array of start times one for each.

        Without more it is started now by the user at the desktop; with a system account as its user, by services.exe.
        """
        who = user or (parent.user if parent else self.user)
        # Programs of a person live under the person's own profile.
        image = image.replace("{user}", who.name)
        begun = np.asarray(self.now if started is None else started, "datetime64[us]")
        elapsed = (np.atleast_1d(begun) - self.boot) // ONE_SECOND
        # One process a second behind the 300 of a boot: numbers rise with time. The median of 1,966 recorded is 3,190.
        sequence = self.ledger.number(np.maximum(elapsed.astype(np.int64), 0) + 300)
        # Knuth's multiplier scatters neighbours up to 17,400; 99 % of recorded pids are below 11,930.
        pids = np.array([self.ledger.identify(1000 + 4 * (n * 2654435761 % 4099)) for n in sequence.tolist()], np.int64)
        alone = begun.ndim == 0
        if alone:
            self.ledger.pids.add(int(pids[0]))
        return Process(
            host=self,
            image=image,
            command_line=f'"{image}"' if command_line is None else command_line,
            user=who,
            parent=parent or self.running("services.exe" if who.system else "explorer.exe"),
            started=begun[()] if alone else begun,
            sequence=int(sequence[0]) if alone else sequence,
            pid=int(pids[0]) if alone else pids,
            integrity=integrity or who.integrity,
            current_directory=current_directory or who.folder,
        )

    def running(self, name: str) -> Process:
        """A process of every Windows host: `System`, `services.exe`, `lsass.exe`, `explorer.exe`, ..."""
        known = self.ledger.processes.get(name)
        return known or self._remember(name, *TREE[name])

    def service(self, name: str) -> Process:
        """The svchost.exe of a service: `Schedule`, `Dnscache`, `BITS`, ..."""
        known = self.ledger.processes.get(name)
        account, group = HOSTED_SERVICES[name]
        line = f"C:\\Windows\\system32\\svchost.exe {group}"
        # Seconds after boot by the length of the name: different for most services, and no chance in it.
        return known or self._remember(
            name, "services.exe", "C:\\Windows\\System32\\svchost.exe", line, account, 20.0 + 0.4 * len(name)
        )

    def daemon(self, image: str, *, command_line: str | None = None, account: str = "SYSTEM") -> Process:
        """A service with its own executable, running since boot; asked for again it is the same process."""
        known = self.ledger.processes.get(image)
        line = f'"{image}"' if command_line is None else command_line
        delay = 25.0 + hash_to_number(image) % 60
        return known or self._remember(image, "services.exe", image, line, account, delay)

    def application(self, image: str, *, command_line: str | None = None) -> Process:
        """A program that the user at the desktop has open since logon; asked for again it is the same process."""
        known = self.ledger.processes.get(image)
        if known is None:
            after = (5 + hash_to_number(self.name, image) % 300) * ONE_SECOND
            started = min(self.user.logged_on + after, self.now)
            known = self.process(image, command_line=command_line, started=started)
            self.ledger.processes[image] = known
        return known

    def _remember(self, name: str, parent: str, image: str, line: str, account: str, delay: float) -> Process:
        user = self.account(account) if account else self.user
        begun = (self.user.logged_on if not account else self.boot) + np.timedelta64(int(delay * 1e6), "us")
        elapsed = int((begun - self.boot) / ONE_SECOND)
        # About four processes a second while a host boots, so that lasting ones mostly have numbers below 300.
        wanted = int(delay * 4) + 2 if account else elapsed + 300
        sequence = int(self.ledger.number(np.array([wanted]))[0])
        pid = 4 if name == "System" else self.ledger.identify(500 + 4 * (hash_to_number(self.name, name) % 900))
        self.ledger.pids.add(pid)
        process = Process(
            host=self,
            image=image,
            command_line=line,
            user=user,
            parent=self.running(parent) if parent else None,
            started=begun,
            sequence=sequence,
            pid=pid,
            integrity=user.integrity,
        )
        self.ledger.processes[name] = process
        return process


FIRST_NAMES = ("anna", "ben", "carla", "david", "elif", "femi", "grace", "hiro", "ines", "jonas", "kim", "lena")
LAST_NAMES = ("adeyemi", "becker", "costa", "dubois", "evans", "fischer", "garcia", "hansen", "ito", "jensen", "khan")
SERVER_PREFIXES = ("DC", "SRV", "SERVER", "BUILD", "DNS", "WEB", "SQL")


def host_named(name: str, *, start: np.datetime64, seed: int = 0, domain: str = "corp.example") -> Host:
    """A host of which only the name is known: everything else follows from the name and the seed.

    Names that begin with DC, SRV, BUILD, DNS, WEB or SQL are servers, others workstations.
    """
    start = start.astype("datetime64[us]")
    pick = hash_to_number(seed, name, domain)
    server = name.upper().startswith(SERVER_PREFIXES)
    # Logon two to three hours, boot 10 to 130 hours before the scenario: chosen, no source.
    logged_on = start - np.timedelta64(7000 + pick % 5000, "s")
    boot = start - np.timedelta64(3600 * (10 + pick % 120) + pick % 3600, "s")
    netbios = domain.partition(".")[0].upper()[:15]
    authority = sid(seed, domain)
    return Host(
        name=name,
        domain=domain,
        netbios_domain=netbios,
        build="10.0.20348" if server else ("10.0.19045", "10.0.22631", "10.0.26100")[pick % 3],
        # Addresses of RFC 1918, 2001:db8::/32 and 198.51.100.0/24 (RFC 5737): nothing here points at anybody.
        address=f"10.{20 + hash_to_number(seed, domain) % 40}.{pick // 7 % 250}.{10 + pick // 1750 % 240}",
        address_v6=f"2001:db8:20:{pick % 4096:x}::{10 + pick // 4096 % 60000:x}",
        public_address=f"198.51.100.{10 + hash_to_number(seed, domain) % 200}",
        resolvers=tuple(f"10.{20 + hash_to_number(seed, domain) % 40}.0.{last}" for last in (10, 11)),
        time_zone="UTC",
        boot=boot,
        # Recorded laboratories are in their 3rd to 16th boot; 20 to 419 for machines in use is chosen.
        boot_number=20 + pick % 400,
        machine=hash_to_number("machine", seed, domain, name, size=4),
        aid=digest_hex("aid", seed, domain, name),
        cid=digest_hex("cid", seed, domain),
        # Volumes 1 to 4 are recorded; 3 and 4 are usual where a disk has an EFI and a recovery partition.
        volume=3 + pick % 2,
        user=desktop_user(netbios or name, authority, pick, server, max(boot + 95 * ONE_SECOND, logged_on)),
        now=start,
        seed=seed,
    )


def desktop_user(domain: str, authority: str, pick: int, server: bool, logged_on: np.datetime64) -> User:
    """Who is at the desktop: a person at a workstation, an administrator at a server."""
    person = FIRST_NAMES[pick % len(FIRST_NAMES)] + "." + LAST_NAMES[pick // 64 % len(LAST_NAMES)]
    return User(
        name="svc-admin" if server else person,
        domain=domain,
        sid=f"{authority}-{1104 + pick % 4000}",
        # Logons of people begin about there: 1 % of 1,232 recorded LUIDs are below 0x3673c, half above 0x7ed5aa.
        logon_id=0x30000 + pick % 0x2000000,
        logged_on=logged_on,
        session=1 + pick % 3,
        integrity="High" if server else "Medium",
    )
