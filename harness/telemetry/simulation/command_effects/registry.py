"""Keys and values of the registry that a command sets or deletes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from harness.telemetry.simulation.activity import Activity, RegistryChange
from harness.telemetry.simulation.command_effects.program_call import ProgramCall
from harness.telemetry.simulation.host import Host, Process

ROOTS = {
    "hklm": "HKLM", "hkey_local_machine": "HKLM", "hkcr": "HKCR", "hkey_classes_root": "HKCR", "hku": "HKU",
    "hkey_users": "HKU", "hkcu": "", "hkey_current_user": "",
}  # fmt: skip
"""Names of the roots and how Sysmon writes them; "" is the user's own below HKU."""


def name_registry_key(host: Host, written: str) -> str | None:
    """A key as Sysmon names it; None for what is no key of the registry."""
    path = re.sub(r"(?i)^(microsoft\.powershell\.core\\)?registry::", "", written.strip("\"' "))
    root, _, rest = path.replace(":", "", 1).replace("/", "\\").partition("\\")
    if root.lower() not in ROOTS:
        return None
    # The user's hive is below its SID; Sysmon has no HKCU.
    base = ROOTS[root.lower()] or rf"HKU\{host.user.sid}"
    return rf"{base}\{rest}".rstrip("\\")


def describe_value(kind: str, data: str) -> str:
    """A value as Sysmon shows it: numbers as DWORD or QWORD, bytes as such, text as it is."""
    kind = kind.lower()
    if kind in ("reg_dword", "dword", "reg_qword", "qword"):
        word = "QWORD" if "qword" in kind else "DWORD"
        try:
            number = int(data, 0)
        except ValueError:
            return data
        return f"{word} (0x{number & 0xFFFFFFFF:08x})" if word == "DWORD" else f"QWORD (0x00000000-0x{number:08x})"
    return "Binary Data" if kind in ("reg_binary", "binary", "reg_multi_sz", "multistring") else data


def change_by_reg(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`reg add` and `reg delete`."""
    if len(call.words) < 2 or call.words[0].lower() not in ("add", "delete"):
        return
    key, adding = name_registry_key(host, call.words[1]), call.words[0].lower() == "add"
    if key is None:
        return
    name = call.option("v") or ("(Default)" if call.has("ve") else "")
    if not name:
        change = "CreateKey" if adding else "DeleteKey"
        yield RegistryChange(at=at, host=host, process=process, target_object=key, change=change)
        return
    details = describe_value(call.option("t") or "reg_sz", call.option("d")) if adding else None
    change = "SetValue" if adding else "DeleteValue"
    yield RegistryChange(
        at=at, host=host, process=process, target_object=rf"{key}\{name}", change=change, details=details
    )


def change_by_cmdlet(host: Host, process: Process, call: ProgramCall, at: np.datetime64) -> Iterator[Activity]:
    """`Set-ItemProperty`, `New-ItemProperty`, `Remove-ItemProperty`, `New-Item` and `Remove-Item` of a key."""
    path = call.option("path", "literalpath") or next(iter(call.plain), "")
    key = name_registry_key(host, path)
    if key is None:
        return
    if call.name in ("new-item", "remove-item"):
        change = "CreateKey" if call.name == "new-item" else "DeleteKey"
        yield RegistryChange(at=at, host=host, process=process, target_object=key, change=change)
        return
    others = [w for w in call.plain if w != path]
    name = call.option("name") or next(iter(others), "(Default)")
    deleted = call.name in ("remove-itemproperty", "clear-itemproperty")
    value = call.option("value") or next((w for w in others if w != name), "")
    kind = call.option("propertytype", "type") or ("dword" if value.isdecimal() else "string")
    yield RegistryChange(
        at=at,
        host=host,
        process=process,
        target_object=rf"{key}\{name}",
        change="DeleteValue" if deleted else "SetValue",
        details=None if deleted else describe_value(kind, value),
    )


REGISTRY_EFFECTS = {
    "reg": change_by_reg,
    "new-item": change_by_cmdlet,
    "remove-item": change_by_cmdlet,
    "set-itemproperty": change_by_cmdlet,
    "new-itemproperty": change_by_cmdlet,
    "remove-itemproperty": change_by_cmdlet,
    "clear-itemproperty": change_by_cmdlet,
}
