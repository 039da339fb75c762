"""JSON Schemas of the documents that people write, made of the types that read them, for editors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from harness.diagnostics import HarnessError, did_you_mean
from harness.scenario.rule import Metadata
from harness.scenario.scenario import Label, Outcome, ScenarioBody
from harness.scenario.settings import ProjectSettings
from harness.scenario.world import WorldBody
from harness.telemetry.lab.inventory import InventoryBody
from harness.telemetry.platform import sensor_names
from harness.telemetry.simulation.behaviour import Behaviour, Between, load_behaviours

DIALECT = "https://json-schema.org/draft/2020-12/schema"
JsonSchema = dict[str, Any]
DURATION = {"type": ["string", "number"], "pattern": r"^\s*\d", "description": "a duration such as 30s, 10m, 2h"}
SIMPLE_SCHEMAS: Mapping[Any, JsonSchema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    # A document's plain number is text where a behaviour wants text only if it is quoted.
    str: {"type": "string"},
    bool: {"type": "boolean"},
    timedelta: DURATION,
}


def describe_type(body: Any, title: str) -> JsonSchema:
    """The schema of a document's type."""
    (schema,), definitions = msgspec.json.schema_components((body,), ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "title": title, **schema, "$defs": dict(definitions)}


def describe_annotation_schema(annotation: Any) -> JsonSchema:
    """The schema of a behaviour's parameter by its annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = next((each for each in arguments[1:] if isinstance(each, Between)), None)
        limits = {"minimum": bounds.least, "maximum": bounds.most} if bounds else {}
        return {**describe_annotation_schema(arguments[0]), **limits}
    if origin in (Union, UnionType):
        inner = describe_annotation_schema(next(a for a in arguments if a is not NoneType))
        return {"anyOf": [inner, {"type": "null"}]} if NoneType in arguments else inner
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": describe_annotation_schema(arguments[0])}
    return dict(SIMPLE_SCHEMAS.get(annotation, {}))


def describe_behaviour(behaviour: Behaviour) -> JsonSchema:
    """The schema of what is `given` to a behaviour."""
    properties = {
        name: {
            **describe_annotation_schema(each.annotation),
            **({} if each.required else describe_default(each.default)),
        }
        for name, each in behaviour.parameters.items()
    }
    required = [name for name, each in behaviour.parameters.items() if each.required]
    return {
        "type": "object",
        "description": behaviour.summary,
        "properties": properties,
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def describe_default(default: object) -> JsonSchema:
    """A parameter's default as a document has it."""
    if isinstance(default, timedelta):
        return {"default": f"{default.total_seconds():g}s"}
    return {"default": list(default) if isinstance(default, tuple) else default}


def narrow_behaviours(definition: JsonSchema, behaviours: Mapping[str, Behaviour]) -> JsonSchema:
    """The schema of something that names a behaviour: which there are, and what each is given."""
    named = {"enum": sorted(behaviours)}
    rules = [
        {
            "if": {"properties": {"behaviour": {"const": name}}, "required": ["behaviour"]},
            "then": {"properties": {"given": describe_behaviour(behaviours[name])}},
        }
        for name in sorted(behaviours)
    ]
    properties = {**definition["properties"], "behaviour": {**definition["properties"]["behaviour"], **named}}
    return {**definition, "properties": properties, "allOf": rules}


def build_scenario_schema(behaviours: Mapping[str, Behaviour]) -> JsonSchema:
    """The schema of a scenario, with the parameters of each behaviour and which outcome fits which activity."""
    schema = describe_type(ScenarioBody, "A scenario of detlab")
    definitions = schema["$defs"]
    definitions["Action"] = narrow_behaviours(definitions["Action"], behaviours)
    definitions["Signal"]["properties"]["sensor"]["enum"] = list(sensor_names())
    gap = [str(o) for o in Outcome if o.gap]
    definitions["Expectation"]["allOf"] = [
        {"if": {"properties": {"outcome": {"enum": gap}}, "required": ["outcome"]}, "then": {"required": ["because"]}}
    ]
    definitions["ScenarioBody"]["anyOf"] = [{"required": ["simulate"]}, {"required": ["replay"]}]
    definitions["ScenarioBody"]["allOf"] = [
        {
            "if": {"properties": {"activity": {"const": str(label)}}, "required": ["activity"]},
            "then": {
                "properties": {"expect": {"items": {"properties": {"outcome": {"enum": list_outcomes(label)}}}}},
            },
        }
        for label in Label
    ]
    return schema


def list_outcomes(label: Label) -> list[str]:
    """What an attack, or something benign, may end in."""
    attack = (Outcome.TRUE_POSITIVE, Outcome.FALSE_NEGATIVE)
    return [str(o) for o in Outcome if (o in attack) == (label is Label.MALICIOUS)]


def build_world_schema(behaviours: Mapping[str, Behaviour]) -> JsonSchema:
    """The schema of a world, with the parameters of each behaviour."""
    schema = describe_type(WorldBody, "A world of detlab")
    for name in ("Software", "WorldAttack"):
        schema["$defs"][name] = narrow_behaviours(schema["$defs"][name], behaviours)
    return schema


def build_settings_schema(behaviours: Mapping[str, Behaviour]) -> JsonSchema:
    """The schema of `detlab.yaml`."""
    schema = describe_type(ProjectSettings, "The settings of a project of detlab")
    schema["$defs"]["ProjectSettings"]["properties"]["sensors"]["items"] = {"enum": list(sensor_names())}
    return schema


SCHEMAS: Mapping[str, Callable[[Mapping[str, Behaviour]], JsonSchema]] = {
    "scenario": build_scenario_schema,
    "settings": build_settings_schema,
    "rule": lambda _: describe_type(Metadata, "The page of a rule of detlab"),
    "world": build_world_schema,
    "inventory": lambda _: describe_type(InventoryBody, "The hosts of a lab of detlab"),
}
"""Schemas by the name of the document."""


def build_schema(name: str, folders: Sequence[Path]) -> JsonSchema:
    """The schema of that name, with the behaviours of these folders. Raises HarnessError where there is none."""
    if name not in SCHEMAS:
        hint = did_you_mean(name, SCHEMAS) or f"there are {', '.join(SCHEMAS)}"
        raise HarnessError("unknown-schema", f"no schema is called `{name}`", help=hint)
    return SCHEMAS[name](dict(load_behaviours(*folders)))
