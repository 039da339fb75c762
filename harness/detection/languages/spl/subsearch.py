"""Subsearches that stand for a condition: known rows become text, others a join with a mark.

Reference: reference/spl.md 3.6
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.detection.languages.spl.coercion import as_text, change_each
from harness.detection.languages.spl.expression_parser import EvalGrammar
from harness.detection.languages.spl.lexer import ExpandedText, StageCursor
from harness.detection.languages.spl.parser import PipelineGrammar
from harness.detection.languages.spl.scope import Scope, ask_rows
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    EvalExpression,
    FieldReference,
    Pipeline,
    SearchArguments,
    SearchCondition,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Derive, Filter, Join, JoinKind, Limit, Node, Select, Unnest, Values
from harness.detection.plan.operation import Typed
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import Span

# The limit of subsearches (reference/spl.md 1.9).
MOST_SUBSEARCH_ROWS = 10_000
# Chosen, no source: more comparisons are slower in a statement than a join, texts have to be parsed one by one.
MOST_TERMS = 2_000
MOST_TEXTS = 500
# Inserted as raw text, without a name (reference/spl.md 3.6).
RAW_RETURN_FIELDS = ("search", "query")
QUOTING = str.maketrans({"\\": "\\\\", '"': '\\"'})
SubsearchRow = dict[str, object]


def as_condition(scope: Scope, pipeline: Pipeline, span: Span) -> SearchCondition | Typed:
    """What a subsearch among the terms of a search means."""
    inner = scope.subsearch(pipeline, order_matters=False)
    names = [n for n in inner.columns if n[0] not in "_@"]
    rows = known_rows(inner.node)
    if any(n in RAW_RETURN_FIELDS for n in names):
        rows = ask_subsearch_rows(scope, inner, span) if rows is None else rows
        return AnyOf(tuple(row_text(scope, r, names, span) for r in rows[:MOST_TEXTS]), span) if rows else nothing(span)
    if rows is not None and len(rows) * max(len(names), 1) <= MOST_TERMS:
        return (
            AnyOf(tuple(row_condition(r, names, span) for r in rows[:MOST_SUBSEARCH_ROWS]), span)
            if rows
            else nothing(span)
        )
    # No rows is `NOT ()`: nothing matches (reference/spl.md 3.6).
    if not names:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return join_partner_mark(scope, inner, [(n, n) for n in names], span)


def ask_subsearch_rows(scope: Scope, inner: Scope, span: Span) -> list[SubsearchRow]:
    """The rows of a subsearch that has to be run before the search can be read."""
    rows = ask_rows(scope, inner.node, MOST_TEXTS, span)
    if rows is None:
        message = "what this subsearch gives is known only with events; here it is nothing"
        scope.session.note("unasked-subsearch", message, span)
    return [dict(r) for r in rows or ()]


def row_text(scope: Scope, row: SubsearchRow, names: list[str], span: Span) -> SearchCondition:
    """One row as a condition: its search text is read as if it stood here, its other fields are compared."""
    parts: list[SearchCondition] = []
    for name in names:
        value = row.get(name)
        if name not in RAW_RETURN_FIELDS or value is None:
            continue
        for text_of in value if isinstance(value, list | tuple) else (value,):
            # Parsed as a search of its own, since the text may be any condition.
            place = ExpandedText(span.source, f"search {text_of}", [(0, span.start, span.end)])
            arguments = PipelineGrammar(place).whole().stages[0].arguments
            if isinstance(arguments, SearchArguments):
                parts.append(arguments.condition)
    rest = [n for n in names if n not in RAW_RETURN_FIELDS]
    if any(row.get(n) is not None for n in rest):
        parts.append(row_condition(row, rest, span))
    return parts[0] if len(parts) == 1 else All(tuple(parts), span)


def as_value(scope: Scope, field: Word, operator: str, pipeline: Pipeline, span: Span) -> SearchCondition | Typed:
    """What `field=[subsearch]` means: the field equals what the subsearch returns."""
    inner = scope.subsearch(pipeline, order_matters=False)
    names = [n for n in inner.columns if n[0] not in "_@"]
    if operator not in ("=", "!=") or len(names) != 1:
        raise scope.unsupported("a subsearch of this form as a value", span, "let it `return $field`")
    found = join_partner_mark(scope, inner, [(field.text, names[0])], span)
    return ops.not_(ops.is_true(found), span=span) if operator == "!=" else found


def lower_pasted_subsearch(scope: Scope, pipeline: Pipeline, span: Span) -> EvalExpression:
    """What a subsearch in an eval expression means: its result is text there, as if it had been written.

    `return $f` leaves a value alone, anything else comparisons of fields. The search has to be run for it.
    """
    inner = scope.subsearch(pipeline, order_matters=False)
    names = [n for n in inner.columns if n[0] not in "_@"]
    rows = known_rows(inner.node)
    rows = ask_subsearch_rows(scope, inner, span) if rows is None else rows[:MOST_TEXTS]
    parts = [written for r in rows if (written := eval_text(r, names))]
    if not parts:
        message = "this subsearch gives nothing; the product would refuse the expression"
        scope.session.note("empty-subsearch", message, span)
        return FieldReference("null", False, span)
    shown = parts[0] if len(parts) == 1 else " OR ".join(f"({p})" for p in parts)
    return EvalGrammar(
        StageCursor(ExpandedText(span.source, shown, [(0, span.start, span.end)]), 0, len(shown))
    ).whole()


def eval_text(row: SubsearchRow, names: list[str]) -> str:
    """One row of a subsearch as eval text."""
    raw = [shown_value(row[n]) for n in names if n in RAW_RETURN_FIELDS and row.get(n) is not None]
    if raw:
        return " ".join(raw)
    held = [(n, shown_value(row[n])) for n in names if row.get(n) is not None]
    return " AND ".join(f"'{n}'=\"{v.translate(QUOTING)}\"" for n, v in held)


def shown_value(value: object) -> str:
    """A value as a subsearch writes it; of several the first."""
    if isinstance(value, list | tuple):
        return shown_value(value[0]) if value else ""
    return print_shortest_number(value) if isinstance(value, float) else str(value)


def nothing(span: Span) -> Typed:
    """A condition that no row satisfies."""
    return Typed(Literal(False, span), Kind.BOOLEAN)


def row_condition(row: SubsearchRow, names: list[str], span: Span) -> SearchCondition:
    """All fields of one row, each with its value; of several values any."""
    parts: list[SearchCondition] = []
    for name in names:
        value = row.get(name)
        options = value if isinstance(value, list | tuple) else (value,) if value is not None else ()
        words = [Word(print_shortest_number(v) if isinstance(v, float) else str(v), True, span) for v in options]
        if words:
            several = tuple(Comparison(Word(name, True, span), "=", w, False, span) for w in words)
            parts.append(several[0] if len(several) == 1 else AnyOf(several, span))
    return parts[0] if len(parts) == 1 else All(tuple(parts), span)


def join_partner_mark(scope: Scope, inner: Scope, pairs: list[tuple[str, str]], span: Span) -> Typed:
    """Joins the rows of a subsearch and gives the mark that a row has a partner there."""
    mark = scope.session.fresh("subsearch")
    keys = [scope.session.fresh("key") for _ in pairs]
    for _, name in pairs:
        if inner.columns[name] is Kind.LIST:
            # A row that lacks one field of several is compared by the others.
            inner.node = Unnest(source=inner.node, column=name, keep_empty=True)
            inner.columns[name] = Kind.TEXT
    # As a search would compare: as text, whatever its case.
    right = [(k, ops.lower(as_text(inner.typed(n)))) for k, (_, n) in zip(keys, pairs, strict=True)]
    own = [scope.typed(n) for n, _ in pairs]
    rows: Node = Limit(source=inner.node, count=MOST_SUBSEARCH_ROWS)
    rows = Select(source=rows, columns=tuple((k, v.expression) for k, v in right))
    condition: Expression | None = None
    joined: tuple[tuple[Expression, Expression], ...] = ()
    if len(pairs) == 1:
        rows = Filter(source=rows, condition=ops.not_(ops.is_null(Column(keys[0]))))
    if len(pairs) == 1 and own[0].kind is not Kind.LIST:
        joined = ((ops.lower(as_text(own[0])).expression, Column(keys[0])),)
    else:
        agree = [
            # A row's term has only the fields that the row has.
            ops.or_(ops.is_null(Column(k)), ops.is_true(has_value(v, Column(k))))
            for k, v in zip(keys, own, strict=True)
        ]
        condition = agree[0] if len(agree) == 1 else ops.and_(*tuple(agree))
    scope.node = Join(
        left=scope.node,
        right=rows,
        kind=JoinKind.LEFT,
        keys=joined,
        condition=condition,
        columns=((mark, Literal(True)),),
        most=1,
        span=span,
    )
    return ops.is_true(Typed(Column(mark, span), Kind.BOOLEAN), span=span)


def has_value(value: Typed, key: Column) -> Expression:
    """Whether a field has a value whatever its case, or one of several."""
    if value.kind is Kind.LIST:
        return ops.list_contains(change_each(value, ops.lower).expression, key)
    return ops.equal(ops.lower(as_text(value)).expression, key)


def known_rows(node: Node) -> list[SubsearchRow] | None:
    """The rows of a relation that can be told before anything runs; None if they cannot."""
    match node:
        case Values(columns=columns, rows=rows):
            return [dict(zip(columns, r, strict=True)) for r in rows]
        case Limit(source=source, count=count, offset=0, last=False):
            below = known_rows(source)
            return None if below is None else below[:count]
        case Select(source=source, columns=named):
            return derive_row_values(known_rows(source), named, keep=False)
        case Derive(source=source, columns=named):
            return derive_row_values(known_rows(source), named, keep=True)
        case Filter(source=source, condition=condition):
            below = known_rows(source)
            kept = None if below is None else [(r, evaluate_in_row(condition, r)) for r in below]
            if kept is None or any(v is UNKNOWN_VALUE for _, v in kept):
                return None
            return [r for r, v in kept if v is True]
        case _:
            return None


def derive_row_values(
    rows: list[SubsearchRow] | None, named: tuple[tuple[str, Expression], ...], *, keep: bool
) -> list[SubsearchRow] | None:
    """Rows with columns computed; None if one of them cannot be told."""
    if rows is None:
        return None
    found: list[SubsearchRow] = []
    for row in rows:
        made = {n: evaluate_in_row(e, row) for n, e in named}
        if any(v is UNKNOWN_VALUE for v in made.values()):
            return None
        found.append({**row, **made} if keep else made)
    return found


UNKNOWN_VALUE = object()


def evaluate_in_row(expression: Expression, row: Mapping[str, object]) -> object:
    """The value of a simple expression in one row; UNKNOWN if it is not simple."""
    match expression:
        case Literal(value):
            return value
        case Column(name):
            return row.get(name)
        case Call(ops.is_true, (inner,)):
            true = evaluate_in_row(inner, row)
            return true if true is UNKNOWN_VALUE else true is True
        case Call(ops.not_, (inner,)):
            truth = evaluate_in_row(inner, row)
            return truth if truth is UNKNOWN_VALUE or truth is None else not truth
        case Call(ops.is_null, (inner,)):
            tested = evaluate_in_row(inner, row)
            return tested if tested is UNKNOWN_VALUE else tested is None
        case Call(ops.equal_ci, (left, right)):
            a, b = evaluate_in_row(left, row), evaluate_in_row(right, row)
            if isinstance(a, str) and isinstance(b, str):
                return a.lower() == b.lower()
            return None if a is None or b is None else UNKNOWN_VALUE
        case _:
            return UNKNOWN_VALUE
