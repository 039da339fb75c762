"""Lookup tables: files that clients bring, kept by name."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

from harness.late_pattern import late_pattern
from harness.serve.splunk.atom import Entry, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.knowledge import LOOKUP_FOLDER

ENDPOINTS = Endpoints()
LOOKUP_PATH = "data/lookup-table-files"
LOOKUP_NAME = late_pattern(r"[\w][\w.\- ]{0,150}\.csv(?:\.gz)?")


def lookup_entry(file: Path) -> Entry:
    """A table as an entity."""
    return Entry(
        name=file.name, path=LOOKUP_PATH, content={"eai:data": file.name, "eai:appName": "search"}, app="search"
    )


def folder_of(call: RestCall) -> Path:
    """Where tables lie."""
    found = call.state.backend.options.data / LOOKUP_FOLDER
    found.mkdir(exist_ok=True)
    return found


@ENDPOINTS.answer(LOOKUP_PATH, "GET", "POST")
async def list_lookups(call: RestCall) -> Response:
    """All tables, or a new one: the body of the call, or the argument `eai:data` with the table itself."""
    folder = folder_of(call)
    if call.method == "GET":
        return respond_page(
            call, "lookup-table-files", LOOKUP_PATH, [lookup_entry(f) for f in sorted(folder.iterdir())]
        )
    file = folder / checked_name(call.one("name"))
    if file.exists():
        raise SplunkError(409, f"Lookup file {file.name} already exists.")
    return write_lookup_file(call, file, 201)


def checked_name(name: str) -> str:
    """A name that is one file's. Raises SplunkError."""
    if not LOOKUP_NAME.fullmatch(name):
        raise SplunkError(400, f"Invalid lookup file name '{name[:100]}'.")
    return name


def write_lookup_file(call: RestCall, file: Path, status: int) -> Response:
    """Writes a table. Raises SplunkError."""
    text = call.one("eai:data") or call.one("contents")
    if "\n" not in text:
        # Splunk takes the path of a file on its own disk there, which no client of this server may name.
        raise SplunkError(400, "eai:data has to be the table itself: paths on the server are not read")
    file.write_text(text, encoding="utf-8")
    return respond_entry(call.mode, lookup_entry(file), "lookup-table-files", status)


@ENDPOINTS.answer(LOOKUP_PATH + "/{name}", "GET", "POST", "DELETE")
async def change_lookup(call: RestCall) -> Response:
    """One table, seen, replaced or removed."""
    file = folder_of(call) / checked_name(call.groups["name"])
    if call.method == "POST":
        return write_lookup_file(call, file, 200)
    if not file.is_file():
        raise SplunkError(404, f"Could not find object id={file.name}")
    if call.method == "DELETE":
        file.unlink()
        call.method = "GET"
        return await list_lookups(call)
    return respond_entry(call.mode, lookup_entry(file), "lookup-table-files")
