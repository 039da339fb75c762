"""Folders for what is thrown away: gone with the process that made them, at the latest when the next one starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import gettempdir

# Windows has no such locks; there a killed process leaves its folder to the cleaning of the system.
if sys.platform != "win32":
    import fcntl

LOCK = ".lock"
"""What the name of the file that says that a folder is in use ends in."""


class ScratchFolder:
    """A folder of this process alone; a lock beside it, which ends with the process, tells others that it is in use."""

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        """Makes a folder of that prefix, in the system's folder for such if none is given, and removes abandoned ones.

        Raises OSError where no folder can be made.
        """
        parent = parent or Path(gettempdir())
        remove_abandoned_folders(prefix, parent)
        self.path, self.lock = parent, -1
        while self.lock < 0:
            self.path = parent / f"{prefix}{token_hex(6)}"
            # Before the folder: a process that is killed between the two leaves a lock, which is found.
            self.lock = lock_file(beside(self.path))
        self.path.mkdir(mode=0o700)

    def release(self) -> None:
        """Gives up the folder's lock: what it holds has become something else, or is gone."""
        if self.lock >= 0:
            beside(self.path).unlink(missing_ok=True)
            os.close(self.lock)
            self.lock = -1

    def remove(self) -> None:
        """Removes the folder and all that is in it."""
        rmtree(self.path, ignore_errors=True)
        self.release()


def beside(folder: Path) -> Path:
    """The lock of a folder."""
    return folder.with_name(folder.name + LOCK)


def lock_file(path: Path) -> int:
    """A lock's number, made and held; -1 where another process was faster."""
    number = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    if sys.platform == "win32":
        return number
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the two calls another may have taken it for abandoned and removed it.
        if path.exists() and os.fstat(number).st_ino == path.stat().st_ino:
            return number
    except OSError:
        pass
    os.close(number)
    return -1


def remove_abandoned_folders(prefix: str, parent: Path) -> None:
    """Removes the folders of that prefix whose process has ended without doing so."""
    if sys.platform == "win32":
        return
    for lock in parent.glob(f"{prefix}*{LOCK}"):
        try:
            number = lock_file(lock)
        # Another user's, or gone by now.
        except OSError:
            continue
        if number >= 0:
            rmtree(lock.with_name(lock.name.removesuffix(LOCK)), ignore_errors=True)
            lock.unlink(missing_ok=True)
            os.close(number)
