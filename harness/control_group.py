"""Which files say how much memory a process may use: those of its control group, and of all that it is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CONTROL_GROUPS, OWN_CONTROL_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def list_limit_files(root: Path = CONTROL_GROUPS, own: Path = OWN_CONTROL_GROUPS) -> Iterator[Path]:
    """The files that may limit the memory of this process: those of its control group and of all above it.

    `own` says which groups those are: `0::/a/b` in version 2, `4:memory:/a/b` in version 1.
    """
    groups = {root / "memory.max", root / "memory" / "memory.limit_in_bytes"}
    with suppress(OSError):
        for line in own.read_text(encoding="utf-8").splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0" or "memory" in controllers.split(","):
                base, name = (root, "memory.max") if number == "0" else (root / "memory", "memory.limit_in_bytes")
                # A container may see its own group as the root, and name it by a path outside.
                group = Path(path.lstrip("/"))
                groups |= {base / part / name for part in (group, *group.parents) if ".." not in part.parts}
    yield from sorted(groups)
