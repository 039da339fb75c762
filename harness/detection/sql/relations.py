"""Nodes of the plan as SQL: one CTE a node, named after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlglot import expressions as exp

from harness.detection.plan.columns import ROW, Columns, Kind
from harness.detection.plan.expressions import Expression
from harness.detection.plan.needed import needed
from harness.detection.plan.nodes import Node
from harness.detection.plan.order import ordered
from harness.detection.plan.shape import columns_of
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Order, OrderKey
from harness.detection.sql.dialect import Dialect
from harness.detection.sql.expressions import Printer
from harness.detection.sql.names import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A CTE: its name, its logical columns, all its physical ones, and those that hold its current order."""

    name: str
    columns: Columns
    held: frozenset[str]
    order: Order = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A table of the engine's store: its name there and the columns it has."""

    name: str
    columns: Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A SELECT and the physical columns that it gives."""

    sql: exp.Select
    held: frozenset[str]


class Compilation:
    """One statement in the making: its CTEs so far, and the relation that each node became."""

    def __init__(self, dialect: Dialect, names: Names, tables: Mapping[str, Stored], root: Node, final: bool) -> None:
        self.dialect, self.names, self.tables = dialect, names, tables
        self.shapes: dict[int, Columns] = {}
        columns_of(root, self.shapes)
        self.needed = needed(root, self.shapes)
        self.ordered = ordered(root, final)
        self.relations: dict[int, Relation] = {}
        self.ctes: list[tuple[str, exp.Expression]] = []
        self.count = 0

    def below(self, node: Node) -> Relation:
        """The relation that a node became."""
        return self.relations[id(node)]

    def wants_order(self, node: Node) -> bool:
        """Whether somebody looks at the order of this node's rows."""
        return id(node) in self.ordered

    def shape(self, node: Node) -> dict[str, Kind]:
        """The columns of a node that are needed, in order."""
        own = self.needed[id(node)]
        return {n: k for n, k in self.shapes[id(node)].items() if n in own}

    def add(self, node: Node, query: Query, columns: Columns, order: Order = ()) -> None:
        """Makes a query the CTE of a node."""
        name = self.cte(type(node).__name__.lower(), query.sql)
        self.relations[id(node)] = Relation(name=name, columns=columns, held=query.held, order=order)

    def cte(self, word: str, query: exp.Expression) -> str:
        """A new CTE, named by a word and a number."""
        self.count += 1
        name = f"{word}_{self.count}"
        self.ctes.append((name, query))
        return name

    def fresh(self, purpose: str = "value") -> str:
        """A physical column name that no field can have."""
        self.count += 1
        return self.names(f"@{purpose}{self.count}")

    def order_keys(self, directions: Iterable[tuple[bool, bool]]) -> Order:
        """New hidden columns to hold an order."""
        return tuple(OrderKey(column=self.fresh(ROW[1:]), descending=d, nulls_first=f) for d, f in directions)

    def over(self, relation: Relation) -> Workbench:
        """A place to write expressions over a relation."""
        return Workbench(self, relation)

    def statement(self, query: exp.Expression) -> exp.Expression:
        """The whole statement."""
        tables = [exp.CTE(this=q, alias=exp.TableAlias(this=exp.to_identifier(n))) for n, q in self.ctes]
        if tables:
            query.set("with_", exp.With(expressions=tables))
        return query


class Workbench:
    """Expressions over one relation; values needed more than once become columns of CTEs put in between."""

    def __init__(self, compilation: Compilation, relation: Relation) -> None:
        self.compilation = compilation
        self.start = relation
        self.levels: list[list[tuple[str, exp.Expression]]] = []
        self.level_of: dict[str, int] = {}
        self.known: dict[str, str] = {}
        self.printer = Printer(compilation.dialect, compilation.names, relation.columns, self.hoist)

    def hoist(self, made: exp.Expression, source: Expression) -> exp.Expression:
        """Gives a value a column of its own, above those that it reads."""
        text = compilation_text(made)
        if text in self.known:
            return b.column(self.known[text])
        level = 1 + max((self.level_of.get(c.name, -1) for c in made.find_all(exp.Column)), default=-1)
        name = self.compilation.fresh()
        while len(self.levels) <= level:
            self.levels.append([])
        self.levels[level].append((name, made))
        self.level_of[name] = level
        self.known[text] = name
        return b.column(name)

    def relation(self) -> str:
        """The name of the relation that has all values that were taken out."""
        name = self.start.name
        for level in self.levels:
            query = select([exp.Star(), *(b.alias(v, n) for n, v in level)], name)
            name = self.compilation.cte("values", query)
        return name

    def keeping(
        self, own: Iterable[str], added: Mapping[str, exp.Expression], order: Mapping[str, exp.Expression] | None = None
    ) -> Query:
        """SELECT of the columns `own`, some of them `added`, with the relation's order columns and new ones."""
        names = self.compilation.names
        new = {names(n): v for n, v in added.items()} | dict(order or {})
        kept = [names(n) for n in own] + [k.column for k in self.start.order]
        source = self.relation()
        if not self.levels and not set(new) & self.start.held:
            items = [exp.Star(), *(b.alias(v, n) for n, v in new.items())]
            return Query(sql=select(items, source), held=self.start.held | set(new))
        return listing({n: new.get(n, b.column(n)) for n in (*kept, *new)}, source)


def compilation_text(made: exp.Expression) -> str:
    """The text of a value, by which equal ones are known."""
    text: str = made.sql(dialect="duckdb", comments=False)
    return text


def listing(items: Mapping[str, exp.Expression], source: str | None = None) -> Query:
    """SELECT of exactly these physical columns."""
    made = [v if isinstance(v, exp.Column) and v.name == n else b.alias(v, n) for n, v in items.items()]
    return Query(sql=select(made, source), held=frozenset(items))


def select(items: list[exp.Expression], source: str | None = None) -> exp.Select:
    """SELECT items FROM source; a relation without columns has one that nobody sees."""
    query = exp.Select(expressions=items or [b.alias(b.null(), "~")])
    if source is not None:
        query.set("from_", exp.From(this=exp.Table(this=exp.to_identifier(source))))
    return query
