"""A world simulated and written as it comes: a group of hosts after another, with a bounded number of events held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import ClassVar

from harness.diagnostics import HarnessError, did_you_mean
from harness.garbage import collect_nothing
from harness.record import record
from harness.scenario.pack import behaviour_folders
from harness.scenario.world import World
from harness.telemetry.events.event import Events, TelemetryOrigin
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import sensor
from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.simulate import Fleet, record_activities, resolve_sensor_conditions
from harness.telemetry.simulation.text_pool import TextPool
from harness.telemetry.simulation.world.host_activity import Doing, doings, happenings
from harness.telemetry.simulation.world.population import WorldPopulation, build_world_population
from harness.telemetry.store.dimension import Dimensions
from harness.telemetry.store.draft import DRAFTS, Draft, FinalCodes, finish_draft, write_draft
from harness.telemetry.store.folder import check_place, replace_folder, write_causes
from harness.telemetry.store.manifest import (
    STORE_VERSION,
    StoredKind,
    StoreManifest,
    WorldFacts,
    merge_conditions,
    write_manifest,
)
from harness.telemetry.store.writer import load_writing_modules, merge_stored_kinds
from harness.workers import distribute_in_two_steps, workers_for

# Files of a table are one a shard: fewer hosts make many small files, more of them unequal work.
HOSTS_IN_SHARD = 16
WORLD_ROWS_AT_ONCE = 300_000
"""Things that happen in one piece, some 200 MB until they are written: with fewer, columns cost more than rows."""

ProgressCallback = Callable[[str, int, int], None]


@record(kw_only=True)
class SimulationOrder:
    """A simulation as handed to other processes: population, conditions of all hosts and of each, sensors, folder."""

    people: WorldPopulation
    conditions: Mapping[str, str]
    sensors: tuple[str, ...]
    folder: Path
    fleet: Fleet = field(default_factory=dict)

    def known(self) -> dict[str, Doing]:
        """What software and attacks do; read from files, so that an order can be handed to another process."""
        world = self.people.world
        return doings(world, load_behaviours(*behaviour_folders(world.path)))


class SimulationWorker:
    """The order that a process works at."""

    order: ClassVar[SimulationOrder]
    known: ClassVar[Mapping[str, Doing]]

    @classmethod
    def prepare(cls, order: SimulationOrder) -> None:
        """Sets the order and loads its behaviours, once in each process."""
        cls.order, cls.known = order, order.known()

    @classmethod
    def work(cls, number: int) -> Draft:
        """The shard of that number."""
        return simulate_shard(cls.order, cls.known, number)

    @classmethod
    def finish(cls, final: FinalCodes) -> list[StoredKind]:
        """The tables of a shard, once all texts before its own have their codes."""
        return finish_draft(cls.order.folder, final)


def simulate_world(
    world: World,
    folder: Path,
    *,
    hosts: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    conditions: Mapping[str, str] | None = None,
    sensors: Sequence[str] | None = None,
    progress: ProgressCallback | None = None,
) -> StoreManifest:
    """Writes what all sensors record of a world into a folder; what a document says is the default of what is asked.

    The same world and seed give the same files, byte for byte, whatever the number of processes.
    """
    body, given = world.body, merge_conditions(world.body.conditions, conditions or {})
    chosen = tuple(sensors or sensor_names())
    fleet = choose_fleet(body.fleet, given)
    for name in chosen:
        resolve_sensor_conditions(sensor(name), given)
    people = build_world_population(
        world, hosts=hosts or body.hosts, days=days or body.days, seed=body.seed if seed is None else seed
    )
    check_place(folder)
    with replace_folder(folder) as beside:
        order = SimulationOrder(people=people, conditions=given, sensors=chosen, folder=beside, fleet=fleet)
        order.known()
        dimensions = Dimensions()
        tables = write_shards(order, dimensions, progress)
        rmtree(beside / DRAFTS, ignore_errors=True)
        manifest = describe_world(order, tables, dimensions)
        write_manifest(beside, manifest)
    return manifest


def write_shards(order: SimulationOrder, dimensions: Dimensions, progress: ProgressCallback | None) -> list[StoredKind]:
    """Writes all shards, with their texts in the dimensions; says what their tables are."""
    tables: list[StoredKind] = []
    count = -(-len(order.people.members) // HOSTS_IN_SHARD)
    # workers_for wants eight items for a process; one shard is work enough.
    workers = min(count, workers_for(8 * count))
    load_writing_modules()
    # What happens is many small objects and no cycles: looking for these took a tenth of the time. Processes that are
    # forked here do not look either.
    with collect_nothing():
        for number, part in enumerate(simulate_shards(order, count, dimensions, workers)):
            tables += part
            if progress:
                progress(f"{sum(t.rows for t in tables):,} events", number + 1, count)
    return tables


def choose_fleet(fleet: Fleet, given: Mapping[str, str]) -> Fleet:
    """What differs from host to host: what is asked for holds for every host.

    Raises HarnessError for conditions that no sensor has, and for values that they have not.
    """
    sensors = {c.name: s for s in map(sensor, sensor_names()) for c in s.conditions}
    for name, shares in fleet.items():
        if name not in sensors:
            hint = did_you_mean(name, sensors) or f"sensors have {', '.join(sorted(sensors))}"
            raise HarnessError("unknown-condition", f"`fleet`: no sensor has a condition `{name}`", help=hint)
        for value in shares:
            resolve_sensor_conditions(sensors[name], {name: value})
    return {name: shares for name, shares in fleet.items() if name not in given}


def describe_world(order: SimulationOrder, tables: Sequence[StoredKind], dimensions: Dimensions) -> StoreManifest:
    """The document of a world whose tables have been written; writes its texts and causes."""
    people = order.people
    return StoreManifest(
        format=STORE_VERSION,
        origin=str(TelemetryOrigin.SIMULATED),
        conditions=dict(order.conditions),
        causes=write_causes(order.folder, list(people.causes())),
        tables=merge_stored_kinds(tables),
        dimensions=dimensions.write(order.folder),
        world=WorldFacts(
            title=people.world.body.title,
            seed=people.seed,
            start=str(people.begin.astype("datetime64[s]")) + "Z",
            days=people.days,
            hosts=len(people.members),
        ),
    )


def simulate_shards(
    order: SimulationOrder, count: int, dimensions: Dimensions, workers: int
) -> Iterator[list[StoredKind]]:
    """The tables of each shard, in their order; with several processes side by side."""
    assign = partial(FinalCodes.assign, dimensions=dimensions)
    if workers > 1:
        worker = SimulationWorker
        yield from distribute_in_two_steps(
            worker.work, assign, worker.finish, range(count), workers, worker.prepare, order
        )
    else:
        SimulationWorker.prepare(order)
        yield from (SimulationWorker.finish(assign(SimulationWorker.work(number))) for number in range(count))


def simulate_shard(order: SimulationOrder, known: Mapping[str, Doing], number: int) -> Draft:
    """Simulates one group of hosts and writes it with codes of its own."""
    chosen = [sensor(name) for name in order.sensors]
    counters: dict[tuple[str, str], int] = {}

    def record() -> Iterator[tuple[Events, ...]]:
        for piece, happened in enumerate(gather_shard_activity(order.people, known, number)):
            # Sensors' chance is by piece, and pieces end where a host shuts
            # down: the same with any number of processes.
            seed = hash_to_number("piece", order.people.seed, number, piece, size=4)
            yield record_activities(happened, chosen, order.conditions, seed, counters, order.fleet)

    return write_draft(order.folder, number, record())


def gather_shard_activity(
    people: WorldPopulation, known: Mapping[str, Doing], number: int
) -> Iterator[list[tuple[int, Activity]]]:
    """What happens on the hosts of a shard, in pieces that end where a host is shut down."""
    held: list[tuple[int, Activity]] = []
    rows = 0
    texts = TextPool(hash_to_number("texts", people.seed, number, size=4))
    for member in people.members[number * HOSTS_IN_SHARD : (number + 1) * HOSTS_IN_SHARD]:
        for found in happenings(member, people, known, texts):
            held += found
            rows += sum(len(activity) for _, activity in found)
            if rows >= WORLD_ROWS_AT_ONCE:
                texts.draw()
                yield held
                held, rows = [], 0
    if held:
        texts.draw()
        yield held
