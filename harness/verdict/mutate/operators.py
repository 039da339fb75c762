"""Mutation operators: each condition, number and pattern of an expression changed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    FALSE_LITERAL,
    TRUE,
    Aggregation,
    Call,
    Column,
    Expression,
    Lambda,
    Literal,
    span_of,
    walk_expressions,
)
from harness.detection.plan.operation import Operation
from harness.diagnostics import Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.mutate.regex_alternatives import broken_regexes

WITH_REPETITIONS = "all values with repetitions"
REPETITION = f"values becomes {WITH_REPETITIONS}"
UNWRITTEN = "a part that the text does not hold"
CONTENT_CALL = late_pattern(r"\s*(?:`[^`]+`|\$(?:\"[^\"]*\"|[\w:/.-]+)\([^|]*\))\s*")
"""A macro of SPL or a saved query of CQL where it is called: what it holds is written elsewhere."""


# The boundary by one and the direction reversed: the two ways in which comparisons go wrong by hand.
BOUNDARIES: dict[Operation, Operation] = {
    ops.less: ops.less_equal,
    ops.less_equal: ops.less,
    ops.greater: ops.greater_equal,
    ops.greater_equal: ops.greater,
}
OPPOSITES: dict[Operation, Operation] = {
    ops.less: ops.greater_equal,
    ops.less_equal: ops.greater,
    ops.greater: ops.less_equal,
    ops.greater_equal: ops.less,
}
OPERATION_SIGNS: dict[Operation, str] = {
    ops.less: "<",
    ops.less_equal: "<=",
    ops.greater: ">",
    ops.greater_equal: ">=",
    ops.equal: "=",
    ops.not_equal: "!=",
}
EQUALITY_OPERATIONS = frozenset({ops.equal, ops.equal_ci, ops.not_equal})
# A forgotten wildcard: the test next narrower than the one written.
ANCHORS: dict[Operation, Operation] = {
    ops.ends_with: ops.equal,
    ops.ends_with_ci: ops.equal_ci,
    ops.starts_with: ops.equal,
    ops.starts_with_ci: ops.equal_ci,
    ops.contains: ops.starts_with,
    ops.contains_ci: ops.starts_with_ci,
}
MEMBERSHIP_OPERATIONS = frozenset({ops.in_, ops.in_ci, ops.cidr_contains})
OPPOSITE_ARITHMETIC: dict[Operation, Operation] = {
    ops.add: ops.subtract,
    ops.subtract: ops.add,
    ops.multiply: ops.divide,
    ops.divide: ops.multiply,
}
ARITHMETIC_WORDS: dict[Operation, str] = {ops.add: "+", ops.subtract: "-", ops.multiply: "*", ops.divide: "/"}
HOURLY = late_pattern("%H")


@record
class ExpressionChange:
    """A mutated expression with the kind of change, its description and its span."""

    kind: str
    what: str
    place: Span | None
    made: Expression


def mutate_expression(expression: Expression, within: Span | None = None) -> Iterator[ExpressionChange]:
    """Every way to break the expression once."""
    place = span_of(expression) or within
    if isinstance(expression, Call):
        # What has no place was added by the front end; breaking it would be no change of the text.
        written = expression.span is not None or expression.operation in (ops.and_, ops.or_)
        # `bucket _time span=5m` is a command: its arithmetic has no place, its span stands in it.
        written |= expression.operation == ops.time_floor and place is not None and "span" in place.text
        if written and not is_content_call(place):
            yield from of_call(expression, place)
        if is_one_test(expression):
            return
        for i, argument in enumerate(expression.arguments):
            for change in mutate_expression(argument, place):
                yield ExpressionChange(
                    change.kind, change.what, change.place, with_argument(expression, i, change.made)
                )
    elif isinstance(expression, Lambda):
        for change in mutate_expression(expression.body, place):
            yield ExpressionChange(
                change.kind, change.what, change.place, Lambda(expression.parameter, change.made, expression.span)
            )
    elif isinstance(expression, Literal) and expression.span and not is_content_call(expression.span):
        yield from of_number(expression, expression.span)


def is_content_call(place: Span | None) -> bool:
    """Whether a place is the call of a macro or saved query, which can only be dropped as a whole."""
    return place is not None and CONTENT_CALL.fullmatch(place.text) is not None


def with_argument(expression: Call, place: int, made: Expression) -> Call:
    """The call with another argument."""
    arguments = expression.arguments
    return Call(expression.operation, (*arguments[:place], made, *arguments[place + 1 :]), expression.span)


def of_call(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Every way to break the call itself."""
    operation = e.operation
    if find_compared_text(e) is not None:
        if e.span is not None:
            # As `!=` is there: true of an event without the field.
            opposite = ops.not_(ops.is_true(e))
            yield ExpressionChange("comparison", f"{print_broken_expression(e)} turned around", place, opposite)
    elif operation == ops.or_ and (listed := [find_compared_text(a) for a in e.arguments]) and None not in listed:
        yield from listed_texts_dropped(e, [str(text) for text in listed], place)
    elif operation in (ops.and_, ops.or_):
        yield from members_dropped(e, place)
    elif operation == ops.not_ and not wraps_test(e):
        yield ExpressionChange(
            "negation", f"{print_broken_expression(e)} holds where it did not", place, e.arguments[0]
        )
    elif operation in BOUNDARIES:
        yield from of_comparison(e, place)
    elif operation in EQUALITY_OPERATIONS:
        opposite = ops.not_(Call(operation, e.arguments, e.span))
        yield ExpressionChange("comparison", f"{print_broken_expression(e)} turned around", place, opposite)
    elif operation in ANCHORS and isinstance(e.arguments[1], Literal):
        end = "last" if operation in (ops.starts_with, ops.starts_with_ci) else "first"
        what = f"{print_broken_expression(e)} without its {end} wildcard"
        yield ExpressionChange("pattern", what, place, Call(ANCHORS[operation], e.arguments, e.span))
    elif operation in (ops.glob, ops.glob_ci) and isinstance(e.arguments[1], Literal):
        yield from of_glob(e, place)
    elif operation in MEMBERSHIP_OPERATIONS:
        yield from entries_dropped(e, place)
    elif operation == ops.regex_found and isinstance(e.arguments[1], Literal):
        yield from mutate_regex(e, place)
    elif operation in OPPOSITE_ARITHMETIC:
        opposed = OPPOSITE_ARITHMETIC[operation]
        signs = f"{ARITHMETIC_WORDS[operation]} becomes {ARITHMETIC_WORDS[opposed]}"
        what = f"{signs} in {print_broken_expression(e)}"
        yield ExpressionChange("arithmetic", what, place, Call(opposed, e.arguments, e.span))
    else:
        yield from of_time(e, place)


def find_compared_text(e: Expression) -> str | None:
    """What an equality asks for that is of a text and of a number at once (CQL's `port=443`); None for all else."""
    match e:
        case Call(
            ops.or_,
            (
                Call(ops.equal, (text, Literal(str() as value))),
                Call(ops.equal, (Call(ops.to_number, (number,)), Literal())),
            ),
        ) if text == number:
            return value
        case _:
            return None


def is_one_test(e: Call) -> bool:
    """Whether nothing inside a call is written apart from it: an equality of both kinds, or `!=` of one."""
    inner = e.arguments[0] if e.operation == ops.not_ else e
    if isinstance(inner, Call) and inner.operation == ops.is_true:
        inner = inner.arguments[0]
    return find_compared_text(inner) is not None and (inner is e or span_of(inner) == e.span)


def listed_texts_dropped(e: Call, texts: Sequence[str], place: Span | None) -> Iterator[ExpressionChange]:
    """Each entry left out of a list of values that are compared as texts and as numbers; of alternatives, each."""
    if e.span is None or any(span_of(a) is not None for a in e.arguments):
        yield from members_dropped(e, place)
        return
    for i, text in enumerate(texts):
        rest = (*e.arguments[:i], *e.arguments[i + 1 :])
        made = Call(e.operation, rest, e.span) if len(rest) > 1 else rest[0]
        yield ExpressionChange("member", f"{text} dropped from {print_broken_expression(e)}", place, made)


def wraps_test(e: Call) -> bool:
    """Whether a `not` is part of the spelling of one test (`not is_null`), and no negation in the rule."""
    inner = e.arguments[0]
    return isinstance(inner, Call) and inner.operation == ops.is_null


def members_dropped(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Each condition of several left out."""
    for i, member in enumerate(e.arguments):
        if e.span is None and (span_of(member) is None or is_added_presence(member)):
            continue
        rest = (*e.arguments[:i], *e.arguments[i + 1 :])
        empty = TRUE if e.operation == ops.and_ else FALSE_LITERAL
        made = Call(e.operation, rest, e.span) if len(rest) > 1 else (rest[0] if rest else empty)
        yield ExpressionChange("clause", f"{print_broken_expression(member)} dropped", span_of(member) or place, made)


def is_added_presence(member: Expression) -> bool:
    """Whether a test that a field is there comes from a command that groups by it, and from no condition."""
    match member:
        case Call(ops.not_, (Call(ops.is_null, (Column(span=named),)),), span):
            # The command names the field, a condition says more of it: `Image=*`.
            return span is None or span == named
        case _:
            return False


def entries_dropped(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Each entry of a list of values left out."""
    # A list of one value would be an empty one, which is the clause dropped.
    if len(e.arguments) < 3:
        return
    for i, entry in enumerate(e.arguments[1:], 1):
        made = Call(e.operation, (*e.arguments[:i], *e.arguments[i + 1 :]), e.span)
        shown = entry.value if isinstance(entry, Literal) else print_broken_expression(entry)
        yield ExpressionChange(
            "member", f"{shown} dropped from {print_broken_expression(e)}", span_of(entry) or place, made
        )


def of_comparison(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Its boundary moved in or out, its direction turned around."""
    for other in (BOUNDARIES[e.operation], OPPOSITES[e.operation]):
        what = f"{OPERATION_SIGNS[e.operation]} becomes {OPERATION_SIGNS[other]} in {print_broken_expression(e)}"
        yield ExpressionChange("comparison", what, place, Call(other, e.arguments, e.span))
    for i, argument in enumerate(e.arguments):
        if isinstance(argument, Literal) and argument.span is None:
            for change in of_number(argument, place):
                what = f"{change.what} in {print_broken_expression(e)}"
                yield ExpressionChange(change.kind, what, place, with_argument(e, i, change.made))


def of_number(literal: Literal, place: Span | None) -> Iterator[ExpressionChange]:
    """A number made a little larger and a little smaller."""
    value = literal.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    whole = float(value).is_integer()
    # A tenth is chosen, no source: enough to matter, little enough to be missed.
    for other in (value + 1, value - 1) if whole else (value * 1.1, value * 0.9):
        # 0.3 * 1.1 would be written 0.33000000000000003.
        made = Literal(float(f"{other:.12g}"), literal.span)
        what = f"{value:g} becomes {other:g}"
        yield ExpressionChange("number", what, place, made)


def of_glob(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """The wildcard at either end of a pattern taken away."""
    pattern = str(e.arguments[1].value) if isinstance(e.arguments[1], Literal) else ""
    for end, other in (("first", pattern.removeprefix("*")), ("last", pattern.removesuffix("*"))):
        if other != pattern:
            made = with_argument(e, 1, Literal(other, span_of(e.arguments[1])))
            yield ExpressionChange("pattern", f"{print_broken_expression(e)} without its {end} wildcard", place, made)


def mutate_regex(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Each alternative of a regular expression left out, its flags taken away."""
    literal = e.arguments[1]
    assert isinstance(literal, Literal)
    for what, pattern in broken_regexes(str(literal.value)):
        made = with_argument(e, 1, Literal(pattern, literal.span))
        yield ExpressionChange("member", f"{what} in {print_broken_expression(e)}", literal.span or place, made)
    flags = e.arguments[2] if len(e.arguments) > 2 else None
    if isinstance(flags, Literal) and flags.value:
        yield ExpressionChange(
            "pattern",
            f"flags dropped in {print_broken_expression(e)}",
            place,
            with_argument(e, 2, Literal("", flags.span)),
        )


def of_time(e: Call, place: Span | None) -> Iterator[ExpressionChange]:
    """Buckets of time made coarser and finer, moved to another zone."""
    match e:
        case Call(ops.format_time, (seconds, Literal(str() as format), zone)) if HOURLY.search(format):
            # Buckets of hours are mostly written "%Y-%m-%d %H:00".
            finer = format.replace("%H:00", "%H:%M") if "%H:00" in format else format + ":%M"
            for other, word in ((format.replace("%H", "00"), "days"), (finer, "minutes")):
                made = Call(e.operation, (seconds, Literal(other), zone), e.span)
                yield ExpressionChange(
                    "bucket", f"{word} in place of hours in {print_broken_expression(e)}", place, made
                )
        case Call(ops.time_floor, (seconds, Literal(float() | int() as span), *rest)):
            for factor, word in ((2, "twice as long"), (0.5, "half as long")):
                made = Call(e.operation, (seconds, Literal(span * factor), *rest), e.span)
                yield ExpressionChange("bucket", f"spans {word} in {print_broken_expression(e)}", place, made)
        case Call(ops.calendar_floor, (seconds, Literal(str() as unit), zone)):
            for other in ({"hour": ("day", "minute"), "day": ("hour",), "minute": ("hour",)}).get(unit, ()):
                made = Call(e.operation, (seconds, Literal(other), zone), e.span)
                yield ExpressionChange(
                    "bucket", f"{other}s in place of {unit}s in {print_broken_expression(e)}", place, made
                )


def print_broken_expression(e: Expression) -> str:
    """An expression as the rule writes it, on one line."""
    place = span_of(e)
    if place is not None:
        return f"`{' '.join(place.text.split())}`"
    return next(
        (print_broken_expression(p) for p in walk_expressions(e) if p is not e and span_of(p)),
        UNWRITTEN,
    )


def aggregates_replaced(measure: Expression) -> Iterator[tuple[str, Expression]]:
    """A measure that computes something near: its aggregates replaced, in words and as an expression."""
    used = [e for e in walk_expressions(measure) if isinstance(e, Aggregation)]
    for old in dict.fromkeys(e.operation for e in used):
        if old in NEAR:
            new, word = NEAR[old]
            yield f"{old} becomes {word}", replace_aggregation(measure, old, new)
    if isinstance(measure, Aggregation) and measure.operation == ops.count and not measure.arguments:
        # A count that nobody compares could as well be any constant.
        yield "count becomes 1", ops.maximum(Literal(1.0))


def replace_aggregation_by(operation: Operation) -> Callable[[Aggregation], Expression]:
    """The same aggregation by another operation."""
    return lambda a: Aggregation(operation, a.arguments, a.where, a.order, a.span)


def highest(a: Aggregation) -> Expression:
    """The largest value in place of a percentile."""
    return ops.maximum(*a.arguments[:1], where=a.where, order=a.order, span=a.span)


# Each by the aggregate that people confuse it with.
NEAR: dict[Operation, tuple[Callable[[Aggregation], Expression], str]] = {
    ops.sum: (replace_aggregation_by(ops.maximum), "maximum"),
    ops.mean: (replace_aggregation_by(ops.maximum), "maximum"),
    ops.minimum: (replace_aggregation_by(ops.maximum), "maximum"),
    ops.maximum: (replace_aggregation_by(ops.minimum), "minimum"),
    ops.stdev_sample: (replace_aggregation_by(ops.stdev_population), "that of a population"),
    ops.stdev_population: (replace_aggregation_by(ops.stdev_sample), "that of a sample"),
    ops.variance_sample: (replace_aggregation_by(ops.variance_population), "that of a population"),
    ops.variance_population: (replace_aggregation_by(ops.variance_sample), "that of a sample"),
    ops.values: (replace_aggregation_by(ops.collect), WITH_REPETITIONS),
    ops.count_distinct: (replace_aggregation_by(ops.count), "count of all"),
    ops.first: (replace_aggregation_by(ops.last), "last"),
    ops.last: (replace_aggregation_by(ops.first), "first"),
    ops.percentile: (highest, "maximum"),
    ops.percentile_below: (highest, "maximum"),
}


def replace_aggregation(e: Expression, old: Operation, new: Callable[[Aggregation], Expression]) -> Expression:
    """The expression with every aggregation of one operation changed."""
    match e:
        case Aggregation(operation):
            return new(e) if operation == old else e
        case Call(operation, arguments, span):
            return Call(operation, tuple(replace_aggregation(a, old, new) for a in arguments), span)
        case _:
            return e
