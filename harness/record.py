"""Immutable records: dataclasses whose methods are compiled when they are first called.

A frozen dataclass is six functions that Python writes and compiles when a module is imported, 0.3 ms for each class,
and it sets each attribute by a call. A command imports some 350 of them and makes objects of a third. Nobody but the
type checker needs a class to be frozen: it holds a record for that, as the decorator tells it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform, overload

Class = TypeVar("Class", bound=type)


@overload
def record(cls: Class, /) -> Class: ...


@overload
def record(*, kw_only: bool = False, eq: bool = True) -> Callable[[Class], Class]: ...


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, kw_only: bool = False, eq: bool = True) -> Any:
    """A class as a dataclass with slots whose instances nobody changes; they are equal by fields unless `eq` is false.

    `dataclasses.fields` and `replace`, patterns, copies and pickles work as with any other.
    """

    def define(own: Any) -> Any:
        said = set(vars(own))
        made: Any = dataclass(slots=True, init=False, eq=False, repr=False, kw_only=kw_only)(own)
        for name, method in list_methods(made, eq=eq).items():
            # What a class says of itself stands, as in any dataclass.
            if name not in said:
                method.__qualname__ = f"{made.__qualname__}.{name}"
                setattr(made, name, method)
        return made

    return define if cls is None else define(cls)


def list_methods(cls: type, *, eq: bool) -> dict[str, Callable[..., Any]]:
    """The methods that a record gets, by name."""
    shown = tuple(f.name for f in dataclasses.fields(cls) if f.repr)
    methods = {"__init__": write_late(cls, "__init__", write_constructor), "__repr__": print_fields(shown)}
    if eq:
        methods |= {
            "__eq__": write_late(cls, "__eq__", write_equality),
            "__hash__": write_late(cls, "__hash__", write_hash),
        }
    return methods


def write_late(cls: type, name: str, write: Callable[[type, dict[str, Any]], str]) -> Callable[..., Any]:
    """A method that puts the real one in its own place when it is first called."""

    def method(self: Any, /, *arguments: Any, **named: Any) -> Any:
        # Only names of fields, which are identifiers, come into the text; values are handed over by name.
        known: dict[str, Any] = {"MISSING": MISSING}
        made: dict[str, Any] = {}
        exec(compile(write(cls, known), f"<{name} of {cls.__qualname__}>", "exec"), known, made)  # noqa: S102
        written = made[name]
        written.__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, written)
        return written(self, *arguments, **named)

    return method


def write_constructor(cls: type, known: dict[str, Any]) -> str:
    """A constructor as Python text; the defaults go into `known`."""
    parameters: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for number, each in enumerate(dataclasses.fields(cls)):
        value = each.name
        if each.default_factory is not MISSING:
            known[f"make_{number}"] = each.default_factory
            value = f"make_{number}() if {each.name} is MISSING else {each.name}" if each.init else f"make_{number}()"
        elif not each.init:
            if each.default is MISSING:
                continue
            value = f"default_{number}"
        known[f"default_{number}"] = each.default
        if each.init:
            parameters[bool(each.kw_only)].append(each.name + write_default(each, number))
        lines.append(f"self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    named = ["*", *parameters[True]] if parameters[True] else []
    return f"def __init__({', '.join(['self', *parameters[False], *named])}):\n " + "\n ".join(lines or ["pass"])


def write_default(field: Field[Any], number: int) -> str:
    """What stands behind a parameter's name when it may be left out."""
    if field.default_factory is not MISSING:
        return "=MISSING"
    return "" if field.default is MISSING else f"=default_{number}"


def write_equality(cls: type, known: dict[str, Any]) -> str:
    """Equality with objects of the same class, by the values that are compared."""
    names = [f.name for f in dataclasses.fields(cls) if f.compare]
    return (
        "def __eq__(self, other):\n"
        " if other.__class__ is not self.__class__:\n"
        "  return NotImplemented\n"
        f" return {write_tuple('self', names)} == {write_tuple('other', names)}"
    )


def write_hash(cls: type, known: dict[str, Any]) -> str:
    """A hash of the values that are compared."""
    names = [f.name for f in dataclasses.fields(cls) if (f.compare if f.hash is None else f.hash)]
    return f"def __hash__(self):\n return hash({write_tuple('self', names)})"


def write_tuple(of: str, names: list[str]) -> str:
    """The tuple of those attributes, as Python text."""
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def print_fields(names: tuple[str, ...]) -> Callable[[Any], str]:
    """How a record is printed: its class and its values."""

    @recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__
