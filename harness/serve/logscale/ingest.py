"""Events as LogScale's ingest endpoints take them: structured, as texts, and by the HTTP Event Collector's format."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from starlette.responses import Response

from harness.late_pattern import late_pattern
from harness.serve.journal_record import Received, ReceivedFields
from harness.serve.logscale.call import LogScaleCall, LogScaleError, find_bearer, respond_json

# Where events go that come with the server's own token, which opens all repositories: LogScale's name for a first one.
DEFAULT_REPOSITORY = "sandbox"
MOST_EVENTS_IN_LIST = 200_000
# Times of events in epoch milliseconds; what is less are seconds.
LEAST_MILLISECONDS = 1e11
# Names that the store has for itself.
TAKEN_NAMES = frozenset({"index"})
OWN_TIME_FIELDS = ("@timestamp", "timestamp", "time")
KEY_VALUE_PAIR = late_pattern(r'([A-Za-z_][\w.-]*)=("[^"]*"|[^\s,;]+)')


async def take_structured(call: LogScaleCall) -> Response:
    """`[{"tags": {...}, "events": [{"timestamp": ..., "attributes": {...}, "rawstring": "..."}]}]`."""
    repository = call.repository() or find_repository(call)
    groups = [read_field_group(part, repository) for part in read_list(call.json())]
    await keep_events(call, groups)
    return respond_json({})


async def take_unstructured(call: LogScaleCall) -> Response:
    """`[{"type": parser, "fields": {...}, "tags": {...}, "messages": ["...", ...]}]`."""
    repository = call.repository() or find_repository(call)
    await keep_events(call, [read_message_group(part, repository) for part in read_list(call.json())])
    return respond_json({})


async def take_collector_events(call: LogScaleCall) -> Response:
    """Objects one after another, each with an `event` and what a collector says about it."""
    repository = find_repository(call)
    await keep_events(call, list(read_collector_events(call.body, repository)))
    return respond_json({"text": "Success", "code": 0})


async def keep_events(call: LogScaleCall, groups: Sequence[Received]) -> None:
    """Keeps events; when this returns they would survive a crash. Raises LogScaleError where that cannot be."""
    if not groups:
        return
    try:
        await call.state.backend.add_events(list(groups))
    except BufferError:
        raise LogScaleError(429, "Too many events are waiting") from None
    except OSError as error:
        raise LogScaleError(503, f"Events cannot be kept: {error.strerror}") from error


def find_repository(call: LogScaleCall) -> str:
    """The repository that events go to: that of the ingest token."""
    return call.state.find_ingest_repository(find_bearer(call.request)) or DEFAULT_REPOSITORY


def read_list(found: Any) -> list[Mapping[str, Any]]:
    """A list of objects. Raises LogScaleError."""
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise LogScaleError(400, "The body is no list of objects")
    return found


def read_field_group(part: Mapping[str, Any], repository: str) -> ReceivedFields:
    """Events of the same tags, each with its fields. Raises LogScaleError."""
    events = read_list(part.get("events") or [])
    if len(events) > MOST_EVENTS_IN_LIST:
        raise LogScaleError(400, f"More than {MOST_EVENTS_IN_LIST} events in one list")
    fields = [dict(flatten_fields(event.get("attributes") or {})) for event in events]
    taken = sorted({name for each in fields for name in each if name in TAKEN_NAMES})
    if taken:
        raise LogScaleError(400, f"An attribute called {taken[0]} is not supported")
    return ReceivedFields(
        repository=repository,
        arrived=time.time_ns() // 1000,
        tags=read_tags(part.get("tags"), repository),
        times=[read_ingest_time(event.get("timestamp"), event.get("timezone")) for event in events],
        texts=[print_text(event) for event in events],
        fields=fields,
    )


def print_text(event: Mapping[str, Any]) -> str:
    """The text of a structured event, that of its attributes where it has none."""
    text = event.get("rawstring")
    return msgspec.json.encode(event.get("attributes") or {}).decode() if text is None else str(text)


def read_message_group(part: Mapping[str, Any], repository: str) -> ReceivedFields:
    """Texts that were sent for a parser, with fields and tags that are the same in all."""
    messages = [str(text) for text in part.get("messages") or []]
    parser = str(part.get("type") or "kv")
    given = dict(flatten_fields(part.get("fields") or {}))
    now = time.time_ns() // 1000
    parsed = [{**parse_message(text), **given} for text in messages]
    return ReceivedFields(
        repository=repository,
        arrived=now,
        tags={**read_tags(part.get("tags"), repository), "#type": parser},
        times=[find_message_time(fields, now) for fields in parsed],
        texts=messages,
        fields=parsed,
    )


def read_collector_events(body: bytes, repository: str) -> Iterator[ReceivedFields]:
    """The groups of a collector's objects; an event that is an object has its fields, a text those of its pairs."""
    now = time.time_ns() // 1000
    groups: dict[tuple[tuple[str, str], ...], list[tuple[int, str, dict[str, str]]]] = {}
    for found in read_objects(body):
        if "event" not in found:
            raise LogScaleError(400, "An object has no event")
        event = found["event"]
        text = event if isinstance(event, str) else msgspec.json.encode(event).decode()
        told = {name: str(found[name]) for name in ("host", "source", "sourcetype") if found.get(name)}
        beside = dict(flatten_fields(found.get("fields") or {}))
        tags = read_tags({n[1:]: v for n, v in beside.items() if n.startswith("#")}, repository)
        fields = {**parse_message(text), **told, **{n: v for n, v in beside.items() if not n.startswith("#")}}
        moment = find_message_time(fields, now) if found.get("time") is None else read_ingest_time(found["time"], None)
        groups.setdefault(tuple(sorted(tags.items())), []).append((moment, text, fields))
    for own, events in groups.items():
        yield ReceivedFields(
            repository=repository,
            arrived=now,
            tags=dict(own),
            times=[moment for moment, _, _ in events],
            texts=[text for _, text, _ in events],
            fields=[fields for _, _, fields in events],
        )


def parse_message(text: str) -> dict[str, str]:
    """The fields of a text as LogScale's parsers `json` and `kv` find them; any other parser's are not known here."""
    if text.lstrip().startswith("{"):
        try:
            found = msgspec.json.decode(text)
            return {n: v for n, v in flatten_fields(found) if n not in TAKEN_NAMES} if isinstance(found, dict) else {}
        # A text that only begins so is one of words.
        except (msgspec.DecodeError, RecursionError):
            pass
    pairs = ((found[1], found[2].strip('"')) for found in KEY_VALUE_PAIR.finditer(text))
    return {name: value for name, value in pairs if name not in TAKEN_NAMES}


def find_message_time(fields: Mapping[str, str], otherwise: int) -> int:
    """The time that an event says itself, in microseconds."""
    for name in OWN_TIME_FIELDS:
        if name in fields:
            try:
                return read_ingest_time(fields[name], None)
            # No time after all.
            except LogScaleError:
                continue
    return otherwise


def read_objects(body: bytes) -> Iterator[Mapping[str, Any]]:
    """JSON objects, with or without line ends between them. Raises LogScaleError."""
    try:
        for line in body.splitlines():
            if line.strip():
                found = msgspec.json.decode(line)
                if not isinstance(found, dict):
                    raise LogScaleError(400, "The body is no object a line")
                yield found
    except (msgspec.DecodeError, RecursionError) as error:
        raise LogScaleError(400, f"The body is no JSON object a line: {error}") from error


def read_tags(given: object, repository: str) -> dict[str, str]:
    """Tags under their names with `#`; `#repo` is LogScale's own."""
    tags = given if isinstance(given, Mapping) else {}
    return {**{f"#{str(name).lstrip('#')}": str(value) for name, value in tags.items()}, "#repo": repository}


def flatten_fields(given: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Fields of an object as LogScale names them: `a.b`, `list[0]`; every value as text. Raises LogScaleError."""
    if not isinstance(given, Mapping) or depth > 50:
        raise LogScaleError(400, "Fields are no object, or nested too deep")
    for name, value in given.items():
        yield from flatten_value(f"{prefix}{name}", value, depth)


def flatten_value(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    """One field, or those inside it; null is no field."""
    match value:
        case None:
            return
        case dict():
            yield from flatten_fields(value, f"{name}.", depth + 1)
        case list():
            if depth > 50:
                raise LogScaleError(400, "Fields are nested too deep")
            for place, item in enumerate(value):
                yield from flatten_value(f"{name}[{place}]", item, depth + 1)
        case str():
            yield name, value
        case _:
            yield name, msgspec.json.encode(value).decode()


def read_ingest_time(given: object, zone: object) -> int:
    """Microseconds of an ISO 8601 time or of epoch seconds or milliseconds. Raises LogScaleError."""
    if isinstance(given, int | float):
        return round(given * (1_000 if abs(given) >= LEAST_MILLISECONDS else 1_000_000))
    try:
        text = str(given)
        if text.replace(".", "", 1).isdigit():
            return read_ingest_time(float(text), zone)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(str(zone or "UTC")))
        return round(moment.timestamp() * 1_000_000)
    except (ValueError, OSError, KeyError, OverflowError):
        raise LogScaleError(400, f"No time that can be read: {str(given)[:60]}") from None
