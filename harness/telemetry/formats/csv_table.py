"""Tables as text with a header: CSV and TSV of any tool, and Zeek's logs; a row is an event."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence

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
        for line, fields in find_rows(stream, tables.damage):
            # Of a row that holds no text of an event its fields say all.
            tables.begin_record(keep=RAW_FIELD in fields)
            try:
                events.add_object(fields)
            except (ValueError, RecursionError) as error:
                tables.damage(f"{stream.name}: line {line}", str(error))


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
    lines = Lines(stream)
    if stream.text_head.startswith(ZEEK.encode()):
        yield from find_zeek_rows(lines, stream.name, damage)
        return
    # Cells are bounded by the longest record of any format, not by csv's own 128 KiB.
    csv.field_size_limit(LONGEST_RECORD)
    delimiter = find_delimiter(stream.text_head.decode("utf-8", "replace")) or ","
    yield from find_delimited_rows(lines, delimiter, stream.name, damage)


def find_delimited_rows(lines: Lines, delimiter: str, name: str, damage: Tell) -> Iterator[Row]:
    """The rows below a header."""
    rows = csv.reader(skip_preamble(lines), delimiter=delimiter)
    header: list[str] = []
    while True:
        line = lines.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            damage(f"{name}: line {line}", f"no row of a table: {str(error).lower()}")
            return
        if not row:
            continue
        if not header:
            header = [cell.strip() for cell in row]
            # Event Viewer has no name for its last column, the message.
            header += ["Message"] if {*header} >= EVENT_VIEWER else []
            continue
        # Some tools repeat the header where they put files together.
        if row == header:
            continue
        if len(row) > len(header):
            damage(f"{name}: line {line}", f"a row of {len(row)} cells below a header of {len(header)}")
            continue
        if fields := {n: cell for n, cell in zip(header, row, strict=False) if n and cell not in LACKING}:
            yield line, fields


def skip_preamble(lines: Iterator[str]) -> Iterator[str]:
    """The lines without those before the header."""
    begun = False
    for line in lines:
        if begun or not (PREAMBLE.match(line) or not line.strip()):
            begun = True
            yield line


def find_zeek_rows(lines: Lines, name: str, damage: Tell) -> Iterator[Row]:
    """The rows of Zeek's own tables, whose header says what stands for nothing."""
    separator, header = "\t", list[str]()
    about = {"#unset_field": "-", "#empty_field": "(empty)", "#path": ""}
    for line in lines:
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
                damage(f"{name}: line {lines.number}", f"{len(cells)} cells below {len(header)} names")
                continue
            there = {n: c for n, c in zip(header, cells, strict=True) if c != about["#unset_field"]}
            fields = {n: "" if c == about["#empty_field"] else c for n, c in there.items()}
            yield lines.number, {"_path": about["#path"], **fields}


class Lines(Iterator[str]):
    """The lines of a stream with their ends, and the number of the last one."""

    def __init__(self, stream: Stream) -> None:
        self.number = 0
        self.lines = iter_lines(stream)

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        return line


def iter_lines(stream: Stream) -> Iterator[str]:
    """The content line by line; bytes that are no UTF-8 are replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for block in stream.text_blocks():
        *whole, rest = (rest + decoder.decode(block)).split("\n")
        yield from (f"{line}\n" for line in whole)
    if rest := rest + decoder.decode(b"", final=True):
        yield rest
