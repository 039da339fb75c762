"""What a program on a host wrote, as text: chunks joined, encodings sorted out, PowerShell's XML read."""

from __future__ import annotations

import re
from xml.sax.saxutils import unescape

from harness.telemetry.lab.remote import LARGEST_OUTPUT

CLIXML = re.compile(r"#< CLIXML\s*(<Objs.*?</Objs>)", re.DOTALL)
ERRORS = re.compile(r'<S S="(?:Error|Warning)">(.*?)</S>', re.DOTALL)
CLIXML_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
CUT = "\n[detlab: the rest of the output was left out]"


class Output:
    """One stream of a command; more than `LARGEST_OUTPUT` bytes are counted but not kept."""

    def __init__(self) -> None:
        """An empty stream."""
        self.chunks: list[bytes] = []
        self.kept = 0
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Adds a chunk; bytes beyond LARGEST_OUTPUT are counted only."""
        self.size += len(chunk)
        if self.kept < LARGEST_OUTPUT:
            self.chunks.append(chunk[: LARGEST_OUTPUT - self.kept])
            self.kept += len(self.chunks[-1])

    def text(self) -> str:
        """The whole as text; a program that does not write UTF-8 is read as the old code page of DOS."""
        data = b"".join(self.chunks)
        cut = CUT if self.size > self.kept else ""
        return decode_output(data, cut=bool(cut)) + cut


def decode_output(data: bytes, *, cut: bool = False) -> str:
    """Bytes as text: UTF-16 where they carry its mark or are mostly its zeros, UTF-8, else code page 437."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    # ASCII in UTF-16 without its mark: three quarters of the odd bytes are zero.
    if len(data) > 3 and data[1:64:2].count(0) > len(data[1:64:2]) * 3 // 4:
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Cut within a letter, which has at most four bytes.
        if cut and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8-sig")
        # Every byte is a letter there, so nothing is lost.
        return data.decode("cp437")


def plain_errors(text: str) -> str:
    """PowerShell's error stream as a person reads it: errors and warnings out of its XML, progress left out."""
    return CLIXML.sub(lambda m: "".join(unclixml(e) for e in ERRORS.findall(m[1])), text)


def unclixml(text: str) -> str:
    """One text of CLIXML, with its own escapes undone."""
    return CLIXML_ESCAPE.sub(lambda m: chr(int(m[1], 16)), unescape(text, {"&apos;": "'", "&quot;": '"'})).replace(
        "\r\n", "\n"
    )
