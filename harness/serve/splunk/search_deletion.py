"""`| delete`: takes the events that a search finds out of the store."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import msgspec

from harness.late_pattern import late_pattern
from harness.serve.backend import Backend, SearchRun
from harness.serve.search import SearchDone, SearchRequest

DELETION = late_pattern(r"^(?P<search>.*\S)\s*\|\s*delete\s*$", re.S | re.I)
COLUMNS = ("splunk_server", "index", "deleted", "errors")


def is_deletion(text: str) -> bool:
    """Whether a search ends in `| delete`."""
    return DELETION.match(text) is not None


async def delete_events(backend: Backend, request: SearchRequest) -> SearchRun:
    """Begins a search whose events are taken out; its row says how many they were."""
    found = DELETION.match(request.text)
    assert found is not None
    inner = await backend.begin_search(replace(request, text=found["search"], traced=True, raw=False))
    outer = SearchRun(backend, inner.number, request, inner.out.with_suffix(".deleted"))
    task = asyncio.create_task(finish_deletion(backend, inner, outer))
    backend.tasks.add(task)
    task.add_done_callback(backend.tasks.discard)
    return outer


async def finish_deletion(backend: Backend, inner: SearchRun, outer: SearchRun) -> None:
    """Takes out what was found."""
    found = await inner.done
    if not found.error:
        await backend.drop_events(found.events)
        row = ["detlab", "__ALL__", len(found.events), 0]
        outer.out.write_bytes(msgspec.json.encode(row) + b"\n")
        found = SearchDone(columns=COLUMNS, rows=1, scanned=found.scanned, seconds=found.seconds)
    inner.close()
    if not outer.done.done():
        outer.done.set_result(found)
