"""Saved searches: kept, run when somebody asks, and what they found before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, respond_entry, respond_values
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ConfStanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_kind import EntityKind, read_flag, register_kind
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.job_endpoints import begin_job, entry_of
from harness.serve.splunk.schedule import next_runs, parse_cron
from harness.serve.splunk.search_request import read_moment

ENDPOINTS = Endpoints()
SAVED_PATH = "saved/searches"


def check_saved_search(_: RestCall, stanza: ConfStanza) -> None:
    """Raises SplunkError for a schedule that is none."""
    if read_flag(stanza.settings.get("is_scheduled", "0")) or stanza.settings.get("cron_schedule"):
        parse_cron(str(stanza.settings.get("cron_schedule", "")))


def show_saved_search(call: RestCall, stanza: ConfStanza) -> Mapping[str, Any]:
    """What is said of a saved search beside its settings."""
    scheduled = read_flag(stanza.settings.get("is_scheduled", "0"))
    runs = next_runs(str(stanza.settings.get("cron_schedule", "")), time.time(), 1) if scheduled else []
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(runs[0])) if runs else ""
    return {
        "is_scheduled": scheduled,
        "is_visible": read_flag(stanza.settings.get("is_visible", "1")),
        "next_scheduled_time": shown,
        "qualifiedSearch": f"search  {stanza.settings.get('search', '')}",
        "triggered_alert_count": len(call.state.alerts.get(stanza.name, [])),
    }


SAVED_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("action.email", "action.populate_lookup", "action.rss", "action.script"), "0"),
    "action.summary_index": "0",
    "actions": "",
    "alert.expires": "24h",
    "alert.severity": "3",
    "alert.suppress": "0",
    "alert.track": "0",
    "alert_type": "always",
    "cron_schedule": "",
    "description": "",
    "dispatch.buckets": "0",
    "dispatch.earliest_time": "",
    "dispatch.latest_time": "",
    "dispatch.lookups": "1",
    "dispatch.max_count": "500000",
    "dispatch.max_time": "0",
    "dispatch.reduce_freq": "10",
    "dispatch.spawn_process": "1",
    "dispatch.time_format": "%FT%T.%Q%:z",
    "dispatch.ttl": "2p",
    "is_visible": "1",
    "max_concurrent": "1",
    "realtime_schedule": "1",
    "request.ui_dispatch_app": "",
    "restart_on_searchpeer_add": "1",
    "run_on_startup": "0",
}
"""What savedsearches.conf has of a search that says nothing of it."""

KIND = EntityKind(
    path=SAVED_PATH,
    file="savedsearches",
    title="savedsearch",
    defaults=SAVED_DEFAULTS,
    required=("search",),
    actions=("dispatch", "history", "suppress", "acknowledge"),
    shown=show_saved_search,
    check=check_saved_search,
)  # fmt: skip
register_kind(ENDPOINTS, KIND)


@ENDPOINTS.answer(SAVED_PATH + "/{name}/dispatch", "POST", "GET")
async def dispatch(call: RestCall) -> Response:
    """Runs a saved search now; arguments of the call count before its own."""
    stanza = KIND.find(call)
    parameters = {name: str(value) for name, value in stanza.settings.items() if name.startswith("dispatch.")}
    parameters |= {name: values[-1] for name, values in call.parameters.items()}
    text = str(stanza.settings.get("search", "")).strip()
    for name, value in parameters.items():
        if name.startswith("args."):
            text = text.replace(f"${name}$", value).replace(f"${name.removeprefix('args.')}$", value)
    if not text.startswith(("|", "search ", "[", "`")):
        text = f"search {text}"
    job = await begin_job(call, text, parameters, name=stanza.name)
    return respond_values({"sid": job.sid}, call.mode, 201)


@ENDPOINTS.answer(SAVED_PATH + "/{name}/history")
async def list_history(call: RestCall) -> Response:
    """The jobs of a saved search that are still kept."""
    stanza = KIND.find(call)
    jobs = [job for job in call.state.jobs.by_sid.values() if job.label == stanza.name]
    entries = [Entry(name=job.sid, path="search/jobs", content=entry_of(job).content) for job in jobs]
    return respond_page(call, stanza.name, f"{SAVED_PATH}/{stanza.name}/history", entries)


@ENDPOINTS.answer(SAVED_PATH + "/{name}/scheduled_times")
async def list_scheduled_times(call: RestCall) -> Response:
    """When a saved search will run."""
    stanza = KIND.find(call)
    now = time.time()
    begin = read_moment(call.one("earliest_time", "now"), now, "earliest_time")
    end = read_moment(call.one("latest_time", "+1h"), now, "latest_time")
    bounds = [now if begin is None else begin, now + 3_600 if end is None else end]
    times = [t for t in next_runs(str(stanza.settings.get("cron_schedule", "")), bounds[0], 1_000) if t <= bounds[1]]
    content = {"scheduled_times": [str(int(t)) for t in times]}
    entry = Entry(name=stanza.name, path=SAVED_PATH, content=content)
    return respond_entry(call.mode, entry, "savedsearch")


@ENDPOINTS.answer(SAVED_PATH + "/{name}/suppress", "GET", "POST")
async def suppress(call: RestCall) -> Response:
    """For how long a saved search does not run."""
    stanza = KIND.find(call)
    if call.method == "POST":
        call.state.suppressed[stanza.name] = time.time() + call.number("expiration", 0)
    left = max(0, round(call.state.suppressed.get(stanza.name, 0.0) - time.time()))
    content = {"suppressed": left > 0, "expiration": left, "suppressionKey": "-"}
    entry = Entry(name=stanza.name, path=SAVED_PATH, content=content)
    return respond_entry(call.mode, entry, "savedsearch")


@ENDPOINTS.answer(SAVED_PATH + "/{name}/acknowledge", "POST")
async def acknowledge(call: RestCall) -> Response:
    """Lets a saved search that is held back run again."""
    stanza = KIND.find(call)
    call.state.suppressed.pop(stanza.name, None)
    return KIND.respond(call, stanza)


@ENDPOINTS.answer("alerts/fired_alerts(?:/(?P<name>[^/]+))?")
async def list_alerts(call: RestCall) -> Response:
    """The alerts of scheduled searches: groups by search, or the alerts of one."""
    path, name = "alerts/fired_alerts", call.groups.get("name")
    if name in (None, "", "None"):
        counted = {n: len(found) for n, found in call.state.alerts.items()}
        groups = {"-": sum(counted.values()), **counted}
        entries = [Entry(name=n, path=path, content={"triggered_alert_count": count}) for n, count in groups.items()]
        return respond_page(call, "alerts", path, entries)
    chosen = [alert for n, found in call.state.alerts.items() if name in ("-", n) for alert in found]
    if not chosen and name != "-" and name not in KIND.entities(call):
        raise SplunkError(404, f"Could not find object id={str(name)[:100]}")
    entries = [Entry(name=alert["sid"], path=f"{path}/{name}", content=alert) for alert in chosen]
    return respond_page(call, str(name), f"{path}/{name}", entries)
