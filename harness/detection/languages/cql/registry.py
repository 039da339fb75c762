"""The table of functions: one decorated function each, whose signature is how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar, get_args, get_type_hints

from harness.detection.languages.cql.names import FUNCTION_NAMES

NO_DEFAULT = inspect.Parameter.empty
DefinedFunction = TypeVar("DefinedFunction", bound=Callable[..., Any])


class FunctionRole(StrEnum):
    """What a function makes of events: a value, a condition, other fields, other rows, or one row for many."""

    VALUE = "value"
    FILTER = "filter"
    ROW = "row"
    STEP = "step"
    AGGREGATE = "aggregate"


@dataclass(frozen=True, slots=True)
class FunctionParameter:
    """A parameter in the documented spelling; `default` is `NO_DEFAULT` where a value is required."""

    name: str
    attribute: str
    default: object
    positional: bool

    @property
    def required(self) -> bool:
        """Whether a call has to give it."""
        return self.default is NO_DEFAULT


@dataclass(frozen=True, kw_only=True)
class RegistryEntry:
    """A function of the language.

    `into` is the field its value goes to unless `as` says otherwise; `=field` is that of its parameter `field`.
    `gathers` is true for what ends the stream of events, though it is no plain aggregate.
    """

    name: str
    role: FunctionRole
    run: Callable[..., Any]
    into: str | None = None
    gathers: bool = False
    unnamed: str | None = None

    @property
    def aggregates(self) -> bool:
        """Whether events end here."""
        return self.gathers or self.role is FunctionRole.AGGREGATE

    @cached_property
    def parameters(self) -> dict[str, FunctionParameter]:
        """Its parameters by documented name."""
        found = {}
        for each in list(inspect.signature(self.run).parameters.values())[1:]:
            if each.kind is each.VAR_KEYWORD:
                continue
            name = each.name.rstrip("_")
            positional = each.kind is each.POSITIONAL_OR_KEYWORD
            found[name] = FunctionParameter(name, each.name, each.default, positional)
        if self.into is not None and "as" not in found:
            found["as"] = FunctionParameter("as", "as", self.into if self.into != "required" else NO_DEFAULT, False)
        return found

    @cached_property
    def open(self) -> bool:
        """Whether any name may stand for a parameter."""
        return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(self.run).parameters.values())

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """Names that unnamed arguments stand for, in order; the product knows only the first."""
        names = tuple(p.name for p in self.parameters.values() if p.positional)
        return names if self.unnamed is None else (self.unnamed, *(n for n in names if n != self.unnamed))

    @cached_property
    def hints(self) -> dict[str, Any]:
        """What each parameter is, None left out."""
        hints = get_type_hints(self.run, include_extras=True)
        return {name.rstrip("_"): bare(hint) for name, hint in hints.items()}

    @cached_property
    def lines(self) -> list[str]:
        """The lines of its manual."""
        return (inspect.getdoc(self.run) or "").splitlines()

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return self.lines[0] if self.lines else ""

    @property
    def examples(self) -> tuple[tuple[str, str], ...]:
        """Pipelines on an empty event, and fields of what comes out; `-` for no event."""
        made, begun = [], ""
        for line in self.lines:
            begun = f"{begun} {line.strip()}".strip() if line.startswith("    ") else ""
            if " -> " in begun:
                left, _, right = begun.rpartition(" -> ")
                made.append((left.strip(), right.strip()))
                begun = ""
        return tuple(made)

    @property
    def reference(self) -> str:
        """Where it is documented."""
        return next((r.removeprefix("Reference: ") for r in self.lines if r.startswith("Reference: ")), "")


def bare(hint: Any) -> Any:
    """A type without `| None`."""
    inside = [h for h in get_args(hint) if h is not type(None)]
    return inside[0] if len(inside) == 1 and type(None) in get_args(hint) else hint


class Registry(dict[str, RegistryEntry]):
    """Functions by documented name.

    `several` has the other form `(flow, ...) -> None` of filters that can make several events of one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.several: dict[str, Callable[..., Any]] = {}

    def multiplying(self, name: str) -> Callable[[DefinedFunction], DefinedFunction]:
        """Puts the decorated function into `several`."""

        def add(run: DefinedFunction) -> DefinedFunction:
            self.several[name] = run
            return run

        return add

    def define(
        self,
        role: FunctionRole,
        name: str,
        *,
        into: str | None = None,
        gathers: bool = False,
        unnamed: str | None = None,
    ) -> Callable[[DefinedFunction], DefinedFunction]:
        """Puts the decorated function into the table."""

        def add(run: DefinedFunction) -> DefinedFunction:
            assert FUNCTION_NAMES[name.lower()] == name
            self[name] = RegistryEntry(name=name, role=role, run=run, into=into, gathers=gathers, unnamed=unnamed)
            return run

        return add

    def value(
        self, name: str, *, into: str, unnamed: str | None = None
    ) -> Callable[[DefinedFunction], DefinedFunction]:
        """A function `(row, ...) -> Expression` that computes one field."""
        return self.define(FunctionRole.VALUE, name, into=into, unnamed=unnamed)

    def filter(self, name: str, *, unnamed: str | None = None) -> Callable[[DefinedFunction], DefinedFunction]:
        """A function `(row, ...) -> Expression` that keeps events, true or false."""
        return self.define(FunctionRole.FILTER, name, unnamed=unnamed)

    def row(self, name: str, *, unnamed: str | None = None) -> Callable[[DefinedFunction], DefinedFunction]:
        """A function `(row, ...) -> None` that changes the row's fields or requires something of it."""
        return self.define(FunctionRole.ROW, name, unnamed=unnamed)

    def step(
        self, name: str, *, gathers: bool = False, unnamed: str | None = None
    ) -> Callable[[DefinedFunction], DefinedFunction]:
        """A function `(flow, ...) -> None` that makes other rows."""
        return self.define(FunctionRole.STEP, name, gathers=gathers, unnamed=unnamed)

    def aggregate(self, name: str, *, into: str | None = None) -> Callable[[DefinedFunction], DefinedFunction]:
        """A function `(row, ...) -> Expression` of all rows, or of several names and expressions."""
        return self.define(FunctionRole.AGGREGATE, name, into=into)


FUNCTIONS = Registry()
