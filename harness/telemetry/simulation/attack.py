"""An attack as its atomic writes it: the processes that run its own command, started by hand or by a lab."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.atomic import Atomic, Shell
from harness.scenario.atomic_command import Command, render_atomic
from harness.scenario.command_prompt import split_rows
from harness.scenario.scenario import Launch
from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.host import POWERSHELL_IMAGE, Host, Process
from harness.telemetry.simulation.process_lifecycle import (
    CMD,
    WSMPROVHOST,
    WSMPROVHOST_LINE,
    remote_session,
    sample_process_lifetime,
    to_milliseconds,
)

if TYPE_CHECKING:
    from harness.telemetry.lab import command_line
else:
    # With it comes the lab, its inventory and its secrets, and this module is known to whoever judges anything.
    command_line = LateModule("harness.telemetry.lab.command_line")

# What -Command is followed by; PowerShell takes the outer quotes for its own (telemetry.md 2.3).
INLINE_SCRIPT = late_pattern(r'\s-Command\s+"(?P<script>.*)"\s*$', re.I | re.S)
# What %ComSpec% is.
COMSPEC = r"C:\Windows\system32\cmd.exe"
# A run of a lab has its time and a number here; a simulation has neither.
SIMULATED_MARK = "simulated.1"
START_OF_ROW = to_milliseconds(25)
"""From the start of a prompt to that of its first program; chosen, no source."""
UNTIL_CHAIN_ENDS = 40
"""Milliseconds from the end of a process to that of the one that waits for it; chosen, no source."""


@record(kw_only=True)
class AtomicAttack:
    """Which atomic a behaviour does the work of, and what starts it."""

    atomic: Atomic
    launched: Launch

    def render(self, arguments: Mapping[str, object]) -> Command:
        """The atomic's command with those of the arguments that it has. Raises HarnessError where it has none."""
        known = self.atomic.test.input_arguments
        command = render_atomic(self.atomic, {n: v for n, v in arguments.items() if n in known}).command
        if command is None:
            raise HarnessError("manual-atomic", f"{self.atomic.name} has steps for a person and no command")
        return command


@record(kw_only=True)
class AttackProcess:
    """The process that does an attack's work, what PowerShell logs of it, and the processes that wait for its end."""

    process: Process
    script: str | None = None
    waiting: tuple[Process, ...] = ()

    def sample_lifetime(self, until: np.datetime64 | Times | None) -> Iterator[Activity]:
        """Start and end of all of them; `until` None: they still run when the recording ends."""
        ended = None if until is None else until + to_milliseconds(UNTIL_CHAIN_ENDS)
        for each in self.waiting:
            yield from sample_process_lifetime(each, ended)
        yield from sample_process_lifetime(self.process, until, script=self.script)


def start_attack(
    host: Host, image: str, arguments: Mapping[str, object], *, line: str | None = None, script: str | None = None
) -> AttackProcess:
    """The process of an image that an attack is: its atomic's own command, or this line where no atomic is named.

    `arguments` are the atomic's, under its names. Raises HarnessError for an atomic that starts another program.
    """
    attack = host.attack
    if attack is None:
        return AttackProcess(process=host.process(image, command_line=line), script=script)
    return start_program(host, image, attack.render(arguments), attack.launched, attack.atomic.name)


def start_program(host: Host, image: str, command: Command, launched: Launch, name: str) -> AttackProcess:
    """The program of a command under the shell that runs it."""
    if command.shell is Shell.POWERSHELL:
        return start_script(host, image, command, launched, name)
    shell, waiting = start_prompt(host, command, launched)
    return start_row(host, image, split_rows(command.text)[0], shell, waiting, name)


def start_prompt(host: Host, command: Command, launched: Launch) -> tuple[Process, tuple[Process, ...]]:
    """The cmd.exe that runs a command's lines, and with it the processes that wait for its end."""
    if launched is Launch.RUNNER:
        # Invoke-AtomicRedTeam joins lines by ` & `; .NET puts quotes around the name of what it starts.
        joined = " & ".join(command.text.strip().split("\n"))
        shell = host.process(
            CMD, command_line=f'"cmd.exe" /c {joined}', parent=host.application(POWERSHELL_IMAGE), user=host.user
        )
        return shell, (shell,)
    return open_remote_prompt(host, command_line.build_marked_line(command, SIMULATED_MARK).text, launched)


def open_remote_prompt(host: Host, line: str, launched: Launch) -> tuple[Process, tuple[Process, ...]]:
    """The cmd.exe in which a lab runs a line over WinRM, or in PowerShell's own remote session."""
    winrm = launched is Launch.WINRM
    session = remote_session(host, host.now) if winrm else remote_session(host, host.now, WSMPROVHOST, WSMPROVHOST_LINE)
    whole = f"{COMSPEC} /C {line}" if winrm else f'"{COMSPEC}" /d /s /c "{line}"'
    shell = host.process(
        CMD, command_line=whole, parent=session, user=session.user, started=host.now + to_milliseconds(60)
    )
    # A lab's session of PowerShell remoting is open before its first test.
    return shell, ((session, shell) if winrm else (shell,))


def start_row(
    host: Host,
    image: str,
    row: str,
    shell: Process,
    waiting: tuple[Process, ...],
    name: str,
    after: np.timedelta64 = START_OF_ROW,
) -> AttackProcess:
    """The program that a line of the command prompt starts, so long after the prompt itself."""
    program, _, rest = row.strip().partition(" ")
    check_program(program, image, name)
    # Two blanks: cmd.exe passes them on so (telemetry.md 1.5).
    process = host.process(
        image,
        command_line=f"{program}  {rest}",
        parent=shell,
        user=shell.user,
        started=shell.started + after,
    )
    found = INLINE_SCRIPT.search(rest)
    return AttackProcess(process=process, script=found["script"] if found else None, waiting=waiting)


def start_script(host: Host, image: str, command: Command, launched: Launch, name: str) -> AttackProcess:
    """PowerShell with a script of an atomic, as Invoke-AtomicRedTeam or a lab starts it."""
    check_program("powershell.exe", image, name)
    text = command.text.strip()
    if launched is Launch.RUNNER:
        quoted = text.replace('"', '\\"')
        parent = host.application(POWERSHELL_IMAGE)
        line = f'"powershell.exe" & {{{quoted}}}'
        process = host.process(image, command_line=line, parent=parent, user=host.user)
        return AttackProcess(process=process, script=f"& {{{text}}}")
    line = command_line.build_marked_line(command, SIMULATED_MARK).text
    shell, waiting = open_remote_prompt(host, line, launched)
    own = line.removeprefix(command_line.prepend_mark("", SIMULATED_MARK))
    started = start_row(host, image, own, shell, waiting, name)
    return AttackProcess(process=started.process, script=text, waiting=waiting)


def check_program(program: str, image: str, name: str) -> None:
    """Raises HarnessError where a behaviour simulates another program than the atomic starts."""
    own = image.rpartition("\\")[2].lower()
    if program.strip('"').rpartition("\\")[2].lower().removesuffix(".exe") != own.removesuffix(".exe"):
        message = f"{name} starts {program}, and the behaviour simulates {own}"
        raise HarnessError("another-program", message, help="leave out `image`, or `atomic`")
