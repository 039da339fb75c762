"""The objects and arrays that names of fields such as `a.b[0]` spell."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.json import catch_bad_json, decode_json, encode_compact_json
from harness.late_pattern import late_pattern
from harness.record import record

# Four digits: `a[999999999]` must not make so many nulls.
NAME_PART = late_pattern(r"((?:[^.\[]|\[(?!\d{1,4}\]))+)|\[(\d{1,4})\]")
JSON_NUMBER = late_pattern(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def nest_json_names(text: str, numbers: bool) -> str | None:
    """An object with the objects and arrays that its names spell; a name that fits nowhere stays as it is."""
    flat = decode_json(text)
    if not isinstance(flat, dict):
        return None
    return encode_compact_json(nest_fields({n: free_number(v) if numbers else v for n, v in flat.items()}))


def nest_fields(flat: Mapping[str, Any]) -> Any:
    """The objects and arrays that fields a.b[0] are; nulls are left out, what fits nowhere keeps its whole name."""
    root: JSONBranch = {}
    for name, value in flat.items():
        if value is not None and not put_at_name(root, name, value):
            root[name] = JSONLeaf(value)
    return close_json_branch(root)


@record
class JSONLeaf:
    """A value in what is being put together."""

    value: Any


JSONBranch = dict[str | int, "JSONBranch | JSONLeaf"]
"""Members of an object or an array that is being put together; those of an array have numbers."""


def put_at_name(root: JSONBranch, name: str, value: Any) -> bool:
    """Puts a value where its name says; false where another value is in the way."""
    steps: list[str | int] = [key or int(place or "0") for key, place in NAME_PART.findall(name)]
    branch: JSONBranch | JSONLeaf = root
    for step in steps[:-1]:
        if isinstance(branch, JSONLeaf) or (branch and mixes(branch, step)):
            return False
        branch = branch.setdefault(step, {})
    if not steps or isinstance(branch, JSONLeaf) or steps[-1] in branch or (branch and mixes(branch, steps[-1])):
        return False
    branch[steps[-1]] = JSONLeaf(value)
    return True


def mixes(branch: JSONBranch, step: str | int) -> bool:
    """Whether a step is a place among keys, or a key among places."""
    return isinstance(next(iter(branch)), int) != isinstance(step, int)


def close_json_branch(branch: JSONBranch | JSONLeaf) -> Any:
    """The object, the array or the value."""
    if isinstance(branch, JSONLeaf):
        return branch.value
    places = [k for k in branch if isinstance(k, int)]
    if not places:
        return {str(k): close_json_branch(v) for k, v in branch.items() if v}
    return [close_json_branch(branch.get(i, JSONLeaf(None))) for i in range(max(places) + 1)]


def free_number(value: Any) -> Any:
    """The number that a text spells, in an array too."""
    if isinstance(value, list):
        return [free_number(v) for v in value]
    return json.loads(value) if isinstance(value, str) and JSON_NUMBER.fullmatch(value) else value


NESTED_FIELD_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.json_nested: catch_bad_json(nest_json_names)}
