"""Folders for what is thrown away: gone with the process that made them, at the latest when the next one starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from secrets import token_hex
from shutil import rmtree
from tempfile import gettempdir

# Both kinds of lock end with the process that holds them, however it ends.
if sys.platform == "win32":
    import msvcrt
else:
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
            drop_lock(beside(self.path), self.lock)
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
    try:
        hold_lock(number)
        # Between the two calls another may have taken it for abandoned and removed it.
        if path.exists() and os.fstat(number).st_ino == path.stat().st_ino:
            return number
    except OSError:
        pass
    os.close(number)
    return -1


def hold_lock(number: int) -> None:
    """Locks an open file for this process. Raises OSError where another has it."""
    if sys.platform == "win32":
        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


def drop_lock(path: Path, number: int) -> None:
    """Removes a lock that this process holds."""
    # Windows removes no file that is open; elsewhere it goes while it is held, so that nobody takes it in between.
    if sys.platform == "win32":
        os.close(number)
        path.unlink(missing_ok=True)
    else:
        path.unlink(missing_ok=True)
        os.close(number)


def remove_abandoned_folders(prefix: str, parent: Path) -> None:
    """Removes the folders of that prefix whose process has ended without doing so."""
    for lock in parent.glob(f"{prefix}*{LOCK}"):
        try:
            number = lock_file(lock)
            if number >= 0:
                rmtree(lock.with_name(lock.name.removesuffix(LOCK)), ignore_errors=True)
                drop_lock(lock, number)
        # Another user's, or gone by now.
        except OSError:
            continue
