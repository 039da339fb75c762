"""Tables of commands, eval functions and aggregates: an entry is one decorated function, its docstring the manual."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

Definition = TypeVar("Definition", bound=Callable[..., Any])

EXAMPLE = re.compile(r"^ {4,}(\S.*?)\s+->\s+(.*?)\s*$", re.M)


@dataclass(frozen=True, slots=True)
class RegistryEntry(Generic[Definition]):
    """One command, function or aggregate: its names, what it does, and how it may be called."""

    name: str
    define: Definition
    shape: str = "general"
    generating: bool = False
    least: int = 0
    most: int | None = None

    @property
    def signature(self) -> str:
        """How it is called: `name(value, [base])`, `...` where more may follow."""
        words: list[str] = []
        for each in inspect.signature(self.define).parameters.values():
            if each.name == "context":
                continue
            if each.kind is each.VAR_POSITIONAL:
                words.append("...")
            else:
                words.append(each.name.rstrip("_") if each.default is each.empty else f"[{each.name.rstrip('_')}]")
        return f"{self.name}({', '.join(words)})"

    @property
    def summary(self) -> str:
        """The first line of its manual."""
        return (inspect.getdoc(self.define) or "").split("\n")[0]

    @property
    def examples(self) -> tuple[tuple[str, str], ...]:
        """Calls and what they give."""
        return tuple((m[1], m[2]) for m in EXAMPLE.finditer(self.define.__doc__ or ""))

    @property
    def reference(self) -> str:
        """Where its meaning is described."""
        found = re.search(r"Reference: (.*)", self.define.__doc__ or "")
        return found[1] if found else ""


class Registry(Mapping[str, RegistryEntry[Definition]]):
    """Entries by name; several names may share one."""

    def __init__(self) -> None:
        self.entries: dict[str, RegistryEntry[Definition]] = {}

    @overload
    def define(self, first: Definition, /) -> Definition: ...

    @overload
    def define(
        self, first: str = "", /, *names: str, shape: str = "general", generating: bool = False
    ) -> Callable[[Definition], Definition]: ...

    def define(
        self, first: Definition | str = "", /, *names: str, shape: str = "general", generating: bool = False
    ) -> Definition | Callable[[Definition], Definition]:
        """Decorator that puts a function into the table under these names; its signature is its arity."""
        if callable(first):
            return self.keep(first, (), shape, generating)
        given = (first, *names) if first else ()
        return lambda function: self.keep(function, given, shape, generating)

    def keep(self, function: Definition, names: tuple[str, ...], shape: str, generating: bool) -> Definition:
        """Puts a function into the table."""
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "context"]
        several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        least = sum(p.default is p.empty for p in positional)
        for name in names or (function.__name__.rstrip("_"),):
            most = None if several else len(positional)
            self.entries[name] = RegistryEntry(name, function, shape, generating, least, most)
        return function

    def __getitem__(self, name: str) -> RegistryEntry[Definition]:
        return self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


COMMANDS: Registry[Callable[..., None]] = Registry()
FUNCTIONS: Registry[Callable[..., Any]] = Registry()
AGGREGATES: Registry[Callable[..., Any]] = Registry()
