"""Messages of the server's bulletin, loggers, and lists that are empty here."""

from __future__ import annotations

import time

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError

ENDPOINTS = Endpoints()
MOST_NOTES = 1_000


def note_entry(name: str, note: dict[str, str]) -> Entry:
    """A message as an entity: its text under its own name, as Splunk has it."""
    content = {name: note["value"], "message": note["value"], "severity": note["severity"]}
    return Entry(name=name, path="messages", content=content, published=float(note["made"]))


@ENDPOINTS.answer("messages", "GET", "POST")
async def list_notes(call: RestCall) -> Response:
    """All messages, or a new one."""
    notes = call.state.notes
    if call.method == "GET":
        return respond_page(call, "messages", "messages", [note_entry(n, note) for n, note in notes.items()])
    name = call.one("name")
    if not name or not call.one("value"):
        raise SplunkError(400, "The following required arguments are missing: name, value.")
    if len(notes) >= MOST_NOTES:
        raise SplunkError(503, "There are too many messages.")
    notes[name] = {
        "value": call.one("value"),
        "severity": call.one("severity", "info"),
        "made": str(time.time()),
    }
    return respond_entry(call.mode, note_entry(name, notes[name]), "messages", 201)


@ENDPOINTS.answer("messages/{name}", "GET", "DELETE")
async def show_note(call: RestCall) -> Response:
    """One message, seen or removed."""
    name = call.groups["name"]
    if name not in call.state.notes:
        raise SplunkError(404, f"Could not find object id={name[:100]}")
    if call.method == "DELETE":
        del call.state.notes[name]
        return await list_all(call)
    return respond_entry(call.mode, note_entry(name, call.state.notes[name]), "messages")


async def list_all(call: RestCall) -> Response:
    """All messages."""
    return respond_page(call, "messages", "messages", [note_entry(n, note) for n, note in call.state.notes.items()])


@ENDPOINTS.answer("server/logger(?:/(?P<name>[^/]+))?")
async def list_loggers(call: RestCall) -> Response:
    """The one logger that there is: stderr."""
    entry = Entry(name="detlab", path="server/logger", content={"level": "INFO"}, removable=False)
    if call.groups.get("name") not in (None, "", "None", "detlab"):
        raise SplunkError(404, "Not Found")
    return respond_page(call, "logger", "server/logger", [entry])


@ENDPOINTS.answer("(?P<path>data/modular-inputs|deployment/client|deployment/server/clients|search/distributed/peers|"
                  "cluster/config|licenser/licenses|data/inputs/all)")  # fmt: skip
async def list_nothing(call: RestCall) -> Response:
    """Lists that have nothing here: there is one server, and it takes events from clients alone."""
    return respond_page(call, call.groups["path"], call.groups["path"], [])
