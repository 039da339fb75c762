"""The paths of LogScale's port: which of them answers what, who may ask, and what is said where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from harness.diagnostics import explain_failure
from harness.record import record
from harness.serve.logscale.call import (
    LogScaleCall,
    LogScaleError,
    find_bearer,
    read_request_body,
    respond_json,
    respond_text,
)
from harness.serve.logscale.graph import LIKE_VERSION, respond_graphql
from harness.serve.logscale.ingest import take_collector_events, take_structured, take_unstructured
from harness.serve.logscale.query_job import QueryJob, build_request, list_written_rows
from harness.serve.logscale.state import LogScaleState

if TYPE_CHECKING:
    from harness.serve.backend import Backend

AnswerCall = Callable[[LogScaleCall], Awaitable[Response]]
ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
# A query that LogScale refuses is refused when it is sent; most are planned well within that.
PLANNED_SECONDS = 1.0
# Falcon's API has LogScale's below this.
API_PREFIXES = ("", "/humio")
REPOSITORIES = ("repositories", "dataspaces")


@record(kw_only=True)
class ApiEndpoint:
    """A path with its methods; `open` ones ask for no token, `ingest` ones take ingest tokens too."""

    path: str
    handler: AnswerCall
    methods: tuple[str, ...] = ("GET",)
    open: bool = False
    ingest: bool = False


def list_api_endpoints() -> list[ApiEndpoint]:
    """Everything that there is, without Falcon's prefix."""
    found = [
        ApiEndpoint(path="/api/v1/status", handler=tell_status, open=True),
        ApiEndpoint(path="/api/v1/is-node-up", handler=tell_status, open=True),
        ApiEndpoint(path="/api/v1/users", handler=tell_users),
        ApiEndpoint(path="/api/v1/ingest/humio-structured", handler=take_structured, methods=("POST",), ingest=True),
        ApiEndpoint(
            path="/api/v1/ingest/humio-unstructured", handler=take_unstructured, methods=("POST",), ingest=True
        ),
        ApiEndpoint(path="/graphql", handler=respond_graphql, methods=("POST",)),
        ApiEndpoint(path="/oauth2/token", handler=give_token, methods=("POST",), open=True),
        ApiEndpoint(path="/oauth2/revoke", handler=revoke_token, methods=("POST",), open=True),
    ]
    for path in ("/api/v1/ingest/hec", "/api/v1/ingest/hec/services/collector", "/services/collector"):
        for end in ("", "/event"):
            found.append(ApiEndpoint(path=path + end, handler=take_collector_events, methods=("POST",), ingest=True))
    for word in REPOSITORIES:
        below = f"/api/v1/{word}/{{repository}}"
        found += [
            ApiEndpoint(path=f"{below}/queryjobs", handler=create_query_job, methods=("POST",)),
            ApiEndpoint(path=f"{below}/queryjobs/{{job}}", handler=poll_job),
            ApiEndpoint(path=f"{below}/queryjobs/{{job}}", handler=delete_query_job, methods=("DELETE",)),
            ApiEndpoint(path=f"{below}/query", handler=stream_query, methods=("POST",)),
            ApiEndpoint(path=f"{below}/ingest", handler=take_structured, methods=("POST",)),
            ApiEndpoint(path=f"{below}/ingest-messages", handler=take_unstructured, methods=("POST",)),
            ApiEndpoint(path=f"{below}/files", handler=upload_file, methods=("POST",)),
            ApiEndpoint(path=f"{below}/files/{{file}}", handler=send_file),
        ]
    return found


def list_logscale_routes(backend: Backend) -> list[BaseRoute]:
    """The routes of the port; the last one answers everything that there is not."""
    state = LogScaleState(backend)
    routes: list[BaseRoute] = [
        Route(prefix + endpoint.path, build_response(state, endpoint), methods=list(endpoint.methods))
        for endpoint in list_api_endpoints()
        for prefix in API_PREFIXES
    ]

    async def refuse(request: Request) -> Response:
        backend.log(f"not supported: {request.method} {request.url.path}")
        return respond_text("The requested resource could not be found.", 404)

    return [*routes, Route("/{path:path}", refuse, methods=ALL_METHODS)]


def build_response(state: LogScaleState, endpoint: ApiEndpoint) -> Callable[[Request], Awaitable[Response]]:
    """What answers an endpoint's requests; whatever goes wrong is told as LogScale tells it."""

    async def respond(request: Request) -> Response:
        try:
            user = "" if endpoint.open else authenticate(state, request, ingest=endpoint.ingest)
            body = await read_request_body(request)
            parts = {name: str(value) for name, value in request.path_params.items()}
            call = LogScaleCall(state=state, request=request, parts=parts, body=body, user=user)
            return await endpoint.handler(call)
        except LogScaleError as error:
            return respond_text(error.text, error.status)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            failure = explain_failure(error)
            state.backend.log(f"{request.method} {request.url.path}: {failure.code}: {failure.message}")
            return respond_text(failure.message, 500)

    return respond


def authenticate(state: LogScaleState, request: Request, *, ingest: bool) -> str:
    """Who asks. Raises LogScaleError where nobody may."""
    secret = find_bearer(request)
    user = state.backend.access.find_user(secret) if secret else None
    if user is not None:
        return user
    if ingest and state.find_ingest_repository(secret):
        return "ingest"
    raise LogScaleError(401, "The supplied authentication is invalid")


async def tell_status(call: LogScaleCall) -> Response:
    """That it runs."""
    return respond_json({"status": "OK", "version": LIKE_VERSION})


async def tell_users(call: LogScaleCall) -> Response:
    """The one user that a server has."""
    return respond_json([{"userID": call.user, "username": call.user, "email": call.user, "isRoot": True}])


async def give_token(call: LogScaleCall) -> Response:
    """Falcon's login: the client's secret is the server's token."""
    form = parse_qs(call.body.decode("utf-8", "replace"))
    secret = (form.get("client_secret") or [""])[0]
    access = call.state.backend.access
    made = access.log_in(access.user, secret)
    if made is None:
        errors = [{"code": 403, "message": "access denied, invalid client"}]
        return respond_json({"meta": {}, "errors": errors}, 403)
    return respond_json({"access_token": made, "token_type": "bearer", "expires_in": 1799}, 201)


async def revoke_token(call: LogScaleCall) -> Response:
    """Ends what a login gave."""
    form = parse_qs(call.body.decode("utf-8", "replace"))
    call.state.backend.access.log_out((form.get("token") or [""])[0])
    return respond_json({})


async def create_query_job(call: LogScaleCall) -> Response:
    """Begins a query. Raises LogScaleError for one that LogScale would refuse."""
    job = await begin_query(call)
    call.state.keep_job(job)
    return respond_json({"id": job.id, "hashedQueryOnView": job.id})


async def begin_query(call: LogScaleCall) -> QueryJob:
    """A query that has begun, and was not refused."""
    asked = call.json()
    if not isinstance(asked, dict):
        raise LogScaleError(400, "The body is no object")
    request = build_request(asked, call.repository(), call.state)
    run = await call.state.backend.begin_search(request)
    await asyncio.wait({run.done}, timeout=PLANNED_SECONDS)
    if run.done.done() and run.done.result().error:
        run.close()
        raise LogScaleError(400, run.done.result().error)
    begin, end = (round(float(moment or 0) * 1000) for moment in (request.begin, request.end))
    return QueryJob(id=f"P1-{token_urlsafe(16)}", repository=call.repository(), run=run, begin=begin, end=end)


async def poll_job(call: LogScaleCall) -> Response:
    """What there is of a query by now."""
    job = call.state.find_job(call.parts["job"])
    asked = call.request.query_params
    limit = read_whole_number(asked.get("paginationLimit"))
    return respond_json(job.answer(read_whole_number(asked.get("paginationOffset")) or 0, limit))


def read_whole_number(text: str | None) -> int | None:
    """A number in an address. Raises LogScaleError."""
    if not text:
        return None
    if not text.isdigit() or len(text) > 9:
        raise LogScaleError(400, f"Not a number: {text[:60]}")
    return int(text)


async def delete_query_job(call: LogScaleCall) -> Response:
    """Ends a query."""
    call.state.drop_job(call.parts["job"])
    return Response(status_code=204)


async def stream_query(call: LogScaleCall) -> Response:
    """All rows of a query, as lines of JSON or as one list, as the client accepts."""
    job = await begin_query(call)
    done = await job.run.done
    if done.error:
        job.run.close()
        raise LogScaleError(400, done.error)
    lines = "ndjson" in call.request.headers.get("accept", "")

    async def write() -> AsyncIterator[bytes]:
        try:
            yield b"" if lines else b"["
            for number, row in enumerate(list_written_rows(job.run, done, 0, None)):
                encoded = msgspec.json.encode(row)
                yield encoded + b"\n" if lines else (b"," if number else b"") + encoded
            yield b"" if lines else b"]"
        finally:
            job.run.close()

    return StreamingResponse(write(), media_type="application/x-ndjson" if lines else "application/json")


async def upload_file(call: LogScaleCall) -> Response:
    """Keeps a lookup file; it comes as a part of a form, or alone with its name in the address."""
    name, text = read_uploaded_file(call)
    call.state.write_file(call.repository(), name, text)
    return respond_json({"name": name})


def read_uploaded_file(call: LogScaleCall) -> tuple[str, str]:
    """The name and the text of an uploaded file. Raises LogScaleError."""
    kind = call.request.headers.get("content-type", "")
    content = call.body
    name = call.request.query_params.get("name", "")
    if kind.startswith("multipart/form-data"):
        name, content = read_form_file(kind, call.body)
    try:
        return name, content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LogScaleError(400, "The file is no UTF-8 text") from error


def read_form_file(kind: str, body: bytes) -> tuple[str, bytes]:
    """The file in a form. Raises LogScaleError where there is none."""
    boundary = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    if boundary:
        for part in body.split(b"--" + boundary)[1:]:
            head, _, content = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
            said = head.decode("utf-8", "replace")
            if 'filename="' in said:
                return said.partition('filename="')[2].partition('"')[0], content.removesuffix(b"\r\n")
    raise LogScaleError(400, "The form has no file")


async def send_file(call: LogScaleCall) -> Response:
    """The text of a file."""
    return Response(call.state.read_file(call.repository(), call.parts["file"]), media_type="text/csv")
