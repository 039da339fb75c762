"""`detlab.yaml`: what a project says once for every command, the tests and the studies."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from harness.diagnostics import HarnessError, Source, Span
from harness.scenario.document import Document, convert_document, load
from harness.scenario.pack import refuse_link_out

# A page of settings has some hundred lines; chosen.
LARGEST_SETTINGS = 1 << 20

Percentage = Annotated[float, msgspec.Meta(ge=0, le=100)]
Rate = Annotated[float, msgspec.Meta(ge=0)]
PathNames = str | list[str]


class Dialect(StrEnum):
    """How rules are read: as their product does, or as their author meant them."""

    STRICT = "strict"
    LENIENT = "lenient"


class InputNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The index, source and sourcetype of an input where they are not those of the add-ons."""

    index: str = ""
    source: str = ""
    sourcetype: str = ""


class LakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a lake: a path of Parquet or Delta below no folder in particular, or a name in a catalog.

    `time` is the column of events' time, `unit` what its numbers count, `event` one that rises as events were recorded;
    `fields` are the columns that fields are (`host`, `sourcetype`), `constants` the values that all events share.
    """

    table: str
    time: str = ""
    unit: Literal["s", "ms", "us", "ns"] = "s"
    event: str = ""
    fields: dict[str, str] = {}
    constants: dict[str, str] = {}


class Gates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule has to reach: mutants that the tests notice in percent, alerts a day, which scenarios it has.

    `true_positive` asks for a scenario with an attack that each rule sees, `benign_twin` for a benign one that it is
    quiet about.
    """

    min_mutation_score: Percentage | None = None
    max_alerts_per_day: Rate | None = None
    true_positive: bool = False
    benign_twin: bool = False


class ProjectSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A settings document as it is written; paths are below its own folder.

    `index`, `source` and `sourcetype` are those of all Windows events, `inputs` those of one sensor or channel.
    `fields` gives an event's field (or the first of several that it has) another name. `sensors` are those that hosts
    have, `lakes` tables that `detlab query --lake NAME` reads.
    """

    index: str = ""
    source: str = ""
    sourcetype: str = ""
    inputs: dict[str, InputNames] = {}
    fields: dict[str, str | list[str]] = {}
    macros: PathNames = []
    lookups: PathNames = []
    props: PathNames = []
    saved: PathNames = []
    parameters: dict[str, str | int | float | bool] = {}
    conditions: dict[str, str] = {}
    switches: dict[str, str] = {}
    engine: str = ""
    dialect: Dialect | None = None
    zone: str = ""
    sensors: list[str] = []
    lakes: dict[str, LakeSettings] = {}
    gates: Gates = Gates()

    @property
    def named_conditions(self) -> Mapping[str, str]:
        """Everything of it that is a condition of sensors and platforms, by the condition's name."""
        names = {n: getattr(self, n) for n in ("index", "source", "sourcetype") if getattr(self, n)}
        names |= {f"field:{n}": " ".join([f] if isinstance(f, str) else f) for n, f in self.fields.items()}
        inputs = {owner: msgspec.structs.asdict(given) for owner, given in self.inputs.items()}
        names |= {f"{key}:{owner}": v for owner, given in inputs.items() for key, v in given.items() if v}
        return {**names, **self.conditions}


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project's settings and the document that they were read from; without a file all is as it comes."""

    settings: ProjectSettings = ProjectSettings()
    document: Document | None = None
    path: Path | None = None

    def find_key(self, *keys: str | int) -> Span | None:
        """Where a key is written; None if it is not."""
        if self.document is None or self.document.root.members is None:
            return None
        node = self.document.root
        for key in keys:
            below = node.child(key)
            if below is None:
                return None
            node = below
        return self.document.key(keys)


def read_project(path: Path, *, name: str | None = None) -> Project:
    """The settings in a file. Raises SourceError at what is wrong in it, HarnessError where it cannot be read."""
    shown = name or str(path)
    try:
        refuse_link_out(path, path.parent)
        if path.stat().st_size > LARGEST_SETTINGS:
            raise HarnessError("settings-too-large", f"{shown} is larger than {LARGEST_SETTINGS >> 20} MiB")
        # Editors on Windows write a byte order mark.
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{shown} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{shown}: {(error.strerror or str(error)).lower()}") from error
    return parse_project(load(Source(shown, text)), path)


def parse_project(document: Document, path: Path) -> Project:
    """The settings that a document holds; an empty one says nothing."""
    value: Any = document.value
    settings = ProjectSettings() if value is None else convert_document(document, ProjectSettings)
    return Project(settings=settings, document=document, path=path)
