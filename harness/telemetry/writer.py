"""Events as files of any format: the same events give the same bytes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import IO, Protocol

from harness.diagnostics import HarnessError, did_you_mean
from harness.telemetry.event import Telemetry

WRITERS_FOLDER = Path(__file__).parent / "writers"


class Writer(Protocol):
    """A format: one file in `writers/` with its file ending and this function."""

    SUFFIX: str

    def write(self, telemetry: Telemetry, out: IO[bytes]) -> int:
        """Writes what the format can hold of the telemetry; returns how many events that were."""


def list_writers() -> tuple[str, ...]:
    """Names of all formats that can be written."""
    return tuple(sorted(m.name for m in iter_modules([str(WRITERS_FOLDER)])))


def writer(name: str) -> Writer:
    """The writer of a format. Raises HarnessError for an unknown one."""
    if name not in list_writers():
        hint = did_you_mean(name, list_writers()) or f"formats are {', '.join(list_writers())}"
        raise HarnessError("unknown-format", f"no format is called `{name}`", help=hint)
    found: Writer = import_module(f"harness.telemetry.writers.{name}")
    return found


def write_telemetry(telemetry: Telemetry, name: str, out: IO[bytes]) -> int:
    """Writes telemetry in the format of that name; returns how many of its events the format can hold."""
    return writer(name).write(telemetry, out)
