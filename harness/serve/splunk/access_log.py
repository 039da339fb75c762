"""Requests to the management port as events of `_internal`, as Splunk writes its own access log."""

from __future__ import annotations

import time

from harness.serve.backend import Backend
from harness.serve.journal_record import ReceivedEvents
from harness.serve.splunk.version import SERVER_NAME

# Written once somebody looks for them or they are many: else each search would have new events to index.
MOST_WAITING_LINES = 2_000
LONGEST_PATH = 300


class AccessLog:
    """Lines that wait to be indexed."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.times: list[int] = []
        self.lines: list[str] = []

    def note(self, client: str, user: str, method: str, path: str, status: int, began: float) -> None:
        """Notes a request; its arguments are left out, since they may be secrets."""
        now = time.time()
        clock = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d} +0000"
        lasted = round((now - began) * 1000)
        safe = "".join(c if c.isprintable() else "?" for c in path[:LONGEST_PATH])
        self.lines.append(f'{client} - {user or "-"} [{clock}] "{method} {safe} HTTP/1.1" {status} - - - {lasted}ms')
        self.times.append(round(now * 1e6))
        if len(self.lines) > MOST_WAITING_LINES:
            # The oldest go where nobody has looked.
            del self.lines[: MOST_WAITING_LINES // 2], self.times[: MOST_WAITING_LINES // 2]

    async def flush(self) -> None:
        """Has the lines indexed."""
        if not self.lines:
            return
        part = ReceivedEvents(
            index="_internal",
            source="splunkd_access.log",
            sourcetype="splunkd_access",
            host=SERVER_NAME,
            arrived=self.times[-1],
            times=self.times,
            texts=self.lines,
        )
        self.times, self.lines = [], []
        await self.backend.add_events([part])
