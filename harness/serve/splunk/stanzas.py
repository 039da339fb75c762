"""Configuration files as entities: stanzas of any file, macros, event types, apps, inputs of the collector."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from harness.serve.splunk.atom import Entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ConfStanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_kind import EntityKind, register_kind
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.index_names import Indexes
from harness.serve.splunk.macro_arguments import check_macro
from harness.serve.splunk.version import SPLUNK_VERSION

ENDPOINTS = Endpoints()
APPS = tuple(
    ConfStanza(name=name, app=name, sharing="app", settings={"label": label, "version": SPLUNK_VERSION})
    for name, label in (
        ("launcher", "Home"),
        ("search", "Search & Reporting"),
        ("splunk_httpinput", "splunk_httpinput"),
        ("Splunk_SA_CIM", "Splunk Common Information Model"),
    )
)
"""Apps that are there from the beginning: the data models of the CIM are part of the language here."""


def check_app(_: RestCall, stanza: ConfStanza) -> None:
    """Raises SplunkError for a name that cannot be a folder's."""
    if not stanza.name.replace("_", "").replace("-", "").replace(".", "").isalnum() or stanza.name.startswith("."):
        raise SplunkError(400, f"App name '{stanza.name[:100]}' contains invalid characters.")


def show_app(_: RestCall, stanza: ConfStanza) -> Mapping[str, Any]:
    """What is said of an app."""
    return {"label": stanza.settings.get("label") or stanza.name}


def check_collector_input(call: RestCall, stanza: ConfStanza) -> None:
    """Raises SplunkError for an index that there is not."""
    index = str(stanza.settings.get("index") or "main")
    if index != "default" and not Indexes.of(call.state.backend).has(index):
        raise SplunkError(400, f"Index '{index[:60]}' does not exist.")


def rename_collector_input(_: RestCall, name: str) -> str:
    """The name of an input as its stanza has it."""
    return name if name.startswith("http://") else f"http://{name}"


APPS_KIND = EntityKind(
    path="apps/local",
    file="apps",
    title="localapps",
    defaults={"visible": True, "configured": True, "state_change_requires_restart": False, "check_for_updates": True,
              "author": "", "description": "", "version": "1.0.0"},
    sharing="app",
    built_in=APPS,
    shown=show_app,
    check=check_app,
    rename=lambda _, name: name,
)  # fmt: skip
COLLECTOR_KIND = EntityKind(
    path="data/inputs/http",
    file="inputs http",
    title="http",
    defaults={"index": "default", "indexes": [], "useACK": "0", "source": "", "sourcetype": "", "host": ""},
    app="splunk_httpinput",
    sharing="app",
    check=check_collector_input,
    rename=rename_collector_input,
    # The SDK encodes the colon of `http://name` and leaves its slashes.
    spelling="(?:http(?::|%3A)//)?[^/]+",
)
MACROS_KIND = EntityKind(
    path="configs/conf-macros", file="macros", title="conf-macros", defaults={"iseval": "0"}, check=check_macro
)
KINDS = (
    APPS_KIND,
    MACROS_KIND,
    replace(MACROS_KIND, path="admin/macros", title="macros"),
    EntityKind(path="saved/eventtypes", file="eventtypes", title="eventtypes",
               defaults={"priority": "1", "tags": "", "description": ""},
               required=("search",)),
    EntityKind(path="data/transforms/lookups", file="transforms", title="transforms-lookup"),
    EntityKind(path="data/transforms/extractions", file="transforms", title="transforms-extract"),
    EntityKind(path="data/models", file="datamodels", title="datamodelsummary"),
    EntityKind(path="saved/fvtags", file="tags", title="tags"),
)  # fmt: skip
for each in KINDS:
    register_kind(ENDPOINTS, each)


@ENDPOINTS.answer("data/inputs/http", "POST")
async def create_collector_input(call: RestCall) -> Response:
    """An input with a token of its own, unless one is given."""
    parameters = dict(call.parameters)
    parameters.setdefault("token", [str(uuid.uuid4())])
    call.parameters = parameters
    return COLLECTOR_KIND.create(call)


register_kind(ENDPOINTS, COLLECTOR_KIND)


@ENDPOINTS.answer("data/inputs")
async def list_input_kinds(call: RestCall) -> Response:
    """The kinds of inputs: events come through the collector alone, nothing reads files or listens for syslog."""
    entry = Entry(name="http", path="data/inputs", content={}, removable=False, actions=("create",))
    return respond_page(call, "inputs", "data/inputs", [entry])


@ENDPOINTS.answer("configs/conf-(?P<file>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<action>enable|disable|acl|move|_reload))?)?",
                  "GET", "POST", "DELETE")  # fmt: skip
async def answer_conf(call: RestCall) -> Response:
    """Stanzas of any file; the groups of the path say how much of it is meant."""
    file = call.groups["file"]
    kind = MACROS_KIND if file == "macros" else conf_kind(file)
    if call.groups.get("action"):
        return kind.act(call)
    if not call.groups.get("name"):
        return kind.create(call) if call.method == "POST" else kind.respond_all(call)
    answers = {"POST": kind.change, "DELETE": kind.remove}
    return answers[call.method](call) if call.method in answers else kind.respond(call, kind.find(call))


def conf_kind(file: str) -> EntityKind:
    """The entities that are the stanzas of a file."""
    return EntityKind(path=f"configs/conf-{file}", file=file, title=f"conf-{file}")


@ENDPOINTS.answer("apps/local/{name}/(?P<what>package|update|setup)")
async def refuse_app_action(call: RestCall) -> Response:
    """Updates: there are none. Packages and set-up pages of apps are not kept here."""
    found = APPS_KIND.find(call)
    if call.groups["what"] == "update":
        return APPS_KIND.respond(call, found)
    raise SplunkError(404, f"{found.name} has no {call.groups['what']} here")
