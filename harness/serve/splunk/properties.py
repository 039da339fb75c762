"""`properties/FILE/STANZA/KEY`: configuration files a value at a time."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, respond_message
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ANY, DEFAULT_APP, ConfStanza, find_stanza, list_files, list_stanzas, write_stanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_kind import read_given_settings
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError

ENDPOINTS = Endpoints()
SHIPPED_FILES = (
    "app", "authorize", "collections", "commands", "datamodels", "eventtypes", "fields", "indexes", "inputs", "limits",
    "macros", "outputs", "props", "savedsearches", "server", "tags", "times", "transforms", "user-prefs", "web",
)  # fmt: skip
"""Files that an installation has, whether or not somebody has written a stanza."""


@ENDPOINTS.answer("properties", "GET", "POST")
async def list_conf_files(call: RestCall) -> Response:
    """All files; a new one is there once it has a name."""
    backend = call.state.backend
    if call.method == "POST":
        name = call.one("__conf")
        if not name:
            raise SplunkError(400, "The following required arguments are missing: __conf.")
        known = name in file_names(call)
        if not known:
            write_stanza(backend, name, ConfStanza(name="default", app="system", sharing="system"))
        return respond_message(303 if known else 201, f"Created {name[:60]}", "INFO", call.mode)
    entries = [Entry(name=name, path="properties", content={}) for name in file_names(call)]
    return respond_page(call, "properties", "properties", entries)


def file_names(call: RestCall) -> list[str]:
    """The names of all files."""
    return sorted({*SHIPPED_FILES, *list_files(call.state.backend)})


@ENDPOINTS.answer("properties/{file}", "GET", "POST")
async def list_conf_stanzas(call: RestCall) -> Response:
    """The stanzas of a file, or a new one."""
    file = call.groups["file"]
    if call.method == "POST":
        name = call.one("__stanza")
        if not name:
            raise SplunkError(400, "The following required arguments are missing: __stanza.")
        known = find_stanza(call.state.backend, file, name, call.app, call.owner)
        write_stanza(call.state.backend, file, known or new_stanza(call, name))
        return respond_message(303 if known else 201, f"Created {name[:60]}", "INFO", call.mode)
    if file not in file_names(call):
        raise SplunkError(404, f"{file[:60]} does not exist")
    found = list_stanzas(call.state.backend, file, call.app, call.owner)
    entries = [Entry(name=s.name, path=f"properties/{file}", content={}, app=s.app, owner=s.owner) for s in found]
    return respond_page(call, file, f"properties/{file}", entries)


@ENDPOINTS.answer("properties/{file}/{stanza}", "GET", "POST")
async def show_conf_stanza(call: RestCall) -> Response:
    """The settings of a stanza, or some that are to be changed."""
    file, name = call.groups["file"], call.groups["stanza"]
    found = find_stanza(call.state.backend, file, name, call.app, call.owner)
    if call.method == "POST":
        found = found or new_stanza(call, name)
        given = read_given_settings(call)
        write_stanza(call.state.backend, file, replace(found, settings={**found.settings, **given}))
        return respond_message(200, f"Successfully modified {len(given)} key(s)", "INFO", call.mode)
    if found is None:
        raise SplunkError(404, f"{name[:60]} does not exist")
    path = f"properties/{file}/{name}"
    entries = [Entry(name=k, path=path, content={"$text": v}, app=found.app) for k, v in found.settings.items()]
    return respond_page(call, name, path, entries)


@ENDPOINTS.answer("properties/{file}/{stanza}/{key}", "GET", "POST")
async def show_conf_value(call: RestCall) -> Response:
    """One value, as it is, or to be changed."""
    file, name, key = (call.groups[part] for part in ("file", "stanza", "key"))
    found = find_stanza(call.state.backend, file, name, call.app, call.owner)
    if call.method == "POST":
        found = found or new_stanza(call, name)
        write_stanza(call.state.backend, file, replace(found, settings={**found.settings, key: call.one("value")}))
        return respond_message(200, "Successfully modified 1 key(s)", "INFO", call.mode)
    if found is None or key not in found.settings:
        raise SplunkError(404, f"{key[:60]} does not exist")
    return Response(str(found.settings[key]), media_type="text/plain; charset=UTF-8")


def new_stanza(call: RestCall, name: str) -> ConfStanza:
    """A stanza in the namespace of a call, without any setting yet."""
    return ConfStanza(name=name, app=DEFAULT_APP if call.app == ANY else call.app)
