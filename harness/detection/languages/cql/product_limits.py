"""Limits of the product: how many rows and groups it keeps, and what has to be said where it left some out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from harness.detection.language import Cut
from harness.detection.languages.cql.arguments import MOST_GROUPS, MOST_PRODUCT_ROWS
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Join, JoinKind, Limit, Named, Node, Sort, Window
from harness.diagnostics import Finding, Severity


class Usual(int):
    """A number that holds where the query gives none."""


USUAL_GROUPS = Usual(20_000)
USUAL_ROWS = Usual(200)
USUAL_TOP = Usual(10)


def build_limit_finding(
    flow: Scope, message: str, help: str | None = None, severity: Severity = Severity.WARNING
) -> Finding:
    """What is told where a limit was reached."""
    place = flow.span or flow.meaning.source.whole()
    return Finding(code="limit-reached", span=place, message=message, help=help, severity=severity)


def note_cut(flow: Scope, made: Finding, rows: Node, most: int, kept: Node) -> None:
    """Keeps in mind that a relation of more rows than that was cut."""
    number = flow.meaning.temporary()
    counted = Aggregate(source=rows, keys=(), measures=((number, ops.count()),))
    # Counted, since to skip so many rows an engine would sort them.
    more = Filter(source=counted, condition=ops.greater(Column(number), Literal(most)))
    flow.meaning.cuts.append(Cut(finding=made, more=more, rows=rows, most=most, kept=kept))


def keep_first(flow: Scope, count: int, *, last: bool = False, told: Finding | None = None) -> None:
    """The first rows in the current order, of each partition; `told` is what to tell if there were more."""
    before = flow.node
    if not flow.partition:
        flow.become(Limit(source=flow.node, count=count, last=last, span=flow.span))
        if told is not None:
            note_cut(flow, told, before, count, flow.node)
        return
    mark, size = flow.meaning.temporary(), flow.meaning.temporary()
    partition: tuple[Expression, ...] = tuple(Column(n) for n in flow.partition)
    place_in = Window(source=flow.node, partition=partition, measures=((mark, ops.row_number()),))
    flow.become(place_in)
    if told is not None:
        beyond = Filter(source=place_in, condition=ops.greater(Column(mark), Literal(count)))
        more = Limit(source=beyond, count=1)
        flow.meaning.cuts.append(Cut(finding=told, more=more, rows=before, most=count))
    if last:
        from_end = ops.subtract(Column(size), Column(mark))
        flow.become(Window(source=flow.node, partition=partition, measures=((size, ops.count()),)))
        flow.become(Filter(source=flow.node, condition=ops.less(from_end, Literal(count)), span=flow.span))
    else:
        flow.become(Filter(source=flow.node, condition=ops.less_equal(Column(mark), Literal(count)), span=flow.span))


def keep_usual(flow: Scope, function: str, count: int, *, last: bool = False) -> None:
    """The first rows; told is a limit that the query did not choose: the usual one, or the product's most."""
    told = None
    if isinstance(count, Usual):
        message = f"`{function}` keeps {count} rows unless it is given a `limit`, and there were more"
        told = build_limit_finding(flow, message, "give it a `limit`, at most `max`", Severity.NOTE)
    elif count >= MOST_PRODUCT_ROWS:
        message = (
            f"there were more rows than the {MOST_PRODUCT_ROWS:,} that LogScale keeps; `{function}` left out the rest"
        )
        told = build_limit_finding(flow, message)
    keep_first(flow, count, last=last, told=told)


def largest_groups(flow: Scope, field: Sequence[str], limit: int, function: str = "groupBy") -> None:
    """Only as many groups, those whose numbers add up to the most; each is one row."""
    before, known = flow.node, len(flow.meaning.cuts)
    total = sum_of_numbers(flow, field)
    if total is not None:
        flow.become(Sort(source=flow.node, keys=(SortKey(total, True),)))
    told = too_many(flow, limit, function)
    keep_first(flow, limit, told=told)
    if not flow.partition:
        del flow.meaning.cuts[known:]
        note_cut(flow, told, before, limit, flow.node)
    flow.become(Sort(source=flow.node, keys=tuple(SortKey(Column(n)) for n in field if n in flow.columns)))


def largest_keys(flow: Scope, field: Sequence[str], limit: int) -> None:
    """The same where each group may be many rows."""
    ranked, row = flow.copy(), RowScope(flow)
    marks = {flow.meaning.temporary(): ops.coalesce(row.text(n), Literal("\0")) for n in field}
    size = flow.meaning.temporary()
    total = ops.sum(sum_of_numbers(flow, field) or Literal(1))
    ranked.become(Aggregate(source=ranked.node, keys=tuple(marks.items()), measures=((size, total),)))
    groups = ranked.node
    ranked.become(Sort(source=groups, keys=(SortKey(Column(size), True),)))
    ranked.become(Limit(source=ranked.node, count=limit))
    note_cut(flow, too_many(flow, limit), groups, limit, ranked.node)
    pairs = tuple((value, Column(mark)) for mark, value in marks.items())
    flow.become(Join(left=flow.node, right=ranked.node, kind=JoinKind.SEMI, keys=pairs, span=flow.span), ranked)


def sum_of_numbers(flow: Scope, field: Sequence[str]) -> Expression | None:
    """What groups are ranked by, if they have numbers."""
    numbers = [n for n in flow.visible() if flow.columns[n] is Kind.NUMBER and n not in (*field, *flow.partition)]
    parts = [ops.coalesce(Column(n), Literal(0)) for n in numbers]
    return reduce(lambda left, right: ops.add(left, right), parts) if parts else None


def too_many(flow: Scope, limit: int, function: str = "groupBy") -> Finding:
    """What is told where there were more groups."""
    said = f"there were more than {limit:,} groups, so LogScale gives a part of the result with a warning"
    message = f"{said}; which groups it keeps is not documented, here those with the largest numbers"
    help = f"`{function}` takes a `limit` up to {MOST_GROUPS:,}" if limit < MOST_GROUPS else "narrow the search first"
    return build_limit_finding(flow, message, help)


def too_many_values(flow: Scope, keys: Sequence[Named], number: Expression, limit: int) -> None:
    """Keeps in mind that `collect` keeps so many values of a group, of which there are that `number`."""
    mark = flow.meaning.temporary()
    groups = Aggregate(source=flow.node, keys=tuple(keys), measures=((mark, number),))
    beyond = Filter(source=groups, condition=ops.greater(Column(mark), Literal(limit)))
    message = f"there were more than the {limit:,} values that `collect` keeps; the rest is left out"
    told = build_limit_finding(flow, message, "give it a `limit`", Severity.WARNING)
    flow.meaning.cuts.append(Cut(finding=told, more=Limit(source=beyond, count=1), rows=flow.node, most=limit))
