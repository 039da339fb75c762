"""Encodings and measures of text that SQL lacks."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from hashlib import sha512
from math import log2
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

# utf-16 without a byte order is little-endian, as Windows and PowerShell's -EncodedCommand write it.
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16le": "utf-16-le", "utf-16": "utf-16-le", "utf-16be": "utf-16-be"}
CHARSETS |= {"iso-8859-1": "latin-1", "latin1": "latin-1", "us-ascii": "ascii", "ascii": "ascii"}
CHARSETS |= {"windows-1252": "cp1252"}


def decode_base64(text: str, charset: str) -> str | None:
    """Decoded; blanks are skipped, missing padding is added; null if it is no base64 of that charset."""
    # Also the alphabet of URLs (RFC 4648, section 5), which tokens are written in.
    plain = re.sub(r"\s+", "", text).rstrip("=").replace("-", "+").replace("_", "/")
    if charset.lower() not in CHARSETS or not re.fullmatch(r"[A-Za-z0-9+/]*", plain):
        return None
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode(CHARSETS[charset.lower()])
    except (binascii.Error, UnicodeDecodeError):
        return None


def hex_decode(text: str, charset: str = "utf-8") -> str | None:
    """Bytes written as hex digits, read in a charset."""
    try:
        return bytes.fromhex(text).decode(CHARSETS[charset]) if re.fullmatch(r"([0-9A-Fa-f]{2})*", text) else None
    except UnicodeDecodeError:
        return None


def decode_percent_escapes(text: str) -> str:
    """%41 becomes A; what is no escape stays, bytes that are no UTF-8 too."""

    def decoded(run: re.Match[str]) -> str:
        return bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace")

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", decoded, text)


def entropy(text: str) -> float:
    """Shannon entropy of its characters, in bits."""
    size = len(text)
    # abs, or a text of one character would have the entropy -0.0.
    return abs(-sum(n / size * log2(n / size) for n in Counter(text).values()))


def sha512_hex(text: str) -> str:
    """Lower-case hex of the UTF-8 bytes."""
    # Half a surrogate pair, as broken UTF-16 leaves it, has no UTF-8 of its own.
    return sha512(text.encode("utf-8", "surrogatepass")).hexdigest()


ENCODING_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.base64_decode: decode_base64,
    ops.hex_decode: hex_decode,
    ops.url_decode: decode_percent_escapes,
    ops.entropy: entropy,
    ops.sha512: sha512_hex,
}
