"""Rows of a search in Splunk's output modes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from starlette.responses import Response

from harness.detection.engine import CellValue
from harness.record import record
from harness.serve.splunk.atom import JSON, XML, clean_xml, drop_controls
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.jobs import print_time

MODES = ("xml", "json", "json_rows", "json_cols", "csv", "raw", "atom")
MEDIA = {"xml": XML, "csv": "text/csv; charset=UTF-8", "raw": "text/plain; charset=UTF-8"}
# 15 digits, as a double is printed without what it cannot hold.
PRINTED_DIGITS = 15
TIME_FIELDS = ("_time",)

PrintedValues = str | list[str]


@record(kw_only=True)
class ResultPage:
    """Some rows of a search: their columns, where the first of them stands, and what is to be told."""

    columns: Sequence[str]
    rows: Iterable[list[CellValue]]
    offset: int = 0
    preview: bool = False
    messages: Sequence[tuple[str, str]] = ()
    fields: Sequence[str] = ()

    @property
    def shown(self) -> list[int]:
        """Places of the columns that were asked for, all if none was."""
        if not self.fields:
            return list(range(len(self.columns)))
        return [self.columns.index(name) for name in self.fields if name in self.columns]

    @property
    def names(self) -> list[str]:
        """Names of the columns that are shown."""
        return [self.columns[i] for i in self.shown]

    def records(self) -> Iterator[dict[str, PrintedValues]]:
        """Each row by name, without absent fields."""
        shown = self.shown
        for row in self.rows:
            yield {
                self.columns[i]: print_field_values(self.columns[i], value)
                for i in shown
                if (value := row[i]) is not None
            }

    def list_messages(self) -> list[dict[str, str]]:
        """What is to be told, as JSON has it."""
        return [{"type": kind, "text": text} for kind, text in self.messages]


def respond_rows(page: ResultPage, mode: str) -> Response:
    """A page of rows as one answer. Raises SplunkError for a mode that there is not."""
    if mode not in MODES:
        raise SplunkError(400, f"Invalid output mode '{mode[:40]}'", "FATAL")
    # No content, as Splunk has it of a search without rows.
    if mode in TEXT_WRITERS:
        return Response(TEXT_WRITERS[mode](page), media_type=MEDIA.get(mode, XML))
    return Response(json.dumps(build_json(page, mode)), media_type=JSON)


def build_json(page: ResultPage, mode: str) -> dict[str, Any]:
    """The document of a mode of JSON."""
    document: dict[str, Any] = {
        "preview": page.preview,
        "init_offset": page.offset,
        "messages": page.list_messages(),
    }
    if mode == "json":
        return document | {
            "fields": [{"name": name} for name in page.names],
            "results": list(page.records()),
            "highlighted": {},
        }
    names = page.names
    rows = [[row.get(name) for name in names] for row in page.records()]
    if mode == "json_rows":
        return document | {"fields": names, "rows": rows}
    return document | {"fields": names, "columns": [list(column) for column in zip(*rows, strict=True)]}


def write_xml(page: ResultPage) -> str:
    """Rows as Splunk's own XML."""
    fields = "".join(f"<field>{clean_xml(name)}</field>\n" for name in page.names)
    parts = [
        f"<?xml version='1.0' encoding='UTF-8'?>\n<results preview='{int(page.preview)}'>\n"
        f"<meta>\n<fieldOrder>\n{fields}</fieldOrder>\n</meta>\n",
    ]
    if page.messages:
        told = "".join(f"<msg type={quoteattr(kind)}>{clean_xml(text)}</msg>\n" for kind, text in page.messages)
        parts.append(f"<messages>\n{told}</messages>\n")
    parts += (record_xml(page.offset + i, row) for i, row in enumerate(page.records()))
    return "".join([*parts, "</results>"])


def record_xml(place: int, row: Mapping[str, PrintedValues]) -> str:
    """One row."""
    parts = [f"<result offset='{place}'>\n"]
    for name, held in row.items():
        parts.append(f"<field k={quoteattr(drop_controls(name))}>")
        for value in held if isinstance(held, list) else [held]:
            if name == "_raw":
                parts.append(f"<v xml:space='preserve' trim='0'>{clean_xml(value)}</v>")
            else:
                parts.append(f"<value><text>{clean_xml(value)}</text></value>")
        parts.append("</field>\n")
    return "".join([*parts, "</result>\n"])


def write_csv(page: ResultPage) -> str:
    """Rows as CSV; several values of a field stand in its cell, a line each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = page.names
    if names:
        writer.writerow(names)
    for row in page.records():
        cells = (row.get(name, "") for name in names)
        writer.writerow(["\n".join(cell) if isinstance(cell, list) else cell for cell in cells])
    return out.getvalue()


def write_raw(page: ResultPage) -> str:
    """The texts of events alone."""
    return "".join(f"{row.get('_raw', '')}\n" for row in page.records())


TEXT_WRITERS = {"xml": write_xml, "atom": write_xml, "csv": write_csv, "raw": write_raw}


def write_export(page: ResultPage, mode: str, total: int) -> Iterator[str]:
    """Rows as `export` streams them: a document a row in JSON."""
    if mode not in ("json", "json_rows", "json_cols"):
        yield from [
            write_xml(page) if mode in ("xml", "atom") else write_csv(page) if mode == "csv" else write_raw(page)
        ]
        return
    if mode != "json":
        yield json.dumps(build_json(page, mode)) + "\n"
        return
    if not total:
        yield json.dumps({"preview": False, "lastrow": True, "messages": page.list_messages()}) + "\n"
    elif page.messages:
        yield json.dumps({"preview": False, "messages": page.list_messages()}) + "\n"
    for place, row in enumerate(page.records()):
        found: dict[str, Any] = {"preview": False, "offset": place}
        if place + 1 == total:
            found["lastrow"] = True
        yield json.dumps({**found, "result": row}) + "\n"


def print_field_values(name: str, value: CellValue) -> PrintedValues:
    """A cell as text; the members of a list each."""
    if isinstance(value, list):
        return [str(each) for each in value] if len(value) != 1 else str(value[0])
    if name in TIME_FIELDS and isinstance(value, int | float) and not isinstance(value, bool):
        return print_time(float(value))
    return print_cell(value)


def print_cell(value: str | float | int | bool | None) -> str:
    """One value as Splunk prints it: whole numbers without a fraction."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 10**PRINTED_DIGITS:
            return str(int(value))
        return f"{value:.{PRINTED_DIGITS}g}"
    return str(value)
