"""One detlab at a time on a host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from harness.diagnostics import HarnessError
from harness.telemetry.lab.guard import Refusal, RefusedError
from harness.telemetry.lab.host_ledger import quote_host


def import_file_locks() -> ModuleType | None:
    """The system's file locks; where there are none, runs are not kept apart."""
    try:
        return import_module("fcntl")
    except ImportError:
        return None


@contextmanager
def lock_host(state: Path, host: str) -> Iterator[None]:
    """Holds a host's lock. Raises RefusedError where another process has it, HarnessError where it cannot be made."""
    place = state / "locks" / f"{quote_host(host)}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "DETLAB_STATE names the folder for journals"
        raise HarnessError("journal", f"{place} cannot be opened: {reason}", help=hint) from error
    try:
        fcntl = import_file_locks()
        if fcntl:
            try:
                # Not a file that is deleted at the end: the kernel drops this with the process, after a kill too.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                message = f"another detlab works on {host}"
                raise RefusedError(
                    [Refusal(rule="host-busy", message=message, allow="wait until it has ended")]
                ) from error
        yield
    finally:
        os.close(handle)
