"""An atomic's whole command: its shells, the programs they start one after the other, and what each of them does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.scenario.atomic import Shell
from harness.scenario.atomic_command import Command
from harness.telemetry.lab.command_readings import decode_base64
from harness.telemetry.simulation.activity import Activity, ScriptExecution
from harness.telemetry.simulation.attack import AtomicAttack, AttackProcess, start_prompt, start_script
from harness.telemetry.simulation.command_effects.accounts import ACCOUNT_EFFECTS
from harness.telemetry.simulation.command_effects.files import FILE_EFFECTS, write_outputs
from harness.telemetry.simulation.command_effects.network import NETWORK_EFFECTS, call_methods
from harness.telemetry.simulation.command_effects.program_call import ProgramCall, list_calls
from harness.telemetry.simulation.command_effects.registry import REGISTRY_EFFECTS
from harness.telemetry.simulation.command_effects.services import SERVICE_EFFECTS
from harness.telemetry.simulation.command_effects.tasks import TASK_EFFECTS
from harness.telemetry.simulation.host import POWERSHELL_IMAGE, Host, Process
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime, to_milliseconds

Effect = Callable[[Host, Process, ProgramCall, np.datetime64], Iterator[Activity]]

# Chosen, no source: programs of Windows that do little run for some tenths of a second.
BETWEEN_CALLS, LENGTH_OF_CALL, UNTIL_EFFECT = 300, 220, 90
"""Milliseconds from one call to the next, of a call, from its start to what it does."""
UNTIL_SCRIPT_RUNS = 1_400
"""Milliseconds until PowerShell runs its script (telemetry.md 1.6)."""
DEEPEST_SHELL = 4
MOST_CALLS = 500
# What a shell is given to run: `cmd /c ...`, `powershell -Command ...`, `powershell ...`.
PROMPT_TEXT = late_pattern(r"(?i)[/-][ck]\s+(?P<text>.+)$", re.S)
SCRIPT_TEXT = late_pattern(r"(?i)^\S+\s+(?:.*?\s)?-c(?:ommand)?\s+(?P<text>.+)$", re.S)
ENCODED_TEXT = late_pattern(r"(?i)\s-e[ncodedma]*\s+[\"']?(?P<text>[A-Za-z0-9+/=]{8,})")
BARE_SCRIPT = late_pattern(
    r"(?i)^\S+(?:\s+-(?:nop|noprofile|noni\w*|nologo|sta|w\w*\s+\w+|ex\w*\s+\w+|ep\s+\w+))*\s+(?P<text>[^-\s].*)$", re.S
)


def find_inner_text(call: ProgramCall) -> str | None:
    """What a shell within a command is given to run; None for no shell, or a script in a file."""
    if call.name == "cmd":
        found = PROMPT_TEXT.search(call.written)
        return found["text"].strip() if found else None
    if call.name not in ("powershell", "pwsh"):
        return None
    encoded = ENCODED_TEXT.search(call.written)
    if encoded:
        return decode_base64(encoded["text"])
    script = SCRIPT_TEXT.search(call.written) or BARE_SCRIPT.search(call.written)
    return script["text"].strip() if script else None


def collect_effects() -> Mapping[str, tuple[Effect, ...]]:
    """What each program and cmdlet does."""
    found: dict[str, tuple[Effect, ...]] = {}
    for family in (ACCOUNT_EFFECTS, FILE_EFFECTS, REGISTRY_EFFECTS, NETWORK_EFFECTS, SERVICE_EFFECTS, TASK_EFFECTS):
        for name, effect in family.items():
            found[name] = (*found.get(name, ()), effect)
    return found


PROGRAM_EFFECTS = collect_effects()


@dataclass(slots=True, kw_only=True)
class CommandRun:
    """A command on its way: what can be told of it so far, and when the next call is due."""

    host: Host
    at: np.datetime64
    calls: int = 0

    def run_text(self, shell: Process, text: str, *, script: bool, depth: int = 0) -> Iterator[Activity]:
        """The calls of a text in a shell, one after the other."""
        if script:
            yield from call_methods(self.host, shell, text, self.at)
        for call in list_calls(self.host, text, script=script):
            self.calls += 1
            if self.calls > MOST_CALLS:
                raise HarnessError("command-too-long", f"the command makes more than {MOST_CALLS} calls")
            yield from self.run_call(shell, call, depth)

    def run_call(self, shell: Process, call: ProgramCall, depth: int) -> Iterator[Activity]:
        """One call: a process where it is a program, and what it does."""
        began = self.at
        acting = shell
        if call.image is not None:
            # Two blanks: cmd.exe passes them on so (telemetry.md 1.5); PowerShell puts quotes around the path.
            prompt = shell.name.lower() == "cmd.exe"
            line = f"{call.called}  {call.arguments}" if prompt else f'"{call.image}" {call.arguments}'
            acting = self.host.process(
                call.image, command_line=line.rstrip(), parent=shell, user=shell.user, started=began
            )
        done = began + to_milliseconds(UNTIL_EFFECT)
        for effect in PROGRAM_EFFECTS.get(call.name, ()):
            yield from effect(self.host, acting, call, done)
        yield from write_outputs(self.host, shell, call, done)
        self.at = began + to_milliseconds(BETWEEN_CALLS)
        inner = find_inner_text(call) if acting is not shell and depth < DEEPEST_SHELL else None
        if inner is not None:
            yield from self.run_inner(acting, inner.strip("\"'"), call, depth)
        if acting is not shell:
            yield from sample_process_lifetime(acting, self.at - to_milliseconds(BETWEEN_CALLS - LENGTH_OF_CALL))

    def run_inner(self, shell: Process, text: str, call: ProgramCall, depth: int) -> Iterator[Activity]:
        """What a shell within the command is given to run."""
        script = call.name != "cmd"
        if script:
            at = self.at + to_milliseconds(UNTIL_SCRIPT_RUNS - BETWEEN_CALLS)
            yield ScriptExecution(at=at, host=self.host, process=shell, script_block=text)
            self.at = at + to_milliseconds(UNTIL_EFFECT)
        yield from self.run_text(shell, text, script=script, depth=depth + 1)


def run_command(host: Host, attack: AtomicAttack, arguments: Mapping[str, object]) -> Iterator[Activity]:
    """Everything that an atomic's command leaves on a host, as far as its text tells.

    Raises HarnessError for one that Windows does not run.
    """
    command = attack.render(arguments)
    name = attack.atomic.name
    if command.shell not in (Shell.POWERSHELL, Shell.COMMAND_PROMPT):
        raise HarnessError("no-such-shell", f"{name} is run by {command.shell}, which Windows does not have")
    started = start_shell(host, command, attack, name)
    shell = started.process
    script = command.shell is Shell.POWERSHELL
    began = shell.started + to_milliseconds(UNTIL_SCRIPT_RUNS if script else 25)
    run = CommandRun(host=host, at=np.atleast_1d(began)[0])
    yield from run.run_text(shell, command.text, script=script)
    yield from started.sample_lifetime(run.at + to_milliseconds(LENGTH_OF_CALL))


def start_shell(host: Host, command: Command, attack: AtomicAttack, name: str) -> AttackProcess:
    """The shell that runs the command itself."""
    if command.shell is Shell.POWERSHELL:
        return start_script(host, POWERSHELL_IMAGE, command, attack.launched, name)
    shell, waiting = start_prompt(host, command, attack.launched)
    return AttackProcess(process=shell, waiting=tuple(w for w in waiting if w is not shell))
