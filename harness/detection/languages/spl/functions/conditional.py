"""Comparison and conditional functions: if, case, in, like, match, searchmatch, lookup."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    NO,
    YES,
    any_element,
    as_text,
    literal,
    lower_comparison,
    same_kind,
)
from harness.detection.languages.spl.commands.lookup import build_output_value
from harness.detection.languages.spl.condition_parser import SearchGrammar
from harness.detection.languages.spl.conditions import SearchLowering, find_network
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.functions.json import concat_json_parts, encode_as_json, quote_json_string
from harness.detection.languages.spl.lexer import ExpandedText, StageCursor
from harness.detection.languages.spl.lookup_tables import (
    LookupRequest,
    add_matched_columns,
    find_written_rows,
    match_lookup,
    resolve_lookup,
)
from harness.detection.languages.spl.regex import check_pattern_literal
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import (
    EvalArguments,
    EvalExpression,
    FunctionCall,
    Pipeline,
    Stage,
    String,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError


def no_brackets(reader: StageCursor) -> Pipeline:
    """A subsearch has no place in text."""
    raise reader.error("unsupported", "a subsearch inside searchmatch is not supported", reader.at)


def search_condition(context: EvalContext, written: EvalExpression) -> Typed:
    """Whether the row satisfies the condition in a text literal."""
    if not isinstance(written, String):
        raise SourceError("unsupported", "searchmatch of a computed text is not supported", written.span)
    source = context.scope.session.text.source
    text = ExpandedText(source, written.value, [(0, written.span.start, written.span.end)])
    text.lay_out()
    condition = SearchGrammar(StageCursor(text, 0, len(written.value)), no_brackets).condition()
    return ops.is_true(SearchLowering(context.scope).condition(condition))


@FUNCTIONS.define("if", shape="written")
def if_(context: EvalContext, condition: EvalExpression, yes: EvalExpression, no: EvalExpression) -> Typed:
    """`yes` where `condition` is true, else `no`; null is not true.

        if(1<2, "a", "b")         -> "a"
        if(null()=1, "a", "b")    -> "b"
        if("10"=10, 1, "no")      -> "1"
        if(split("a,b", ",")="b", "any", "none") -> "any"

    Reference: reference/spl.md 5.1
    """
    return context.choose([(context.condition(condition), context.value(yes))], context.value(no))


@FUNCTIONS.define(shape="written")
def case(context: EvalContext, condition: EvalExpression, value: EvalExpression, *more: EvalExpression) -> Typed:
    """The value after the first condition that is true; null if none is.

        case(1>2, "a", 2>1, "b") -> "b"
        case(1>2, "a")           -> null
        case(null()="x", 1, true(), 2) -> 2
        mvcount(case(1=1, split("a,b", ","), 1=1, "c")) -> 2

    Reference: reference/spl.md 5.1
    """
    return context.choose(split_condition_pairs(context, "case", (condition, value, *more)), TYPED_NULL)


@FUNCTIONS.define(shape="written")
def validate(context: EvalContext, condition: EvalExpression, value: EvalExpression, *more: EvalExpression) -> Typed:
    """The value after the first condition that is false; null if none is.

        validate(1<2, "a", 2<1, "b") -> "b"
        validate(1<2, "a")           -> null
        validate(null()=1, "a", isnum("x"), "b") -> "b"

    Reference: reference/spl.md 5.1
    """
    branches = split_condition_pairs(context, "validate", (condition, value, *more))
    return context.choose([(ops.not_(c), v) for c, v in branches], TYPED_NULL)


def split_condition_pairs(
    context: EvalContext, name: str, arguments: tuple[EvalExpression, ...]
) -> list[tuple[Typed, Typed]]:
    """Conditions and values in turn."""
    if len(arguments) % 2:
        message = f"`{name}` takes conditions and values in turn, {len(arguments)} arguments given"
        raise SourceError("wrong-arity", message, arguments[-1].span, help="end with `true(), value`")
    found = zip(arguments[::2], arguments[1::2], strict=True)
    return [(context.condition(c), context.value(v)) for c, v in found]


@FUNCTIONS.define("coalesce", "ifnull")
def coalesce(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The first value that is not null; an empty text is none.

        coalesce(null(), "a", "b") -> "a"
        coalesce("", "b")          -> ""
        coalesce(null(), null())   -> null
        coalesce(null(), 5)        -> 5
        mvcount(coalesce(null(), split("a,b", ","))) -> 2

    Reference: reference/spl.md 5.1
    """
    values = same_kind([value, *more])
    present = [v for v in values if v.kind is not Kind.NULL]
    if not present:
        return TYPED_NULL
    return present[0] if len(present) == 1 else apply(ops.coalesce, *present)


@FUNCTIONS.define
def nullif(context: EvalContext, value: Typed, other: Typed) -> Typed:
    """Null if both are equal, else the first.

        nullif("a", "a") -> null
        nullif("a", "b") -> "a"
        nullif("5", 5)   -> null
        nullif(null(), 1) -> null

    Reference: reference/spl.md 5.1
    """
    return ops.if_(lower_comparison("=", value, other), Typed(TYPED_NULL.expression, value.kind), value)


@FUNCTIONS.define
def null(context: EvalContext) -> Typed:
    """No value at all.

        null() -> null
        if(isnull(null()), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return TYPED_NULL


@FUNCTIONS.define
def true(context: EvalContext) -> Typed:
    """The condition that always holds.

        if(true(), 1, 2) -> 1
        if(NOT true(), 1, 2) -> 2

    Reference: reference/spl.md 5.2
    """
    return YES


@FUNCTIONS.define
def false(context: EvalContext) -> Typed:
    """The condition that never holds.

        if(false(), 1, 2) -> 2
        if(NOT false(), 1, 2) -> 1

    Reference: reference/spl.md 5.2
    """
    return NO


@FUNCTIONS.define("in", tests=True)
def in_(context: EvalContext, value: Typed, option: Typed, *more: Typed) -> Typed:
    """Whether the value equals one of the others; there are no wildcards.

        if(in("b", "a", "b"), 1, 0)   -> 1
        if("x*" IN ("xy"), 1, 0)      -> 0
        if("5.0" IN (5), 1, 0)        -> 1
        if(in(null(), "a"), 1, 0)     -> 0
        if(split("a,b", ",") IN ("b", "c"), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    parts = [lower_comparison("=", value, o) for o in (option, *more)]
    return parts[0] if len(parts) == 1 else apply(ops.or_, *parts)


@FUNCTIONS.define(tests=True)
def like(context: EvalContext, value: Typed, pattern: Typed) -> Typed:
    r"""Whether the whole text fits a pattern: `%` is any run, `_` one character, and nothing escapes them.

        if(like("cmd.exe", "c%.exe"), 1, 0) -> 1
        if(like("cmd.exe", "c_.exe"), 1, 0) -> 0
        if(like("50%", "50\\%"), 1, 0)     -> 0
        if(like(null(), "%"), 1, 0)        -> 0
        if(like(55, "5_"), 1, 0)           -> 1
        if(split("ab,cd", ",") LIKE "c%", 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    # Q4 of the reference: SQLite's LIKE, which Splunk names, ignores case; Splunk's own is said not to.
    operation = ops.like if context.scope.session.switch("like_case") == "sensitive" else ops.like_ci
    shown = as_text(pattern)
    return any_element(value, lambda v: apply(operation, v, shown), shown)


@FUNCTIONS.define(escapes=True, tests=True)
def match(context: EvalContext, value: Typed, regex: Typed) -> Typed:
    r"""Whether a regular expression is found anywhere in the text.

        if(match("cmd.exe", "(?i)CMD\.exe"), 1, 0) -> 1
        if(match("notepad.exe", "^pad"), 1, 0)     -> 0
        if(match(null(), "."), 1, 0)               -> 0
        if(match(443, "^4+3$"), 1, 0)              -> 1
        if(match(split("ab,cd", ","), "^c"), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    pattern = check_pattern_literal(regex)
    return any_element(value, lambda v: ops.regex_found(v, pattern, literal("")), pattern)


@FUNCTIONS.define(shape="written", escapes=True)
def searchmatch(context: EvalContext, condition: EvalExpression) -> Typed:
    """Whether the row satisfies a search condition, given as text.

        if(searchmatch("nosuchfield=1"), 1, 0) -> 0
        if(searchmatch("NOT nosuchfield=1"), 1, 0) -> 1
        if(searchmatch("_time>0 _time<9999999999"), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    found: Typed = search_condition(context, condition)
    return found


@FUNCTIONS.define(tests=True)
def cidrmatch(context: EvalContext, block: Typed, address: Typed) -> Typed:
    """Whether an address is inside a network, of either version.

        if(cidrmatch("10.0.0.0/8", "10.1.2.3"), 1, 0)   -> 1
        if(cidrmatch("2001:db8::/32", "2001:db8::1"), 1, 0) -> 1
        if(cidrmatch("10.0.0.0/8", "no address"), 1, 0) -> 0
        if(cidrmatch("10.1.2.3", "10.1.2.3"), 1, 0)     -> 1
        if(cidrmatch("10.0.0.0/8", null()), 1, 0)       -> 0
        if(cidrmatch("10.0.0.0/8", split("8.8.8.8,10.1.1.1", ",")), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    constant = block.constant
    # An address alone is the network of that one address.
    if isinstance(constant, str) and "/" not in constant:
        block = literal(constant + ("/128" if ":" in constant else "/32"))
    elif isinstance(constant, str) and find_network(constant) is None:
        return NO
    network = as_text(block)
    return any_element(address, lambda v: ops.cidr_contains(v, network), network)


FORM = 'it is called as `lookup("table.csv", json_object("column", field, ...), json_array("column", ...))`'


@FUNCTIONS.define(shape="written")
def lookup(context: EvalContext, name: EvalExpression, inputs: EvalExpression, outputs: EvalExpression) -> Typed:
    r"""The columns of the row of a table whose keys agree, as an object; null without such a row.

        lookup("cim_corporate_web_domain_lookup", json_object("domain", "a.b"), json_array("domain")) -> null
        lookup("interesting_ports_lookup.csv", json_object("port", 22), json_array("is_prohibited"))  -> null

    Reference: Splunk Search Reference, Comparison and conditional functions
    """
    # A table is joined to the rows; inside mvmap there are only elements.
    if not isinstance(name, String) or context.bound:
        raise SourceError("unsupported", "`lookup` needs the name of a table as text, outside mvmap", name.span)
    scope = context.scope
    given, wanted_columns = match_call(inputs, "json_object"), match_call(outputs, "json_array")
    if len(given) % 2:
        raise SourceError("bad-argument", "`json_object` takes columns and fields in turn", inputs.span, help=FORM)
    chosen = resolve_lookup(scope, name.value, name.span)
    columns = [find_column_name(c) for c in wanted_columns]
    keys: list[tuple[str, Word]] = []
    for key, field in zip(given[::2], given[1::2], strict=True):
        check_table_column(chosen.columns, find_column_name(key), key)
        # Keys are expressions, which a lookup does not take: they become columns first.
        mark = scope.session.fresh("given")
        scope.derive([(mark, as_text(context.value(field)))], field.span)
        keys.append((find_column_name(key), Word(mark, False, field.span)))
    for column, place in zip(columns, wanted_columns, strict=True):
        check_table_column(chosen.columns, column, place)
    targets = tuple((c, scope.session.fresh("taken")) for c in columns)
    rows = find_written_rows(scope, name.value)
    wanted = LookupRequest(table=chosen, rows=rows, keys=tuple(keys), outputs=targets, only_new=False)
    found = match_lookup(scope, wanted, Stage("lookup", EvalArguments(()), inputs.span))
    add_matched_columns(scope, found)
    values = [(c, build_output_value(scope, wanted, target, found.values[c])) for c, target in targets]
    return build_lookup_object(values)


def build_lookup_object(values: list[tuple[str, Typed]]) -> Typed:
    """An object of the values found; null if there are none."""
    there = [v for _, v in values if v.kind is not Kind.NULL]
    if not there:
        return TYPED_NULL
    pairs = [ops.concat(quote_json_string(literal(c)), literal(":"), encode_as_json(v)) for c, v in values]
    present = [ops.not_(ops.is_null(v)) for v in there]
    any_found = present[0] if len(present) == 1 else apply(ops.or_, *present)
    return ops.if_(any_found, concat_json_parts("{", pairs, "}"), Typed(TYPED_NULL.expression, Kind.TEXT))


def match_call(expression: EvalExpression, name: str) -> tuple[EvalExpression, ...]:
    """The arguments of a call of `name`."""
    if not isinstance(expression, FunctionCall) or expression.name != name:
        raise SourceError("bad-argument", f"`{name}(...)` is needed here", expression.span, help=FORM)
    return expression.arguments


def find_column_name(expression: EvalExpression) -> str:
    """The name of a column, which is written as text."""
    if not isinstance(expression, String):
        raise SourceError("bad-argument", "the name of a column is needed, as text", expression.span, help=FORM)
    return expression.value


def check_table_column(columns: tuple[str, ...], name: str, written: EvalExpression) -> None:
    """Refuses a column that the table lacks."""
    if columns and name not in columns:
        raise SourceError("unknown-column", f"the lookup table has no column `{name}`", written.span)
