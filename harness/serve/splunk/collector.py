"""The HTTP Event Collector: events and raw texts, acknowledgements, health.

Reference: Splunk, Getting Data In, "Format events for HTTP Event Collector" and "Troubleshoot HTTP Event Collector"
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from harness.late_pattern import late_pattern
from harness.record import record
from harness.serve.backend import Backend
from harness.serve.journal_record import RawText, Received, ReceivedEvents
from harness.serve.request_body import BodyError
from harness.serve.splunk.acknowledgements import Acknowledgements
from harness.serve.splunk.atom import JSON
from harness.serve.splunk.call import find_secret
from harness.serve.splunk.index_names import Indexes
from harness.serve.splunk.tokens import CollectorInput, find_collector_input

CHANNEL = late_pattern(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class SentEvent(msgspec.Struct):
    """An event in its envelope."""

    event: msgspec.Raw = msgspec.Raw()
    time: float | str | None = None
    host: str | None = None
    source: str | None = None
    sourcetype: str | None = None
    index: str | None = None
    fields: dict[str, Any] | None = None


BODY_CODES = {413: 27, 503: 9}
DECODER = msgspec.json.Decoder(SentEvent)
LIST_DECODER = msgspec.json.Decoder(list[SentEvent])
SPLITTER = json.JSONDecoder()


class CollectorError(Exception):
    """An answer with one of the collector's codes."""

    def __init__(self, status: int, code: int, text: str, event: int | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.event = status, code, text, event

    def respond(self) -> Response:
        """The answer."""
        found: dict[str, Any] = {"text": self.text, "code": self.code}
        if self.event is not None:
            found["invalid-event-number"] = self.event
        return Response(json.dumps(found), self.status, media_type=JSON)


@record(kw_only=True)
class Delivery:
    """One request to the collector: the input whose token it has, its channel, its parameters, its body."""

    given: CollectorInput
    channel: str
    parameters: Mapping[str, str]
    body: bytes
    host: str
    arrived: int


class EventCollector:
    """Takes what clients send, and says it is taken once it is on the disk."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.indexes = Indexes.of(backend)
        self.acknowledgements = Acknowledgements()

    async def take_events(self, request: Request) -> Response:
        """Events in envelopes."""
        delivery = await self.read_delivery(request)
        groups = self.group_events(delivery)
        return await self.keep(delivery, list(groups))

    async def take_raw(self, request: Request) -> Response:
        """A text of events."""
        delivery = await self.read_delivery(request)
        if not delivery.body.strip():
            raise CollectorError(400, 5, "No data")
        said = delivery.parameters
        index = said.get("index") or delivery.given.index
        self.check_index(delivery.given, index, None)
        part = RawText(
            index=index,
            source=said.get("source") or delivery.given.source or f"http:{delivery.given.name}",
            sourcetype=said.get("sourcetype") or delivery.given.sourcetype or "http_raw",
            host=said.get("host") or delivery.given.host or delivery.host,
            arrived=delivery.arrived,
            text=delivery.body,
        )
        return await self.keep(delivery, [part])

    async def keep(self, delivery: Delivery, parts: list[Received]) -> Response:
        """Has the journal take parts; gives the number to ask for where the input acknowledges."""
        try:
            await self.backend.add_events(parts)
        except BufferError:
            raise CollectorError(503, 9, "Server is busy") from None
        except OSError as error:
            self.backend.log(f"the journal cannot be written: {error.strerror}")
            raise CollectorError(500, 8, "Internal server error") from None
        found: dict[str, Any] = {"text": "Success", "code": 0}
        if delivery.given.acknowledges:
            found["ackId"] = self.acknowledgements.begin(delivery.given.token, delivery.channel)
        return Response(json.dumps(found), media_type=JSON)

    async def tell_acknowledged(self, request: Request) -> Response:
        """Which of the numbers asked for are on the disk; each is told once."""
        delivery = await self.read_delivery(request)
        if not delivery.given.acknowledges:
            raise CollectorError(400, 14, "ACK is disabled")
        try:
            asked = msgspec.json.decode(delivery.body, type=dict[str, list[int]])["acks"]
        except (msgspec.MsgspecError, KeyError):
            raise CollectorError(400, 6, "Invalid data format") from None
        found = self.acknowledgements.end(delivery.given.token, delivery.channel, asked)
        return Response(json.dumps({"acks": {str(n): done for n, done in found.items()}}), media_type=JSON)

    async def tell_health(self, request: Request) -> Response:
        """Whether it takes events."""
        return Response('{"text":"HEC is healthy","code":17}', media_type=JSON)

    async def read_delivery(self, request: Request) -> Delivery:
        """What a request brings. Raises CollectorError where it may not."""
        arrived = time.time_ns() // 1_000
        parameters = dict(request.query_params.items())
        given = self.authenticate(request)
        channel = request.headers.get("x-splunk-request-channel") or parameters.get("channel", "")
        if channel and not CHANNEL.fullmatch(channel):
            raise CollectorError(400, 11, "Invalid data channel")
        if given.acknowledges and not channel:
            raise CollectorError(400, 10, "Data channel is missing")
        body = await self.backend.bodies.read(request)
        host = request.headers.get("host", "") or "localhost"
        return Delivery(given=given, channel=channel, parameters=parameters, body=body, host=host, arrived=arrived)

    def authenticate(self, request: Request) -> CollectorInput:
        """The input whose token a request has. Raises CollectorError."""
        if "authorization" not in request.headers:
            if "token" in request.query_params:
                raise CollectorError(400, 16, "Query string authorization is not enabled")
            raise CollectorError(401, 2, "Token is required")
        scheme, secret = find_secret(request.headers)
        if not secret:
            raise CollectorError(401, 3, "Invalid authorization")
        if scheme == "basic":
            # Any name, the token as the password.
            secret = secret.partition(":")[2]
        found = find_collector_input(self.backend, secret)
        if found is None:
            raise CollectorError(403, 4, "Invalid token")
        if found.disabled:
            raise CollectorError(403, 1, "Token disabled")
        return found

    def check_index(self, given: CollectorInput, index: str, event: int | None) -> None:
        """Raises CollectorError for an index that there is not, or that the input may not write to."""
        if (given.indexes and index not in given.indexes) or not self.indexes.has(index):
            raise CollectorError(400, 7, "Incorrect index", event)

    def group_events(self, delivery: Delivery) -> Iterator[ReceivedEvents]:
        """The events of a request by their metadata. Raises CollectorError; then none is taken."""
        given, said = delivery.given, delivery.parameters
        usual = {
            "index": said.get("index") or given.index,
            "source": said.get("source") or given.source or f"http:{given.name}",
            "sourcetype": said.get("sourcetype") or given.sourcetype or "httpevent",
            "host": said.get("host") or given.host or delivery.host,
        }
        found: dict[tuple[str, str, str, str], ReceivedEvents] = {}
        for number, sent in enumerate(decode_events(delivery.body)):
            key = (
                sent.index or usual["index"],
                sent.source or usual["source"],
                sent.sourcetype or usual["sourcetype"],
                sent.host or usual["host"],
            )
            group = found.get(key)
            if group is None:
                self.check_index(given, key[0], number)
                group = found[key] = begin_group(key, delivery.arrived)
            group.texts.append(read_event_text(sent.event, number))
            group.times.append(read_time(sent.time, delivery.arrived, number))
            assert group.fields is not None
            group.fields.append(check_fields(sent.fields, number))
        if not found:
            raise CollectorError(400, 5, "No data")
        for group in found.values():
            yield group if any(group.fields or ()) else msgspec.structs.replace(group, fields=None)


def begin_group(key: tuple[str, str, str, str], arrived: int) -> ReceivedEvents:
    """A group without any event yet."""
    index, source, sourcetype, host = key
    return ReceivedEvents(
        index=index, source=source, sourcetype=sourcetype, host=host, arrived=arrived, times=[], texts=[], fields=[]
    )


def decode_events(body: bytes) -> list[SentEvent]:
    """The envelopes in a body: one after another, or a list. Raises CollectorError at the first that is none."""
    try:
        # Most clients put a line break between them, which is read fastest.
        return LIST_DECODER.decode(body) if body[:1] == b"[" else DECODER.decode_lines(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return [*split_envelopes(body)]


def split_envelopes(body: bytes) -> Iterator[SentEvent]:
    """The envelopes in a body that follow one another with anything or nothing between them."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise CollectorError(400, 6, "Invalid data format", 0) from None
    at, number = 0, 0
    while (at := skip_blanks(text, at)) < len(text):
        try:
            _, end = SPLITTER.raw_decode(text, at)
            piece = text[at:end].encode()
            if piece[:1] == b"[":
                yield from LIST_DECODER.decode(piece)
            else:
                yield DECODER.decode(piece)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise CollectorError(400, 6, "Invalid data format", number) from None
        at, number = end, number + 1


BLANKS = late_pattern(r"[\s,]*")


def skip_blanks(text: str, at: int) -> int:
    """Where the next envelope may begin."""
    found = BLANKS.match(text, at)
    return found.end() if found else at


def read_event_text(held: msgspec.Raw, number: int) -> str:
    """The text of an event: a string as it is, an object as it was written. Raises CollectorError."""
    written = bytes(held)
    if written in (b"", b"null"):
        raise CollectorError(400, 12, "Event field is required", number)
    if written[:1] != b'"':
        return written.decode()
    text = str(msgspec.json.decode(written))
    if not text.strip():
        raise CollectorError(400, 13, "Event field cannot be blank", number)
    return text


def read_time(given: float | str | None, arrived: int, number: int) -> int:
    """An event's time in microseconds: seconds since 1970, that of its arrival if none is given."""
    if given is None or given == "":
        return arrived
    try:
        micros = round(float(given) * 1e6)
    except (ValueError, OverflowError):
        raise CollectorError(400, 6, "Invalid data format", number) from None
    # What no rule can compute with, see telemetry/events/event.py.
    return micros if 0 <= micros <= 2**53 else arrived


def check_fields(fields: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """Indexed fields; Splunk takes flat ones only. Raises CollectorError."""
    for value in (fields or {}).values():
        if isinstance(value, dict):
            raise CollectorError(400, 15, "Error in handling indexed fields", number)
    return fields or {}


def list_collector_routes(backend: Backend) -> list[BaseRoute]:
    """The collector's routes, which answer on both of Splunk's ports."""
    collector = EventCollector(backend)
    answers: dict[str, tuple[Callable[[Request], Awaitable[Response]], list[str]]] = {
        "": (collector.take_events, ["POST"]),
        "/event": (collector.take_events, ["POST"]),
        "/event/1.0": (collector.take_events, ["POST"]),
        "/raw": (collector.take_raw, ["POST"]),
        "/raw/1.0": (collector.take_raw, ["POST"]),
        "/ack": (collector.tell_acknowledged, ["POST"]),
        "/ack/1.0": (collector.tell_acknowledged, ["POST"]),
        "/health": (collector.tell_health, ["GET"]),
        "/health/1.0": (collector.tell_health, ["GET"]),
    }
    return [
        Route(f"/services/collector{path}", guard(handler), methods=methods)
        for path, (handler, methods) in answers.items()
    ]


def guard(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A handler whose errors are answers of the collector."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except CollectorError as error:
            return error.respond()
        except BodyError as error:
            return CollectorError(error.status, BODY_CODES.get(error.status, 6), error.text).respond()
        except ClientDisconnect:
            return Response(status_code=400)

    return answer
