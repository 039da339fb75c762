"""The store: events of one kind are one table, with their constant fields beside it, or a file read where it lies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event, Thread

import duckdb
import pyarrow as pa

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.statistics import (
    SQUARES_MACRO,
    SQUARES_NEEDED,
    SQUARES_STAND_IN,
    STATISTIC_MACROS,
    find_macros,
)
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.kept_groups import KeptGroups
from harness.detection.sql.relation import Stored
from harness.detection.view_columns import kind_of_type, list_view_columns, without_hidden
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.scratch_folder import ScratchFolder
from harness.supervisor import Board, default_memory, measure_seconds_left, memory_error, time_limit_error
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import View

SETTINGS = {
    # Lets DuckDB spill and use all threads; an order that counts is always said by ORDER BY.
    "preserve_insertion_order": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_progress_bar": "false",
    # DuckDB's own limit is 1000; 2500 is chosen, no source: the body of a lambda cannot be cut into pieces.
    "max_expression_depth": "2500",
    # What is printed must not depend on the machine; zones of the products are arguments of operations.
    "TimeZone": "UTC",
}
LOST = "BindBuiltinScalarFunction did not return"
"""What DuckDB 2.0.0 says of a condition on an aggregate of which its statistics know that it is NULL in every row."""
# Tried in tests/detection/engines/duckdb/test_connection.py: every later statement of such a connection fails too.
GONE = (duckdb.ConnectionException, duckdb.FatalException, duckdb.InternalException)
"""Errors after which a connection answers nothing any more."""
# Chosen, no source: an interrupt costs microseconds, and a rule should end when it is said to.
SECONDS_BETWEEN_INTERRUPTS = 0.05
# Chosen, no source: half a gigabyte at 50 bytes.
MOST_KEPT_ROWS = 10_000_000
"""Rows of all tables that are kept for later statements over the same events."""
ATTACHED = "stored_events"
VIEWS = (ATTACHED, "attached_")
"""Parts that are files: how their names begin."""
PART = late_pattern(r"\b(?:events|attached|dimension)_\d+\b")
EMPTY_VIEW = View(columns=pa.table({EVENT_COLUMN: pa.array([], pa.int64())}))


class DuckDBStore:
    """A connection and the tables in it; a rule's text can reach neither files nor the network through it."""

    def __init__(self) -> None:
        self.connection = connect_memory_store()
        self.spill: ScratchFolder | None = None
        self.locked = self.dead = self.lost = False
        self.refill: Callable[[], object] | None = None
        self.names = PhysicalNames()
        self.tables: dict[str, Stored] = {}
        self.computed: set[str] = set()
        self.kept: dict[str, int] = {}
        self.groups = KeptGroups()
        self.macros: set[str] = set()
        self.arriving: dict[str, Callable[[], object]] = {}
        self.dimensions: dict[str, str] = {}
        self.overdue = False
        self.cautious = False

    def revive(self) -> None:
        """Where the connection is dead, a new one with the same events."""
        if self.dead:
            with suppress(duckdb.Error):
                self.connection.close()
            self.forget()
            self.connection = connect_memory_store()
            self.locked = self.dead = self.lost = self.cautious = False
            self.tables, self.dimensions, self.computed, self.macros = {}, {}, set(), set()
            self.kept, self.groups = {}, KeptGroups()
            if self.refill is not None:
                self.refill()

    def lock(self) -> None:
        """From here on nothing outside is reachable, but for a folder of its own to spill what memory cannot hold."""
        self.revive()
        if not self.locked:
            self.spill = ScratchFolder("detlab-spill-")
            # Before access is switched off: afterwards DuckDB refuses to change the folder.
            self.execute(f"SET temp_directory = {quote_sql_text(str(self.spill.path))}")
            self.execute("SET enable_external_access = false")
            self.locked = True

    def execute(self, text: str) -> duckdb.DuckDBPyConnection:
        """Runs a statement; raises HarnessError for the engine's errors, of which some leave the connection dead.

        `lost` says that it was so before this statement, which another connection may well run.
        """
        # A rule reads few of the kinds of events that were recorded, so a table is made when a statement names it.
        for name in PART.findall(text) if self.arriving else ():
            if name in self.arriving:
                self.arriving.pop(name)()
        self.define_macros(text)
        try:
            return self.attempt(text)
        except duckdb.OutOfMemoryException as error:
            # It spills where it can; some of its operators must hold everything at once.
            raise memory_error(Board.current.memory) from error
        except duckdb.Error as error:
            self.dead = isinstance(error, GONE)
            self.lost = isinstance(error, duckdb.ConnectionException) or "has been invalidated" in str(error)
            # Further lines quote the generated statement, which says nothing to the author of a rule.
            message = str(error).partition("\n")[0].strip() or type(error).__name__
            raise HarnessError("engine", f"DuckDB gave up: {message}") from error

    def define_macros(self, text: str) -> None:
        """Creates the macros that a statement names, if they are not there yet."""
        for macro in find_macros(text):
            if macro not in self.macros:
                self.macros.add(macro)
                body = SQUARES_STAND_IN if macro == SQUARES_MACRO else STATISTIC_MACROS[macro]
                self.connection.execute(f"CREATE MACRO {macro} AS {body}")

    def attempt(self, text: str) -> duckdb.DuckDBPyConnection:
        """Runs a statement; once more where it is the first to need the squares of fractions."""
        try:
            return self.attempt_without_statistics(text)
        except duckdb.ConversionException as error:
            if SQUARES_NEEDED not in str(error):
                raise
        self.connection.execute(f"CREATE OR REPLACE MACRO {SQUARES_MACRO} AS {STATISTIC_MACROS[SQUARES_MACRO]}")
        return self.attempt_without_statistics(text)

    def attempt_without_statistics(self, text: str) -> duckdb.DuckDBPyConnection:
        """Runs a statement; once more, without the optimizer's statistics, where they make DuckDB lose it."""
        if self.cautious:
            # Only before the next statement, since the rows of this one are still being fetched from the connection.
            self.connection.execute("SET disabled_optimizers = ''")
            self.cautious = False
        try:
            return self.connection.execute(text)
        except duckdb.InvalidInputException as error:
            if LOST not in str(error):
                raise
        self.cautious = True
        self.connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        return self.connection.execute(text)

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Stops whatever statement runs when the time is over; raises HarnessError then."""
        ended = Event()

        def stop() -> None:
            if ended.wait(measure_seconds_left(seconds)):
                return
            self.overdue = True
            # Again and again: DuckDB forgets an interrupt where nothing runs, as while Python computes between
            # statements, and the next statement would run without a limit.
            while not ended.wait(SECONDS_BETWEEN_INTERRUPTS):
                self.connection.interrupt()

        self.overdue = False
        watch = Thread(target=stop, daemon=True)
        watch.start()
        try:
            yield
        # The second one from calls between statements, which execute() does not see.
        except (HarnessError, duckdb.InterruptException):
            if not self.overdue:
                raise
            raise time_limit_error(seconds) from None
        finally:
            ended.set()
            # An interrupt that came later would stop a statement that has nothing to do with it.
            watch.join()

    def list_names(self) -> Mapping[str, str]:
        """The physical names of columns in all tables."""
        return {**self.names.physical, **{n: p for g in self.groups.known.values() for n, p in g.names.items()}}

    def drop_oldest_kept(self, needed: Collection[str]) -> None:
        """Drops the oldest tables kept for later statements where they are too many, but none of the `needed`."""
        surplus = sum(self.kept.values()) - MOST_KEPT_ROWS
        for name in [n for n in self.kept if n not in needed]:
            if surplus <= 0:
                break
            surplus -= self.kept.pop(name)
            self.computed.discard(name)
            self.groups.forget_tables({name})
            self.execute(f"DROP TABLE IF EXISTS {name}")

    def drop(self) -> None:
        """Drops all tables and views of events and of computations."""
        self.refill = None
        self.revive()
        self.arriving.clear()
        for name in (*self.computed, *(p.name for t in self.tables.values() for p in t.parts)):
            # DROP TABLE of a view is an error, also with IF EXISTS.
            kind = "VIEW" if name.startswith(VIEWS) else "TABLE"
            self.execute(f"DROP {kind} IF EXISTS {name}")
        for name, kind in self.dimensions.items():
            self.execute(f"DROP {kind} IF EXISTS {name}")
        self.computed.clear()
        self.kept, self.groups = {}, KeptGroups()
        self.dimensions.clear()
        self.tables = {}
        self.names = PhysicalNames([EVENT_COLUMN])

    def load(self, views: Sequence[View]) -> Schema:
        """Replaces the events by these."""
        self.drop()
        self.refill = partial(self.load, views)
        columns = list_view_columns(views)
        # In one order for the whole store, so that a name is spelled alike in every part.
        for name in columns:
            self.names(name)
        parts = tuple(self.part(f"events_{i}", view) for i, view in enumerate(views or [EMPTY_VIEW]))
        return self.keep(columns, parts)

    def keep(self, columns: Schema, parts: tuple[StoredPart, ...]) -> Schema:
        """Takes the parts for the table `events` and gives its columns."""
        self.tables = {"events": Stored(name="events", columns=columns, parts=parts)}
        return without_hidden(columns)

    def part(self, name: str, view: View) -> StoredPart:
        """One view as a table of its own, which is made when a statement first names it."""
        kinds = {f.name: kind_of_type(f.type) for f in view.columns.schema if f.name != CAUSE} | {
            EVENT_COLUMN: Kind.EVENT
        }
        table = pa.table({self.names(n): cast_stored_column(view.columns.column(n), k) for n, k in kinds.items()})
        self.arriving[name] = partial(self.create, name, table)
        return StoredPart(name=name, constants=view.constants, columns=kinds, count=partial(len, view.columns))

    def create(self, name: str, table: pa.Table) -> None:
        """An Arrow table as a table of the store."""
        try:
            self.connection.register("arriving", table)
        except duckdb.ConnectionException as error:
            self.dead = self.lost = True
            raise HarnessError("engine", f"DuckDB gave up: {error}") from error
        except duckdb.OutOfMemoryException as error:
            raise memory_error(Board.current.memory) from error
        self.execute(f"CREATE TABLE {name} AS SELECT * FROM arriving")
        self.connection.unregister("arriving")

    def attach(self, path: Path, constants: Mapping[str, str]) -> Schema:
        """Replaces the events by those in a file, read where it lies; only before the first query.

        The file is Parquet, or DuckDB's own with a table `events`. DuckDB gives columns of a Parquet file that differ
        only in case other names, so theirs are taken from the file, by place.
        """
        self.drop()
        self.refill = partial(self.attach, path, constants)
        if path.suffix == ".duckdb":
            self.execute(f"ATTACH {quote_sql_text(str(path))} AS kept (READ_ONLY)")
            source, number = "kept.events", "rowid"
        else:
            source, number = f"read_parquet({quote_sql_text(str(path))}, file_row_number = TRUE)", "file_row_number"
        listed = [(str(n), str(t)) for n, t, *_ in self.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
        names = [n for n, _ in listed]
        if path.suffix != ".duckdb":
            # Imported by name: only this way needs it, and start-up counts.
            names = import_module("pyarrow.parquet").read_schema(path).names
        # Not strict: DuckDB lists its own `file_row_number` last.
        held = {n: (own, kind_of_text(t)) for n, (own, t) in zip(names, listed, strict=False)}
        kinds = {n: k for n, (_, k) in held.items() if n not in (EVENT_COLUMN, CAUSE)}
        self.names = PhysicalNames([EVENT_COLUMN, *constants, *kinds])
        chosen = [
            f"CAST({quote_sql_identifier(held[n][0])} AS {DUCKDB.types[k]}) AS {quote_sql_identifier(self.names(n))}"
            for n, k in kinds.items()
        ]
        chosen.append(f"{number} AS {quote_sql_identifier(self.names(EVENT_COLUMN))}")
        self.execute(f"CREATE VIEW {ATTACHED} AS SELECT {', '.join(chosen)} FROM {source}")
        self.execute(f"SET allowed_paths = [{quote_sql_text(str(path))}]")
        part = StoredPart(name=ATTACHED, constants=constants, columns={**kinds, EVENT_COLUMN: Kind.EVENT}, file=True)
        return self.keep({EVENT_COLUMN: Kind.EVENT, **dict.fromkeys(constants, Kind.TEXT), **kinds}, (part,))

    def close(self) -> None:
        """Closes the connection and removes spilled files."""
        self.connection.close()
        self.forget()

    def forget(self) -> None:
        """Removes the folder of spilled files."""
        if self.spill is not None:
            self.spill.remove()


def connect_memory_store() -> duckdb.DuckDBPyConnection:
    """A new connection to an empty store in memory."""
    made = duckdb.connect(":memory:")
    for name, value in SETTINGS.items():
        made.execute(f"SET {name} = '{value}'")
    # So that it spills before the process is ended; what Python holds beside it has the other half.
    most = min((Board.current.memory or default_memory()) // 2, default_memory() * 2 // 3)
    made.execute(f"SET memory_limit = '{most >> 20}MiB'")
    return made


def quote_sql_text(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def quote_sql_identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def cast_stored_column(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    """A column in the type that its kind has in the store."""
    if kind is Kind.NUMBER and not pa.types.is_float64(column.type):
        return column.cast(pa.float64())
    # Arrow's null type would be a type "NULL" in DuckDB; the plan takes such a column for text.
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def kind_of_text(held: str) -> Kind:
    """The plan's kind of a type as DuckDB names it."""
    if held.endswith("[]"):
        return Kind.LIST
    if held == "BOOLEAN":
        return Kind.BOOLEAN
    # U stands for the unsigned integers, UTINYINT to UHUGEINT.
    numbers = ("DOUBLE", "FLOAT", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "U")
    return Kind.NUMBER if held.startswith(numbers) and held != "UUID" else Kind.TEXT
