"""An atomic's own command, whatever it is: what it starts and changes, as far as its text tells."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from harness.diagnostics import HarnessError
from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.command_effects.run_command import run_command
from harness.telemetry.simulation.host import Host


def atomic_command(
    host: Host, start: np.datetime64, random: Generator, *, arguments: tuple[str, ...] = ()
) -> Iterator[Activity]:
    """The processes that the action's `atomic` starts, and what programs that are known do.

    Known are files, the registry, tasks, services, accounts, names and servers. `arguments` are the atomic's, each as
    `name=value`. What a program does beyond its words (a download that is run, a script in a file) is not simulated.
    """
    if host.attack is None:
        message = "`atomic_command` does what an atomic does, and the action names none"
        raise HarnessError("no-atomic", message, help="add `atomic: 1` beside `behaviour:`")
    given = dict(each.partition("=")[::2] for each in arguments)
    yield from run_command(host, host.attack, given)
