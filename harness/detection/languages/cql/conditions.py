"""Filters over a row: which events a step lets pass."""

from __future__ import annotations

from harness.detection.languages.cql.coercion import negate_condition, parse_number_text, refuse_too_large
from harness.detection.languages.cql.evaluate import function_of, lower_filter_function
from harness.detection.languages.cql.hints import after_aggregate
from harness.detection.languages.cql.parameters import resolve_text
from harness.detection.languages.cql.regex import CqlRegex, translate_regex
from harness.detection.languages.cql.registry import FunctionRole
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import TEMPORARY
from harness.detection.languages.cql.syntax import (
    Apply,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Link,
    Negation,
    Pipeline,
    QueryParameter,
    Regex,
    Syntax,
    TruthFilter,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    EVENT_COLUMN,
    FALSE_LITERAL,
    NULL,
    ROW,
    TRUE,
    Column,
    Expression,
    Kind,
    Literal,
    build_call,
)
from harness.detection.plan.operations import any_of, choose_test
from harness.diagnostics import Severity, SourceError, Span
from harness.late_pattern import late_pattern

# Comparisons with dates and lengths of time as other languages have them get a hint of their own.
DATE = late_pattern(r"\d{4}-\d\d")
TIME_SPAN = late_pattern(r"\d+\s*(?:ms|s|m|min|h|d|w|mon|y)")
DATES = "times are numbers of milliseconds; `parseTimestamp` makes one of a field, the window is set beside the query"
# reference/cql.md 4.1: tags, @id, @timestamp and @ingesttimestamp are not searched.
NOT_SEARCHED = ("@id", "@timestamp", "@ingesttimestamp", ROW, EVENT_COLUMN)
NUMERIC_COMPARISONS = {"<": ops.less, "<=": ops.less_equal, ">": ops.greater, ">=": ops.greater_equal}


def lower_condition(row: RowScope, part: Syntax, *, alone: bool = True) -> Expression:
    """What a filter asks of the row; only one that stands `alone` may fill fields from its named groups."""
    match part:
        case Junction(operator="and", parts=parts):
            return ops.and_(*(lower_condition(row, p, alone=alone) for p in parts), span=part.span)
        case Junction(parts=parts):
            # `a or b` is `case { a; b }`, where named groups of regular expressions make no fields (reference/cql.md 3,
            # rule 1).
            with row.refusing():
                return ops.or_(*(lower_condition(row, p, alone=False) for p in parts), span=part.span)
        case Pipeline(steps=steps):
            return ops.and_(*(lower_condition(row, s, alone=False) for s in steps), span=part.span) if steps else TRUE
        case Negation(part=inside):
            with row.refusing():
                return locate_condition(negate_condition(lower_condition(row, inside, alone=False)), part.span)
        case TruthFilter(value=value):
            return Literal(value, part.span)
        case Comparison():
            return lower_field_comparison(row, part)
        case FreeText(value=value):
            return lower_free_text(row, value)
        case Apply():
            return lower_apply(row, part)
        case FunctionCall():
            return lower_filter_call(row, part)
        case Link():
            raise SourceError("misplaced", "`<=>` stands in `correlate` only", part.span)
        case _:
            raise SourceError("misplaced", "this is a step, no filter", part.span)


def locate_condition(expression: Expression, span: Span) -> Expression:
    """The condition with the place of what negates it."""
    operation, arguments = getattr(expression, "operation", None), getattr(expression, "arguments", None)
    return build_call(operation, *arguments, span=span) if operation and arguments is not None else expression


def lower_filter_call(row: RowScope, part: FunctionCall) -> Expression:
    """What a filter function asks."""
    function = function_of(part)
    if function.role is not FunctionRole.FILTER:
        raise SourceError("misplaced", f"`{part.name}` is no filter; it stands as a step of its own", part.span)
    # What the function has to tell is told at its own place; steps in one condition share a flow.
    before, row.flow.span = row.flow.span, part.span
    try:
        return lower_filter_function(row, function, part)
    finally:
        row.flow.span = before


def lower_apply(row: RowScope, part: Apply) -> Expression:
    """`field =~ function`."""
    before, row.implied = row.implied, resolve_text(row.meaning, part.field)
    try:
        if not isinstance(part.call, FunctionCall):
            raise row.unsupported("a saved query after `=~`", part.span)
        if not part.negated:
            return lower_filter_call(row, part.call)
        with row.refusing():
            return locate_condition(negate_condition(lower_filter_call(row, part.call)), part.span)
    finally:
        row.implied = before


def lower_field_comparison(row: RowScope, part: Comparison) -> Expression:
    """A field against a text, a pattern, a number or a regular expression."""
    name = resolve_text(row.meaning, part.field)
    subject = row.read(name, part.field.span)
    if part.operator in NUMERIC_COMPARISONS:
        return lower_numeric_comparison(row, subject, part)
    if isinstance(part.value, Regex):
        pattern = translate_regex(part.value.body, part.value.flags, part.value.span)
        found = lower_regex_match(row, subject, pattern, part.span)
    elif part.operator == "like":
        found = match_whole_value(row, subject, f"*{resolve_text(row.meaning, part.value)}*", part.span)
    else:
        found = match_whole_value(row, subject, resolve_text(row.meaning, part.value), part.span)
    if part.operator != "!=":
        return found
    # What did not match has no groups to take.
    row.offers.clear()
    # One example of the manual drops missing fields here, against its own rule (reference/cql.md 4.2); hence the
    # switch.
    if isinstance(part.value, Word) and part.value.text == "" and row.meaning.switch("missing-not-empty") == "drop":
        return ops.and_(ops.not_(ops.is_null(subject)), ops.not_(found), span=part.span)
    return locate_condition(negate_condition(found), part.span)


def lower_regex_match(row: RowScope, subject: Expression, pattern: CqlRegex, span: Span | None) -> Expression:
    """Whether a regular expression is found in a value; its named groups are on offer."""
    text = row.text(subject)
    for name, value in pattern.extracted(text):
        row.offer(name, value)
    return pattern.found(text, span)


def lower_numeric_comparison(row: RowScope, subject: Expression, part: Comparison) -> Expression:
    """A numeric comparison; false where the field is no number."""
    text = resolve_text(row.meaning, part.value)
    limit = parse_number_text(text)
    if limit is None:
        refuse_too_large(text, part.value.span)
        # A dashboard's `*` must not break the query; only what stands in the text is an error.
        if isinstance(part.value, QueryParameter):
            message = f"the value of `{part.value.name}` is no number; the comparison holds for no event"
            row.meaning.tell("not-a-number", part.value.name, message, part.value.span)
            return FALSE_LITERAL
        help = DATES if DATE.match(text) else f"two fields are compared with `test(a {part.operator} b)`"
        if TIME_SPAN.fullmatch(text):
            help = f"the time so long ago is `now() - duration({text})`, in `test(a {part.operator} ...)`"
        raise SourceError("not-a-number", f"`{part.operator}` compares with a number", part.value.span, help=help)
    return build_call(
        NUMERIC_COMPARISONS[part.operator], row.number(subject), build_number_literal(limit), span=part.span
    )


def build_number_literal(value: float) -> Literal:
    """A number as it is best printed."""
    # Doubles are exact to 2**53.
    return Literal(int(value) if value == int(value) and abs(value) < 2**53 else value)


def match_whole_value(row: RowScope, subject: Expression, pattern: str, span: Span | None) -> Expression:
    """Whether a whole value fits a text in which `*` stands for anything."""
    if pattern == "*":
        return ops.not_(ops.is_null(subject), span=span)
    if "*" in pattern:
        return match_glob(row.text(subject), pattern, span)
    value = parse_number_text(pattern)
    if row.kind(subject) is Kind.NUMBER:
        # False, and null where the field is missing: the opposite of a comparison then passes as it has to.
        if value is None:
            return ops.and_(ops.is_null(subject), FALSE_LITERAL, span=span)
        return ops.equal(subject, build_number_literal(value), span=span)
    same = ops.equal(row.text(subject), Literal(pattern), span=span)
    # How far `f = 404` reaches is not known (reference/cql.md 4.2 and 19): as text or as number, unless a switch says
    # so.
    if value is None or row.meaning.switch("numeric-equality") == "text":
        return same
    return ops.or_(same, ops.equal(row.number(subject), build_number_literal(value)), span=span)


def match_glob(text: Expression, pattern: str, span: Span | None, *, ignore_case: bool = False) -> Expression:
    """Whether a text fits a pattern with `*`; the simple shapes are said simply."""
    # Engines test a prefix, a suffix or a content without any pattern, which is faster.
    core = pattern.strip("*")
    if not core:
        return ops.not_(ops.is_null(text), span=span)
    if "*" in core:
        return build_call(choose_test(ops.glob, ignore_case), text, Literal(pattern), span=span)
    ends = pattern.startswith("*"), pattern.endswith("*")
    test = {(True, True): ops.contains, (False, True): ops.starts_with, (True, False): ops.ends_with}.get(
        ends, ops.equal
    )
    return build_call(choose_test(test, ignore_case), text, Literal(core), span=span)


def lower_free_text(row: RowScope, value: Word | Regex | QueryParameter) -> Expression:
    """Text or a regular expression in any field that the event came with."""
    meaning = row.meaning
    if isinstance(value, QueryParameter) and resolve_text(meaning, value) == "*":
        # `?p` as a step declares a parameter; with its default `*` it passes everything (reference/cql.md 14).
        return Literal(True, value.span)
    if not row.flow.events:
        message = "text is looked for in events; after an aggregate there are none"
        help = after_aggregate(value.text if isinstance(value, Word) else "")
        raise SourceError("free-text-after-aggregate", message, value.span, help=help)
    # The fields that the event had at the start of the pipeline, whatever was added since (reference/cql.md 4.1).
    names = [n for n in row.flow.origin if not n.startswith("#") and n not in NOT_SEARCHED]
    known = row.flow.columns
    # Columns without any value would only lengthen the statement.
    names = [n for n in names if known.get(f"{TEMPORARY}{n}", known.get(n, Kind.NULL)) is not Kind.NULL]
    texts = [row.text(original(row, n)) for n in names]
    if not texts:
        meaning.tell("no-fields", "", "there are no fields to look in", value.span, severity=Severity.NOTE)
        return FALSE_LITERAL
    if isinstance(value, Regex):
        pattern = translate_regex(value.body, value.flags, value.span)
        found = [dict(pattern.extracted(t)) for t in raw_first(names, texts)]
        for name, _, _ in pattern.groups:
            row.offer(name, ops.coalesce(*(f[name] for f in found)))
        return any_of(tuple(pattern.found(t) for t in texts), value.span)
    text = resolve_text(meaning, value)
    return any_of(tuple(match_glob(t, f"*{text}*", None) for t in texts), value.span)


def raw_first(names: list[str], texts: list[Expression]) -> list[Expression]:
    """The texts, that of the event itself first."""
    # Groups are taken from @rawstring first, else the order of fields is undefined (reference/cql.md 4.1).
    pairs = sorted(zip(names, texts, strict=True), key=lambda p: p[0] != "@rawstring")
    return [t for _, t in pairs]


def original(row: RowScope, name: str) -> Expression:
    """A field as the event came with it, if the query has changed it since."""
    kept, known = f"{TEMPORARY}{name}", row.flow.columns
    if kept not in known and name in row.meaning.schema:
        row.meaning.reads.add(name)
    return Column(kept) if kept in known else Column(name) if name in known else NULL
