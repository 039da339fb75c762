"""Statements: SELECT, UNION ALL and what stands in their FROM; as one line, or as several for people.

Of several, a clause has one, and what is too long is broken at its brackets.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.sql import tree
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


WIDTH = 110
"""Characters of a line that is not broken."""


def print_statement(statement: Query, margin: str = "") -> str:
    """A statement with CTEs, clauses and their members on lines of their own, behind a margin."""
    lines = []
    if statement.ctes:
        listed = [f"{c.head()}(\n{print_statement(c.this, margin + '  ')}\n{margin})" for c in statement.ctes]
        lines.append(f"{margin}WITH {', '.join(listed)}")
    for words, members in statement.clauses():
        if not words:
            lines += [
                print_statement(m, margin) if isinstance(m, Query) else margin + break_up(m, margin) for m in members
            ]
        elif isinstance(members[0], Query):
            lines.append(f"{margin}{words}\n{print_statement(members[0], margin)}")
        else:
            lines.append(margin + words + list_members(members, margin, len(words)))
    return "\n".join(lines)


def list_members(members: Sequence[Expression], margin: str, used: int) -> str:
    """What follows the words of a clause: behind them where it fits, else a line each."""
    flat = " " + join_sql(members)
    if len(flat) + len(margin) + used <= WIDTH and "\n" not in flat:
        return flat
    inner = margin + "  "
    return "\n" + ",\n".join(inner + break_up(m, inner) for m in members)


def break_up(node: Expression, margin: str) -> str:
    """A part's text, broken where it is too long; following lines begin with the margin."""
    flat = node.sql()
    if len(flat) + len(margin) <= WIDTH:
        return flat
    inner = margin + "  "
    match node:
        case tree.Connector():
            return f"{break_up(node.this, margin)}\n{margin}{node.sign} {break_up(node.expression, margin)}"
        case tree.Paren() | tree.Not() | tree.Is() | tree.Alias():
            return break_inside(node, margin)
        case tree.Anonymous() if node.expressions:
            listed = ",\n".join(inner + break_up(each, inner) for each in node.expressions)
            return f"{node.this}(\n{listed}\n{margin})"
        case tree.Case():
            branches = [f"{inner}WHEN {break_up(i.this, inner)} THEN {break_up(i.true, inner)}" for i in node.ifs]
            if node.default is not None:
                branches.append(f"{inner}ELSE {break_up(node.default, inner)}")
            return "\n".join(["CASE", *branches, f"{margin}END"])
        case Subquery():
            name = "" if node.alias is None else f" AS {node.alias.sql()}"
            return f"(\n{print_statement(node.this, inner)}\n{margin}){name}"
        case _:
            return flat


def break_inside(node: Expression, margin: str) -> str:
    """The same of a part that has another one inside and words around it."""
    inner = margin + "  "
    match node:
        case tree.Paren():
            return f"(\n{inner}{break_up(node.this, inner)}\n{margin})"
        case tree.Not():
            return f"NOT {break_up(node.this, margin)}"
        case tree.Infix():
            return f"{break_up(node.this, margin)} {node.sign} {break_up(node.expression, margin)}"
        case tree.Alias():
            return f"{break_up(node.this, margin)} AS {node.alias.sql()}"
        case _:
            return node.sql()
