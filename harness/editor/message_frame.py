"""How the server and its children send messages: the length of a body as four bytes, then the body, JSON in ASCII."""

from __future__ import annotations

import json
import struct
from typing import Any

MESSAGE_LENGTH = struct.Struct(">I")


def encode_message(message: Any) -> bytes:
    """A message as it is sent."""
    # ASCII: editors may send half of a surrogate pair, which no encoding has.
    body = json.dumps(message).encode("ascii")
    return MESSAGE_LENGTH.pack(len(body)) + body
