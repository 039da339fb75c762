"""The System channel: services that were installed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.telemetry.events.event import Events
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import ServiceInstallation
from harness.telemetry.windows_log import Channel, computer, late, vary_threads

# GUID, keywords and task of two recorded events 7045 (samples/dev/cross).
CHANNEL = Channel(
    sensor="system_log",
    provider="Service Control Manager",
    guid="{555908d1-a6d7-4695-8e1e-26931d2012f4}",
    name="System",
    keywords="0x8080000000000000",
)


def record_event_7045(rows: ActivityRows[ServiceInstallation], setup: Setup) -> Iterator[Events]:
    """Event 7045, service installed; written by services.exe in the name of whoever asked for it."""
    columns = {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("services.exe").pid)),
        "Execution_ThreadID": vary_threads(rows, setup, "services", 5),
        "Security_UserID": rows.each(lambda a: a.installer.sid),
        "ServiceName": rows.text(lambda a: a.service_name),
        "ImagePath": rows.text(lambda a: a.image_path),
        "ServiceType": rows.each(lambda a: a.service_type),
        "StartType": rows.each(lambda a: a.start_type),
        "AccountName": rows.each(lambda a: a.account),
    }
    at = late(rows.at, setup, least=0.002, median=0.01)
    yield CHANNEL.written("7045", columns, at=at, cause=rows.cause, task="0")


SENSOR = Sensor(
    name="system_log",
    meaning="the System channel of Windows, as far as the Service Control Manager writes to it",
    origin=CHANNEL,
    records={ServiceInstallation: record_event_7045},
)
