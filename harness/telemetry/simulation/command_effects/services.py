"""Services that a command installs: the record of the Service Control Manager and the key below Services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from harness.telemetry.simulation.activity import Activity, RegistryChange, ServiceInstallation
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process

SERVICES_KEY = r"HKLM\System\CurrentControlSet\Services"
# `sc create start=` and what event 7045 says of it; with the value Start has in the registry.
START_TYPES: Mapping[str, tuple[str, int]] = {
    "boot": ("boot start", 0),
    "system": ("system start", 1),
    "auto": ("auto start", 2),
    "delayed-auto": ("auto start", 2),
    "automatic": ("auto start", 2),
    "demand": ("demand start", 3),
    "manual": ("demand start", 3),
    "disabled": ("disabled", 4),
}


def install_by_sc(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`sc create NAME binPath= PATH`, whose values stand behind a blank; of another host nothing is left here."""
    if len(call.words) < 3 or call.words[0].lower() != "create":
        return
    values = {}
    for at_word, word in enumerate(call.words[2:], 2):
        name, sign, rest = word.partition("=")
        if sign:
            values[name.lower()] = rest or (call.words[at_word + 1] if at_word + 1 < len(call.words) else "")
    driver = values.get("type", "").lower() in ("kernel", "filesys")
    yield from install(
        host, process, call.words[1], values.get("binpath", ""), values.get("start", "demand"), at, driver=driver
    )


def install_by_cmdlet(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`New-Service -Name NAME -BinaryPathName PATH`."""
    name = call.option("name", "n") or next(iter(call.plain), "")
    path = call.option("binarypathname", "path")
    yield from install(host, process, name, path, call.option("startuptype") or "automatic", at, driver=False)


def install(
    host: Host, process: Process, name: str, path: str, start: str, at: np.datetime64, *, driver: bool
) -> Iterator[Activity]:
    """A new service, and the values that services.exe writes for it."""
    if not name or not path:
        return
    services = host.running("services.exe")
    kind, number = START_TYPES.get(start.lower(), START_TYPES["demand"])
    yield ServiceInstallation(
        at=at,
        host=host,
        process=services,
        service_name=name,
        image_path=path,
        installer=process.user,
        service_type="kernel mode driver" if driver else "user mode service",
        start_type=kind,
    )
    for value, details in (("Start", f"DWORD (0x{number:08x})"), ("ImagePath", path)):
        yield RegistryChange(
            at=at, host=host, process=services, target_object=rf"{SERVICES_KEY}\{name}\{value}", details=details
        )


SERVICE_EFFECTS = {"sc": install_by_sc, "new-service": install_by_cmdlet}
