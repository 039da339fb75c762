"""The groups that a rule judges, and how each would be judged at any value of its thresholds.

The rule's plan is run once up to its last grouping. Above that every row is judged alone, by comparisons whose literals
are the thresholds. What follows from those comparisons is worked out by the engine for every way in which they can turn
out, as columns of the same statement; which way they turn out at given thresholds is a matter of comparing numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from harness.detection.engine import CellValue, ResultRows
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, TRUE, Call, Column, Expression, Lambda, Literal, is_hidden
from harness.detection.plan.nodes import Derive, Filter, Limit, Named, Node, Reverse, Select, Sort
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import all_of
from harness.detection.plan.schema import columns_of
from harness.record import record
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.study.batch import STUDY_COLUMNS
from harness.verdict.tune.thresholds import Threshold, split_at_last_grouping

# 64 patterns; chosen, no source: each is a set of columns of the statement.
MOST_FREE = 6
"""Comparisons that a row may pass without: each doubles the ways in which comparisons can turn out."""

Bits = npt.NDArray[np.bool_]


@record(kw_only=True)
class LiftedGroups:
    """What the rule judges, one row a group.

    `values[p, j, i]` is what threshold `j` compares of group `i` where comparisons turn out as `patterns[p]` says, NaN
    where it is null; `passes[p, i]` whether the rule then alerts. `fields` are the group's own columns. `limit` is the
    number of rows that the rule cuts its result to, if it does; the grid does not cut.
    """

    thresholds: tuple[Threshold, ...]
    patterns: Bits
    values: FloatArray
    passes: Bits
    fields: ResultRows
    limit: int | None = None

    def __len__(self) -> int:
        return int(self.passes.shape[1])

    def bits(self, pattern: int, at: Sequence[float]) -> Bits:
        """How each comparison of each group turns out at these literals, if the others turn out as a pattern says."""
        found = np.zeros(self.values.shape[1:], bool)
        for j, (threshold, literal) in enumerate(zip(self.thresholds, at, strict=True)):
            found[j] = compare_with_literal(threshold.operation, self.values[pattern, j], literal)
        return found

    def judged(self, at: Sequence[float]) -> Bits:
        """Which groups alert at these literals."""
        found = np.zeros(len(self), bool)
        for p, pattern in enumerate(self.patterns):
            agrees = (self.bits(p, at) == pattern[:, None]).all(axis=0)
            # At most one pattern agrees for a group, since it is how its comparisons really turn out.
            found |= agrees & self.passes[p]
        return found

    @property
    def published(self) -> tuple[float, ...]:
        """The literals as they are written."""
        return tuple(t.published for t in self.thresholds)


def compare_with_literal(operation: Operation, values: FloatArray, literal: float) -> Bits:
    """A comparison of numbers; NaN compares as false."""
    match operation:
        case ops.less:
            return values < literal
        case ops.less_equal:
            return values <= literal
        case ops.greater:
            return values > literal
        case _:
            return values >= literal


def select_varied_thresholds(thresholds: Sequence[Threshold]) -> tuple[Threshold, ...]:
    """Those that the grid varies: all that every row must pass, and of the others as many as is bearable."""
    free = [t for t in thresholds if not t.fixed and not t.needed][:MOST_FREE]
    return tuple(t for t in thresholds if not t.fixed and (t.needed or t in free))


@dataclass(slots=True)
class Lift:
    """Columns over the groups under construction: for each column of the rule its name in every pattern."""

    thresholds: tuple[Threshold, ...]
    patterns: tuple[tuple[bool, ...], ...]
    names: list[dict[str, str]] = field(default_factory=list)
    known: dict[Expression, str] = field(default_factory=dict)
    added: list[Named] = field(default_factory=list)
    values: dict[tuple[int, int], str] = field(default_factory=dict)
    passes: list[list[Expression]] = field(default_factory=list)

    def expression(self, e: Expression, p: int) -> Expression:
        """An expression of the rule as it is where comparisons turn out as pattern `p` says."""
        match e:
            case Column(name):
                return Column(self.names[p][name]) if name in self.names[p] else NULL
            case Call(operation, arguments, span):
                for j, threshold in enumerate(self.thresholds):
                    # By identity: two equal comparisons in different places are two thresholds.
                    if threshold.comparison is e:
                        return self.decided(j, p)
                return Call(operation, tuple(self.expression(a, p) for a in arguments), span)
            case Lambda(parameter, body, span):
                return Lambda(parameter, self.expression(body, p), span)
            case _:
                return e

    def decided(self, j: int, p: int) -> Expression:
        """Threshold `j` as pattern `p` has it; a comparison with null stays null."""
        side = self.expression(self.thresholds[j].side, p)
        self.values[p, j] = self.column(side)
        return ops.if_(ops.is_null(side), NULL, Literal(self.patterns[p][j]))

    def column(self, e: Expression) -> str:
        """The name of a column that holds the expression; equal expressions share one."""
        if isinstance(e, Column):
            return e.name
        if e not in self.known:
            self.known[e] = f"@lifted{len(self.known)}"
            self.added.append((self.known[e], e))
        return self.known[e]

    def through(self, node: Node, source: Node) -> Node:
        """One node of the rule above the groups, as columns that are added to them."""
        self.added = []
        match node:
            case Filter(condition=condition):
                for p in range(len(self.patterns)):
                    self.passes[p].append(Column(self.column(ops.is_true(self.expression(condition, p)))))
            case Derive(columns=columns) | Select(columns=columns):
                made = [{n: self.column(self.expression(e, p)) for n, e in columns} for p in range(len(self.patterns))]
                keeps = isinstance(node, Derive)
                self.names = [{**(old if keeps else {}), **new} for old, new in zip(self.names, made, strict=True)]
            # A limit on rows is told beside the result; which rows it cuts would depend on the thresholds.
            case Sort() | Reverse() | Limit():
                pass
        return Derive(source=source, columns=tuple(self.added)) if self.added else source


def lift_plan(root: Node, below: Node, thresholds: Sequence[Threshold]) -> tuple[Node, Lift]:
    """The plan that gives every group with what follows from each pattern; `below` is the last grouping, rewritten."""
    above, last = split_at_last_grouping(root)
    free = [j for j, t in enumerate(thresholds) if not t.needed]
    patterns = tuple(
        tuple(choice[free.index(j)] if j in free else True for j in range(len(thresholds)))
        for choice in product((True, False), repeat=len(free))
    )
    names = {n: n for n in columns_of(last)}
    lift = Lift(tuple(thresholds), patterns, [dict(names) for _ in patterns], passes=[[] for _ in patterns])
    node = below
    for each in above:
        node = lift.through(each, node)
    lift.added = []
    finals = [lift.column(all_of(tuple(parts)) if parts else TRUE) for parts in lift.passes]
    node = Derive(source=node, columns=tuple(lift.added)) if lift.added else node
    lift.passes = [[Column(n)] for n in finals]
    return node, lift


def collect_groups(
    run: Callable[[Node], ResultRows],
    root: Node,
    below: Node,
    thresholds: Sequence[Threshold],
    *,
    shown: bool = True,
) -> LiftedGroups:
    """Runs the plan once and gives every group that alerts at some value of the thresholds.

    Without `shown` their fields are those that studies added alone.
    """
    node, lift = lift_plan(root, below, thresholds)
    finals = [str(parts[0].name) for parts in lift.passes if isinstance(parts[0], Column)]
    own = [n for n in columns_of(below) if not is_hidden(n) and (shown or n in STUDY_COLUMNS)]
    extra = list(dict.fromkeys([*lift.values.values(), *finals]))
    # Groups that alert at no value at all stay in the engine.
    kept = Filter(source=node, condition=ops.or_(*(Column(n) for n in dict.fromkeys(finals))))
    columns = tuple((n, Column(n)) for n in dict.fromkeys([*own, *extra]))
    rows = run(Select(source=kept, columns=columns))
    numbers = {n: as_numbers(rows.column(n)) for n in lift.values.values()}
    truths = {n: np.array([v is True for v in rows.column(n)], bool) for n in finals}
    shape = (len(lift.patterns), len(thresholds), len(rows))
    values = np.full(shape, np.nan)
    for (p, j), name in lift.values.items():
        values[p, j] = numbers[name]
    limits = [n.count for n in split_at_last_grouping(root)[0] if isinstance(n, Limit)]
    return LiftedGroups(
        thresholds=tuple(thresholds),
        patterns=np.array(lift.patterns, bool).reshape(len(lift.patterns), len(thresholds)),
        values=values,
        passes=np.array([truths[n] for n in finals], bool).reshape(len(finals), len(rows)),
        fields=narrow_rows(rows, own),
        limit=min(limits, default=None),
    )


def narrow_rows(rows: ResultRows, names: Sequence[str]) -> ResultRows:
    """Some columns of the rows."""
    at = [rows.columns.index(n) for n in names]
    return ResultRows(tuple(names), tuple(tuple(row[i] for i in at) for row in rows.rows))


def as_numbers(values: Sequence[CellValue]) -> FloatArray:
    """A column as numbers, NaN for null."""
    return np.array([v if isinstance(v, int | float) else np.nan for v in values], np.float64)
