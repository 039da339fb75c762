"""Records of a chunk of an event log as the `evtx` package reads them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec
from evtx import PyEvtxParser

# Numbers with a fraction stay as they are written: events are text.
DECODE_JSON = msgspec.json.Decoder(float_hook=str)


def decode_event(record: Any) -> Any:
    """The event of a record of the package: a dict of its number, timestamp and JSON text."""
    return DECODE_JSON.decode(record["data"])["Event"]


def list_chunk_records(header: bytes, chunk: bytes) -> Iterator[Any]:
    """The records of one chunk; an error in the place of one that cannot be read, or behind which nothing can."""
    # One chunk as a log of its own: evtx 0.14 gives up a whole file at the first bad chunk header.
    one_chunk = header[:42] + (1).to_bytes(2, "little") + header[44:] + chunk
    try:
        # One thread: two gained nothing (engine.md 6), and records stay in order.
        found = iter(PyEvtxParser(io.BytesIO(one_chunk), number_of_threads=1).records_json())
    except (RuntimeError, OSError) as error:
        yield error
        return
    while True:
        try:
            record = next(found)
        except StopIteration:
            return
        except (RuntimeError, OSError) as error:
            yield error
        else:
            yield record
