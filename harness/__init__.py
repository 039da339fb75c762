"""detlab: proves detections by running the text of a published rule on telemetry.

From Python: `harness.query`, `explain`, `simulate`, `judge` and `tune`; docs/library.md shows them. Their types stand
in `__init__.pyi`, since every stage imports this file for its version, and none may import the library above it.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "explain", "judge", "query", "simulate", "tune"]


def find_public_name(name: str) -> Any:
    """A function of `harness.api`, which is imported when one is first asked for: commands need none of it."""
    if name in __all__:
        return getattr(import_module("harness.api"), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def list_public_names() -> list[str]:
    """The names of the module with those that come late."""
    return sorted({*globals(), *__all__})


# What Python asks a module for a name that it does not have, and for all of them.
__getattr__, __dir__ = find_public_name, list_public_names
