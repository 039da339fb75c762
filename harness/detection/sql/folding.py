"""How a window operation that Python folds over the rows becomes SQL: the rows are kept, their results joined in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan.expressions import Aggregation, Expression
from harness.detection.plan.nodes import Window
from harness.detection.plan.operation import Operation
from harness.detection.plan.schema import kind_of
from harness.detection.plan.values.folds import FOLDS
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import order_by
from harness.detection.sql.relations import Compilation, TemporaryTable
from harness.detection.sql.selects import SelectQuery, build_select, table_as
from harness.diagnostics import HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class Folding:
    """A fold to run in Python before the statement.

    `query` gives for each row its number, `partition` columns and the arguments, rows of one partition together and in
    order. The engine makes a table `table` with the numbers as `number` and the results as `value`, of type `kind`.
    """

    table: str
    operation: Operation
    query: str
    partition: int
    number: str
    value: str
    kind: str

    def results(self, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
        """The number of each row with its result."""
        for _, group in groupby(rows, key=lambda row: row[1 : 1 + self.partition]):
            members = list(group)
            made = FOLDS[self.operation]([row[1 + self.partition :] for row in members])
            yield from zip((row[0] for row in members), made, strict=True)


def is_folded(expression: Expression) -> bool:
    """Whether a measure is one that Python folds."""
    return isinstance(expression, Aggregation) and expression.operation in FOLDS


def fold(c: Compilation, node: Window, measures: Sequence[tuple[str, Aggregation]]) -> None:
    """Keeps the source's rows as a table, numbered by partition and order; the folds read it, and their tables join."""
    # Raises for a dialect that only writes text: nobody would run the fold before its statement.
    if not c.dialect.computes:
        c.dialect.spelling(measures[0][1].operation)
    if len(measures) != len([n for n, _ in node.measures if n in c.shape(node)]):
        raise HarnessError("plan", "a fold stands in a window of its own")
    below = c.below(node.source)
    bench = c.over(below)
    own = c.shape(node)
    partition = {c.fresh("part"): bench.printer(e) for e in node.partition}
    arguments: dict[str, dict[str, exp.Expression]] = {}
    for name, measure in measures:
        kinds = [bench.printer.kind(a) for a in measure.arguments]
        wanted = bench.printer.wanted(measure, kinds)
        pairs = zip(measure.arguments, wanted, strict=True)
        arguments[name] = {c.fresh("argument"): bench.printer(a, k) for a, k in pairs}
    made = partition | {k: v for each in arguments.values() for k, v in each.items()}
    kept = [n for n in own if n in below.columns]
    query = bench.keeping(kept, {}, made)
    number = c.fresh("number")
    ready = c.cte("ready", query.sql)
    order = order_by([*(b.sql_column(p) for p in partition), *(k.sql() for k in below.order)])
    # Rows get their numbers once, in a table of their own: equal rows could be numbered otherwise in a second run of
    # the query, and results would be joined to the wrong ones.
    numbering = b.alias(exp.Window(this=b.fn("row_number"), order=order), number)
    stage = keep(c, build_select([exp.Star(), numbering], ready))
    added = {n: plan_fold(c, stage, m, number, list(partition), list(arguments[n])) for n, m in measures}
    c.add(node, join_fold_results(c, stage, number, added, query.held), own, below.order)


def keep(c: Compilation, query: exp.Select) -> str:
    """A relation as a table while the statement runs."""
    text = c.dialect.print(c.statement(query))
    stage = TemporaryTable(table=f"stage_{sha256(text.encode()).hexdigest()[:12]}", query=text)
    c.before.append(stage)
    return stage.table


def plan_fold(
    c: Compilation, stage: str, measure: Aggregation, number: str, partition: list[str], arguments: list[str]
) -> Folding:
    """Plans one fold over the kept rows."""
    query = build_select([b.sql_column(n) for n in (number, *partition, *arguments)], stage)
    # By number, which sorts by partition first: `groupby` below sees each partition in one stretch.
    query.set("order", order_by([b.sql_column(number)]))
    kind = c.dialect.types[kind_of(measure, {})]
    made = Folding(
        table=f"folded_{sha256(repr((stage, measure)).encode()).hexdigest()[:12]}",
        operation=measure.operation,
        query=c.dialect.print(query),
        partition=len(partition),
        number=c.fresh("number"),
        value=c.fresh("folded"),
        kind=kind,
    )
    c.before.append(made)
    return made


def join_fold_results(
    c: Compilation, stage: str, number: str, added: dict[str, Folding], held: frozenset[str]
) -> SelectQuery:
    """The kept rows with the folds' results."""
    names = {c.names(n): f for n, f in added.items()}
    items = [b.sql_column(h, "s") for h in sorted(held - set(names))]
    joins = []
    for place, (name, each) in enumerate(names.items()):
        short = f"f{place}"
        items.append(b.alias(b.sql_column(each.value, short), name))
        on = b.eq(b.sql_column(number, "s"), b.sql_column(each.number, short))
        joins.append(exp.Join(this=table_as(each.table, short), on=on, side="LEFT"))
    query = build_select(items, stage, "s")
    query.set("joins", joins)
    return SelectQuery(sql=query, held=held | set(names))
