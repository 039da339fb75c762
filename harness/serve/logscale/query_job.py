"""A query that runs on a server, and its answers: rows as LogScale writes them, with what it says about them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from harness.detection.engine import CellValue
from harness.detection.language import Settings
from harness.detection.languages.cql import functions
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan.values.numbers import print_shortest_number
from harness.late_pattern import late_pattern
from harness.record import record
from harness.serve.backend import SearchRun
from harness.serve.logscale.call import LogScaleError
from harness.serve.search import SearchDone, SearchRequest

# Of events a job shows the latest 200; all of them come by the streaming endpoint or tail().
EVENTS_SHOWN = 200
EVENT_TIME = "@timestamp"
# What the store has of an event and LogScale has not.
STORE_FIELDS = frozenset({"index", "_indextime"})
POLL_MILLISECONDS = 200
STRETCH_BACK = late_pattern(r"(\d{1,9})\s*([a-zA-Z]+)(?:\s+ago)?")
SECONDS_IN_UNIT = {
    **dict.fromkeys(("ms", "millis", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
    **dict.fromkeys(("y", "year", "years"), 31536000.0),
}


class RepositorySettings(Protocol):
    """What knows the files and saved queries of repositories."""

    def settings(self, repository: str, arguments: Mapping[str, str]) -> Settings:
        """What a query of a repository means beside its text."""


# What importing them does is fill the table of functions.
assert functions


@record(kw_only=True)
class QueryJob:
    """A job: its number, its repository, its search, and the times that it looks at in epoch milliseconds."""

    id: str
    repository: str
    run: SearchRun
    begin: int
    end: int

    def answer(self, offset: int = 0, limit: int | None = None) -> dict[str, Any]:
        """What a poll gives; of a job that is not done no rows yet."""
        done = self.run.done.result() if self.run.done.done() else None
        events: list[dict[str, Any]] = []
        more = False
        if done is not None and not done.error:
            shown = limit if limit is not None else (None if is_aggregate(done) else EVENTS_SHOWN)
            events = list(list_written_rows(self.run, done, offset, shown))
            more = offset + len(events) < done.rows
        return {
            "done": done is not None,
            "cancelled": bool(done and done.error),
            "events": events,
            "metaData": self.describe(done, len(events), more=more),
        }

    def describe(self, done: SearchDone | None, rows: int, *, more: bool) -> dict[str, Any]:
        """What is said of the rows."""
        warnings = [] if done is None else [text for _, text in done.messages]
        if done is not None and done.error:
            warnings = [done.error, *warnings]
        return {
            "isAggregate": done is not None and is_aggregate(done),
            "eventCount": rows,
            "fieldOrder": [] if done is None else list(done.columns),
            "pollAfter": POLL_MILLISECONDS,
            "extraData": {"hasMoreEvents": "true" if more else "false"},
            "processedEvents": 0 if done is None else done.scanned,
            "queryStart": self.begin,
            "queryEnd": self.end,
            "timeMillis": round(1000 * (time.time() - self.run.began if done is None else done.seconds)),
            "totalWork": 1,
            "workDone": 0 if done is None else 1,
            "warnings": warnings,
        }


def is_aggregate(done: SearchDone) -> bool:
    """Whether a query makes rows of its own, so that its rows are no events."""
    return any(name in FUNCTIONS and FUNCTIONS[name].aggregates for name in done.steps)


def list_written_rows(run: SearchRun, done: SearchDone, offset: int, most: int | None) -> Iterator[dict[str, Any]]:
    """The rows as objects; events come with the latest first."""
    if is_aggregate(done):
        yield from (write_row(done.columns, row, hidden=frozenset()) for row in run.rows(offset, most))
        return
    end = done.rows - offset
    first = 0 if most is None else max(0, end - most)
    found = list(run.rows(first, max(0, end - first)))
    yield from (write_row(done.columns, row, hidden=STORE_FIELDS) for row in reversed(found))


def write_row(columns: tuple[str, ...], row: list[CellValue], hidden: frozenset[str]) -> dict[str, Any]:
    """A row as an object: LogScale writes every value as text, but the time of an event."""
    return {
        name: write_cell(name, value)
        for name, value in zip(columns, row, strict=True)
        if value is not None and name not in hidden
    }


def write_cell(name: str, value: CellValue) -> str | int:
    """One value."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return round(value) if name == EVENT_TIME else print_shortest_number(float(value))
        case list():
            return "\n".join(value)
        case _:
            return str(value)


def build_request(
    asked: Mapping[str, Any], repository: str, state: RepositorySettings, *, traced: bool = False
) -> SearchRequest:
    """The search that a client asks for. Raises LogScaleError."""
    text = asked.get("queryString")
    if not isinstance(text, str):
        raise LogScaleError(400, "queryString is missing")
    if asked.get("isLive") in (True, "true"):
        raise LogScaleError(400, "Live queries are not supported")
    now = time.time()
    given = asked.get("arguments") or {}
    if not isinstance(given, Mapping):
        raise LogScaleError(400, "arguments is no object")
    return SearchRequest(
        language="cql",
        text=text,
        now=now,
        # 24 hours are LogScale's own default.
        begin=read_query_time(asked.get("start"), now, now - 86400.0),
        end=read_query_time(asked.get("end"), now, now),
        indexes=frozenset({repository}),
        settings=state.settings(repository, {str(k): str(v) for k, v in given.items()}),
        # What is only found to be removed needs no text.
        raw=not traced,
        traced=traced,
    )


def read_query_time(given: object, now: float, otherwise: float) -> float:
    """Epoch seconds of epoch milliseconds, of `now`, or of a stretch back from now. Raises LogScaleError."""
    if given is None or given == "":
        return otherwise
    text = str(given).strip()
    if text.lower() == "now":
        return now
    if re.fullmatch(r"-?\d{1,16}(\.\d+)?", text):
        return float(text) / 1000
    found = STRETCH_BACK.fullmatch(text)
    if found is None or found[2].lower() not in SECONDS_IN_UNIT:
        raise LogScaleError(400, f"No such time: {text[:60]}")
    return now - int(found[1]) * SECONDS_IN_UNIT[found[2].lower()]
