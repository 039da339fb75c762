"""Tables as text with a header: CSV and TSV of any tool, and Zeek's logs; a row is an event."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_module import LateModule
from harness.late_pattern import late_pattern
from harness.telemetry.events.event import TEXT_TYPE
from harness.telemetry.events.input import LONGEST_RECORD, EventTables, Stream
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.raw_text import RAW_FIELD

if TYPE_CHECKING:
    from pyarrow import csv as arrow_csv
else:
    arrow_csv = LateModule("pyarrow.csv")

DELIMITERS = ",\t;|"
# A name of a column: some words, no clock in it, or any line of a log with commas would be a header.
COLUMN_NAME = late_pattern(r"(?!.*\d:\d)[\w@#$.][\w@#$.:/()\[\]{}*%+&-]*( [\w@#$.:/()\[\]{}*%+&-]+){0,4}")
ZEEK = "#separator"
# Export-Csv of Windows PowerShell names the type first, and Excel its delimiter.
PREAMBLE = late_pattern(r"(?:#TYPE [^\n]*\n|sep=.\r?\n)+")
# Rows that have to be as wide as the header; chosen, a log's lines are not by accident.
ROWS_COMPARED = 5
EVENT_VIEWER = frozenset({"Source", "Event ID", "Task Category"})
# What Kibana prints for a field that an event lacks.
LACKING = frozenset({"", " - ", "(null)"})
# Rows that are held as Python objects at once; chosen.
ROWS_AT_ONCE = 16_384
# Of about a mebibyte each; chosen, of fewer the batches cost more than their rows.
PIECES_AT_ONCE = 8


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
        table = DelimitedRows(stream, tables.damage, plain=True)
        for header, rows in table.list_blocks():
            if len({*header} - {""}) < sum(map(bool, header)):
                # Of two columns of one name the last that is filled counts.
                for row in list_table_rows(rows):
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


def add_block(header: Sequence[str], rows: Block, stream: Stream, tables: EventTables, events: JsonEvents) -> None:
    """Adds rows by their columns, as far as they are read alike."""
    if isinstance(rows, PlainRows):
        cells: Iterable[Sequence[str] | pa.Array] = rows.columns
    else:
        cells = zip_longest(*(row.cells for row in rows), fillvalue="")
    columns = {name: encode_cells(column) for name, column in zip(header, cells, strict=False) if name}
    if not columns:
        return
    batch = pa.RecordBatch.from_pydict(columns)
    filled = np.zeros(len(batch), bool)
    for column in batch.columns:
        filled |= np.asarray(column.indices.is_valid())
    there = np.flatnonzero(filled)
    first = tables.begin_records(len(there))
    for number, fields in events.rows.add_batch(batch.take(pa.array(there)) if len(there) < len(batch) else batch):
        # Of a row that holds no text of an event its fields say all.
        tables.put_record(first + number if RAW_FIELD in fields else None)
        add_fields(line_of(rows, int(there[number])), fields, stream, tables, events)


def encode_cells(cells: Sequence[str] | pa.Array) -> pa.DictionaryArray:
    """A column of cells as distinct texts, null for what a table prints where a field is lacking."""
    encoded = cells if isinstance(cells, pa.DictionaryArray) else pa.array(cells, pa.string()).dictionary_encode()
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
        for row in list_table_rows(rows):
            if fields := name_cells(header, row.cells):
                yield row.line, fields


def name_cells(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """The fields of a row."""
    return {name: cell for name, cell in zip(header, cells, strict=False) if name and cell not in LACKING}


class TableRow(NamedTuple):
    """A row of a table and the line on which it starts."""

    line: int
    cells: list[str]


class PlainRows(NamedTuple):
    """Rows of which no cell is quoted, by their columns; `line` is the first one's, and none is empty."""

    line: int
    columns: list[pa.DictionaryArray]


Block = Sequence[TableRow] | PlainRows


def list_table_rows(rows: Block) -> Iterator[TableRow]:
    """Rows one by one."""
    if not isinstance(rows, PlainRows):
        yield from rows
        return
    columns = (column.to_pylist() for column in rows.columns)
    for number, cells in enumerate(zip(*columns, strict=True)):
        yield TableRow(rows.line + number, list(cells))


def line_of(rows: Block, number: int) -> int:
    """The line on which a row starts."""
    return rows.line + number if isinstance(rows, PlainRows) else rows[number].line


class DelimitedRows:
    """The rows below the header of a table; `plain` ones by columns, where a whole piece of the text is such."""

    def __init__(self, stream: Stream, damage: Tell, *, plain: bool = False) -> None:
        # Cells are bounded by the longest record of any format, not by csv's own 128 KiB.
        csv.field_size_limit(LONGEST_RECORD)
        self.name, self.damage, self.plain = stream.name, damage, plain
        self.delimiter = find_delimiter(stream.text_head.decode("utf-8", "replace")) or ","
        self.texts = join_texts(iter_texts(stream)) if plain else iter_texts(stream)
        self.waiting = ""
        self.piece = io.StringIO()
        self.size = 0
        self.lines = chain.from_iterable(self.list_pieces())
        self.header: list[str] = []

    def list_pieces(self) -> Iterator[Iterator[str]]:
        """The content in pieces of lines; the current one is known."""
        while text := self.waiting or next(self.texts, ""):
            self.waiting, self.size = "", len(text)
            # Python's own reader of lines, which takes a tenth of the time of a loop.
            self.piece = io.StringIO(text, newline="\n")
            yield self.piece

    def list_blocks(self) -> Iterator[tuple[list[str], Block]]:
        """The header, and some rows that are no wider; a row that cannot be read ends the table."""
        before, first = 0, ""
        for first in self.lines:
            if not PREAMBLE.match(first) and first.strip():
                break
            before, first = before + 1, ""
        reader = csv.reader(chain([first] if first else [], self.lines), delimiter=self.delimiter)
        ended = False
        while not ended:
            rows = list[TableRow]()
            try:
                ended = self.read_some(reader, before, rows)
            except csv.Error as error:
                fault = str(error).lower()
                line = rows.pop().line
                yield from self.check_rows(rows)
                self.damage(f"{self.name}: line {line}", f"no row of a table: {fault}")
                return
            yield from self.check_rows(rows)
            while not ended and self.is_between_pieces() and (found := self.read_plain(before + reader.line_num + 1)):
                before += len(found.columns[0])
                yield self.header, found

    def read_some(self, reader: Iterator[list[str]], before: int, rows: list[TableRow]) -> bool:
        """Adds some rows, with a piece of the text as its last one; whether these were all.

        Where a row cannot be read, an empty one with its line is the last.
        """
        for _ in range(ROWS_AT_ONCE):
            line = before + reader.line_num + 1  # type: ignore[attr-defined]
            try:
                row = next(reader, None)
            except csv.Error:
                rows.append(TableRow(line, []))
                raise
            if row is None:
                return True
            rows.append(TableRow(line, row))
            if self.is_between_pieces():
                break
        return False

    def is_between_pieces(self) -> bool:
        """Whether the next row begins a piece of the text, and may be read with all of it."""
        return self.plain and self.piece.tell() == self.size

    def read_plain(self, line: int) -> PlainRows | None:
        """The next piece by its columns, where no cell is quoted and all rows are as wide as the header."""
        self.waiting = next(self.texts, "")
        if not self.waiting or not self.header or not is_plain(self.waiting, self.delimiter.join(self.header)):
            return None
        names = [str(number) for number in range(len(self.header))]
        held = self.waiting.encode()
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(held),
                arrow_csv.ReadOptions(use_threads=False, block_size=len(held) + 1, column_names=names),
                arrow_csv.ParseOptions(delimiter=self.delimiter, quote_char=False, double_quote=False),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, TEXT_TYPE), strings_can_be_null=False),
            )
        except pa.ArrowInvalid:
            # A row of another width: row by row what is wrong with it is told.
            return None
        self.waiting = ""
        return PlainRows(line, [column.combine_chunks() for column in table.columns])

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


def is_plain(text: str, header: str) -> bool:
    """Whether each line of a text is a row whose cells stand there as they are, and none is the header again."""
    lone = text.count("\r") - text.count("\r\n")
    empty = text.startswith(("\n", "\r\n")) or "\n\n" in text or "\n\r\n" in text
    return not lone and not empty and '"' not in text and header not in text and len(text) <= LONGEST_RECORD


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


def join_texts(texts: Iterator[str]) -> Iterator[str]:
    """The first piece, and then several as one: each batch of rows has its own distinct texts."""
    yield from islice(texts, 1)
    while held := list(islice(texts, PIECES_AT_ONCE)):
        yield "".join(held)
