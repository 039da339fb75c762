"""When Python looks for cycles of objects: seldom, and never while it makes what stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_rarely() -> None:
    """Looks for cycles seldom: plans are many small objects without any, and looking costs a fifth of the planning."""
    gc.set_threshold(100_000, 20, 50)


@contextmanager
def collect_nothing() -> Iterator[None]:
    """Work that makes only what stays, as importing does: it is not looked at, and later in whole collections only."""
    gc.disable()
    try:
        yield
    finally:
        # Both together: what was made is old from now on. Left frozen it would never be freed, and the engine's
        # library tells of that at the end.
        gc.freeze()
        gc.unfreeze()
        gc.enable()
