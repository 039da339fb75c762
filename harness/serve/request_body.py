"""Bodies of requests read within bounds: of one, of all at once, and of time."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass

from starlette.requests import Request

# Splunk's own bound for a collector's request is 800 MB (limits.conf, max_content_length); chosen, far below.
LARGEST_BODY = 64 << 20
MOST_IN_FLIGHT = 256 << 20
"""Bytes of all bodies that are being read or worked on."""
# A body of streaming mode may come for as long as its client likes, any other one in one go; chosen.
SECONDS_BETWEEN_PIECES = 60.0


class BodyError(Exception):
    """A body that is not taken, with the status that says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(slots=True)
class BodiesInFlight:
    """How many bytes of bodies are held at the moment."""

    held: int = 0

    async def read(self, request: Request, most: int = LARGEST_BODY) -> bytes:
        """The body, unpacked if it is packed. Raises BodyError where it is too large, too slow, or no gzip."""
        packed = request.headers.get("content-encoding", "").lower() == "gzip"
        unpacker = zlib.decompressobj(wbits=31) if packed else None
        parts: list[bytes] = []
        size = 0
        pieces = aiter(request.stream())
        try:
            while (chunk := await asyncio.wait_for(anext(pieces, None), SECONDS_BETWEEN_PIECES)) is not None:
                piece = self.unpack(unpacker, chunk, most - size)
                size += len(piece)
                self.held += len(piece)
                if size > most:
                    raise BodyError(413, f"Content-Length of more than {most} is too large (maximum is {most})")
                if self.held > MOST_IN_FLIGHT:
                    raise BodyError(503, "Server is busy")
                parts.append(piece)
        except TimeoutError:
            raise BodyError(408, "Request Timeout") from None
        finally:
            self.held -= size
        return b"".join(parts)

    def unpack(self, unpacker: zlib._Decompress | None, chunk: bytes, room: int) -> bytes:
        """A piece of a body as it was before it was packed. Raises BodyError."""
        if unpacker is None:
            return chunk
        # One byte more than allowed, so that what is too large shows: a few kilobytes can unpack to gigabytes.
        try:
            return unpacker.decompress(chunk, room + 1)
        except zlib.error:
            raise BodyError(400, "The body is no gzip") from None
