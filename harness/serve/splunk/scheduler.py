"""Saved searches with a schedule, run when their time comes; what they find are alerts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from harness.serve.splunk.conf import ConfStanza, list_stanzas
from harness.serve.splunk.entity_kind import read_flag
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.jobs import Job, print_time
from harness.serve.splunk.schedule import next_runs
from harness.serve.splunk.search_request import build_search
from harness.serve.splunk.state import SplunkState

LOOK_SECONDS = 1.0
# savedsearches.conf, counttype and alert_type: how the number of rows is compared.
RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "greater than": lambda found, wanted: found > wanted,
    "less than": lambda found, wanted: found < wanted,
    "equal to": lambda found, wanted: found == wanted,
    "not equal to": lambda found, wanted: found != wanted,
}
MOST_ALERTS = 1_000


async def run_schedules(state: SplunkState) -> None:
    """Runs what is due, for as long as the server runs."""
    last = time.time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = time.time()
        for stanza in [*list_stanzas(state.backend, "savedsearches")]:
            try:
                if is_due(state, stanza, last, now):
                    await run_saved(state, stanza, now)
            except SplunkError as error:
                state.backend.log(f"the saved search {stanza.name} was not run: {error.text}")
                # Told once an hour, not once a second.
                state.suppressed[stanza.name] = now + 3_600.0
        last = now


def is_due(state: SplunkState, stanza: ConfStanza, last: float, now: float) -> bool:
    """Whether a saved search has to run since somebody looked last."""
    settings = stanza.settings
    if not read_flag(settings.get("is_scheduled", "0")) or read_flag(settings.get("disabled", "0")):
        return False
    if state.suppressed.get(stanza.name, 0.0) > now:
        return False
    runs = next_runs(str(settings.get("cron_schedule", "")), last, 1)
    return bool(runs) and runs[0] <= now


async def run_saved(state: SplunkState, stanza: ConfStanza, now: float) -> None:
    """Runs a saved search over its look-back, and keeps an alert if its condition holds."""
    parameters = {name: str(value) for name, value in stanza.settings.items() if name.startswith("dispatch.")}
    text = str(stanza.settings.get("search", "")).strip()
    if not text.startswith(("|", "search ", "[", "`")):
        text = f"search {text}"
    request = build_search(state.backend, text, stanza.owner, {**parameters, "now": str(now)}, app=stanza.app)
    job = Job(
        sid=state.jobs.new_sid("scheduler", stanza.name),
        text=text,
        owner=stanza.owner,
        app=stanza.app,
        parameters=parameters,
        run=await state.begin_search(request),
        earliest=None,
        latest=None,
        label=stanza.name,
    )
    state.jobs.add(job)
    task = asyncio.create_task(keep_alert(state, stanza, job))
    state.backend.tasks.add(task)
    task.add_done_callback(state.backend.tasks.discard)


async def keep_alert(state: SplunkState, stanza: ConfStanza, job: Job) -> None:
    """Waits for a scheduled search; what it found is an alert if its condition holds."""
    found = await asyncio.shield(job.run.done)
    if found.error:
        state.backend.log(f"the saved search {stanza.name} failed: {found.error}")
        return
    if not raises_alert(stanza, found.rows):
        return
    alert = {
        "sid": job.sid,
        "savedsearch_name": stanza.name,
        "severity": str(stanza.settings.get("alert.severity", "3")),
        "trigger_time": str(int(time.time())),
        "trigger_time_rendered": print_time(time.time()),
        "triggered_alerts": str(found.rows),
        "alert_type": str(stanza.settings.get("alert_type", "always")),
    }
    kept = state.alerts.setdefault(stanza.name, [])
    kept.append(alert)
    del kept[:-MOST_ALERTS]
    state.backend.log(f"alert of {stanza.name}: {found.rows} rows, job {job.sid}")


def raises_alert(stanza: ConfStanza, rows: int) -> bool:
    """Whether so many rows are an alert of a saved search."""
    if str(stanza.settings.get("alert_type", "always")) == "always":
        return rows > 0
    relation = str(stanza.settings.get("alert_comparator", "greater than"))
    wanted = str(stanza.settings.get("alert_threshold", "0"))
    compare = RELATIONS.get(relation, RELATIONS["greater than"])
    return compare(rows, float(wanted) if wanted.replace(".", "", 1).isdigit() else 0.0)
