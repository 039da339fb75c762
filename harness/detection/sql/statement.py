"""A whole plan as one statement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, list_child_expressions
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
    list_node_expressions,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.derived_columns import merge_derives
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import order_by
from harness.detection.sql.combining import compile_join, compile_union, compile_window
from harness.detection.sql.dialect import SqlDialect
from harness.detection.sql.folding import Folding
from harness.detection.sql.names import PhysicalNames
from harness.detection.sql.relations import Compilation, Stored, TemporaryTable
from harness.detection.sql.selects import build_select
from harness.detection.sql.steps import (
    compile_aggregate,
    compile_derive,
    compile_filter,
    compile_limit,
    compile_reverse,
    compile_sort,
    compile_unnest,
    compile_values,
    project,
    scan,
)
from harness.detection.sql.workbench import Computation
from harness.diagnostics import HarnessError

NODE_COMPILERS: dict[type[Node], Callable[[Compilation, Any], None]] = {
    Scan: scan,
    Values: compile_values,
    Filter: compile_filter,
    Derive: compile_derive,
    Select: project,
    Aggregate: compile_aggregate,
    Window: compile_window,
    Sort: compile_sort,
    Limit: compile_limit,
    Reverse: compile_reverse,
    Join: compile_join,
    Union: compile_union,
    Unnest: compile_unnest,
}
# Chosen, no source: far deeper than a person writes, and still within FRAMES.
DEEPEST_STATEMENT = 800
"""How deep an expression may nest, chains of AND and OR counting once."""
# Ten frames for each of those levels, since sqlglot's generator takes several; CPython allows 1,000 by default.
FRAMES = 8_000
"""Python frames that writing and printing an expression of that depth may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and the steps that run before it, in order."""

    sql: exp.Expression
    columns: tuple[str, ...]
    before: tuple[Computation | Folding | TemporaryTable, ...]


def statement(
    root: Node, dialect: SqlDialect, names: PhysicalNames, tables: Mapping[str, Stored], *, limit: int | None = None
) -> Statement:
    """The statement that gives a plan's rows in its order; raises HarnessError for one that nests too deep."""
    for node in walk_nodes(root):
        for expression in list_node_expressions(node):
            check_depth(expression)
    root = merge_derives(root)
    c = Compilation(dialect, names, tables, root, final=True)
    for node in walk_nodes(root):
        if id(node) not in c.relations:
            NODE_COMPILERS[type(node)](c, node)
    last = c.below(root)
    columns = tuple(c.shapes[id(root)])
    query = build_select([b.sql_column(names(n)) for n in columns], last.name)
    query.set("order", order_by([k.sql() for k in last.order]))
    if limit is not None:
        query.set("limit", exp.Limit(expression=exp.Literal.number(str(limit))))
    return Statement(sql=c.statement(query), columns=columns, before=tuple(c.before))


@contextmanager
def deep() -> Iterator[None]:
    """Room for deep expressions; what needs even more is an error and no traceback."""
    before = sys.getrecursionlimit()
    # Calls between Python functions take no C stack since CPython 3.11, the oldest version that is supported.
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    except RecursionError:
        raise too_deep() from None
    finally:
        sys.setrecursionlimit(before)


def too_deep() -> HarnessError:
    """The error of a query that nests too deep."""
    return HarnessError(
        "too-deep", "the query nests too deep to be run", help="split the expression into several steps"
    )


def check_depth(expression: Expression) -> None:
    """Raises HarnessError for an expression that nests too deep; looks at each part once."""
    seen: set[int] = set()
    level: list[tuple[Expression, Operation | None]] = [(expression, None)]
    for _ in range(DEEPEST_STATEMENT):
        following: list[tuple[Expression, Operation | None]] = []
        while level:
            part, above = level.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            operation = part.operation if isinstance(part, Call) else None
            # The printer writes such chains flat (a balanced tree, one CASE), so their length
            # is no depth for the engine.
            same = operation is above and operation in (ops.and_, ops.or_, ops.if_)
            (level if same else following).extend((c, operation) for c in list_child_expressions(part))
        if not following:
            return
        level = following
    raise too_deep()
