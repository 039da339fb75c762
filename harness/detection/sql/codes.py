"""Columns that hold codes: what is made of one of them is made once for each value of its dimension.

An expression of one coded column is a dimension of its own, with the same codes and other values. A column of such
values needs no work for an event; where somebody needs the value itself, the dimension is joined in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import CODE, NULL_CODE, VALUE, Dimension, TimeSpan
from harness.detection.plan.expressions import (
    NULL,
    Aggregation,
    Call,
    Column,
    Expression,
    Kind,
    Lambda,
    LambdaParameter,
    Literal,
    SortKey,
    list_child_expressions,
)
from harness.detection.plan.nodes import Node, Scan, Select, Sort, Union, Values, Window
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.known_values import DECIDED, UNKNOWN_TRUTH, KnownValue, combine_truths
from harness.detection.plan.schema import kind_of
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.code_sets import Coding
from harness.detection.sql.column_pairs import derive_of_pairs, is_of_a_pair, pair_codes
from harness.detection.sql.dialect import PhysicalNames
from harness.detection.sql.time_buckets import SECONDS, find_time_buckets
from harness.record import record


@record(kw_only=True)
class Encoded:
    """A value for each row: the SQL of its code, and the dimension that has the values."""

    code: exp.Expression
    dimension: Dimension


@record(kw_only=True)
class LookUp:
    """The value of a code, by a join with its dimension."""

    encoded: Encoded


@record(kw_only=True)
class KeptTable:
    """A relation to keep as a table for all statements over the same events: `query` gives its rows."""

    table: str
    query: str


class Derives(Protocol):
    """Who can make a dimension of a plan over another one."""

    def keep_query(self, query: str) -> str:
        """The name of a table with the rows of a query."""

    def derive_table(self, plan: Node, names: PhysicalNames, kind: Kind) -> str:
        """The table of a dimension whose codes and values are the columns of the plan."""


class Reads:
    """Which columns an expression reads, and whether it is one of a single row; remembered by identity."""

    def __init__(self) -> None:
        # The expression is kept too, so that its id is not given to another one.
        self.known: dict[int, tuple[frozenset[str], frozenset[str], Expression]] = {}

    def __call__(self, expression: Expression) -> frozenset[str] | None:
        """The columns; None of an expression that aggregates, or stands inside of a lambda."""
        columns, free = self.of(expression)
        return None if free else columns

    def of(self, expression: Expression) -> tuple[frozenset[str], frozenset[str]]:
        """The columns read, and what of it has no value outside of something around it."""
        known = self.known.get(id(expression))
        if known is None:
            columns, free = self.own(expression)
            self.known[id(expression)] = (columns, free, expression)
            return columns, free
        return known[0], known[1]

    def own(self, expression: Expression) -> tuple[frozenset[str], frozenset[str]]:
        """The same of one that was not looked at before."""
        match expression:
            case Column(name):
                return frozenset((name,)), frozenset()
            case LambdaParameter(name):
                return frozenset(), frozenset((name,))
        below = [self.of(each) for each in list_child_expressions(expression)]
        columns = frozenset[str]().union(*(c for c, _ in below))
        free = frozenset[str]().union(*(f for _, f in below))
        match expression:
            case Lambda(parameter):
                return columns, free - {parameter.name}
            case Aggregation():
                # No name of a parameter: it has a value for a group only.
                return columns, free | {""}
            case _:
                return columns, free


def evaluate_on_null(expression: Expression, known: dict[int, KnownValue] | None = None) -> KnownValue:
    """What an expression of one column gives where that is null, if that is certain."""
    known = {} if known is None else known
    if id(expression) not in known:
        known[id(expression)] = evaluate_part_on_null(expression, known)
    return known[id(expression)]


def evaluate_part_on_null(expression: Expression, known: dict[int, KnownValue]) -> KnownValue:
    """The same of a part that was not looked at before."""
    match expression:
        case Column():
            return None
        case Literal(bool() | str() | None as held):
            return held
        case Literal(float() as held):
            return "number", held
        case Call(ops.and_ | ops.or_ as operation, arguments):
            cases = ({evaluate_on_null(each, known): 1} for each in arguments)
            # There is one case here, in which the column is null.
            (value,) = combine_truths(cases, 1, absorbing=operation == ops.or_)
            return value
        case Call(ops.if_, (condition, then, otherwise)):
            decided = evaluate_on_null(condition, known)
            if decided is UNKNOWN_TRUTH:
                return decided
            return evaluate_on_null(then if decided is True else otherwise, known)
        case Call(operation, arguments):
            found = [evaluate_on_null(each, known) for each in arguments]
            if not operation.takes_null and None in found:
                return None
            return DECIDED[operation](found) if operation in DECIDED else UNKNOWN_TRUTH
        case _:
            return UNKNOWN_TRUTH


class Encoder:
    """Expressions over a relation some of whose columns are codes or stored times, by their physical names.

    `plain` writes an expression as it is.
    """

    def __init__(
        self,
        derives: Derives,
        names: PhysicalNames,
        codes: Mapping[str, Coding],
        spans: Mapping[str, TimeSpan],
        plain: Callable[[Expression], exp.Expression],
    ) -> None:
        self.derives, self.names, self.codes, self.spans, self.plain = derives, names, codes, spans, plain
        self.reads = Reads()

    def dimension(self, name: str) -> Dimension | None:
        """The dimension of a column, if it is coded."""
        found = self.codes.get(self.names(name))
        return found if isinstance(found, Dimension) else None

    def encode(self, expression: Expression, closed: bool = False) -> Encoded | None:
        """The value as a code, if it is one of a single coded column, or of two that have few pairs.

        One that is `closed` counts only where it is true: a row without a code may have null for false.
        """
        read = self.reads(expression) if isinstance(expression, Column | Call) else None
        if read is None or len(read) != 1:
            return None if read is None else self.encode_pair(expression, sorted(read))
        (name,) = read
        dimension = self.dimension(name)
        if dimension is None:
            return self.encode_time(expression, name) if self.names(name) in self.spans else None
        code = b.sql_column(self.names(name))
        if isinstance(expression, Column):
            return Encoded(code=code, dimension=dimension)
        of_null = evaluate_on_null(expression)
        with_null = not dimension.with_null and of_null is not None and not (closed and of_null is False)
        made = derive_dimension(self.derives, expression, name, dimension, with_null=with_null)
        if with_null:
            code = b.fn("coalesce", code, b.sql_integer(NULL_CODE))
        return Encoded(code=code, dimension=made)

    def encode_pair(self, expression: Expression, columns: Sequence[str]) -> Encoded | None:
        """What is said of two columns, by the code of their pair."""
        dimensions = [self.dimension(name) for name in columns[:3]]
        if not is_of_a_pair(expression, dimensions):
            return None
        known = [(n, d) for n, d in zip(columns, dimensions, strict=True) if d is not None]
        left, right = (b.sql_column(self.names(name)) for name in columns)
        made = derive_of_pairs(self.derives, expression, known)
        return Encoded(code=pair_codes(left, right, known[1][1]), dimension=made)

    def encode_time(self, expression: Expression, name: str) -> Encoded | None:
        """What is said of a stored time by the number of its hour, day or minute, if it says nothing finer."""
        buckets = find_time_buckets(expression, name, self.spans[self.names(name)])
        if buckets is None or evaluate_on_null(expression) is not None:
            return None
        starts = Dimension(self.derives.keep_query(buckets.starts_query()), Kind.NUMBER, lambda: (buckets.count, True))
        made = derive_dimension(self.derives, buckets.of_seconds, SECONDS, starts, with_null=False)
        if buckets.distinct:
            measured = (buckets.count, True)
            made = Dimension(made.table, made.kind, lambda: measured, ordered=buckets.ordered)
        return Encoded(code=buckets.bucket_number(self.plain(buckets.seconds)), dimension=made)

    def coded_column(self, expression: Expression) -> tuple[str, Dimension] | None:
        """The coded column that an expression is made of, if it reads no other."""
        read = self.reads(expression) if isinstance(expression, Column | Call) else None
        if read is None or len(read) != 1:
            return None
        (name,) = read
        dimension = self.dimension(name)
        return None if dimension is None else (name, dimension)

    def gather(self, members: Sequence[Expression], operation: Operation) -> list[Expression]:
        """The members of an AND or OR, those of one coded column put together where the first of them stood."""
        groups: dict[str, list[int]] = {}
        for place, member in enumerate(members):
            found = self.coded_column(member)
            if found is not None:
                groups.setdefault(found[0], []).append(place)
        replaced: dict[int, Expression | None] = {}
        for places in groups.values():
            if len(places) > 1:
                replaced |= dict.fromkeys(places)
                replaced[places[0]] = Call(operation, tuple(members[i] for i in places))
        return [made for i, m in enumerate(members) if (made := replaced.get(i, m)) is not None]

    def test_null(self, expression: Expression) -> exp.Expression | None:
        """A test of a coded column for null that needs no look at the dimension."""
        match expression:
            case Call(ops.not_, (Call(ops.is_null, (Column(name),)),)):
                made = b.not_null
            case Call(ops.is_null, (Column(name),)):
                made = b.is_null
            case _:
                return None
        dimension = self.dimension(name)
        return made(b.sql_column(self.names(name))) if dimension is not None and dimension.distinct else None


def derive_dimension(
    derives: Derives,
    expression: Expression,
    name: str,
    dimension: Dimension,
    *,
    with_null: bool,
) -> Dimension:
    """The values of an expression of one column for the codes of its dimension, and for a row that has no code."""
    code, names = name_columns(name)
    source: Node = scan_dimension(name, dimension)
    if with_null:
        none = Values(columns={code: Kind.NUMBER, name: dimension.kind}, rows=((NULL_CODE, None),))
        source = Union(sources=(source, none))
    made = f"@value of {name}"
    plan = Select(source=source, columns=((code, Column(code)), (made, expression)))
    kind = kind_of(expression, {name: dimension.kind})
    size = dimension.size + with_null
    table = derives.derive_table(plan, names, kind)
    return Dimension(table, kind, lambda: (size, False), with_null=with_null or dimension.with_null)


def name_columns(name: str) -> tuple[str, PhysicalNames]:
    """The logical name of a dimension's codes beside the column `name`, and the physical names of both."""
    code = f"@code of {name}"
    return code, PhysicalNames({code: CODE, name: VALUE})


def scan_dimension(name: str, dimension: Dimension) -> Scan:
    """A dimension as a relation; its values are the column `name`."""
    code, _ = name_columns(name)
    return Scan(table=dimension.table, columns={code: Kind.NUMBER, name: dimension.kind})


def make_distinct(derives: Derives, dimension: Dimension) -> Dimension:
    """For each code the first one of the same value, null of null: equal values have equal codes among these."""
    code, names = name_columns(VALUE)
    first = ops.minimum(Column(code))
    window = Window(source=scan_dimension(VALUE, dimension), partition=(Column(VALUE),), measures=(("first", first),))
    chosen = ops.if_(ops.is_null(Column(VALUE)), NULL, Column("first"))
    plan = Select(source=window, columns=((code, Column(code)), ("chosen", chosen)))
    return derived_alike(derives, plan, names, Kind.EVENT, dimension)


def rank_values(derives: Derives, dimension: Dimension) -> Dimension:
    """For each code the place of its value among all values in ascending order, null of null."""
    code, names = name_columns(VALUE)
    ordered = Sort(source=scan_dimension(VALUE, dimension), keys=(SortKey(Column(VALUE)),))
    ranked = Window(source=ordered, measures=(("rank", ops.row_number()),))
    if not dimension.distinct:
        # Equal values share the first place, or a later key would not be asked.
        first = ops.minimum(Column("rank"))
        ranked = Window(source=ranked, partition=(Column(VALUE),), measures=(("rank", first),))
    chosen = ops.if_(ops.is_null(Column(VALUE)), NULL, Column("rank"))
    plan = Select(source=ranked, columns=((code, Column(code)), ("chosen", chosen)))
    return derived_alike(derives, plan, names, Kind.NUMBER, dimension)


def derived_alike(derives: Derives, plan: Node, names: PhysicalNames, kind: Kind, dimension: Dimension) -> Dimension:
    """The dimension of a plan that gives another value for each code of one."""
    size = dimension.size
    table = derives.derive_table(plan, names, kind)
    return Dimension(table, kind, lambda: (size, False), with_null=dimension.with_null)


def join_look_up(found: LookUp, short: str) -> q.Join:
    """The join that brings a code's value under a short name; a row without a code stays, with null."""
    # A field may be called `code` as well.
    on = b.eq(found.encoded.code.of_table("s"), b.sql_column(CODE, short))
    return q.Join(b.table_as(found.encoded.dimension.table, short), on, side="LEFT")


def kept_table_name(text: str) -> str:
    """The name of a table by what stands in it, so that it is not made again."""
    return f"kept_{sha256(text.encode()).hexdigest()[:16]}"


def split_conjuncts(condition: Expression) -> Iterator[Expression]:
    """The members of an AND, however nested, in order."""
    stack = [condition]
    while stack:
        current = stack.pop()
        if isinstance(current, Call) and current.operation == ops.and_:
            stack.extend(reversed(current.arguments))
        else:
            yield current
