"""Windows as SQL: frames, and operations that Python folds over the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import groupby
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Expression, Kind
from harness.detection.plan.nodes import Frame, Window
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.requirements import MOVING, keep_needed_columns, sensitive
from harness.detection.plan.schema import kind_of
from harness.detection.plan.values.folds import FOLDS
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order, OrderKey, compile_aggregation, order_by
from harness.detection.sql.build import SelectQuery, build_select, fn, table_as
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.frame_join import compile_frame_join
from harness.detection.sql.relation import TemporaryTable
from harness.detection.sql.workbench import Workbench
from harness.diagnostics import HarnessError
from harness.record import record


@record(kw_only=True)
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


def keep(c: Compilation, query: q.Select) -> str:
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
    query.order = order_by([b.sql_column(number)])
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
        joins.append(q.Join(this=table_as(each.table, short), on=on, side="LEFT"))
    query = build_select(items, stage, "s")
    query.joins = joins
    return SelectQuery(sql=query, held=held | set(names))


def compile_window(c: Compilation, node: Window) -> None:
    """Measures OVER the partition; a frame by time is first turned into one by rows."""
    below = c.below(node.source)
    folds = [
        (n, e)
        for n, e in keep_needed_columns(node.measures, frozenset(c.shape(node)))
        if isinstance(e, Aggregation) and is_folded(e)
    ]
    if folds:
        fold(c, node, folds)
        return
    bench = c.over(below)
    own = c.shape(node)
    partition = [bench.printer(e) for e in node.partition]
    start = time_frame(c, node, bench, partition) if node.time is not None and node.range is not None else None
    if start is not None and not c.dialect.moves_frames:
        compile_frame_join(c, node, bench, partition, start)
        return

    def over(aggregation: Aggregation) -> exp.Expression:
        return compile_aggregation(
            bench.printer,
            aggregation,
            below.order,
            frame(node, aggregation, partition, below.order, start),
            c.whole[id(node.source)],
        )

    bench.printer.aggregation = over
    added = {n: bench.printer(e, own[n]) for n, e in keep_needed_columns(node.measures, frozenset(own))}
    c.add(node, bench.keeping(own, added), own, below.order)


def time_frame(c: Compilation, node: Window, bench: Workbench, partition: list[exp.Expression]) -> exp.Expression:
    """How many rows before the current one are less than the range away, for times that rise or fall with the order."""
    moment = bench.printer(node.time, Kind.NUMBER)  # type: ignore[arg-type]
    # Whole microseconds: "less than the range away" is exact on integers, on doubles of epoch seconds it is not.
    ticks = b.cast(fn("round", b.sql_infix(exp.Mul, moment, b.sql_number(1e6))), "BIGINT")
    ticks = bench.hoist(ticks)
    order = order_by([k.sql() for k in bench.start.order])
    place = bench.hoist(exp.Window(this=fn("row_number"), partition_by=list(partition), order=order))
    # RANGE includes its bounds, the plan's frame does not, hence one microsecond less.
    width = b.sql_integer(max(0, round((node.range or 0.0) * 1e6) - 1))
    # In both directions, because the current order may be by falling time; the smallest place
    # within is the frame's start.
    near = exp.WindowSpec(kind="RANGE", start=width, start_side="PRECEDING", end=width, end_side="FOLLOWING")
    by_time = order_by([OrderKey(column=ticks.name).sql()])
    whole = exp.Window(this=fn("min", place), partition_by=list(partition), order=by_time, spec=near)
    return bench.hoist(b.sql_infix(exp.Sub, place, whole))


def frame(
    node: Window, aggregation: Aggregation, partition: list[exp.Expression], order: Order, start: exp.Expression | None
) -> exp.Window:
    """The OVER clause of a measure."""
    # Without ORDER BY the frame is the whole partition, and the engine need not sort it.
    if node.frame is Frame.ALL and not sensitive(aggregation):
        return exp.Window(b.sql_null(), partition)
    ordered = partial(exp.Window, b.sql_null(), partition, order_by([k.sql() for k in order]))
    if aggregation.operation in MOVING:
        return ordered(build_rows_frame(None, 0) if aggregation.operation == ops.fill else None)
    if node.frame is Frame.ALL:
        # With ORDER BY the default frame ends at the current row and its peers, so the whole partition has to be said.
        return ordered(build_rows_frame(None, None))
    first: int | exp.Expression | None = start
    if start is None and node.rows is not None:
        first = node.rows - (node.frame is Frame.RUNNING)
    elif start is not None and node.rows is not None:
        first = fn("least", start, b.sql_integer(node.rows - (node.frame is Frame.RUNNING)))
    return ordered(build_rows_frame(first, 0 if node.frame is Frame.RUNNING else 1))


def build_rows_frame(start: int | exp.Expression | None, end: int | None) -> exp.WindowSpec:
    """ROWS BETWEEN so many rows before and so many before; None is without bound."""

    def side(count: int | exp.Expression | None) -> str | exp.Expression:
        if isinstance(count, exp.Expression):
            return b.sql_bracket(count)
        return "UNBOUNDED" if count is None else "CURRENT ROW" if count == 0 else b.sql_integer(count)

    return exp.WindowSpec(
        kind="ROWS",
        start=side(start),
        start_side=None if isinstance(start, int) and start == 0 else "PRECEDING",
        end=side(end),
        end_side=None if end == 0 else "FOLLOWING" if end is None else "PRECEDING",
    )
