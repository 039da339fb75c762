"""The first array of pyarrow: for it pandas would be imported where it is installed, as long as a short run takes."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import pyarrow as pa


class NoPandas(MetaPathFinder):
    """Says of pandas that it is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas, knows nothing of other modules."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def make_first_array() -> None:
    """Lets pyarrow look for pandas while it is hidden; whoever asks for `to_pandas` later gets it all the same."""
    # pyarrow 26 tries once, in `_is_array_like` of the first list it is given, and remembers what came of it.
    if "pandas" in sys.modules:
        return
    hidden = NoPandas()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(hidden)
