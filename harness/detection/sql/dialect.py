"""A dialect: how one engine spells each operation, and which ones it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from sqlglot import expressions as exp

from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Operation
from harness.diagnostics import HarnessError

Spelling = Callable[..., Any]
S = TypeVar("S", bound=Spelling)


class Construct(StrEnum):
    """What statements need of an engine beside operations of the plan: maps, and rows of the elements of lists."""

    MAP_OF = "map_of"
    MAP_VALUE = "map_value"
    ELEMENTS = "elements"
    UNNEST = "unnest"


Spelled = Operation | Construct
"""What an engine has a spelling of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlDialect:
    """One engine's table of primitives.

    A spelling takes one SQL node for each argument, already of the kind that the operation's line asks for, literals
    as literals. One that is registered with `kinds` also gets the kinds of its arguments, one with `twice` uses an
    argument in several places and so gets only columns and literals. One that gives None cannot spell these arguments.
    Where `computes`, what has no spelling is evaluated by `plan.computed` on distinct values; `unsupported` lists
    operations that cannot be had, with the reason. `merges` says that one pattern is cheaper than many tests.
    """

    name: str
    prints_as: str
    types: Mapping[Kind, str]
    computes: bool = False
    merges: bool = False
    spellings: dict[Spelled, Spelling] = field(default_factory=dict)
    with_kinds: set[Spelled] = field(default_factory=set)
    with_twice: set[Spelled] = field(default_factory=set)
    unsupported: dict[Spelled, str] = field(default_factory=dict)

    def spell(self, *operations: Spelled, kinds: bool = False, twice: bool = False) -> Callable[[S], S]:
        """Registers a function as the spelling of these operations."""

        def register(function: S) -> S:
            for operation in operations:
                self.spellings[operation] = function
                if kinds:
                    self.with_kinds.add(operation)
                if twice:
                    self.with_twice.add(operation)
            return function

        return register

    def refuse(self, reason: str, *operations: Operation) -> None:
        """Lists operations that this engine cannot spell."""
        self.unsupported.update(dict.fromkeys(operations, reason))

    def spelling(self, operation: Spelled, partly: bool = False) -> Spelling:
        """The function that spells an operation; raises HarnessError where there is none or it gave none."""
        if operation not in self.spellings or partly:
            reason = "not with these arguments" if partly else "the operation is not in its table"
            reason = self.unsupported.get(operation, reason)
            raise HarnessError("unsupported-operation", f"{self.name} cannot run `{operation}`: {reason}")
        return self.spellings[operation]

    def print(self, statement: exp.Expression, pretty: bool = False) -> str:
        """The statement in the dialect's spelling."""
        # sqlglot would print every function in capitals; Spark's and DuckDB's own spelling is what people look up.
        text: str = statement.sql(dialect=self.prints_as, pretty=pretty, normalize_functions=False, comments=False)
        return text
