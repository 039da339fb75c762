"""Plans of rules that were read before, kept in the user's cache folder by all that they follow from.

A file has the plans over one schema and one content: JSON with its own digest, never code. One that is damaged, foreign
or not the user's own counts as none. Files of other versions of the program are never read, and the oldest go first.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from harness import __version__
from harness.kept_files import PACKAGE, find_cache_folder, is_own_folder, read_kept_file, remove_oldest, write_kept_file
from harness.record import record

# Chosen, no source: 1,434 Sigma rules take 2 MB.
MOST_PLANS = 20_000
"""In one file; beyond it the file begins anew."""
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
        for over, plans in self.fresh.items():
            known = self.plans(over)
            whole = {**known, **plans} if len(known) + len(plans) <= MOST_PLANS else plans
            write_kept_file(self.folder / f"{over}.json", msgspec.json.encode(whole))
        remove_oldest(self.folder)
        self.fresh = {}


def find_plan_folder() -> Path:
    """Where plans of this version are kept."""
    return find_cache_folder("plans", fingerprint_program())


def fingerprint_program() -> str:
    """The version, and sizes and times of what says how a rule is meant: a checkout changes without a new version."""
    found = hashlib.sha256(f"{__version__} {sys.version}".encode())
    for folder in MEANING:
        for directory, _, names in sorted(os.walk(PACKAGE / folder)):
            for name in sorted(n for n in names if n.endswith((".py", ".tsv"))):
                held = os.stat(os.path.join(directory, name))
                found.update(f"{directory[len(str(PACKAGE)) :]}/{name} {held.st_size} {held.st_mtime_ns};".encode())
    return found.hexdigest()[:24]


def read_plans(path: Path) -> dict[str, KeptPlan]:
    """The plans in a file, none where it is not whole or says something else."""
    body = read_kept_file(path)
    try:
        return msgspec.json.decode(body, type=dict[str, KeptPlan]) if body is not None else {}
    # RecursionError: lists that nest too deep.
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return {}
