"""Scheduled tasks and the XML documents in which Windows keeps them."""

from __future__ import annotations

from datetime import timedelta
from xml.sax.saxutils import escape

import numpy as np

from harness.telemetry.activity import ScheduledTask
from harness.telemetry.host import Host, User
from harness.telemetry.identity import guid

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


def scheduled_task(
    host: Host,
    *,
    name: str,
    command: str,
    arguments: str,
    author: User,
    run_as: User,
    every: timedelta,
    at: np.datetime64,
) -> ScheduledTask:
    """The task that `schtasks /Create /SC MINUTE` registers at a time; its first run is due at that minute."""
    path = name if name.startswith("\\") else "\\" + name
    minutes = max(1, round(every.total_seconds() / 60))
    begins = np.datetime_as_string(at.astype("datetime64[m]").astype("datetime64[s]"))
    document = DOCUMENT.format(
        date=np.datetime_as_string(at.astype("datetime64[s]")),
        author=escape(author.account),
        name=escape(path),
        interval=f"PT{minutes}M" if minutes % 60 else f"PT{minutes // 60}H",
        begins=begins,
        command=escape(command),
        arguments=escape(arguments),
        user=run_as.sid if run_as.system else escape(run_as.account),
        logon="" if run_as.system else "\n      <LogonType>InteractiveToken</LogonType>",
    )
    return ScheduledTask(
        name=path,
        command=command,
        arguments=arguments,
        author=author,
        run_as=run_as,
        identifier="{" + guid("task", host.aid, path).upper() + "}",
        document=document.replace("\n", "\r\n"),
    )
