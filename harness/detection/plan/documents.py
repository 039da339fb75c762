"""XML and key=value text, read where SQL cannot; JSON paths."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

JSON_PATH_STEP = re.compile(r"""\.?"((?:[^"\\]|\\.)*)"|\.([^.\[\]"]+)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]""")
# Characters; chosen, no source: far above an event, far below what would take a second to parse for each.
BIGGEST_XML = 4_000_000
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
        found = [json.loads(text)] if steps is not None else []
    # Python's json gives up at about a thousand levels.
    except (ValueError, RecursionError):
        return []
    for step in steps or ():
        if step is None:
            found = [child for parent in found if isinstance(parent, list) for child in parent]
        elif isinstance(step, int):
            found = [p[step] for p in found if isinstance(p, list) and step < len(p)]
        else:
            found = [p[step] for p in found if isinstance(p, dict) and step in p]
    return [f for f in found if f is not None]


def print_json_value(value: Any) -> str:
    """A JSON value as text: text bare, objects as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def extract_json_text(text: str, path: str) -> str | None:
    """The value at a path, the first of several."""
    found = find_values_at_path(text, path)
    return print_json_value(found[0]) if found else None


def extract_json_texts(text: str, path: str) -> list[str] | None:
    """Every value that a path reaches."""
    return [print_json_value(f) for f in find_values_at_path(text, path)] or None


def xml_text(text: str, path: str) -> list[str] | None:
    """Texts of all elements on a path, or of an attribute; null where it is no XML."""
    root = tree_of(text)
    if root is None:
        return None
    steps, attribute = re.fullmatch(r"(.*?)(?:\{@([^}]*)\})?", path, re.DOTALL).groups()  # type: ignore[union-attr]
    (first, _), *rest = [placed_step(step) for step in steps.split(".")]
    found = [root] if strip_tag_namespace(root.tag) == first else []
    for name, place in rest:
        children = [[child for child in parent if strip_tag_namespace(child.tag) == name] for parent in found]
        found = [c for several in children for c in (several if place is None else several[place - 1 : place])]
    if attribute:
        made = [e.get(attribute) for e in found]
    else:
        made = ["".join(e.itertext()).strip() for e in found]
    return [m for m in made if m is not None] or None


def placed_step(step: str) -> tuple[str, int | None]:
    """The name of an element and which of several it is, counted from 1: `a{2}`; None is all of them."""
    name, _, place = step.partition("{")
    number = place.rstrip("}")
    # Python refuses to read integers of over 4,300 digits; nobody has a million elements of one name.
    return name, int(number) if number.isdigit() and len(number) < 7 else None


def json_paths(text: str) -> list[str] | None:
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


def xml_paths(text: str) -> list[str] | None:
    """Paths to all texts and attributes, each once."""
    root = tree_of(text)
    found: dict[str, None] = {}
    pending = [] if root is None else [(strip_tag_namespace(root.tag), root)]
    while pending and len(found) < MOST_PATHS:
        path, element = pending.pop()
        if (element.text or "").strip():
            found[path] = None
        found |= dict.fromkeys(f"{path}{{@{strip_tag_namespace(name)}}}" for name in element.attrib)
        pending += ((f"{path}.{strip_tag_namespace(child.tag)}", child) for child in reversed(element))
    return [*found] or None


def tree_of(text: str) -> Any:
    """The root of an XML text; None of text that is none, is too long or defines entities."""
    # A document type stands before the root and may define entities that grow without bound; expat's own limit on
    # them depends on its version.
    if len(text) > BIGGEST_XML or "<!DOCTYPE" in text[:4096].upper():
        return None
    tree = import_module("xml.etree.ElementTree")
    try:
        return tree.fromstring(text)
    except tree.ParseError:
        return None


def strip_tag_namespace(tag: str) -> str:
    """A tag's name without its namespace."""
    return tag.rsplit("}", 1)[-1]


def key_value(text: str, key: str, pair: str, delimiters: str) -> str | None:
    """Value of key=value in a text: `pair` stands between them, any of `delimiters` between pairs."""
    between, ends = re.escape(pair), re.escape(delimiters)
    # Quotes first: a quoted value may hold the delimiters.
    value = rf"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^{ends}]*))"""
    found = re.search(rf"(?:^|[{ends}]){re.escape(key)}\s*{between}\s*{value}", text, re.DOTALL)
    if not found:
        return None
    return next((g for g in found.groups() if g is not None), None)


JSON_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.json_text: extract_json_text,
    ops.json_list: extract_json_texts,
    ops.json_paths: json_paths,
}

XML_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.xml_text: xml_text,
    ops.xml_paths: xml_paths,
    ops.key_value: key_value,
}
