"""What a command wrote, as text: UTF-8, UTF-16 or the host's own code page, line by line."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from xml.sax.saxutils import unescape

from harness.late_pattern import late_pattern
from harness.telemetry.lab.remote import LARGEST_OUTPUT, CommandLine

CUT = "\n[detlab: the rest of the output was left out]"
CLIXML_MARK = "#< CLIXML"
CLIXML_END = "</Objs>"
CLIXML_SHOWN = ('<S S="Error">', '<S S="Warning">')
CLIXML_TEXT_END = "</S>"
CLIXML_ESCAPE = late_pattern(r"_x([0-9A-Fa-f]{4})_")
OEM_CODE_PAGE = late_pattern(r"\sOEMCP\s+REG_SZ\s+([0-9]{3,5})\b")
REPLACEMENT = "\ufffd"

CodePage = Callable[[], str]


class Output:
    """One stream of a command; more than `LARGEST_OUTPUT` bytes are counted but not kept."""

    def __init__(self) -> None:
        """Nothing was written yet."""
        self.chunks: list[bytes] = []
        self.kept = 0
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Takes what came next."""
        self.size += len(chunk)
        if self.kept < LARGEST_OUTPUT:
            self.chunks.append(chunk[: LARGEST_OUTPUT - self.kept])
            self.kept += len(self.chunks[-1])

    def text(self, code_page: CodePage = lambda: "") -> str:
        """The whole as text; the host's code page is asked for only where it is needed."""
        data = b"".join(self.chunks)
        cut = CUT if self.size > self.kept else ""
        return decode_output(data, code_page, cut=bool(cut)) + cut


def decode_output(data: bytes, code_page: CodePage = lambda: "", *, cut: bool = False) -> str:
    """Bytes as text: UTF-16 where they carry its mark or are mostly its zeros, UTF-8, else line by line.

    `cut` is whether the end is missing, so that the last character may be half there.
    """
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
    codec = code_page()
    return "".join(decode_line(line, codec) for line in split_lines(data.removeprefix(codecs.BOM_UTF8)))


def split_lines(data: bytes) -> Iterator[bytes]:
    """The lines with their ends; `bytes.splitlines` would also split at a lone carriage return."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1
    yield data[start:]


def decode_line(line: bytes, codec: str) -> str:
    """One line: UTF-8 if it is, UTF-8 with strays if most of what is beyond ASCII is, else of the host's code page.

    A program that ignores the session's code page writes whole lines in its own, and two-byte code pages can only be
    read whole; a stray byte stands alone among characters that are right.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", "replace")
    strays = text.count(REPLACEMENT)
    if codec and strays >= sum(c > "\x7f" for c in text) - strays:
        return line.decode(codec, "replace")
    return text


def find_codec(number: str) -> str:
    """The codec of a Windows code page, or nothing where Python has none."""
    try:
        return codecs.lookup(f"cp{number}").name if number else ""
    except LookupError:
        return ""


def build_code_page_question() -> CommandLine:
    """Asks a host for its code page; `chcp` and GetOEMCP in a remote shell answer with that of the shell, UTF-8."""
    return CommandLine(text=r"reg query HKLM\SYSTEM\CurrentControlSet\Control\Nls\CodePage /v OEMCP")


def read_code_page(answer: str) -> str:
    """The codec that such an answer names, or nothing."""
    found = OEM_CODE_PAGE.search(answer)
    return find_codec(found[1]) if found else ""


def plain_errors(text: str) -> str:
    """PowerShell's error stream as a person reads it: errors and warnings out of its XML, progress left out."""
    plain, at = [], 0
    # No regular expression: one with `.*?` before an end that never comes costs the square of what a host sends.
    while (start := text.find(CLIXML_MARK, at)) >= 0 and (end := text.find(CLIXML_END, start)) >= 0:
        plain += [text[at:start], *list_clixml_errors(text[start:end])]
        at = end + len(CLIXML_END)
    return "".join(plain) + text[at:]


def list_clixml_errors(text: str) -> Iterator[str]:
    """The errors and warnings of a piece of CLIXML."""
    for piece in text.split("<S S=")[1:]:
        kind, _, rest = f"<S S={piece}".partition(">")
        message, closed, _ = rest.partition(CLIXML_TEXT_END)
        if closed and f"{kind}>" in CLIXML_SHOWN:
            yield decode_clixml(message)


def decode_clixml(text: str) -> str:
    """One text of CLIXML, with its own escapes undone: they are UTF-16, so what is beyond it comes as two halves."""
    plain = CLIXML_ESCAPE.sub(lambda m: chr(int(m[1], 16)), unescape(text, {"&apos;": "'", "&quot;": '"'}))
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\r\n", "\n")


def printable(text: str, most: int = 100) -> str:
    """A stranger's text as part of a sentence: short, and without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else "?" for c in text[:most]) + ("..." if len(text) > most else "")
