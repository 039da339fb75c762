"""What dialects of data warehouses share: a table of words, tests of text, and aggregates without FILTER.

Nobody runs these statements here: sqlglot reads each again, and what a table lacks is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from sqlglot import expressions as foreign

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import PLAN_OPERATIONS
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.plan.values.regex import re2
from harness.detection.plan.values.text import lower_characters
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import SqlDialect, spell_shared
from harness.detection.sql.expressions import SPECIAL, caseless
from harness.record import record

WAREHOUSE_TYPES = {
    Kind.TEXT: "TEXT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
    Kind.LIST: "TEXT[]",
    Kind.NULL: "TEXT",
    Kind.EVENT: "BIGINT",
    Kind.EVENTS: "BIGINT[]",
}
WAREHOUSE_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
ALIKE_EVERYWHERE: Mapping[Operation, str] = {
    ops.lower: "lower",
    ops.upper: "upper",
    ops.concat: "concat",
    ops.replace_text: "replace",
    ops.reverse: "reverse",
    ops.abs: "abs",
    ops.floor: "floor",
    ops.ceil: "ceil",
    ops.exp: "exp",
    ops.sin: "sin",
    ops.cos: "cos",
    ops.tan: "tan",
    ops.atan: "atan",
    ops.power: "power",
}
AGGREGATES_EVERYWHERE: Mapping[Operation, str] = {
    ops.sum: "sum",
    ops.mean: "avg",
    ops.minimum: "min",
    ops.maximum: "max",
    ops.stdev_sample: "stddev_samp",
    ops.stdev_population: "stddev_pop",
    ops.variance_sample: "var_samp",
    ops.variance_population: "var_pop",
}


@record(kw_only=True)
class WarehouseWords:
    """What one warehouse calls things; `found` tests for a pattern of RE2, `values` gathers sorted distinct texts."""

    name: str
    filters: bool
    functions: Mapping[Operation, str]
    aggregates: Mapping[Operation, str]
    found: Callable[[SQL, SQL], SQL]
    contains: Callable[[SQL, SQL], SQL]
    values: Callable[[Around, SQL], SQL]
    members: Callable[[Around, SQL], SQL]
    to_number: Callable[[SQL], SQL]
    spellings: Mapping[Operation, Callable[..., Any]] = field(default_factory=dict)


def make_warehouse_dialect(words: WarehouseWords) -> SqlDialect:
    """A dialect of these words; every operation that it lacks is refused with a reason."""
    made = SqlDialect(
        name=words.name,
        prints_as=words.name,
        types=WAREHOUSE_TYPES,
        orders=False,
        moves_frames=False,
        prepare=leave_as_is if words.filters else move_conditions_inside,
    )
    spell_shared(made)
    for operation, name in {**ALIKE_EVERYWHERE, **words.functions}.items():
        made.spell(operation)(lambda *x, name=name: fn(name, *x))
    for operation, name in {**AGGREGATES_EVERYWHERE, **words.aggregates}.items():
        made.spell(operation)(lambda around, *x, name=name: around(name, *x))
    spell_text_tests(made, words)
    spell_numbers(made, words)
    made.spell(ops.count)(lambda around, *x: b.cast(around("count", *(x or (b.sql_integer(1),))), "DOUBLE"))
    made.spell(ops.count_distinct)(lambda around, x: b.cast(around("count", x, distinct=True), "DOUBLE"))
    made.spell(ops.first)(lambda around, x: choose_by_place(around, "min_by", x))
    made.spell(ops.last)(lambda around, x: choose_by_place(around, "max_by", x))
    made.spell(ops.row_number)(lambda around: b.cast(around("row_number"), "DOUBLE"))
    made.spell(ops.values, kinds=True)(lambda around, t, kinds: spell_values(made, words, around, t, kinds[0]))
    for operation, spelling in words.spellings.items():
        made.spell(operation, twice=True)(spelling)
    missing = [o for o in PLAN_OPERATIONS.values() if o not in made.spellings and o not in (ops.and_, ops.or_)]
    made.refuse("no word for it stands in its table, since nobody has run one", *missing)
    return made


def find_text(value: SQL) -> str | None:
    """The text of a literal, None for anything else."""
    found = b.read_literal(value) if b.is_literal(value) else None
    return found if isinstance(found, str) else None


def lower_side(x: SQL) -> SQL:
    """Text in lower case, a literal at once."""
    known = find_text(x)
    return fn("lower", x) if known is None else b.sql_text(lower_characters(known))


def fold_sides(x: SQL, y: SQL) -> tuple[SQL, SQL]:
    """Both sides as they are compared without case."""
    known = find_text(y)
    return (x, y) if known is not None and caseless(known) else (lower_side(x), lower_side(y))


def spell_text_tests(made: SqlDialect, words: WarehouseWords) -> None:
    """Tests of text, with and without case; patterns with `*` or `%` as regular expressions."""
    starts, ends = (made.spellings[o] for o in (ops.starts_with, ops.ends_with))
    made.spell(ops.contains)(words.contains)
    made.spell(ops.equal_ci)(lambda x, y: b.eq(*fold_sides(x, y)))
    made.spell(ops.in_ci)(lambda x, *y: exp.In(this=lower_side(x), expressions=[lower_side(o) for o in y]))
    made.spell(ops.starts_with_ci)(lambda x, y: starts(*fold_sides(x, y)))
    made.spell(ops.ends_with_ci)(lambda x, y: ends(*fold_sides(x, y)))
    made.spell(ops.contains_ci)(lambda x, y: words.contains(*fold_sides(x, y)))
    for operation, (run, one, fold) in {
        ops.glob: ("*", "", False),
        ops.glob_ci: ("*", "", True),
        ops.like: ("%", "_", False),
        ops.like_ci: ("%", "_", True),
    }.items():
        made.spell(operation)(spell_whole_pattern(words, run, one, fold=fold))

    def found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
        text = find_text(regex)
        written = None if text is None else re2(text, find_text(flags) or "")
        return None if written is None else words.found(t, b.sql_text(written))

    made.spell(ops.regex_found)(found)


def spell_whole_pattern(words: WarehouseWords, run: str, one: str, *, fold: bool) -> Callable[[SQL, SQL], SQL | None]:
    """A test of the whole text by a pattern that is a literal."""

    def spelled(x: SQL, pattern: SQL) -> SQL | None:
        known = find_text(pattern)
        if known is None:
            return None
        known = lower_characters(known) if fold else known
        made = "".join(".*" if c == run else "." if c == one else "\\" + c if c in SPECIAL else c for c in known)
        return words.found(lower_side(x) if fold else x, b.sql_text(f"(?s)^{made}$"))

    return spelled


def spell_numbers(made: SqlDialect, words: WarehouseWords) -> None:
    """Numbers read from text and written as text."""
    number = b.sql_text(WAREHOUSE_NUMBER)

    def to_number(t: SQL) -> SQL:
        return b.sql_case((words.found(t, number), words.to_number(t)))

    def to_text(n: SQL) -> SQL:
        if b.is_literal(n) and b.read_literal(n) is not None:
            return b.sql_text(print_shortest_number(b.read_literal(n)))
        whole = b.eq(n, fn("floor", n))
        small = exp.And(this=whole, expression=exp.LT(this=fn("abs", n), expression=b.sql_number(9e15)))
        return b.sql_case((small, b.cast(b.cast(n, "BIGINT"), "TEXT")), default=b.cast(n, "TEXT"))

    made.spell(ops.to_number, twice=True)(to_number)
    made.spell(ops.to_text, twice=True)(to_text)
    made.spell(ops.is_number)(lambda t: fn("coalesce", words.found(t, number), b.sql_truth(False)))
    made.spell(ops.length)(lambda t: b.cast(fn("length", t), "DOUBLE"))


def spell_values(made: SqlDialect, words: WarehouseWords, around: Around, t: SQL, kind: Kind) -> SQL:
    """Distinct texts, numbers written out; lists by their elements."""
    if kind is Kind.LIST:
        return words.members(around, t)
    text: SQL = made.spellings[ops.to_text](t) if kind is Kind.NUMBER else t
    return words.values(around, text)


def choose_by_place(around: Around, name: str, x: SQL) -> SQL:
    """The value of the first or the last row that has one, by the rows' numbers; over a window by its order."""
    if around.window is not None and not around.own_order:
        return around.nth("first" if name == "min_by" else "last", x)
    place = around.order[0].this if around.order else b.sql_integer(1)
    # Of rows without a value there is no place either, and such rows are left out.
    return around(name, x, b.sql_case((b.not_null(x), place)))


def leave_as_is(statement: foreign.Expression) -> None:
    """Nothing has to be changed."""


def move_conditions_inside(statement: foreign.Expression) -> None:
    """`count(x) FILTER (WHERE y)` as `count(CASE WHEN y THEN x END)`."""
    for filtered in list(statement.find_all(foreign.Filter)):
        call, condition = filtered.this, filtered.expression.this
        inner = call.expressions[0]
        value = inner.expressions[0] if isinstance(inner, foreign.Distinct) else inner
        branch = foreign.If(this=condition.copy(), true=value.copy())
        value.replace(foreign.Case(ifs=[branch]))
        filtered.replace(call.copy())
