"""A node of the plan as one CTE, and expressions over it with CTEs in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeAlias

from sqlglot import expressions as exp

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import CODE, VALUE, Dimension, TimeSpan
from harness.detection.plan.expressions import ROW, Aggregation, Call, Column, Expression, Kind, Schema
from harness.detection.plan.nodes import Aggregate, Derive, Named, Node, Scan, Select, Sort, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.derived_columns import computed_first
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.detection.plan.passes.requirements import collect_columns_by_node, find_ordered_nodes
from harness.detection.plan.passes.whole_numbers import find_whole_columns
from harness.detection.plan.schema import columns_of
from harness.detection.plan.value import compute_values
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Order, OrderKey
from harness.detection.sql.build import SelectQuery, build_select, select_columns_only, table_as
from harness.detection.sql.code_sets import Coding, SetLookUp
from harness.detection.sql.codes import (
    Encoded,
    Encoder,
    KeptTable,
    LookUp,
    join_look_up,
    kept_table_name,
    make_distinct,
    rank_values,
    split_conjuncts,
)
from harness.detection.sql.dialect import Construct, PhysicalNames, SqlDialect
from harness.detection.sql.expressions import Printer, free


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A CTE: its name, its logical columns, all its physical ones, and those that hold its current order.

    Of physical columns in `codes` it holds codes; in an order these stand for the order of their values. Those in
    `spans` are stored times.
    """

    name: str
    columns: Schema
    held: frozenset[str]
    order: Order = ()
    codes: Mapping[str, Coding] = field(default_factory=dict)
    spans: Mapping[str, TimeSpan] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A table of the engine's store: its name there, the columns it has, and the parts it is kept in, if it is."""

    name: str
    columns: Schema
    parts: tuple[StoredPart, ...] = ()


# Chosen, no source: of a smaller table text is read sooner than a table for each flag is made.
FEWEST_CODED_ROWS = 100_000
"""Rows of a stored table from which on codes are worth their dimensions."""
# Measured on DuckDB 2.0.0: a chain of 60 `SELECT *, ...` plans in 23 ms, of 120 in 84, of 240 in 423.
LONGEST_CHAIN = 60
"""CTEs that may stand on one another in one statement: DuckDB plans a chain in more than the square of its length."""


# Chosen, no source: 800 columns, each made of the one before, took DuckDB 9.8 s to plan while each step kept all.
MOST_UNREAD = 40
"""Columns that nobody reads any more and that a step may carry along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryTable:
    """A relation to keep as a table while the statement runs: `query` gives its rows."""

    table: str
    query: str


CompilePlan = Callable[[Node, PhysicalNames, Mapping[str, Stored]], tuple[str, Sequence[Any]]]
"""Gives the text of a plan's statement, and the steps before it."""


class Compilation:
    """One statement under construction: its CTEs, and the relation of each compiled node."""

    def __init__(
        self,
        dialect: SqlDialect,
        names: PhysicalNames,
        tables: Mapping[str, Stored],
        root: Node,
        final: bool,
        codes_from: int = FEWEST_CODED_ROWS,
    ) -> None:
        self.dialect, self.names, self.tables, self.codes_from = dialect, names, tables, codes_from
        self.shapes: dict[int, Schema] = {}
        columns_of(root, self.shapes)
        self.needed = collect_columns_by_node(root, self.shapes)
        self.ordered = find_ordered_nodes(root, final)
        self.whole = find_whole_columns(root)
        self.parts = parts_needed(root, {n: t.parts for n, t in tables.items()})
        self.relations: dict[int, Relation] = {}
        self.plain: dict[int, Relation] = {}
        self.derived: set[str] = set()
        self.compile_plan: CompilePlan | None = None
        self.ctes: dict[str, tuple[exp.Expression, set[str]]] = {}
        self.depths: dict[str, int] = {}
        self.first = computed_first(root, self.weight)
        # CTEs that are MATERIALIZED: DuckDB would push conditions down into every part of a union, with all expressions
        # that they stand on; data models over forty kinds of events took it a minute of planning.
        self.solid: set[str] = set()
        self.before: list[Any] = []
        self.count = 0

    def below(self, node: Node) -> Relation:
        """The relation that a node became, with values in place of codes."""
        found = self.relations[id(node)]
        if not found.codes:
            return found
        if id(node) not in self.plain:
            self.plain[id(node)] = self.decoded(found, values=True)
        return self.plain[id(node)]

    def coded(self, node: Node, *, ordered: bool = False) -> Relation:
        """The same with codes where it has them; not in its order, where that is to be looked at."""
        found = self.relations[id(node)]
        if not ordered or not any(key.column in found.codes for key in found.order):
            return found
        # All groups there are may be too many for texts of each, and few are left of them once they are filtered.
        return self.decoded(found, values=False, ranks=is_every_group(node))

    def decoded(self, relation: Relation, *, values: bool, ranks: bool = False) -> Relation:
        """A relation with values in place of codes in its order, or their `ranks`; with `values`, in all columns."""
        bench = self.over(relation)
        order: dict[str, exp.Expression] = {}
        for key in relation.order:
            coding = relation.codes.get(key.column)
            if isinstance(coding, Dimension):
                coding = rank_values(self, coding) if ranks else coding
            if coding is not None:
                order[key.column] = bench.decode_column(key.column, coding)
        coded = [n for n in relation.columns if self.names(n) in relation.codes] if values else []
        added = {n: bench.decode_column(self.names(n), relation.codes[self.names(n)]) for n in coded}
        query = bench.keeping(relation.columns, added, order)
        return replace(relation, name=self.cte("decoded", query.sql), held=query.held, codes=query.codes)

    def keep(self, query: str) -> str:
        """The name of a table that is kept, with the rows of a query."""
        table = kept_table_name(query)
        if table not in self.derived:
            self.before.append(KeptTable(table=table, query=query))
            self.derived.add(table)
        return table

    def derive(self, plan: Node, names: PhysicalNames, kind: Kind) -> str:
        """The table of a dimension whose codes and values are the two columns of a plan over another one."""
        assert self.compile_plan is not None
        tables = {s.table: Stored(name=s.table, columns=s.columns) for s in walk_nodes(plan) if isinstance(s, Scan)}
        text, before = self.compile_plan(plan, names, tables)
        value = f"CAST({VALUE} AS {self.dialect.types[kind]}) AS {VALUE}"
        query = f"SELECT CAST({CODE} AS INTEGER) AS {CODE}, {value} FROM ({text}) AS made({CODE}, {VALUE})"
        if kept_table_name(query) not in self.derived:
            self.before += before
        return self.keep(query)

    def wants_order(self, node: Node) -> bool:
        """Whether the order of this node's rows counts above it."""
        return id(node) in self.ordered

    def shape(self, node: Node) -> dict[str, Kind]:
        """The columns of a node that are needed, in order."""
        own = self.needed[id(node)]
        return {n: k for n, k in self.shapes[id(node)].items() if n in own}

    def add(self, node: Node, query: SelectQuery, columns: Schema, order: Order = ()) -> None:
        """Makes a query the CTE of a node."""
        name = self.cte(type(node).__name__.lower(), query.sql)
        if id(node) in self.first:
            self.solid.add(name)
        self.relations[id(node)] = Relation(
            name=name, columns=columns, held=query.held, order=order, codes=query.codes, spans=query.spans
        )

    def cte(self, word: str, query: exp.Expression) -> str:
        """A new CTE, named by a word and a number; a table of its own where it stands on too many others."""
        self.count += 1
        name = f"{word}_{self.count}"
        reads = {t.name for t in query.find_all(exp.Table)}
        depth = 1 + max((self.depths.get(r, 0) for r in reads), default=0)
        # Only an engine that runs the statement itself can make a table before it; others get the long chain.
        if depth > LONGEST_CHAIN and self.dialect.computes:
            text = self.dialect.print(self.statement(query))
            stage = TemporaryTable(table=f"stage_{sha256(text.encode()).hexdigest()[:12]}", query=text)
            self.before.append(stage)
            return stage.table
        self.depths[name] = depth
        self.ctes[name] = (query, reads)
        return name

    def weight(self, scan: Scan) -> int:
        """The number of parts of a scan's table; 0 for files, and for engines that only print."""
        needed = self.parts.get(id(scan), ())
        # A view over files stays unmaterialised: keeping its rows would copy into memory what the engine can stream.
        return max(1, len(needed)) if self.dialect.computes and not any(part.file for part in needed) else 0

    def fresh(self, purpose: str = "value") -> str:
        """A physical column name that no field can have."""
        self.count += 1
        # `names` tells it from a field that has the same name, such as LogScale's own fields with an @.
        return self.names(f"@{purpose}{self.count}")

    def order_keys(self, directions: Iterable[tuple[bool, bool]]) -> Order:
        """New hidden columns to hold an order."""
        return tuple(OrderKey(column=self.fresh(ROW[1:]), descending=d, nulls_first=f) for d, f in directions)

    def over(self, relation: Relation) -> Workbench:
        """A place to write expressions over a relation."""
        return Workbench(self, relation)

    def statement(self, query: exp.Expression) -> exp.Expression:
        """A query with the CTEs that it stands on."""
        needed = {t.name for t in query.find_all(exp.Table)}
        kept = []
        # A CTE reads only earlier ones, so one pass backwards finds all that are needed.
        for name, (made, reads) in reversed(self.ctes.items()):
            if name in needed:
                needed |= reads
                alias = exp.TableAlias(this=exp.to_identifier(name))
                kept.append(exp.CTE(this=made, alias=alias, materialized=name in self.solid or None))
        if kept:
            query.set("with_", exp.With(expressions=kept[::-1]))
        return query


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """An operation to evaluate in Python before the statement runs.

    `query` gives the distinct arguments that are no literals, one column each; `literals` has the others by place. The
    engine makes a table `table` of them with columns `keys` and the result as `value`, of type `kind`.
    """

    table: str
    operation: Operation
    query: str
    literals: Mapping[int, object]
    keys: tuple[str, ...]
    value: str
    kind: str

    def results(self, rows: Iterable[Sequence[object]]) -> list[object]:
        """The operation's value for each row of distinct arguments."""
        count = len(self.keys) + len(self.literals)

        def filled(row: Sequence[object]) -> list[object]:
            varying = iter(row)
            return [self.literals[i] if i in self.literals else next(varying) for i in range(count)]

        return compute_values(self.operation, map(filled, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An operation whose result is joined in, by its arguments as columns.

    Where these read elements, `elements` are the parameters and their lists, the outermost first, and the result is a
    map from arguments, whose SQL types are `types`.
    """

    operation: Operation
    arguments: tuple[exp.Expression, ...]
    elements: tuple[tuple[str, exp.Expression], ...] = ()
    types: tuple[str, ...] = ()
    kind: str


SQLColumns = dict[str, exp.Expression]
Codes = Mapping[str, Coding]
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
        table = self.compilation.keep(coding.members())
        made = SetLookUp(codes=b.sql_column(column), table=table, bits=coding.bits)
        return self.put(f"{column} of {table}", made, [b.sql_column(column)])

    def distinct_code(self, found: Encoded) -> exp.Expression:
        """The code of a value, the same for equal values, null of null."""
        if found.dimension.distinct:
            return found.code
        return self.decode(replace(found, dimension=make_distinct(self.compilation, found.dimension)))

    def decode(self, found: Encoded) -> exp.Expression:
        """A column with the value of a code."""
        text = f"{found.code.sql(comments=False)} in {found.dimension.table}"
        return self.put(text, LookUp(encoded=found), found.code.find_all(exp.Column))

    def condition(self, condition: Expression) -> exp.Expression:
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

    def columns(self, named: Iterable[Named], kinds: Schema) -> tuple[SQLColumns, Codes]:
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
        return self.put(made.sql(comments=False), made, made.find_all(exp.Column))

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
        if all(map(b.is_literal, arguments)):
            result = compute_values(operation, [[b.read_literal(a) for a in arguments]])[0]
            if result is not None:
                return self.printer.literal(tuple(result) if isinstance(result, list) else result)
            return self.printer.typed_null(self.printer.kind(expression))
        kind = self.compilation.dialect.types[self.printer.kind(expression)]
        inside = free(expression)
        # An element has no column outside of its list, so nothing can be joined to it.
        if inside:
            return self.look_up(expression, arguments, kind)
        ready = [
            a if b.is_literal(a) else self.printer.simple(a, e)
            for a, e in zip(arguments, expression.arguments, strict=True)
        ]
        pending = Pending(operation=operation, arguments=tuple(ready), kind=kind)
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
        return self.compilation.dialect.spelling(Construct.MAP_VALUE)(
            table, build_map_key([a.copy() for a, _ in varying])
        )

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
            joins: list[exp.Expression] = []
            for column, made in level:
                if isinstance(made, Pending):
                    items.append(self.join_in(column, made, name, joins))
                elif isinstance(made, LookUp):
                    short = f"c{len(joins)}"
                    joins.append(join_look_up(made, short))
                    items.append(b.alias(b.sql_column(VALUE, short), column))
                elif isinstance(made, SetLookUp):
                    short = f"c{len(joins)}"
                    joins.append(exp.Join(this=table_as(made.table, short), kind="CROSS"))
                    shown = self.compilation.dialect.spelling(Construct.SET_MEMBERS)
                    items.append(b.alias(shown(made.codes, b.sql_column(VALUE, short), made.bits), column))
                else:
                    items.append(b.alias(made, column))
            query = (
                build_select([b.every_column("s"), *items], name, "s")
                if joins
                else build_select([exp.Star(), *items], name)
            )
            query.set("joins", joins)
            name = self.compilation.cte("values", query)
        self.levels, self.level_of = [], {}
        self.start = replace(self.start, name=name)
        return name

    def join_in(self, column: str, made: Pending, source: str, joins: list[exp.Expression]) -> exp.Expression:
        """Plans a computation over a relation, joins its table in, and gives the column of the result."""
        c = self.compilation
        literals = {i: b.read_literal(a) for i, a in enumerate(made.arguments) if b.is_literal(a)}
        varying = [a for a in made.arguments if not b.is_literal(a)]
        keys = [c.fresh("argument") for _ in varying]
        items = [b.alias(a.copy(), k) for a, k in zip(varying, keys, strict=True)]
        inner = build_select(items, source)
        if made.elements:
            inner.set("from_", exp.From(this=self.unnested(made.elements, source)))
        inner.set("distinct", exp.Distinct())  # a pattern costs 1.3 us a row, 0.1 us by distinct value (engine.md 8)
        text = c.dialect.print(c.statement(inner))
        # By content, so it is not run again; with its column, as runs that number otherwise took each other's table.
        mark = sha256(repr((made.operation, literals, text, column)).encode()).hexdigest()[:12]
        table = f"computed_{mark}"
        c.before.append(
            Computation(
                table=table,
                operation=made.operation,
                query=text,
                literals=literals,
                keys=tuple(keys),
                value=column,
                kind=made.kind,
            )
        )
        if made.elements:
            typed = [b.cast(b.sql_column(k), t) for k, t in zip(keys, made.types, strict=True)]
            whole = self.map_query(table, typed, column)
            subquery = exp.Subquery(this=whole, alias=exp.TableAlias(this=exp.to_identifier(f"m{len(joins)}")))
            joins.append(exp.Join(this=subquery, kind="CROSS"))
        else:
            short = f"c{len(joins)}"
            on = b.sql_balanced(
                exp.And,
                [b.eq(b.sql_column(a.name, "s"), b.sql_column(k, short)) for a, k in zip(varying, keys, strict=True)],
            )
            # LEFT, since a null argument is equal to no key: such rows stay, with null for the result.
            joins.append(exp.Join(this=table_as(table, short), on=on, side="LEFT"))
        return b.sql_column(column)

    def unnested(self, elements: Iterable[tuple[str, exp.Expression]], source: str) -> exp.Expression:
        """A relation with a row for each combination of elements, those under the names of their parameters."""
        found: exp.Expression = table_as(source)
        for name, lists in elements:
            element = b.alias(self.compilation.dialect.spelling(Construct.ELEMENTS)(lists.copy()), name)
            whole = exp.Select(expressions=[exp.Star(), element])
            whole.set("from_", exp.From(this=found))
            found = exp.Subquery(this=whole, alias=exp.TableAlias(this=exp.to_identifier("e")))
        return found

    def map_query(self, table: str, keys: list[exp.Expression], column: str) -> exp.Select:
        """The query that makes one map of a table of results, without rows that have a null argument."""
        made = self.compilation.dialect.spelling(Construct.MAP_OF)(
            build_map_key([k.copy() for k in keys]), b.sql_column(column)
        )
        whole = build_select([b.alias(made, column)], table)
        # DuckDB: "Map keys can not be NULL"; a look-up of null then gives null, which is what an operation of null is.
        whole.set("where", exp.Where(this=b.sql_balanced(exp.And, [b.not_null(k.copy()) for k in keys])))
        return whole

    def keeping(
        self,
        own: Iterable[str],
        added: Mapping[str, exp.Expression],
        order: Mapping[str, exp.Expression] | None = None,
        codes: Codes | None = None,
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


def is_every_group(node: Node) -> bool:
    """Whether the rows are those of an aggregation, none of which was filtered out."""
    while isinstance(node, Sort | Derive | Select):
        node = node.source
    return isinstance(node, Aggregate)


def build_map_key(values: list[exp.Expression]) -> exp.Expression:
    """The key of a map: the value, or several as one."""
    return values[0] if len(values) == 1 else b.fn("row", *values)
