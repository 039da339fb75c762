"""A whole plan as one statement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlglot import expressions as exp

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
    walk,
)
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import order_by
from harness.detection.sql.combining import join, union, window
from harness.detection.sql.dialect import Dialect
from harness.detection.sql.names import Names
from harness.detection.sql.relations import Compilation, Stored
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
DEEPEST = 20_000
"""Python frames that writing and printing one statement may take; each costs about half a kilobyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and what has to be computed before it runs."""

    sql: exp.Expression
    columns: tuple[str, ...]
    computations: tuple[Computation, ...]


def statement(
    root: Node, dialect: Dialect, names: Names, tables: Mapping[str, Stored], *, limit: int | None = None
) -> Statement:
    """The statement that gives a plan's rows in its order."""
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
    return Statement(sql=c.statement(query), columns=columns, computations=tuple(c.computations))


@contextmanager
def deep() -> Iterator[None]:
    """Room for deep expressions; what needs even more is an error and no traceback."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEPEST))
    try:
        yield
    except RecursionError:
        help = "split the expression into several steps"
        raise HarnessError("too-deep", "the query nests too deep to be run", help=help) from None
    finally:
        sys.setrecursionlimit(before)
