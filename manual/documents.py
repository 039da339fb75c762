"""The reference of what people write: the keys of each document, from the types that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.scenario.pack import BUNDLED
from harness.telemetry.document_schemas import SCHEMAS, build_schema
from manual.markdown import code, format_table

SHORT_NAMES = {"object": "mapping", "array": "list", "string": "text", "integer": "whole number"}


def build_pages() -> Iterator[tuple[str, str]]:
    """A page for each document, and one with the parameters of each behaviour."""
    for name in SCHEMAS:
        schema = build_schema(name, [BUNDLED / "generators"])
        yield f"documents/{name}.md", "\n".join(describe_document(schema)) + "\n"
        if name == "scenario":
            yield "behaviours.md", "\n".join(describe_behaviours(schema["$defs"]["Action"])) + "\n"


def describe_document(schema: Mapping[str, Any]) -> Iterator[str]:
    """The document's own keys first, then those of each part."""
    definitions = schema["$defs"]
    first = schema["$ref"].rpartition("/")[2]
    yield from (f"# {schema['title']}", "", "An editor reads the same from `detlab schema`.", "")
    for name in (first, *(n for n in definitions if n != first)):
        definition = definitions[name]
        if "properties" not in definition:
            continue
        yield from (f"## {name}", "", definition.get("description", ""), "")
        needed = definition.get("required", ())
        rows = [
            (code(key), describe_value(value), "required" if key in needed else describe_default(value))
            for key, value in definition["properties"].items()
        ]
        yield from format_table(("key", "value", "unless given"), rows)


def describe_behaviours(action: Mapping[str, Any]) -> Iterator[str]:
    """Each behaviour that a scenario of any pack can name, with its parameters."""
    yield from ("# Behaviours", "", "What a scenario's `simulate:` names; parameters stand below `given:`.", "")
    for rule in action["allOf"]:
        name = rule["if"]["properties"]["behaviour"]["const"]
        given = rule["then"]["properties"]["given"]
        yield from (f"## `{name}`", "", given["description"], "")
        needed = given.get("required", ())
        rows = [
            (code(key), describe_value(value), "required" if key in needed else describe_default(value))
            for key, value in given["properties"].items()
        ]
        yield from format_table(("parameter", "value", "unless given"), rows)


def describe_value(value: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    if "$ref" in value:
        return code(value["$ref"].rpartition("/")[2])
    if "enum" in value:
        return ", ".join(code(str(each)) for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(describe_value(each) for each in value["anyOf"]))
    kinds = value.get("type", "anything")
    words = " or ".join(SHORT_NAMES.get(k, k) for k in ([kinds] if isinstance(kinds, str) else kinds))
    if "items" in value and isinstance(value["items"], dict):
        return f"{words} of {describe_value(value['items'])}"
    if isinstance(value.get("additionalProperties"), dict):
        return f"{words} of {describe_value(value['additionalProperties'])}"
    return value.get("description", "") or words


def describe_default(value: Mapping[str, Any]) -> str:
    """What a key is where it is left out."""
    default = value.get("default")
    return "" if default in (None, "", [], {}) else code(json.dumps(default))
