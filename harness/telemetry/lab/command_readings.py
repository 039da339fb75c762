"""What a command's text becomes when shells read it: escapes, joined literals and encodings taken away."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
import zlib
from collections.abc import Iterator

from harness.late_pattern import late_pattern

LARGEST_DECODED = 1 << 20
ENCODED_COMMAND = "encodedcommand"
# PowerShell takes every dash that word processors make for one.
DASHES = "-/\u2013\u2014\u2015"

BASE64 = late_pattern(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{16,}={0,2}(?![A-Za-z0-9+/=_-])")
URL_IN_BYTES = re.compile(rb"[a-z][a-z0-9+.-]{1,20}://[!-~]{1,500}", re.IGNORECASE)
CONCATENATION = late_pattern(r"""(["'])[ \t]*\+[ \t]*\1""")
CODED = late_pattern(r"\\u([0-9a-f]{4})|\\x([0-9a-f]{2})", re.IGNORECASE)
CARET = late_pattern(r"\^(\r?\n)?")
TICK = late_pattern(r"`(\r?\n)?")


def list_readings(text: str) -> tuple[str, ...]:
    """The text as it stands and as each shell reads it: without escapes, neighbouring literals put together."""
    text = strip_invisible(text)
    readings = [text, CARET.sub("", text), TICK.sub(lambda m: " " if m[1] else "", text)]
    if CODED.search(text):
        readings.append(CODED.sub(lambda m: chr(int(m[1] or m[2], 16)), text))
    return tuple(dict.fromkeys(CONCATENATION.sub("", reading) for reading in readings))


def strip_invisible(text: str) -> str:
    """The text without characters that nobody sees: zero-width ones, marks of direction, soft hyphens."""
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


def list_decoded(text: str) -> Iterator[str]:
    """What the base64 literals of a text say."""
    for match in BASE64.finditer(text):
        decoded = decode_base64(match.group())
        if decoded is not None:
            yield decoded


def decode_base64(literal: str) -> str | None:
    """What a base64 literal says: text, packed text, or the URLs in a program; nothing where it says none of these."""
    bare = literal.rstrip("=")
    try:
        data = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    for unpacked in (data, *unpack_bytes(data)):
        text = decode_text(unpacked)
        if text is not None:
            return text
    return "\n".join(m.group().decode("ascii") for m in URL_IN_BYTES.finditer(data.replace(b"\0", b""))) or None


def unpack_bytes(data: bytes) -> Iterator[bytes]:
    """What packed bytes hold, up to a bound: gzip, zlib or plain deflate."""
    for bits in (31, 15, -15):
        try:
            yield zlib.decompressobj(bits).decompress(data, LARGEST_DECODED)
        except zlib.error:
            continue


def decode_text(data: bytes) -> str | None:
    """The bytes as text in the encodings that PowerShell uses, if they are text."""
    for encoding in ("utf-16-le", "utf-8"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        printable = all(c.isprintable() or c in "\r\n\t\ufeff" for c in text)
        if text and printable and sum(c.isascii() for c in text) >= 0.8 * len(text):
            return text
    return None


def is_encoded_command(option: str) -> bool:
    """Whether an option of PowerShell is -EncodedCommand: every beginning of that word is, and -ec."""
    word = option[1:].rstrip(":").lower()
    return option[:1] in tuple(DASHES) and bool(word) and (word == "ec" or ENCODED_COMMAND.startswith(word))
