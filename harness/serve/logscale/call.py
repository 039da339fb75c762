"""One request of a client of LogScale, read within bounds, and how it is refused."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from harness.record import record

if TYPE_CHECKING:
    from harness.serve.logscale.state import LogScaleState

# LogScale's own bound of an ingest request is 8 MiB by default (MAX_INGEST_REQUEST_SIZE was 33554432); chosen, above.
LARGEST_REQUEST = 64 << 20
JSON_TYPE = "application/json"


class LogScaleError(Exception):
    """What a client is told in place of an answer: a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@record(kw_only=True)
class LogScaleCall:
    """What a client asks: the parts of its path, its parameters, its body; `user` is who asks, "" of open endpoints."""

    state: LogScaleState
    request: Request
    parts: Mapping[str, str]
    body: bytes
    user: str

    def json(self) -> Any:
        """The body as JSON. Raises LogScaleError."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise LogScaleError(400, f"The body is no JSON: {error}") from error

    def repository(self) -> str:
        """The repository of the path, made by naming it."""
        return self.parts.get("repository", "")


async def read_request_body(request: Request, most: int = LARGEST_REQUEST) -> bytes:
    """The body, unpacked if it is packed. Raises LogScaleError where it is too large or no gzip."""
    packed = request.headers.get("content-encoding", "").lower() == "gzip"
    unpacker = zlib.decompressobj(wbits=31) if packed else None
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        try:
            # One byte more than allowed: a few kilobytes can unpack to gigabytes.
            piece = unpacker.decompress(chunk, most + 1 - size) if unpacker else chunk
        except zlib.error:
            raise LogScaleError(400, "The body is no gzip") from None
        size += len(piece)
        if size > most or (unpacker and unpacker.unconsumed_tail):
            raise LogScaleError(413, f"The request is larger than {most} bytes")
        parts.append(piece)
    return b"".join(parts)


def find_bearer(request: Request) -> str:
    """The secret of a request; HEC's word for it counts too."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "splunk"):
        return secret.strip()
    return ""


def respond_json(content: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status_code=status, media_type=JSON_TYPE)


def respond_text(text: str, status: int) -> Response:
    """An answer in words, as LogScale tells errors."""
    return Response(text, status_code=status, media_type="text/plain")


def make_id(text: str) -> str:
    """An identifier of a name, the same whenever it is asked for."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
