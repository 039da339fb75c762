"""Endpoints of indexes: what is in them, new ones, old ones emptied and removed."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from harness.late_pattern import late_pattern
from harness.serve.splunk.atom import Entry, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_kind import read_given_settings
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.index_names import BUILT_IN, INDEXES, IndexContent, Indexes
from harness.serve.splunk.jobs import print_time

ENDPOINTS = Endpoints()
INDEX_PATH = "data/indexes"
# indexes.conf: lower-case letters, digits, underscores and hyphens, none of the latter two first; not `kvstore`.
INDEX_NAME = late_pattern(r"[a-z0-9][a-z0-9_-]{0,79}")
DEFAULTS: dict[str, Any] = {
    "assureUTF8": False,
    "coldPath.maxDataSizeMB": 0,
    "coldToFrozenDir": "",
    "coldToFrozenScript": "",
    "compressRawdata": True,
    "datatype": "event",
    "defaultDatabase": "main",
    "disabled": False,
    "enableOnlineBucketRepair": True,
    "frozenTimePeriodInSecs": 188697600,
    "homePath.maxDataSizeMB": 0,
    "maxDataSize": "auto",
    "maxHotBuckets": "auto",
    "maxTotalDataSizeMB": 500000,
    "maxWarmDBCount": 300,
    "quarantinePastSecs": 77760000,
    "rotatePeriodInSecs": 60,
    "serviceMetaPeriod": 25,
    "sync": False,
    "throttleCheckPeriod": 15,
}
EMPTIED = 1
"""Seconds of `frozenTimePeriodInSecs` with which a client asks for an empty index, as the SDK's `clean` does."""


def index_entry(call: RestCall, name: str, content: IndexContent | None) -> Entry:
    """An index as an entity."""
    held = dict(call.state.backend.documents.read(INDEXES, name) or {})
    found = content or IndexContent()
    disabled = str(held.pop("disabled", "0")).lower() in ("1", "true")
    times = {"minTime": found.first, "maxTime": found.last}
    shown = {
        **DEFAULTS,
        **{key: value for key, value in held.items() if key not in ("created", "removed")},
        **{key: "" if value is None else print_time(value / 1e6) for key, value in times.items()},
        "currentDBSizeMB": 1 if found.events else 0,
        "disabled": disabled,
        "isInternal": name.startswith("_"),
        "totalEventCount": found.events,
        "homePath": f"$SPLUNK_DB/{name}/db",
        "coldPath": f"$SPLUNK_DB/{name}/colddb",
        "thawedPath": f"$SPLUNK_DB/{name}/thaweddb",
    }
    return Entry(
        name=name,
        path=INDEX_PATH,
        content=shown,
        app="search",
        removable=name not in BUILT_IN,
        actions=("disable", "enable", "_reload", "roll-hot-buckets"),
    )


def respond_index(call: RestCall, name: str, status: int = 200) -> Response:
    """One index as the answer."""
    content = Indexes.of(call.state.backend).count().get(name)
    return respond_entry(call.mode, index_entry(call, name, content), "indexes", status)


@ENDPOINTS.answer(INDEX_PATH, "GET")
async def list_indexes(call: RestCall) -> Response:
    """All indexes, with what was received until now."""
    await call.state.backend.index()
    indexes = Indexes.of(call.state.backend)
    counted = indexes.count()
    return respond_page(call, "indexes", INDEX_PATH, [index_entry(call, n, counted.get(n)) for n in indexes.names()])


@ENDPOINTS.answer(INDEX_PATH, "POST")
async def create_index(call: RestCall) -> Response:
    """A new index."""
    name = call.one("name")
    if not INDEX_NAME.fullmatch(name) or name == "kvstore":
        raise SplunkError(
            400, f"The index name '{name[:80]}' is invalid: lower-case letters, digits, '_' and '-' only."
        )
    indexes = Indexes.of(call.state.backend)
    if name in indexes.names():
        raise SplunkError(409, f"Index name={name} already exists.")
    indexes.create(name, dict(read_given_settings(call)))
    return respond_index(call, name, 201)


def find_index(call: RestCall) -> str:
    """The index in the path. Raises SplunkError."""
    name = call.groups["name"]
    if name not in Indexes.of(call.state.backend).names():
        raise SplunkError(404, f"In handler 'indexes': Could not find object id={name[:80]}")
    return name


@ENDPOINTS.answer(INDEX_PATH + "/{name}", "GET", "POST", "DELETE")
async def change_index(call: RestCall) -> Response:
    """One index, seen, changed or removed."""
    name = find_index(call)
    backend = call.state.backend
    if call.method == "DELETE":
        if name in BUILT_IN:
            raise SplunkError(400, f"Cannot delete index {name}: it is part of the product.")
        await backend.drop_index(name)
        backend.documents.remove(INDEXES, name)
        return await list_indexes(call)
    if call.method == "POST":
        held = dict(backend.documents.read(INDEXES, name) or {})
        Indexes.of(backend).create(name, {**held, **read_given_settings(call)})
    await backend.index()
    return respond_index(call, name)


@ENDPOINTS.answer(INDEX_PATH + "/{name}/(?P<action>enable|disable|_reload|roll-hot-buckets|acl)", "GET", "POST")
async def act_on_index(call: RestCall) -> Response:
    """Switches an index on or off; rolled buckets that are to be kept for no time are gone."""
    name, action = find_index(call), call.groups["action"]
    backend = call.state.backend
    held = dict(backend.documents.read(INDEXES, name) or {})
    if action in ("enable", "disable"):
        Indexes.of(backend).create(name, {**held, "disabled": "0" if action == "enable" else "1"})
    elif action == "roll-hot-buckets" and str(held.get("frozenTimePeriodInSecs")) == str(EMPTIED):
        await backend.drop_index(name)
    return respond_index(call, name)
