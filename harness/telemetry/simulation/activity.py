"""What happened on a host, in ATT&CK's data components: batches, with times and other fields as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt

from harness.record import record
from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.coded_column import AnswerColumn, DnsAnswer, TextColumn
from harness.telemetry.simulation.host import Host, Process, User

Integers = npt.NDArray[np.int64]
BooleanArray = npt.NDArray[np.bool_]

Address = Annotated[str, "address"]


Text = str | None | TextColumn | Sequence[str]


@record(kw_only=True, eq=False)
class Activity:
    """Something that happened `len(activity)` times on one host, done by one process or by an array of like ones.

    `at` is a time or an array of times (UTC, datetime64[us]). Every other field holds one value for all of them or an
    array with one a time. A process that is an array has one element a time.
    """

    at: np.datetime64 | Times
    host: Host
    process: Process

    def __len__(self) -> int:
        return len(self.at) if isinstance(self.at, np.ndarray) and self.at.ndim else 1


@record(kw_only=True, eq=False)
class ProcessCreation(Activity):
    """`process` was started; its parent, user and command line are its own."""


@record(kw_only=True, eq=False)
class ProcessTermination(Activity):
    """`process` ended."""

    exit_code: int | Integers = 0


@record(kw_only=True, eq=False)
class NetworkConnection(Activity):
    """`process` called a remote address, or with `initiated=False` was called from one.

    `destination_ip` is IPv4 or IPv6. For an inbound call it is still the listening end: this host. Where nobody
    listened or the call was dropped `established` is False: only sensors that record attempts see it. `listener` is
    the process on this same host that took the call (loopback). `destination_hostname` is the PTR name of the
    destination, None without one; `requested_hostname` the name the program asked for. A missing source follows from
    host and destination; `source_port` is ephemeral unless given.
    """

    destination_ip: Text
    destination_port: int | Integers
    protocol: str = "tcp"
    initiated: bool = True
    # Sensors differ on calls that nobody answers, so behaviours state the fact and each sensor decides.
    established: bool | BooleanArray = True
    source_ip: Text = None
    source_port: int | Integers | None = None
    destination_hostname: Text = None
    requested_hostname: Text = None
    listener: Process | None = None
    # Sizes and time of a small HTTPS request, chosen; only the proxy shows them.
    bytes_sent: int | Integers = 900
    bytes_received: int | Integers = 4200
    duration_ms: int | Integers = 240
    url_path: str = "/"
    user_agent: str = "-"

    @property
    def ports(self) -> int | Integers:
        """The calling port; 0 where nobody has settled it."""
        # Ports are settled by simulate.complete_connection, before any sensor sees a call.
        return 0 if self.source_port is None else self.source_port


@record(kw_only=True, eq=False)
class DnsQuery(Activity):
    """`process` asked for a name. `status` is a Win32 code (0, 9003 no such name, 9002, 9502, 1460 timed out).

    `query_type` is `A`, `AAAA` or `A+AAAA` (what a program asks that names no type). `answers` are addresses,
    `canonical_names` the CNAME chain before them; both are the same for all rows, unless `resolved` has an answer for
    each. `cached` answers leave no packet.
    """

    query_name: Text
    query_type: str = "A+AAAA"
    status: int | Integers = 0
    answers: tuple[str, ...] = ()
    canonical_names: tuple[str, ...] = ()
    resolved: AnswerColumn | None = None
    resolver: str | None = None
    cached: bool = False

    @property
    def replies(self) -> AnswerColumn:
        """The answer of each row."""
        if self.resolved is not None:
            return self.resolved
        alone = DnsAnswer(addresses=self.answers, canonical_names=self.canonical_names)
        return AnswerColumn(values=(alone,), codes=np.zeros(len(self), np.int64))


@record(kw_only=True, eq=False)
class ScriptExecution(Activity):
    """PowerShell ran a script block; `suspicious` ones are logged as warnings even without script block logging."""

    script_block: Text
    path: str | None = None
    suspicious: bool = False


@record(kw_only=True, eq=False)
class FileCreation(Activity):
    """`process` created or overwrote a file."""

    target_filename: Text


@record(kw_only=True, eq=False)
class RegistryChange(Activity):
    """`process` changed the registry; `change` is CreateKey, DeleteKey, SetValue or DeleteValue."""

    target_object: Text
    change: str = "SetValue"
    details: Text = None


@record(kw_only=True, eq=False)
class ImageLoad(Activity):
    """`process` loaded a library."""

    library: Text


@record(kw_only=True, eq=False)
class NamedPipe(Activity):
    """`process` created a named pipe, or with `connected` opened one of somebody else's; `name` has its backslash."""

    name: Text
    connected: bool = False


@record(kw_only=True, eq=False)
class UserLogon(Activity):
    """An account logged on to this host; `process` is the one that asked for it (winlogon.exe, services.exe).

    `accounts` has each account once, `who` which of them a row is, `logon_ids` a session each. `logon_type` is
    Windows' number: 2 at the console, 3 over the network, 5 a service, 7 unlock, 10 remote desktop. `failure` is the
    SubStatus of one that was refused, None where it succeeded.
    """

    accounts: Sequence[User]
    who: Integers
    logon_ids: Integers
    logon_type: int
    source_ip: Text = None
    source_port: int | Integers = 0
    workstation: Text = None
    privileged: bool = False
    failure: int | None = None


@record(kw_only=True, eq=False)
class UserLogoff(Activity):
    """A session of one of `accounts` ended."""

    accounts: Sequence[User]
    who: Integers
    logon_ids: Integers
    logon_type: int


@record(kw_only=True, eq=False)
class ServiceInstallation(Activity):
    """`process` (services.exe) was asked by `installer` for a new service."""

    service_name: Text
    image_path: Text
    installer: User
    service_type: str = "user mode service"
    start_type: str = "auto start"
    account: str = "LocalSystem"


@record(kw_only=True, eq=False)
class AccountCreation(Activity):
    """`process` made a local account, which is enabled at once; `sid` is the new account's."""

    account: str
    sid: str


@record(kw_only=True, eq=False)
class GroupAddition(Activity):
    """`process` added an account to a local group; both have their security identifiers."""

    member: str
    member_sid: str
    group: str
    group_sid: str


@record(kw_only=True, eq=False)
class ScheduledTask:
    """A scheduled task: its name with the leading backslash, what it runs, as whom, how often, and its XML document."""

    name: str
    command: str
    arguments: str
    author: User
    run_as: User
    identifier: str
    document: str


@record(kw_only=True, eq=False)
class ScheduledJobCreation(Activity):
    """`process` (schtasks.exe) registered a task, carried out by `service`, the svchost of the Schedule service."""

    task: ScheduledTask
    service: Process


@record(kw_only=True, eq=False)
class ScheduledJobDeletion(Activity):
    """`process` removed a task."""

    task: ScheduledTask
    service: Process


@record(kw_only=True, eq=False)
class ScheduledJobRun(Activity):
    """The Schedule service ran a task: `process` is what it started, one element a run; `until` is when each ended."""

    task: ScheduledTask
    service: Process
    until: np.datetime64 | Times
    on_demand: bool = False
