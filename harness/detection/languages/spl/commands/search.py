"""search, where, regex, head, tail; the fields date_*.

Reference: reference/spl.md 2.1; Splunk Knowledge Manager Manual, use default fields
"""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options, parse_whole_word
from harness.detection.languages.spl.cim.events import enrich
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.field_usage import with_blocks
from harness.detection.languages.spl.parser import head_item
from harness.detection.languages.spl.regex import check_pattern
from harness.detection.languages.spl.registry import ANY_OPTION, COMMANDS, Unless
from harness.detection.languages.spl.scope import Scope
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
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Filter, Frame, Limit, Reverse, Window
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError


@COMMANDS.define("search", order="keeps", fields="keeps", raw="never", shape="search", generating=True)
def search(scope: Scope, stage: Stage) -> None:
    """Keeps the rows that satisfy a condition: text but for case, `*` as wildcard, words in the text of the event.

    Reference: reference/spl.md 4
    """
    arguments = stage.arguments
    if not isinstance(arguments, SearchArguments):
        raise TypeError(stage.name)
    # What only events have is made where a search begins, and only as far as the search names it.
    if scope.first and scope.events:
        add_date_fields(scope)
        with_blocks(scope)
        enrich(scope)
    before = dict(scope.columns)
    below = scope.node
    found = SearchLowering(scope).condition(arguments.condition)
    # A subsearch that became a join leaves its mark beside the rows; the condition has read it.
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
        # What `regex f!=re` does to rows without the field is Q6 of the reference.
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
    # `null=t` counts a null condition as true.
    fails = ops.not_(ops.coalesce(condition, literal(null)))
    column = scope.session.fresh("failed")
    # With `keeplast` the row that fails is the last one to stay.
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
    # tail gives its rows in reverse order (reference/spl.md 7).
    scope.node = Reverse(source=Limit(source=scope.node, count=count, last=True, span=stage.span), span=stage.span)


DATE_FIELD_FORMATS = {
    "date_hour": "%H",
    "date_mday": "%d",
    "date_minute": "%M",
    "date_month": "%B",
    "date_second": "%S",
    "date_wday": "%A",
    "date_year": "%Y",
}
DATE_NAME_FIELDS = ("date_month", "date_wday")
ZONE = "date_zone"
WRITTEN_IN = "UTC"
"""The zone of the times that events of Windows and Falcon carry."""


def add_date_fields(scope: Scope) -> None:
    """Adds those of the fields that the query names and no event brings itself."""
    time = scope.columns.get("_time", Kind.NULL)
    wanted = [n for n in (*DATE_FIELD_FORMATS, ZONE) if n not in scope.columns and scope.session.mentions(n)]
    if wanted and time is not Kind.NULL:
        scope.derive([(n, build_date_field(scope, n)) for n in wanted])


def build_date_field(scope: Scope, name: str) -> Typed:
    """One of the fields: a number, or the name of a month or a weekday in lower case."""
    if name == ZONE:
        # Events are read in UTC, whose distance from itself is 0 minutes.
        return literal(0.0)
    shown = ops.format_time(as_number(scope.typed("_time")), literal(DATE_FIELD_FORMATS[name]), literal(WRITTEN_IN))
    return ops.lower(shown) if name in DATE_NAME_FIELDS else as_number(shown)
