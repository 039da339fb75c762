"""Other names of fields: what a team's rules call a field that events have under its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

F = TypeVar("F")
ALIAS = "field:"
"""What stands before the new name in a condition: `field:process_path=Image`."""


def list_aliases(found: Mapping[str, F | None], conditions: Mapping[str, str]) -> Iterator[tuple[str, F]]:
    """Fields under the names that conditions give them, of several the first that there is.

    As with the add-ons, an alias gives way to a field that events have under that name themselves.
    """
    for name, value in conditions.items():
        alias = name.removeprefix(ALIAS)
        if alias == name or found.get(alias) is not None:
            continue
        field = next((f for f in map(found.get, value.split()) if f is not None), None)
        if field is not None:
            yield alias, field
