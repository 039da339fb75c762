"""Activities of every process from start to end: console, policy files, script block, usage log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import (
    Activity,
    FileCreation,
    ProcessCreation,
    ProcessTermination,
    ScriptExecution,
)
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.identity import hash_to_number, image

# Chain and command lines of LM_winrm_exec_sysmon_1_winrshost.evtx (telemetry.md 4).
WINRSHOST = r"C:\Windows\System32\winrshost.exe"
WINRSHOST_LINE = r"C:\Windows\system32\WinrsHost.exe -Embedding"
# What a session of PowerShell remoting runs in.
WSMPROVHOST = r"C:\Windows\System32\wsmprovhost.exe"
WSMPROVHOST_LINE = r"C:\Windows\system32\wsmprovhost.exe -Embedding"
CMD = r"C:\Windows\System32\cmd.exe"
CONHOST = r"C:\Windows\System32\conhost.exe"
# As in all 295 recorded events of it; 178 have cmd.exe as their parent, 16 powershell.exe.
CONHOST_LINE = r"\??\C:\Windows\system32\conhost.exe 0xffffffff -ForceV1"
POWERSHELLS = ("powershell.exe", "pwsh.exe")
# 32 letters, five bits each: the alphabet of .NET's Path.GetRandomFileName, of which these names come.
LETTERS = "abcdefghijklmnopqrstuvwxyz012345"


def sample_process_lifetime(
    process: Process, until: np.datetime64 | Times | None, *, script: str | None = None
) -> Iterator[Activity]:
    """Start and end of a process (of each, if it is an array); `until` None: it still runs when the recording ends.

    A console program without a console gets a conhost.exe of its own. PowerShell writes its two policy test files, logs
    `script` as one script block, and leaves a usage log at its end.
    """
    host, begun = process.host, process.started
    whole = [process]
    yield ProcessCreation(at=begun, host=host, process=process)
    if is_console(process) and not (process.parent and is_console(process.parent)):
        # Waits here are chosen within what LSASS_campaign_01 shows (telemetry.md 1.6), but faster: from start to
        # policy files it took a slow machine 3.2 s.
        started = begun + to_milliseconds(14)
        console = host.process(CONHOST, command_line=CONHOST_LINE, parent=process, user=process.user, started=started)
        yield ProcessCreation(at=started, host=host, process=console)
        whole.append(console)
    if process.name.lower() in POWERSHELLS:
        yield from policy_test(process)
        if script is not None:
            yield ScriptExecution(at=begun + to_milliseconds(1150), host=host, process=process, script_block=script)
    if until is not None:
        if process.name.lower() in POWERSHELLS:
            log = rf"{local_folder(process)}\Microsoft\CLR_v4.0\UsageLogs\{process.name}.log"
            yield FileCreation(at=until - to_milliseconds(35), host=host, process=process, target_filename=log)
        for ended in whole:
            yield ProcessTermination(at=until, host=host, process=ended)


def remote_session(host: Host, at: np.datetime64, image: str = WINRSHOST, line: str = WINRSHOST_LINE) -> Process:
    """The process that svchost.exe of DCOM starts for a shell over WinRM, or for PowerShell remoting.

    Session 0, high integrity, a network logon, as seen in recordings of WinRM shells.
    """
    # A session of its own for each remote shell, which starts with it.
    logon = 0x100000 + hash_to_number("winrm", host.aid, at) % 0x4000000
    user = replace(host.user, session=0, integrity="High", logon_id=logon, logged_on=at)
    return host.process(image, command_line=line, parent=host.service("DcomLaunch"), user=user, started=at)


def remote_shell(host: Host, at: np.datetime64, line: str, until: np.datetime64) -> tuple[Process, list[Activity]]:
    """The cmd.exe in which WinRM runs a command line, and what starting it leaves."""
    shell = remote_session(host, at)
    begun = at + to_milliseconds(60)
    cmd = host.process(
        CMD, command_line=rf"C:\Windows\system32\cmd.exe /C {line}", parent=shell, user=shell.user, started=begun
    )
    return cmd, [activity for process in (shell, cmd) for activity in sample_process_lifetime(process, until)]


def policy_test(process: Process) -> Iterator[Activity]:
    """The two files with which PowerShell finds out whether scripts are restricted."""
    temp = r"C:\Windows\Temp" if process.user.system else rf"{local_folder(process)}\Temp"
    numbers = [
        hash_to_number("policy", process.host.aid, n) for n in np.atleast_1d(np.asarray(process.sequence)).tolist()
    ]
    for suffix, wait in ((".ps1", 930), (".psm1", 938)):
        # Eight and three letters, `__PSScriptPolicyTest_xxxxxxxx.xxx.ps1`, and a .psm1 after it (telemetry.md 1.6).
        names = [
            rf"{temp}\__PSScriptPolicyTest_{build_random_file_name(n, 8)}.{build_random_file_name(n >> 40, 3)}{suffix}"
            for n in numbers
        ]
        name = names if np.ndim(process.started) else names[0]
        at = process.started + to_milliseconds(wait)
        yield FileCreation(at=at, host=process.host, process=process, target_filename=name)


def build_random_file_name(number: int, count: int) -> str:
    """A random file name of Windows: letters and the digits 0 to 5."""
    return "".join(LETTERS[number >> 5 * i & 31] for i in range(count))


def local_folder(process: Process) -> str:
    """The local application data of the user."""
    if process.user.system:
        return r"C:\Windows\system32\config\systemprofile\AppData\Local"
    return rf"C:\Users\{process.user.name}\AppData\Local"


def is_console(process: Process) -> bool:
    """Whether the image is a console program, from its version resource or its name."""
    return image(process.image, process.host.build).console


def to_milliseconds(count: int) -> np.timedelta64:
    """Milliseconds as a wait, to the microsecond."""
    return np.timedelta64(count * 1000, "us")
