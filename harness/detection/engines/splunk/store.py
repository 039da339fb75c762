"""Events of trials on a real Splunk: indexes of their own, filled by its HTTP Event Collector, searched by its SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from http.client import HTTPException
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from splunklib.binding import AuthenticationError, HTTPError, ResponseReader
from splunklib.client import Job, Service

from harness.detection.enclosure import Enclosure
from harness.detection.engine import CellValue, ResultRows
from harness.detection.remote_engine import (
    LARGEST_ANSWER,
    PRODUCT_PATIENCE,
    ProductAnswer,
    ProductChoice,
    RejectedByProductError,
    Server,
    ask_for_room,
    ask_until,
    build_rows,
    open_connection,
    read_own_time,
    server,
)
from harness.diagnostics import HarnessError, UnreachableError
from harness.late_pattern import late_pattern
from harness.telemetry.platform import View

HEC_URL, HEC_TOKEN = "SPLUNK_HEC_URL", "SPLUNK_HEC_TOKEN"
# Splunk's defaults: maxresultrows of limits.conf, and what one answer of results gives at most.
MOST_RESULT_ROWS = 50_000
# max_content_length of the collector was 1 MB for years (limits.conf), so no batch is larger.
COLLECTOR_BATCH_BYTES = 900_000
METADATA = ("host", "source", "sourcetype")
MANAGEMENT_PORT, COLLECTOR_PORT = 8089, 8088
# Splunk: a name begins with a letter or digit; letters are small.
INDEX_NAME = late_pattern(r"[a-z0-9][a-z0-9_-]{0,100}")
QUOTA = late_pattern(r"quota|concurrent|maximum number", re.I)
TOLD_KINDS = ("WARN", "ERROR", "FATAL")


class SplunkStore:
    """A search head with its collector; `management` is where it is managed, `collector` where events go."""

    product = "Splunk"
    removes_each = True
    # Its REST API makes no lookup of a file that a client sends: eai:data is a path on the search head.
    lookup_hint = "upload it under Settings > Lookups, or write it by a search that ends with `| outputlookup NAME`"

    def __init__(self, management: Server, collector: Server) -> None:
        self.management, self.collector = management, collector
        self.address = management.url
        parts = urlsplit(management.url)
        self.service = Service(
            handler=self.handle,
            host=parts.hostname,
            port=parts.port or MANAGEMENT_PORT,
            scheme=parts.scheme,
            splunkToken=management.token,
        )

    def handle(self, url: str, message: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """One request of the SDK: verified, bounded in time and size, never redirected."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        body = message.get("body") or ""
        try:
            connection = open_connection(parts.scheme, parts.hostname or "", parts.port, self.management.ca)
            sent = dict(message.get("headers", ()))
            connection.request(message.get("method", "GET"), target, body, sent)
            response = connection.getresponse()
            # One byte more than allowed tells a whole answer from one that is cut.
            content = response.read(LARGEST_ANSWER + 1)
            connection.close()
        except (OSError, HTTPException) as error:
            message_text = f"Splunk does not answer: {self.management.told(error)}"
            raise UnreachableError("unreachable", message_text) from error
        if len(content) > LARGEST_ANSWER:
            raise HarnessError("answer-too-large", f"Splunk answers with more than {LARGEST_ANSWER >> 20} MiB")
        if 300 <= response.status < 400:
            raise UnreachableError("redirected", "Splunk's address redirects, and a token goes nowhere else")
        return {
            "status": response.status,
            "reason": response.reason,
            "headers": response.getheaders(),
            "body": ResponseReader(BytesIO(content)),
        }

    def ask(self, method: str, path: str, **form: Any) -> Any:
        """An answer of the management interface as JSON."""
        try:
            if method == "DELETE":
                return self.service.delete(path)
            call = self.service.get if method == "GET" else self.service.post
            answer = call(path, output_mode="json", **form)
        except (AuthenticationError, HTTPError) as error:
            raise self.failure(error) from error
        return json.loads(answer.body.read() or b"{}")

    def failure(self, error: Exception) -> HarnessError:
        """What the SDK raised, in words: a refused token, a full quota, a server that fails, or a refused search."""
        status = getattr(error, "status", 401)
        said = self.management.told(error)[:2000]
        if status in (401, 403):
            return UnreachableError("refused", f"Splunk refuses the token ({status}): {said}")
        if status == 503 and QUOTA.search(said):
            return UnreachableError("quota", f"Splunk has no room for another search: {said}")
        if status >= 500:
            return UnreachableError("unreachable", f"Splunk answers with {status}: {said}")
        return RejectedByProductError("rejected", said)

    def version(self) -> str:
        """The product's name and version."""
        entries = self.ask("GET", "/services/server/info").get("entry") or [{}]
        return f"Splunk {entries[0].get('content', {}).get('version', 'of unknown version')}"

    def send(self, enclosure: Enclosure, views: Sequence[View]) -> int:
        """Makes an index for each index of the events and sends them, until Splunk has acknowledged all."""
        channel = str(uuid4())
        batches: list[int | None] = []
        made: set[str] = set()
        count = 0
        for lines in split_into_batches(write_collector_events(enclosure, views, made, self.make_index)):
            count += len(lines)
            batches.append(self.send_batch("\n".join(lines), channel))
        acknowledged = [number for number in batches if number is not None]
        if acknowledged and ask_until(lambda: self.find_acknowledged(acknowledged, channel)) is None:
            raise UnreachableError("not-indexed", f"Splunk acknowledges {count} events not in time")
        return count

    def make_index(self, name: str) -> None:
        """A new index."""
        if not INDEX_NAME.fullmatch(name):
            raise HarnessError("cannot-supply", f"Splunk has no index `{name}`: its name would not be allowed")
        try:
            self.service.indexes.create(name)
        except (AuthenticationError, HTTPError) as error:
            raise self.failure(error) from error

    def send_batch(self, body: str, channel: str) -> int | None:
        """The number of the acknowledgement of some events; None where the token has none switched on."""
        headers = {"Content-Type": "application/json", "X-Splunk-Request-Channel": channel}
        answer = json.loads(self.collector.send("POST", "/services/collector/event", body, headers))
        number = answer.get("ackId")
        return None if number is None else int(number)

    def find_acknowledged(self, numbers: Sequence[int], channel: str) -> bool | None:
        """True once all of these are acknowledged."""
        headers = {"Content-Type": "application/json", "X-Splunk-Request-Channel": channel}
        path = f"/services/collector/ack?channel={channel}"
        acks = json.loads(self.collector.send("POST", path, json.dumps({"acks": list(numbers)}), headers)).get("acks")
        return True if acks and all(acks.get(str(number)) for number in numbers) else None

    def wait(self, enclosure: Enclosure, count: int) -> None:
        """Waits until a search sees as many events as were sent."""
        counted = f"search index={enclosure.index_of('*')} | stats count"
        seen = 0

        def ask() -> bool | None:
            nonlocal seen
            # All of time: an event may be of any day.
            rows = self.search(counted, 0.0, 4e9).rows
            seen = int(float(str(rows.column("count")[0]))) if len(rows) else 0
            return True if seen >= count else None

        if ask_until(ask) is None:
            message = f"Splunk shows {seen} of {count} events that were sent"
            raise UnreachableError("not-indexed", message, help="look at its retention and at its collector's errors")

    def search(self, text: str, begin: float, end: float) -> ProductAnswer:
        """The rows of a search job, and what Splunk says about it."""
        started = text if text.lstrip().startswith(("|", "search ")) else f"search {text}"
        # Verbose as in the search bar's mode of that name: all fields, not only those that the search names.
        asked = {
            "exec_mode": "normal",
            "earliest_time": f"{begin:.6f}",
            "latest_time": f"{end:.6f}",
            "adhoc_search_level": "verbose",
            "max_count": MOST_RESULT_ROWS,
            "now": f"{end:.0f}",
        }
        if end >= 4e9:
            del asked["now"]
        job, waited = ask_for_room(lambda: self.begin_job(started, asked))
        try:
            try:
                answer = self.read_job(job)
            finally:
                job.cancel()
        except (AuthenticationError, HTTPError) as error:
            raise self.failure(error) from error
        return replace(answer, remarks=(*waited, *answer.remarks))

    def begin_job(self, text: str, asked: Mapping[str, object]) -> Job:
        """A new search job."""
        try:
            return self.service.jobs.create(text, **asked)
        except (AuthenticationError, HTTPError) as error:
            raise self.failure(error) from error

    def read_job(self, job: Job) -> ProductAnswer:
        """Waits for a job and reads all its rows."""
        if ask_until(lambda: True if job.is_done() else None, PRODUCT_PATIENCE) is None:
            raise UnreachableError("too-slow", f"a search takes Splunk longer than {PRODUCT_PATIENCE:.0f} s")
        content = job.content
        messages = dict.fromkeys(list_job_messages(content.get("messages")))
        if content.get("isFailed") == "1" or content.get("dispatchState") == "FAILED":
            raise RejectedByProductError("rejected", "; ".join(messages) or "the search failed")
        total = int(content.get("resultCount") or 0)
        records: list[Mapping[str, object]] = []
        while len(records) < total:
            answer = json.loads(job.results(output_mode="json", count=0, offset=len(records)).read() or b"{}")
            messages |= dict.fromkeys(read_messages(answer.get("messages") or ()))
            page = answer.get("results") or []
            if not page:
                break
            records += page
        cut = content.get("isFinalized") == "1" or total >= MOST_RESULT_ROWS or len(records) < total
        if cut:
            messages |= {f"only {len(records)} rows were read": None}
        return ProductAnswer(rows=read_splunk_rows(records), remarks=tuple(messages), whole=not cut)

    def name_missing_content(self, lookups: Iterable[str]) -> list[str]:
        """Those lookup tables that Splunk knows neither by a definition nor by a file."""
        missing = []
        for name in lookups:
            found = False
            for place in ("data/transforms/lookups", "data/lookup-table-files"):
                try:
                    self.ask("GET", f"/servicesNS/-/-/{place}/{quote(name, safe='')}")
                    found = True
                except RejectedByProductError:
                    continue
            if not found:
                missing.append(name)
        return missing

    def remove(self, beginning: str) -> None:
        """Deletes the indexes whose names begin so, and all events in them."""
        entries = self.ask("GET", "/services/data/indexes", count=0).get("entry") or ()
        for index in [e["name"] for e in entries if str(e.get("name", "")).startswith(beginning)]:
            self.ask("DELETE", f"/services/data/indexes/{quote(index, safe='')}")


def write_collector_events(enclosure: Enclosure, views: Sequence[View], made: set[str], make: Any) -> Iterator[str]:
    """Each event as the collector takes it: its text, with the metadata that a forwarder sets."""
    for view in views:
        for record in list_view_records(view, ("_time", "_raw", "index", *METADATA)):
            index = enclosure.index_of(str(record.get("index") or "main"))
            if index not in made:
                make(index)
                made.add(index)
            metadata = {name: record[name] for name in METADATA if record.get(name) is not None}
            timed = {"time": f"{record['_time']:.6f}"} if record.get("_time") is not None else {}
            yield json.dumps({**timed, **metadata, "index": index, "event": record.get("_raw") or ""})


def list_view_records(view: View, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The events of a view as records of some of their fields."""
    constants = {name: view.constants[name] for name in names if name in view.constants}
    own = [name for name in names if name in view.columns.column_names]
    columns = [view.columns.column(name).to_pylist() for name in own]
    for row in zip(*columns, strict=True) if columns else ([()] * view.columns.num_rows):
        yield {**constants, **dict(zip(own, row, strict=True))}


def split_into_batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines in lists that the collector takes at once."""
    batch: list[str] = []
    size = 0
    for line in lines:
        if batch and size + len(line) > COLLECTOR_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield batch


def list_job_messages(said: object) -> Iterator[str]:
    """The messages of a job, which the SDK gives by their type."""
    if isinstance(said, Mapping):
        for kind, texts in said.items():
            if str(kind).upper() in TOLD_KINDS:
                yield from (str(text) for text in (texts if isinstance(texts, list) else [texts]))


def read_messages(said: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """The messages that come with rows."""
    yield from (str(each.get("text", "")) for each in said if each.get("type") in TOLD_KINDS)


def read_splunk_rows(records: Sequence[Mapping[str, object]]) -> ResultRows:
    """Rows as Splunk gives them; `_time` is a number of seconds again."""
    found = build_rows(records)
    if "_time" not in found.columns:
        return found
    at = found.columns.index("_time")
    return ResultRows(found.columns, tuple((*row[:at], read_time_cell(row[at]), *row[at + 1 :]) for row in found.rows))


def read_time_cell(cell: CellValue) -> CellValue:
    """A cell of `_time`; what is no time stays text."""
    try:
        return read_own_time(cell) if isinstance(cell, str) else cell
    except ValueError:
        return cell


def open_product_store(choice: ProductChoice) -> SplunkStore:
    """The search head and the collector that environment variables name."""
    management = server("Splunk", "SPLUNK_URL", "SPLUNK_TOKEN", choice)
    parts = urlsplit(management.url)
    # Splunk's collector listens beside its management port.
    usual = f"{parts.scheme}://{parts.hostname}:{COLLECTOR_PORT}"
    sent = server("Splunk's HTTP Event Collector", HEC_URL, HEC_TOKEN, choice, usual=usual)
    collector = Server(product=sent.product, url=sent.url, token=sent.token, scheme="Splunk", ca=choice.ca)
    return SplunkStore(management, collector)
