"""A statement under construction: its CTEs, and the relation of each node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from harness.detection.plan.dimension import CODE, VALUE, Dimension
from harness.detection.plan.expressions import ROW, Column, Kind, Schema, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Node, Scan, Select, Sort, walk_nodes
from harness.detection.plan.passes.derived_columns import computed_first
from harness.detection.plan.passes.partitions import parts_needed
from harness.detection.plan.passes.requirements import collect_columns_by_node, find_ordered_nodes
from harness.detection.plan.passes.whole_numbers import find_whole_columns
from harness.detection.plan.schema import columns_of
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order, OrderKey
from harness.detection.sql.build import SelectQuery
from harness.detection.sql.codes import (
    KeptTable,
    kept_table_name,
    rank_values,
)
from harness.detection.sql.dialect import PhysicalNames, SqlDialect
from harness.detection.sql.relation import Relation, Stored, TemporaryTable
from harness.detection.sql.workbench import Workbench

# Chosen, no source: of a smaller table text is read sooner than a table for each flag is made.
FEWEST_CODED_ROWS = 100_000
"""Rows of a stored table from which on codes are worth their dimensions."""
# Chosen, no source: DuckDB plans what several CTEs stand on once for each, and a copy of so few rows takes less. The
# statements of the pack took a quarter less.
MOST_COPIED_ROWS = 100_000
"""Rows of stored tables up to which a CTE that several read is MATERIALIZED."""
# Measured on DuckDB 2.0.0: a chain of 60 `SELECT *, ...` plans in 23 ms, of 120 in 84, of 240 in 423.
LONGEST_CHAIN = 60
"""CTEs that may stand on one another in one statement: DuckDB plans a chain in more than the square of its length."""


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
        lasting: Iterable[Node] = (),
    ) -> None:
        self.dialect, self.names, self.tables, self.codes_from = dialect, names, dict(tables), codes_from
        self.shapes: dict[int, Schema] = {}
        columns_of(root, self.shapes)
        self.parts = parts_needed(root, {n: t.parts for n, t in tables.items()})
        self.lasting = frozenset(id(node) for node in lasting if self.reads_many_rows(node))
        self.groups: dict[int, Scan] = {}
        # What is kept has all its columns: other questions need others of them.
        self.needed = collect_columns_by_node(root, self.shapes, self.lasting)
        self.ordered = find_ordered_nodes(root, final)
        self.whole = find_whole_columns(root)
        self.relations: dict[int, Relation] = {}
        self.plain: dict[int, Relation] = {}
        self.derived: set[str] = set()
        self.compile_plan: CompilePlan | None = None
        self.ctes: dict[str, tuple[q.Query, set[str]]] = {}
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
        return self.decode_order(found, ranks=is_every_group(node)) if ordered else found

    def decode_order(self, relation: Relation, *, ranks: bool) -> Relation:
        """A relation without codes in its order: with values there, or their `ranks`."""
        if not any(key.column in relation.codes for key in relation.order):
            return relation
        return self.decoded(relation, values=False, ranks=ranks)

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

    def keep_query(self, query: str) -> str:
        """The name of a table that is kept, with the rows of a query."""
        table = kept_table_name(query)
        if table not in self.derived:
            self.before.append(KeptTable(table=table, query=query))
            self.derived.add(table)
        return table

    def derive_table(self, plan: Node, names: PhysicalNames, kind: Kind) -> str:
        """The table of a dimension whose codes and values are the two columns of a plan over another one."""
        assert self.compile_plan is not None
        tables = {s.table: Stored(name=s.table, columns=s.columns) for s in walk_nodes(plan) if isinstance(s, Scan)}
        text, before = self.compile_plan(plan, names, tables)
        value = f"CAST({VALUE} AS {self.dialect.types[kind]}) AS {VALUE}"
        query = f"SELECT CAST({CODE} AS INTEGER) AS {CODE}, {value} FROM ({text}) AS made({CODE}, {VALUE})"
        if kept_table_name(query) not in self.derived:
            self.before += before
        return self.keep_query(query)

    def reads_many_rows(self, node: Node) -> bool:
        """Whether a relation stands on files of a coded store that have many rows."""
        needed = [p for n in walk_nodes(node) if isinstance(n, Scan) for p in self.parts.get(id(n), ())]
        files = [part for part in needed if part.file and part.dimensions]
        return bool(files) and sum(part.count() for part in files) >= self.codes_from

    @cached_property
    def reads_few_rows(self) -> bool:
        """Whether all that is read lies in memory and is so little that planning takes longer than running."""
        parts = [part for needed in self.parts.values() for part in needed]
        few = 0 < sum(part.count() for part in parts) < MOST_COPIED_ROWS
        return self.dialect.materializes and few and not any(part.file for part in parts)

    def keep_group(self, node: Aggregate, query: SelectQuery) -> Relation:
        """Keeps the rows of an aggregation as a table, and gives that as a relation."""
        shape = self.shape(node)
        table = self.keep_query(self.dialect.print(self.statement(query.sql)))
        order = tuple(SortKey(Column(name)) for name, _ in node.keys)
        self.groups[id(node)] = Scan(table=table, columns=shape, order=order)
        self.tables[table] = Stored(name=table, columns=shape, codes=query.codes)
        return Relation(name=table, columns=shape, held=query.held, codes=query.codes)

    def wants_order(self, node: Node) -> bool:
        """Whether the order of this node's rows counts above it."""
        return id(node) in self.ordered

    def shape(self, node: Node) -> dict[str, Kind]:
        """The columns of a node that are needed, in order."""
        own = self.needed[id(node)]
        return {n: k for n, k in self.shapes[id(node)].items() if n in own}

    def add(self, node: Node, query: SelectQuery, columns: Schema, order: Order = ()) -> None:
        """Makes a query the CTE of a node."""
        self.add_rows(
            node,
            query.sql,
            Relation(name="", columns=columns, held=query.held, order=order, codes=query.codes, spans=query.spans),
        )

    def add_rows(self, node: Node, query: q.Query, relation: Relation) -> None:
        """The same of whatever gives rows; `relation` says all of them but their name."""
        name = self.cte(type(node).__name__.lower(), query)
        if id(node) in self.first:
            self.solid.add(name)
        self.relations[id(node)] = replace(relation, name=name)

    def cte(self, word: str, query: q.Query) -> str:
        """A new CTE, named by a word and a number; a table of its own where it stands on too many others."""
        self.count += 1
        name = f"{word}_{self.count}"
        reads = {t.name for t in query.find_all(q.Table)}
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
        return max(1, len(needed)) if self.dialect.materializes and not any(part.file for part in needed) else 0

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

    def statement(self, query: q.Query) -> q.Query:
        """A query with the CTEs that it stands on."""
        needed = {t.name for t in query.find_all(q.Table)}
        kept = []
        readers = Counter(needed)
        # A CTE reads only earlier ones, so one pass backwards finds all that are needed, and how many read each.
        for name, (made, reads) in reversed(self.ctes.items()):
            if name in needed:
                needed |= reads
                readers.update(reads)
                solid = name in self.solid or (readers[name] > 1 and self.reads_few_rows)
                kept.append(q.CTE(made, exp.to_identifier(name), solid))
        if kept:
            query.ctes = kept[::-1]
        return query


def is_every_group(node: Node) -> bool:
    """Whether the rows are those of an aggregation, none of which was filtered out."""
    while isinstance(node, Sort | Derive | Select):
        node = node.source
    return isinstance(node, Aggregate)
