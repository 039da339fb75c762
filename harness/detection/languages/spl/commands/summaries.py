"""The command that describes fields: fieldsummary."""

from __future__ import annotations

from harness.detection.languages.spl.aggregates import build_aggregate
from harness.detection.languages.spl.arguments import bind_options, find_unnamed_effect
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Join, JoinKind, Node, Sort, Unnest, Window
from harness.detection.plan.operation import Typed, apply

SUMMARY_SEPARATOR = "\x1f"
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
