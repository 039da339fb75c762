"""What a coded store is: a folder of Parquet files with codes, a file of texts a column, and the manifest of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from harness.diagnostics import HarnessError

MANIFEST = "store.json"
STORE_VERSION = 3
# Format 2 is the same without the form `milliseconds`.
OLDEST_READABLE_VERSION = 2
OLD_MANIFEST = "world.json"
"""What worlds were listed in before they were coded stores."""
CAUSES_FILE = "causes.parquet"
# A table takes some 2 kB of it: a bound for what is not ours.
LARGEST_MANIFEST = 512 << 20
EVENT_NUMBER = "@event"
"""The column of files that numbers events: rising in the order of recording, with gaps."""


class Form(StrEnum):
    """How files hold a field: as codes of its texts, as the texts, or as numbers that were never printed.

    What is the event's time in seconds or whole milliseconds since 1970 is held as its time.
    """

    CODES = "codes"
    TEXTS = "texts"
    NUMBERS = "numbers"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


MICROSECONDS_IN = {Form.SECONDS: 1_000_000, Form.MILLISECONDS: 1_000}
"""Forms of a field that is the event's time, and its unit."""


class StoredField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a table: how files hold it, whether some events lack it, whether any has text in it.

    One that is held as text is `marked` where a text is empty or has a character that XML encodes.
    """

    name: str
    form: Form
    nulls: bool
    filled: bool
    marked: bool = False

    @property
    def printed(self) -> bool:
        """Whether its texts are made of numbers when somebody reads them."""
        return self.form is Form.NUMBERS or self.form in MICROSECONDS_IN

    @property
    def coded(self) -> bool:
        """Whether files hold codes."""
        return self.form is Form.CODES


class StoredKind(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one sensor, kind, constant fields and columns: the files that hold them, and what they are.

    `first` and `last` are the times of its events in microseconds, null where none has one; of `untimed` events some
    have none. The text of `recorded` events is kept in the files that they were read from.
    """

    sensor: str
    kind: str
    constants: dict[str, str]
    fields: tuple[StoredField, ...]
    rows: int
    files: tuple[str, ...]
    first: int | None = None
    last: int | None = None
    untimed: bool = False
    recorded: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields that are no constants."""
        return tuple(f.name for f in self.fields)


class StoredDimension(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of a column, by their codes: a file of so many; `marked` as of a field."""

    file: str
    size: int
    marked: bool


class WorldFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulated organisation was."""

    title: str
    seed: int
    start: str
    days: int
    hosts: int


class StoreManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds, where it came from, under which conditions it was recorded, what could not be read."""

    format: int
    origin: str
    conditions: dict[str, str]
    causes: int
    tables: tuple[StoredKind, ...]
    dimensions: dict[str, StoredDimension]
    damages: tuple[tuple[str, str, bool], ...] = ()
    world: WorldFacts | None = None

    @property
    def rows(self) -> int:
        """How many events there are."""
        return sum(t.rows for t in self.tables)

    @property
    def last(self) -> int | None:
        """The time of the last event in microseconds, if any has one."""
        return max((t.last for t in self.tables if t.last is not None), default=None)

    @property
    def first(self) -> int | None:
        """The time of the first event in microseconds, if any has one."""
        return min((t.first for t in self.tables if t.first is not None), default=None)


def is_store(path: Path) -> bool:
    """Whether a path is the folder of a coded store, or of a world of an older program, which `read_manifest` names."""
    return path.is_dir() and any((path / name).is_file() for name in (MANIFEST, OLD_MANIFEST))


def read_manifest(path: Path) -> StoreManifest:
    """What the store in a folder is. Raises HarnessError for what is none or names files elsewhere."""
    file = path / MANIFEST
    if not file.is_file() and (path / OLD_MANIFEST).is_file():
        hint = "simulate it again: the same seed gives the same events"
        raise HarnessError("old-store", f"{path} was written by an older detlab", help=hint)
    try:
        if file.stat().st_size > LARGEST_MANIFEST:
            raise HarnessError("damaged-store", f"{file} is larger than {LARGEST_MANIFEST >> 20} MiB")
        found = msgspec.json.decode(file.read_bytes(), type=StoreManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HarnessError("damaged-store", f"{file} cannot be read: {error}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{file}: {(error.strerror or str(error)).lower()}") from error
    if not OLDEST_READABLE_VERSION <= found.format <= STORE_VERSION:
        message = f"{file} has format {found.format}, this detlab reads format {STORE_VERSION}"
        raise HarnessError("damaged-store", message, help="use the detlab that wrote it")
    held = [n for t in found.tables for n in t.files] + [d.file for d in found.dimensions.values()]
    for name in held:
        # The document may be somebody else's: it names no file outside its folder.
        if not (path / name).resolve().is_relative_to(path.resolve()):
            raise HarnessError("damaged-store", f"{file} names {name}, which lies outside the folder")
    return found


def write_manifest(path: Path, manifest: StoreManifest) -> None:
    """The document beside the tables; the last that is written, so that half a store is none."""
    encoded = msgspec.json.encode(manifest, order="deterministic")
    (path / MANIFEST).write_bytes(msgspec.json.format(encoded, indent=1))


def merge_conditions(*parts: Mapping[str, str]) -> dict[str, str]:
    """Conditions, the last of a name counts."""
    return {name: value for part in parts for name, value in part.items()}
