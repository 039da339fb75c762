"""Expressions over a relation, with CTEs in between for values that are needed more than once or joined in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import VALUE, Dimension
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Kind, Schema, SortKey
from harness.detection.plan.nodes import Named
from harness.detection.plan.value import COMPUTATIONS, compute_values
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order
from harness.detection.sql.build import SelectQuery, build_select, fn, select_columns_only, table_as
from harness.detection.sql.code_sets import Coding, SetLookUp
from harness.detection.sql.codes import (
    Encoded,
    Encoder,
    LookUp,
    join_look_up,
    make_distinct,
    split_conjuncts,
)
from harness.detection.sql.computations import build_map_key, join_computations
from harness.detection.sql.dialect import Construct
from harness.detection.sql.element_functions import call_of_elements
from harness.detection.sql.expressions import Printer, free
from harness.detection.sql.relation import CodedColumns, Pending, Relation, SQLColumns

if TYPE_CHECKING:
    from harness.detection.sql.compilation import Compilation

# Chosen, no source: 800 columns, each made of the one before, took DuckDB 9.8 s to plan while each step kept all.
MOST_UNREAD = 40
"""Columns that nobody reads any more and that a step may carry along."""


LevelValue: TypeAlias = exp.Expression | Pending | LookUp | SetLookUp
Level = list[tuple[str, LevelValue]]


class Workbench:
    """Expressions over one relation; values needed more than once become columns of CTEs put in between."""

    def __init__(self, compilation: Compilation, relation: Relation) -> None:
        self.compilation = compilation
        self.start = relation
        self.levels: list[Level] = []
        self.level_of: dict[str, int] = {}
        self.known: dict[str, str] = {}
        self.printer = Printer(compilation.dialect, compilation.names, relation.columns, self.hoist)
        if compilation.dialect.computes:
            self.printer.compute = self.compute
        self.encoder: Encoder | None = None
        if relation.codes or relation.spans:
            self.encoder = Encoder(compilation, compilation.names, relation.codes, relation.spans, self.printer.plain)
            self.printer.evaluate_on_dimension = self.evaluate_on_dimension
            self.printer.gather = self.encoder.gather

    def encode(self, expression: Expression, kind: Kind) -> Encoded | None:
        """The value as a code, if it is one of a single coded column and of this kind already."""
        if self.encoder is None:
            return None
        found = self.encoder.encode(expression)
        return found if found is not None and found.dimension.kind is kind else None

    def evaluate_on_dimension(self, expression: Expression) -> exp.Expression | None:
        """A column with the value of an expression, if that is one of a single coded column."""
        assert self.encoder is not None
        if isinstance(expression, Column):
            column = self.compilation.names(expression.name)
            coding = self.start.codes.get(column)
            return None if coding is None else self.decode_column(column, coding)
        tested = self.encoder.test_null(expression)
        if tested is not None:
            return tested
        found = self.encoder.encode(expression)
        return None if found is None else self.decode(found)

    def decode_column(self, column: str, coding: Coding) -> exp.Expression:
        """The value of a physical column of codes, or of sets of codes."""
        if isinstance(coding, Dimension):
            return self.decode(Encoded(code=b.sql_column(column), dimension=coding))
        table = self.compilation.keep_query(coding.members_query())
        made = SetLookUp(codes=b.sql_column(column), table=table, bits=coding.bits)
        return self.put(f"{column} of {table}", made, [b.sql_column(column)])

    def distinct_code(self, found: Encoded) -> exp.Expression:
        """The code of a value, the same for equal values, null of null."""
        if found.dimension.distinct:
            return found.code
        return self.decode(replace(found, dimension=make_distinct(self.compilation, found.dimension)))

    def decode(self, found: Encoded) -> exp.Expression:
        """A column with the value of a code."""
        text = f"{found.code.sql()} in {found.dimension.table}"
        return self.put(text, LookUp(encoded=found), found.code.find_all(exp.Column))

    def write_condition(self, condition: Expression) -> exp.Expression:
        """Whether a condition holds, for a place where null is as good as false."""
        if self.encoder is None:
            return self.printer(condition, Kind.BOOLEAN)
        members = self.encoder.gather(list(split_conjuncts(condition)), ops.and_)
        return b.sql_balanced(exp.And, [self.conjunct(each) for each in members])

    def conjunct(self, member: Expression) -> exp.Expression:
        """The same of one member of an AND."""
        assert self.encoder is not None
        if isinstance(member, Call) and self.encoder.test_null(member) is None:
            found = self.encoder.encode(member, closed=True)
            if found is not None:
                return self.decode(found)
        return self.printer(member, Kind.BOOLEAN)

    def make_columns(self, named: Iterable[Named], kinds: Schema) -> tuple[SQLColumns, CodedColumns]:
        """Columns to make of expressions, by logical name: codes where they can be; dimensions by physical name."""
        made: dict[str, exp.Expression] = {}
        codes: dict[str, Dimension] = {}
        for name, expression in named:
            found = self.encode(expression, kinds[name])
            if found is None:
                made[name] = self.printer(expression, kinds[name])
            else:
                made[name], codes[self.compilation.names(name)] = found.code, found.dimension
        return made, codes

    def hoist(self, made: exp.Expression, source: Expression | None = None) -> exp.Expression:
        """Gives a value a column of its own, above those that it reads."""
        return self.put(made.sql(), made, made.find_all(exp.Column))

    def put(self, text: str, made: LevelValue, reads: Iterable[exp.Expression]) -> exp.Expression:
        """A column for a value known by its text; an equal one is used again."""
        # Known by its text: an equal value, be it of another command, is written once.
        if text not in self.known:
            # Columns of one SELECT cannot read one another, so a value stands one level above
            # the highest that it reads.
            level = 1 + max((self.level_of.get(c.name, -1) for c in reads), default=-1)
            name = self.compilation.fresh()
            while len(self.levels) <= level:
                self.levels.append([])
            self.levels[level].append((name, made))
            self.level_of[name] = level
            self.known[text] = name
        return b.sql_column(self.known[text])

    def compute(self, expression: Call | Aggregation, arguments: list[exp.Expression]) -> exp.Expression:
        """The result of an operation that SQL lacks: a literal, a column, or inside a lambda a look-up in a map."""
        operation = expression.operation
        if operation in COMPUTATIONS and all(map(b.is_literal, arguments)):
            result = compute_values(operation, [[b.read_literal(a) for a in arguments]])[0]
            if result is not None:
                return self.printer.literal(tuple(result) if isinstance(result, list) else result)
            return self.printer.typed_null(self.printer.kind(expression))
        kind = self.compilation.dialect.types[self.printer.kind(expression)]
        inside = free(expression)
        function = self.compilation.dialect.name_function(operation)
        if function is not None:
            if inside:
                return call_of_elements(function, arguments, self.elements_in, self.hoist)
            made = fn(function, *arguments)
            # An ON has no column of its own.
            return made if self.printer.hoist is None else self.hoist(made)
        # An element has no column outside of its list, so nothing can be joined to it.
        if inside:
            return self.look_up(expression, arguments, kind)
        ready = [
            a if b.is_literal(a) else self.printer.simple(a, e)
            for a, e in zip(arguments, expression.arguments, strict=True)
        ]
        varying = [e for a, e in zip(ready, expression.arguments, strict=True) if not b.is_literal(a)]
        types = tuple(self.compilation.dialect.types[self.printer.kind(e)] for e in varying)
        pending = Pending(operation=operation, arguments=tuple(ready), types=types, kind=kind)
        text = f"{operation}({', '.join(a.sql() for a in ready)})"
        return self.put(text, pending, [c for a in ready for c in a.find_all(exp.Column)])

    def look_up(self, expression: Call | Aggregation, arguments: list[exp.Expression], kind: str) -> exp.Expression:
        """Inside a lambda: a map from each distinct combination of arguments, over all elements, to the result."""
        varying = [(a, e) for a, e in zip(arguments, expression.arguments, strict=True) if not b.is_literal(a)]
        elements = self.elements_in([a for a, _ in varying])
        types = tuple(self.compilation.dialect.types[self.printer.kind(e)] for _, e in varying)
        pending = Pending(
            operation=expression.operation, arguments=tuple(arguments), elements=elements, types=types, kind=kind
        )
        written = [a.sql() for a in arguments]
        text = f"{expression.operation}({', '.join(written)}) of {', '.join(x.sql() for _, x in elements)}"
        parameters = {name for name, _ in elements}
        reads = [c for a in (*(a for a, _ in varying), *(x for _, x in elements)) for c in a.find_all(exp.Column)]
        table = self.put(text, pending, [c for c in reads if c.name not in parameters])
        return self.compilation.dialect.spell_out(Construct.MAP_VALUE, table, build_map_key([a for a, _ in varying]))

    def elements_in(self, values: Iterable[exp.Expression]) -> tuple[tuple[str, exp.Expression], ...]:
        """The parameters that the values read, and those that the lists of these read, with their lists."""
        known = self.printer.lists
        read = {c.name for v in values for c in v.find_all(exp.Column)}
        found: list[tuple[str, exp.Expression]] = []
        # Inner lists may be expressions of outer elements, never the other way round, so this
        # order finds all in one pass.
        for name, lists in reversed(known.items()):
            if name in read:
                found.insert(0, (name, lists))
                read |= {c.name for c in lists.find_all(exp.Column)}
        return tuple(found)

    def relation(self) -> str:
        """The name of the relation that has all values that were taken out."""
        name = self.start.name
        for level in self.levels:
            items: list[exp.Expression] = []
            joins: list[q.Join] = []
            pending = [(column, made) for column, made in level if isinstance(made, Pending)]
            name, computed = join_computations(self.compilation, pending, name, joins)
            for column, made in level:
                if isinstance(made, Pending):
                    items.append(b.alias(computed[column], column))
                elif isinstance(made, LookUp):
                    short = f"c{len(joins)}"
                    joins.append(join_look_up(made, short))
                    items.append(b.alias(b.sql_column(VALUE, short), column))
                elif isinstance(made, SetLookUp):
                    short = f"c{len(joins)}"
                    joins.append(q.Join(table_as(made.table, short), kind="CROSS"))
                    shown = self.compilation.dialect.spelling(Construct.SET_MEMBERS)
                    items.append(b.alias(shown(made.codes, b.sql_column(VALUE, short), made.bits), column))
                else:
                    items.append(b.alias(made, column))
            query = (
                build_select([b.every_column("s"), *items], name, "s")
                if joins
                else build_select([exp.Star(), *items], name)
            )
            query.joins = joins
            name = self.compilation.cte("values", query)
        self.levels, self.level_of = [], {}
        self.start = replace(self.start, name=name)
        return name

    def order_columns(self, keys: Iterable[SortKey]) -> tuple[Order, SQLColumns, CodedColumns]:
        """The keys of an order, with the hidden columns that hold them: codes where they can be."""
        wanted = list(keys)
        order = self.compilation.order_keys((k.descending, k.nulls_first) for k in wanted)
        made: dict[str, exp.Expression] = {}
        codes: dict[str, Dimension] = {}
        for own, key in zip(order, wanted, strict=True):
            found = self.encode(key.expression, self.printer.kind(key.expression))
            made[own.column] = self.printer(key.expression) if found is None else found.code
            if found is not None:
                codes[own.column] = found.dimension
        return order, made, codes

    def keeping(
        self,
        own: Iterable[str],
        added: Mapping[str, exp.Expression],
        order: Mapping[str, exp.Expression] | None = None,
        codes: CodedColumns | None = None,
    ) -> SelectQuery:
        """SELECT of the columns `own`, some of them `added`, with the relation's order columns and new ones.

        `codes` are the dimensions of the new columns that are codes.
        """
        names = self.compilation.names
        new = {names(n): v for n, v in added.items()} | dict(order or {})
        kept = [names(n) for n in own] + [k.column for k in self.start.order]
        # SELECT * keeps statements over hundreds of columns short, but would give a replaced column twice.
        unread = len(self.start.held) - len(kept)
        plain = not self.levels and not set(new) & self.start.held and unread <= MOST_UNREAD
        source = self.relation()
        if plain:
            items = [exp.Star(), *(b.alias(v, n) for n, v in new.items())]
            query = SelectQuery(sql=build_select(items, source), held=self.start.held | set(new))
        else:
            query = select_columns_only({n: new.get(n, b.sql_column(n)) for n in (*kept, *new)}, source)
        old = {n: d for n, d in self.start.codes.items() if n in query.held and n not in new}
        spans = {n: s for n, s in self.start.spans.items() if n in query.held and n not in new}
        return replace(query, codes=old | dict(codes or {}), spans=spans)
