"""Nested values as fields: the text of one JSON value, and all that an object holds under paths such as `a.b[0]`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def print_json_value(value: Any) -> str:
    """A JSON value as text: text bare, all else as JSON without blanks."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def walk_leaves(
    value: Any, name: str = "", depth: int = 0, *, deepest: int, widest: int | None = None
) -> Iterator[tuple[str, Any]]:
    """Each array and each leaf of a nested value under its path, an array before its elements.

    What lies deeper is left out, and so is what stands behind the `widest` elements of an array.
    """
    if depth > deepest:
        return
    if isinstance(value, dict):
        for key, member in value.items():
            inner = f"{name}.{key}" if name else key
            yield from walk_leaves(member, inner, depth + 1, deepest=deepest, widest=widest)
        return
    yield name, value
    if isinstance(value, list):
        for i, member in enumerate(value[:widest]):
            yield from walk_leaves(member, f"{name}[{i}]", depth + 1, deepest=deepest, widest=widest)


# Far above what shippers send; Python's own recursion would end near 1,000.
DEEPEST_OBJECT = 50


def flat_fields(value: Mapping[str, Any]) -> dict[str, str]:
    """An object's fields; objects that are flat already, as most are, cost next to nothing."""
    # One look at the types instead of a call a value: most events are flat already.
    kinds = {*map(type, value.values())}
    if kinds == {str}:
        return dict(value)
    if kinds <= {str, int}:
        return {name: inner if type(inner) is str else str(inner) for name, inner in value.items()}
    return dict(flatten_object(value))


def flatten_object(
    value: Mapping[str, Any], prefix: str = "", *, empty: str | None = None, depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Names and texts of all values in an object; null is absent unless `empty` stands for it.

    Raises ValueError where objects lie too deep in one another.
    """
    for name, inner in value.items():
        yield from flat(f"{prefix}{name}", inner, empty, depth)


def flat(name: str, value: Any, empty: str | None, depth: int) -> Iterator[tuple[str, str]]:
    """One value as fields: itself, or what it holds."""
    if isinstance(value, str):
        yield name, value
    elif value is None:
        if empty is not None:
            yield name, empty
    # Before numbers, which bool is one of in Python; the words are those of Windows' XML.
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif isinstance(value, (dict, list)):
        if depth >= DEEPEST_OBJECT:
            raise ValueError(f"objects lie more than {DEEPEST_OBJECT} deep in one another")
        if isinstance(value, dict):
            yield from flatten_object(value, f"{name}.", empty=empty, depth=depth + 1)
        else:
            for i, item in enumerate(value):
                yield from flat(f"{name}[{i}]", item, empty, depth + 1)
    # From foreign Parquet only: JSON has no bytes.
    elif isinstance(value, bytes):
        yield name, value.decode("utf-8", "replace")
    else:
        yield name, str(value)
