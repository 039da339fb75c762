"""fillnull, filldown, addtotals, addcoltotals."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options, find_unnamed_effect
from harness.detection.languages.spl.coercion import as_multivalue, as_number, as_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Frame, Union, Window
from harness.detection.plan.operation import Typed


@COMMANDS.define("filldown", order="reads", fields="keeps", raw="never")
def filldown(scope: Scope, stage: Stage) -> None:
    """A missing value is that of the last row that had one.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage)
    patterns = [w.text for w in found.words] or ["*"]
    names = tuple(dict.fromkeys(n for p in patterns for n in scope.matching(p)))
    if names:
        # One window for all: a window each copies the whole row that many times.
        measures = tuple((n, ops.fill(Column(n))) for n in names)
        scope.node = Window(source=scope.node, measures=measures, frame=Frame.RUNNING, span=stage.span)
        scope.defined.update(names)


@COMMANDS.define("fillnull", order="keeps", fields="keeps", raw="never", fills=True)
def fillnull(scope: Scope, stage: Stage) -> None:
    """A value for missing fields, 0 unless given; of all columns if none is named.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "value")
    # 0 unless given; without a list every field that occurs anywhere (reference/spl.md 7).
    value = literal(found.text("value", "0"))
    names = [w.text for w in found.words if "*" not in w.text]
    names += [n for w in found.words if "*" in w.text for n in scope.matching(w.text)]
    # Internal fields (`_time`) are left alone by wildcards (reference/spl.md 2.1).
    if not found.words:
        names = [n for n in scope.columns if n[0] not in "_@"]
    filled = []
    for name in dict.fromkeys(names):
        old = scope.typed(name)
        filled.append((name, fill_column(old, value)))
    scope.derive(filled, stage.span)


def fill_column(old: Typed, value: Typed) -> Typed:
    """A column with a value where it has none, of the column's own kind if that can hold it."""
    if old.kind is Kind.NULL:
        return value
    # A word in a column of numbers makes it one of texts.
    if old.kind is Kind.NUMBER:
        amount = as_number(value)
        return ops.coalesce(as_text(old), value) if amount.kind is Kind.NULL else ops.coalesce(old, amount)
    if old.kind is Kind.LIST:
        return ops.coalesce(old, ops.list_(value))
    return ops.coalesce(as_text(old), value)


# A sum of hundreds in one expression nests deeper than a statement may.
MOST_ADDED = 50


def amounts(scope: Scope, words: tuple[Word, ...]) -> list[tuple[str, Typed]]:
    """The fields to add up, as numbers."""
    names = dict.fromkeys(n for w in words for n in scope.matching(w.text)) if words else dict.fromkeys(scope.columns)
    found = [(n, as_number(scope.typed(n))) for n in names if n[0] not in "_@"]
    return [(n, v) for n, v in found if v.kind is Kind.NUMBER]


@COMMANDS.define("addtotals", order="keeps", fields=find_unnamed_effect, raw="never")
def addtotals(scope: Scope, stage: Stage) -> None:
    """The sum of numeric fields of each row; with `col=t` a last row with the sum of each column.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "row", "col", "fieldname", "labelfield", "label")
    added = amounts(scope, found.words)
    if found.flag("row", True):
        add_row_total(scope, found.text("fieldname", "Total"), [v for _, v in added], stage)
    if found.flag("col"):
        totals_row(
            scope, stage, amounts(scope, found.words), found.text("labelfield", ""), found.text("label", "Total")
        )


def add_row_total(scope: Scope, target: str, values: list[Typed], stage: Stage) -> None:
    """The sum of some values of each row, from left to right."""
    total, kept = literal(0.0), list(scope.columns)
    for place, value in enumerate(values):
        # A missing value counts 0 in the sum of its row.
        total = ops.add(total, ops.coalesce(value, literal(0.0)))
        if place % MOST_ADDED == MOST_ADDED - 1:
            part = scope.session.fresh("part")
            scope.derive([(part, total)])
            total = scope.typed(part)
    scope.derive([(target, total)], stage.span)
    scope.keep(list(dict.fromkeys([*kept, target])))


@COMMANDS.define("addcoltotals", order="keeps", fields="keeps", raw="never")
def addcoltotals(scope: Scope, stage: Stage) -> None:
    """A last row with the sum of each numeric column.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "labelfield", "label")
    totals_row(scope, stage, amounts(scope, found.words), found.text("labelfield", ""), found.text("label", "Total"))


def totals_row(scope: Scope, stage: Stage, added: list[tuple[str, Typed]], field: str, label: str) -> None:
    """Appends one row with the sums."""
    sums = tuple((n, ops.sum(v.expression)) for n, v in added)
    below = scope.branch()
    below.replace(
        Aggregate(source=scope.node, keys=(), measures=sums, span=stage.span),
        {n: Kind.NUMBER for n, _ in added},
    )
    aligned = [(n, cast_to_column_kind(below.typed(n), scope.columns[n])) for n, _ in added]
    if field:
        aligned.append((field, literal(label)))
    below.select(aligned, stage.span)
    scope.node = Union(sources=(scope.node, below.node), span=stage.span)
    if field:
        scope.columns.setdefault(field, Kind.TEXT)


def cast_to_column_kind(value: Typed, kind: Kind) -> Typed:
    """A value as a column of some kind holds it."""
    return {Kind.TEXT: as_text, Kind.LIST: as_multivalue}.get(kind, as_number)(value)
