"""JSON texts: their members as fields, fields as a JSON text."""

from __future__ import annotations

from harness.detection.languages.cql.binding import RAWSTRING, Name, Names, Texts
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.functions.fields import flatten_text_fields, take_out
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal
from harness.diagnostics import Severity, SourceError

NULLS = ("keep", "discard", "empty")


@FUNCTIONS.row("parseJson")
def parse_json(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    prefix: str = "",
    exclude: Texts = (),
    include: Texts = (),
    excludeEmpty: bool = False,
    handleNull: str = "keep",
    removePrefixes: Texts = (),
) -> None:
    r"""The members of a JSON text as fields `a.b` and `a[0]`.

        j := "{\"a\": {\"b\": 1}, \"c\": [\"x\", \"y\"]}" | parseJson(j) | x := a.b | y := c[1] -> x=1 y=y
        j := "{\"a\": null}" | parseJson(j) | x := a -> x=null
        j := "{\"a\": {\"b\": 1, \"c\": 2}}" | parseJson(j, exclude=a, include=a.c, removePrefixes="a.") | x := c -> x=2

    Reference: library.humio.com, parseJson()
    """
    if handleNull not in NULLS:
        message = f"`handleNull` is {', '.join(NULLS)}, not `{handleNull[:40]}`"
        raise SourceError("argument", message, row.flow.span or row.meaning.source.whole())
    options = {
        "prefix": prefix,
        "exclude": exclude,
        "include": include,
        "excludeEmpty": excludeEmpty,
        "handleNull": handleNull,
        "removePrefixes": removePrefixes,
    }
    for name, value in take_out(row, flatten_text_fields(row, row.text(field), "json", options), ""):
        if name.startswith(prefix):
            row.assign(name, value)


@FUNCTIONS.value("writeJson", into="_json")
def write_json(row: RowScope, field: Names = (RAWSTRING,)) -> Expression:
    """Fields as a JSON object.

        a := "x" | writeJson([a]) | x := _json -> x={"a":"x"}

    Reference: library.humio.com, writeJson()
    """
    pairs: list[Expression] = []
    names = row.flow.visible() if field == ("*",) else field
    for name in names:
        pairs += [Literal(name), row.text(name)]
    return ops.json_object(*pairs)


@FUNCTIONS.row("json:prettyPrint")
def pretty_json(
    row: RowScope, field: Name = RAWSTRING, *, as_: str = "", step: float = 2, strict: bool = False
) -> None:
    """A JSON text with line breaks for people; its content stays as it is.

        a := "{}" | json:prettyPrint(a) -> a={}
        a := "no json" | json:prettyPrint(a, strict=true) -> -

    Reference: library.humio.com, json:prettyPrint()
    """
    text, place = row.text(field), row.flow.span or row.meaning.source.whole()
    message = "a text for people stays as it is, without other line breaks"
    row.meaning.tell("not-pretty", "json:prettyPrint", message, place, severity=Severity.NOTE)
    if strict:
        row.require(ops.is_true(ops.json_valid(text)))
    row.assign(as_ or field, text)
