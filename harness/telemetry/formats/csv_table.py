"""Tables as text with a header: CSV and TSV of any tool, and Zeek's logs; a row is an event."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.input import LONGEST_RECORD, EventTables, Stream
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.raw_text import RAW_FIELD

DELIMITERS = ",\t;|"
# A name of a column: some words, no clock in it, or any line of a log with commas would be a header.
COLUMN_NAME = re.compile(r"(?!.*\d:\d)[\w@#$.][\w@#$.:/()\[\]{}*%+&-]*( [\w@#$.:/()\[\]{}*%+&-]+){0,4}")
ZEEK = "#separator"
# Export-Csv of Windows PowerShell names the type first, and Excel its delimiter.
PREAMBLE = re.compile(r"(?:#TYPE [^\n]*\n|sep=.\r?\n)+")
# Rows that have to be as wide as the header; chosen, a log's lines are not by accident.
ROWS_COMPARED = 5
EVENT_VIEWER = frozenset({"Source", "Event ID", "Task Category"})
# What Kibana prints for a field that an event lacks.
LACKING = frozenset({"", " - ", "(null)"})
# Rows that are held as Python objects at once; chosen.
ROWS_AT_ONCE = 16_384


def recognises(head: bytes) -> bool:
    """Whether content that begins so is a table with a header."""
    if head[:1] in b"{[<" or b"\0" in head:
        return False
    return head.startswith(ZEEK.encode()) or find_delimiter(head.decode("utf-8", "replace")) is not None


def find_delimiter(text: str) -> str | None:
    """The delimiter by which the first rows of a text are as wide as a header of names; None where none is."""
    found = PREAMBLE.match(text)
    lines = text[found.end() if found else 0 :].splitlines(keepends=True)
    # The last line may be cut by the head's length.
    lines = lines[:-1] if len(lines) > 1 and len(text) >= 60_000 else lines
    best = ("", 1)
    for delimiter in DELIMITERS:
        rows = [
            row for _, row in zip(range(ROWS_COMPARED), csv.reader(lines, delimiter=delimiter), strict=False) if row
        ]
        if not rows or not is_header(rows[0]) or len(rows[0]) <= best[1]:
            continue
        # A row may end early where a quoted cell is cut, so only complete ones count.
        others = rows[1:] if len(rows) <= ROWS_COMPARED - 1 else rows[1:-1]
        widths = {len(row) for row in others}
        if not widths or widths == {len(rows[0])} or (widths == {len(rows[0]) + 1} and {*rows[0]} >= EVENT_VIEWER):
            best = (delimiter, len(rows[0]))
    return best[0] or None


def is_header(cells: Sequence[str]) -> bool:
    """Whether cells are names of columns: different ones, none a number."""
    names = [cell.strip() for cell in cells if cell.strip()]
    return len(names) >= 2 and len(set(names)) == len(names) and all(is_column_name(name) for name in names)


def is_column_name(text: str) -> bool:
    """Whether a text may be the name of a column."""
    return len(text) <= 120 and COLUMN_NAME.fullmatch(text) is not None and re.search("[A-Za-z]", text) is not None


def read(stream: Stream, tables: EventTables) -> None:
    """Adds each row as an event; one that is wider than the header is damage."""
    with JsonEvents(stream.name, tables) as events:
        if stream.text_head.startswith(ZEEK.encode()):
            for line, fields in find_rows(stream, tables.damage):
                tables.begin_record(keep=False)
                add_fields(line, fields, stream, tables, events)
            return
        table = DelimitedRows(stream, tables.damage)
        for header, rows in table.list_blocks():
            if len({*header} - {""}) < sum(map(bool, header)):
                # Of two columns of one name the last that is filled counts.
                for row in rows:
                    if fields := name_cells(header, row.cells):
                        tables.begin_record(keep=RAW_FIELD in fields)
                        add_fields(row.line, fields, stream, tables, events)
            else:
                add_block(header, rows, stream, tables, events)


def add_fields(line: int, fields: dict[str, str], stream: Stream, tables: EventTables, events: JsonEvents) -> None:
    """Adds the event of a row."""
    try:
        events.add_object(fields)
    except (ValueError, RecursionError) as error:
        tables.damage(f"{stream.name}: line {line}", str(error))


def add_block(
    header: Sequence[str], rows: Sequence[TableRow], stream: Stream, tables: EventTables, events: JsonEvents
) -> None:
    """Adds rows by their columns, as far as they are read alike."""
    cells = zip_longest(*(row.cells for row in rows), fillvalue="")
    columns = {name: encode_cells(column) for name, column in zip(header, cells, strict=False) if name}
    if not columns:
        return
    batch = pa.RecordBatch.from_pydict(columns)
    filled = np.zeros(len(rows), bool)
    for column in batch.columns:
        filled |= np.asarray(column.indices.is_valid())
    there = np.flatnonzero(filled)
    first = tables.begin_records(len(there))
    for number, fields in events.rows.add_batch(batch.take(pa.array(there)) if len(there) < len(rows) else batch):
        # Of a row that holds no text of an event its fields say all.
        tables.put_record(first + number if RAW_FIELD in fields else None)
        add_fields(rows[int(there[number])].line, fields, stream, tables, events)


def encode_cells(cells: Sequence[str]) -> pa.DictionaryArray:
    """A column of cells as distinct texts, null for what a table prints where a field is lacking."""
    encoded = pa.array(cells, pa.string()).dictionary_encode()
    lacking = pc.is_in(encoded.dictionary, pa.array(sorted(LACKING), pa.string()))
    if not pc.any(lacking).as_py():
        return encoded
    there = pc.cast(pc.invert(lacking), pa.int32())
    codes = pc.if_else(lacking, None, pc.subtract(pc.cumulative_sum(there), 1)).take(encoded.indices)
    return pa.DictionaryArray.from_arrays(codes, encoded.dictionary.filter(pc.invert(lacking)))


def list_records(stream: Stream) -> Iterator[dict[str, str]]:
    """The rows again."""
    return (fields for _, fields in find_rows(stream, lambda place, message: None))


def event_texts(record: dict[str, str]) -> list[str]:
    """The text of the event in a row."""
    return [record[RAW_FIELD]]


Row = tuple[int, dict[str, str]]
Tell = Callable[[str, str], None]


def find_rows(stream: Stream, damage: Tell) -> Iterator[Row]:
    """Each row that has a cell, and the line on which it starts; what cannot be read is damage."""
    if stream.text_head.startswith(ZEEK.encode()):
        yield from find_zeek_rows(stream, damage)
        return
    for header, rows in DelimitedRows(stream, damage).list_blocks():
        for row in rows:
            if fields := name_cells(header, row.cells):
                yield row.line, fields


def name_cells(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The fields of a row."""
    return {name: cell for name, cell in zip(header, cells, strict=False) if name and cell not in LACKING}


class TableRow(NamedTuple):
    """A row of a table and the line on which it starts."""

    line: int
    cells: list[str]


class DelimitedRows:
    """The rows below the header of a table."""

    def __init__(self, stream: Stream, damage: Tell) -> None:
        # Cells are bounded by the longest record of any format, not by csv's own 128 KiB.
        csv.field_size_limit(LONGEST_RECORD)
        self.name, self.damage = stream.name, damage
        self.delimiter = find_delimiter(stream.text_head.decode("utf-8", "replace")) or ","
        self.lines = iter_lines(stream)
        self.header: list[str] = []

    def list_blocks(self) -> Iterator[tuple[list[str], list[TableRow]]]:
        """The header, and some rows that are no wider; a row that cannot be read ends the table."""
        skipped, first = 0, ""
        for first in self.lines:
            if not PREAMBLE.match(first) and first.strip():
                break
            skipped, first = skipped + 1, ""
        reader = csv.reader(chain([first] if first else [], self.lines), delimiter=self.delimiter)
        line, rows, broken = skipped + 1, list[TableRow](), False
        while not broken:
            try:
                for row in reader:
                    rows.append(TableRow(line, row))
                    line = skipped + reader.line_num + 1
                    if len(rows) >= ROWS_AT_ONCE:
                        break
                else:
                    broken = True
            except csv.Error as error:
                broken, fault = True, str(error).lower()
                yield from self.check_rows(rows)
                self.damage(f"{self.name}: line {line}", f"no row of a table: {fault}")
                return
            yield from self.check_rows(rows)
            rows = []

    def check_rows(self, rows: list[TableRow]) -> Iterator[tuple[list[str], list[TableRow]]]:
        """The rows that are rows of the table; those that are too wide are told."""
        kept = []
        for row in rows:
            if not row.cells:
                continue
            if not self.header:
                self.header = [cell.strip() for cell in row.cells]
                # Event Viewer has no name for its last column, the message.
                self.header += ["Message"] if {*self.header} >= EVENT_VIEWER else []
            # Some tools repeat the header where they put files together.
            elif row.cells == self.header:
                continue
            elif len(row.cells) > len(self.header):
                told = f"a row of {len(row.cells)} cells below a header of {len(self.header)}"
                self.damage(f"{self.name}: line {row.line}", told)
            else:
                kept.append(row)
        if kept:
            yield self.header, kept


def find_zeek_rows(stream: Stream, damage: Tell) -> Iterator[Row]:
    """The rows of Zeek's own tables, whose header says what stands for nothing."""
    separator, header = "\t", list[str]()
    about = {"#unset_field": "-", "#empty_field": "(empty)", "#path": ""}
    for number, line in enumerate(iter_lines(stream), 1):
        text = line.rstrip("\r\n")
        if text.startswith(ZEEK):
            separator = codecs.decode(text[len(ZEEK) :].strip(), "unicode_escape")
        elif text.startswith("#"):
            key, _, value = text.partition(separator)
            about[key] = value
            header = value.split(separator) if key == "#fields" else header
        elif text:
            cells = text.split(separator)
            if len(cells) != len(header):
                damage(f"{stream.name}: line {number}", f"{len(cells)} cells below {len(header)} names")
                continue
            there = {n: c for n, c in zip(header, cells, strict=True) if c != about["#unset_field"]}
            fields = {n: "" if c == about["#empty_field"] else c for n, c in there.items()}
            yield number, {"_path": about["#path"], **fields}


def iter_lines(stream: Stream) -> Iterator[str]:
    """The content line by line; bytes that are no UTF-8 are replaced."""
    # Python's own reader of lines, which takes a tenth of the time of a loop.
    return chain.from_iterable(io.StringIO(text, newline="\n") for text in iter_texts(stream))


def iter_texts(stream: Stream) -> Iterator[str]:
    """The content in pieces of whole lines."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for block in stream.text_blocks():
        text = rest + decoder.decode(block)
        end = text.rfind("\n") + 1
        rest = text[end:]
        if end:
            yield text[:end]
    if rest := rest + decoder.decode(b"", final=True):
        yield rest
