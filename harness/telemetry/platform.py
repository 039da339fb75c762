"""Platforms: events as Splunk or LogScale presents them to a rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

from harness.late_pattern import late_pattern
from harness.record import record

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.telemetry.events.event import Telemetry

SENSORS_FOLDER = Path(__file__).parent / "sensors"
CONDITION_NAME = late_pattern(r"\bCondition\(\s*name=\"([^\"]+)\"")
CONDITIONS_ELSEWHERE = late_pattern(r"^from ([\w.]+) import (?:\([^)]*?|[^\n(]*?)\bCONDITIONS\b", re.M)

UNITS_PER_SECOND = {"_time": 1.0, "@timestamp": 1000.0}
"""The platforms' columns of time and how many of their units make a second."""


@record(kw_only=True)
class View:
    """Events of one kind as a platform shows them: fields that are the same in all, and one column for each other.

    Text columns are `TEXT_TYPE` or string, numbers double; lists of text are multivalue fields. `@event` (int64, unique
    over all views, ascending in the order of recording) and `@cause` (int32) come with it.
    """

    constants: Mapping[str, str] = field(default_factory=dict)
    columns: pa.Table


@record(kw_only=True)
class Condition:
    """A choice about how a sensor or a platform was set up: its values, the first being the default, and its effect.

    A `free` one takes any other value too: a name that each site chooses. One `of_each_input` may be said of a sensor
    or a channel alone, then with any value: `sourcetype:Security`. `fields` are those that events have under some of
    the values only.
    """

    name: str
    values: tuple[str, ...]
    meaning: str
    free: bool = False
    of_each_input: bool = False
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def default(self) -> str:
        """The value that holds unless a scenario says otherwise."""
        return self.values[0]


class Platform(Protocol):
    """A place where rules run: one file in `platforms/`, its module has an object of this shape called PLATFORM."""

    name: str
    conditions: tuple[Condition, ...]
    time_field: str
    text_fields: tuple[str, ...]
    telling_fields: tuple[str, ...]

    def present(self, telemetry: Telemetry, conditions: Mapping[str, str], *, raw: bool = False) -> tuple[View, ...]:
        """The events that this platform has of what was recorded, as its rules see them.

        Only with `raw` do they carry their own text (`_raw`, `@rawstring`): it costs more than all the rest.
        """


def platform_names() -> tuple[str, ...]:
    """Names of all platforms."""
    return tuple(sorted(m.name for m in iter_modules([str(Path(__file__).parent / "platforms")])))


def sensor_names() -> tuple[str, ...]:
    """Names of all sensors."""
    return tuple(sorted(p.stem for p in SENSORS_FOLDER.glob("*.py") if not p.stem.startswith("_")))


def list_condition_names() -> list[str]:
    """Names of the conditions of all sensors and platforms, in their order, read from the text of their files."""
    # Importing them for their names would take numpy and pyarrow along.
    folder = SENSORS_FOLDER.parent
    modules = [*(f"sensors/{n}" for n in sensor_names()), *(f"platforms/{n}" for n in platform_names())]
    return [name for module in modules for name in read_condition_names(folder / f"{module}.py")]


def read_condition_names(path: Path) -> list[str]:
    """Names of the conditions that a file has, or that it takes from another one."""
    text = path.read_text("utf-8")
    elsewhere = CONDITIONS_ELSEWHERE.search(text)
    if elsewhere:
        return read_condition_names(path.parents[3].joinpath(*elsewhere[1].split(".")).with_suffix(".py"))
    return CONDITION_NAME.findall(text)


def platform(name: str) -> Platform:
    """The platform of that name; ModuleNotFoundError where there is none."""
    found: Platform = import_module(f"harness.telemetry.platforms.{name}").PLATFORM
    return found
