"""Files that a command writes: by redirection, by copying, by cmdlets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.telemetry.simulation.activity import Activity, FileCreation
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process

# Where PowerShell and cmd.exe find themselves when an atomic is run.
TARGETS = ("destination", "filepath", "path", "literalpath", "outfile")


def name_file(host: Host, written: str) -> str | None:
    """The path of a file; one that is relative lies in the folder where commands are run. None for no file."""
    path = written.strip("\"' ").replace("/", "\\")
    if (
        not path
        or "$" in path
        or "*" in path
        or path.lower().startswith(("hk", "registry::", "env:", "cert:", "function:"))
    ):
        return None
    if ":" in path[:2] or path.startswith("\\\\"):
        return path
    return rf"C:\Users\{host.user.name}\AppData\Local\Temp\{path.removeprefix('.').lstrip(chr(92))}"


def write_outputs(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """What `>` of any command writes."""
    for output in call.outputs:
        path = name_file(host, output)
        if path is not None:
            yield FileCreation(at=at, host=host, process=process, target_filename=path)


def copy_file(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`copy`, `xcopy`, `Copy-Item`, `Move-Item`: the second of two files, or the first one's name in a folder."""
    plain = call.plain
    source = call.option("path", "literalpath") or next(iter(plain), "")
    target = call.option("destination") or (plain[1] if len(plain) > 1 and not call.option("path") else "")
    path = name_file(host, target)
    if path is None:
        return
    name = source.replace("/", "\\").rpartition("\\")[2]
    # A last part without an ending is a folder as far as a text can tell.
    whole = path if "." in path.rpartition("\\")[2] else rf"{path.rstrip(chr(92))}\{name}"
    yield FileCreation(at=at, host=host, process=process, target_filename=whole)


def write_by_cmdlet(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`Set-Content`, `Add-Content`, `Out-File`, `New-Item` of a file, `Compress-Archive`, `Export-Csv`."""
    if call.name == "new-item" and call.option("itemtype", "type").lower() in (
        "directory",
        "container",
        "symboliclink",
    ):
        return
    written = call.option("destinationpath", *TARGETS) or next(iter(call.plain), "")
    path = name_file(host, written)
    name = call.option("name")
    if path is not None and call.name == "new-item" and name and not path.lower().endswith(name.lower()):
        path = rf"{path.rstrip(chr(92))}\{name}"
    if path is not None:
        yield FileCreation(at=at, host=host, process=process, target_filename=path)


FILE_EFFECTS = {
    "copy": copy_file,
    "xcopy": copy_file,
    "copy-item": copy_file,
    "move": copy_file,
    "move-item": copy_file,
    "set-content": write_by_cmdlet,
    "add-content": write_by_cmdlet,
    "out-file": write_by_cmdlet,
    "tee-object": write_by_cmdlet,
    "new-item": write_by_cmdlet,
    "compress-archive": write_by_cmdlet,
    "export-csv": write_by_cmdlet,
}
