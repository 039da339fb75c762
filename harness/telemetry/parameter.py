"""Parameters of behaviours: what a scenario's document says, in the type that the function asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from harness.telemetry.spelling import parse_address

DURATION_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DURATION_TERM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)")
# Ten years, as the longest world; numpy's microseconds would reach further.
LONGEST_DURATION = 3650 * 86400


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"from {self.least} to {self.most}"


# Below MOST_MOMENTS_AT_ONCE, so that one absurd parameter is refused at its own place.
Count = Annotated[int, Between(0, 1_000_000)]
Port = Annotated[int, Between(0, 65535)]
Fraction = Annotated[float, Between(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourParameter:
    """A parameter of a behaviour: name, annotation, default."""

    name: str
    annotation: Any
    default: object
    required: bool

    @property
    def kind(self) -> str:
        """Its type as a person would say it."""
        return describe_annotation(self.annotation)

    def typed(self, value: object) -> Any:
        """The value in its type. Raises ValueError with what it must be, and what it was."""
        return convert_to_annotation(value, self.annotation)


def convert_to_annotation(value: object, annotation: Any) -> Any:
    """A document's value in the type of an annotation. Raises ValueError that names the expected type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return convert_within_bounds(value, arguments[0], arguments[1:])
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        return convert_to_annotation(value, next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return value if value in arguments else refuse_parameter_value(value, annotation)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            return refuse_parameter_value(value, annotation)
        return tuple(convert_to_annotation(v, arguments[0]) for v in value)
    return SIMPLE[annotation](value) if annotation in SIMPLE else refuse_parameter_value(value, annotation)


def convert_within_bounds(value: object, annotation: Any, constraints: tuple[object, ...]) -> Any:
    """The value in its type and within its constraints: `Between`, or an address. Raises ValueError."""
    found = convert_to_annotation(value, annotation)
    for constraint in constraints:
        if isinstance(constraint, Between) and not constraint.least <= found <= constraint.most:
            raise ValueError(f"a number {constraint}, not {found}")
        if constraint == "address":
            try:
                parse_address(found)
            except ValueError:
                raise ValueError(f"an IPv4 or IPv6 address, not `{shorten_value(found)}`") from None
    return found


def refuse_parameter_value(value: object, annotation: Any) -> Any:
    """Raises ValueError that says what is expected."""
    raise ValueError(f"{describe_annotation(annotation)}, not `{shorten_value(value)}`")


def shorten_value(value: object) -> str:
    """A value of at most 40 characters for an error message."""
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def require_integer(value: object) -> int:
    """A whole number; a truth value is none."""
    # bool is an int in Python; `true` in a document is not meant as 1.
    return value if isinstance(value, int) and not isinstance(value, bool) else int(refuse_parameter_value(value, int))


def real(value: object) -> float:
    """A finite number; a truth value is none."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if good and isinstance(value, int | float) else float(refuse_parameter_value(value, float))


def require_text(value: object) -> str:
    """Text; a bare number of a document is the text that was written."""
    return (
        str(value)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else str(refuse_parameter_value(value, str))
    )


def require_truth(value: object) -> bool:
    """True or false, nothing else."""
    return value if isinstance(value, bool) else bool(refuse_parameter_value(value, bool))


def parse_duration(value: object) -> timedelta:
    """A duration: `30s`, `10m`, `2h`, `1h30m`, `500ms`, `1d`."""
    if isinstance(value, timedelta):
        return value
    written = str(value).strip() if isinstance(value, str) else ""
    # Longer than any sum of units; and it keeps the pattern's work small.
    parts = DURATION_TERM.findall(written) if len(written) < 40 else []
    if not parts or DURATION_TERM.sub("", written).strip():
        raise ValueError(f"a duration such as `30s`, `10m` or `1h30m`, not `{shorten_value(value)}`")
    length = sum(float(number) * DURATION_UNIT_SECONDS[unit] for number, unit in parts)
    if length > LONGEST_DURATION:
        raise ValueError(f"a duration of at most 3650 days, not `{shorten_value(value)}`")
    return timedelta(seconds=length)


SIMPLE: dict[Any, Callable[[object], Any]] = {
    int: require_integer,
    float: real,
    str: require_text,
    bool: require_truth,
    timedelta: parse_duration,
}

ANNOTATION_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    timedelta: "a duration",
}


def describe_annotation(annotation: Any) -> str:
    """A type as a person would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = [str(c) for c in arguments[1:] if isinstance(c, Between)]
        return "an address" if "address" in arguments[1:] else " ".join([describe_annotation(arguments[0]), *bounds])
    if origin in (Union, UnionType):
        return describe_annotation(next(a for a in arguments if a is not NoneType))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"a list, each {describe_annotation(arguments[0])}"
    return ANNOTATION_WORDS.get(annotation, str(annotation))
