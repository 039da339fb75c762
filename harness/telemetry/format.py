"""Contract: a format of events, its reader and its writer; the content tells the format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from harness.diagnostics import HarnessError, did_you_mean, explain_failure
from harness.late_pattern import late_pattern
from harness.telemetry.events.compression import list_archive_members
from harness.telemetry.events.content_looks import describe_look
from harness.telemetry.events.event import Damage, Telemetry
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.format_names import list_formats
from harness.telemetry.indexing import plain_text
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.store.manifest import is_store
from harness.telemetry.store.reader import read_stored_telemetry

# With --sourcetype these alone keep their format: what is text is the log that Splunk would index.
BINARY = ("evtx", "parquet")
EVENT_LOG_SOURCETYPE = late_pattern(r"(?:Xml)?WinEventLog(?::|$)", re.I)
"""Sourcetypes of Windows event logs: files of one are event logs, whatever their format."""


class TelemetryReader(Protocol):
    """A format that can be read: a file in `formats/` with these two; no two formats recognise the same beginning."""

    __name__: str

    def recognises(self, head: bytes) -> bool:
        """Whether content that begins so has this format; text comes as UTF-8 without leading blanks."""

    def read(self, stream: Stream, tables: EventTables) -> None:
        """Adds every record that can be read to the tables, and a damage for each part that cannot."""


class TextReader(Protocol):
    """A format whose records are text, or have one: a module in `formats/` with these two beside the others."""

    def list_records(self, stream: Stream) -> Iterator[Any]:
        """The records of a file again, for each that `read` begins one."""

    def event_texts(self, record: Any) -> Sequence[str]:
        """The texts of the events in a record, without a collector's envelope."""


def list_readers() -> tuple[str, ...]:
    """Names of all formats that can be read."""
    return list_formats("read")


def read_telemetry(path: Path, plain: Input | None = None) -> Telemetry:
    """The events of a file, or of all files in a folder and below in the order of their names, nobody's doing yet.

    With `plain` every file that is text is read line by line as Splunk indexes it, whatever format it has, unless its
    sourcetype is that of event logs; those have the sourcetype, source and host that it says. Raises
    HarnessError for a path that is not there, cannot be opened or holds no known format.
    """
    found, tables = read_counted(path, plain)
    # What is empty by its own word, a recording of nothing, is no damage.
    if not len(found) and (found.damages or not tables.complete):
        raise nothing_read(path, found.damages)
    return found


def read_counted(path: Path, plain: Input | None = None) -> tuple[Telemetry, EventTables]:
    """The events of a file or a folder, even if there is none, and the tables that know which shapes they had."""
    tables = EventTables()
    if is_store(path):
        tables.take(read_stored_telemetry(path))
        tables.count_rest(path.name, "detlab", 0)
    else:
        read_folder(path, tables, plain)
    return tables.telemetry(), tables


def read_folder(path: Path, tables: EventTables, plain: Input | None = None) -> None:
    """Adds the events of a file, or of all files in a folder and below, those in archives included."""
    for file in find_event_files(path):
        name = str(file.relative_to(path)) if file != path else file.name
        for stream in list_streams(file, name, tables):
            before = tables.added
            try:
                shape = read_file(stream, tables, plain)
                tables.count_rest(stream.name, shape, before)
            # One file that cannot be read must not take the events of the others with it.
            except Exception as error:
                if file == path and not stream.member:
                    raise
                failure = explain_failure(error)
                told = failure.message.removeprefix(f"{stream.name}: ").removeprefix(f"{file} ")
                tables.damage(stream.name, told, misread=failure.code == "unknown-format")
            tables.report_times(stream.name)


def list_streams(file: Path, name: str, tables: EventTables) -> Iterator[Stream]:
    """The file, or each file in it where it is an archive."""
    try:
        members = list_archive_members(file)
    except OSError as error:
        # What opens it tells why it cannot be opened.
        members = None if error.errno else []
    if members is None:
        yield Stream(file, name, tables.damage)
        return
    for member in members:
        yield Stream(file, f"{name}/{member}", tables.damage, member)


def read_file(stream: Stream, tables: EventTables, plain: Input | None) -> str:
    """Adds the events of one file; gives the name of its format.

    Raises HarnessError where it is empty or of no known format.
    """
    reader = reader_of(stream, BINARY if plain and not EVENT_LOG_SOURCETYPE.match(plain.sourcetype) else None)
    tables.open_file(stream, say_metadata(plain) if reader and plain else None)
    if reader:
        reader.read(stream, tables)
        return reader.__name__.rpartition(".")[2]
    if plain and stream.text_head:
        plain_text.index_plain_text(stream, tables, plain)
        return plain.sourcetype
    raise unreadable(stream)


def say_metadata(given: Input) -> dict[str, str]:
    """What is said of files of event logs, which a collector would have set."""
    said = {"sourcetype": given.sourcetype, "source": given.source, "host": given.host}
    return {name: value for name, value in said.items() if value}


def text_reader_of(stream: Stream) -> TextReader:
    """The reader of the recorded text of a file's events. Raises HarnessError where there is none any more."""
    reader = reader_of(stream)
    if reader is None or not hasattr(reader, "event_texts"):
        raise HarnessError("changed-events", f"{stream.path} has changed since its events were read")
    found: TextReader = reader  # type: ignore[assignment]
    return found


def nothing_read(path: Path, damages: Sequence[Damage]) -> HarnessError:
    """The error of an input without one readable event: a rule that finds nothing there says nothing."""
    first = f": {damages[0]}" if damages else ""
    more = f", and {len(damages) - 1} more damages" if len(damages) > 1 else ""
    return HarnessError("no-events", f"no event could be read from {path}{first}{more}")


def unreadable(stream: Stream) -> HarnessError:
    """The error of an empty file or one of no known format."""
    if not stream.text_head:
        return HarnessError("no-events", f"{stream.path} is empty")
    known = ", ".join(list_readers())
    hint = f"formats are {known}, each also packed (gzip, zstd, xz, bzip2, zip); plain text needs --sourcetype"
    look = describe_look(stream.head, stream.text_head)
    return HarnessError("unknown-format", f"{stream.path} is no format that can be read: {look}", help=hint)


def find_event_files(path: Path) -> Iterator[Path]:
    """The file itself, or all files in a folder and below by name; hidden ones are not read."""
    if not path.exists():
        raise HarnessError("no-such-file", f"{path} is not there")
    if not path.is_dir():
        yield path
        return
    # By name, since the order of files is that of records, and file systems list them in any.
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    if not found:
        raise HarnessError("no-events", f"{path} holds no files")
    yield from found


def reader_of(stream: Stream, among: Sequence[str] | None = None) -> TelemetryReader | None:
    """The reader of a stream's format, if it is one of these or of all that there are."""
    binary, text = stream.head, stream.text_head
    for name in list_readers() if among is None else among:
        reader: TelemetryReader = import_module(f"harness.telemetry.formats.{name}")
        # Text formats in UTF-16 are seen only in the decoded head, binary ones only in the raw one.
        if reader.recognises(binary) or reader.recognises(text):
            return reader
    return None


class Writer(Protocol):
    """A format that can be written: a file in `formats/` with its file ending and this function."""

    SUFFIX: str

    def write(self, telemetry: Telemetry, out: IO[bytes]) -> int:
        """Writes what the format can hold of the telemetry; returns how many events that were."""


def list_writers() -> tuple[str, ...]:
    """Names of all formats that can be written."""
    return list_formats("write")


def writer(name: str) -> Writer:
    """The writer of a format. Raises HarnessError for an unknown one."""
    if name not in list_writers():
        hint = did_you_mean(name, list_writers()) or f"formats are {', '.join(list_writers())}"
        raise HarnessError("unknown-format", f"no format is called `{name}`", help=hint)
    found: Writer = import_module(f"harness.telemetry.formats.{name}")
    return found


def write_telemetry(telemetry: Telemetry, name: str, out: IO[bytes]) -> int:
    """Writes telemetry in the format of that name; returns how many of its events the format can hold."""
    return writer(name).write(telemetry, out)
