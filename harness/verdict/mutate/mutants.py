"""Mutants of a rule: plans that differ from its own in one place, and where that place is in the text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import TRUE, Call, Column, Expression, columns_read, walk_expressions
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Named, Node, Select, Window, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import all_of
from harness.diagnostics import Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.mutate.operators import (
    REPETITION,
    UNWRITTEN,
    ExpressionChange,
    aggregates_replaced,
    mutate_expression,
    print_broken_expression,
)
from harness.verdict.study.isolation import rebuild_on_sources

WHOLE_FILTER = "filter"
# No text of a search says that events need not be of its data model.
MODEL = late_pattern(r"`[^`]*\bdatamodel\s*=?\s*[\w.]+`", re.IGNORECASE)
CAPTURE = late_pattern(r"\(\?P?<[A-Za-z_]")
LISTED = late_pattern(r"\bvalues\s*\(", re.IGNORECASE)
BOUNDARY = late_pattern(r"(?:> becomes >=|>= becomes >|< becomes <=|<= becomes <) ")


@record(kw_only=True)
class Mutant:
    """A rule changed in one place: the kind of change, its description, its span, and the plan.

    `key` tells mutants of one rule apart and is the same for one change under all settings. `written` says that the
    text holds what is changed, and not a word that it was made of.
    """

    kind: str
    what: str
    place: Span | None
    node: Node

    @property
    def written(self) -> bool:
        """Whether a person could write the change."""
        return UNWRITTEN not in self.what and not (self.kind == WHOLE_FILTER and MODEL.search(self.what))

    @property
    def repetition(self) -> bool:
        """Whether only the repetition or the order of values in a list changed."""
        return self.kind == "aggregate" and self.what.startswith(REPETITION)

    @property
    def boundary(self) -> bool:
        """Whether only the boundary of a comparison moved: `>` became `>=` or the like."""
        return self.kind == "comparison" and BOUNDARY.match(self.what) is not None

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What it is known by."""
        place = self.place
        return self.kind, self.what, place.start if place else -1, place.end if place else -1

    @property
    def line(self) -> int:
        """The line of the text, 0 where the text does not hold what was changed."""
        return self.place.position[0] if self.place else 0


def mutants(root: Node) -> tuple[Mutant, ...]:
    """Every mutant of a plan, each change once, in the order of the text.

    Not changed are the order of rows and limits on their number: neither is part of a verdict.
    """
    # SPL's groupings stand on a filter of their own, which nobody wrote.
    below = {id(n.source) for n in walk_nodes(root) if isinstance(n, Aggregate | Window)}
    found: dict[tuple[str, str, int, int], Mutant] = {}
    repeated = list_repeated_parts(root)
    for node in walk_nodes(root):
        for kind, what, place, made in mutate_node(node, keyed=id(node) in below):
            # A change of the text would change all of its places in the plan, and this is one of them.
            if place and any(holds_part(place, what, part) for part in repeated):
                continue
            # Without the text of a test that takes a field out of another one that field is gone as well.
            if place and kind in (WHOLE_FILTER, "clause") and CAPTURE.search(place.text):
                continue
            mutant = Mutant(kind=kind, what=what, place=place, node=replace_node(root, node, made))
            found.setdefault(mutant.key, mutant)
    return tuple(sorted(found.values(), key=lambda m: (m.place.start if m.place else -1, m.kind, m.what)))


def list_repeated_parts(root: Node) -> list[Span]:
    """Parts of the text that a plan holds in several places: what a join asks of groups and of events before it."""
    found: Counter[tuple[Operation, int, int]] = Counter()
    spans: dict[tuple[Operation, int, int], Span] = {}
    for expression in (e for node in walk_nodes(root) for e in expressions(node)):
        # Once an expression: a comparison that is of numbers or of texts is written twice in one.
        own = {
            (p.operation, p.span.start, p.span.end): p.span
            for p in walk_expressions(expression)
            if isinstance(p, Call) and p.span is not None
        }
        found.update(own.keys())
        spans |= own
    return [spans[key] for key, count in found.items() if count > 1]


def holds_part(place: Span, what: str, part: Span) -> bool:
    """Whether a change at a place is one of this part, alone or inside a command that is named as a whole."""
    inside = place.source == part.source and place.start <= part.start and part.end <= place.end
    return inside and (
        (place.start, place.end) == (part.start, part.end) or what.startswith(f"`{' '.join(part.text.split())}`")
    )


def expressions(node: Node) -> tuple[Expression, ...]:
    """The expressions of a node."""
    match node:
        case Filter(condition=condition):
            return (condition,)
        case Derive(columns=columns) | Select(columns=columns):
            return tuple(e for _, e in columns)
        case Aggregate(measures=measures) | Window(measures=measures):
            return tuple(e for _, e in measures)
        case _:
            return ()


BrokenNode = tuple[str, str, Span | None, Node]


def mutate_node(node: Node, *, keyed: bool) -> Iterator[BrokenNode]:
    """Every way to break one node; `keyed` says that a grouping reads it."""
    match node:
        case Filter():
            if not (keyed and presence(node)):
                yield from of_filter(node)
        case Derive(columns=columns) | Select(columns=columns):
            for i, (name, expression) in enumerate(columns):
                for change in mutate_expression(expression, node.span):
                    new = (*columns[:i], (name, change.made), *columns[i + 1 :])
                    yield change.kind, change.what, change.place, replace(node, columns=new)
        case Aggregate():
            yield from of_aggregate(node)
        case Window():
            yield from mutate_window(node)


def of_filter(node: Filter) -> Iterator[BrokenNode]:
    """The whole filter dropped, or its condition broken."""
    yield (
        WHOLE_FILTER,
        f"the filter {shorten_text(print_broken_expression(node.condition))} dropped",
        node.span,
        node.source,
    )
    for change in mutate_expression(node.condition, node.span):
        # That is the whole filter dropped, which stands above.
        if change.made is not TRUE:
            yield change.kind, change.what, change.place, replace(node, condition=change.made)


def shorten_text(text: str) -> str:
    """At most sixty characters of a text."""
    return text if len(text) <= 60 else text[:50].rstrip() + " ..`"


def presence(node: Filter) -> bool:
    """Whether a filter only drops rows that lack a key: it belongs to the grouping above it."""
    return all(key_column(c) is not None for c in split_condition(node.condition))


def split_condition(condition: Expression) -> tuple[Expression, ...]:
    """The conditions that must all hold."""
    return condition.arguments if isinstance(condition, Call) and condition.operation == ops.and_ else (condition,)


def key_column(condition: Expression) -> str | None:
    """The column that a condition asks to be there, and nothing else."""
    match condition:
        case Call(ops.not_, (Call(ops.is_null, (Column(name),)),)):
            return name
        case _:
            return None


def of_aggregate(node: Aggregate) -> Iterator[BrokenNode]:
    """Each key dropped, and changed where it is computed; each measure replaced by one that is near.

    An aggregation that the text does not hold only brings rows into another form, a key of no field names columns.
    """
    # Hidden measures are how another command was lowered.
    if node.span is None and all(name.startswith("@") for name, _ in node.measures):
        return
    for i, (name, expression) in enumerate(node.keys):
        if name.startswith("@"):
            continue
        rest = (*node.keys[:i], *node.keys[i + 1 :])
        # Without any key it would be one row for all, which no change of a key is meant to be.
        if rest:
            place = find_name_span(node.span, name, last=True)
            yield (
                "key",
                f"`{name}` dropped from the keys",
                place,
                replace(node, keys=rest, source=drop_grouping_key(node.source, expression)),
            )
        for change in mutate_expression(expression, node.span):
            new = (*node.keys[:i], (name, change.made), *node.keys[i + 1 :])
            yield change.kind, change.what, change.place, replace(node, keys=new)
    for i, measure in enumerate(node.measures):
        yield from of_measure(node, i, measure)


def drop_grouping_key(source: Node, key: Expression) -> Node:
    """The source of a grouping that does not ask for a key any more."""
    if not isinstance(source, Filter) or not presence(source):
        return source
    names = columns_read(key)
    kept = tuple(c for c in split_condition(source.condition) if key_column(c) not in names)
    return replace(source, condition=all_of(kept, source.condition.span)) if kept else source.source  # type: ignore[attr-defined]


def of_measure(node: Aggregate | Window, i: int, measure: Named) -> Iterator[BrokenNode]:
    """One measure replaced, or a condition inside it broken."""
    name, expression = measure
    place = find_name_span(node.span, name, last=False)
    shown = f"`{name}`" if not name.startswith("@") or node.span is None else shorten_text(f"`{node.span.text}`")
    for what, made in aggregates_replaced(expression):
        # CQL's `collect` has no other form that keeps repetitions.
        if what.startswith(REPETITION) and not (node.span and LISTED.search(node.span.text)):
            continue
        new = (*node.measures[:i], (name, made), *node.measures[i + 1 :])
        yield "aggregate", f"{what} in {shown}", place, replace(node, measures=new)
    for change in mutate_inner_parts(expression, node.span):
        new = (*node.measures[:i], (name, change.made), *node.measures[i + 1 :])
        yield change.kind, change.what, change.place, replace(node, measures=new)


def mutate_inner_parts(expression: Expression, within: Span | None) -> Iterator[ExpressionChange]:
    """Changes of the parts of a measure that the text holds."""
    return (c for c in mutate_expression(expression, within) if c.place is not None and c.place != within)


def mutate_window(node: Window) -> Iterator[BrokenNode]:
    """Its partition, its frame and its measures."""
    for i, expression in enumerate(node.partition):
        rest = (*node.partition[:i], *node.partition[i + 1 :])
        name = next(iter(sorted(columns_read(expression))), "")
        place = find_name_span(node.span, name, last=True)
        below = drop_grouping_key(node.source, expression)
        yield "key", f"`{name}` dropped from the partition", place, replace(node, partition=rest, source=below)
    if node.rows is not None:
        # By one, as numbers are; a range of time is halved and doubled, since a second more would change nothing.
        for rows in (node.rows + 1, max(1, node.rows - 1)):
            yield "window", f"{rows} rows in place of {node.rows}", node.span, replace(node, rows=rows)
    if node.range is not None:
        for factor, word in ((2.0, "twice as long"), (0.5, "half as long")):
            yield "window", f"a window {word}", node.span, replace(node, range=node.range * factor)
    for i, measure in enumerate(node.measures):
        yield from of_measure(node, i, measure)


def find_name_span(span: Span | None, name: str, *, last: bool) -> Span | None:
    """Where a name is written in a part of the text: the last time for keys, the first time for measures."""
    if span is None or not name:
        return span
    # Not as a part of a longer name: `host` stands inside `hostname` and `#host`.
    hits = list(re.finditer(rf"(?<![\w.#@]){re.escape(name)}(?!\w)", span.text))
    if not hits:
        return span
    hit = hits[-1] if last else hits[0]
    return span.source.span(span.start + hit.start(), span.start + hit.end())


def replace_node(root: Node, old: Node, new: Node) -> Node:
    """The plan with one node in place of another; all other nodes stay as they are."""
    made: dict[int, Node] = {}
    for node in walk_nodes(root):
        made[id(node)] = new if node is old else rebuild_on_sources(node, made)
    return made[id(root)]
