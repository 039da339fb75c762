"""Scheduled tasks and the XML documents in which Windows keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from html import escape

import numpy as np

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.command_prompt import split_rows
from harness.telemetry.simulation.activity import (
    Activity,
    FileCreation,
    RegistryChange,
    ScheduledJobCreation,
    ScheduledJobDeletion,
    ScheduledTask,
)
from harness.telemetry.simulation.attack import start_prompt, start_row
from harness.telemetry.simulation.host import Host, Process, User
from harness.telemetry.simulation.identity import guid
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime

DOCUMENT = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Date>{date}</Date>
    <Author>{author}</Author>
    <URI>{name}</URI>
  </RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <Repetition>
        <Interval>{interval}</Interval>
        <StopAtDurationEnd>false</StopAtDurationEnd>
      </Repetition>
      <StartBoundary>{begins}</StartBoundary>
      <Enabled>true</Enabled>
    </TimeTrigger>
  </Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>true</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>true</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>false</StartWhenAvailable>
    <RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>
    <IdleSettings>
      <Duration>PT10M</Duration>
      <WaitTimeout>PT1H</WaitTimeout>
      <StopOnIdleEnd>true</StopOnIdleEnd>
      <RestartOnIdle>false</RestartOnIdle>
    </IdleSettings>
    <AllowStartOnDemand>true</AllowStartOnDemand>
    <Enabled>true</Enabled>
    <Hidden>false</Hidden>
    <RunOnlyIfIdle>false</RunOnlyIfIdle>
    <WakeToRun>false</WakeToRun>
    <ExecutionTimeLimit>PT72H</ExecutionTimeLimit>
    <Priority>7</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>{logon}
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
</Task>"""
"""What `schtasks /Create /SC MINUTE` registers, with Principals last; seen in 4698 records of real hosts."""


CACHE = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache"
SCHTASKS = r"C:\Windows\System32\schtasks.exe"
TASK_ACTION = late_pattern(r'\s/TR\s+"(?P<action>[^"]+)"', re.I)
RUN_TASK = late_pattern(r"\s*schtasks(\.exe)?\s+/Run\b", re.I)


def count_minutes(every: timedelta) -> int:
    """A period in whole minutes, as `schtasks /SC MINUTE /MO` takes it."""
    return max(1, round(every.total_seconds() / 60))


def scheduled_task(
    host: Host,
    *,
    name: str,
    arguments: str,
    command: str = "powershell.exe",
    author: User,
    run_as: User,
    every: timedelta,
    at: np.datetime64,
) -> ScheduledTask:
    """The task that `schtasks /Create /SC MINUTE` registers at a time; its first run is due at that minute."""
    path = name if name.startswith("\\") else "\\" + name
    minutes = count_minutes(every)
    # schtasks drops the seconds of the time at which it is called; Date keeps them. Local time without a zone in both.
    begins = np.datetime_as_string(at.astype("datetime64[m]").astype("datetime64[s]"))
    document = DOCUMENT.format(
        date=np.datetime_as_string(at.astype("datetime64[s]")),
        author=escape(author.account, quote=False),
        name=escape(path, quote=False),
        # Whole hours as hours is assumed: no sample of /SC MINUTE has 60 or more.
        interval=f"PT{minutes}M" if minutes % 60 else f"PT{minutes // 60}H",
        begins=begins,
        command=escape(command, quote=False),
        arguments=escape(arguments, quote=False),
        user=run_as.sid if run_as.system else escape(run_as.account, quote=False),
        logon="" if run_as.system else "\n      <LogonType>InteractiveToken</LogonType>",
    )
    return ScheduledTask(
        name=path,
        command=command,
        arguments=arguments,
        author=author,
        run_as=run_as,
        identifier="{" + guid("task", host.aid, path).upper() + "}",
        # CRLF in 4698 and in the file; two blanks of indentation (telemetry.md 2.1).
        document=document.replace("\n", "\r\n"),
    )


@record(kw_only=True)
class TaskCommands:
    """An atomic's own lines: the process that registers its task, the one that runs it at once, what it is to run."""

    create: Process
    run: Process | None
    action: str
    waiting: tuple[Process, ...]

    def split_runs(self, times: int) -> list[tuple[int, bool]]:
        """How many of a task's runs are on demand (True), and how many by its schedule."""
        at_once = min(times, 1) if self.run is not None else 0
        return [(at_once, True), (times - at_once, False)]

    def sample_lifetime(self) -> Iterator[Activity]:
        """The processes beside the one that registers: the prompt above it, and the one that runs the task."""
        last = self.create if self.run is None else self.run
        ended = last.started + np.timedelta64(95_000, "us")
        for each in self.waiting:
            yield from sample_process_lifetime(each, ended + np.timedelta64(40_000, "us"))
        if self.run is not None:
            yield from sample_process_lifetime(self.run, ended)


def start_task_commands(host: Host, arguments: Mapping[str, object]) -> TaskCommands | None:
    """The lines of an atomic that registers a task; None where no atomic is named.

    Raises HarnessError for an atomic whose first line registers none.
    """
    if host.attack is None:
        return None
    command, name = host.attack.render(arguments), host.attack.atomic.name
    rows = split_rows(command.text)
    prompt, waiting = start_prompt(host, command, host.attack.launched)
    create = start_row(host, SCHTASKS, rows[0], prompt, waiting, name)
    found = TASK_ACTION.search(rows[0])
    if found is None:
        raise HarnessError("no-task", f"the first line of {name} says not what the task runs")
    later = [row for row in rows[1:] if RUN_TASK.match(row)]
    # 150 ms: the first schtasks.exe has ended by then.
    run = start_row(host, SCHTASKS, later[0], prompt, (), name, np.timedelta64(150_000, "us")) if later else None
    return TaskCommands(
        create=create.process, run=run.process if run else None, action=found["action"], waiting=waiting
    )


def print_create_line(task: ScheduledTask, every: timedelta) -> str:
    """The command line that registers a task, as a prompt passes it on."""
    minutes = count_minutes(every)
    run = f"{task.command} {task.arguments}"
    who = " /RU SYSTEM" if task.run_as.system else ""
    # Two blanks: cmd.exe passes them on so (telemetry.md 1.5).
    return f'schtasks.exe  /Create /F /SC MINUTE /MO {minutes} /TN "{task.name[1:]}" /TR "{run}"{who}'


def register_task(
    host: Host, task: ScheduledTask, at: np.datetime64, *, every: timedelta, process: Process | None = None
) -> Iterator[Activity]:
    """What `schtasks /Create` leaves: itself, the service's registry keys and file, the registration; all in 31 ms."""
    process = process or host.process(SCHTASKS, command_line=print_create_line(task, every), parent=shell(host))
    yield from sample_process_lifetime(process, at + np.timedelta64(95_000, "us"))
    yield from record_registration(host, task, at, process)


def record_registration(host: Host, task: ScheduledTask, at: np.datetime64, process: Process) -> Iterator[Activity]:
    """What the service writes for a task that a process registers."""
    service = host.service("Schedule")
    tree, details = rf"{CACHE}\Tree{task.name}", rf"{CACHE}\Tasks\{task.identifier}"
    steps = (
        (tree, "CreateKey", None),
        (rf"{tree}\SD", "SetValue", "Binary Data"),
        (rf"{tree}\Id", "SetValue", task.identifier),
        (rf"{tree}\Index", "SetValue", "DWORD (0x00000003)"),
        (details, "CreateKey", None),
        (rf"{details}\Path", "SetValue", task.name),
        (rf"{details}\Hash", "SetValue", "Binary Data"),
        (rf"{CACHE}\Plain\{task.identifier}", "CreateKey", None),
        (rf"{details}\Schema", "SetValue", "DWORD (0x00010002)"),
        (rf"{details}\Date", "SetValue", np.datetime_as_string(at.astype("datetime64[s]"))),
        (rf"{details}\Author", "SetValue", task.author.account),
        (rf"{details}\URI", "SetValue", task.name),
        (rf"{details}\Triggers", "SetValue", "Binary Data"),
        (rf"{details}\Actions", "SetValue", "Binary Data"),
        (rf"{details}\DynamicInfo", "SetValue", "Binary Data"),
    )
    # All within 31 ms in schtasks_create_sequence.ndjson, in this order; 40 ms until schtasks.exe has asked is chosen.
    begun = at + np.timedelta64(40_000, "us")
    yield from change_registry(host, service, begun, steps)
    file = rf"C:\Windows\System32\Tasks{task.name}"
    written = begun + np.timedelta64(16_000, "us")
    yield FileCreation(at=written, host=host, process=service, target_filename=file)
    done = begun + np.timedelta64(20_000, "us")
    yield ScheduledJobCreation(at=done, host=host, process=process, task=task, service=service)


def remove_task(host: Host, task: ScheduledTask, at: np.datetime64) -> Iterator[Activity]:
    """What `schtasks /Delete` leaves."""
    line = f'schtasks.exe  /Delete /TN "{task.name[1:]}" /F'
    process = host.process(SCHTASKS, command_line=line, parent=shell(host), started=at)
    service = host.service("Schedule")
    yield from sample_process_lifetime(process, at + np.timedelta64(80_000, "us"))
    tree, details = rf"{CACHE}\Tree{task.name}", rf"{CACHE}\Tasks\{task.identifier}"
    steps = (
        (rf"{CACHE}\Plain\{task.identifier}", "DeleteKey", None),
        (details, "DeleteKey", None),
        (tree, "DeleteKey", None),
    )
    begun = at + np.timedelta64(40_000, "us")
    yield from change_registry(host, service, begun, steps)
    yield ScheduledJobDeletion(at=begun, host=host, process=process, task=task, service=service)


def change_registry(
    host: Host, service: Process, at: np.datetime64, steps: Sequence[tuple[str, str, str | None]]
) -> Iterator[Activity]:
    """Changes of the registry by a service, a millisecond apart."""
    for number, (target, change, details) in enumerate(steps):
        moment = at + np.timedelta64(1000 * number, "us")
        yield RegistryChange(
            at=moment, host=host, process=service, target_object=target, change=change, details=details
        )


def shell(host: Host) -> Process:
    """The command prompt that the user has open."""
    return host.application(r"C:\Windows\System32\cmd.exe")
