"""Endpoints of searches: jobs, their rows, export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response, StreamingResponse

from harness.serve.backend import SearchRun
from harness.serve.search import SearchDone
from harness.serve.splunk.atom import Entry, Feed, respond_message, respond_values
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.jobs import SAVED_TTL, Job, describe_job
from harness.serve.splunk.results import MEDIA, ResultPage, respond_rows, write_export
from harness.serve.splunk.search_deletion import delete_events, is_deletion
from harness.serve.splunk.search_request import build_search, check_first_word

ENDPOINTS = Endpoints()
JOBS = "search/(?:v2/)?jobs"
# restmap.conf's default of `count`; limits.conf, maxresultrows.
PAGE, MOST_PAGE = 100, 50_000
ROWS_A_CHUNK = 500
LONGEST_BLOCKED = 3_600.0


@ENDPOINTS.answer(JOBS, "POST")
async def create_job(call: RestCall) -> Response:
    """Begins a search; `exec_mode` says whether the answer waits for it, or is its rows."""
    text = call.one("search")
    if not text.strip():
        raise SplunkError(400, "Empty search.", "FATAL")
    check_first_word(text)
    how = call.one("exec_mode", "normal")
    if how not in ("normal", "blocking", "oneshot"):
        raise SplunkError(400, f"Invalid value '{how[:40]}' for exec_mode.", "FATAL")
    job = await begin_job(call, text, {name: values[-1] for name, values in call.parameters.items()})
    if how == "normal":
        return respond_values({"sid": job.sid}, call.mode, 201)
    found = await asyncio.wait_for(asyncio.shield(job.run.done), LONGEST_BLOCKED)
    if how == "blocking":
        return respond_values({"sid": job.sid}, call.mode, 201)
    call.state.jobs.remove_later(job)
    if found.error:
        raise SplunkError(400, found.error, "FATAL")
    return respond_rows(page_of(call, job), call.mode)


async def begin_job(call: RestCall, text: str, parameters: Mapping[str, str], *, name: str = "") -> Job:
    """Begins a search and keeps it as a job. Raises SplunkError."""
    state = call.state
    request = build_search(state.backend, text, call.user, parameters, app=call.app)
    if is_deletion(text):
        run = await delete_events(state.backend, request)
    else:
        run = await state.begin_search(request)
    owner = call.owner if call.owner not in ("-", "nobody") else call.user
    sid = parameters.get("id") or state.jobs.new_sid(owner, name)
    if sid in state.jobs.by_sid:
        run.close()
        raise SplunkError(409, f"Search job cannot be created because the sid '{sid[:100]}' is taken.", "FATAL")
    job = Job(
        sid=sid,
        text=text,
        owner=owner,
        app=call.app if call.app != "-" else "search",
        parameters=parameters,
        run=run,
        earliest=request.begin if isinstance(request.begin, float) else None,
        latest=request.end if isinstance(request.end, float) else None,
        label=name,
    )
    if str(parameters.get("timeout", "")).isdigit():
        job.ttl = int(parameters["timeout"])
    state.jobs.add(job)
    return job


@ENDPOINTS.answer(JOBS, "GET")
async def list_jobs(call: RestCall) -> Response:
    """All jobs, the youngest first."""
    found = sorted(call.state.jobs.by_sid.values(), key=lambda job: -job.created)
    if sid := call.one("sid"):
        found = [job for job in found if job.sid == sid]
    offset, most = call.number("offset", 0), call.number("count", 30)
    chosen = found[offset:] if most <= 0 else found[offset : offset + most]
    entries = [entry_of(job) for job in chosen]
    return Feed(
        title="jobs", path="search/jobs", entries=entries, total=len(found), offset=offset, per_page=most
    ).respond(call.mode)


@ENDPOINTS.answer(f"{JOBS}/export", "GET", "POST")
async def export(call: RestCall) -> Response:
    """The rows of a search as they come; there is no preview of it."""
    text = call.one("search")
    check_first_word(text)
    parameters = {name: values[-1] for name, values in call.parameters.items()}
    request = build_search(call.state.backend, text, call.user, parameters, app=call.app)
    run = await call.state.begin_search(request)
    found = await asyncio.shield(run.done)
    if found.error:
        run.close()
        raise SplunkError(400, found.error, "FATAL")
    return StreamingResponse(stream_rows(run, found, call), media_type=MEDIA.get(call.mode, "application/json"))


async def stream_rows(run: SearchRun, found: SearchDone, call: RestCall) -> AsyncIterator[str]:
    """The rows in pieces, so that a slow reader holds up nobody."""
    try:
        page = ResultPage(
            columns=found.columns, rows=run.rows(), messages=found.messages, fields=list_result_fields(call)
        )
        waiting: list[str] = []
        for piece in write_export(page, call.mode, found.rows):
            waiting.append(piece)
            if len(waiting) >= ROWS_A_CHUNK:
                yield "".join(waiting)
                waiting = []
                await asyncio.sleep(0)
        yield "".join(waiting)
    finally:
        run.close()


@ENDPOINTS.answer(JOBS + "/{sid}", "GET")
async def show_job(call: RestCall) -> Response:
    """What is known of a job."""
    job = call.state.jobs.find(call.groups["sid"])
    job.touch()
    return Feed(title="jobs", path="search/jobs", entries=[entry_of(job)]).respond(call.mode, alone=True)


@ENDPOINTS.answer(JOBS + "/{sid}", "DELETE")
async def delete_job(call: RestCall) -> Response:
    """Ends a job."""
    call.state.jobs.remove(call.state.jobs.find(call.groups["sid"]))
    return respond_message(200, "Search job cancelled.", "INFO", call.mode)


@ENDPOINTS.answer(JOBS + "/{sid}", "POST")
async def change_job(call: RestCall) -> Response:
    """Changes what is kept of a job beside its search."""
    job = call.state.jobs.find(call.groups["sid"])
    for name, values in call.parameters.items():
        if name not in ("output_mode",):
            job.custom[name] = values[-1]
    return Feed(title="jobs", path="search/jobs", entries=[entry_of(job)]).respond(call.mode, alone=True)


@ENDPOINTS.answer(JOBS + "/{sid}/control", "POST")
async def control_job(call: RestCall) -> Response:
    """Pauses, ends, keeps a job."""
    job = call.state.jobs.find(call.groups["sid"])
    action = call.one("action").lower()
    if action not in ACTIONS:
        raise SplunkError(400, f"Unknown action '{action[:40]}'.", "FATAL")
    job.touch()
    ACTIONS[action](call, job)
    return respond_message(200, f"Search job {DONE_ACTIONS.get(action, 'changed')}.", "INFO", call.mode)


def finalize(_: RestCall, job: Job) -> None:
    """Ends a job; what it has found by then, here nothing, are its rows."""
    if job.outcome is None:
        job.finalized = True
        job.run.cancel()
    job.finalized, job.paused = True, False


def set_ttl(call: RestCall, job: Job) -> None:
    """Says how long a job is kept."""
    job.ttl = call.number("ttl", job.ttl)


def set_priority(call: RestCall, job: Job) -> None:
    """Says how important a job is."""
    job.priority = max(0, min(10, call.number("priority", job.priority)))


def save(_: RestCall, job: Job) -> None:
    """Keeps a job for a week."""
    job.saved, job.ttl = True, SAVED_TTL


def pause(_: RestCall, job: Job) -> None:
    """Stops a job where it is until somebody lets it go on."""
    # One that has ended is shown as paused as well, since splunk-sdk's own tests ask for that.
    job.run.pause(paused=True)
    job.paused = True


def go_on(_: RestCall, job: Job) -> None:
    """Lets a paused job run on."""
    if job.paused:
        job.run.pause(paused=False)
        job.paused = False


ACTIONS: dict[str, Callable[[RestCall, Job], None]] = {
    "cancel": lambda call, job: call.state.jobs.remove(job),
    "finalize": finalize,
    "pause": pause,
    "unpause": go_on,
    "touch": lambda _, job: job.touch(),
    "setttl": set_ttl,
    "setpriority": set_priority,
    "save": save,
    "unsave": lambda _, job: setattr(job, "saved", False),
    "enablepreview": lambda _, job: setattr(job, "preview", True),
    "disablepreview": lambda _, job: setattr(job, "preview", False),
    "setworkloadpool": lambda _, job: None,
}
DONE_ACTIONS = {"cancel": "cancelled", "finalize": "finalized", "pause": "paused", "unpause": "unpaused"}


@ENDPOINTS.answer(JOBS + "/{sid}/(?P<what>results|results_preview|events)", "GET", "POST")
async def show_rows(call: RestCall) -> Response:
    """A page of a job's rows; of a search that has not ended there are none yet."""
    job = call.state.jobs.find(call.groups["sid"])
    job.touch()
    found = job.outcome
    if found is None:
        # As Splunk: results of a running search are no content, a preview is empty.
        if call.groups["what"] == "results":
            return Response(status_code=204)
        return respond_rows(ResultPage(columns=(), rows=(), preview=True), call.mode)
    if post := call.one("search"):
        return await show_processed_rows(call, job, post)
    return respond_rows(page_of(call, job), call.mode)


async def show_processed_rows(call: RestCall, job: Job, post: str) -> Response:
    """The rows of a job after some more commands, which are run behind those of its search."""
    request = job.run.request
    text = f"{job.text} | {post.strip().removeprefix('|')}"
    run = await call.state.begin_search(request.with_text(text))
    found = await run.done
    try:
        if found.error:
            raise SplunkError(400, found.error, "FATAL")
        page = ResultPage(
            columns=found.columns,
            rows=[*run.rows(call.number("offset", 0), page_size(call))],
            offset=call.number("offset", 0),
            fields=list_result_fields(call),
        )
        return respond_rows(page, call.mode)
    finally:
        run.close()


def page_of(call: RestCall, job: Job) -> ResultPage:
    """The rows that a call asks for."""
    found = job.outcome or SearchDone()
    offset = call.number("offset", 0)
    if offset < 0:
        offset = max(0, found.rows + offset)
    return ResultPage(
        columns=found.columns,
        rows=job.run.rows(offset, page_size(call)),
        offset=offset,
        messages=[*job.list_messages()],
        fields=list_result_fields(call),
    )


def page_size(call: RestCall) -> int:
    """How many rows a call asks for; 0 stands for as many as there may be."""
    asked = call.number("count", PAGE)
    return MOST_PAGE if asked <= 0 else min(asked, MOST_PAGE)


def list_result_fields(call: RestCall) -> list[str]:
    """The fields that a call asks for."""
    named = [*call.parameters.get("f", ()), *call.one("field_list").split(",")]
    return [name.strip() for name in named if name.strip() and name.strip() != "*"]


@ENDPOINTS.answer(JOBS + "/{sid}/search.log", "GET")
async def show_log(call: RestCall) -> Response:
    """What was said of a search."""
    job = call.state.jobs.find(call.groups["sid"])
    told = "".join(f"{kind} {text}\n" for kind, text in job.list_messages())
    return Response(told, media_type="text/plain; charset=UTF-8")


def entry_of(job: Job) -> Entry:
    """A job as an entity."""
    return Entry(
        name=job.text,
        path="search/jobs",
        address_name=job.sid,
        content={**describe_job(job), **job.custom},
        app=job.app,
        owner=job.owner,
        sharing="global",
        published=job.created,
        updated=job.touched,
        actions=("search.log", "events", "results", "results_preview", "timeline", "summary", "control"),
    )
