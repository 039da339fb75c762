"""How one engine spells each operation; spellings that all share; physical names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from importlib import import_module
from typing import Any, TypeVar

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Operation
from harness.detection.plan.value import COMPUTATIONS
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.query import Query, print_statement
from harness.diagnostics import HarnessError
from harness.record import record

Spelling = Callable[..., Any]
S = TypeVar("S", bound=Spelling)


class Construct(StrEnum):
    """What statements need of an engine beside operations of the plan: maps, rows of lists' elements, sets of codes."""

    MAP_OF = "map_of"
    MAP_VALUE = "map_value"
    ELEMENTS = "elements"
    UNNEST = "unnest"
    SET_OF_CODES = "set_of_codes"
    SET_OF_SETS = "set_of_sets"
    SET_MEMBERS = "set_members"


Spelled = Operation | Construct
"""What an engine has a spelling of."""


@record(kw_only=True)
class SqlDialect:
    """One engine's table of primitives.

    A spelling takes one SQL node for each argument, already of the kind that the operation declares, literals
    as literals. One that is registered with `kinds` also gets the kinds of its arguments, one with `twice` uses an
    argument in several places and so gets only columns and literals. One that gives None cannot spell these arguments.
    Where `computes`, steps may run before the statement: what has no spelling is evaluated on distinct values, unless
    `name_function` gives a function of the engine's own that evaluates it where the rows are. `unsupported` lists
    operations that cannot be had, with the reason. `merges` says that one pattern is cheaper than many tests,
    `materializes` that a CTE may be kept, `orders` that aggregates take rows in an order, `moves_frames` that a frame
    may begin where a column says. `prints_as` is sqlglot's name of the dialect or its class of one, and `prepare`
    changes its tree of a whole statement before that is printed; DuckDB's text needs neither.
    """

    name: str
    prints_as: Any
    types: Mapping[Kind, str]
    computes: bool = False
    merges: bool = False
    materializes: bool = False
    orders: bool = True
    moves_frames: bool = True
    name_function: Callable[[Operation], str | None] = lambda _: None
    prepare: Callable[[Any], None] = lambda _: None
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

    def spell_out(self, operation: Spelled, *arguments: Any, partly: bool = False) -> SQL:
        """An operation of these arguments in its spelling; raises HarnessError as `spelling` does."""
        made: SQL = self.spelling(operation, partly)(*arguments)
        return made

    def can_compute(self, operation: Operation) -> bool:
        """Whether Python evaluates an operation for it."""
        return self.computes and (operation in COMPUTATIONS or self.name_function(operation) is not None)

    def print(self, statement: SQL, pretty: bool = False) -> str:
        """The statement in the dialect's spelling."""
        if self.prints_as == "duckdb":
            return print_statement(statement) if pretty and isinstance(statement, Query) else statement.sql()
        # By name, since sqlglot takes longer to import than a rule to compile.
        text: str = import_module("harness.detection.sql.translation").print_in_dialect(
            statement, self.prints_as, self.prepare, pretty
        )
        return text


INFIX: dict[Operation, type[exp.Infix]] = {
    ops.equal: exp.EQ,
    ops.not_equal: exp.NEQ,
    ops.less: exp.LT,
    ops.less_equal: exp.LTE,
    ops.greater: exp.GT,
    ops.greater_equal: exp.GTE,
    ops.add: exp.Add,
    ops.subtract: exp.Sub,
    ops.multiply: exp.Mul,
}


def spell_shared(dialect: SqlDialect) -> None:
    """Puts the shared spellings into a dialect's table."""
    for operation, node in INFIX.items():
        dialect.spell(operation)(infix(node))
    for operation, spelling in SHARED.items():
        dialect.spell(operation)(spelling)
    dialect.spell(ops.boolean_text, twice=True)(sql_boolean_text)
    dialect.spell(ops.time_floor, twice=True)(sql_time_floor)


def infix(node: type[exp.Infix]) -> Callable[[SQL, SQL], SQL]:
    """An infix operator."""
    return lambda x, y: b.sql_infix(node, x, y)


def sql_is_true(x: SQL) -> SQL:
    """X IS TRUE."""
    return exp.Is(this=b.sql_bracket(x), expression=b.sql_truth(True))


def spell_if(condition: SQL, x: SQL, y: SQL) -> SQL:
    """CASE WHEN condition THEN x ELSE y END."""
    return b.sql_case((condition, x), default=y)


def spell_case(otherwise: SQL, *pairs: SQL) -> SQL:
    """CASE WHEN b THEN x ... ELSE y END."""
    return b.sql_case(*zip(pairs[::2], pairs[1::2], strict=True), default=otherwise)


def spell_in(x: SQL, *others: SQL) -> SQL:
    """X IN (...)."""
    return exp.In(this=b.sql_bracket(x), expressions=others)


def nonzero(y: SQL) -> SQL:
    """The divisor, null for 0."""
    if b.is_literal(y) and b.read_literal(y):
        return y
    # x/0 is infinite in DuckDB, an error in Spark 4 and infinite in ClickHouse; NULLIF is right on all (engine.md 4).
    return fn("nullif", y, b.sql_number(0))


def sql_divide(x: SQL, y: SQL) -> SQL:
    """X / y; null for 0."""
    return b.sql_infix(exp.Div, x, nonzero(y))


def sql_modulo(x: SQL, y: SQL) -> SQL:
    """X % y with the sign of x; null for 0."""
    return b.sql_infix(exp.Mod, x, nonzero(y))


def sql_negate(x: SQL) -> SQL:
    """-x."""
    return exp.Neg(this=b.sql_bracket(x))


def sql_boolean_text(x: SQL, true: SQL, false: SQL) -> SQL:
    """One of two texts; null of null."""
    # Two branches and no ELSE: null is neither, and stays null.
    return b.sql_case((x, true), (b.sql_not(x), false))


def sql_time_floor(seconds: SQL, span: SQL, origin: SQL | None = None) -> SQL:
    """floor((s - origin) / span) * span + origin."""
    start = b.sql_number(0) if origin is None else origin
    zero = b.is_literal(start) and b.read_literal(start) == 0
    since = seconds if zero else b.sql_infix(exp.Sub, seconds, start)
    steps = fn("floor", sql_divide(since, span))
    whole = b.sql_infix(exp.Mul, steps, span)
    return whole if zero else b.sql_infix(exp.Add, whole, start)


SHARED: dict[Operation, Callable[..., SQL]] = {
    ops.not_: b.sql_not,
    ops.is_null: b.is_null,
    ops.is_true: sql_is_true,
    ops.if_: spell_if,
    ops.case: spell_case,
    ops.coalesce: lambda *x: fn("coalesce", *x),
    ops.in_: spell_in,
    ops.divide: sql_divide,
    ops.modulo: sql_modulo,
    ops.negate: sql_negate,
}


class PhysicalNames:
    """Distinct physical names for logical ones, the same in a whole statement and its store, given in order of asking.

    A name keeps its own spelling unless one that differs only in case was there before: then it becomes `Name~2`. One
    that begins with `~` gets another in front: `~` is the column of a relation without any, `~:x` a lambda's parameter.
    """

    def __init__(self, known: Mapping[str, str] | Iterable[str] = ()) -> None:
        self.physical: dict[str, str] = {}
        # Case-folded: DuckDB compares identifiers without case even where they are quoted, events have both spellings.
        self.taken: set[str] = set()
        if isinstance(known, Mapping):
            self.physical.update(known)
            self.taken.update(p.casefold() for p in known.values())
        else:
            for name in known:
                self(name)

    def __call__(self, name: str) -> str:
        """The physical name of a column."""
        if name not in self.physical:
            plain = name.replace("\0", "?")
            # SQL has no empty identifier ("zero-length delimited identifier" in DuckDB); a field of an
            # event may have that name.
            plain = "~" + plain if plain.startswith("~") else plain or "~."
            made, count = plain, 1
            while made.casefold() in self.taken:
                count += 1
                made = f"{plain}~{count}"
            self.taken.add(made.casefold())
            self.physical[name] = made
        return self.physical[name]
