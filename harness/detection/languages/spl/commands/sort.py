"""sort, reverse, dedup, uniq, and the order that sort means.

Reference: reference/spl.md 7 (sort)
"""

from __future__ import annotations

from harness.detection.languages.spl.aggregation import build_key_conditions
from harness.detection.languages.spl.arguments import BoundOptions, bind_options, split_clauses, split_leading_count
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.parser import signed_item
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, SortKey
from harness.detection.plan.nodes import Filter, Frame, Limit, Reverse, Sort, Window
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.operations import all_of
from harness.late_pattern import late_pattern

TYPED = late_pattern(r"(auto|str|ip|num)\((.*)\)")
IPV4_SORT_PARTS = r"^([0-9]{1,3})[.]([0-9]{1,3})[.]([0-9]{1,3})[.]([0-9]{1,3})$"


def parse_sort_keys(scope: Scope, words: list[Word]) -> list[SortKey]:
    """Keys of `- a, b` (both descending) and of `-a, b` (only the first)."""
    keys: list[SortKey] = []
    sign = "+"
    for word in words:
        name = word.text
        own = ""
        # A sign with a blank after it holds for all fields that follow, a glued one for its own (reference/spl.md 7).
        if not word.quoted and name in ("+", "-"):
            sign = name
            continue
        if name[:1] in ("+", "-") and not word.quoted:
            own, name = name[0], name[1:]
        form = TYPED.fullmatch(name)
        kind, name = (form[1], form[2]) if form else ("auto", name)
        keys += build_field_sort_keys(scope.typed(name.strip("\"'"), word.span), kind, (own or sign) == "-")
    return keys


def build_field_sort_keys(value: Typed, form: str, descending: bool) -> list[SortKey]:
    """Keys that sort one field."""
    if value.kind is Kind.NULL:
        return []
    if value.kind is Kind.NUMBER and form != "str":
        return [SortKey(value.expression, descending)]
    if value.kind is Kind.LIST:
        value = ops.list_join(value, literal("\n"))
    shown = as_text(value)
    if form == "str":
        return [SortKey(shown.expression, descending)]
    if form == "num":
        return [SortKey(as_number(shown).expression, descending)]
    if form == "ip":
        return [SortKey(address(shown).expression, descending), SortKey(shown.expression, descending)]
    # `auto`: numbers, then IPv4 addresses as numbers, then text by bytes (reference/spl.md 1.8).
    amount = ops.coalesce(as_number(shown), address(shown))
    keys = [SortKey(amount.expression, descending), SortKey(shown.expression, descending)]
    if descending:
        words_first = ops.if_(ops.is_null(shown), literal(None), ops.not_(ops.is_null(amount)))
        # Missing fields are last in both directions (reference/spl.md 7), words before numbers when descending.
        keys.insert(0, SortKey(words_first.expression))
    return keys


def address(value: Typed) -> Typed:
    """An IPv4 address as a number; null of other text."""
    total = literal(0.0)
    for group in range(1, 5):
        part = ops.to_number(ops.regex_extract(value, literal(IPV4_SORT_PARTS), literal(""), literal(float(group))))
        total = ops.add(ops.multiply(total, literal(256.0)), part)
    return total


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
    count, fields = split_leading_count(parts[""], 1)
    if not fields:
        raise found.error("missing-field", "`dedup` needs a field")
    if "sortby" in parts:
        keys = parse_sort_keys(scope, parts["sortby"])
        scope.node = Sort(source=scope.node, keys=tuple(keys), span=stage.span)
    conditions = build_key_conditions(scope, fields)
    # Rows that lack a field are dropped unless `keepempty=t` (reference/spl.md 7).
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


# `sort` without a number (reference/spl.md 1.8).
MOST_SORTED = 10_000


def describe_sort_limit(stage: Stage) -> tuple[str, str | None] | None:
    """What lint tells of a `sort` that does not say how many rows it keeps."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    words = [i.text for i in items if isinstance(i, Word)]
    if not words or words[0].isdigit():
        return None
    return f"`sort` keeps the first {MOST_SORTED:,} rows", "write `sort 0` for all"


@COMMANDS.define("sort", order="keeps", fields="keeps", raw="never", item=signed_item, limit=describe_sort_limit)
def sort(scope: Scope, stage: Stage) -> None:
    """The rows in the order of fields, at most 10,000 of them unless a number says otherwise; 0 is all.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "limit")
    count, words = split_leading_count(found.words, found.number("limit", MOST_SORTED))
    # A last `d` reverses the whole order; alone it is a field.
    turned = bool(words) and not words[-1].quoted and words[-1].text.lower() in ("d", "desc") and len(words) > 1
    if turned or (len(words) > 1 and words[-1].text.lower() in ("a", "asc") and not words[-1].quoted):
        words.pop()
    keys = parse_sort_keys(scope, words)
    if not words:
        raise found.error("missing-field", "`sort` needs a field")
    if keys:
        scope.node = Sort(source=scope.node, keys=tuple(keys), span=stage.span)
    if turned:
        scope.node = Reverse(source=scope.node, span=stage.span)
    if count:
        scope.node = Limit(source=scope.node, count=count, span=stage.span)


def format_age(age: Typed, unit: str, size: float) -> Typed:
    """`2 days ago`, `1 day ago`."""
    number_of = ops.floor(ops.divide(age, literal(size)))
    ending = ops.if_(ops.equal(number_of, literal(1.0)), literal(f" {unit} ago"), literal(f" {unit}s ago"))
    return ops.concat(as_text(number_of), ending)


@COMMANDS.define("uniq", order="reads", fields="remakes", raw="never")
def uniq(scope: Scope, stage: Stage) -> None:
    """Takes out a row that is in all fields the same as the row before.

    Reference: Splunk Search Reference, uniq
    """
    bind_options(stage)
    kept = [n for n in scope.columns if not n.startswith("@")]
    whole, before = scope.session.fresh("whole"), scope.session.fresh("before")
    # As one JSON text, so that null equals null.
    members = [v for n in kept for v in (literal(n), scope.typed(n))]
    scope.derive([(whole, apply(ops.json_object, *members))])
    lag = ops.lag(Column(whole), literal(1.0).expression)
    scope.node = Window(source=scope.node, measures=((before, lag),), frame=Frame.RUNNING, span=stage.span)
    same = ops.is_true(ops.equal(Column(whole), Column(before)))
    scope.node = Filter(source=scope.node, condition=ops.not_(same), span=stage.span)
    scope.keep(kept)
