"""Which series a chart shows: the best ten by default, all others together in OTHER.

Reference: reference/spl.md 6.3
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.detection.languages.spl.aggregates import build_aggregate
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.commands.series import MOST_SERIES, SeriesTable, check_series_count, rank_series
from harness.detection.languages.spl.registry import AGGREGATES
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import flag, option
from harness.detection.languages.spl.syntax import SeriesChoice, Stage, StatisticsArguments, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Node
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span

LIMIT = re.compile(r"(top|bottom)?\s*(\d{1,6})", re.I)
AGGREGATE = re.compile(r"([a-z_]\w*(?:\.\d+)?)\s*(?:\((.*)\))?", re.I | re.S)
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSelection:
    """How series are chosen: by which aggregate, so many from which end or beyond a bound; how the rest is called.

    `field` is what the aggregate is over, the cells if there is none; `count` 0 means all.
    """

    function: str = ""
    field: str = ""
    ascending: bool = False
    count: int = 10
    inverted: bool = False
    holds: Callable[[float], bool] | None = None
    other: str | None = "OTHER"
    null: str = "NULL"
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedSeries:
    """The series that are shown, in their order, and whether rows have to be given other series first."""

    names: tuple[str, ...]
    kept: tuple[str, ...]
    others: bool
    nulls: bool

    @property
    def folds(self) -> bool:
        """Whether some rows belong to a series of another name than their value."""
        return self.others or self.nulls

    def folded(self, series: str, how: SeriesSelection) -> Typed:
        """The name of each row's series; the empty one is not shown."""
        value = Typed(Column(series), Kind.TEXT)
        here = ops.in_(value, *(literal(n) for n in self.kept)) if self.kept else literal(False)
        rest = literal(how.other or "") if self.others else value
        absent = ops.is_null(value)
        return ops.if_(absent, literal(how.null), ops.if_(here, value, rest))


def parse_series_choice(arguments: StatisticsArguments, stage: Stage) -> SeriesSelection:
    """What a chart says about its series; a WHERE takes the place of `limit` and `agg`."""
    other = option(arguments, "otherstr")
    null = option(arguments, "nullstr")
    made = SeriesSelection(
        other=(other.text if other else "OTHER") if flag(arguments, "useother", True) else None,
        null=null.text if null else "NULL",
        span=stage.span,
    )
    return by_where(made, arguments.series) if arguments.series else by_limit(made, arguments)


def by_where(made: SeriesSelection, where: SeriesChoice) -> SeriesSelection:
    """The choice that a WHERE makes."""
    field = where.argument.text if where.argument else ""
    if where.end:
        return replace(
            made,
            function=where.function,
            field=field,
            count=int(where.bound),
            ascending=where.end == "bottom",
            inverted=where.operator == "notin",
        )
    bound, compare = float(where.bound), HOLDS[where.operator]
    return replace(made, function=where.function, field=field, count=0, holds=lambda score: compare(score, bound))


def by_limit(made: SeriesSelection, arguments: StatisticsArguments) -> SeriesSelection:
    """The choice that `limit` and `agg` make."""
    limit, aggregate = option(arguments, "limit"), option(arguments, "agg")
    function = field = ""
    if aggregate is not None:
        function, field = taken_apart(aggregate)
    if limit is None:
        return replace(made, function=function, field=field)
    found = LIMIT.fullmatch(limit.text)
    if found is None:
        raise SourceError("bad-option", f"`{limit.text[:40]}` is no limit", limit.span, help="write `limit=5`")
    ascending = (found[1] or "").lower() == "bottom"
    return replace(made, function=function, field=field, count=int(found[2]), ascending=ascending)


def taken_apart(word: Word) -> tuple[str, str]:
    """The function and the field of an aggregate in an option."""
    found = AGGREGATE.fullmatch(word.text)
    if found is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no aggregate", word.span, help="write `agg=max(field)`")
    return found[1].lower(), (found[2] or "").strip().strip("\"'")


def select_series(scope: Scope, table: SeriesTable, how: SeriesSelection, span: Span) -> SelectedSeries | None:
    """The series that a chart shows; None where nobody can be asked for their names."""
    over, score = score_series(scope, table, how)
    all_wanted = how.inverted or how.holds is not None or not how.count
    most = MOST_SERIES * 10 if all_wanted else min(how.count, MOST_SERIES) + 2
    found = rank_series(scope, over, table.series, score, how.ascending, most, span)
    if found is None:
        return None
    named = [(n, s) for n, s in found if n is not None]
    if how.holds is not None:
        kept = [n for n, s in named if how.holds(s or 0.0)]
    elif how.inverted:
        kept = [n for n, _ in named[how.count :]]
    else:
        kept = [n for n, _ in named[: how.count or None]]
    check_series_count(scope, len(kept), span)
    nulls, others = len(named) < len(found), len(kept) < len(named)
    names = sorted(kept)
    last = [*([how.null] if nulls else []), *([how.other] if others and how.other is not None else [])]
    names = [*names, *(n for n in last if n not in names)]
    return SelectedSeries(names=tuple(names), kept=tuple(kept), others=others, nulls=nulls)


def score_series(scope: Scope, table: SeriesTable, how: SeriesSelection) -> tuple[Node, Typed]:
    """The relation and the aggregate that series are ranked by.

    Those of one aggregate are ranked by the sum of their cells, those of several by their rows.
    """
    if how.field:
        return scope.node, build_aggregate(scope, how.function, scope.typed(how.field), how.span)
    of_rows = how.function in AGGREGATES and AGGREGATES[how.function].of_rows
    if of_rows or (not how.function and len(table.cells) > 1):
        return scope.node, Typed(ops.count(), Kind.NUMBER)
    first = table.cells[0]
    cells = Typed(Column(first.column), first.kind)
    if cells.kind not in (Kind.NUMBER, Kind.TEXT):
        return scope.node, Typed(ops.count(), Kind.NUMBER)
    return table.node, build_aggregate(scope, how.function or "sum", as_number(cells), how.span)
