"""Commands that keep some rows: search, where, regex, head, tail, dedup."""

from __future__ import annotations

from harness.detection.languages.spl.argument_grammar import head_item, signed_item
from harness.detection.languages.spl.arguments import BoundOptions, bind_options, split_clauses
from harness.detection.languages.spl.cim.events import enrich
from harness.detection.languages.spl.coercion import apply_to_elements, as_text, build_element_parameter, literal
from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.event_dates import add_date_fields
from harness.detection.languages.spl.event_parts import with_blocks
from harness.detection.languages.spl.patterns import check_pattern
from harness.detection.languages.spl.registry import ANY_OPTION, COMMANDS, Unless
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.sorting import parse_sort_keys
from harness.detection.languages.spl.statistics import build_key_conditions, parse_whole_word
from harness.detection.languages.spl.syntax import (
    FieldReference,
    FunctionCall,
    GeneralArguments,
    Number,
    OperandChain,
    Option,
    Prefix,
    SearchArguments,
    Stage,
    String,
    WhereArguments,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind
from harness.detection.plan.nodes import Filter, Frame, Limit, Reverse, Sort, Window
from harness.detection.plan.operation import Typed
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError


@COMMANDS.define("search", order="keeps", fields="keeps", raw="never", shape="search", generating=True)
def search(scope: Scope, stage: Stage) -> None:
    """Keeps the rows that satisfy a condition: text but for case, `*` as wildcard, words in the text of the event.

    Reference: reference/spl.md 4
    """
    arguments = stage.arguments
    if not isinstance(arguments, SearchArguments):
        raise TypeError(stage.name)
    if scope.first and scope.events:
        add_date_fields(scope)
        with_blocks(scope)
        enrich(scope)
    before = dict(scope.columns)
    below = scope.node
    found = SearchLowering(scope).condition(arguments.condition)
    joined = scope.node is not below
    scope.filter(found.expression, stage.span)
    if joined:
        scope.columns = before
        scope.keep(list(before))


@COMMANDS.define("where", order="keeps", fields="keeps", raw="never", shape="where", evaluates=True)
def where(scope: Scope, stage: Stage) -> None:
    """Keeps the rows for which an expression is true; null is not true.

    Reference: reference/spl.md 5.3
    """
    if not isinstance(stage.arguments, WhereArguments):
        raise TypeError(stage.name)
    found = EvalContext(scope).condition(stage.arguments.condition)
    scope.filter(found.expression, stage.span)


@COMMANDS.define("regex", order="keeps", fields="keeps", raw=Unless((ANY_OPTION,)), shape="pattern")
def regex(scope: Scope, stage: Stage) -> None:
    """Keeps the rows in whose field a regular expression is found, or with `!=` is not.

    Reference: reference/spl.md 7
    """
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    if len(items) != 1 or not isinstance(items[0], Word | Option):
        raise SourceError("bad-argument", '`regex` takes one `field="pattern"`', stage.span)
    item = items[0]
    name, operator, pattern = ("_raw", "=", item) if isinstance(item, Word) else (item.name, item.operator, item.value)
    if not isinstance(pattern, Word):
        raise SourceError("bad-argument", "`regex` takes a pattern", stage.span)
    written = literal(check_pattern(pattern.text, pattern.span), pattern.span)
    subject = scope.typed(name, item.span)
    if subject.kind is Kind.LIST:
        parameter, element = build_element_parameter(subject)
        found = apply_to_elements(
            ops.list_any, subject, parameter, ops.regex_found(element, written, literal("")), item.span
        )
    else:
        found = ops.regex_found(as_text(subject), written, literal(""), span=item.span)
    if operator == "!=":
        keeps = scope.session.switch("regex_without_field") == "keep"
        found = ops.not_(ops.is_true(found) if keeps else found, span=item.span)
    scope.filter(found.expression, stage.span)


@COMMANDS.define("head", order="reads", fields="keeps", raw="never", item=head_item)
def head(scope: Scope, stage: Stage) -> None:
    """The first 10 rows, the first so many, or the rows before an expression is false for the first time.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "limit", "null", "keeplast")
    count = found.number("limit", 10)
    conditions = [
        o
        for o in found.others
        if isinstance(o, Number | String | FieldReference | Prefix | OperandChain | FunctionCall)
    ]
    if conditions and found.words:
        raise SourceError("surplus-argument", "`head` takes a number or an expression", conditions[0].span)
    if conditions:
        while_true(
            scope, stage, EvalContext(scope).condition(conditions[0]), found.flag("null"), found.flag("keeplast")
        )
        if "limit" not in found.options:
            return
    elif found.words:
        count = parse_whole_word(found.words[0])
    found.at_most(0 if conditions else 1)
    scope.node = Limit(source=scope.node, count=count, span=stage.span)


def while_true(scope: Scope, stage: Stage, condition: Typed, null: bool, keep_last: bool) -> None:
    """Rows before the first for which the condition fails."""
    fails = ops.not_(ops.coalesce(condition, literal(null)))
    column = scope.session.fresh("failed")
    frame = Frame.BEFORE if keep_last else Frame.RUNNING
    failed = ops.any_true(fails.expression)
    scope.node = Window(source=scope.node, measures=((column, failed),), frame=frame, span=stage.span)
    over_already = ops.is_true(Column(column))
    scope.node = Filter(source=scope.node, condition=ops.not_(over_already), span=stage.span)
    scope.keep(list(scope.columns))


@COMMANDS.define("tail", order="reads", fields="keeps", raw="never")
def tail(scope: Scope, stage: Stage) -> None:
    """The last 10 or so many rows, in reverse order.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    found.at_most(1)
    count = parse_whole_word(found.words[0]) if found.words else 10
    scope.node = Reverse(source=Limit(source=scope.node, count=count, last=True, span=stage.span), span=stage.span)


@COMMANDS.define("reverse", order="reads", fields="keeps", raw="never")
def reverse(scope: Scope, stage: Stage) -> None:
    """The rows in reverse order.

    Reference: reference/spl.md 7
    """
    bind_options(stage).at_most(0)
    scope.node = Reverse(source=scope.node, span=stage.span)


@COMMANDS.define("dedup", order="reads", fields="keeps", raw="never", item=signed_item)
def dedup(scope: Scope, stage: Stage) -> None:
    """The first rows of each combination of fields; rows without one of them are dropped unless `keepempty=t`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "keepevents", "keepempty", "consecutive")
    parts = split_clauses(found.words, "sortby")
    fields = parts[""]
    count = 1
    if fields and fields[0].text.isdigit() and not fields[0].quoted:
        count = parse_whole_word(fields.pop(0))
    if not fields:
        raise found.error("missing-field", "`dedup` needs a field")
    if "sortby" in parts:
        keys = parse_sort_keys(scope, parts["sortby"])
        scope.node = Sort(source=scope.node, keys=tuple(keys), span=stage.span)
    conditions = build_key_conditions(scope, fields)
    if not found.flag("keepempty") and not found.flag("keepevents"):
        place = fields[0].span.to(fields[-1].span)
        scope.filter(all_of(tuple(conditions), place), place)
    stretch = scope.session.fresh("stretch") if found.flag("consecutive") else ""
    if stretch:
        number_runs(scope, stage, fields, stretch)
    keep_by_number(scope, stage, fields, count, found, stretch)


def keep_by_number(
    scope: Scope, stage: Stage, fields: list[Word], count: int, found: BoundOptions, stretch: str
) -> None:
    """Keeps rows by their place among those with equal fields, or in their stretch; those that lack one all stay."""
    column = scope.session.fresh("place")
    partition: list[Expression] = [Column(f.text) for f in fields]
    scope.node = Window(
        source=scope.node,
        partition=(*partition, *((Column(stretch),) if stretch else ())),
        measures=((column, ops.row_number()),),
        frame=Frame.RUNNING,
        span=stage.span,
    )
    early = ops.less_equal(Typed(Column(column), Kind.NUMBER), literal(float(count)), span=stage.span)
    if found.flag("keepevents") or found.flag("keepempty"):
        whole_row = all_of(tuple(build_key_conditions(scope, fields)))
        early = Typed(ops.or_(early.expression, ops.not_(whole_row), span=stage.span), Kind.BOOLEAN)
    if found.flag("keepevents"):
        blanked = []
        for name in (f.text for f in fields):
            value = scope.typed(name)
            blanked.append((name, ops.if_(early, value, Typed(literal(None).expression, value.kind))))
        scope.derive(blanked, stage.span)
    else:
        scope.node = Filter(source=scope.node, condition=early.expression, span=stage.span)
    scope.keep([n for n in scope.columns if n[0] != "@"])


def number_runs(scope: Scope, stage: Stage, fields: list[Word], column: str) -> None:
    """Numbers the stretches of rows that agree in the fields."""
    before = {f.text: scope.session.fresh("before") for f in fields}
    measures = tuple((b, ops.lag(Column(f), literal(1.0).expression)) for f, b in before.items())
    lagged = Window(source=scope.node, measures=measures, frame=Frame.RUNNING, span=stage.span)
    same = tuple(ops.is_true(ops.equal(Column(f), Column(b))) for f, b in before.items())
    changes = ops.count(where=ops.not_(all_of(same)))
    scope.node = Window(source=lagged, measures=((column, changes),), frame=Frame.RUNNING, span=stage.span)
    scope.columns[column] = Kind.NUMBER
