"""What a person chose for Sigma rules, and the state of the files that these are read with."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from pathlib import Path

from harness.record import record
from harness.scenario.pack import find_files

SIGMA_SUFFIXES = (".yml", ".yaml")
PLACEHOLDERS_BESIDE = "placeholders.yml"
LARGEST_SIGMA_FILE = 4 << 20


@record(kw_only=True)
class SigmaChoice:
    """What a person chose for Sigma rules: filters, a file of placeholders' values, pipelines, options of back ends."""

    filters: tuple[Path, ...] = ()
    placeholders: Path | None = None
    pipelines: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()

    def fingerprint(self, path: Path) -> Hashable:
        """What tells the state of a file and of all that it is read with: where they are, how long, of when."""
        others = (*self.filters, *([self.placeholders] if self.placeholders else []), *map(Path, self.pipelines))
        filters = list_filter_files(self)
        return tuple(map(read_file_state, (path, path.parent / PLACEHOLDERS_BESIDE, *others, *filters)))


def read_file_state(path: Path) -> tuple[str, int, int]:
    """A file's absolute path, its size and the time of its last change; zeros where there is none."""
    try:
        state = path.stat()
    except OSError:
        return str(path.absolute()), 0, 0
    return str(path.absolute()), state.st_size, state.st_mtime_ns


DEFAULT_CHOICE = SigmaChoice()


def list_filter_files(choice: SigmaChoice) -> Iterator[Path]:
    """The files of filters that were chosen; of a folder all that are Sigma's."""
    for path in choice.filters:
        if not path.is_dir():
            yield path
            continue
        # Text is searched before YAML is parsed, and other YAML may lie there.
        for each in find_files(path, *SIGMA_SUFFIXES):
            if b"\nfilter:" in read_unchanged_bytes(each, read_file_state(each)):
                yield each


@lru_cache(maxsize=4096)
def read_unchanged_bytes(path: Path, state: Hashable) -> bytes:
    """The bytes of a file that may hold a Sigma rule; nothing where it is too large for one."""
    return path.read_bytes() if path.stat().st_size <= LARGEST_SIGMA_FILE else b""
