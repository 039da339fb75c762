"""JSON texts: paths, values at them, changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.numbers import print_shortest_number
from harness.late_pattern import late_pattern
from harness.telemetry.events.json_values import print_json_value

JSON_PATH_STEP = late_pattern(r"""\.?"((?:[^"\\]|\\.)*)"|\.([^.\[\]"]+)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]""")
# Chosen, no source: each path can become a field, and a document that uses data for names has one for each value.
MOST_PATHS = 2_000


def json_steps(path: str) -> list[str | int | None] | None:
    """The steps of a path such as `$.a."b c"[0][*]`: a key, a place, None for all; None if it is no path."""
    rest = path.removeprefix("$")
    if rest and rest[0] not in '.["':
        rest = "." + rest
    steps: list[str | int | None] = []
    at = 0
    while at < len(rest):
        found = JSON_PATH_STEP.match(rest, at)
        if not found:
            return None
        quoted, plain, place, every, single = found.groups()
        # Three ways to write a key: "quoted", plain after a dot, and ['single'] as JSONPath has it.
        key = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain if plain is not None else single
        steps.append(None if every else int(place) if place is not None else key)
        at = found.end()
    return steps


def normalise_json_path(path: str) -> str | None:
    """The path as engines write it, each key quoted."""
    steps = json_steps(path)
    if steps is None:
        return None
    return print_json_path(steps)


def print_json_path(steps: Iterable[str | int | None]) -> str:
    """Steps as the path that engines read, each key quoted."""
    return "$" + "".join(written_step(s) for s in steps)


def written_step(step: str | int | None) -> str:
    """One step as engines write it."""
    if step is None:
        return "[*]"
    if isinstance(step, int):
        return f"[{step}]"
    return '."' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'


def find_values_at_path(text: str, path: str) -> list[Any]:
    """The values at a path in a JSON text, nulls left out."""
    steps = json_steps(path)
    try:
        found = find_values_at_steps(json.loads(text), steps) if steps is not None else []
    # Python's json gives up at about a thousand levels.
    except (ValueError, RecursionError):
        return []
    return [f for f in found if f is not None]


def extract_json_text(text: str, path: str) -> str | None:
    """The value at a path, the first of several."""
    found = find_values_at_path(text, path)
    return print_json_value(found[0]) if found else None


def extract_json_texts(text: str, path: str) -> list[str] | None:
    """Every value that a path reaches."""
    return [print_json_value(f) for f in find_values_at_path(text, path)] or None


def compute_json_paths(text: str) -> list[str] | None:
    """Paths to all values that are no object or array, each once."""
    try:
        pending: list[tuple[str, Any]] = [("$", json.loads(text))]
    except (ValueError, RecursionError):
        return None
    found: dict[str, None] = {}
    while pending and len(found) < MOST_PATHS:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += ((path + written_step(key), child) for key, child in reversed(value.items()))
        elif isinstance(value, list):
            # Reversed, since the last one put on the stack is looked at first.
            pending += ((path + "[*]", child) for child in reversed(value))
        elif value is not None:
            found[path] = None
    return [*found] or None


JSON_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.json_text: extract_json_text,
    ops.json_list: extract_json_texts,
    ops.json_paths: compute_json_paths,
}


# Both chosen, no source: characters far above an event, far below what would take a second to parse for each; 200
# levels stay far below Python's limit of about a thousand.
LONGEST_DOCUMENT = 4_000_000
DEEPEST_DOCUMENT = 200
BRACKET = late_pattern(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.S)
Steps = list[str | int | None]
Change = Callable[[Any], Any]


class NotJSON(ValueError):
    """A text that is no JSON."""


def decode_json(text: str) -> Any:
    """The value of a JSON text; whole numbers are such however they are written."""
    if len(text) > LONGEST_DOCUMENT or depth(text) > DEEPEST_DOCUMENT:
        raise NotJSON
    try:
        return json.loads(text, parse_float=parse_json_number, parse_constant=refuse_json_constant)
    except (ValueError, RecursionError) as error:
        raise NotJSON from error


def depth(text: str) -> int:
    """How deep arrays and objects nest, counted only where there are many."""
    # Too few brackets to nest too deep, which spares most texts the count.
    if text.count("[") + text.count("{") <= DEEPEST_DOCUMENT:
        return 0
    now = most = 0
    for found in BRACKET.finditer(text):
        now += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found.group(), 0)
        most = max(most, now)
    return most


def parse_json_number(digits: str) -> float | int:
    """A number, without a fraction that is none."""
    value = float(digits)
    # Below 1e15 an integer is written without exponent in both ways.
    return int(value) if value == value and abs(value) < 1e15 and value == int(value) else value


def refuse_json_constant(word: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise NotJSON(word)


def encode_compact_json(value: Any) -> str:
    """A value as JSON without blanks."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except RecursionError as error:
        raise NotJSON from error


def compute_json_value(text: str) -> str:
    """Text as a JSON value: an object or an array is itself, other text is quoted."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return encode_compact_json(decode_json(text))
        except NotJSON:
            pass
    return encode_compact_json(text)


def compute_json_inferred(text: str) -> str:
    """Text as the JSON value that it spells, null if it spells none."""
    try:
        return encode_compact_json(decode_json(text.strip()))
    except NotJSON:
        return "null"


def compute_json_native(text: str) -> str | None:
    """What a JSON text holds: a text bare, null as null, all else as JSON; null of what is no JSON."""
    try:
        value = decode_json(text)
    except NotJSON:
        return None
    return value if isinstance(value, str) else None if value is None else print_json_as_field(value)


def print_json_as_field(value: Any) -> str:
    """A value as a field shows it."""
    return print_shortest_number(value) if isinstance(value, float) else encode_compact_json(value)


def find_values_at_steps(value: Any, steps: Steps) -> list[Any]:
    """The values at the end of some steps."""
    found = [value]
    for step in steps:
        if step is None:
            found = [child for v in found if isinstance(v, list) for child in v]
        elif isinstance(step, int):
            found = [v[step] for v in found if isinstance(v, list) and step < len(v)]
        else:
            found = [v[step] for v in found if isinstance(v, dict) and step in v]
    return found


def compute_json_part(text: str, path: str) -> str | None:
    """The JSON at a path, all of it as an array where the path has [*]; null if it is not there."""
    steps = json_steps(path)
    if steps is None:
        return None
    try:
        found = find_values_at_steps(decode_json(text), steps)
    except NotJSON:
        return None
    if None in steps:
        return encode_compact_json(found) if found else None
    return encode_compact_json(found[0]) if found else None


def compute_json_elements(text: str) -> list[str] | None:
    """The elements of an array, each as JSON; null of anything else."""
    try:
        value = decode_json(text)
    except NotJSON:
        return None
    return [encode_compact_json(v) for v in value] or None if isinstance(value, list) else None


def change_at_steps(value: Any, steps: Steps, change: Change, make: bool) -> Any:
    """The value with `change` made at the end of some steps; keys on the way are made if `make`."""
    if not steps:
        return change(value)
    step, rest = steps[0], steps[1:]
    if step is None:
        return [change_at_steps(v, rest, change, make) for v in value] if isinstance(value, list) else value
    if isinstance(step, int):
        if isinstance(value, list) and step < len(value):
            return [change_at_steps(v, rest, change, make) if i == step else v for i, v in enumerate(value)]
        return value
    if not isinstance(value, dict) or (step not in value and not make):
        return value
    # Copies along the path: the same decoded text may be changed for another row.
    return {**value, step: change_at_steps(value.get(step, {}), rest, change, make)}


def edit_json_text(text: str, path: str, change: Change, make: bool = False) -> str | None:
    """A JSON text with a change made at a path; null of what is no JSON."""
    steps = json_steps(path)
    try:
        whole = decode_json(text)
        return encode_compact_json(whole if steps is None else change_at_steps(whole, steps, change, make))
    except (NotJSON, RecursionError):
        return None


def set_json_value(text: str, path: str, value: str) -> str | None:
    """With a JSON value at a path."""
    made = decode_json(value)
    return edit_json_text(text, path, lambda _: made, make=True)


def append_json_value(text: str, path: str, value: str) -> str | None:
    """With a JSON value behind the array at a path; a value that is no array is put into one."""
    made = decode_json(value)
    return edit_json_text(text, path, lambda old: [*as_json_array(old), made])


def append_json_elements(text: str, path: str, value: str) -> str | None:
    """The same with each element of an array."""
    made = as_json_array(decode_json(value))
    return edit_json_text(text, path, lambda old: [*as_json_array(old), *made])


def as_json_array(value: Any) -> list[Any]:
    """The value as an array."""
    return value if isinstance(value, list) else [value]


def delete_json_key(text: str, path: str) -> str | None:
    """Without the key at a path."""
    steps = json_steps(path)
    if not steps or not isinstance(steps[-1], str):
        return edit_json_text(text, path, lambda old: old)
    gone = steps[-1]

    def without(old: Any) -> Any:
        return {k: v for k, v in old.items() if k != gone} if isinstance(old, dict) else old

    try:
        return encode_compact_json(change_at_steps(decode_json(text), steps[:-1], without, make=False))
    except (NotJSON, RecursionError):
        return None


def list_json_entries(text: str) -> str | None:
    """An array of an object's keys and values; null of what is no object."""
    try:
        value = decode_json(text)
    except NotJSON:
        return None
    return encode_compact_json([{"key": k, "value": v} for k, v in value.items()]) if isinstance(value, dict) else None


def catch_bad_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with null for texts that are no JSON or nest too deep."""

    def safe(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (NotJSON, RecursionError):
            return None

    return safe


UNGUARDED: dict[Operation, Callable[..., Any]] = {
    ops.json_value: compute_json_value,
    ops.json_inferred: compute_json_inferred,
    ops.json_native: compute_json_native,
    ops.json_part: compute_json_part,
    ops.json_elements: compute_json_elements,
    ops.json_set: set_json_value,
    ops.json_append: append_json_value,
    ops.json_extend: append_json_elements,
    ops.json_delete: delete_json_key,
    ops.json_entries: list_json_entries,
}

JSON_EDIT_COMPUTATIONS = {name: catch_bad_json(function) for name, function in UNGUARDED.items()}
