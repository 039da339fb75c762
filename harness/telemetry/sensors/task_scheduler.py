"""TaskScheduler/Operational: tasks registered, run and removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import Times, decimal, each_its_own
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import (
    ScheduledJobCreation,
    ScheduledJobDeletion,
    ScheduledJobRun,
    ScheduledTask,
)
from harness.telemetry.simulation.identity import random_guids
from harness.telemetry.windows_log import Channel, computer, late, thread_of

CHANNEL = Channel(
    sensor="task_scheduler",
    provider="Microsoft-Windows-TaskScheduler",
    guid="{DE7B24EA-73C8-4A09-985D-5BDADCFA9017}",
    name="Microsoft-Windows-TaskScheduler/Operational",
)

# Recorded for both ends of a run, one record each (telemetry.md, addenda); the others have the log's own.
RUN_KEYWORDS = "0x8000000000000001"


def record_event_106(rows: ActivityRows[ScheduledJobCreation], setup: Setup) -> Iterator[Events]:
    """Event 106, task registered."""
    if setup.on("task_scheduler_log"):
        columns = {**build_task_columns(rows), "UserContext": rows.each(lambda a: a.process.user.account)}
        yield build_scheduler_events("106", rows, columns, shortly(rows.at, setup, 12))


def record_event_141(rows: ActivityRows[ScheduledJobDeletion], setup: Setup) -> Iterator[Events]:
    """Event 141, task deleted."""
    if setup.on("task_scheduler_log"):
        columns = {**build_task_columns(rows), "UserName": rows.each(lambda a: a.process.user.account)}
        yield build_scheduler_events("141", rows, columns, shortly(rows.at, setup, 12))


def job_run(rows: ActivityRows[ScheduledJobRun], setup: Setup) -> Iterator[Events]:
    """107 or 110 (what triggered it), 129, 100, 200 when it begins; 201 and 102 when it is over."""
    if not setup.on("task_scheduler_log"):
        return
    for demanded, runs in ((False, rows.where(lambda a: not a.on_demand)), (True, rows.where(lambda a: a.on_demand))):
        if len(runs):
            instances = each_its_own(pc.utf8_upper(random_guids(setup.random, len(runs), braces=True)))
            yield from record_run_start(runs, setup, instances, demanded=demanded)
            yield from record_run_end(runs, setup, instances)


def record_run_start(
    rows: ActivityRows[ScheduledJobRun], setup: Setup, instances: pa.DictionaryArray, *, demanded: bool
) -> Iterator[Events]:
    """107 or 110, 129, 100 and 200 of each run."""
    runs = rows.processes()
    # A run's GUID is the ActivityID of its events as well: by it the log is joined.
    task = {**build_task_columns(rows), "Correlation_ActivityID": instances}
    by_user = {"UserContext": rows.each(find_task_account)} if demanded else {}
    triggered = {**task, "InstanceId": instances, **by_user}
    # Milliseconds around the start of the process: the order of the events is inferred
    # (telemetry.md 2.5), the distances are chosen.
    yield build_scheduler_events("110" if demanded else "107", rows, triggered, shortly(rows.at, setup, -30))
    created = {
        **build_task_columns(rows),
        "Path": rows.each(lambda a: a.task.command),
        "ProcessID": runs.column(decimal(runs.numbers(lambda p: p.pids))),
        # BELOW_NORMAL_PRIORITY_CLASS, which a task's default <Priority>7 becomes; 32 (normal) is recorded as well.
        "Priority": rows.each(lambda a: "16384"),
    }
    yield build_scheduler_events("129", rows, created, shortly(rows.at, setup, 2))
    started = {**task, "UserContext": rows.each(find_task_account), "InstanceId": instances}
    yield build_scheduler_events("100", rows, started, shortly(rows.at, setup, 4), opcode="1")
    launched = {
        **task,
        "ActionName": rows.each(lambda a: a.task.command),
        "TaskInstanceId": instances,
        "EnginePID": rows.each(lambda a: str(a.service.pid)),
    }
    yield build_scheduler_events("200", rows, launched, shortly(rows.at, setup, 6), version="1", opcode="1")


def record_run_end(
    rows: ActivityRows[ScheduledJobRun], setup: Setup, instances: pa.DictionaryArray
) -> Iterator[Events]:
    """201 and 102 of each run."""
    # With the host's clock error, which ActivityRows adds to `at` alone.
    ends = [np.atleast_1d(np.asarray(a.until, "datetime64[us]")) + a.host.clock_skew for a in rows.activities]
    until: Times = np.concatenate(ends)
    task = {**build_task_columns(rows), "Correlation_ActivityID": instances}
    action = {
        **task,
        "TaskInstanceId": instances,
        "ActionName": rows.each(lambda a: a.task.command),
        "ResultCode": rows.each(lambda a: "0"),
        "EnginePID": rows.each(lambda a: str(a.service.pid)),
    }
    yield build_scheduler_events("201", rows, action, shortly(until, setup, 2), version="1", opcode="2")
    completed = {**task, "UserContext": rows.each(find_task_account), "InstanceId": instances}
    yield build_scheduler_events("102", rows, completed, shortly(until, setup, 4), opcode="2")


def build_scheduler_events(
    kind: str, rows: ActivityRows[Any], columns: dict[str, Any], at: Times, *, version: str = "0", opcode: str = "0"
) -> Events:
    """Events of one kind; the process that ran is in their data, their writer is the Schedule service."""
    keywords = RUN_KEYWORDS if kind in ("100", "102") else None
    return CHANNEL.written(kind, columns, at=at, cause=rows.cause, version=version, opcode=opcode, keywords=keywords)


def find_task_account(run: ScheduledJobRun) -> str:
    """The account that a task runs as, domain and name."""
    user: str = run.task.run_as.account
    return user


def shortly(times: Times, setup: Setup, milliseconds: int) -> Times:
    """Times of writing around an event, in the order of its steps."""
    # A wait far below the distances, so that steps keep their order.
    return late(times + np.timedelta64(milliseconds, "ms"), setup, least=0.0, median=0.0003)


def build_task_columns(rows: ActivityRows[Any]) -> dict[str, Any]:
    """Columns of every event of this channel: System fields of the Schedule service, and TaskName."""

    def task(activity: Any) -> ScheduledTask:
        found: ScheduledTask = activity.task
        return found

    return {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.service.pid)),
        "Execution_ThreadID": rows.each(thread_of("Schedule")),
        "Security_UserID": "S-1-5-18",
        "TaskName": rows.each(lambda a: task(a).name),
    }


SENSOR = Sensor(
    name="task_scheduler",
    meaning="the Operational channel of the Task Scheduler",
    origin=CHANNEL,
    conditions=(
        Condition(
            name="task_scheduler_log",
            values=("on", "off"),
            meaning="whether the channel is enabled; Windows 10 and later leave it off",
        ),
    ),
    records={
        ScheduledJobCreation: record_event_106,
        ScheduledJobDeletion: record_event_141,
        ScheduledJobRun: job_run,
    },
)
