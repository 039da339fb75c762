"""A journal of what was received: written and synced before anybody is told that it was taken."""

from __future__ import annotations

import asyncio
import os
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

RECORD_HEAD = struct.Struct("<II")
"""Before each record: its length and its checksum."""
SEGMENT = 64 << 20
"""Bytes of a file of the journal, from which on a new one is begun."""
# Chosen, no source: what waits to be written is held in memory.
MOST_WAITING = 64 << 20


class EventJournal:
    """Records appended to files that are named by the place where they begin; places count bytes over all files."""

    def __init__(self, folder: Path) -> None:
        """Goes on where the last whole record ends: what a crash has torn is cut off."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        files = list_segments(folder)
        self.end = max((begin + find_sound_end(file) for begin, file in files), default=0)
        self.begin = files[-1][0] if files else 0
        self.file = os.open(segment_path(folder, self.begin), os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self.file, self.end - self.begin)
        os.lseek(self.file, 0, os.SEEK_END)
        self.waiting: list[bytes] = []
        self.waited = 0
        self.told: list[tuple[asyncio.Future[int], int]] = []
        self.writes = asyncio.Lock()

    async def append(self, record: bytes) -> int:
        """The place behind a record, once it is on the disk. Raises BufferError where too much waits, OSError."""
        if self.waited > MOST_WAITING:
            raise BufferError("too much waits to be written")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting += (RECORD_HEAD.pack(len(record), zlib.crc32(record)), record)
        self.waited += RECORD_HEAD.size + len(record)
        self.told.append((done, RECORD_HEAD.size + len(record)))
        async with self.writes:
            # Whoever comes first writes for all that came since: one sync serves many clients.
            if not done.done():
                await self.write_waiting()
        return await done

    async def write_waiting(self) -> None:
        """Writes what waits, and tells those who wait for it."""
        waiting, told, size = self.waiting, self.told, self.waited
        self.waiting, self.told = [], []
        try:
            await asyncio.to_thread(self.write, b"".join(waiting))
        except OSError as error:
            self.waited -= size
            os.ftruncate(self.file, self.end - self.begin)
            for done, _ in told:
                if not done.done():
                    done.set_exception(OSError(error.errno, error.strerror))
            return
        self.waited -= size
        for done, own in told:
            self.end += own
            if not done.done():
                done.set_result(self.end)
        if self.end - self.begin >= SEGMENT:
            self.begin_segment()

    def write(self, whole: bytes) -> None:
        """Writes bytes and waits until the disk has them."""
        view = memoryview(whole)
        while view:
            view = view[os.write(self.file, view) :]
        os.fdatasync(self.file)

    def begin_segment(self) -> None:
        """Goes on in a new file."""
        os.close(self.file)
        self.begin = self.end
        self.file = os.open(segment_path(self.folder, self.begin), os.O_RDWR | os.O_CREAT, 0o600)
        sync_directory(self.folder)

    def close(self) -> None:
        """Closes the file."""
        os.close(self.file)


def sync_directory(folder: Path) -> None:
    """Waits until the disk has the names of new files."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def segment_path(folder: Path, begin: int) -> Path:
    """The file of the journal that begins at a place."""
    return folder / f"{begin:020}.journal"


def list_segments(folder: Path) -> list[tuple[int, Path]]:
    """The files of a journal, each with the place where it begins."""
    return sorted((int(p.stem), p) for p in folder.glob("*.journal") if p.stem.isdigit())


def find_sound_end(file: Path) -> int:
    """How many bytes of a file are whole records."""
    end = 0
    for record in read_segment(file, 0):
        end += RECORD_HEAD.size + len(record)
    return end


def read_segment(file: Path, start: int) -> Iterator[bytes]:
    """The whole records of a file from a byte on, up to the first that is torn."""
    with file.open("rb") as opened:
        opened.seek(start)
        while len(head := opened.read(RECORD_HEAD.size)) == RECORD_HEAD.size:
            length, checksum = RECORD_HEAD.unpack(head)
            # A torn length would ask for more memory than there is.
            if length > 4 * SEGMENT:
                return
            record = opened.read(length)
            if len(record) < length or zlib.crc32(record) != checksum:
                return
            yield record


def read_records(folder: Path, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The records between two places, each with the place behind it."""
    for first, file in list_segments(folder):
        size = file.stat().st_size
        if first + size <= begin or first >= end:
            continue
        place = max(first, begin)
        for record in read_segment(file, place - first):
            place += RECORD_HEAD.size + len(record)
            if place > end:
                return
            yield place, record


def drop_segments(folder: Path, before: int) -> None:
    """Removes the files of which all records lie before a place; the one that is written to stays."""
    files = list_segments(folder)
    for (_, file), (following, _) in pairwise(files):
        if following <= before:
            file.unlink(missing_ok=True)
