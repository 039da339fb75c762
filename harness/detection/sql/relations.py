"""Nodes of the plan as SQL: one CTE a node, named after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan.expressions import ROW, Kind, Schema
from harness.detection.plan.nodes import Node, Scan
from harness.detection.plan.passes.derived_columns import computed_first
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.detection.plan.passes.requirements import collect_columns_by_node, find_ordered_nodes
from harness.detection.plan.schema import columns_of
from harness.detection.sql.aggregation import Order, OrderKey
from harness.detection.sql.dialect import SqlDialect
from harness.detection.sql.names import PhysicalNames
from harness.detection.sql.selects import SelectQuery
from harness.detection.sql.workbench import Workbench


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A CTE: its name, its logical columns, all its physical ones, and those that hold its current order."""

    name: str
    columns: Schema
    held: frozenset[str]
    order: Order = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A table of the engine's store: its name there, the columns it has, and the parts it is kept in, if it is."""

    name: str
    columns: Schema
    parts: tuple[StoredPart, ...] = ()


# Measured on DuckDB 2.0.0: a chain of 60 `SELECT *, ...` plans in 23 ms, of 120 in 84, of 240 in 423.
LONGEST_CHAIN = 60
"""CTEs that may stand on one another in one statement: DuckDB plans a chain in more than the square of its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryTable:
    """A relation to keep as a table while the statement runs: `query` gives its rows."""

    table: str
    query: str


class Compilation:
    """One statement under construction: its CTEs, and the relation of each compiled node."""

    def __init__(
        self, dialect: SqlDialect, names: PhysicalNames, tables: Mapping[str, Stored], root: Node, final: bool
    ) -> None:
        self.dialect, self.names, self.tables = dialect, names, tables
        self.shapes: dict[int, Schema] = {}
        columns_of(root, self.shapes)
        self.needed = collect_columns_by_node(root, self.shapes)
        self.ordered = find_ordered_nodes(root, final)
        self.parts = parts_needed(root, {n: t.parts for n, t in tables.items()})
        self.relations: dict[int, Relation] = {}
        self.ctes: dict[str, tuple[exp.Expression, set[str]]] = {}
        self.depths: dict[str, int] = {}
        self.first = computed_first(root, self.weight)
        # CTEs that are MATERIALIZED: DuckDB would push conditions down into every part of a union, with all expressions
        # that they stand on; data models over forty kinds of events took it a minute of planning.
        self.solid: set[str] = set()
        self.before: list[Any] = []
        self.count = 0

    def below(self, node: Node) -> Relation:
        """The relation that a node became."""
        return self.relations[id(node)]

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
        self.relations[id(node)] = Relation(name=name, columns=columns, held=query.held, order=order)

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
