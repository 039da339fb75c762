"""Dataclasses whose methods are written when they are first called.

Python writes and compiles the text of five methods for each dataclass when its module is imported. A command imports
some 350 of them and makes objects of a third: that was 0.15 of the 0.9 s of one scenario. Here a method
is compiled when it is first called. All else (fields, slots, `replace`, `asdict`, matching) is the standard library's,
and an object does what one of its dataclasses does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # A type checker knows the standard library's by heart, and this one promises the same.
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True, repr=True, order=False):
        """`dataclasses.dataclass` with the options that are used here; the others are refused by Python itself."""

        def decorate(cls):
            if order:
                # It writes four more methods, and one class has it.
                return dataclasses.dataclass(
                    cls, frozen=frozen, slots=slots, kw_only=kw_only, eq=eq, repr=repr, order=True
                )
            own = set(vars(cls))
            # `frozen` is refused below, or two methods would be compiled for it.
            made = dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
            for name, method in methods(made, frozen=frozen, slots=slots, eq=eq, repr=repr).items():
                # What a class says of itself stands, as in the standard library.
                if name not in own:
                    method.__qualname__ = f"{made.__qualname__}.{name}"
                    setattr(made, name, method)
            # As the standard library does it: what is compared and may change has no hash.
            if eq and not frozen and "__hash__" not in own:
                made.__hash__ = None
            return made

        return decorate if cls is None else decorate(cls)


def methods(cls: type, *, frozen: bool, slots: bool, eq: bool, repr: bool) -> dict[str, Callable[..., Any]]:
    """The methods that a class gets, by name."""
    fields = dataclasses.fields(cls)
    found: dict[str, Callable[..., Any]] = {"__init__": written_late(cls, "__init__", constructor_text, frozen=frozen)}
    if repr:
        found["__repr__"] = printing(tuple(f.name for f in fields if f.repr))
    if eq:
        found["__eq__"] = written_late(cls, "__eq__", comparison_text)
        if frozen:
            found["__hash__"] = written_late(cls, "__hash__", hash_text)
    if frozen:
        found |= {"__setattr__": refuse_to_set, "__delattr__": refuse_to_delete}
        if slots:
            # Copies and pickles of an object with slots set its attributes, which a frozen one refuses.
            found |= {"__getstate__": state, "__setstate__": set_state}
    return found


def written_late(cls: type, name: str, text_of: Callable[..., str], **options: bool) -> Callable[..., Any]:
    """A method that writes the real one in its own place when it is first called."""

    def method(self: Any, /, *arguments: Any, **named: Any) -> Any:
        # Only names of fields, which are identifiers, come into the text; values are handed over by name.
        known: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
        made: dict[str, Any] = {}
        exec(compile(text_of(cls, known, **options), f"<{name} of {cls.__qualname__}>", "exec"), known, made)  # noqa: S102
        written = made[name]
        written.__qualname__ = f"{cls.__qualname__}.{name}"
        setattr(cls, name, written)
        return written(self, *arguments, **named)

    return method


def constructor_text(cls: type, known: dict[str, Any], *, frozen: bool) -> str:
    """A constructor as Python text; what it needs goes into `known`."""
    parameters: dict[bool, list[str]] = {False: [], True: []}
    lines = []
    for number, each in enumerate(dataclasses.fields(cls)):
        value = each.name
        if each.default_factory is not MISSING:
            known[f"_make_{number}"] = each.default_factory
            value = (
                f"_make_{number}() if {each.name} is _missing else {each.name}" if each.init else f"_make_{number}()"
            )
        elif not each.init:
            if each.default is MISSING:
                continue
            value = f"_default_{number}"
        known[f"_default_{number}"] = each.default
        if each.init:
            parameters[bool(each.kw_only)].append(each.name + default_text(each, number))
        lines.append(f"_set(self, {each.name!r}, {value})" if frozen else f"self.{each.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    named = ["*", *parameters[True]] if parameters[True] else []
    return f"def __init__({', '.join(['self', *parameters[False], *named])}):\n " + "\n ".join(lines or ["pass"])


def comparison_text(cls: type, known: dict[str, Any]) -> str:
    """Equality with objects of the same class, by the values that are compared."""
    names = [f.name for f in dataclasses.fields(cls) if f.compare]
    return (
        "def __eq__(self, other):\n"
        " if other.__class__ is not self.__class__:\n"
        "  return NotImplemented\n"
        f" return {values('self', names)} == {values('other', names)}"
    )


def hash_text(cls: type, known: dict[str, Any]) -> str:
    """A hash of the values that are compared."""
    names = [f.name for f in dataclasses.fields(cls) if (f.compare if f.hash is None else f.hash)]
    return f"def __hash__(self):\n return hash({values('self', names)})"


def values(of: str, names: list[str]) -> str:
    """The tuple of those attributes, as Python text."""
    return f"({''.join(f'{of}.{name}, ' for name in names)})"


def default_text(field: Field[Any], number: int) -> str:
    """What stands behind a parameter's name when it may be left out."""
    if field.default_factory is not MISSING:
        return "=_missing"
    return "" if field.default is MISSING else f"=_default_{number}"


def printing(names: tuple[str, ...]) -> Callable[[Any], str]:
    """How an object is printed: its class and its values."""

    @recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def refuse_to_set(self: Any, name: str, value: object) -> None:
    """Raises FrozenInstanceError: no attribute of such an object changes."""
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def refuse_to_delete(self: Any, name: str) -> None:
    """Raises FrozenInstanceError: no attribute of such an object goes."""
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def state(self: Any) -> list[Any]:
    """The values of an object in the order of its fields."""
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def set_state(self: Any, values: list[Any]) -> None:
    """Puts the values into an object that is being made from a pickle or copied."""
    for each, value in zip(dataclasses.fields(self), values, strict=True):
        object.__setattr__(self, each.name, value)
