"""Modules that are imported when something of them is first asked for, or not at all."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import Any


class LateModule:
    """Stands for a library that few runs need and that takes long to import."""

    def __init__(self, name: str) -> None:
        """Nothing is imported, and nobody knows yet whether there is a module of that name."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """What the module has under that name; it is found at once when it is asked for again."""
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value


class NoPandas(MetaPathFinder):
    """Says of pandas that it is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas, knows nothing of other modules."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def make_first_array() -> None:
    """Lets pyarrow look for pandas while it is hidden; whoever asks for `to_pandas` later gets it all the same.

    It would import pandas for the first array, where that is installed: as long as a whole short run takes.
    """
    # pyarrow 26 tries once, in `_is_array_like` of the first list it is given, and remembers what came of it.
    if "pandas" in sys.modules:
        return
    hidden = NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        import_module("pyarrow").array([])
    finally:
        sys.meta_path.remove(hidden)
