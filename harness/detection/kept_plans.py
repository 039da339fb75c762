"""Plans of rules that were read before, kept in the user's cache folder by all that they follow from.

A file has the plans over one schema and one content: JSON with its own digest, never code. One that is damaged, foreign
or not the user's own counts as none. Files of other versions of the program are never read, and the oldest go first.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from harness import __version__
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.record import record

# Chosen, no source: 1,434 Sigma rules take 2 MB.
LARGEST_FILE = 64 << 20
MOST_BYTES = 256 << 20
MOST_PLANS = 20_000
"""In one file; beyond it the file begins anew."""
DIGEST_SIZE = 32
PACKAGE = Path(__file__).parents[1]
# Where the meaning of a rule is written down.
MEANING = ("detection", "scenario")


@record(kw_only=True)
class KeptPlan:
    """A plan that only filters, as `filter_json` writes it.

    `raw` says that it reads the text of events, `deviations` how many places of the rule were read leniently.
    """

    steps: list[Any]
    raw: bool = False
    deviations: int = 0


class PlanCache:
    """The plans of one run: those that were kept, and those to keep."""

    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is read or kept."""
        self.folder = folder if folder is not None and is_own_folder(folder) else None
        self.files: dict[str, dict[str, KeptPlan]] = {}
        self.fresh: dict[str, dict[str, KeptPlan]] = {}

    def plans(self, over: str) -> Mapping[str, KeptPlan]:
        """The plans that were kept for a schema and content, by the digest of the rule."""
        if over not in self.files:
            self.files[over] = read_plans(self.folder / f"{over}.json") if self.folder else {}
        return self.files[over]

    def add(self, over: str, rule: str, plan: KeptPlan) -> None:
        """Takes a plan to be kept."""
        if self.folder is not None:
            self.fresh.setdefault(over, {})[rule] = plan

    def save(self) -> None:
        """Writes what is new; a disk that is full or read-only is no fault of a rule."""
        if self.folder is None or not self.fresh:
            return
        with suppress(HarnessError, OSError):
            for over, plans in self.fresh.items():
                known = self.plans(over)
                whole = {**known, **plans} if len(known) + len(plans) <= MOST_PLANS else plans
                write_plans(self.folder / f"{over}.json", whole)
            remove_oldest(self.folder)
        self.fresh = {}


def find_cache_folder() -> Path:
    """Where this system keeps what programs can make again, and there a folder of this version of the program."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "detlab" / "Cache"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches" / "detlab"
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        # The specification: a relative path is to be ignored.
        base = (Path(given) if Path(given).is_absolute() else Path.home() / ".cache") / "detlab"
    return base / "plans" / fingerprint_program()


def fingerprint_program() -> str:
    """The version, and sizes and times of what says how a rule is meant: a checkout changes without a new version."""
    found = hashlib.sha256(f"{__version__} {sys.version}".encode())
    for folder in MEANING:
        for directory, _, names in sorted(os.walk(PACKAGE / folder)):
            for name in sorted(n for n in names if n.endswith((".py", ".tsv"))):
                held = os.stat(os.path.join(directory, name))
                found.update(f"{directory[len(str(PACKAGE)) :]}/{name} {held.st_size} {held.st_mtime_ns};".encode())
    return found.hexdigest()[:24]


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


def read_plans(path: Path) -> dict[str, KeptPlan]:
    """The plans in a file, none where it is not whole, too large or not the user's own."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with open(number, "rb") as file:
            held = os.fstat(number)
            if not stat.S_ISREG(held.st_mode) or not is_trusted(held) or held.st_size > LARGEST_FILE:
                return {}
            content = file.read(LARGEST_FILE)
        body = content[DIGEST_SIZE:]
        if hashlib.sha256(body).digest() != content[:DIGEST_SIZE]:
            return {}
        # Its use keeps it from being the oldest.
        os.utime(path)
        return msgspec.json.decode(body, type=dict[str, KeptPlan])
    # RecursionError: lists that nest too deep.
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return {}


def write_plans(path: Path, plans: Mapping[str, KeptPlan]) -> None:
    """Writes plans with their digest."""
    body = msgspec.json.encode(plans)
    if len(body) < LARGEST_FILE - DIGEST_SIZE:
        write_file(path, hashlib.sha256(body).digest() + body)
        path.chmod(0o600)


def remove_oldest(folder: Path) -> None:
    """Keeps the cache below its bound: what was not used for longest goes, other versions' files among it."""
    found = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.parent.glob("*/*.json")), reverse=True)
    size = 0
    for _, own, path in found:
        size += own
        if size > MOST_BYTES:
            path.unlink(missing_ok=True)
    for each in folder.parent.iterdir():
        if each != folder:
            # Only where it is empty.
            with suppress(OSError):
                each.rmdir()


def digest_texts(*parts: str) -> str:
    """A name for what these texts say together."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()[:40]
