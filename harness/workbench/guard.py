"""Who may ask the workbench: this machine's own page with the token that the command printed, and nobody else."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
)
"""What every answer says to a browser."""
API = "/api/"


class Guard:
    """Stands before the routes: the host asked for, the page that asks, and for all but the page itself the token.

    Another site's page can be made to ask for a name that leads here (DNS rebinding): its Host is not ours. What a
    browser sends by itself holds no token, which the page has from the part of its address that is never sent.
    """

    def __init__(self, behind: ASGIApp, port: int, token: str) -> None:
        """`port` is that of the addresses by which this is reached."""
        self.behind, self.token = behind, token.encode()
        self.hosts = {f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost")}
        self.origins = {b"http://" + host for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or refuses it."""
        if scope["type"] != "http":
            return
        refused = self.refuse(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        if refused:
            await PlainTextResponse(refused, status_code=403)(scope, receive, send_with_headers)
        else:
            await self.behind(scope, receive, send_with_headers)

    def refuse(self, scope: Scope) -> str:
        """Why a request is refused; nothing where it is not."""
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        given = dict(headers)
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return "this server answers for 127.0.0.1 and localhost alone"
        if given.get(b"origin", next(iter(self.origins))) not in self.origins:
            return "another site may not ask"
        # The page itself, which holds nothing, may be opened from anywhere: the command does so from a file.
        if scope["path"] != "/" and given.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            return "another site may not ask"
        if scope["path"].startswith(API) and not self.has_token(given.get(b"authorization", b"")):
            return "the token is missing or another one; open the address that `detlab ui` printed"
        return ""

    def has_token(self, given: bytes) -> bool:
        """Whether a header holds the token."""
        return hmac.compare_digest(given, b"Bearer " + self.token)
