"""Parameters of behaviours: what a scenario's document says, in the type that the function asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from harness.telemetry.spelling import parsed

UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
LONGEST_DURATION = 3650 * 86400


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"from {self.least} to {self.most}"


Count = Annotated[int, Between(0, 1_000_000)]
Port = Annotated[int, Between(0, 65535)]
Fraction = Annotated[float, Between(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a behaviour."""

    name: str
    annotation: Any
    default: object
    required: bool

    @property
    def kind(self) -> str:
        """Its type as a person would say it."""
        return kind(self.annotation)

    def typed(self, value: object) -> Any:
        """The value in its type. Raises ValueError with what it must be, and what it was."""
        return typed(value, self.annotation)


def typed(value: object, annotation: Any) -> Any:
    """A document's value in the type of an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return constrained(value, arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return typed(value, next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return value if value in arguments else refuse(value, annotation)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return refuse(value, annotation)
        return tuple(typed(v, arguments[0]) for v in value)
    return SIMPLE[annotation](value) if annotation in SIMPLE else refuse(value, annotation)


def constrained(value: object, annotation: Any, constraints: tuple[object, ...]) -> Any:
    """The value in its type, within its bounds."""
    found = typed(value, annotation)
    for constraint in constraints:
        if isinstance(constraint, Between) and not constraint.least <= found <= constraint.most:
            raise ValueError(f"a number {constraint}, not {found}")
        if constraint == "address":
            try:
                parsed(found)
            except ValueError:
                raise ValueError(f"an IPv4 or IPv6 address, not `{shown(found)}`") from None
    return found


def refuse(value: object, annotation: Any) -> Any:
    """Raises ValueError that says what is expected."""
    raise ValueError(f"{kind(annotation)}, not `{shown(value)}`")


def shown(value: object) -> str:
    """A value as it may be repeated to a person."""
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def integer(value: object) -> int:
    """A whole number; a truth value is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else int(refuse(value, int))


def real(value: object) -> float:
    """A finite number; a truth value is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if good and isinstance(value, int | float) else float(refuse(value, float))


def text(value: object) -> str:
    """Text; a bare number of a document is the text that was written."""
    return (
        str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else str(refuse(value, str))
    )


def truth(value: object) -> bool:
    """True or false, nothing else."""
    return value if isinstance(value, bool) else bool(refuse(value, bool))


def duration(value: object) -> timedelta:
    """A duration: `30s`, `10m`, `2h`, `1h30m`, `500ms`, `1d`."""
    if isinstance(value, timedelta):
        return value
    written = str(value).strip() if isinstance(value, str) else ""
    parts = DURATION.findall(written) if len(written) < 40 else []
    if not parts or DURATION.sub("", written).strip():
        raise ValueError(f"a duration such as `30s`, `10m` or `1h30m`, not `{shown(value)}`")
    length = sum(float(number) * UNITS[unit] for number, unit in parts)
    if length > LONGEST_DURATION:
        raise ValueError(f"a duration of at most 3650 days, not `{shown(value)}`")
    return timedelta(seconds=length)


SIMPLE: dict[Any, Callable[[object], Any]] = {
    int: integer,
    float: real,
    str: text,
    bool: truth,
    timedelta: duration,
}

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", timedelta: "a duration"}


def kind(annotation: Any) -> str:
    """A type as a person would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [str(c) for c in arguments[1:] if isinstance(c, Between)]
        return "an address" if "address" in arguments[1:] else " ".join([kind(arguments[0]), *bounds])
    if origin in (Union, UnionType):
        return kind(next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list, each {kind(arguments[0])}"
    return WORDS.get(annotation, str(annotation))
