"""What an engine is to the rest: telemetry in, plans run, rows out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.detection.plan.expressions import Kind, Schema
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, did_you_mean
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.plan.expressions import Schema
    from harness.detection.plan.nodes import Node
    from harness.telemetry.platform import View

if TYPE_CHECKING:
    import pyarrow as pa

CellValue = str | float | int | bool | list[str] | None


@record
class ResultRows:
    """What a query returned: column names and rows of values; null is an absent field, numbers are floats."""

    columns: tuple[str, ...]
    rows: tuple[tuple[CellValue, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def records(self) -> Iterator[dict[str, CellValue]]:
        """Each row as a mapping without absent fields."""
        for row in self.rows:
            yield {n: v for n, v in zip(self.columns, row, strict=True) if v is not None}

    def select(self, names: Sequence[str]) -> ResultRows:
        """The same rows with only these columns, in this order."""
        places = [self.columns.index(name) for name in names]
        return ResultRows(columns=tuple(names), rows=tuple(tuple(row[at] for at in places) for row in self.rows))

    def column(self, name: str) -> tuple[CellValue, ...]:
        """All values of one column."""
        at = self.columns.index(name)
        return tuple(row[at] for row in self.rows)


class Engine(Protocol):
    """An engine that runs plans over one store of events; `patience` is how many seconds a plan may run."""

    name: str
    patience: float

    def load(self, views: Sequence[View]) -> Schema:
        """Replaces the store's events by these and gives the columns of the table `events`."""

    def run(self, node: Node, *, limit: int | None = None) -> ResultRows:
        """The rows of a plan in its order, hidden columns included if the plan has them."""

    def sql(self, node: Node) -> str:
        """The statement that `run` executes, for people."""

    def close(self) -> None:
        """Closes connections and removes temporary files."""


@record(kw_only=True)
class StoredColumn:
    """One column of a stored table as a rule sees it: its name in the files, and what the plan takes it for.

    Files hold row numbers of a `dimension` where it has one. A number is what is held divided by the `divisor`, where
    files hold null it is the `default` divided by it; a `whole` one is rounded down.
    """

    held: str
    kind: Kind
    dimension: str | None = None
    divisor: float = 1.0
    default: float | None = None
    whole: bool = False


@record(kw_only=True)
class StoredTable:
    """Events of one kind in Parquet files: fields that are the same in all, and a column for each other one, by name.

    `@event` is among the columns: int64, unique over all tables, ascending in the order of recording. With `bounds`, of
    the column of that name in the files, only rows count that are not below the first and below the second.
    """

    files: tuple[Path, ...]
    constants: Mapping[str, str]
    columns: Mapping[str, StoredColumn]
    bounds: tuple[str, int, int] | None = None


@runtime_checkable
class AttachesStore(Protocol):
    """An engine that reads the files of a coded store where they lie."""

    def attach_store(
        self,
        folders: Sequence[Path],
        tables: Sequence[StoredTable],
        dimensions: Mapping[str, pa.Table | Path],
        columns: Schema,
    ) -> Schema:
        """Replaces the store's events by those of these tables, whose files lie in these folders.

        After the first plan has run no other folder can be named.

        A dimension is a table with one column `value` in the order of codes: texts or lists of text; values may stand
        there several times, and nulls. `columns` are all that the tables have, and their kinds over all of them.
        """


def list_engines() -> tuple[str, ...]:
    """All engines there are; an engine's name is that of its file or folder."""
    return tuple(sorted(m.name for m in iter_modules([str(Path(__file__).parent / "engines")])))


def find_engine_module(engine: str) -> str:
    """The module of an engine that was named by an address: a server of Spark Connect, or a cluster on Databricks."""
    return "spark" if engine.startswith("sc://") or engine == "databricks" else engine


def is_remote(name: str) -> bool:
    """Whether an engine of that name sends the text of queries to a product; its module then has REMOTE."""
    # Products share the folder with engines of plans, but not their protocol.
    return name in list_engines() and bool(getattr(import_module(f"harness.detection.engines.{name}"), "REMOTE", False))


# Ten minutes, chosen: hostile or careless rules (joins of everything with everything) ran for hours; no other source.
DEFAULT_PATIENCE = 600.0
"""Seconds that one plan may run unless somebody says otherwise."""


DEFAULT_ENGINE = "duckdb"
"""The engine that runs plans unless somebody says otherwise."""


def import_engine(name: str) -> None:
    """Imports the module of an engine, if there is one of that name: before a process is forked or a clock runs."""
    if find_engine_module(name) in list_engines():
        import_module(f"harness.detection.engines.{find_engine_module(name)}")


def most_processes(name: str) -> int | None:
    """How many processes may run plans on an engine at a time; None without limit. One with a bound needs sockets."""
    if find_engine_module(name) not in list_engines():
        return None
    module = import_module(f"harness.detection.engines.{find_engine_module(name)}")
    # Java, or a server of it, is behind such an engine.
    found: int | None = getattr(module, "MOST_PROCESSES", None)
    return found


def open_engine(name: str = DEFAULT_ENGINE, patience: float = DEFAULT_PATIENCE) -> Engine:
    """A new, empty engine of that name; its module has a function `connect` that makes one, at an address if given."""
    module = find_engine_module(name)
    if module not in list_engines():
        hint = did_you_mean(name, list_engines()) or f"engines are {', '.join(list_engines())}"
        raise HarnessError("unknown-engine", f"no engine is called `{name}`", help=hint)
    if is_remote(name):
        hint = f"`detlab conformance --engine {name}` sends it the cases"
        raise HarnessError("remote-engine", f"{name} runs the text of queries and no plans", help=hint)
    address = [] if name == module else [name]
    made: Engine = import_module(f"harness.detection.engines.{module}").connect(*address)
    made.patience = patience
    return made
