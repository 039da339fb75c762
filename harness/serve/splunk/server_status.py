"""What the server says of itself: info, settings, health; what it does not do, as to restart."""

from __future__ import annotations

import os
import platform
from typing import Any

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, Feed, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ConfStanza, find_stanza, write_stanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.version import BUILD, SERVER_NAME, SPLUNK_VERSION

ENDPOINTS = Endpoints()
GUID = "00000000-0000-4000-8000-000000000001"


@ENDPOINTS.answer("(?:server/(?:info|sysinfo)|server/info/server-info)", open=True)
async def show_info(call: RestCall) -> Response:
    """Version, product, system; whoever waits for a server to start may ask without a token."""
    content: dict[str, Any] = {
        "activeLicenseGroup": "Enterprise",
        "build": BUILD,
        "cpu_arch": platform.machine(),
        "guid": GUID,
        "health_info": "green",
        "host": SERVER_NAME,
        "host_fqdn": SERVER_NAME,
        "isFree": False,
        "isTrial": False,
        "kvStoreStatus": "ready",
        "licenseKeys": [],
        "licenseSignature": "",
        "licenseState": "OK",
        "license_labels": ["detlab serve: Splunk's API on an embedded engine"],
        "master_guid": GUID,
        "mode": "normal",
        "numberOfCores": os.cpu_count() or 1,
        "os_build": platform.version(),
        "os_name": platform.system(),
        "os_version": platform.release(),
        "physicalMemoryMB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "product_type": "enterprise",
        "rtsearch_enabled": False,
        "serverName": SERVER_NAME,
        "server_roles": ["indexer", "license_master", "search_head", "kv_store"],
        "startup_time": int(call.state.backend.started),
        "version": SPLUNK_VERSION,
    }
    entry = Entry(name="server-info", path="server/info", content=content, removable=False)
    return respond_entry(call.mode, entry, "server-info")


SETTINGS: dict[str, Any] = {
    "SPLUNK_DB": "",
    "SPLUNK_HOME": "",
    "enableSplunkWebSSL": False,
    "host": SERVER_NAME,
    "httpport": None,
    "mgmtHostPort": "8089",
    "minFreeSpace": 5000,
    "pass4SymmKey": "",
    "serverName": SERVER_NAME,
    "sessionTimeout": "1h",
    "startwebserver": False,
    "trustedIP": "",
}


@ENDPOINTS.answer("server/settings(?:/settings)?", "GET", "POST")
async def show_settings(call: RestCall) -> Response:
    """Settings of the server, which clients may change to no effect but that they are kept."""
    backend = call.state.backend
    held = find_stanza(backend, "server", "settings") or ConfStanza(name="settings", app="system", sharing="system")
    if call.method == "POST":
        given = {name: values[-1] for name, values in call.parameters.items() if name in SETTINGS}
        held = ConfStanza(name="settings", app="system", sharing="system", settings={**held.settings, **given})
        write_stanza(backend, "server", held)
    own = {**SETTINGS, "SPLUNK_DB": str(backend.options.data), "mgmtHostPort": str(backend.options.ports.get("splunk"))}
    entry = Entry(name="settings", path="server/settings", content={**own, **held.settings}, removable=False)
    return respond_entry(call.mode, entry, "settings")


@ENDPOINTS.answer("server/health/(?:splunkd|splunkd/details)")
async def show_health(call: RestCall) -> Response:
    """Whether all is well."""
    entry = Entry(name="splunkd", path="server/health", content={"health": "green", "disabled": False}, removable=False)
    return respond_entry(call.mode, entry, "server-health")


@ENDPOINTS.answer("server/control/restart", "POST")
async def restart(call: RestCall) -> Response:
    """Nothing needs a restart: what clients change holds at once."""
    call.state.backend.log("a client asked for a restart; nothing here needs one")
    call.state.notes.pop("restart_required", None)
    return Feed(title="control", path="server/control", entries=[]).respond(call.mode)


@ENDPOINTS.answer("server/control")
async def list_controls(call: RestCall) -> Response:
    """What the server can be told to do."""
    names = ("restart", "restart_webui")
    return respond_page(
        call,
        "control",
        "server/control",
        [Entry(name=n, path="server/control", content={}, removable=False) for n in names],
    )
