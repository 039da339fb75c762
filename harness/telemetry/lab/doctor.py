"""A look at a lab host: what it says of itself, what is missing, the command that puts it right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.lab.attribution import SYSMON_CHANNEL
from harness.telemetry.lab.command_line import BREAK, build_clock_command, facts, split_outputs
from harness.telemetry.lab.event_log import LogState, states
from harness.telemetry.lab.guard import HostFacts
from harness.telemetry.lab.inventory import Inventory, LabHost
from harness.telemetry.lab.remote import CommandLine, RemoteHost

FACTS_PATIENCE = 60.0
# Integrity levels high, system and protected: SIDs are the same in every language.
ELEVATED = late_pattern(r"S-1-16-(?:12288|16384|20480)")
REG_QUERY_VALUE = late_pattern(r"\sREG_\w+\s+(.*)")


def read_facts(remote: RemoteHost, name: str) -> HostFacts:
    """Marker, product type, rights, name and clock of a host. Raises HarnessError where it does not say."""
    ended = remote.run(facts(), timeout=FACTS_PATIENCE)
    found = split_outputs(ended.stdout)
    if ended.timed_out or len(found) != 4:
        raise HarnessError("no-facts", f"{name} does not say what it is: {ended.stderr.strip()[:200]}")
    offset, uncertainty = read_clock(remote, name)
    return HostFacts(
        marker=registry_value(found[0]),
        product=registry_value(found[1]),
        elevated=ELEVATED.search(found[2]) is not None,
        computer=found[3],
        offset=offset,
        uncertainty=uncertainty,
    )


def registry_value(text: str) -> str:
    """The value in what `reg query` prints, or nothing."""
    found = REG_QUERY_VALUE.search(text)
    return found[1].strip() if found else ""


def read_clock(remote: RemoteHost, name: str) -> tuple[float, float]:
    """How many seconds the host's clock is ahead of ours, and how far off that may be; the best of three answers."""
    best: tuple[float, float] | None = None
    # The quickest answer bounds the error best.
    for _ in range(3):
        before = datetime.now(UTC)
        ended = remote.run(build_clock_command(), timeout=FACTS_PATIENCE)
        after = datetime.now(UTC)
        moment = moment_of(ended.stdout)
        if moment is None:
            raise HarnessError(
                "no-clock", f"{name} does not tell its time: {(ended.stderr or ended.stdout).strip()[:200]}"
            )
        half = (after - before) / 2
        answer = ((moment - (before + half)).total_seconds(), half.total_seconds())
        best = min(best or answer, answer, key=lambda a: a[1])
        if half < timedelta(milliseconds=300):
            break
    assert best is not None
    return best


def moment_of(text: str) -> datetime | None:
    """A time as .NET prints it, with up to seven digits of a second."""
    found = re.search(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?Z", text)
    if not found:
        return None
    micros = int((found[2] or "0").ljust(6, "0"))
    try:
        return datetime.fromisoformat(found[1]).replace(microsecond=micros, tzinfo=UTC)
    except ValueError:
        return None


DOCTOR_PATIENCE = 60.0
# Seconds; chosen as what a comparison of logs would show. Kerberos allows five minutes.
WORST_CLOCK = 5.0

POWERSHELL_CHANNEL = "Microsoft-Windows-PowerShell/Operational"
DNS_CLIENT_CHANNEL = "Microsoft-Windows-DNS-Client/Operational"
TASKS = "Microsoft-Windows-TaskScheduler/Operational"

BLOCK_LOGGING = r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell\ScriptBlockLogging"
# GUIDs of audit subcategories: their names are in the language of the host.
OTHER_OBJECTS = "{0CCE9227-69AE-11D9-BED3-505054503030}"
PROCESS_CREATION = "{0CCE922B-69AE-11D9-BED3-505054503030}"

NEEDS = {
    SYSMON_CHANNEL: "Sysmon 1, 3 and 22 of all four tests",
    "Security": "4698, the created task of test 4",
    POWERSHELL_CHANNEL: "4104, the script of tests 1 to 3",
    DNS_CLIENT_CHANNEL: "3008, the lookups of test 2",
    TASKS: "106 and 200, the task of test 4",
}


class Health(StrEnum):
    """Whether something is as a test needs it."""

    GOOD = "good"
    MISSING = "missing"
    NOTE = "note"


@record(kw_only=True)
class HostCheck:
    """One thing that was looked at, what was found, and the command that puts it right."""

    what: str
    health: Health
    found: str
    command: str = ""


def examine_host(inventory: Inventory, host: LabHost, remote: RemoteHost) -> tuple[HostCheck, ...]:
    """Everything that detonation and the four tests need of a host. Raises HarnessError where it cannot be reached."""
    facts = read_facts(remote, host.name)
    found = [*build_host_identity(inventory, host, facts), *check_clock(facts), *check_channels(remote, host)]
    return (*found, *services(remote), *sinks(remote, inventory))


def build_host_identity(inventory: Inventory, host: LabHost, facts: HostFacts) -> Iterator[HostCheck]:
    """Checks of lab marker, domain controller, elevation and transport."""
    marked = facts.marker == inventory.lab
    command = rf'reg add HKLM\SOFTWARE\detlab /v Lab /d "{inventory.lab}" /f'
    found = f"`{facts.marker}`" if facts.marker else "none"
    yield HostCheck(what="lab marker", health=good(marked), found=found, command="" if marked else command)
    yield HostCheck(
        what="domain controller", health=good(not facts.domain_controller), found=facts.product or "not known"
    )
    health = Health.GOOD if facts.elevated else Health.NOTE
    found = "yes" if facts.elevated else "no: tests that need elevation do not run"
    yield HostCheck(what="elevated account", health=health, found=found)
    yield HostCheck(
        what="wire", health=Health.GOOD, found=f"{host.entry.wire} over {host.entry.scheme}, as {host.entry.user}"
    )


def check_clock(facts: HostFacts) -> Iterator[HostCheck]:
    """The check of the host's clock against ours."""
    found = f"{facts.offset:+.1f} s (known to {facts.uncertainty:.1f} s); times are put right by it"
    near = abs(facts.offset) < WORST_CLOCK
    health = Health.GOOD if near else Health.NOTE
    yield HostCheck(what="clock", health=health, found=found, command="" if near else "w32tm /resync /force")


def check_channels(remote: RemoteHost, host: LabHost) -> Iterator[HostCheck]:
    """A check for each channel of the inventory."""
    for channel, state in states(remote, host.entry.events.channels).items():
        yield check_channel(channel, state)


def check_channel(channel: str, state: LogState) -> HostCheck:
    """The check of one channel: there, on, and its number of records."""
    what = f"{channel} ({NEEDS[channel]})" if channel in NEEDS else channel
    if not state.there:
        command = r"lab\windows\provision.ps1" if channel == SYSMON_CHANNEL else ""
        return HostCheck(what=what, health=Health.MISSING, found="this channel is not there", command=command)
    if not state.enabled:
        command = f'wevtutil sl "{channel}" /e:true /q:true'
        return HostCheck(what=what, health=Health.MISSING, found="off", command=command)
    return HostCheck(what=what, health=Health.GOOD, found=f"on, {state.newest - state.oldest + 1} records")


def services(remote: RemoteHost) -> Iterator[HostCheck]:
    """Sysmon's service, PowerShell's script block logging and the audit policy."""
    lines = (
        # The service is called after the executable that installed it.
        "sc query Sysmon64 & sc query Sysmon",
        f"reg query {BLOCK_LOGGING} /v EnableScriptBlockLogging",
        f'auditpol /get /subcategory:"{OTHER_OBJECTS}" /r',
        f'auditpol /get /subcategory:"{PROCESS_CREATION}" /r',
    )
    ended = remote.run(CommandLine(text=f" & echo {BREAK} & ".join(lines)), timeout=DOCTOR_PATIENCE)
    found = split_outputs(ended.stdout)
    if ended.timed_out or len(found) != len(lines):
        raise HarnessError("no-facts", "the host does not say how it is set up")
    running = "RUNNING" in found[0]
    command = "" if running else r"lab\windows\provision.ps1"
    yield HostCheck(what="Sysmon", health=good(running), found="runs" if running else "does not run", command=command)
    on = registry_value(found[1]) in ("0x1", "1")
    command = "" if on else f"reg add {BLOCK_LOGGING} /v EnableScriptBlockLogging /t REG_DWORD /d 1 /f"
    what = "PowerShell script block logging (4104)"
    yield HostCheck(what=what, health=good(on), found="on" if on else "off", command=command)
    yield audit("audit: other object access (4698)", OTHER_OBJECTS, found[2])
    yield audit("audit: process creation (4688)", PROCESS_CREATION, found[3], needed=False)


def audit(what: str, subcategory: str, text: str, *, needed: bool = True) -> HostCheck:
    """One subcategory of the audit policy; its setting is in the language of the host."""
    rows = [row.split(",") for row in text.splitlines() if subcategory.lower() in row.lower()]
    # Columns of auditpol /r: machine, target, subcategory, GUID, inclusion setting.
    setting = rows[0][4].strip() if rows and len(rows[0]) > 4 else ""
    # True of an English Windows only: another language's word for `No Auditing` counts as on.
    on = setting not in ("", "No Auditing")
    command = "" if on else f'auditpol /set /subcategory:"{subcategory}" /success:enable'
    bad = Health.MISSING if needed else Health.NOTE
    return HostCheck(what=what, health=Health.GOOD if on else bad, found=setting or "not known", command=command)


def sinks(remote: RemoteHost, inventory: Inventory) -> Iterator[HostCheck]:
    """Whether the host sees something listening on the ports that the tests talk to."""
    ended = remote.run(CommandLine(text="netstat -an -p tcp"), timeout=DOCTOR_PATIENCE)
    for port, tests in ((8888, "tests 1 and 4"), (4444, "test 3"), (8080, "test 3"), (8443, "test 3")):
        open_ = any(is_listening(row, port) for row in ended.stdout.splitlines())
        found = "something listens" if open_ else "nothing listens: Sysmon records no connection"
        command = "" if open_ else r"lab\windows\provision.ps1 -Sink ADDRESS, or judge with --nobody-listens"
        health = Health.GOOD if open_ else Health.NOTE
        yield HostCheck(what=f"127.0.0.1:{port} ({tests})", health=health, found=found, command=command)
    if inventory.sinks:
        yield HostCheck(what="sinks", health=Health.GOOD, found=", ".join(inventory.sinks))


def is_listening(row: str, port: int) -> bool:
    """Whether a line of netstat is a listener on loopback or everywhere; the state's word depends on the language."""
    words = row.split()
    # A listener's foreign address ends in port 0 in every language.
    return len(words) >= 4 and words[1] in (f"127.0.0.1:{port}", f"0.0.0.0:{port}") and words[2].endswith(":0")


def good(holds: bool) -> Health:
    """GOOD where it holds, else MISSING."""
    return Health.GOOD if holds else Health.MISSING


def healthy(checks: Iterable[HostCheck]) -> bool:
    """Whether nothing is missing."""
    return all(c.health is not Health.MISSING for c in checks)


def format_checks(checks: Sequence[HostCheck]) -> Iterator[str]:
    """A line for each check, and one with the command that puts it right."""
    signs = {Health.GOOD: "ok", Health.MISSING: "MISSING", Health.NOTE: "note"}
    for check in checks:
        yield f"{signs[check.health]:<8} {check.what}: {check.found}"
        if check.command:
            yield f"         run: {check.command}"
