"""Which fields a query can see: only those are extracted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.detection.languages.spl.extraction.confs import Confs
from harness.detection.languages.spl.mentions import walk_query
from harness.detection.languages.spl.patterns import group_names
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.syntax import Pipeline, Stage
from harness.telemetry.indexing.props import Props

NAMES_IN_TEXT = re.compile(r"[\w.{}:@-]+")
EXTRACTABLE_NAME = re.compile(r"(?:\{\}\.)?[A-Za-z][\w.{}@:-]*")
ALIAS = re.compile(r"(\"[^\"]*\"|\S+)\s+(ASNEW|AS)\s+(\"[^\"]*\"|\S+)", re.I)
MOST_GUESSES = 300


@dataclass(frozen=True, slots=True)
class WantedFields:
    """Names of fields and patterns over them; every field there is where `names` is None."""

    names: frozenset[str] | None
    patterns: tuple[re.Pattern[str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return self.names is None or name in self.names or any(p.fullmatch(name) for p in self.patterns)

    def guesses(self) -> list[str]:
        """Names that events may have fields of."""
        found = sorted(n for n in self.names or () if EXTRACTABLE_NAME.fullmatch(n))
        return found[:MOST_GUESSES]


def is_closed(pipeline: Pipeline) -> bool:
    """Whether the query itself says which fields its rows have."""
    every = (part for part in walk_query(pipeline) if isinstance(part, Stage))
    if any(COMMANDS[s.name].find_field_effect(s) == "remakes" for s in every):
        return False
    return any(COMMANDS[s.name].find_field_effect(s) == "closes" for s in pipeline.stages)


def find_wanted_fields(
    pipeline: Pipeline,
    words: frozenset[str],
    patterns: tuple[re.Pattern[str], ...],
    confs: Confs,
    transforms: Props,
) -> WantedFields:
    """The fields that a query can see, and those that they are made of."""
    if not is_closed(pipeline) or "*" in words:
        return WantedFields(None)
    named = WantedFields(words, patterns)
    found = set(words)
    for setting in confs.classes("LOOKUP"):
        said = NAMES_IN_TEXT.findall(setting.value)
        outputs = next((said[i + 1 :] for i, w in enumerate(said) if w.lower() in ("output", "outputnew")), None)
        if outputs is None or mentions(named, outputs):
            found.update(said)
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("EVAL"):
        if setting.name.removeprefix("EVAL-") in named:
            found.update(NAMES_IN_TEXT.findall(setting.value) + re.findall(r"\w+", setting.value))
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("FIELDALIAS"):
        found.update(old.strip('"') for old, _, new in ALIAS.findall(setting.value) if new.strip('"') in named)
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("EXTRACT"):
        regex, field = inline_parts(setting.value)
        if mentions(named, group_names(regex)):
            found.add(field)
    return WantedFields(frozenset(found) | collect_transform_sources(transforms), patterns)


def inline_parts(written: str) -> tuple[str, str]:
    """An EXTRACT's regular expression, and the field that it looks at: `regex in field`, else the event's text."""
    before, blank, field = written.rstrip().rpartition(" ")
    regex = before.rstrip().removesuffix("in")
    if blank and regex != before.rstrip() and regex[-1:].isspace() and re.fullmatch(r"\w+", field):
        return regex.rstrip(), field
    return written, "_raw"


def collect_transform_sources(transforms: Props) -> frozenset[str]:
    """Fields that transforms read."""
    return frozenset(t["SOURCE_KEY"] for t in transforms.values() if "REGEX" in t and "SOURCE_KEY" in t)


def mentions(named: WantedFields, names: Iterable[str]) -> bool:
    """Whether one of the names is wanted."""
    return any(name in named for name in names)
