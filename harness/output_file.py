"""Files that are written whole: beside their place, and put there when they are complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from harness.diagnostics import HarnessError


def write_file(path: Path, content: bytes) -> None:
    """Writes a file; until all of it is on the disk a former one stays. Raises HarnessError where it cannot be."""
    with replace_file(path) as beside:
        beside.write_bytes(content)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A name to write to, whose file takes the place of `path` when the block ends without an error.

    Raises HarnessError where the file cannot be written; nothing is left beside it then.
    """
    try:
        # Devices and pipes (/dev/stdout, a named pipe) are written to: a file in their place would be another thing.
        if path.exists() and not path.is_file():
            yield path
            return
        # A link stays one, and what it leads to is replaced.
        target = Path(os.path.realpath(path))
        # A rename would not ask the file itself.
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        # The suffix stays: drawing chooses its format by it.
        beside = target.with_name(f".{target.stem[:100]}-{token_hex(4)}{target.suffix}")
        try:
            yield beside
            with beside.open("rb+") as written:
                # A rename may reach the disk before what was written does.
                os.fsync(written.fileno())
            if target.exists():
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise HarnessError("unwritable", f"{path}: {(error.strerror or str(error)).lower()}") from error
