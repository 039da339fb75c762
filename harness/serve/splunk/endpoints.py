"""The management port: which endpoint a path is, who may ask, and what is said where there is none."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from harness.diagnostics import explain_failure
from harness.late_pattern import late_pattern
from harness.record import record
from harness.serve.request_body import BodyError
from harness.serve.splunk.atom import respond_message
from harness.serve.splunk.call import RestCall, find_secret, read_parameters
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.state import SplunkState

if TYPE_CHECKING:
    from harness.serve.backend import Backend

Handler = Callable[[RestCall], Awaitable[Response]]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]
NAMESPACE = late_pattern(r"/servicesNS/(?P<owner>[^/]+)/(?P<app>[^/]+)/(?P<path>.+?)/?")
GLOBAL = late_pattern(r"/services/(?P<path>.+?)/?")
PARTS = (
    "authentication",
    "server_status",
    "job_endpoints",
    "job_statistics",
    "search_parser",
    "saved_searches",
    "stanzas",
    "properties",
    "indexes",
    "receivers",
    "lookups",
    "passwords",
    "key_values",
    "notes",
)
"""The files with endpoints; of several that fit the first counts."""


@record(kw_only=True)
class Endpoint:
    """A path, as a regular expression, its methods, and what answers; `open` ones ask for no token."""

    path: re.Pattern[str]
    methods: frozenset[str]
    handler: Handler
    open: bool = False


@dataclass(slots=True)
class Endpoints:
    """The endpoints of a file."""

    rows: list[Endpoint] = field(default_factory=list)

    def answer(self, path: str, *methods: str, open: bool = False) -> Callable[[Handler], Handler]:
        """Registers what answers a path: `{name}` stands for one part of it."""

        def register(handler: Handler) -> Handler:
            written = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            self.rows.append(
                Endpoint(path=re.compile(written), methods=frozenset(methods or ("GET",)), handler=handler, open=open)
            )
            return handler

        return register


def list_endpoints() -> list[Endpoint]:
    """All endpoints there are."""
    return [row for part in PARTS for row in import_module(f"harness.serve.splunk.{part}").ENDPOINTS.rows]


def list_routes(backend: Backend) -> list[BaseRoute]:
    """The routes of the management port."""
    state = SplunkState.of(backend)
    endpoints = list_endpoints()

    async def respond(request: Request) -> Response:
        began = time.time()
        user, answer = await answer_request(state, endpoints, request)
        client = request.client.host if request.client else "-"
        state.access_log.note(client, user, request.method, request.url.path, answer.status_code, began)
        return answer

    return [Route("/{path:path}", respond, methods=METHODS)]


async def answer_request(state: SplunkState, endpoints: list[Endpoint], request: Request) -> tuple[str, Response]:
    """Who asked, and the answer to one request; whatever goes wrong is a message of Splunk's form."""
    mode, user = request.query_params.get("output_mode", "xml"), ""
    try:
        call = await read_rest_call(state, request)
        mode = call.mode
        answer = await answer_call(call, endpoints)
        return call.user, answer
    except SplunkError as error:
        return user, respond_message(error.status, error.text, error.kind, mode)
    except BodyError as error:
        return user, respond_message(error.status, error.text, "ERROR", mode)
    except ClientDisconnect:
        return user, Response(status_code=400)
    except Exception as error:
        failure = explain_failure(error)
        state.backend.log(f"{request.method} {request.url.path}: {failure.code}: {failure.message}")
        return user, respond_message(500, failure.message, "ERROR", mode)


async def read_rest_call(state: SplunkState, request: Request) -> RestCall:
    """What a request asks."""
    # Not url.path, in which an encoded slash of a name would be a part of the path.
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
    body = await state.backend.bodies.read(request)
    found = NAMESPACE.fullmatch(raw) or GLOBAL.fullmatch(raw)
    named = found.groupdict() if found else {}
    return RestCall(
        state=state,
        method=request.method,
        path=named.get("path", raw.strip("/")),
        owner=unquote(named.get("owner", "-")),
        app=unquote(named.get("app", "-")),
        parameters=read_parameters(request, body),
        body=body,
        headers=request.headers,
    )


async def answer_call(call: RestCall, endpoints: list[Endpoint]) -> Response:
    """Finds the endpoint of a call and lets it answer. Raises SplunkError."""
    fitting = [(row, found) for row in endpoints if (found := row.path.fullmatch(call.path)) is not None]
    row = next(((row, found) for row, found in fitting if call.method in row.methods), None)
    if row is None or not row[0].open:
        call.user, call.secret = call.state.authenticate(find_secret(call.headers))
    if row is None:
        call.state.backend.log(f"not supported: {call.method} {call.path}")
        if fitting:
            raise SplunkError(405, "Method Not Allowed")
        raise SplunkError(404, "Not Found")
    call.groups = {name: unquote(value) for name, value in row[1].groupdict().items() if value is not None}
    return await row[0].handler(call)
