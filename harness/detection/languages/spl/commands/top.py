"""top, rare, contingency, cofilter, fieldsummary: values counted."""

from __future__ import annotations

from harness.detection.languages.spl.aggregates import build_aggregate
from harness.detection.languages.spl.aggregation import group_rows, without_missing
from harness.detection.languages.spl.arguments import (
    bind_options,
    find_unnamed_effect,
    split_clauses,
    split_leading_count,
)
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.commands.map import parse_saved_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Join, JoinKind, Node, Select, Sort, Unnest, Window
from harness.detection.plan.operation import Typed, apply

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
    most, fields = split_leading_count(parts[""], found.number("limit", 10))
    by = parts.get("by", [])
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
    if scope.session.switch("top_percent") == "six-decimals":
        ratio = ops.round(ratio, literal(6.0))
    scope.derive([(percent, ratio)], stage.span)


@COMMANDS.define("cofilter", order="forgets", fields="keeps", raw="never")
def cofilter(scope: Scope, stage: Stage) -> None:
    """For each two items how many users have the one, the other, and both: `cofilter user item`.

    Reference: Splunk Search Reference, cofilter
    """
    found = bind_options(stage)
    if len(found.words) != 2:
        raise found.error("bad-argument", "`cofilter` needs a field of users and a field of items")
    found.at_most(2)
    without_missing(scope, found.words)
    user, item = (as_text(scope.typed(w.text, w.span)).expression for w in found.words)
    pairs = Aggregate(source=scope.node, keys=(("@user", user), ("@one", item)), measures=(), span=stage.span)
    alone = (("@users", ops.count()),)
    counted = Window(source=pairs, partition=(Column("@one"),), measures=alone, span=stage.span)
    columns = (("@whose", Column("@user")), ("@other", Column("@one")), ("@others", Column("@users")))
    both = Join(
        left=counted,
        right=Select(source=counted, columns=columns),
        kind=JoinKind.INNER,
        keys=((Column("@user"), Column("@whose")),),
        condition=ops.less(Column("@one"), Column("@other")),
        columns=(("@other", Column("@other")), ("@others", Column("@others"))),
        span=stage.span,
    )
    shown = {"Item 1": "@one", "Item 1 user count": "@users", "Item 2": "@other", "Item 2 user count": "@others"}
    node = Aggregate(
        source=both,
        keys=tuple((name, Column(column)) for name, column in shown.items()),
        measures=(("Pair count", ops.count()),),
        span=stage.span,
    )
    kinds = dict.fromkeys((*shown, "Pair count"), Kind.NUMBER) | {"Item 1": Kind.TEXT, "Item 2": Kind.TEXT}
    scope.replace(node, kinds, events=False)


# ASCII's unit separator, which no value has.
SUMMARY_SEPARATOR = "\x1f"
# Chosen, no source: each field is summed up by columns of its own.
MOST_SUMMARY_FIELDS = 500
MEASURES = {"max": "max", "mean": "mean", "min": "min", "stdev": "stdev"}


@COMMANDS.define("fieldsummary", order="forgets", fields=find_unnamed_effect, raw="never")
def fieldsummary(scope: Scope, stage: Stage) -> None:
    """One row for each field: how many values, how many distinct ones, their bounds and spread, the most frequent.

    Reference: Splunk Search Reference, fieldsummary
    """
    found = bind_options(stage, "maxvals")
    names = [n for w in found.words for n in scope.matching(w.text)] or [n for n in scope.columns if n[0] not in "_@"]
    if len(names) > MOST_SUMMARY_FIELDS:
        raise scope.unsupported(
            f"`fieldsummary` of more than {MOST_SUMMARY_FIELDS} fields", stage.span, "name the fields"
        )
    most = found.number("maxvals", 100)
    list_field_values(scope, list(dict.fromkeys(names)))
    counts = summarise_frequent_values(scope, most)
    value = as_number(scope.typed("value"))
    measures: dict[str, Typed] = {
        "count": Typed(ops.count(), Kind.NUMBER),
        "distinct_count": Typed(ops.count_distinct(Column("value")), Kind.NUMBER),
        "numeric_count": Typed(ops.count(value.expression), Kind.NUMBER),
    }
    measures |= {n: build_aggregate(scope, f, value, stage.span) for n, f in MEASURES.items()}
    measured = tuple((n, v.expression) for n, v in measures.items())
    node = Aggregate(source=scope.node, keys=(("field", Column("field")),), measures=measured, span=stage.span)
    joined = Join(
        left=node,
        right=counts,
        kind=JoinKind.LEFT,
        keys=((Column("field"), Column("field")),),
        columns=(("values", Column("values")),),
    )
    kinds = {"field": Kind.TEXT, **{n: v.kind for n, v in measures.items()}, "values": Kind.TEXT}
    scope.replace(joined, kinds, events=False)
    total = scope.typed("distinct_count")
    exact = ops.if_(ops.less_equal(total, literal(float(most))), literal(1.0), literal(0.0))
    scope.derive([("is_exact", literal(1.0) if most == 0 else exact)])
    shown = ("field", "count", "distinct_count", "is_exact", "max", "mean", "min", "numeric_count", "stdev", "values")
    scope.keep(shown)


def list_field_values(scope: Scope, names: list[str]) -> None:
    """A row for each value of each field, with `field` and `value`."""
    column = scope.session.fresh("pairs")
    parts = []
    for name in names:
        value, prefix = scope.typed(name), literal(name + SUMMARY_SEPARATOR)
        if value.kind is Kind.LIST:
            parameter, element = build_element_parameter(value)
            parts.append(apply_to_elements(ops.list_map, value, parameter, ops.concat(prefix, element)))
        elif value.kind is not Kind.NULL:
            parts.append(ops.list_(ops.concat(prefix, as_text(value))))
    every = apply(ops.list_concat, *parts) if parts else ops.list_(Typed(literal(None).expression, Kind.TEXT))
    scope.select([(column, every)])
    scope.node = Unnest(source=scope.node, column=column)
    scope.columns[column] = Kind.TEXT
    both = ops.list_split(scope.typed(column), literal(SUMMARY_SEPARATOR))
    value = ops.list_join(ops.list_slice(both, literal(2.0), literal(-1.0)), literal(SUMMARY_SEPARATOR))
    scope.select([("field", ops.list_get(both, literal(1.0))), ("value", value)])


def summarise_frequent_values(scope: Scope, most: int) -> Node:
    """For each field the JSON of its most frequent values with how often each occurs."""
    keys = (("field", Column("field")), ("value", Column("value")))
    each_value: Node = Aggregate(source=scope.node, keys=keys, measures=(("count", ops.count()),))
    order = (SortKey(Column("field")), SortKey(Column("count"), descending=True), SortKey(Column("value")))
    each_value = Sort(source=each_value, keys=order)
    if most:
        place = scope.session.fresh("place")
        rank = ((place, ops.row_number()),)
        ranked = Window(source=each_value, partition=(Column("field"),), measures=rank, frame=Frame.RUNNING)
        early = ops.less_equal(Typed(Column(place), Kind.NUMBER), literal(float(most)))
        each_value = Filter(source=ranked, condition=early.expression)
    entry = ops.json_object(
        literal("value"),
        Typed(Column("value"), Kind.TEXT),
        literal("count"),
        Typed(Column("count"), Kind.NUMBER),
    )
    entries = ops.list_join(Typed(ops.collect(entry.expression), Kind.LIST), literal(","))
    shown = ops.concat(literal("["), entries, literal("]"))
    return Aggregate(source=each_value, keys=keys[:1], measures=(("values", shown.expression),))


@COMMANDS.define("contingency", "ctable", "counttable", order="forgets", fields="closes", raw="never")
def contingency(scope: Scope, stage: Stage) -> None:
    """How often each value of one field (rows) stands with each of another (columns), with totals.

    Reference: Splunk Search Reference, contingency
    """
    found = bind_options(stage, "maxrows", "maxcols", "mincolcover", "minrowcover", "usetotal", "totalstr")
    if len(found.words) != 2:
        raise found.error("missing-field", "`contingency` needs two fields")
    for name in ("mincolcover", "minrowcover"):
        if name in found.options and found.decimal(name, 1.0) < 1.0:
            raise scope.unsupported(f"`{name}` below 1", found.options[name].span)
    row, column = (w.text for w in found.words)
    total = found.text("totalstr", "TOTAL")
    cells = f'| chart limit={found.number("maxcols", 0)} useother=f usenull=f count OVER "{row}" BY "{column}"'
    cells += f" | head {found.number('maxrows', 1000) or 1000000}"
    if found.flag("usetotal", True):
        cells += f' | addtotals fieldname="{total}" | addcoltotals labelfield="{row}" label="{total}"'
    main, scope.main = scope.main, False
    scope.session.run(parse_saved_text(scope, cells, stage.span), scope)
    scope.main = main
