"""A module that is imported when something of it is first asked for."""

from __future__ import annotations

from importlib import import_module
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
