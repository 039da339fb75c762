"""What the processes of a world's programs leave behind: files, registry values, libraries, pipes, names and calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.record import record
from harness.scenario.world_program import Program, Rates
from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import (
    Activity,
    FileCreation,
    ImageLoad,
    NamedPipe,
    RegistryChange,
)
from harness.telemetry.simulation.coded_column import RowCodes
from harness.telemetry.simulation.host import ONE_SECOND, Host, Process
from harness.telemetry.simulation.network_calls import call_names, look_up_names
from harness.telemetry.simulation.schedule import convert_seconds
from harness.telemetry.simulation.text_pool import PooledScope
from harness.telemetry.simulation.text_template import draw_mixture
from harness.telemetry.simulation.world.population import WorldClock


@dataclass(slots=True, kw_only=True)
class ProgramRuns:
    """The processes of a program in one run of its host, each with its end; a standing one is a single process."""

    process: Process
    starts: Times
    ends: Times
    standing: bool = False


def leave_traces(
    program: Program, runs: ProgramRuns, clock: WorldClock, hours: float, scope: PooledScope
) -> Iterator[Activity]:
    """Files, registry values, libraries, pipes, names and calls of processes, each kind as one batch."""
    host = runs.process.host
    traces = list_traces(program)
    if not runs.standing and traces.rates:
        at, by, drawn = sample_process_traces(traces, runs, scope.random)
        of_effect = traces.effects[drawn]
        for number in np.flatnonzero(np.bincount(of_effect)).tolist():
            rows = np.flatnonzero(of_effect == number)
            effect, rates, first = traces.groups[number]
            process = runs.process.take(by[rows])
            yield from TRACES[effect](host, process, at[rows], rates, drawn[rows] - first, scope)
        return
    for effect, rates, first in traces.groups:
        shares = traces.rates[first : first + len(rates)]
        at = sample_standing_traces(sum(shares) * hours, clock, scope.random)
        if len(at):
            yield from TRACES[effect](host, runs.process, at, rates, draw_by_rate(shares, len(at), scope.random), scope)


@record
class ProgramTraces:
    """What a program leaves, laid end to end: the rate of each template, its effect, and where an effect begins."""

    rates: tuple[float, ...]
    effects: RowCodes
    groups: tuple[tuple[str, Rates, int], ...]


def list_traces(program: Program) -> ProgramTraces:
    """The traces of a program."""
    groups: list[tuple[str, Rates, int]] = []
    rates: list[float] = []
    for effect, own in program.effects.items():
        if own:
            groups.append((effect, own, len(rates)))
            rates.extend(own.values())
    effects = np.repeat(np.arange(len(groups)), [len(own) for _, own, _ in groups])
    return ProgramTraces(rates=tuple(rates), effects=effects, groups=tuple(groups))


def draw_by_rate(rates: Sequence[float], count: int, random: np.random.Generator) -> RowCodes:
    """Which of some traces each of so many is."""
    shares = np.cumsum(np.array(rates, np.float64))
    drawn = np.searchsorted(shares / shares[-1], random.random(count), side="right").astype(np.int64)
    return np.minimum(drawn, len(rates) - 1)


def sample_standing_traces(rate: float, clock: WorldClock, random: np.random.Generator) -> Times:
    """Moments of the traces of a lasting process, in order."""
    seconds = float(clock.length / np.timedelta64(1_000_000, "us"))
    # Traces come in handfuls: a save writes several files, a page asks for several names. Four is chosen.
    spots = random.uniform(0, seconds, int(random.poisson(rate / 4)))
    sizes = random.geometric(0.25, len(spots))
    moments = np.sort(np.repeat(spots, sizes) + random.exponential(2.0, int(sizes.sum())))
    at: Times = np.asarray(clock.real(clock.start + convert_seconds(moments)), "datetime64[us]")
    return at


def sample_process_traces(
    traces: ProgramTraces, runs: ProgramRuns, random: np.random.Generator
) -> tuple[Times, RowCodes, RowCodes]:
    """Moments of traces in order, which process leaves each, and which trace it is."""
    # One draw for all effects: a sum of Poisson's numbers is one, and shares of it are such numbers again.
    by = np.repeat(np.arange(len(runs.starts)), random.poisson(sum(traces.rates), len(runs.starts)))
    drawn = draw_by_rate(traces.rates, len(by), random)
    lives = (runs.ends - runs.starts)[by] / np.timedelta64(1, "s")
    # Libraries are loaded when a process starts.
    early = np.array([effect == "libraries" for effect, _, _ in traces.groups], bool)[traces.effects[drawn]]
    within = random.random(len(by)) * np.where(early, np.minimum(lives, 0.4), lives * 0.98)
    at = runs.starts[by] + convert_seconds(within)
    order = np.argsort(at, kind="stable")
    return at[order], by[order], drawn[order]


def write_files(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    """Files that are created or overwritten."""
    yield FileCreation(at=at, host=host, process=process, target_filename=scope.pool.add(tuple(rates), chosen, scope))


def change_registry(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    """Values that are set (`KEY = DETAILS`) or deleted (`~KEY`), keys that are made (`+KEY`) or deleted (`-KEY`)."""
    kinds = np.array(["+-~".find(t[0]) for t in rates], np.int64)[chosen]
    keys = [t.lstrip("+-~").partition(" = ")[0] for t in rates]
    details = [t.partition(" = ")[2] for t in rates]
    for kind, change in ((-1, "SetValue"), (0, "CreateKey"), (1, "DeleteKey"), (2, "DeleteValue")):
        rows = np.flatnonzero(kinds == kind)
        if len(rows):
            yield RegistryChange(
                at=at[rows],
                host=host,
                process=process.take(rows),
                target_object=scope.pool.add(keys, chosen[rows], scope),
                change=change,
                details=scope.pool.add(details, chosen[rows], scope) if kind == -1 else None,
            )


def load_libraries(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    """Libraries that are loaded."""
    yield ImageLoad(at=at, host=host, process=process, library=scope.pool.add(tuple(rates), chosen, scope))


def open_pipes(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    r"""Pipes that are created (`\NAME`) or connected to (`>\NAME`)."""
    to_others = np.array([t.startswith(">") for t in rates], bool)[chosen]
    names = [t.removeprefix(">") for t in rates]
    for connected in (False, True):
        rows = np.flatnonzero(to_others == connected)
        if len(rows):
            name = scope.pool.add(names, chosen[rows], scope)
            yield NamedPipe(at=at[rows], host=host, process=process.take(rows), name=name, connected=connected)


def ask_names(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    """Names that are asked for; with `!` before it there is no such name."""
    lost = np.array([t.startswith("!") for t in rates], bool)[chosen]
    names = [t.removeprefix("!") for t in rates]
    for missing in (False, True):
        rows = np.flatnonzero(lost == missing)
        if len(rows):
            asked = draw_mixture(names, chosen[rows], scope)
            yield from look_up_names(host, process.take(rows), at[rows], asked, scope.random, missing=missing)


def call_servers(
    host: Host, process: Process, at: Times, rates: Rates, chosen: RowCodes, scope: PooledScope
) -> Iterator[Activity]:
    """Calls to names (`NAME:PORT`), each looked up before."""
    ports = np.array([int(t.rpartition(":")[2]) for t in rates], np.int64)
    names = [t.rpartition(":")[0] for t in rates]
    for port in np.unique(ports[chosen]).tolist():
        rows = np.flatnonzero(ports[chosen] == port)
        asked = draw_mixture(names, chosen[rows], scope)
        own = process.take(rows)
        yield from look_up_names(host, own, at[rows] - 45 * ONE_SECOND // 1000, asked, scope.random)
        yield call_names(host, own, at[rows], asked, scope.random, port=port)


TRACES = {
    "files": write_files,
    "registry": change_registry,
    "libraries": load_libraries,
    "pipes": open_pipes,
    "names": ask_names,
    "calls": call_servers,
}
"""Key of the document to what it makes happen."""
