"""Functions that give fields values, rename them or take them away."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import Name, NamePairs, Names, bind_name_pairs
from harness.detection.languages.cql.discovery import named_by
from harness.detection.languages.cql.evaluate import lower_expression
from harness.detection.languages.cql.parameters import resolve_texts
from harness.detection.languages.cql.registry import FUNCTIONS, ExpressionSyntax
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.diagnostics import SourceError


@FUNCTIONS.value("if", into="_if", chooses_by="condition")
def choose(row: RowScope, condition: Expression, then: Expression, else_: Expression) -> Expression:
    """One value where the condition is true, the other where it is not.

        a := 5 | x := if(a > 3, then="big", else="small") -> x=big
        x := if(missing > 3, then=1, else=0) -> x=0

    Reference: library.humio.com, if()
    """
    return ops.if_(row.truth(condition), *row.alike(then, else_))


@FUNCTIONS.value("coalesce", into="_coalesce")
def coalesce(row: RowScope, expressions: tuple[Expression, ...], *, ignoreEmpty: bool = True) -> Expression:
    """The first value that is there and not empty.

        a := "" | b := "x" | coalesce([missing, a, b]) -> _coalesce=x
        a := "" | b := "x" | coalesce([a, b], ignoreEmpty=false) -> _coalesce=

    Reference: library.humio.com, coalesce()
    """
    if not ignoreEmpty:
        return row.first(*expressions)
    # An empty text counts as missing unless `ignoreEmpty=false` (reference/cql.md 9).
    some = [e for e in row.alike(*expressions) if e != NULL]
    return row.first(*(e if isinstance(e, Literal) else empty_text_to_null(row, e) for e in some))


def empty_text_to_null(row: RowScope, value: Expression) -> Expression:
    """The value, or null where it is the empty text."""
    # A number or a truth value is never the empty text.
    if row.text(value) != value:
        return value
    return ops.if_(ops.equal(value, Literal("")), NULL, value)


@FUNCTIONS.row("eval")
def evaluate(row: RowScope, **assignments: ExpressionSyntax) -> None:
    """Several assignments from left to right, each sees those before it.

        eval(a=1, b=a+1) -> a=1 b=2

    Reference: library.humio.com, eval()
    """
    for name, value in assignments.items():
        row.assign(name, lower_expression(row, value))


@FUNCTIONS.row("rename")
def rename(row: RowScope, field: Syntax, as_: Name | None = None) -> None:
    """Gives a field another name, or several; without the field nothing happens.

        a := 1 | rename(a, as=b) -> b=1
        a := 1 | c := 2 | rename([[a, b], [c, d]]) -> b=1 d=2
        a := 1 | b := rename(a) -> b=1
        b := 1 | rename(missing, as=b) -> b=1

    Reference: library.humio.com, rename()
    """
    # Both forms are documented: `rename(a, as=b)` and `rename(field=[[a, b], [c, d]])` (reference/cql.md 9).
    nested = isinstance(field, Array) and any(isinstance(i, Array) for i in field.items)
    pairs: NamePairs = bind_name_pairs(row, field) if nested else ((first_text(row, field), as_ or ""),)
    if not all(new for _, new in pairs):
        raise SourceError("missing-parameter", "`rename` needs `as`", field.span, help="add `as=`")
    for old, new in pairs:
        if old != new:
            move(row, old, new)


def first_text(row: RowScope, field: Syntax) -> str:
    """The only name of a list."""
    texts = resolve_texts(row.meaning, field)
    if len(texts) != 1:
        raise SourceError("argument", "expected one field, or a list of pairs", field.span)
    return texts[0]


def move(row: RowScope, old: str, new: str) -> None:
    """Gives one field another name."""
    listed = row.listed(old.removesuffix("[]") + "[]") if old.endswith("[]") else None
    value = listed if listed is not None else row.read(old)
    # Without the source nothing happens, so a target of that name stays (reference/cql.md 9).
    if value is NULL:
        return
    row.assign(new, value)
    row.put(old, NULL)


@FUNCTIONS.row("drop", wildcards=True)
def drop(row: RowScope, fields: Names) -> None:
    """Takes fields away.

        a := 1 | b := 2 | drop([a]) -> b=2

    Reference: library.humio.com, drop()
    """
    for name in fields:
        array = name.removesuffix("[]") + "[]"
        for known in (name, array):
            if known in row.flow.columns or known in row.overlay:
                row.put(known, NULL)


@FUNCTIONS.row("default")
def default(row: RowScope, value: str, field: Names, *, replaceEmpty: bool = False) -> None:
    """Gives fields a value where they are missing.

        default(field=a, value="x") -> a=x
        a := "" | default(field=a, value="x") -> a=
        a := "" | default(field=a, value="x", replaceEmpty=true) -> a=x

    Reference: library.humio.com, default()
    """
    for name in field:
        old = row.read(name, quiet=True)
        # No event has the field, so the value needs no test.
        if old is NULL:
            row.put(name, Literal(value))
            continue
        kept = empty_text_to_null(row, old) if replaceEmpty else old
        row.put(name, ops.coalesce(*row.alike(kept, Literal(value))))


@FUNCTIONS.value("getField", into="_getField")
def get_field(row: RowScope, source: Expression) -> Expression:
    """The value of the field with that name.

        a := 1 | x := getField("a") -> x=1

    Reference: library.humio.com, getField()
    """
    if isinstance(source, Literal):
        return row.read(str(source.value))
    name = row.text(source)
    pairs: list[Expression] = []
    # A relation has no field by the value of a text; every field that could be meant is tried.
    for field in sorted(row.meaning.mentioned | set(row.flow.columns)):
        if row.has(field):
            pairs += [ops.equal(name, Literal(field)), row.text(field)]
    return ops.case(NULL, *pairs) if pairs else NULL


@FUNCTIONS.row("setField")
def set_field(row: RowScope, *, target: Expression, value: Expression) -> None:
    """Gives the field with that name a value.

        setField(target="a", value=1) -> a=1

    Reference: library.humio.com, setField()
    """
    if isinstance(target, Literal):
        if target.value is not None:
            row.assign(str(target.value), value)
        return
    name = row.text(target)
    for field in named_by(row, name):
        # Assigning null leaves all others as they are (reference/cql.md 5).
        row.assign(field, ops.if_(ops.equal(name, Literal(field)), value, NULL))
