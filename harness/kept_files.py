"""Files in the user's cache folder: whole by their own digest, the user's alone, bounded in number of bytes.

What is kept can be made again, so a disk that is full, a file that is damaged and one that others may write count as
nothing kept. The folder of a kind holds one folder for each version of the program, whose files no other version reads.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

DIGEST_SIZE = 32
PACKAGE = Path(__file__).parent
# Chosen, no source: the plans of 1,434 Sigma rules take 2 MB, a verdict some kilobytes.
LARGEST_FILE = 64 << 20
MOST_BYTES = 256 << 20
"""Of one kind; what was not used for longest goes first."""


def find_cache_folder(kind: str, program: str) -> Path:
    """Where this system keeps what programs can make again, and there the folder of a kind and a program."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "detlab" / "Cache"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches" / "detlab"
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        # The specification: a relative path is to be ignored.
        base = (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "detlab"
    return base / kind / program


def is_own_folder(folder: Path) -> bool:
    """Makes the folder, and says whether it is the user's alone: others could say there what a rule means."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(held.st_mode) and is_trusted(held)


def is_trusted(held: os.stat_result) -> bool:
    """Whether nobody else may write it."""
    if not hasattr(os, "getuid"):
        return True
    return held.st_uid == os.getuid() and not held.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read_kept_file(path: Path) -> bytes | None:
    """What a file holds; None where it is not whole, too large, a link or not the user's own."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with open(number, "rb") as file:
            held = os.fstat(number)
            if not stat.S_ISREG(held.st_mode) or not is_trusted(held) or held.st_size > LARGEST_FILE:
                return None
            content = file.read(LARGEST_FILE)
        body = content[DIGEST_SIZE:]
        if hashlib.sha256(body).digest() != content[:DIGEST_SIZE]:
            return None
        # Its use keeps it from being the oldest.
        os.utime(path)
    except OSError:
        return None
    return body


def write_kept_file(path: Path, body: bytes) -> None:
    """Writes content with its digest; a disk that is full or read-only is no fault of a rule."""
    if len(body) >= LARGEST_FILE - DIGEST_SIZE:
        return
    beside = path.with_name(f".{path.stem[:40]}-{token_hex(4)}")
    with suppress(OSError):
        try:
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            # Without a sync: a torn file has another digest, and waiting for the disk costs more than the work saved.
            with open(number, "wb") as file:
                file.write(hashlib.sha256(body).digest() + body)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def remove_oldest(folder: Path, most: int = MOST_BYTES) -> None:
    """Keeps all files of a kind below a bound: other versions' are among them; `folder` is this version's."""
    with suppress(OSError):
        found = [(held.st_mtime, held.st_size, path) for path, held in list_kept_files(folder.parent)]
        size = 0
        for _, own, path in sorted(found, reverse=True):
            size += own
            if size > most:
                path.unlink(missing_ok=True)
        for each in folder.parent.iterdir():
            if each != folder:
                # Only where it is empty.
                with suppress(OSError):
                    each.rmdir()


def list_kept_files(kind: Path) -> list[tuple[Path, os.stat_result]]:
    """All files of all versions, half-written ones that a killed process left among them."""
    return [(path, path.lstat()) for path in kind.glob("*/*")]


def digest_texts(*parts: str) -> str:
    """A name for what these texts say together."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()[:40]
