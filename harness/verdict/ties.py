"""Ties: values of a rule that lie within rounding of a threshold, where another way of adding decides otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.detection.engine import CellValue, ResultRows
from harness.detection.language import Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Literal, is_hidden
from harness.detection.plan.nodes import Aggregate, Filter, Named, Node, Select, list_sources
from harness.detection.plan.operations import any_of
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Finding, Severity, Span
from harness.record import record
from harness.verdict.clauses import find_span
from harness.verdict.explain import format_value, parse_cell_number
from harness.verdict.study.isolation import CASE_COLUMN
from harness.verdict.tune.thresholds import Threshold, find_thresholds_by_node

# Chosen, no source: what fits on a line or two of a report.
MOST_SHOWN_GROUPS, MOST_SHOWN_FIELDS = 3, 6
TieNode = tuple[Node, list[Threshold]]
"""The rows of a relation in which one of these thresholds is a tie."""
TIED = "tied value"
"""How the columns of compared values begin; a number follows."""


@record(kw_only=True)
class Tie:
    """A row whose value lies within rounding of a threshold; `group` are the fields that name it."""

    threshold: Threshold
    value: float
    group: tuple[tuple[str, CellValue], ...]

    def __str__(self) -> str:
        named = ", ".join(f"{name} {format_value(value)}" for name, value in self.group if value is not None)
        return f"{self.threshold.name} {self.value!r}{f' for {named}' if named else ''}"


def find_ties(plan: Plan, run: Callable[[Node], ResultRows]) -> dict[int, tuple[Finding, ...]]:
    """For each case what to tell of values within rounding of the plan's thresholds; a statement for each condition.

    `run` gives the rows of a node, with the number of each one's case where there are several.
    """
    sought = find_tie_nodes(plan.node)
    return collect_ties(sought, [run(node) for node, _ in sought])


def collect_ties(sought: Sequence[TieNode], found_rows: Sequence[ResultRows]) -> dict[int, tuple[Finding, ...]]:
    """The same of rows that each relation gave already."""
    found: dict[int, list[Tie]] = {}
    for (_, thresholds), rows in zip(sought, found_rows, strict=True):
        for row in rows.rows:
            cells = dict(zip(rows.columns, row, strict=True))
            case = int(float(str(cells.pop(CASE_COLUMN, 0))))
            found.setdefault(case, []).extend(read_ties(thresholds, cells))
    return {case: tuple(describe_ties(ties)) for case, ties in found.items()}


def read_ties(thresholds: Sequence[Threshold], cells: Mapping[str, CellValue]) -> Iterator[Tie]:
    """The ties of one row."""
    group = tuple((n, v) for n, v in cells.items() if not n.startswith(TIED) and not is_hidden(n))
    for number, threshold in enumerate(thresholds):
        value = parse_cell_number(cells[f"{TIED} {number}"])
        if value is not None and threshold.is_tie(value):
            yield Tie(threshold=threshold, value=value, group=group)


def describe_ties(ties: Sequence[Tie]) -> Iterator[Finding]:
    """A finding for each threshold, in the order of the text, with its first groups in the order of their names."""
    by_place: dict[Span, list[Tie]] = {}
    for tie in ties:
        place = tie.threshold.place or find_span(tie.threshold.comparison)
        if place is not None:
            by_place.setdefault(place, []).append(tie)
    for place in sorted(by_place, key=lambda span: (span.start, span.end)):
        several = sorted(set(map(str, by_place[place])))
        shown = "; ".join(several[:MOST_SHOWN_GROUPS])
        more = f"; and {len(several) - MOST_SHOWN_GROUPS} more" if len(several) > MOST_SHOWN_GROUPS else ""
        threshold = by_place[place][0].threshold
        yield Finding(
            code="tie",
            span=place,
            message=f"a tie within rounding of `{threshold}`: {shown}{more}",
            help="a product that adds in another order may decide otherwise",
            severity=Severity.NOTE,
        )


def find_tie_nodes(root: Node) -> list[TieNode]:
    """For each condition with thresholds of rounded values the rows in which one of these is a tie."""
    found = []
    for node, several in find_thresholds_by_node(root):
        # A guard against dividing by 0 is decided by whole numbers.
        rounded = [t for t in several if t.rounded and t.published]
        if rounded:
            (source,) = list_sources(node)
            found.append((select_ties(source, rounded), rounded))
    return found


def select_ties(source: Node, thresholds: Sequence[Threshold]) -> Node:
    """The rows of a relation with a tie: the compared values and the fields that name the group."""
    near = any_of(tuple(is_near(t) for t in thresholds))
    values: list[Named] = [(f"{TIED} {i}", ops.add(t.side, Literal(0.0))) for i, t in enumerate(thresholds)]
    fields: list[Named] = [(n, Column(n)) for n in list_group_fields(source)]
    return Select(source=Filter(source=source, condition=near), columns=(*values, *fields))


def is_near(threshold: Threshold) -> Expression:
    """Whether the compared value lies within rounding of the literal."""
    distance = ops.abs(ops.subtract(threshold.side, Literal(threshold.published)))
    return ops.less_equal(distance, Literal(threshold.rounding))


def list_group_fields(source: Node) -> list[str]:
    """The fields by which rows were grouped last, as far as they are still there."""
    node: Node | None = source
    while node is not None and not isinstance(node, Aggregate):
        node = next(iter(list_sources(node)), None)
    known = columns_of(source)
    return [] if node is None else [n for n, _ in node.keys if n in known and not is_hidden(n)][:MOST_SHOWN_FIELDS]
