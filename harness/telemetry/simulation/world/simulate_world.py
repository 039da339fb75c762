"""A world simulated and written as it comes: a group of hosts after another, with a bounded number of events held."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import ClassVar

from harness.diagnostics import HarnessError
from harness.scenario.pack import behaviour_folders
from harness.scenario.world import World
from harness.scratch_folder import ScratchFolder
from harness.telemetry.events.event import TelemetryOrigin
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import sensor
from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.simulate import record_activities, resolve_sensor_conditions
from harness.telemetry.simulation.world.dataset import (
    DATASET_VERSION,
    DatasetTable,
    Shard,
    WorldDataset,
    causes_of,
    is_dataset,
    merge_conditions,
    merge_dataset_tables,
    write_world_manifest,
)
from harness.telemetry.simulation.world.host_activity import Doing, doings, happenings
from harness.telemetry.simulation.world.population import WorldPopulation, build_world_population
from harness.workers import distribute_work, workers_for

# Files of a table are one a shard: fewer hosts make many small files, more of them unequal work.
HOSTS_IN_SHARD = 16
WORLD_ROWS_AT_ONCE = 120_000
"""Things that happen in one piece: small enough to stay near the processor, large enough for columns to pay."""

ProgressCallback = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationOrder:
    """A simulation as handed to other processes: population, conditions, sensors, folder."""

    people: WorldPopulation
    conditions: Mapping[str, str]
    sensors: tuple[str, ...]
    folder: Path

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
    def work(cls, number: int) -> list[DatasetTable]:
        """The tables of the shard of that number."""
        return shard(cls.order, cls.known, number)


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
) -> WorldDataset:
    """Writes what all sensors record of a world into a folder; what a document says is the default of what is asked.

    The same world and seed give the same files, byte for byte, whatever the number of processes.
    """
    body = world.body
    given = merge_conditions(body.conditions, conditions or {})
    chosen = tuple(sensors or sensor_names())
    for name in chosen:
        resolve_sensor_conditions(sensor(name), given)
    people = build_world_population(
        world, hosts=hosts or body.hosts, days=days or body.days, seed=body.seed if seed is None else seed
    )
    check_place(folder)
    with replace_world(folder) as beside:
        order = SimulationOrder(people=people, conditions=given, sensors=chosen, folder=beside)
        order.known()
        tables: list[DatasetTable] = []
        count = -(-len(people.members) // HOSTS_IN_SHARD)
        for number, part in enumerate(shards(order, count)):
            tables += part
            if progress:
                progress(f"{sum(t.rows for t in tables):,} events", number + 1, count)
        dataset = describe_world(order, tables)
        write_world_manifest(beside, dataset)
    return dataset


def describe_world(order: SimulationOrder, tables: Sequence[DatasetTable]) -> WorldDataset:
    """The document of a world whose tables have been written."""
    people = order.people
    return WorldDataset(
        format=DATASET_VERSION,
        title=people.world.body.title,
        seed=people.seed,
        start=str(people.begin.astype("datetime64[s]")) + "Z",
        days=people.days,
        hosts=len(people.members),
        origin=str(TelemetryOrigin.SIMULATED),
        conditions=dict(order.conditions),
        causes=causes_of(people.causes()),
        tables=merge_dataset_tables(tables),
    )


def check_place(folder: Path) -> None:
    """Raises HarnessError where something is that is neither a world nor an empty folder."""
    try:
        taken = folder.exists() and not is_dataset(folder) and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise HarnessError("unwritable", f"{folder}: {(error.strerror or str(error)).lower()}") from error
    if taken:
        message = f"{folder} is there already and is no world"
        raise HarnessError("already-there", message, help="name a new folder")


@contextmanager
def replace_world(folder: Path) -> Iterator[Path]:
    """A folder beside to write a world to, which takes the place of `folder` when the block ends without an error.

    Until then an older world stays. Raises HarnessError where it cannot be written.
    """
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = ScratchFolder(f".{target.name[:100]}.part-", target.parent)
        try:
            yield made.path
            made.path.chmod(0o777 & ~read_umask())
            old = made.path.with_name(f"{made.path.name}.old")
            if target.exists():
                # Renamed and not removed: a world that is half there never bears the name.
                target.rename(old)
            made.path.rename(target)
            rmtree(old, ignore_errors=True)
        finally:
            made.remove()
    except OSError as error:
        raise HarnessError("unwritable", f"{folder}: {(error.strerror or str(error)).lower()}") from error


def read_umask() -> int:
    """Which rights new files of this process do not get."""
    # There is no way to read it without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def shards(order: SimulationOrder, count: int) -> Iterator[list[DatasetTable]]:
    """The tables of each shard, in their order; with several processors side by side."""
    # workers_for wants eight items for a process; one shard is work enough.
    workers = min(count, workers_for(8 * count))
    if workers > 1:
        yield from distribute_work(SimulationWorker.work, range(count), workers, SimulationWorker.prepare, order)
    else:
        SimulationWorker.prepare(order)
        yield from (SimulationWorker.work(number) for number in range(count))


def shard(order: SimulationOrder, known: Mapping[str, Doing], number: int) -> list[DatasetTable]:
    """Simulates and writes one group of hosts; returns its tables."""
    chosen = [sensor(name) for name in order.sensors]
    counters: dict[tuple[str, str], int] = {}
    with Shard(order.folder, number) as files:
        for piece, happened in enumerate(gather_shard_activity(order.people, known, number)):
            # Sensors' chance is by piece, and pieces end where a host shuts
            # down: the same with any number of processes.
            seed = hash_to_number("piece", order.people.seed, number, piece, size=4)
            files.write(record_activities(happened, chosen, order.conditions, seed, counters))
    return files.tables()


def gather_shard_activity(
    people: WorldPopulation, known: Mapping[str, Doing], number: int
) -> Iterator[list[tuple[int, Activity]]]:
    """What happens on the hosts of a shard, in pieces that end where a host is shut down."""
    held: list[tuple[int, Activity]] = []
    rows = 0
    for member in people.members[number * HOSTS_IN_SHARD : (number + 1) * HOSTS_IN_SHARD]:
        for found in happenings(member, people, known):
            held += found
            rows += sum(len(activity) for _, activity in found)
            if rows >= WORLD_ROWS_AT_ONCE:
                yield held
                held, rows = [], 0
    if held:
        yield held
