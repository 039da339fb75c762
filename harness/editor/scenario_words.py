"""What may be written in a scenario: behaviours and their parameters, outcomes, sensors, rules beside it, keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.diagnostics import HarnessError
from harness.editor.document_findings import list_behaviour_parameters, list_beside, read_stamp
from harness.late_pattern import late_pattern
from harness.scenario.pack import behaviour_folders, find_behaviours
from harness.scenario.scenario import Action, Expectation, Label, Outcome, Replay, ScenarioBody, Signal
from harness.telemetry.platform import sensor_names

VALUE_LINE = late_pattern(r"(?P<indent>[ ]*)(?:- )?(?P<key>[\w-]+):[ ]*(?P<word>[^#\n]*)$")
WORD_BEFORE = late_pattern(r"[\w.-]*$")
TOP_KEY = late_pattern(r"^(\w+):", re.M)
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "simulate": Action,
    "replay": Replay,
    "telemetry": Signal,
    "expect": Expectation,
}
BEHAVIOUR_ABOVE = late_pattern(r"behaviour:[ ]*([\w-]+)")
GIVEN_LINE = late_pattern(r"^\s*(?:- )?given:\s*(?:\{[^}\n]*)?$")

Words = Iterator[tuple[str, str]]


def list_scenario_words(text: str, offset: int, path: Path) -> tuple[int, list[tuple[str, str]]]:
    """Where the word at a place of a scenario begins, and what may stand there, each with what it is."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    word = WORD_BEFORE.search(line)
    start = offset - len(word[0] if word else "")
    found = VALUE_LINE.search(line)
    if GIVEN_LINE.match(line) or is_below_given(text, offset, line):
        return start, list(list_given_words(text, offset, path))
    if found and " " not in found["word"].strip():
        return offset - len(found["word"]), list(list_values(found["key"], path))
    if found and found["key"] == "outcome":
        return offset - len(found["word"]), list(list_values("outcome", path))
    return start, list(list_part_keys(text, offset, line))


def is_below_given(text: str, offset: int, line: str) -> bool:
    """Whether a line is one of the mapping `given` above it."""
    indent = len(line) - len(line.lstrip())
    for above in reversed(text[: offset - len(line)].splitlines()):
        depth = len(above) - len(above.lstrip())
        if above.strip() and depth < indent:
            return bool(re.match(r"^\s*(?:- )?given:\s*$", above)) and ":" not in line
    return False


def list_values(key: str, path: Path) -> Words:
    """The values of a key."""
    match key:
        case "activity":
            yield from ((str(each), "whether what is done is an attack") for each in Label)
        case "outcome":
            yield from ((str(each), f"{each.short}") for each in Outcome)
        case "sensor":
            yield from ((name, "sensor") for name in sensor_names())
        case "dialect":
            yield from (("strict", "as the product reads it"), ("lenient", "as its author meant it"))
        case "behaviour":
            yield from ((name, str(file)) for name, file in find_known(path).items())
        case "rule":
            yield from ((each.name, "rule") for suffix in (".spl", ".cql") for each in list_beside(path, suffix))


def find_known(path: Path) -> dict[str, Path]:
    """The behaviours of a scenario's pack."""
    try:
        return find_behaviours(behaviour_folders(path))
    except HarnessError:
        return {}


def list_given_words(text: str, offset: int, path: Path) -> Words:
    """The parameters of the behaviour that is named last before a place."""
    named = BEHAVIOUR_ABOVE.findall(text[:offset])
    file = find_known(path).get(named[-1]) if named else None
    if file is not None:
        yield from (
            (name, f"parameter of {named[-1]}") for name in list_behaviour_parameters(file, named[-1], read_stamp(file))
        )


def list_part_keys(text: str, offset: int, line: str) -> Words:
    """The keys of the part that a place is in."""
    sections = TOP_KEY.findall(text[:offset])
    inside = line[:1] in (" ", "-") and sections and sections[-1] in SECTIONS
    part: type[msgspec.Struct] = SECTIONS[sections[-1]] if inside else ScenarioBody
    for field in msgspec.structs.fields(part):
        yield field.encode_name, "required" if field.required else "may be left out"
