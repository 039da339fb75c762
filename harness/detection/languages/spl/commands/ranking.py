"""Commands that count values: top and rare."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options, split_clauses
from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import group_rows, parse_whole_word, without_missing
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Sort, Window
from harness.detection.plan.operation import Typed

TOP_OPTIONS = ("limit", "countfield", "percentfield", "showcount", "showperc", "useother", "otherstr")


@COMMANDS.define("top", "sitop", order="forgets", fields="closes", raw="never")
def top(scope: Scope, stage: Stage) -> None:
    """The 10 most frequent combinations of fields, with count and percent.

    Reference: reference/spl.md 7
    """
    rank_combinations(scope, stage, descending=True)


@COMMANDS.define("rare", "sirare", order="forgets", fields="closes", raw="never")
def rare(scope: Scope, stage: Stage) -> None:
    """The 10 least frequent combinations of fields, with count and percent.

    Reference: reference/spl.md 7
    """
    rank_combinations(scope, stage, descending=False)


def rank_combinations(scope: Scope, stage: Stage, *, descending: bool) -> None:
    """Counts, shares and places of combinations."""
    found = bind_options(stage, *TOP_OPTIONS)
    parts = split_clauses(found.words, "by")
    fields, by = parts[""], parts.get("by", [])
    most = found.number("limit", 10)
    if fields and fields[0].text.isdigit() and not fields[0].quoted:
        most = parse_whole_word(fields.pop(0))
    if not fields:
        raise found.error("missing-field", f"`{stage.name}` needs a field")
    count, percent = found.text("countfield", "count"), found.text("percentfield", "percent")
    keys = (*by, *fields)
    without_missing(scope, keys)
    group_rows(scope, keys, [(count, Typed(ops.count(), Kind.NUMBER))], stage.span)
    add_percent_column(scope, stage, by, count, percent)
    order = [SortKey(Column(b.text)) for b in by]
    order.append(SortKey(Column(count), descending))
    scope.node = Sort(source=scope.node, keys=tuple(order), span=stage.span)
    if most:
        place = scope.session.fresh("place")
        measures = ((place, ops.row_number()),)
        scope.node = Window(source=scope.node, partition=build_partition(by), measures=measures, frame=Frame.RUNNING)
        early = ops.less_equal(Typed(Column(place), Kind.NUMBER), literal(float(most)))
        if found.flag("useother"):
            name = found.text("otherstr", "OTHER")
            scope.derive([(f.text, ops.if_(early, as_text(scope.typed(f.text)), literal(name))) for f in fields])
            others(scope, stage, (by, fields), early, place, (count, percent))
        else:
            scope.node = Filter(source=scope.node, condition=early.expression, span=stage.span)
    hidden = [n for n, o in ((count, "showcount"), (percent, "showperc")) if not found.flag(o, True)]
    scope.keep([n for n in scope.columns if n not in hidden])


def others(
    scope: Scope, stage: Stage, named: tuple[list[Word], list[Word]], early: Typed, place: str, sums: tuple[str, str]
) -> None:
    """Puts the rows beyond the limit together as one row of each group, after the others."""
    by, fields = named
    rest = scope.session.fresh("rest")
    scope.derive([(rest, ops.if_(early, literal(0.0), literal(1.0)))])
    keys = [*(b.text for b in by), rest, *(f.text for f in fields)]
    measures = [(n, ops.sum(Column(n))) for n in sums]
    node = Aggregate(
        source=scope.node,
        keys=tuple((k, Column(k)) for k in keys),
        measures=(*measures, (place, ops.minimum(Column(place)))),
        span=stage.span,
    )
    kinds = {k: scope.columns[k] for k in keys} | dict.fromkeys((*sums, place), Kind.NUMBER)
    order = (*(SortKey(Column(b.text)) for b in by), SortKey(Column(place)))
    scope.replace(Sort(source=node, keys=order, span=stage.span), kinds, events=False)


def build_partition(by: list[Word]) -> tuple[Expression, ...]:
    """The BY fields as a partition."""
    return tuple(Column(b.text) for b in by)


def add_percent_column(scope: Scope, stage: Stage, by: list[Word], count: str, percent: str) -> None:
    """Adds the percentage of each count among those of its BY fields."""
    total = scope.session.fresh("total")
    sums = ((total, ops.sum(Column(count))),)
    scope.node = Window(source=scope.node, partition=build_partition(by), measures=sums, span=stage.span)
    amount, whole_amount = Typed(Column(count), Kind.NUMBER), Typed(Column(total), Kind.NUMBER)
    ratio = ops.divide(ops.multiply(amount, literal(100.0)), whole_amount)
    scope.derive([(percent, ratio)], stage.span)
