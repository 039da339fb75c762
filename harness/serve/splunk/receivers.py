"""`receivers/simple` and `receivers/stream`: texts written to an index through the management port."""

from __future__ import annotations

import time

from starlette.responses import Response

from harness.serve.journal_record import RawText
from harness.serve.splunk.atom import respond_values
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.index_names import Indexes

ENDPOINTS = Endpoints()


@ENDPOINTS.answer("receivers/(?:simple|stream)", "POST")
async def receive_text(call: RestCall) -> Response:
    """Takes a text of one or more events; it is on the disk when the answer comes."""
    index = call.one("index") or "main"
    if not Indexes.of(call.state.backend).has(index):
        raise SplunkError(400, f"supplied index '{index[:60]}' missing")
    if not call.body.strip():
        raise SplunkError(400, "No data")
    part = RawText(
        index=index,
        source=call.one("source") or "www",
        sourcetype=call.one("sourcetype") or "web_input",
        host=call.one("host") or "127.0.0.1",
        arrived=time.time_ns() // 1_000,
        text=call.body,
    )
    try:
        await call.state.backend.add_events([part])
    except BufferError:
        raise SplunkError(503, "Server is busy") from None
    shown = {"_index": part.index, "bytes": str(len(call.body)), "host": part.host, "source": part.source}
    return respond_values({**shown, "sourcetype": part.sourcetype}, call.mode)
