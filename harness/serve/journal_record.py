"""What clients sent, as the journal keeps it: events with the metadata of their collector, or a text still to break."""

from __future__ import annotations

from typing import Any

import msgspec


class ReceivedEvents(msgspec.Struct, frozen=True, kw_only=True, tag="events"):
    """Events of one index, source, sourcetype and host: their times in microseconds, and their texts.

    `fields` are indexed fields of each event, of none if left out. `arrived` is when they came, in microseconds.
    """

    index: str
    source: str
    sourcetype: str
    host: str
    arrived: int
    times: list[int]
    texts: list[str]
    fields: list[dict[str, Any]] | None = None


class RawText(msgspec.Struct, frozen=True, kw_only=True, tag="raw"):
    """A text of events that have to be found in it, as Splunk does by the sourcetype."""

    index: str
    source: str
    sourcetype: str
    host: str
    arrived: int
    text: bytes


class ReceivedFields(msgspec.Struct, frozen=True, kw_only=True, tag="fields"):
    """Events of LogScale that came as fields: tags that are the same in all, times in microseconds, texts, fields."""

    repository: str
    arrived: int
    tags: dict[str, str]
    times: list[int]
    texts: list[str]
    fields: list[dict[str, str]]


Received = ReceivedEvents | RawText | ReceivedFields
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(list[Received])


def encode_received(parts: list[Received]) -> bytes:
    """What one request brought, as a record of the journal."""
    return ENCODER.encode(parts)


def decode_received(record: bytes) -> list[Received]:
    """The parts of such a record."""
    return DECODER.decode(record)
