"""A statement over several lines, for people: a clause a line, what is too long for one broken at its brackets."""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.sql import query as q
from harness.detection.sql import tree

WIDTH = 110
"""Characters of a line that is not broken."""


def print_lines(statement: q.Query, margin: str = "") -> str:
    """A statement with CTEs, clauses and their members on lines of their own, behind a margin."""
    lines = []
    if statement.ctes:
        listed = [f"{c.head()}(\n{print_lines(c.this, margin + '  ')}\n{margin})" for c in statement.ctes]
        lines.append(f"{margin}WITH {', '.join(listed)}")
    for words, members in statement.clauses():
        if not words:
            lines += [
                print_lines(m, margin) if isinstance(m, q.Query) else margin + break_up(m, margin) for m in members
            ]
        elif isinstance(members[0], q.Query):
            lines.append(f"{margin}{words}\n{print_lines(members[0], margin)}")
        else:
            lines.append(margin + words + list_members(members, margin, len(words)))
    return "\n".join(lines)


def list_members(members: Sequence[tree.Expression], margin: str, used: int) -> str:
    """What follows the words of a clause: behind them where it fits, else a line each."""
    flat = " " + tree.join_sql(members)
    if len(flat) + len(margin) + used <= WIDTH and "\n" not in flat:
        return flat
    inner = margin + "  "
    return "\n" + ",\n".join(inner + break_up(m, inner) for m in members)


def break_up(node: tree.Expression, margin: str) -> str:
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
        case q.Subquery():
            name = "" if node.alias is None else f" AS {node.alias.sql()}"
            return f"(\n{print_lines(node.this, inner)}\n{margin}){name}"
        case _:
            return flat


def break_inside(node: tree.Expression, margin: str) -> str:
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
