"""Scheduled tasks that a command registers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.scheduled_task import record_registration, scheduled_task

MINUTES = {"minute": 1, "hourly": 60, "daily": 1440, "weekly": 10_080}
"""What one unit of `schtasks /SC` is; the others happen at an event or once, and count as daily."""


def register_by_schtasks(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`schtasks /create` on this host."""
    name, action = call.option("tn"), call.option("tr")
    if not call.has("create") or not name or not action or call.option("s"):
        return
    program, arguments = split_action(action)
    system = call.option("ru").lower().removeprefix("nt authority\\") in ("system", "localsystem")
    number = call.option("mo")
    unit = MINUTES.get(call.option("sc").lower(), 1440)
    every = timedelta(minutes=unit * (int(number) if re.fullmatch(r"\d{1,4}", number) else 1))
    task = scheduled_task(
        host,
        name=name,
        command=program,
        arguments=arguments,
        author=process.user,
        run_as=host.account("SYSTEM") if system else host.user,
        every=every,
        at=at,
    )
    yield from record_registration(host, task, at, process)


def split_action(action: str) -> tuple[str, str]:
    """Program and arguments of what a task runs."""
    text = action.strip()
    if text.startswith('"'):
        program, _, rest = text[1:].partition('"')
        return program, rest.strip()
    program, _, rest = text.partition(" ")
    return program, rest.strip()


TASK_EFFECTS = {"schtasks": register_by_schtasks}
