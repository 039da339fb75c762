"""Events of trials on a real LogScale: told by tags of their own, searched by query jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from os import environ
from typing import Any, Protocol
from urllib.parse import quote

from harness.detection.enclosure import NAME_MARK, Enclosure
from harness.detection.engine import ResultRows
from harness.detection.remote_engine import (
    PRODUCT_PATIENCE,
    ProductAnswer,
    ProductChoice,
    RejectedByProductError,
    Server,
    ask_for_room,
    ask_until,
    build_rows,
    server,
)
from harness.diagnostics import HarnessError, UnreachableError
from harness.record import record
from harness.telemetry.platform import View

TRIAL_TAG, PART_TAG, OWN_REPOSITORY = f"#{NAME_MARK}_trial", f"#{NAME_MARK}_part", f"#{NAME_MARK}_repo"
REPOSITORY_VARIABLE, VIEW, INGEST_TOKEN = "LOGSCALE_REPOSITORY", "LOGSCALE_VIEW", "LOGSCALE_INGEST_TOKEN"
INGEST = "/api/v1/ingest/humio-structured"
# What LogScale adds to an event by itself.
OWN_FIELDS = frozenset(
    {"@id", "@ingesttimestamp", "@timestamp.nanos", "@timezone", "#repo", "#error", "@error", TRIAL_TAG, PART_TAG}
)
# Of events a query job shows these many; tail() shows up to 20,000 (LogScale, tail(), `limit`).
JOB_EVENTS_SHOWN, MOST_TAILED_EVENTS = 200, 20_000
BATCH_EVENTS = 500
# A view's columns that no event has.
HIDDEN_COLUMNS = frozenset({"@event", "@cause", "@timestamp", "@rawstring"})


class QueryService(Protocol):
    """What runs query jobs: LogScale's own API, or that of Falcon Next-Gen SIEM."""

    @property
    def address(self) -> str:
        """Where it answers."""

    def version(self) -> str:
        """The product's name and version."""

    def start(self, text: str, begin: int, end: int) -> str:
        """The number of a new query job; times are epoch milliseconds."""

    def poll(self, job: str) -> Mapping[str, Any]:
        """The state of a job and its rows so far."""

    def stop(self, job: str) -> None:
        """Ends a job, also one that has ended."""

    def ingest(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """Takes events, each list of them with its tags."""

    def redact(self, query: str, end: int) -> None:
        """Removes the events that a query finds."""

    def has_file(self, name: str) -> bool:
        """Whether there is a lookup file of that name."""


@record(kw_only=True)
class LogScaleService:
    """A cluster: events go into the `repository`, queries are run in the `view`, which may be the same."""

    server: Server
    ingesting: Server
    repository: str
    view: str

    @property
    def address(self) -> str:
        """Where it answers."""
        return self.server.url

    def send(self, method: str, path: str, body: object = None) -> Any:
        """An answer as JSON; None of an empty one."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        text = self.server.send(method, path, None if body is None else json.dumps(body), headers)
        try:
            return json.loads(text) if text.strip() else None
        except ValueError as error:
            raise RejectedByProductError("rejected", f"LogScale's answer is no JSON: {text[:200]}") from error

    def version(self) -> str:
        """The product's name and version."""
        found = self.send("GET", "/api/v1/status") or {}
        return f"LogScale {str(found.get('version', 'of unknown version')).partition('--')[0]}"

    @property
    def jobs(self) -> str:
        """Where query jobs are."""
        return f"/api/v1/repositories/{quote(self.view, safe='')}/queryjobs"

    def start(self, text: str, begin: int, end: int) -> str:
        """The number of a new query job."""
        asked = {"queryString": text, "start": begin, "end": end, "isLive": False}
        return str(self.send("POST", self.jobs, asked)["id"])

    def poll(self, job: str) -> Mapping[str, Any]:
        """The state of a job."""
        found: Mapping[str, Any] = self.send("GET", f"{self.jobs}/{quote(job, safe='')}")
        return found

    def stop(self, job: str) -> None:
        """Ends a job."""
        self.send("DELETE", f"{self.jobs}/{quote(job, safe='')}")

    def ingest(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """Takes events."""
        headers = {"Content-Type": "application/json"}
        # An ingest token knows its repository; a person's own token is told it.
        own = self.ingesting.token == self.server.token
        path = f"/api/v1/dataspaces/{quote(self.repository, safe='')}/ingest" if own else INGEST
        self.ingesting.send("POST", path, json.dumps(list(batch)), headers)

    def ask_graphql(self, text: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a GraphQL request gives. Raises RejectedByProductError for its errors."""
        found = self.send("POST", "/graphql", {"query": text, "variables": variables}) or {}
        if found.get("errors"):
            raise RejectedByProductError("rejected", "; ".join(str(e.get("message")) for e in found["errors"])[:2000])
        data: Mapping[str, Any] = found.get("data") or {}
        return data

    def redact(self, query: str, end: int) -> None:
        """Removes the events that a query finds, of all times up to now."""
        text = (
            "mutation($repo: String!, $query: String!, $end: DateTime!) { redactEvents(input: {repositoryName: $repo, "
            'start: "1970-01-01T00:00:00Z", end: $end, query: $query, userMessage: "detlab"}) }'
        )
        until = datetime.fromtimestamp(end / 1000, UTC).isoformat().replace("+00:00", "Z")
        self.ask_graphql(text, {"repo": self.repository, "query": query, "end": until})

    def has_file(self, name: str) -> bool:
        """Whether there is a lookup file of that name."""
        text = "query($name: String!) { searchDomain(name: $name) { files { nameAndPath { name } } } }"
        found = self.ask_graphql(text, {"name": self.view}).get("searchDomain") or {}
        return any(each["nameAndPath"]["name"] == name for each in found.get("files") or ())


class LogScaleStore:
    """Trials' events on LogScale or in Falcon Next-Gen SIEM."""

    # Redaction writes segments anew: once a run, not once a trial.
    removes_each = False
    lookup_hint = "upload it on the page Files of the repository, or POST it to /api/v1/repositories/NAME/files"

    def __init__(self, service: QueryService, product: str = "LogScale") -> None:
        self.service, self.product = service, product
        self.address = service.address

    def version(self) -> str:
        """The product's name and version."""
        return self.service.version()

    def send(self, enclosure: Enclosure, views: Sequence[View]) -> int:
        """Sends events with the enclosure's tags."""
        count = 0
        for batch in gather_batches(enclosure, views):
            self.service.ingest(batch)
            count += sum(len(part["events"]) for part in batch)
        return count

    def wait(self, enclosure: Enclosure, count: int) -> None:
        """Waits until a query sees as many events as were sent."""
        part = f' {PART_TAG}="{enclosure.part}"' if enclosure.part else ""
        counted = f'{TRIAL_TAG}="{enclosure.name}"{part} | count(as=n)'
        seen = 0

        def ask() -> bool | None:
            nonlocal seen
            rows = self.search(counted, 0.0, 4e9).rows
            seen = int(float(str(rows.column("n")[0]))) if len(rows) else 0
            return True if seen >= count else None

        if ask_until(ask) is None:
            message = f"{self.product} shows {seen} of {count} events that were sent"
            raise UnreachableError("not-indexed", message, help="look at the repository's retention and at the token")

    def search(self, text: str, begin: float, end: float) -> ProductAnswer:
        """The rows of a query; of events more than a job shows, by `tail`."""
        found = self.run_job(text, begin, end)
        meta = found.get("metaData") or {}
        events = found.get("events") or []
        if not meta.get("isAggregate") and len(events) >= JOB_EVENTS_SHOWN:
            found = self.run_job(f"{text}\n| tail(limit={MOST_TAILED_EVENTS})", begin, end)
            meta, events = found.get("metaData") or {}, found.get("events") or []
        remarks = list(read_warnings(found, meta))
        cut = not meta.get("isAggregate") and len(events) >= MOST_TAILED_EVENTS
        if cut:
            remarks.append(f"only {len(events)} events were read")
        if found.get("cancelled"):
            raise RejectedByProductError("rejected", "; ".join(remarks) or "the query was cancelled there")
        return ProductAnswer(rows=read_logscale_rows(events), remarks=tuple(dict.fromkeys(remarks)), whole=not cut)

    def run_job(self, text: str, begin: float, end: float) -> Mapping[str, Any]:
        """Runs a query job to its end; its last state."""
        job, waited = ask_for_room(lambda: self.service.start(text, round(begin * 1000), round(end * 1000)))
        try:
            # What it shows before it is done are partial results.
            found = ask_until(
                lambda: state if (state := self.service.poll(job)).get("done") or state.get("cancelled") else None,
                PRODUCT_PATIENCE,
            )
        finally:
            self.service.stop(job)
        if found is None:
            message = f"a query takes {self.product} longer than {PRODUCT_PATIENCE:.0f} s"
            raise UnreachableError("too-slow", message)
        return {**found, "warnings": [*waited, *(found.get("warnings") or ())]}

    def name_missing_content(self, lookups: Iterable[str]) -> list[str]:
        """Those lookup files that are not there."""
        return [
            name for name in lookups if not self.service.has_file(name) and not self.service.has_file(f"{name}.csv")
        ]

    def remove(self, beginning: str) -> None:
        """Redacts the events of enclosures whose names begin so."""
        self.service.redact(f'{TRIAL_TAG}="{beginning}*"', int(datetime.now(UTC).timestamp() * 1000))


def read_warnings(found: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[str]:
    """What LogScale says about a query's rows."""
    for each in (*(found.get("warnings") or ()), *(meta.get("warnings") or ())):
        yield str(each.get("message") or each) if isinstance(each, Mapping) else str(each)


def read_logscale_rows(events: Sequence[Mapping[str, object]]) -> ResultRows:
    """Rows as LogScale gives them, without what it adds and with the events' own repository."""
    shown = ({("#repo" if n == OWN_REPOSITORY else n): v for n, v in e.items() if n not in OWN_FIELDS} for e in events)
    return build_rows(shown)


def gather_batches(enclosure: Enclosure, views: Sequence[View]) -> Iterator[list[dict[str, Any]]]:
    """Events as structured ingest takes them, some hundred at a time: tags, times, fields and the text."""
    batch: dict[tuple[tuple[str, str], ...], list[dict[str, Any]]] = {}
    size = 0
    for view in views:
        for tags, event in list_structured_events(view):
            batch.setdefault(tags, []).append(event)
            size += 1
            if size >= BATCH_EVENTS:
                yield write_batch(enclosure, batch)
                batch, size = {}, 0
    if batch:
        yield write_batch(enclosure, batch)


def write_batch(
    enclosure: Enclosure, batch: Mapping[tuple[tuple[str, str], ...], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Lists of events with their tags, those of the enclosure among them."""
    own = {TRIAL_TAG[1:]: enclosure.name, **({PART_TAG[1:]: enclosure.part} if enclosure.part else {})}
    return [{"tags": {**own, **dict(tags)}, "events": events} for tags, events in batch.items()]


def list_structured_events(view: View) -> Iterator[tuple[tuple[tuple[str, str], ...], dict[str, Any]]]:
    """Each event of a view: its tags, and itself."""
    names = [n for n in view.columns.column_names if n not in ("@event", "@cause")]
    columns = [view.columns.column(n).to_pylist() for n in names]
    for row in zip(*columns, strict=True):
        fields = {**view.constants, **{n: v for n, v in zip(names, row, strict=True) if v is not None}}
        attributes = {
            n: print_attribute(v) for n, v in fields.items() if n not in HIDDEN_COLUMNS and not n.startswith("#")
        }
        # LogScale sets #repo itself.
        tags = {(OWN_REPOSITORY if n == "#repo" else n)[1:]: str(v) for n, v in fields.items() if n.startswith("#")}
        moment = datetime.fromtimestamp(float(fields.get("@timestamp") or 0) / 1000, UTC)
        event = {"timestamp": moment.isoformat(timespec="milliseconds"), "attributes": attributes}
        if fields.get("@rawstring") is not None:
            event["rawstring"] = fields["@rawstring"]
        yield tuple(sorted(tags.items())), event


def print_attribute(value: object) -> str:
    """A field's value as text; LogScale knows no lists."""
    if isinstance(value, list):
        return "\n".join(str(v) for v in value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def open_product_store(choice: ProductChoice) -> LogScaleStore:
    """LogScale, or Falcon Next-Gen SIEM where environment variables name a client of it and no LogScale."""
    if environ.get("FALCON_CLIENT_ID") and not environ.get("LOGSCALE_URL"):
        # Imported by name: falconpy is an extra of its own.
        falcon = import_module("harness.detection.engines.logscale.falcon")
        return LogScaleStore(falcon.open_falcon_service(choice), "Falcon Next-Gen SIEM")
    found = server("LogScale", "LOGSCALE_URL", "LOGSCALE_TOKEN", choice)
    repository = choice.repository or environ.get(REPOSITORY_VARIABLE, "").strip()
    if not repository:
        hint = f"--repository NAME, or export {REPOSITORY_VARIABLE}=..."
        raise HarnessError("no-connection", "it is not said into which repository events go", help=hint)
    own = environ.get(INGEST_TOKEN, "").strip()
    ingesting = replace(found, token=own) if own else found
    view = environ.get(VIEW, "").strip() or repository
    return LogScaleStore(LogScaleService(server=found, ingesting=ingesting, repository=repository, view=view))
