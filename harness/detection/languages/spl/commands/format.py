"""Commands that end a subsearch: return and format, which say what it gives to the search around it."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options, split_leading_count
from harness.detection.languages.spl.coercion import as_text, change_each, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Aggregate, Limit
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import Span

# The defaults of `format` (reference/spl.md 3.6).
STRINGS = ("(", "(", "AND", ")", "OR", ")")


def returns_search_text(stage: Stage) -> bool:
    """Whether `return` gives values that are searched for as words of events."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return any(isinstance(i, Word) and i.text.startswith("$") for i in items)


@COMMANDS.define("return", order="reads", fields="keeps", raw=returns_search_text)
def return_(scope: Scope, stage: Stage) -> None:
    """The fields that a subsearch gives to its search: the first row's, or those of so many rows.

    `f` gives `f="value"`, `alias=f` gives `alias="value"`, `$f` gives the value alone, which is read as search text.

    Reference: reference/spl.md 3.6
    """
    found = bind_options(stage, "*")
    count, words = split_leading_count(found.words, 1)
    if not words and not found.options:
        raise found.error("missing-field", "`return` needs a field")
    scope.node = Limit(source=scope.node, count=count, span=stage.span)
    named = [(w.text, scope.typed(w.text, w.span)) for w in words if not w.text.startswith("$")]
    named += [(o.name, as_text(scope.typed(o.value.text))) for o in found.options.values() if isinstance(o.value, Word)]
    bare = [as_text(scope.typed(w.text[1:], w.span)) for w in words if w.text.startswith("$")]
    bare = [v for v in bare if v.kind is not Kind.NULL] or bare[:1]
    if len(bare) > 1:
        bare = [ops.list_join(apply(ops.list_, *bare), literal(" "))]
    if scope.main and scope.last and scope.session.switch("return_outside") == "text":
        written_out(scope, named, bare, stage.span)
        return
    # A field called `query` is put in as raw text, without a name (reference/spl.md 3.6).
    scope.select([*named, *(("query", v) for v in bare)], stage.span)


def written_out(scope: Scope, named: list[tuple[str, Typed]], bare: list[Typed], span: Span) -> None:
    """The text that a search around this one would get, as `search`: rows of several fields in parentheses."""
    terms = [t for t in (*(term(n, v, "OR") for n, v in named), *bare) if t.kind is not Kind.NULL]
    if not terms:
        scope.select([("search", TYPED_NULL)], span)
        return
    row = ops.list_join(apply(ops.list_, *terms), literal(" "))
    if len(terms) > 1:
        row = ops.concat(literal("("), row, literal(")"))
    rows = Typed(ops.collect(row.expression), Kind.LIST)
    text_of_all = ops.coalesce(ops.list_join(rows, literal(" OR ")), literal("")).expression
    node = Aggregate(source=scope.node, keys=(), measures=(("search", text_of_all),), span=span)
    scope.replace(node, {"search": Kind.TEXT}, events=False)
    scope.filter(ops.not_(ops.equal(scope.typed("search"), literal(""))).expression, span)


@COMMANDS.define("format", order="reads", fields="remakes", raw="never")
def format_(scope: Scope, stage: Stage) -> None:
    """The rows as one search text in `search`; a subsearch without it gives the same.

    Reference: reference/spl.md 3.6; Splunk Search Reference, format
    """
    found = bind_options(stage, "mvsep", "maxresults", "emptystr")
    strings = [w.text for w in found.words]
    if strings and len(strings) != 6:
        raise found.error("bad-argument", "`format` takes six strings", 'write `format "(" "(" "AND" ")" "OR" ")"`')
    if "maxresults" in found.options and found.number("maxresults", 0):
        scope.node = Limit(source=scope.node, count=found.number("maxresults", 0), span=stage.span)
    plain = not strings or tuple(strings) == STRINGS
    # A subsearch that ends here is formatted anyway.
    if not scope.main and plain and not ({"mvsep", "emptystr"} & set(found.options)):
        return
    row, column, between, column_end, rows, end = strings or STRINGS
    joint = found.text("mvsep", "OR")
    # Columns in name order, internal fields left out (reference/spl.md 3.6).
    terms = [term(n, scope.typed(n), joint) for n in sorted(scope.columns) if n[0] not in "_@"]
    terms = [t for t in terms if t.kind is not Kind.NULL]
    listed = apply(ops.list_, *terms) if terms else literal("")
    shown = ops.list_join(listed, literal(f" {between} ")) if terms else literal("")
    each_row = ops.concat(literal(f"{column} "), shown, literal(f" {column_end}"))
    collected = Typed(ops.collect(each_row.expression), Kind.LIST)
    whole_text = ops.concat(literal(f"{row} "), ops.list_join(collected, literal(f" {rows} ")), literal(f" {end}"))
    measure = ops.coalesce(whole_text, literal(found.text("emptystr", "NOT( )")))
    node = Aggregate(source=scope.node, keys=(), measures=(("search", measure.expression),), span=stage.span)
    scope.replace(node, {"search": Kind.TEXT}, events=False)


def term(name: str, value: Typed, joint: str) -> Typed:
    """`name="value"`; of several values all of them, in parentheses."""
    if value.kind is Kind.LIST:
        several = change_each(value, lambda v: print_search_comparison(name, v))
        joined = ops.list_join(several, literal(f" {joint} "))
        single = ops.equal(ops.list_length(value), literal(1.0))
        return ops.if_(single, joined, ops.concat(literal("( "), joined, literal(" )")))
    return print_search_comparison(name, as_text(value)) if value.kind is not Kind.NULL else value


def print_search_comparison(name: str, value: Typed) -> Typed:
    """One comparison as search text."""
    shown = value
    # The backslash first, else those of the quotes would be doubled.
    for special in ("\\", '"'):
        shown = ops.replace_text(shown, literal(special), literal("\\" + special))
    return ops.concat(literal(f'{name}="'), shown, literal('"'))
