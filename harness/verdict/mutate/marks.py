"""Columns that only mark a row (`if(..., 1, 0)`): what is asked of them is asked of the condition behind them.

`eval hit=if(n > 20, 1, 0) | search hit=1` is `where n > 20 | eval hit=1`: nobody sees the 0, and a rule with -1 in its
place is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    FALSE_LITERAL,
    TRUE,
    Call,
    Column,
    Expression,
    Literal,
    columns_read,
    rebuild_expression,
)
from harness.detection.plan.nodes import Derive, Filter, Limit, Node, Reverse, Sort, walk_nodes
from harness.detection.plan.operation import Operation
from harness.verdict.clauses import split_conjunction
from harness.verdict.study.isolation import rebuild_on_sources

Marks = Mapping[str, Call]
COMPARISONS: dict[Operation, Callable[[float, float], bool]] = {
    ops.equal: lambda a, b: a == b,
    ops.not_equal: lambda a, b: a != b,
    ops.less: lambda a, b: a < b,
    ops.less_equal: lambda a, b: a <= b,
    ops.greater: lambda a, b: a > b,
    ops.greater_equal: lambda a, b: a >= b,
}


def settle_marks(root: Node) -> Node:
    """The plan whose filters look through marks; a mark that a filter asks to have one value has it from there on."""
    made: dict[int, Node] = {}
    marks: dict[int, Marks] = {}
    for node in walk_nodes(root):
        new = rebuild_on_sources(node, made)
        known: Marks = {}
        match node:
            case Derive(source=source, columns=columns):
                known = pass_derivation(marks[id(source)], columns)
            case Filter(source=source, condition=condition):
                known = marks[id(source)]
                new = settle_filter(new, condition, known)
            case Sort(source=source) | Limit(source=source) | Reverse(source=source):
                known = marks[id(source)]
        made[id(node)], marks[id(node)] = new, known
    return made[id(root)]


def pass_derivation(known: Marks, columns: tuple[tuple[str, Expression], ...]) -> Marks:
    """The marks above a derivation: its own, and those of below that rest on none of its columns."""
    written = {n for n, _ in columns}
    kept = {n: e for n, e in known.items() if n not in written and not columns_read(e) & written}
    # Its own see the row as it was before: one that reads a column that is written here reads another.
    own = {n: e for n, e in columns if is_mark(e) and not columns_read(e) & written}
    return {**kept, **{n: e for n, e in own.items() if isinstance(e, Call)}}


def is_mark(e: Expression) -> bool:
    """Whether an expression is one of two numbers by a condition."""
    match e:
        case Call(ops.if_, (_, Literal(value=yes), Literal(value=no))):
            return is_number(yes) and is_number(no)
        case _:
            return False


def is_number(value: object) -> bool:
    """Whether a literal's value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def settle_filter(node: Node, condition: Expression, known: Marks) -> Node:
    """A filter that asks the conditions behind marks."""
    assert isinstance(node, Filter)
    asked = {
        e.arguments[0].name: e.arguments[1]
        for e in split_conjunction(condition)
        if isinstance(e, Call)
        and e.operation == ops.equal
        and isinstance(e.arguments[0], Column)
        and e.arguments[0].name in known
        and isinstance(e.arguments[1], Literal)
    }
    new = replace(node, condition=rebuild_expression(condition, lambda e: look_through(e, known)))
    return Derive(source=new, columns=tuple(asked.items())) if asked else new


def look_through(e: Expression, known: Marks) -> Expression:
    """A comparison of a mark with a number as what it says of the condition behind it."""
    match e:
        case Call(operation, (Column(name), Literal(value=value))) if operation in COMPARISONS and name in known:
            condition, yes, no = known[name].arguments
            if not is_number(value) or not isinstance(yes, Literal) or not isinstance(no, Literal):
                return e
            holds = [COMPARISONS[operation](float(v.value), float(value)) for v in (yes, no)]  # type: ignore[arg-type]
            if holds[0] == holds[1]:
                return TRUE if holds[0] else FALSE_LITERAL
            # A condition that is null gives the second value.
            return ops.is_true(condition) if holds[0] else ops.not_(ops.is_true(condition))
        case _:
            return e
