"""Beside an inventory: which state folder has the journals of its hosts, so that another one is noticed."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Lock

from harness.diagnostics import HarnessError
from harness.telemetry.lab.host_ledger import replace_file

STATE_NOTE = ".detlab-state.json"
LARGEST_STATE_NOTE = 1 << 20
ONE_AT_A_TIME = Lock()


def read_state_note(inventory: Path) -> dict[str, dict[str, str]]:
    """The state folder of each host, by the inventory's name; empty where there is no note. Raises HarnessError."""
    path = inventory.parent / STATE_NOTE
    try:
        if path.stat().st_size > LARGEST_STATE_NOTE:
            raise HarnessError("state-note", f"{path} is larger than {LARGEST_STATE_NOTE >> 20} MiB")
        found = json.loads(path.read_bytes())
        return {str(name): {str(h): str(s) for h, s in hosts.items()} for name, hosts in found.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HarnessError("state-note", f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        hint = "delete it once it is clear which state folder the hosts' journals are in"
        raise HarnessError("state-note", f"{path} is damaged: it is no note of state folders", help=hint) from error


def find_other_state(inventory: Path, host: str, state: Path) -> str:
    """Why a host is not known by this state folder: its journals are in another one; nothing where they are not."""
    noted = read_state_note(inventory).get(inventory.name, {}).get(host, "")
    if not noted or Path(noted) == state.resolve():
        return ""
    return f"its journals are in {noted}, and the state folder is now {state.resolve()} (DETLAB_STATE, HOME)"


def write_state_note(inventory: Path, host: str, state: Path) -> None:
    """Notes that a host's journals are in this state folder. Raises OSError where it cannot, HarnessError."""
    with ONE_AT_A_TIME:
        note = read_state_note(inventory)
        hosts = note.setdefault(inventory.name, {})
        if hosts.get(host) != str(state.resolve()):
            hosts[host] = str(state.resolve())
            replace_file(inventory.parent / STATE_NOTE, (json.dumps(note, indent=2, sort_keys=True) + "\n").encode())
