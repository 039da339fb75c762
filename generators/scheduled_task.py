"""A scheduled task that calls a server, as test 4 does: created, run on its schedule, removed."""

from collections.abc import Generator as TypedGenerator
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.random import Generator

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity, Address, ScheduledJobRun, ScheduledTask
from harness.telemetry.simulation.behaviour import Count, Port
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host, Process
from harness.telemetry.simulation.network_calls import connect_to_server
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import convert_seconds, wait
from harness.telemetry.simulation.scheduled_task import count_minutes, register_task, remove_task, start_task_commands
from harness.telemetry.simulation.scheduled_task import scheduled_task as task_of

# `detlab/none` is the user agent where there is no run of a lab (attribution.py).
TASK_ARGUMENTS = (
    "-NoProfile -WindowStyle Hidden -Command Invoke-WebRequest -UseBasicParsing "
    "-UserAgent detlab/none -Uri http://{server}:{port}/"
)


def scheduled_task(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    task_name: str = "WindowsNetworkHealth",
    server: Address = "127.0.0.1",
    port: Port = 8888,
    every: timedelta = timedelta(minutes=30),
    times: Count = 1,
    run_as: Literal["user", "SYSTEM"] = "user",
    on_demand: bool = False,
    removed_after: timedelta | None = None,
    ptr: str | None = None,
    listener: bool | None = None,
) -> Iterator[Activity]:
    """schtasks.exe registers a task; svchost.exe runs PowerShell for it `times` times, each run one call.

    The first run is at once with `on_demand` (schtasks /Run), else at the next full period of minutes. The parent of a
    run is the svchost.exe of the Schedule service, never taskhostw.exe: 144 recorded process starts.
    """
    user = host.account("SYSTEM") if run_as == "SYSTEM" else host.user
    given = {"task_name": task_name, "server": server, "port": port, "minutes": count_minutes(every)}
    lines, registered, parts = start_task_commands(host, given), start, [(times, on_demand)]
    arguments = TASK_ARGUMENTS.format(server=server, port=port)
    if lines is not None:
        # By the atomic's own text: what /TR runs, and whether /Run starts it once before its schedule does.
        arguments, registered, parts = lines.action.partition(" ")[2], lines.create.starts[0], lines.split_runs(times)
        yield from lines.sample_lifetime()
    task = task_of(host, name=task_name, arguments=arguments, author=host.user, run_as=user, every=every, at=registered)
    yield from register_task(host, task, registered, every=every, process=lines.create if lines else None)
    for count, demanded in parts:
        if count:
            process = yield from runs(
                host, task, list_due_times(start, every, count, demanded, random), random, demanded
            )
            moments = process.starts + convert_seconds(random.uniform(1.4, 2.2, count))
            yield connect_to_server(host, process, moments, server=server, port=port, ptr=ptr, listener=listener)
    if removed_after is not None:
        yield from remove_task(host, task, start + wait(removed_after))


def list_due_times(start: np.datetime64, every: timedelta, count: int, on_demand: bool, random: Generator) -> Times:
    """When a task is run: at once and after each period from then on, or at the next full minute and so on."""
    # schtasks takes its start from the clock's minute, which has begun: the first run is a minute later.
    due = start + 3 * ONE_SECOND if on_demand else start.astype("datetime64[m]") + np.timedelta64(60, "s")
    waits = np.arange(count) * every.total_seconds() + random.uniform(0.05, 0.4, count)
    times: Times = due.astype("datetime64[us]") + convert_seconds(waits)
    return times


def runs(
    host: Host, task: ScheduledTask, at: Times, random: Generator, on_demand: bool
) -> TypedGenerator[Activity, None, Process]:
    """The task's runs, each a PowerShell under the Schedule service."""
    service = host.service("Schedule")
    line = f'"{task.command}" {task.arguments}'
    process = host.process(POWERSHELL_IMAGE, command_line=line, parent=service, user=task.run_as, started=at)
    until = at + convert_seconds(random.uniform(2.5, 5.0, len(at)))
    yield ScheduledJobRun(
        at=at, host=host, process=process, task=task, service=service, until=until, on_demand=on_demand
    )
    yield from sample_process_lifetime(process, until, script=task.arguments.partition("-Command ")[2])
    return process
