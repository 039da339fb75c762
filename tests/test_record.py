"""A record does what a frozen dataclass of the standard library does, but for refusing to be changed."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from harness.record import record


def frozen(**options: Any) -> Callable[..., Any]:
    """What the standard library makes of the same options."""
    return dataclasses.dataclass(frozen=True, slots=True, **options)


def classes(decorator: Callable[..., Any], **options: Any) -> tuple[type, type]:
    """A class and one that inherits from it, made by that decorator."""

    @decorator(**options)
    class Parent:
        name: str
        count: int = 3
        items: list[int] = field(default_factory=list)
        hidden: str = field(default="h", repr=False, compare=False)

    @decorator(**options)
    class Child(Parent):
        size: float = 0.5
        made: str = field(init=False, default="m")

        def __post_init__(self) -> None:
            if self.count < 0:
                raise ValueError(self.name)

    return Parent, Child


OPTIONS = [{}, {"kw_only": True}, {"kw_only": True, "eq": False}]

# Each takes a class and its child and gives something that can be compared, or raises.
USES: dict[str, Callable[[Any, Any], Any]] = {
    "by name": lambda parent, child: vars_of(child(name="a", count=1, items=[2], hidden="x", size=1.5)),
    "defaults": lambda parent, child: vars_of(child(name="a")),
    "by position": lambda parent, child: vars_of(parent("a", 1)),
    "one missing": lambda parent, child: parent(),
    "one too many": lambda parent, child: parent(name="a", other=1),
    "not to be given": lambda parent, child: child(name="a", made="x"),
    "own factory result": lambda parent, child: parent(name="a").items is parent(name="a").items,
    "after": lambda parent, child: child(name="bad", count=-1),
    "printed": lambda parent, child: without_place(repr(child(name="a", items=[1]))),
    "equal": lambda parent, child: (
        parent(name="a") == parent(name="a", hidden="other"),
        parent(name="a") == child(name="a"),
        parent(name="a") == "a",
        parent(name="a") != parent(name="b"),
    ),
    "hash of what cannot": lambda parent, child: hash(parent(name="a")) is None,
    "hash": lambda parent, child: (
        have_one_hash(*(parent(name="a", items=(1,)) for _ in "ab")),
        parent.__hash__ is object.__hash__,
    ),
    "replace": lambda parent, child: vars_of(dataclasses.replace(child(name="a"), count=7)),
    "asdict": lambda parent, child: dataclasses.asdict(child(name="a", items=[1])),
    "copy": lambda parent, child: vars_of(copy.deepcopy(child(name="a", items=[1]))),
    "fields": lambda parent, child: [(f.name, f.init, f.compare, f.kw_only) for f in dataclasses.fields(child)],
    "match": lambda parent, child: child.__match_args__,
    "slots": lambda parent, child: (getattr(parent, "__slots__", None), getattr(child, "__slots__", None)),
    "is one": lambda parent, child: dataclasses.is_dataclass(child),
}


def have_one_hash(one: Any, other: Any) -> bool:
    """Whether two objects, both of which are there, have the same hash."""
    return hash(one) == hash(other)


def vars_of(thing: Any) -> dict[str, Any]:
    """An object's values by name, where it has any."""
    return {f.name: getattr(thing, f.name) for f in dataclasses.fields(thing)}


def without_place(text: str) -> str:
    """A printed object without its address in memory."""
    return text.partition(" object at ")[0]


def outcome(use: Callable[[Any, Any], Any], decorator: Callable[..., Any], options: dict[str, Any]) -> Any:
    """What a use gives, twice on the same class: the first call writes a method, the second has it."""
    parent, child = classes(decorator, **options)
    seen = []
    for _ in range(2):
        try:
            seen.append(use(parent, child))
        except (TypeError, ValueError, AttributeError) as error:
            seen.append((type(error), str(error)))
    return seen


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()))
def test_does_what_the_standard_library_does(options: dict[str, Any]) -> None:
    differ = {}
    for name, use in USES.items():
        ours, theirs = outcome(use, record, options), outcome(use, frozen, options)
        if ours != theirs:
            differ[name] = (ours, theirs)
    assert not differ


def test_what_a_class_says_of_itself_stands() -> None:
    @record
    class Own:
        name: str

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "own"

    assert Own("a") == Own("b")
    assert (hash(Own("a")), repr(Own("a"))) == (7, "own")


@record
class Link:
    """Something that a pickle can find by name."""

    name: str
    next: list[Any] = field(default_factory=list)


def test_pickles() -> None:
    assert pickle.loads(pickle.dumps(Link("a", [Link("b")]))) == Link("a", [Link("b")])  # noqa: S301


def test_prints_what_holds_itself() -> None:
    link = Link("a")
    link.next.append(link)
    assert repr(link) == "Link(name='a', next=[...])"
