"""The thresholds of a rule: every literal that an aggregated value is compared with, and its place in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Kind,
    Literal,
    columns_read,
    is_hidden,
    span_of,
    walk_expressions,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Limit,
    Node,
    Reverse,
    Select,
    Sort,
    Union,
    Window,
    list_sources,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.schema import kind_of
from harness.diagnostics import Edit, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.clauses import MIRRORED_OPERATIONS, split_conjunction

THRESHOLD_SIGNS: dict[Operation, str] = {ops.less: "<", ops.less_equal: "<=", ops.greater: ">", ops.greater_equal: ">="}
# Chosen, no source: some thousand times the rounding of a double, and far below any difference that a rule means.
ROUNDING = 1e-12
ROUNDED_OPERATIONS: frozenset[Operation] = frozenset(
    {
        *[ops.mean, ops.stdev_sample, ops.stdev_population, ops.variance_sample, ops.variance_population],
        *[ops.percentile, ops.sketch_value, ops.slope, ops.intercept, ops.r_squared, ops.list_statistic, ops.smoothed],
        *[ops.divide, ops.sqrt, ops.ln, ops.log, ops.exp, ops.power],
    }
)
"""Operations whose result is rounded even where their arguments are whole numbers."""
# After these a value is a whole number, or one that the rule itself rounded.
SETTLED_OPERATIONS: frozenset[Operation] = frozenset(
    {ops.count, ops.count_distinct, ops.ceil, ops.floor, ops.truncate, ops.round}
)
THRESHOLD_NUMBER = late_pattern(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")


@record(kw_only=True)
class Threshold:
    """A comparison of an aggregated value with a literal: `TotalConnections >= 10`.

    `side` is the compared expression, `operation` how it compares to the literal read from its side, `comparison` the
    call itself. `place` is the literal's; it is missing where the rule's text does not hold it. `fixed` says why it is
    not varied, "" if it is. `needed` says that no row passes without it, `rounded` that the compared value is the
    result of a division, a mean or the like.
    """

    name: str
    operation: Operation
    published: float
    side: Expression
    comparison: Call
    place: Span | None
    needed: bool = False
    fixed: str = ""
    rounded: bool = False

    @property
    def sign(self) -> str:
        """The comparison as it is written."""
        return THRESHOLD_SIGNS[self.operation]

    @property
    def rising(self) -> bool:
        """Whether a larger literal makes the comparison stricter."""
        return self.operation in (ops.greater, ops.greater_equal)

    @property
    def rounding(self) -> float:
        """How far from the literal a value may be that its own rounding could have put on the other side."""
        return abs(self.published) * ROUNDING if self.rounded else 0.0

    def is_tie(self, value: float) -> bool:
        """Whether a value lies within rounding of the literal."""
        return self.rounded and abs(value - self.published) <= self.rounding

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {number_in_rule(self.published)}"

    def edit(self, value: float) -> Edit:
        """The change of the rule's text that gives the literal this value."""
        assert self.place is not None
        return Edit(self.place, number_in_rule(value))


def number_in_rule(value: float) -> str:
    """A number as a rule would write it."""
    # Below 1e15 repr would still write digits, but with `.0`.
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def find_thresholds(root: Node) -> tuple[Threshold, ...]:
    """All thresholds of a plan, in the order of the text; those above the last grouping can be varied together."""
    found = [threshold for _, several in find_thresholds_by_node(root) for threshold in several]
    return tuple(sorted(mark_shared(found), key=lambda t: t.place.start if t.place else -1))


def find_thresholds_by_node(root: Node) -> Iterator[tuple[Node, tuple[Threshold, ...]]]:
    """The nodes that compare aggregated values with literals, and the thresholds of each."""
    above = {id(n) for n in split_at_last_grouping(root)[0]}
    aggregated, rounded = (
        map_columns_by_node(root, collect_aggregated_columns),
        map_columns_by_node(root, collect_rounded_columns),
    )
    for node in walk_nodes(root):
        found = tuple(find_node_thresholds(node, aggregated, rounded, free=id(node) in above))
        if found:
            yield node, found


def split_at_last_grouping(root: Node) -> tuple[tuple[Node, ...], Node]:
    """The nodes above the last grouping, the lowest first, and that grouping: what they all look at row by row."""
    above: list[Node] = []
    node = root
    # What looks at each row by itself; a join or a window above the grouping would make a threshold depend on others.
    while isinstance(node, Filter | Derive | Select | Sort | Reverse | Limit):
        above.append(node)
        node = node.source
    return tuple(reversed(above)), node


def map_columns_by_node(
    root: Node, collect: Callable[[Node, Sequence[frozenset[str]]], frozenset[str]]
) -> Mapping[int, frozenset[str]]:
    """For each node's id some of its columns, collected from those of the nodes below."""
    found: dict[int, frozenset[str]] = {}
    for node in walk_nodes(root):
        found[id(node)] = collect(node, [found[id(s)] for s in list_sources(node)])
    return found


def collect_aggregated_columns(node: Node, below: Sequence[frozenset[str]]) -> frozenset[str]:
    """The columns that hold, or are computed from, values of more than one row."""
    match node:
        case Aggregate(keys=keys, measures=measures):
            old = {n for n, e in keys if columns_read(e) & below[0]}
            return frozenset(
                old | {n for n, e in measures if any(isinstance(x, Aggregation) for x in walk_expressions(e))}
            )
        case Window(measures=measures):
            return below[0] | {n for n, _ in measures}
        case Derive(columns=columns):
            made = {n for n, e in columns if columns_read(e) & below[0]}
            return (below[0] - {n for n, _ in columns}) | made
        case Select(columns=columns):
            return frozenset(n for n, e in columns if columns_read(e) & below[0])
        case Join(columns=columns):
            return below[0] | {n for n, e in columns if columns_read(e) & below[1]}
        case Union():
            return frozenset().union(*below)
        case _:
            return below[0] if below else frozenset()


def collect_rounded_columns(node: Node, below: Sequence[frozenset[str]]) -> frozenset[str]:
    """The columns that hold the result of a rounded operation."""
    match node:
        case Aggregate(keys=keys, measures=measures):
            return frozenset(n for n, e in (*keys, *measures) if is_rounded(e, below[0]))
        case Window(measures=made) | Derive(columns=made):
            return (below[0] - {n for n, _ in made}) | {n for n, e in made if is_rounded(e, below[0])}
        case Select(columns=columns):
            return frozenset(n for n, e in columns if is_rounded(e, below[0]))
        case Join(columns=columns):
            return below[0] | {n for n, e in columns if is_rounded(e, below[1])}
        case _:
            return frozenset().union(*below)


def is_rounded(expression: Expression, rounded: frozenset[str]) -> bool:
    """Whether an expression's value carries the rounding of its arguments or adds its own."""
    match expression:
        case Column(name):
            return name in rounded
        case Call(operation=operation) | Aggregation(operation=operation) if operation in ROUNDED_OPERATIONS:
            return True
        case Call(operation=operation) | Aggregation(operation=operation) if operation in SETTLED_OPERATIONS:
            return False
        case Call(ops.if_, (_, *values)):
            return any(is_rounded(v, rounded) for v in values)
        case Call(ops.case, (otherwise, *pairs)):
            return any(is_rounded(v, rounded) for v in (otherwise, *pairs[1::2]))
        # A truth carries no digits, whatever was compared.
        case Call(arguments=arguments) if kind_of(expression, {}) is not Kind.BOOLEAN:
            return any(is_rounded(a, rounded) for a in arguments)
        case Aggregation(arguments=arguments):
            return any(is_rounded(a, rounded) for a in arguments)
        case _:
            return False


def find_node_thresholds(
    node: Node, aggregated: Mapping[int, frozenset[str]], rounded: Mapping[int, frozenset[str]], *, free: bool
) -> Iterator[Threshold]:
    """The thresholds in a node's conditions and expressions."""
    match node:
        case Filter(condition=condition):
            expressions: tuple[Expression, ...] = (condition,)
            must = {id(c) for c in split_conjunction(condition)}
        case Derive(columns=columns) | Select(columns=columns):
            expressions, must = tuple(e for _, e in columns), set()
        case _:
            return
    inside = aggregated[id(node.source)]
    for expression in expressions:
        for part in walk_expressions(expression):
            found = match_comparison(part)
            if found and columns_read(found[1]) & inside:
                operation, side, literal = found
                assert isinstance(part, Call)
                fixed = "" if free else "another grouping follows: each value takes a run of its own"
                made = build_threshold(part, operation, side, literal, needed=free and id(part) in must, fixed=fixed)
                yield replace(made, rounded=is_rounded(side, rounded[id(node.source)]))


def match_comparison(part: Expression) -> tuple[Operation, Expression, Literal] | None:
    """A comparison's operation as seen from the value, the value, and the number; nothing for any other expression."""
    match part:
        case Call(operation, (side, Literal() as literal)) if operation in THRESHOLD_SIGNS and is_number_literal(
            literal
        ):
            return operation, side, literal
        case Call(operation, (Literal() as literal, side)) if operation in THRESHOLD_SIGNS and is_number_literal(
            literal
        ):
            return MIRRORED_OPERATIONS[operation], side, literal
        case _:
            return None


def is_number_literal(literal: Literal) -> bool:
    """Whether a literal is a number."""
    return isinstance(literal.value, int | float) and not isinstance(literal.value, bool)


def build_threshold(
    comparison: Call, operation: Operation, side: Expression, literal: Literal, *, needed: bool, fixed: str
) -> Threshold:
    """A comparison as a threshold; a guard against dividing by zero is none that anybody tunes."""
    value = float(literal.value)  # type: ignore[arg-type]
    place = literal_place(comparison, literal)
    if place is None:
        fixed = "the text does not hold the number"
    elif value == 0 and not fixed:
        # `if(x > 0, a/x, ...)` divides safely.
        fixed = "a comparison with 0 is a guard, not a threshold"
    names = sorted(n for n in columns_read(side) if not is_hidden(n))
    written = span_of(side)
    name = names[0] if len(names) == 1 else (written.text if written else " ".join(names))
    return Threshold(
        name=name,
        operation=operation,
        published=value,
        side=side,
        comparison=comparison,
        place=place,
        needed=needed,
        fixed=fixed,
    )


def literal_place(comparison: Call, literal: Literal) -> Span | None:
    """Where the number is written: its own place if that is this number, else the one inside the comparison."""
    for span in (literal.span, comparison.span):
        if span is None:
            continue
        hits = [m for m in THRESHOLD_NUMBER.finditer(span.text) if float(m[0]) == literal.value]
        # With two equal numbers in one comparison nobody can tell which one to change.
        if len(hits) == 1:
            return span.source.span(span.start + hits[0].start(), span.start + hits[0].end())
    return None


def mark_shared(found: Sequence[Threshold]) -> Iterator[Threshold]:
    """The thresholds, those left as they are whose number stands for several comparisons at once."""
    places = [(t.place.start, t.place.end) for t in found if t.place]
    for threshold in found:
        place = threshold.place
        if place and places.count((place.start, place.end)) > 1 and not threshold.fixed:
            yield replace(threshold, fixed="one number in the text stands for several comparisons")
        else:
            yield threshold
