"""Local accounts that a command makes, and groups that it adds them to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.telemetry.simulation.activity import AccountCreation, Activity, GroupAddition
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.identity import hash_to_number, sid
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime, to_milliseconds
from harness.telemetry.simulation.process_tree import SYSTEM32

# Well-known identifiers of Windows' own groups ([MS-DTYP] 2.4.2.4).
BUILTIN_GROUPS = {
    "administrators": "S-1-5-32-544",
    "users": "S-1-5-32-545",
    "guests": "S-1-5-32-546",
    "power users": "S-1-5-32-547",
    "backup operators": "S-1-5-32-551",
    "remote desktop users": "S-1-5-32-555",
    "remote management users": "S-1-5-32-580",
}
# net.exe hands these on to net1.exe, which does them.
BY_NET1 = frozenset(("accounts", "group", "localgroup", "user", "start", "stop", "pause", "continue"))


def name_local_account(host: Host, account: str) -> str:
    """The security identifier of a local account, always the same for its name."""
    # Accounts that people make begin at 1001.
    return f"{sid(host.seed, host.name)}-{1001 + hash_to_number('account', account.lower()) % 500}"


def name_local_group(host: Host, group: str) -> str:
    """The security identifier of a local group."""
    return BUILTIN_GROUPS.get(group.lower()) or name_local_account(host, group)


def call_net(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`net user NAME /add`, `net localgroup GROUP NAME /add`, and net1.exe that does them."""
    verb = call.words[0].lower() if call.words else ""
    acting = process
    if call.name == "net" and verb in BY_NET1:
        # The program's own path and the words as they came.
        line = rf"{SYSTEM32}\net1 {call.arguments}"
        acting = host.process(
            rf"{SYSTEM32}\net1.exe",
            command_line=line.replace("System32", "system32"),
            parent=process,
            user=process.user,
            started=at - to_milliseconds(60),
        )
        yield from sample_process_lifetime(acting, at + to_milliseconds(90))
    names = [w for w in call.words[1:] if not w.startswith("/")]
    # In a domain it would be made elsewhere.
    if "/add" not in [w.lower() for w in call.words] or "/domain" in [w.lower() for w in call.words]:
        return
    if verb == "user" and names:
        yield create_account(host, acting, names[0], at)
    elif verb == "localgroup" and len(names) > 1:
        for member in names[1:]:
            yield add_member(host, acting, names[0], member, at)


def create_by_cmdlet(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`New-LocalUser -Name NAME`."""
    name = call.option("name") or next(iter(call.plain), "")
    if name and "$" not in name:
        yield create_account(host, process, name, at)


def add_by_cmdlet(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`Add-LocalGroupMember -Group GROUP -Member NAME`."""
    group, member = call.option("group", "name"), call.option("member")
    if group and member and "$" not in group + member:
        yield add_member(host, process, group, member, at)


def create_account(host: Host, process: Process, account: str, at: np.datetime64) -> Activity:
    """A new local account."""
    return AccountCreation(at=at, host=host, process=process, account=account, sid=name_local_account(host, account))


def add_member(host: Host, process: Process, group: str, member: str, at: np.datetime64) -> Activity:
    """A local account in a local group."""
    return GroupAddition(
        at=at,
        host=host,
        process=process,
        member=member,
        member_sid=name_local_account(host, member),
        group=group,
        group_sid=name_local_group(host, group),
    )


ACCOUNT_EFFECTS = {
    "net": call_net,
    "net1": call_net,
    "new-localuser": create_by_cmdlet,
    "add-localgroupmember": add_by_cmdlet,
}
