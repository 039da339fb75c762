"""A host that commands run on: the contract between a detonation and the transports."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from threading import Event
from typing import Protocol

from harness.diagnostics import HarnessError, UnreachableError
from harness.record import record
from harness.telemetry.lab.inventory import LabHost

# Ten times a page of 200 event records of 2 KiB (event_log.py); chosen.
LARGEST_OUTPUT = 4 << 20


@record(kw_only=True)
class CommandLine:
    """A line for the command prompt and what its program reads; `mark` stands in the line, so its process is found."""

    text: str
    stdin: bytes = b""
    mark: str = ""


@record(kw_only=True)
class Ended:
    """How a command ended. `exit_code` is None where it never came; `complete` is false where output may be lost."""

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    timed_out: bool = False
    complete: bool = True

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return self.exit_code == 0 and not self.timed_out


class RemoteHost(Protocol):
    """A connection to a host. Both methods raise the errors below; a command that was sent is never sent again."""

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command to its end; after `timeout` seconds or at `stop` its process tree is killed on the host."""

    def close(self) -> None:
        """Ends the connection; never raises."""


class HostUnreachableError(UnreachableError):
    """No answer from a host, or no connection to it."""


class HostRefusedError(HarnessError):
    """A host that answers and does not let us in, or whose certificate is not good."""

    exit_code = 3


class LostError(UnreachableError):
    """A command whose fate is not known: the connection went after it was sent."""


class RunOverError(HarnessError):
    """The time of a whole run is over, so that a test did not run."""

    exit_code = 1


@record
class TimedHost:
    """A connection whose commands all end with the run: each has what is left of the run's time, at most."""

    remote: RemoteHost
    end: float

    def seconds_left(self) -> float:
        """How much of the run's time there still is."""
        return self.end - time.monotonic()

    def run(self, line: CommandLine, *, timeout: float, stop: Event | None = None) -> Ended:
        """Runs a command in what is left; see `RemoteHost`. Raises RunOverError where nothing is."""
        left = self.seconds_left()
        if left <= 0:
            raise RunOverError("run-over", "the run's time was over", help="give it more with --whole-timeout")
        return self.remote.run(line, timeout=min(timeout, left), stop=stop)

    def close(self) -> None:
        """Ends the connection."""
        self.remote.close()


Connect = Callable[[LabHost], RemoteHost]


def connect(host: LabHost) -> RemoteHost:
    """A connection to a host over the transport that the inventory names."""
    name = str(host.entry.wire)
    try:
        # On demand: pywinrm and pypsrp belong to an extra.
        found: RemoteHost = import_module(f"harness.telemetry.lab.{name}").connect(host)
    except ImportError as error:
        hint = "pip install 'detlab[lab]'"
        raise HarnessError(
            "no-transport", f"the transport {name} needs a package that is not there: {error.name}", help=hint
        ) from error
    return found
