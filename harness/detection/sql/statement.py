"""A whole plan as one statement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan.expressions import Call, Expression, children
from harness.detection.plan.merging import merged
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Limit,
    Node,
    Reverse,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
    inside,
    walk,
)
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import order_by
from harness.detection.sql.combining import join, union, window
from harness.detection.sql.dialect import Dialect
from harness.detection.sql.folding import Folding
from harness.detection.sql.names import Names
from harness.detection.sql.relations import Compilation, Stage, Stored
from harness.detection.sql.selects import select
from harness.detection.sql.steps import derive, group, limit, project, reverse, scan, sort, unnest, values, where
from harness.detection.sql.workbench import Computation
from harness.diagnostics import HarnessError

STEPS: dict[type[Node], Callable[[Compilation, Any], None]] = {
    Scan: scan,
    Values: values,
    Filter: where,
    Derive: derive,
    Select: project,
    Aggregate: group,
    Window: window,
    Sort: sort,
    Limit: limit,
    Reverse: reverse,
    Join: join,
    Union: union,
    Unnest: unnest,
}
DEEPEST = 800
"""How deep an expression may nest, chains of AND and OR counting once."""
FRAMES = 8_000
"""Python frames that writing and printing an expression of that depth may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and what has to be done before it runs, in order."""

    sql: exp.Expression
    columns: tuple[str, ...]
    before: tuple[Computation | Folding | Stage, ...]


def statement(
    root: Node, dialect: Dialect, names: Names, tables: Mapping[str, Stored], *, limit: int | None = None
) -> Statement:
    """The statement that gives a plan's rows in its order; raises HarnessError for one that nests too deep."""
    for node in walk(root):
        for expression in inside(node):
            check_depth(expression)
    root = merged(root)
    c = Compilation(dialect, names, tables, root, final=True)
    for node in walk(root):
        if id(node) not in c.relations:
            STEPS[type(node)](c, node)
    last = c.below(root)
    columns = tuple(c.shapes[id(root)])
    query = select([b.column(names(n)) for n in columns], last.name)
    query.set("order", order_by([k.sql() for k in last.order]))
    if limit is not None:
        query.set("limit", exp.Limit(expression=exp.Literal.number(str(limit))))
    return Statement(sql=c.statement(query), columns=columns, before=tuple(c.before))


@contextmanager
def deep() -> Iterator[None]:
    """Room for deep expressions; what needs even more is an error and no traceback."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    except RecursionError:
        raise too_deep() from None
    finally:
        sys.setrecursionlimit(before)


def too_deep() -> HarnessError:
    """What is told of a query that nests too deep."""
    return HarnessError(
        "too-deep", "the query nests too deep to be run", help="split the expression into several steps"
    )


def check_depth(expression: Expression) -> None:
    """Raises HarnessError for an expression that nests too deep; looks at each part once."""
    seen: set[int] = set()
    level: list[tuple[Expression, str]] = [(expression, "")]
    for _ in range(DEEPEST):
        following: list[tuple[Expression, str]] = []
        while level:
            part, above = level.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            operation = part.operation if isinstance(part, Call) else ""
            same = operation == above and operation in ("and", "or", "if")
            (level if same else following).extend((c, operation) for c in children(part))
        if not following:
            return
        level = following
    raise too_deep()
