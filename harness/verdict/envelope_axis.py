"""Axes of an envelope: what is varied, and the values that a text such as `every=30s..2h:50` means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from math import log10

import numpy as np

from harness.diagnostics import HarnessError, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.simulation.behaviour import Behaviour, parse_duration

# Both chosen, no source; two axes of the default are 625 variants.
MOST_AXIS_VALUES = 500
DEFAULT_VALUES = 25
RANGE = late_pattern(r"(?P<low>.+?)\.\.(?P<high>.+?)(?::(?P<count>\d+))?(?P<log>:log)?")
START, LASTING, CONDITION = "start", "lasting", "condition:"
REPEATS, APART = "repeats", "apart"


class AxisType(StrEnum):
    """What an axis varies."""

    PARAMETER = "parameter"
    START = "start"
    LASTING = "lasting"
    REPEATS = "repeats"
    APART = "apart"
    CONDITION = "condition"


@record(kw_only=True)
class Axis:
    """What is varied, the values as they are given to it, and as numbers for drawing (their places without numbers)."""

    name: str
    sort: AxisType
    values: tuple[object, ...]
    labels: tuple[str, ...]
    numbers: tuple[float, ...]
    unit: str = ""

    def __len__(self) -> int:
        return len(self.values)


def parse_axis(text: str, behaviour: Behaviour) -> Axis:
    """The axis of `every=30s..2h:50`, `jitter=0..0.9:10`, `port=443,8443`, `start=0m..59m:60` or `condition:NAME=A,B`.

    Of a range the values are evenly spaced; with `:log` evenly by their ratio. `start` is a delay of it all, `lasting`
    how long a behaviour with `every` and `times` goes on, `repeats` how often it is done, each `apart` from the last.
    """
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise HarnessError("not-an-axis", f"`{text}` is no axis", help="write `every=30s..2h:50` or `port=443,8443`")
    if name.startswith(CONDITION):
        words = tuple(v.strip() for v in values.split(","))
        return build_word_axis(name.removeprefix(CONDITION), AxisType.CONDITION, words)
    own = behaviour.parameters
    if name == LASTING and name not in own and not {"every", "times"} <= set(own):
        message = f"behaviour `{behaviour.name}` has no `every` and `times`, of which `lasting` would be made"
        others = "`lasts`" if "lasts" in own else f"`{REPEATS}` or `{APART}`"
        raise HarnessError("unknown-parameter", message, help=f"vary {others}")
    if name in (START, LASTING, APART) and name not in behaviour.parameters:
        return durations(name, AxisType(name), values)
    if name == REPEATS and name not in behaviour.parameters:
        return replace(build_number_axis(name, values, whole=True), sort=AxisType.REPEATS)
    if name not in behaviour.parameters:
        going_on = (LASTING,) if {"every", "times"} <= set(own) else ()
        known = (*own, START, *going_on, REPEATS, APART)
        hint = did_you_mean(name, known) or f"there are {', '.join(known)} and {CONDITION}NAME"
        raise HarnessError("unknown-parameter", f"behaviour `{behaviour.name}` has no parameter `{name}`", help=hint)
    kind = behaviour.parameters[name].kind
    if kind == "a duration":
        return durations(name, AxisType.PARAMETER, values)
    if kind.startswith(("a number", "a whole number")):
        return build_number_axis(name, values, whole=kind.startswith("a whole"))
    if kind.startswith("a list, each a whole number"):
        return build_list_axis(name, values)
    return build_word_axis(name, AxisType.PARAMETER, tuple(v.strip() for v in values.split(",")))


def build_word_axis(name: str, sort: AxisType, words: tuple[str, ...]) -> Axis:
    """An axis of words; `a+b` is a list of two."""
    values = tuple(w.split("+") if "+" in w else w for w in words)
    return Axis(name=name, sort=sort, values=values, labels=words, numbers=tuple(map(float, range(len(words)))))


def build_list_axis(name: str, values: str) -> Axis:
    """An axis of lists of whole numbers: `443+8443`, or a range, of which each value is a list of so many ports."""
    words = tuple(v.strip() for v in values.split(","))
    try:
        lists = tuple([int(n) for n in w.split("+")] for w in words)
    except ValueError:
        raise HarnessError("not-a-number", f"`{name}={values}` holds something that is no whole number") from None
    return Axis(
        name=name, sort=AxisType.PARAMETER, values=lists, labels=words, numbers=tuple(float(len(x)) for x in lists)
    )


def durations(name: str, sort: AxisType, values: str) -> Axis:
    """An axis of durations, drawn in seconds."""
    seconds = parse_axis_numbers(name, values, lambda v: parse_duration(v.strip()).total_seconds())
    labels = tuple(as_duration(s) for s in seconds)
    given: tuple[object, ...] = tuple(
        # As a scenario writes it, to the millisecond.
        f"{s:.3f}s" if sort is AxisType.PARAMETER else timedelta(seconds=s)
        for s in seconds
    )
    return Axis(name=name, sort=sort, values=given, labels=labels, numbers=seconds, unit="s")


def build_number_axis(name: str, values: str, *, whole: bool) -> Axis:
    """An axis of numbers, rounded and each once where the parameter is whole."""
    found = parse_axis_numbers(name, values, float)
    if whole:
        # Rounding makes equal ones of neighbours.
        found = tuple(float(v) for v in dict.fromkeys(round(v) for v in found))
    given: tuple[object, ...] = tuple(int(v) if whole else v for v in found)
    return Axis(
        name=name,
        sort=AxisType.PARAMETER,
        values=given,
        labels=tuple(f"{v:g}" for v in found),
        numbers=tuple(map(float, found)),
    )


def parse_axis_numbers(name: str, values: str, read: object) -> tuple[float, ...]:
    """The numbers of a range or of a list."""
    assert callable(read)
    found = RANGE.fullmatch(values)
    try:
        if found is None:
            return tuple(float(read(v)) for v in values.split(","))
        low, high = float(read(found["low"])), float(read(found["high"]))
    except ValueError as error:
        raise HarnessError("not-a-number", f"`{name}={values}`: {error}", help="write `LOW..HIGH:COUNT`") from None
    count = int(found["count"] or DEFAULT_VALUES)
    if not 1 < count <= MOST_AXIS_VALUES or not low < high:
        message = f"`{name}={values}` needs a low and a high end and 2 to {MOST_AXIS_VALUES} values"
        raise HarnessError("not-a-range", message)
    if found["log"] and low > 0:
        # Four digits: a label, a title and the scenario that is written from it show the same number.
        return tuple(float(f"{v:.4g}") for v in np.logspace(log10(low), log10(high), count))
    return tuple(float(f"{v:.6g}") for v in np.linspace(low, high, count))


def as_duration(seconds: float) -> str:
    """A duration in the largest unit of which it is at least two: `90s`, `45m`, `2.4h`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size, 1):g}{unit}"
    return f"{round(seconds, 1):g}s"
