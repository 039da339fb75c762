"""Statements: SELECT, UNION ALL and what stands in their FROM, of the tree's parts."""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.sql.tree import Expression, Identifier, Order, join_sql


class Table(Expression):
    """A table or CTE, under a short name if that is given."""

    __slots__ = ("alias", "this")

    def __init__(self, this: Identifier, alias: Identifier | None = None) -> None:
        self.this, self.alias = this, alias

    @property
    def name(self) -> str:
        """The table's own name."""
        return self.this.this

    def sql(self) -> str:
        """The name, AS and the short name."""
        return self.this.sql() if self.alias is None else f"{self.this.sql()} AS {self.alias.sql()}"


class Subquery(Expression):
    """A query in brackets, under a short name if that is given."""

    __slots__ = ("alias", "this")
    fields = ("this",)

    def __init__(self, this: Query, alias: Identifier | None = None) -> None:
        self.this, self.alias = this, alias

    def sql(self) -> str:
        """The query, AS and the short name."""
        return f"({self.this.sql()})" if self.alias is None else f"({self.this.sql()}) AS {self.alias.sql()}"


class LiteralRows(Expression):
    """VALUES: rows of literals as a table with names for its columns."""

    __slots__ = ("alias", "columns", "expressions")
    fields = ("expressions",)

    def __init__(self, expressions: Sequence[Expression], alias: Identifier, columns: Sequence[Identifier]) -> None:
        self.expressions, self.alias, self.columns = expressions, alias, columns

    def sql(self) -> str:
        """The rows, and the names behind them."""
        return f"(VALUES {join_sql(self.expressions)}) AS {self.alias.sql()}({join_sql(self.columns)})"


class Join(Expression):
    """A relation joined in; `side` is LEFT, `kind` INNER or CROSS."""

    __slots__ = ("kind", "on", "side", "this")
    fields = ("this", "on")

    def __init__(
        self, this: Expression, on: Expression | None = None, side: str | None = None, kind: str | None = None
    ) -> None:
        self.this, self.on, self.side, self.kind = this, on, side, kind

    def sql(self) -> str:
        """The words, the relation and its condition."""
        words = " ".join([w for w in (self.side, self.kind, "JOIN") if w])
        return f"{words} {self.this.sql()}" + ("" if self.on is None else f" ON {self.on.sql()}")


class CTE(Expression):
    """A query with a name in front of a statement."""

    __slots__ = ("alias", "materialized", "this")
    fields = ("this",)

    def __init__(self, this: Query, alias: Identifier, materialized: bool = False) -> None:
        self.this, self.alias, self.materialized = this, alias, materialized

    def head(self) -> str:
        """What stands before the query's bracket."""
        return f"{self.alias.sql()} AS {'MATERIALIZED ' if self.materialized else ''}"

    def sql(self) -> str:
        """The name, AS and the query in brackets."""
        return f"{self.head()}({self.this.sql()})"


class Query(Expression):
    """What gives rows; `ctes` stand in front of it."""

    __slots__ = ("ctes",)
    ctes: Sequence[CTE]

    def clauses(self) -> list[tuple[str, Sequence[Expression]]]:
        """Each clause in order: its words, and what follows them with commas between."""
        raise NotImplementedError

    def sql(self) -> str:
        """All clauses in one line."""
        found = [f"WITH {join_sql(self.ctes)}"] if self.ctes else []
        found += [f"{words} {join_sql(members)}" if words else join_sql(members) for words, members in self.clauses()]
        return " ".join(found)


class Select(Query):
    """SELECT: the one node that is filled after it was made, clause by clause, until it is named or printed."""

    __slots__ = ("distinct", "expressions", "group", "joins", "limit", "offset", "order", "qualify", "source", "where")
    fields = ("expressions", "source", "joins", "where", "group", "qualify", "order", "ctes")

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self.expressions: Sequence[Expression] = expressions
        self.distinct = False
        self.source: Expression | None = None
        self.joins: Sequence[Join] = ()
        self.where: Expression | None = None
        self.group: Sequence[Expression] = ()
        self.qualify: Expression | None = None
        self.order: Order | None = None
        self.limit: Expression | None = None
        self.offset: Expression | None = None
        self.ctes = ()

    def clauses(self) -> list[tuple[str, Sequence[Expression]]]:
        """Those that there are; a join brings its own words."""
        found: list[tuple[str, Sequence[Expression]]] = [
            ("SELECT DISTINCT" if self.distinct else "SELECT", self.expressions)
        ]
        if self.source is not None:
            found.append(("FROM", [self.source]))
        found += [("", [join]) for join in self.joins]
        if self.where is not None:
            found.append(("WHERE", [self.where]))
        if self.group:
            found.append(("GROUP BY", self.group))
        if self.qualify is not None:
            found.append(("QUALIFY", [self.qualify]))
        if self.order is not None:
            found.append(("ORDER BY", self.order.expressions))
        for words, number in (("LIMIT", self.limit), ("OFFSET", self.offset)):
            if number is not None:
                found.append((words, [number]))
        return found


class UnionAll(Query):
    """The rows of two queries or more."""

    __slots__ = ("expressions",)
    fields = ("expressions", "ctes")

    def __init__(self, expressions: Sequence[Query]) -> None:
        self.expressions: Sequence[Query] = expressions
        self.ctes = ()

    def clauses(self) -> list[tuple[str, Sequence[Expression]]]:
        """Each query, all but the first behind UNION ALL."""
        first, *others = self.expressions
        return [("", [first]), *(("UNION ALL", [each]) for each in others)]
