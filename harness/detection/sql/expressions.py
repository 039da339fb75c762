"""Expressions of the plan as SQL; long ORs of tests as one pattern.

A chain of nineteen ILIKEs over addresses costs four times what one RE2 pattern does (10 million rows, Parquet). Tests
with letters stay as they are: columns that have them repeat their values, and DuckDB tests each value once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Kind,
    Lambda,
    LambdaParameter,
    Literal,
    Schema,
    list_child_expressions,
    merge_kinds,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS
from harness.detection.plan.passes.long_lists import LONG, merge_equalities
from harness.detection.plan.schema import joint_kind, kind_of
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.dialect import PhysicalNames, SqlDialect
from harness.diagnostics import HarnessError

# One test fewer than that stays readable as it is; chosen, no source: only the chain of nineteen was measured.
FEWEST = 4
# \z and not $: RE2 takes $ for the end of the text as well, but only as long as nobody sets its flag m.
PATTERN_ENDS: dict[Operation, str] = {
    ops.starts_with: "",
    ops.starts_with_ci: "",
    ops.equal: r"\z",
    ops.equal_ci: r"\z",
    ops.in_: r"\z",
    ops.in_ci: r"\z",
}
SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def caseless(text: str) -> bool:
    """Whether the text is ASCII without letters, so that case cannot matter."""
    return text.isascii() and not any(c.isalpha() for c in text)


def merge_alternatives(members: Sequence[Expression], columns: Schema) -> list[Expression]:
    """The members of an OR, those over one column that can be one pattern put together where the first one stood."""
    groups: dict[tuple[str, bool], list[int]] = {}
    for i, member in enumerate(members):
        # Members inside of `is_true` stay apart from bare ones: over a null column the first
        # are false, the others null.
        test, closed = unwrap_test(member)
        if test is not None and columns.get(find_tested_column(test)) is Kind.TEXT:
            groups.setdefault((find_tested_column(test), closed), []).append(i)
    replaced: dict[int, Expression | None] = {}
    for (name, closed), places in groups.items():
        branches = [b for i in places for b in patterns(members[i])]
        # An `in` brings a branch for each of its values, so branches are counted and not members.
        if len(branches) >= FEWEST:
            whole = Literal(rf"\A(?:{'|'.join(branches)})")
            found: Expression = ops.regex_found(Column(name), whole, Literal(""))
            replaced |= dict.fromkeys(places)
            replaced[places[0]] = ops.is_true(found) if closed else found
    return [made for i, m in enumerate(members) if (made := replaced.get(i, m)) is not None]


def find_tested_column(test: Call) -> str:
    """The name of the column that a test is about."""
    column = test.arguments[0]
    return column.name if isinstance(column, Column) else ""


def unwrap_test(member: Expression) -> tuple[Call | None, bool]:
    """The test inside a member if it can be a part of a pattern, and whether it stands in `is_true`."""
    closed = isinstance(member, Call) and member.operation == ops.is_true
    test = member.arguments[0] if isinstance(member, Call) and closed else member
    if not isinstance(test, Call) or test.operation not in PATTERN_ENDS or not isinstance(test.arguments[0], Column):
        return None, closed
    wanted = test.arguments[1:]
    # A hash table is faster than any pattern, and a pattern of thousands of branches takes RE2 hundreds of megabytes.
    if len(wanted) >= LONG:
        return None, closed
    if not all(isinstance(w, Literal) and isinstance(w.value, str) for w in wanted):
        return None, closed
    # With letters the pattern would need RE2's (?i), which takes U+017F for an s where DuckDB's
    # ILIKE and lower() do not.
    cased = test.operation not in CASELESS_TESTS.values()
    fits = all(cased or caseless(str(w.value)) for w in wanted if isinstance(w, Literal))
    return (test if fits else None), closed


def patterns(member: Expression) -> list[str]:
    """The branches of the pattern that a test becomes."""
    test, _ = unwrap_test(member)
    assert test is not None
    return [
        "".join("\\" + c if c in SPECIAL else c for c in str(w.value)) + PATTERN_ENDS[test.operation]
        for w in test.arguments[1:]
        if isinstance(w, Literal)
    ]


CHAINS: dict[Operation, type[exp.Infix]] = {ops.and_: exp.And, ops.or_: exp.Or}
CONVERSIONS: dict[tuple[Kind, Kind], Operation] = {
    (Kind.NUMBER, Kind.TEXT): ops.to_text,
    (Kind.TEXT, Kind.NUMBER): ops.to_number,
    (Kind.BOOLEAN, Kind.TEXT): ops.boolean_text,
    (Kind.TEXT, Kind.LIST): ops.list_,
}
"""How a value of one kind becomes one of another."""
SIMPLE = exp.Column | exp.Literal | exp.Null | exp.Boolean | exp.Identifier

DEEPEST_PIECE = 40
"""How deep SQL may nest before a part of it becomes a column: DuckDB reads brackets in the cube of their depth."""

Hoist = Callable[[exp.Expression, Expression], exp.Expression]
"""Takes a value's SQL out into a column of its own and gives that column."""


class Printer:
    """Writes expressions over one relation; `hoist` gives a name to a value that a spelling needs more than once."""

    def __init__(self, dialect: SqlDialect, names: PhysicalNames, columns: Schema, hoist: Hoist | None = None) -> None:
        self.dialect, self.names, self.columns, self.hoist = dialect, names, columns, hoist
        self.side: Callable[[str], str | None] = lambda _: None
        self.compute: Callable[[Call | Aggregation, list[exp.Expression]], exp.Expression] | None = None
        self.lists: dict[str, exp.Expression] = {}
        # The expression is kept with its kind, so that its id cannot be given to another one meanwhile.
        self.kinds: dict[int, tuple[Kind, Expression]] = {}
        self.shared: frozenset[int] = frozenset()
        self.depths: dict[int, int] = {}
        self.pieces: dict[int, exp.Expression] = {}
        self.inner = 0
        self.aggregation: Callable[[Aggregation], exp.Expression] | None = None
        self.group_keys: tuple[exp.Expression, ...] = ()
        self.evaluate_on_dimension: Callable[[Expression], exp.Expression | None] = lambda _: None
        self.gather: Callable[[Sequence[Expression], Operation], Sequence[Expression]] = lambda members, _: members

    def kind(self, expression: Expression) -> Kind:
        """The expression's kind over the relation, remembered by identity."""
        return kind_of(expression, self.columns, self.kinds)

    def __call__(self, expression: Expression, wanted: Kind | None = None) -> exp.Expression:
        """SQL of the expression, converted to the kind wanted."""
        # Only the outermost call begins anew: parts are shared within one expression, and a piece is
        # a column of this relation.
        if not self.inner:
            self.shared, self.pieces = shared_parts(expression), {}
        made = self.again(expression)
        if made is None:
            made = self.evaluate_on_dimension(expression)
        if made is None:
            self.inner += 1
            made = self.plain(expression)
            self.inner -= 1
            if isinstance(expression, Call):
                made = self.shallow(made, expression)
        return made if wanted is None else self.converted(made, self.kind(expression), wanted)

    def again(self, expression: Expression) -> exp.Expression | None:
        """The column that a part became where it stood first."""
        piece = self.pieces.get(id(expression)) if id(expression) in self.shared else None
        return None if piece is None else piece

    def shallow(self, made: exp.Expression, source: Call) -> exp.Expression:
        """The value itself, or a column of its own for one that nests deep or stands in several places."""
        depth = 1 + max((self.depths.get(id(c), 0) for c in list_child_expressions(source)), default=0)
        # 40 is chosen, no source: far below the depths at which DuckDB's parser is slow.
        if depth > DEEPEST_PIECE or id(source) in self.shared:
            piece = self.simple(made, source)
            if isinstance(piece, exp.Column):
                # A column nests no deeper than any other, so counting begins again above it.
                depth, self.pieces[id(source)] = 0, piece
            made = piece
        self.depths[id(source)] = depth
        return made

    def plain(self, expression: Expression) -> exp.Expression:
        """SQL of the expression, of its own kind."""
        match expression:
            case Literal(value):
                return self.literal(value)
            case Column(name):
                if name in self.columns:
                    return b.sql_column(self.names(name), self.side(name))
                return self.typed_null(Kind.NULL)
            case LambdaParameter(name):
                return b.sql_parameter(name)
            case Call(ops.and_ | ops.or_ as operation):
                members = list(self.gather(list_chain_members(expression), operation))
                if operation == ops.or_:
                    members = merge_equalities(members)
                if operation == ops.or_ and self.dialect.merges:
                    members = merge_alternatives(members, self.columns)
                parts = [self(p, Kind.BOOLEAN) for p in members]
                return b.sql_balanced(CHAINS[operation], parts) if parts else b.sql_truth(operation == ops.and_)
            # LogScale's case{} and SPL's case() can have hundreds of branches, one inside the other
            # they would nest too deep.
            case Call(ops.if_, (_, _, Call(ops.if_))):
                return self.call(as_case(expression))
            case Call():
                return self.call(expression)
            case Aggregation() if self.aggregation is not None:
                return self.aggregation(expression)
        raise HarnessError("plan", f"an aggregation cannot stand here: {expression!r:.80}")

    def call(self, expression: Call | Aggregation) -> exp.Expression:
        """SQL of an operation's call; what SQL cannot say is computed in Python on distinct values."""
        operation, dialect = expression.operation, self.dialect
        kinds = [self.kind(a) for a in expression.arguments]
        wanted = self.wanted(expression, kinds)
        arguments = self.arguments(expression, wanted)
        spelling = dialect.spellings.get(operation)
        made: exp.Expression | None = None
        if spelling is not None:
            ready = arguments
            if operation in dialect.with_twice:
                ready = [self.simple(s, e) for s, e in zip(arguments, expression.arguments, strict=True)]
            if operation in dialect.with_kinds:
                known = tuple(w or k for w, k in zip(wanted, kinds, strict=True))
                made = spelling(*ready, kinds=known)
            else:
                made = spelling(*ready)
        if made is not None:
            return made
        if self.compute is None or not dialect.can_compute(operation):
            return dialect.spell_out(operation, *arguments, partly=spelling is not None)
        return self.compute(expression, arguments)

    def arguments(self, expression: Call | Aggregation, wanted: list[Kind | None]) -> list[exp.Expression]:
        """SQL of the arguments; those of a lambda know the list that they run over."""
        made: list[exp.Expression] = []
        declared = expression.operation.argument_kinds(len(wanted))
        for argument, kind, own in zip(expression.arguments, wanted, declared, strict=True):
            if isinstance(argument, Lambda) and made:
                # The list becomes a column first: a computation inside the lambda has to read the
                # same elements outside of it.
                made[0] = self.simple(made[0], expression.arguments[0])
                outer = dict(self.lists)
                self.lists[b.sql_parameter(argument.parameter.name).name] = made[0]
                made.append(b.lambda_of(argument.parameter.name, self(argument.body, own.element)))
                self.lists = outer
            else:
                made.append(self(argument, kind))
        return made

    def wanted(self, expression: Call | Aggregation, kinds: list[Kind]) -> list[Kind | None]:
        """The kind that each argument is converted to."""
        declared = expression.operation.argument_kinds(len(kinds))
        joint = joint_kind(k for k, own in zip(kinds, declared, strict=True) if own.alike)
        return [joint if own.alike else own.kind for own in declared]

    def simple(self, made: exp.Expression, source: Expression) -> exp.Expression:
        """A column or a literal that holds the value."""
        if isinstance(made, SIMPLE) or b.is_literal(made) or self.hoist is None:
            return made
        if free(source):
            return made
        return self.hoist(made, source)

    def literal(self, value: object) -> exp.Expression:
        """A literal: numbers as doubles, a tuple as an array of text."""
        match value:
            case None:
                return self.typed_null(Kind.NULL)
            case bool():
                return b.sql_truth(value)
            case int() | float():
                return b.sql_number(value)
            case tuple():
                # A list of nothing is null everywhere in the plan, as a field without a value
                # is absent in both products.
                return b.array(*(b.sql_text(str(v)) for v in value)) if value else self.typed_null(Kind.LIST)
            case _:
                return b.sql_text(str(value))

    def typed_null(self, kind: Kind) -> exp.Expression:
        """NULL, with a type where it stands alone."""
        return b.sql_null() if kind is Kind.NULL else b.cast(b.sql_null(), self.dialect.types[kind])

    def converted(self, made: exp.Expression, kind: Kind, wanted: Kind) -> exp.Expression:
        """A value of one kind as another; the conversions are `to_text`, `to_number` and a list of one."""
        if kind is wanted or wanted is Kind.NULL:
            return made
        if kind is Kind.NULL:
            return self.typed_null(wanted)
        if merge_kinds(kind, wanted) is Kind.EVENTS:
            return self.dialect.spell_out(ops.events_joined, made)
        conversion = CONVERSIONS.get((kind, wanted))
        if conversion is ops.boolean_text:
            return self.dialect.spell_out(conversion, made, b.sql_text("true"), b.sql_text("false"))
        if conversion is not None:
            return self.dialect.spell_out(conversion, made)
        if wanted is Kind.LIST:
            return self.converted(self.converted(made, kind, Kind.TEXT), Kind.TEXT, wanted)
        raise HarnessError("plan", f"a {kind} stands where a {wanted} is needed")


def as_case(expression: Expression) -> Call:
    """A chain of `if`s, each the other choice of the one before, as one `case`."""
    pairs: list[Expression] = []
    while isinstance(expression, Call) and expression.operation == ops.if_:
        condition, chosen, expression = expression.arguments
        pairs += [condition, chosen]
    return Call(ops.case, (expression, *pairs))


def shared_parts(expression: Expression) -> frozenset[int]:
    """Ids of the calls that stand in several places of an expression."""
    seen: set[int] = set()
    shared: set[int] = set()
    stack = [expression]
    while stack:
        current = stack.pop()
        # By identity: comparing trees whose parts are shared would cost the power of their depth.
        if id(current) in seen:
            if isinstance(current, Call):
                shared.add(id(current))
            continue
        seen.add(id(current))
        stack.extend(list_child_expressions(current))
    return frozenset(shared)


def list_chain_members(expression: Call) -> list[Expression]:
    """The members of nested calls of one associative operation, in order."""
    members: list[Expression] = []
    stack: list[Expression] = [expression]
    while stack:
        current = stack.pop()
        if isinstance(current, Call) and current.operation == expression.operation:
            stack.extend(reversed(current.arguments))
        else:
            members.append(current)
    return members


def free(expression: Expression) -> bool:
    """Whether the expression reads the parameter of a lambda around it."""
    own, used, seen = set(), set(), set()
    stack = [expression]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Lambda):
            own.add(current.parameter.name)
        elif isinstance(current, LambdaParameter):
            used.add(current.name)
        stack.extend(list_child_expressions(current))
    return not used <= own
