"""A store takes the place of what was there when it is whole; until then nothing bears its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.scratch_folder import ScratchFolder
from harness.telemetry.events.event import Cause
from harness.telemetry.store.manifest import CAUSES_FILE, is_store

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")


def check_place(folder: Path, *, replace: bool = True) -> None:
    """Raises HarnessError where something is that is no empty folder, nor a store that may be replaced."""
    try:
        known = replace and is_store(folder)
        taken = folder.exists() and not known and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise unwritable(folder, error) from error
    if taken and is_store(folder):
        hint = "name a new folder, or add --overwrite"
        raise HarnessError("already-there", f"{folder} is there already", help=hint)
    if taken:
        message = f"{folder} is there already and is no store"
        raise HarnessError("already-there", message, help="name a new folder")


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A folder beside to write a store to, which takes the place of `folder` when the block ends without an error.

    Until then an older store stays. Raises HarnessError where it cannot be written.
    """
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = ScratchFolder(f".{target.name[:100]}.part-", target.parent)
        try:
            yield made.path
            made.path.chmod(0o777 & ~read_umask())
            old = made.path.with_name(f"{made.path.name}.old")
            if target.exists():
                # Renamed and not removed: a store that is half there never bears the name.
                target.rename(old)
            made.path.rename(target)
            rmtree(old, ignore_errors=True)
        finally:
            made.remove()
    except OSError as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> HarnessError:
    """What is said of a folder that cannot be written."""
    return HarnessError("unwritable", f"{folder}: {(error.strerror or str(error)).lower()}")


def read_umask() -> int:
    """Which rights new files of this process do not get."""
    # There is no way to read it without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def write_causes(folder: Path, causes: Sequence[Cause]) -> int:
    """Writes who caused events, by number; says how many they are."""
    if causes:
        names = ("name", "malicious", "host", "detail")
        rows = [asdict(cause) for cause in causes]
        pq.write_table(pa.table({n: [row[n] for row in rows] for n in names}), folder / CAUSES_FILE, compression="zstd")
    return len(causes)
