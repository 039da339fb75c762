"""One request to the workbench's routes in this process, without a socket."""

import asyncio
import json
from dataclasses import dataclass

TOKEN = "token-of-the-tests"
PORT = 8400
HOST = f"127.0.0.1:{PORT}"


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)


def call(app, path, body=None, *, method=None, host=HOST, token=TOKEN, headers=(), kind="application/json"):
    """What the app answers; `body` is sent as JSON unless it is bytes."""
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = [(b"host", host.encode())] if host else []
    given += [(b"authorization", f"Bearer {token}".encode())] if token else []
    given += [(b"content-type", kind.encode())] if sent else []
    given += [(n.encode(), v.encode()) for n, v in headers]
    scope = {
        "type": "http",
        "method": method or ("GET" if body is None else "POST"),
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": given,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    pieces = [{"type": "http.request", "body": sent, "more_body": False}]
    messages = []

    async def receive():
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message):
        messages.append(message)

    asyncio.run(app(scope, receive, send))
    start = next(m for m in messages if m["type"] == "http.response.start")
    held = b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body")
    return Answered(start["status"], {n.decode(): v.decode() for n, v in start["headers"]}, held)
