"""What the programs of a world do on one host between boot and shutdown: when they start, and their processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from harness.record import record
from harness.scenario.world_program import During, Program
from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import (
    Activity,
    ScriptExecution,
)
from harness.telemetry.simulation.coded_column import RowCodes, TextColumn
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.process_tree import HOSTED_SERVICES, TREE
from harness.telemetry.simulation.schedule import convert_seconds
from harness.telemetry.simulation.text_pool import PooledScope, TextPool
from harness.telemetry.simulation.text_template import (
    cumulate_popularity,
    draw_ranks,
    draw_texts,
    expand_fixed,
)
from harness.telemetry.simulation.world.interruptions import take_activity_rows
from harness.telemetry.simulation.world.population import WorldClock
from harness.telemetry.simulation.world.program_traces import ProgramRuns, leave_traces

HABIT_SPREAD = 0.6
"""Sigma of the lognormal by which hosts differ in how often they start a program; chosen, so that nine of ten lie
within a factor of 2.7."""
MOST_STARTS = 200_000
"""Starts of one program in one run of a host."""
MOST_IMAGES = 24
"""Images that one program has in one run of a host: each is a batch of its own."""


@record(kw_only=True)
class HostRun:
    """One run of a host as programs see it: clocks, whether it was booted now, when it ends, and its chance."""

    host: Host
    clocks: Mapping[During, WorldClock]
    fresh: bool
    end: np.datetime64
    fixed: Mapping[str, str]
    own: int
    texts: TextPool


def run_program(
    name: str, program: Program, run: HostRun, known: dict[str, list[ProgramRuns]], random: np.random.Generator
) -> Iterator[Activity]:
    """What one program does; its processes are put into `known` for the programs that it starts."""
    clock = run.clocks.get(program.during)
    if clock is None:
        return
    scope = PooledScope(fixed=run.fixed, own=run.own, random=random, pool=run.texts)
    habit = draw_habit(run.host.name, name)
    if program.standing:
        image = expand_fixed(program.image, run.fixed)
        process = find_process(run.host, image, program.account)
        hours = float(clock.length / np.timedelta64(3_600_000_000, "us")) * habit
        runs = ProgramRuns(process=process, starts=np.array([clock.start]), ends=np.array([run.end]), standing=True)
        known[name] = [runs]
        activities = leave_traces(program, runs, clock, hours, scope)
    else:
        activities = start_program(name, program, run, clock, habit, known, scope)
    for activity in activities:
        kept = trim_to_run(activity, run.end)
        if kept is not None:
            yield kept


@lru_cache(maxsize=200_000)
def draw_habit(host: str, program: str) -> float:
    """How much more often than others a host starts a program."""
    # One draw a host and program, not a boot: somebody who prints much prints much every day.
    return float(np.exp(HABIT_SPREAD * np.random.default_rng([hash_to_number("habit", host, program)]).normal()))


def trim_to_run(activity: Activity, end: np.datetime64) -> Activity | None:
    """The activity without what would happen after the host is off."""
    late = activity.at >= end
    if not late.any():
        return activity if len(activity) else None
    kept = np.flatnonzero(~np.atleast_1d(late))
    return take_activity_rows(activity, kept) if len(kept) else None


def start_program(
    name: str,
    program: Program,
    run: HostRun,
    clock: WorldClock,
    habit: float,
    known: dict[str, list[ProgramRuns]],
    scope: PooledScope,
) -> Iterator[Activity]:
    """Every start of a program, one batch an image and an array of parents."""
    parents: Sequence[ProgramRuns | None] = known.get(program.parent) or [None]
    if program.per_parent and parents[0] is None:
        return
    known[name] = []
    for parent in parents if program.per_parent else parents[:1]:
        if program.per_parent and parent is not None:
            starts, by = sample_child_starts(program.per_parent, parent, clock, scope.random)
        else:
            starts, by = sample_starts(program, run, clock, habit, scope.random), None
        kept = np.flatnonzero(starts < run.end)
        if not len(kept):
            continue
        images = draw_texts(program.image, scope, min(len(kept), MOST_IMAGES)).to_pylist()
        which = draw_ranks(scope.random, len(images), len(kept)) if len(images) > 1 else np.zeros(len(kept), np.int64)
        for number, image in enumerate(images):
            rows = kept[which == number]
            if len(rows):
                own = None if by is None else by[rows]
                started = find_parent(program, run.host, scope, parent, own, starts[rows])
                yield from start_processes(name, program, run, clock, known, image, started, starts[rows], scope)


def start_processes(
    name: str,
    program: Program,
    run: HostRun,
    clock: WorldClock,
    known: dict[str, list[ProgramRuns]],
    image: str,
    parent: Process | None,
    starts: Times,
    scope: PooledScope,
) -> Iterator[Activity]:
    """The processes of one image that are started at these moments, their lives and their traces."""
    scope = replace(scope, fixed={**scope.fixed, "image": image})
    process = run.host.process(
        image,
        command_line=draw_lines(program.lines, scope, len(starts)),
        parent=parent,
        user=run.host.account(program.account) if program.account else run.host.user,
        started=starts,
        integrity=program.integrity or None,
    )
    lengths = program.lasts * np.exp(program.spread * scope.random.standard_normal(len(starts)))
    # A process of less than 5 ms has no time to do anything: least recorded lives are about that.
    ends = starts + convert_seconds(np.clip(lengths, 0.005, 30 * 86_400))
    runs = ProgramRuns(process=process, starts=starts, ends=ends)
    known[name].append(runs)
    yield from sample_process_lifetime(process, ends)
    if program.scripts:
        yield ScriptExecution(
            at=starts + convert_seconds(0.9 + 0.4 * scope.random.random(len(starts))),
            host=run.host,
            process=process,
            script_block=draw_lines(program.scripts, scope, len(starts)),
        )
    yield from leave_traces(program, runs, clock, 1.0, scope)


def sample_starts(
    program: Program, run: HostRun, clock: WorldClock, habit: float, random: np.random.Generator
) -> Times:
    """When a program is started: some at the beginning, the others anywhere on its clock, several at once."""
    hours = float(clock.length / np.timedelta64(3_600_000_000, "us"))
    begin = np.empty(0)
    if program.at_start and run.fresh:
        # Within three minutes after boot or logon, most of them at once; chosen.
        begin = np.minimum(random.exponential(25.0, int(random.poisson(program.at_start))), 180.0)
    count = min(int(random.poisson(program.per_hour * habit * hours / program.together)), MOST_STARTS)
    spots = random.uniform(0, hours * 3600, count)
    if program.together > 1:
        sizes = random.geometric(1 / program.together, count)
        spots = np.repeat(spots, sizes) + random.exponential(1.5, int(sizes.sum()))
    moments = np.sort(np.concatenate([begin, spots]))
    real: Times = np.asarray(clock.real(clock.start + convert_seconds(moments)), "datetime64[us]")
    return real


def sample_child_starts(
    rate: float, parents: ProgramRuns, clock: WorldClock, random: np.random.Generator
) -> tuple[Times, RowCodes]:
    """When children start within the lives of their parents, and which parent each has."""
    if parents.standing:
        hours = float(clock.length / np.timedelta64(3_600_000_000, "us"))
        spots = np.sort(random.uniform(0, hours * 3600, int(random.poisson(rate * hours))))
        real = np.asarray(clock.real(clock.start + convert_seconds(spots)), "datetime64[us]")
        return real, np.zeros(len(real), np.int64)
    by = np.repeat(np.arange(len(parents.starts)), random.poisson(rate, len(parents.starts)))
    lives = (parents.ends - parents.starts)[by] / np.timedelta64(1, "s")
    # Children come early in a life: a shell starts what it was started for.
    starts = parents.starts[by] + convert_seconds(lives * random.beta(1.0, 3.0, len(by)) * 0.95)
    order = np.argsort(starts, kind="stable")
    return starts[order], by[order].astype(np.int64)


def find_parent(
    program: Program,
    host: Host,
    scope: PooledScope,
    parents: ProgramRuns | None,
    by: RowCodes | None,
    starts: Times,
) -> Process | None:
    """The parent of each start: what started it, a lasting process, or the latest run of a program."""
    if parents is None:
        return find_process(host, expand_fixed(program.parent, scope.fixed), "") if program.parent else None
    if parents.standing:
        return parents.process
    if by is None:
        by = np.maximum(np.searchsorted(parents.starts, starts, side="right") - 1, 0)
    return parents.process.take(by)


def find_process(host: Host, name: str, account: str) -> Process:
    """A lasting process: of Windows' own tree, of a service, a service of its own, or a program of the user."""
    if name in TREE:
        return host.running(name)
    if name in HOSTED_SERVICES:
        return host.service(name)
    return host.daemon(name, account=account) if account else host.application(name)


def draw_lines(lines: tuple[str, ...], scope: PooledScope, count: int) -> TextColumn | str:
    """A command line for each start, the first of the templates the most often."""
    if not lines:
        return f'"{scope.fixed["image"]}"'
    chosen = np.searchsorted(cumulate_popularity(len(lines)), scope.random.random(count))
    return scope.pool.add(lines, np.minimum(chosen, len(lines) - 1).astype(np.int64), scope)
