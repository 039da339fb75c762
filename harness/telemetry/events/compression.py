"""How files are packed: gzip, zstd, bzip2, xz, and archives of several files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from harness.record import record

# The sample of 11,321 events packs 18 to 1; a bomb packs 1,000 to 1, which is gzip's own limit.
UNPACKED_FREELY = 256 << 20
LARGEST_RATIO = 300
"""A packed file may unpack to this many times its size, or to 256 MiB; logs rarely reach 60."""

ZIP = b"PK\x03\x04"
# More members than a folder of logs has; a bound against archives made to have millions.
MOST_MEMBERS = 10_000
# What tools of Apple put beside every file, and the parts of documents that are zip archives inside.
NO_LOGS = ("__MACOSX/", ".DS_Store")
DOCUMENT_PARTS = frozenset({"[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype", "AndroidManifest.xml"})


@record
class Packing:
    """One way of packing a file: how it begins, and a reader of what is in it."""

    name: str
    magic: bytes
    open: Callable[[IO[bytes]], Any]


PACKINGS = (
    Packing("gzip", b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    Packing("zstd", b"\x28\xb5\x2f\xfd", lambda file: pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")),
    Packing("bzip2", b"BZh", bz2.BZ2File),
    Packing("xz", b"\xfd7zXZ\0", lzma.LZMAFile),
)

# pyarrow raises OSError for zstd data that are damaged, as bz2 does.
FAULTS = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError, ValueError)


def find_packing(head: bytes) -> Packing | None:
    """How content that begins so is packed; None where it is not."""
    return next((packing for packing in PACKINGS if head.startswith(packing.magic)), None)


def unpack_blocks(
    packing: Packing, file: IO[bytes], size: int, block: int, tell: Callable[[str], None]
) -> Iterator[bytes]:
    """The content in pieces up to where it is damaged or too much for what it is packed in; `tell` says which."""
    total, most = 0, max(UNPACKED_FREELY, LARGEST_RATIO * size)
    try:
        unpacked = packing.open(file)
        # read1: read() would lose what was unpacked before an error.
        take = getattr(unpacked, "read1", unpacked.read)
    except FAULTS as error:
        tell(f"{packing.name} data end here: {str(error).lower()}")
        return
    while True:
        try:
            piece = take(block)
        except FAULTS as error:
            tell(f"{packing.name} data end here: {str(error).lower()}")
            return
        if not piece:
            return
        total += len(piece)
        if total > most:
            tell(f"{packing.name} data unpack to more than {most >> 20} MiB; the rest is not read")
            return
        yield piece


def list_archive_members(path: Path) -> list[str] | None:
    """The files in a zip archive by name; None for a file that is none, or a document that only is packed so."""
    with path.open("rb") as file:
        if file.read(4) != ZIP:
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return None
    if DOCUMENT_PARTS & {*names[:MOST_MEMBERS]}:
        return None
    kept = sorted(n for n in names if not n.startswith(NO_LOGS) and not n.rpartition("/")[2].startswith("."))
    return kept[:MOST_MEMBERS]
