"""HTTP as uvicorn speaks it, and what Splunk takes beside it: a body without an end, until the client is gone."""

from __future__ import annotations

import asyncio
import re

from uvicorn.protocols.http.h11_impl import H11Protocol

STREAMS = re.compile(rb"\r\nX-Splunk-Input-Mode:[ \t]*Streaming[ \t]*\r\n", re.I)
HAS_LENGTH = re.compile(rb"\r\n(?:Content-Length|Transfer-Encoding):", re.I)
HEADERS_END = b"\r\n\r\n"
# Half a request must not hold a connection for ever; chosen.
SECONDS_FOR_HEADERS = 20.0
# A part of a body is on the disk within milliseconds; chosen.
SECONDS_A_ROUND, ROUNDS_TO_ANSWER = 0.02, 500
# More than any client sends before its body; h11 itself takes 64 KiB at most.
MOST_HEADERS = 64 << 10


class PortProtocol(H11Protocol):
    """One connection; a body of streaming mode, which HTTP/1.1 has no word for, is handed on in chunks."""

    head: bytes | None = b""
    streams = False
    hurry: asyncio.TimerHandle | None = None
    ending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self.hurry = self.loop.call_later(SECONDS_FOR_HEADERS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        if self.streams:
            super().data_received(b"%x\r\n%b\r\n" % (len(data), data))
            return
        if self.head is None:
            super().data_received(data)
            return
        self.head += data
        headers, end, body = self.head.partition(HEADERS_END)
        if not end and len(self.head) <= MOST_HEADERS:
            return
        whole, self.head = self.head, None
        if self.hurry is not None:
            self.hurry.cancel()
        self.streams = bool(STREAMS.search(headers + b"\r\n")) and not HAS_LENGTH.search(headers)
        if not self.streams:
            super().data_received(whole)
            return
        super().data_received(headers + b"\r\nTransfer-Encoding: chunked\r\nConnection: close" + HEADERS_END)
        if body:
            self.data_received(body)

    def eof_received(self) -> None:
        """Ends a body that had no end of its own."""
        if self.streams:
            self.streams = False
            super().data_received(b"0\r\n\r\n")
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing any more but for what has come of a body without an end to be taken."""
        if self.hurry is not None:
            self.hurry.cancel()
        if not self.streams:
            super().connection_lost(exc)
            return
        # A client that reads nothing, as splunk-sdk's `attach`, resets the connection when it closes it.
        self.streams = False
        super().data_received(b"0\r\n\r\n")
        self.ending = self.loop.create_task(self.lose_later(exc))

    async def lose_later(self, exc: Exception | None) -> None:
        """The connection's end once its request is answered, which nobody will read."""
        for _ in range(ROUNDS_TO_ANSWER):
            if self.cycle is None or self.cycle.response_complete:
                break
            await asyncio.sleep(SECONDS_A_ROUND)
        super().connection_lost(exc)
