"""Where a project's settings are: the nearest `detlab.yaml` above a folder that nobody else can have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.record import record

SETTINGS_FILE = "detlab.yaml"
REPOSITORY_MARKS = (".git", ".hg", ".svn")


@record(kw_only=True)
class SettingsPlace:
    """A settings file that was found; `refused` says why it does not count, and is empty where it does."""

    path: Path
    refused: str = ""


def find_settings_file(folder: Path, most_folders: int | None = None) -> SettingsPlace | None:
    """The nearest settings file in a folder or above it, as far as its repository or the home folder goes.

    What lies above a repository is somebody else's, whoever wrote it. `most_folders` are looked at, if given. A file
    that does not count ends the search, so that it can be told.
    """
    for above in list_project_folders(folder)[:most_folders]:
        path = above / SETTINGS_FILE
        if path.is_file():
            return SettingsPlace(path=path, refused=explain_distrust(path))
    return None


def list_project_folders(folder: Path) -> list[Path]:
    """The folder and those above it up to the root of its repository, else up to the home folder or the file system."""
    here, home = folder.resolve(), find_home()
    found = []
    for above in (here, *here.parents):
        found.append(above)
        if above == home or any((above / mark).exists() for mark in REPOSITORY_MARKS):
            break
    return found


def find_home() -> Path | None:
    """The home folder of who runs this, if there is one."""
    try:
        return Path.home().resolve()
    except (RuntimeError, OSError):
        return None


def explain_distrust(path: Path) -> str:
    """Why a file may say what somebody else wants; empty where it cannot.

    A group counts as others unless it is one's own first one: many systems give each user such a group, which may
    write.
    """
    # Windows keeps such rights in lists that Python does not read.
    if not hasattr(os, "getuid"):
        return ""
    for each in (path, path.parent):
        try:
            held = each.stat()
        except OSError:
            return "it cannot be looked at"
        # In a folder with the sticky bit nobody replaces what is another's.
        kept = stat.S_ISDIR(held.st_mode) and bool(held.st_mode & stat.S_ISVTX)
        if held.st_uid not in (0, os.getuid()):
            return f"{each} belongs to another user"
        if held.st_mode & stat.S_IWOTH and not kept:
            return f"everybody may write {each}"
        if held.st_mode & stat.S_IWGRP and held.st_gid not in (0, os.getgid()) and not kept:
            return f"a group of other users may write {each}"
    return ""
