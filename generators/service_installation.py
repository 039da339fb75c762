"""Services that are installed: by updates of programs and by administrators."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity, RegistryChange, ServiceInstallation
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.schedule import poisson
from harness.telemetry.simulation.text_template import draw_ranks

# Services that updates bring or replace, with where they lie; from practice. `MpKsl` drivers come with every signature
# of Defender and have a new name each time.
SERVICES = (
    ("MpKsl{}", r"C:\ProgramData\Microsoft\Windows Defender\Definition Updates\{}\MpKslDrv.sys", "kernel mode driver"),
    ("edgeupdate", r'"C:\Program Files (x86)\Microsoft\EdgeUpdate\MicrosoftEdgeUpdate.exe" /svc', "user mode service"),
    (
        "GoogleUpdaterService{}",
        r'"C:\Program Files (x86)\Google\GoogleUpdater\updater.exe" --service',
        "user mode service",
    ),
    ("PrintNotify_{}", r"C:\Windows\system32\svchost.exe -k print", "user mode service"),
    ("RemoteSupport", r"C:\Program Files\RemoteSupport\service.exe", "user mode service"),
    ("BackupAgent", r"C:\Program Files\BackupAgent\agentsvc.exe", "user mode service"),
)


def service_installation(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    lasts: timedelta = timedelta(hours=8),
    per_day: float = 24.0,
) -> Iterator[Activity]:
    """New services a day, and the value that each leaves below the key of services."""
    at = poisson(start, lasts, per_day / 24, random)
    if not len(at):
        return
    drawn = draw_ranks(random, len(SERVICES), len(at))
    for number, (name, path, kind) in enumerate(SERVICES):
        rows = np.flatnonzero(drawn == number)
        if len(rows):
            yield from install(host, at[rows], name, path, kind, random)


def install(host: Host, at: Times, name: str, path: str, kind: str, random: Generator) -> Iterator[Activity]:
    """One service, each time it is installed."""
    services = host.running("services.exe")
    marks = [f"{n:08x}" for n in random.integers(0, 2**32, len(at)).tolist()]
    names = [name.format(mark) for mark in marks]
    paths = [path.format(mark.upper()) for mark in marks]
    each = np.arange(len(at))
    yield ServiceInstallation(
        at=at,
        host=host,
        process=services,
        service_name=TextColumn(values=names, codes=each),
        image_path=TextColumn(values=paths, codes=each),
        installer=host.account("SYSTEM"),
        service_type=kind,
        start_type="demand start" if "driver" in kind else "auto start",
    )
    yield RegistryChange(
        at=at,
        host=host,
        process=services,
        target_object=TextColumn(
            values=[rf"HKLM\System\CurrentControlSet\Services\{n}\ImagePath" for n in names], codes=each
        ),
        details=TextColumn(values=paths, codes=each),
    )
