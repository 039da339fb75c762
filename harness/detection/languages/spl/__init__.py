"""SPL, the search processing language of Splunk."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """The language, imported when it is asked for: a table of its switches needs neither parser nor planner."""
    if name != "LANGUAGE":
        raise AttributeError(name)
    return import_module(f"{__name__}.language").LANGUAGE
