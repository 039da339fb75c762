"""Subsearches that stand for a condition: known rows become text, others a join with a mark.

Reference: reference/spl.md 3.6
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.detection.languages.spl.asking import asked
from harness.detection.languages.spl.coercion import Typed, apply, number_text, text
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.reader import Reader
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    Condition,
    Field,
    Pipeline,
    SearchArguments,
    Word,
)
from harness.detection.languages.spl.syntax import Expression as EvalExpression
from harness.detection.languages.spl.text import Text
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Call, Column, Expression, Literal
from harness.detection.plan.nodes import (
    Derive,
    Filter,
    Join,
    JoinKind,
    Limit,
    Node,
    Select,
    Unnest,
    Values,
)
from harness.diagnostics import Span

MOST_ROWS = 10_000
MOST_TERMS = 2_000
MOST_TEXTS = 500
RAW = ("search", "query")
QUOTING = str.maketrans({"\\": "\\\\", '"': '\\"'})
Row = dict[str, object]


def as_condition(scope: Scope, pipeline: Pipeline, span: Span) -> Condition | Typed:
    """What a subsearch among the terms of a search means."""
    inner = scope.subsearch(pipeline)
    names = [n for n in inner.columns if n[0] not in "_@"]
    rows = known_rows(inner.node)
    if any(n in RAW for n in names):
        rows = told(scope, inner, span) if rows is None else rows
        return AnyOf(tuple(row_text(scope, r, names, span) for r in rows[:MOST_TEXTS]), span) if rows else nothing(span)
    if rows is not None and len(rows) * max(len(names), 1) <= MOST_TERMS:
        return AnyOf(tuple(row_condition(r, names, span) for r in rows[:MOST_ROWS]), span) if rows else nothing(span)
    if not names:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return marked(scope, inner, [(n, n) for n in names], span)


def told(scope: Scope, inner: Scope, span: Span) -> list[Row]:
    """The rows of a subsearch that has to be run before the search can be read."""
    rows = asked(scope, inner.node, MOST_TEXTS, span)
    if rows is None:
        message = "what this subsearch gives is known only with events; here it is nothing"
        scope.session.note("unasked-subsearch", message, span)
    return [dict(r) for r in rows or ()]


def row_text(scope: Scope, row: Row, names: list[str], span: Span) -> Condition:
    """One row as a condition: its search text is read as if it stood here, its other fields are compared."""
    parts: list[Condition] = []
    for name in names:
        value = row.get(name)
        if name not in RAW or value is None:
            continue
        for text_of in value if isinstance(value, list | tuple) else (value,):
            place = Text(span.source, f"search {text_of}", [(0, span.start, span.end)])
            arguments = PipelineGrammar(place).whole().stages[0].arguments
            if isinstance(arguments, SearchArguments):
                parts.append(arguments.condition)
    rest = [n for n in names if n not in RAW]
    if any(row.get(n) is not None for n in rest):
        parts.append(row_condition(row, rest, span))
    return parts[0] if len(parts) == 1 else All(tuple(parts), span)


def as_value(scope: Scope, field: Word, operator: str, pipeline: Pipeline, span: Span) -> Condition | Typed:
    """What `field=[subsearch]` means: the field equals what the subsearch returns."""
    inner = scope.subsearch(pipeline)
    names = [n for n in inner.columns if n[0] not in "_@"]
    if operator not in ("=", "!=") or len(names) != 1:
        raise scope.unsupported("a subsearch of this form as a value", span, "let it `return $field`")
    found = marked(scope, inner, [(field.text, names[0])], span)
    return apply("not", apply("is_true", found), span=span) if operator == "!=" else found


def pasted(scope: Scope, pipeline: Pipeline, span: Span) -> EvalExpression:
    """What a subsearch in an eval expression means: its result is text there, as if it had been written.

    `return $f` leaves a value alone, anything else comparisons of fields. The search has to be run for it.
    """
    inner = scope.subsearch(pipeline)
    names = [n for n in inner.columns if n[0] not in "_@"]
    rows = known_rows(inner.node)
    rows = told(scope, inner, span) if rows is None else rows[:MOST_TEXTS]
    parts = [written for r in rows if (written := eval_text(r, names))]
    if not parts:
        message = "this subsearch gives nothing; the product would refuse the expression"
        scope.session.note("empty-subsearch", message, span)
        return Field("null", False, span)
    shown = parts[0] if len(parts) == 1 else " OR ".join(f"({p})" for p in parts)
    return EvalGrammar(Reader(Text(span.source, shown, [(0, span.start, span.end)]), 0, len(shown))).whole()


def eval_text(row: Row, names: list[str]) -> str:
    """One row of a subsearch as eval text."""
    raw = [shown_value(row[n]) for n in names if n in RAW and row.get(n) is not None]
    if raw:
        return " ".join(raw)
    held = [(n, shown_value(row[n])) for n in names if row.get(n) is not None]
    return " AND ".join(f"'{n}'=\"{v.translate(QUOTING)}\"" for n, v in held)


def shown_value(value: object) -> str:
    """A value as a subsearch writes it; of several the first."""
    if isinstance(value, list | tuple):
        return shown_value(value[0]) if value else ""
    return number_text(value) if isinstance(value, float) else str(value)


def nothing(span: Span) -> Typed:
    """A condition that no row satisfies."""
    return Typed(Literal(False, span), Kind.BOOLEAN)


def row_condition(row: Row, names: list[str], span: Span) -> Condition:
    """All fields of one row, each with its value; of several values any."""
    parts: list[Condition] = []
    for name in names:
        value = row.get(name)
        options = value if isinstance(value, list | tuple) else (value,) if value is not None else ()
        words = [Word(number_text(v) if isinstance(v, float) else str(v), True, span) for v in options]
        if words:
            several = tuple(Comparison(Word(name, True, span), "=", w, False, span) for w in words)
            parts.append(several[0] if len(several) == 1 else AnyOf(several, span))
    return parts[0] if len(parts) == 1 else All(tuple(parts), span)


def marked(scope: Scope, inner: Scope, pairs: list[tuple[str, str]], span: Span) -> Typed:
    """Joins the rows of a subsearch and gives the mark that a row has a partner there."""
    mark = scope.session.fresh("subsearch")
    keys = [scope.session.fresh("key") for _ in pairs]
    for _, name in pairs:
        if inner.columns[name] is Kind.LIST:
            inner.node = Unnest(source=inner.node, column=name)
            inner.columns[name] = Kind.TEXT
    right = [(k, apply("lower", text(inner.typed(n)))) for k, (_, n) in zip(keys, pairs, strict=True)]
    left = [apply("lower", text(scope.typed(n))) for n, _ in pairs]
    rows: Node = Limit(source=inner.node, count=MOST_ROWS)
    rows = Select(source=rows, columns=tuple((k, v.expression) for k, v in right))
    condition: Expression | None = None
    joined: tuple[tuple[Expression, Expression], ...] = ()
    if len(pairs) == 1:
        rows = Filter(source=rows, condition=Call("not", (Call("is_null", (Column(keys[0]),)),)))
        joined = ((left[0].expression, Column(keys[0])),)
    else:
        agree = [
            Call("or", (Call("is_null", (Column(k),)), Call("is_true", (Call("equal", (v.expression, Column(k))),))))
            for k, v in zip(keys, left, strict=True)
        ]
        condition = Call("and", tuple(agree))
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
    return apply("is_true", Typed(Column(mark, span), Kind.BOOLEAN), span=span)


def known_rows(node: Node) -> list[Row] | None:
    """The rows of a relation that can be told before anything runs; None if they cannot."""
    match node:
        case Values(columns=columns, rows=rows):
            return [dict(zip(columns, r, strict=True)) for r in rows]
        case Limit(source=source, count=count, offset=0, last=False):
            below = known_rows(source)
            return None if below is None else below[:count]
        case Select(source=source, columns=named):
            return computed(known_rows(source), named, keep=False)
        case Derive(source=source, columns=named):
            return computed(known_rows(source), named, keep=True)
        case Filter(source=source, condition=condition):
            below = known_rows(source)
            kept = None if below is None else [(r, evaluated(condition, r)) for r in below]
            if kept is None or any(v is UNKNOWN for _, v in kept):
                return None
            return [r for r, v in kept if v is True]
        case _:
            return None


def computed(rows: list[Row] | None, named: tuple[tuple[str, Expression], ...], *, keep: bool) -> list[Row] | None:
    """Rows with columns computed; None if one of them cannot be told."""
    if rows is None:
        return None
    found: list[Row] = []
    for row in rows:
        made = {n: evaluated(e, row) for n, e in named}
        if any(v is UNKNOWN for v in made.values()):
            return None
        found.append({**row, **made} if keep else made)
    return found


UNKNOWN = object()


def evaluated(expression: Expression, row: Mapping[str, object]) -> object:
    """The value of a simple expression in one row; UNKNOWN if it is not simple."""
    match expression:
        case Literal(value):
            return value
        case Column(name):
            return row.get(name)
        case Call("is_true", (inner,)):
            true = evaluated(inner, row)
            return true if true is UNKNOWN else true is True
        case Call("not", (inner,)):
            truth = evaluated(inner, row)
            return truth if truth is UNKNOWN or truth is None else not truth
        case Call("is_null", (inner,)):
            tested = evaluated(inner, row)
            return tested if tested is UNKNOWN else tested is None
        case Call("equal_ci", (left, right)):
            a, b = evaluated(left, row), evaluated(right, row)
            if isinstance(a, str) and isinstance(b, str):
                return a.lower() == b.lower()
            return None if a is None or b is None else UNKNOWN
        case _:
            return UNKNOWN
