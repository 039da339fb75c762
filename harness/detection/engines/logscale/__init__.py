"""A real LogScale: queries run over its search API, their events made by `createEvents`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from urllib.parse import quote

from harness.detection.engine import ResultRows
from harness.detection.remote_engine import (
    ProductRecord,
    RejectedByProductError,
    Server,
    build_rows,
    quote_query_text,
    server,
)
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record

REMOTE = True
REPOSITORY = "LOGSCALE_REPOSITORY"
# Any name that no case uses: parseJson() makes plain fields, and `@timestamp := field` sets the time, as in
# LogScale's manual of parsers.
CASE_TIME_FIELD = "detlab_time"
# What LogScale adds to an event by itself; the rows of a case do not name them.
LOGSCALE_FIELDS = (
    "@rawstring", "@id", "@ingesttimestamp", "@timestamp.nanos", "@timezone", "#repo", "#type", "#error", "@error",
)  # fmt: skip
GENERATING = late_pattern(r"\s*(?:createEvents|readFile|defineTable|correlate)\s*\(", re.I)


@record
class LogScaleEngine:
    """A cluster and one of its repositories, which is read only."""

    server: Server
    repository: str
    name: str = "logscale"

    def version(self) -> str:
        """The product's name and version."""
        found = json.loads(self.server.send("GET", "/api/v1/status", None, {"Accept": "application/json"}))
        return f"LogScale {str(found.get('version', 'of unknown version')).partition('--')[0]}"

    def answer(self, text: str, events: Sequence[ProductRecord], *, now: float = 0.0) -> ResultRows:
        """The rows of a query over these events."""
        # createEvents() discards what the interval gives, so any recent one will do.
        asked = {"queryString": prepend_case_events(text, events), "start": "24hours", "end": "now", "isLive": False}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        path = f"/api/v1/repositories/{quote(self.repository, safe='')}/query"
        answer = self.server.send("POST", path, json.dumps(asked), headers)
        try:
            found = json.loads(answer or "[]")
        except ValueError as error:
            raise RejectedByProductError("rejected", "LogScale's answer is no JSON") from error
        timed = any("@timestamp" in event for event in events)
        return build_rows(found, LOGSCALE_FIELDS if timed else (*LOGSCALE_FIELDS, "@timestamp"))


def prepend_case_events(text: str, events: Sequence[ProductRecord]) -> str:
    """The query with its events in front."""
    if GENERATING.match(text):
        if events:
            raise HarnessError("cannot-supply", "the query makes its own events and would not see those of the case")
        return text
    tags = sorted({name for event in events for name in event if name.startswith("#")})
    if tags:
        raise HarnessError("cannot-supply", f"a query cannot make tags: {', '.join(tags)}")
    if not events:
        # One event that no filter passes: how an empty list would be taken is not documented.
        return f'createEvents(["x"]) | false := "x" | test(false == "y") | {text}'
    documents = [{CASE_TIME_FIELD if k == "@timestamp" else k: v for k, v in event.items()} for event in events]
    listed = ", ".join(quote_query_text(json.dumps(d, ensure_ascii=False)) for d in documents)
    timed = (
        f" | @timestamp := {CASE_TIME_FIELD} | drop([{CASE_TIME_FIELD}])"
        if any(CASE_TIME_FIELD in d for d in documents)
        else ""
    )
    # Without the raw text, in which a free-text search would find what the case's fields do not say.
    return f"createEvents([{listed}]) | parseJson() | drop([@rawstring]){timed} | {text}"


def connect(url_name: str = "LOGSCALE_URL", token_name: str = "LOGSCALE_TOKEN") -> LogScaleEngine:
    """The cluster that environment variables name: its address, a token and LOGSCALE_REPOSITORY."""
    found = server("LogScale", url_name, token_name)
    repository = os.environ.get(REPOSITORY, "").strip()
    if not repository:
        raise HarnessError("no-connection", f"the environment variable {REPOSITORY} is not set")
    return LogScaleEngine(found, repository)
