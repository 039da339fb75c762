"""Functions that take fields out of texts: key=value, XML, CSV, columns of a fixed width."""

from __future__ import annotations

import re

from harness.detection.languages.cql.binding import RAWSTRING, Name, Names
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.functions.fields import flatten_text_fields, mark_errors, take_out
from harness.detection.languages.cql.functions.text import known_charset
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Lambda, LambdaParameter, Literal
from harness.diagnostics import Severity, SourceError

PADDINGS = ("unknown", "yes", "no")
DUPLICATES = ("keepFirst", "keepLast")


@FUNCTIONS.row("kvParse")
def kv_parse(
    row: RowScope,
    field: Names = (RAWSTRING,),
    *,
    as_: str = "",
    excludeEmpty: str = "false",
    onDuplicate: str = "keepLast",
    override: bool = False,
    prefix: str = "",
    separator: str = "=",
    separatorPadding: str = "unknown",
) -> None:
    r"""Pairs such as `key=value` or `key="two words"` as fields; a field that the event has already stays.

        t := "a=1 b=\"two words\"" | kvParse(t) | x := b -> x=two words
        t := "id=1, id=2" | kvParse(t, as=user) -> user.id=2

    Reference: library.humio.com, kvParse()
    """
    understood(row, separator, separatorPadding, onDuplicate)
    start = prefix or as_
    start = f"{start}." if start and not start.endswith(".") else start
    options = {
        "separator": separator,
        "padding": separatorPadding,
        "excludeEmpty": excludeEmpty == "true",
        "first": onDuplicate == "keepFirst",
    }
    for subject in field:
        for name, found in take_out(row, flatten_text_fields(row, row.text(subject), "key_value", options), start):
            if override or not row.has(name):
                row.assign(name, found)
            else:
                row.put(name, row.first(row.text(row.read(name)), found))


def understood(row: RowScope, separator: str, padding: str, duplicate: str) -> None:
    """Refuses what `kvParse` does not know."""
    place = row.flow.span or row.meaning.source.whole()
    for name, value, values in (("separatorPadding", padding, PADDINGS), ("onDuplicate", duplicate, DUPLICATES)):
        if value not in values:
            raise SourceError("argument", f"`{name}` is {', '.join(values)}, not `{value[:40]}`", place)
    if len(separator) != 1:
        raise SourceError("argument", "`separator` is a single character", place)


@FUNCTIONS.row("parseXml")
def parse_xml(row: RowScope, field: Name = RAWSTRING, *, prefix: str = "", strict: bool = False) -> None:
    """The elements of an XML text as fields; of several elements of one name the first, or `name[1]`.

    An event whose text is no XML is dropped if `strict`, else it is marked with `@error`.

        x := "<a><b>1</b></a>" | parseXml(x) | y := a.b -> y=1
        x := "no xml" | parseXml(x, strict=true) -> -

    Reference: library.humio.com, parseXml()
    """
    text = row.text(field)
    flat = flatten_text_fields(row, text, "xml", {})
    for name, value in take_out(row, flat, prefix, numbered=True):
        row.assign(name, value)
    if strict:
        row.require(ops.or_(ops.is_null(text), ops.not_(ops.is_null(flat))))
    else:
        mark_errors(
            row,
            ops.and_(ops.not_(ops.is_null(text)), ops.is_null(flat)),
            f"{field} is no XML",
        )


@FUNCTIONS.row("parseCsv")
def parse_csv(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    columns: Names,
    delimiter: str = ",",
    excludeEmpty: bool = False,
    trim: bool = False,
) -> None:
    r"""The cells of a line as fields.

        t := "1,\"a,b\",3" | parseCsv(t, columns=[x, y, z]) -> x=1 y=a,b z=3

    Reference: library.humio.com, parseCsv()
    """
    mark = re.escape(delimiter)
    cell = rf'(?:^|{mark})("(?:[^"]|"")*"|[^{mark}]*)'
    raw = LambdaParameter("cell")
    inner = ops.regex_replace(raw, Literal('^"|"$'), Literal(""), Literal(""), Literal(True))
    value = ops.if_(
        ops.starts_with(raw, Literal('"')),
        ops.replace_text(inner, Literal('""'), Literal('"')),
        raw,
    )
    clean = Lambda(raw, ops.trim(value, Literal(" \t")) if trim else value)
    pieces = ops.regex_extract_all(row.text(field), Literal(cell), Literal(""), Literal(1))
    cells = row.keep(ops.list_map(pieces, clean))
    for i, name in enumerate(columns):
        found: Expression = ops.list_get(cells, Literal(i + 1))
        if excludeEmpty:
            found = ops.if_(ops.equal(found, Literal("")), NULL, found)
        row.assign(name, found)


@FUNCTIONS.row("parseFixedWidth")
def parse_fixed_width(
    row: RowScope, field: Name = RAWSTRING, *, columns: Names, widths: tuple[float, ...], trim: bool = True
) -> None:
    """Stretches of a line as fields.

        t := "ab 12" | parseFixedWidth(t, columns=[x, y], widths=[3, 2]) -> x=ab y=12

    Reference: library.humio.com, parseFixedWidth()
    """
    text, at = row.keep(row.text(field)), 1
    for name, width in zip(columns, widths, strict=False):
        value = ops.substring(text, Literal(at), Literal(int(width)))
        row.assign(name, ops.trim(value, Literal(" ")) if trim else value)
        at += int(width)


@FUNCTIONS.value("parseHexString", into="_parsehexstring")
def parse_hex_string(row: RowScope, field: Name, *, charset: str = "UTF-8") -> Expression:
    """The text that hex digits stand for.

        a := "575330" | parseHexString(a) -> _parsehexstring=WS0

    Reference: library.humio.com, parseHexString()
    """
    known = known_charset(row, charset)
    if known in ("utf-8", "utf8"):
        return ops.hex_decode(row.text(field))
    return ops.hex_decode(row.text(field), Literal(known))


@FUNCTIONS.row("xml:prettyPrint")
def pretty_xml(
    row: RowScope, field: Name, *, as_: str = "", step: float = 2, strict: bool = False, width: float = 80
) -> None:
    """An XML text with line breaks for people; its content stays as it is.

        a := "<a/>" | xml:prettyPrint(a) -> a=<a/>
        a := "no xml" | xml:prettyPrint(a, strict=true) -> -

    Reference: library.humio.com, xml:prettyPrint()
    """
    text, place = row.text(field), row.flow.span or row.meaning.source.whole()
    message = "a text for people stays as it is, without other line breaks"
    row.meaning.tell("not-pretty", "xml:prettyPrint", message, place, severity=Severity.NOTE)
    if strict:
        row.require(ops.not_(ops.is_null(flatten_text_fields(row, text, "xml", {}))))
    row.assign(as_ or field, text)


@FUNCTIONS.value("stripAnsiCodes", into="=field")
def strip_ansi_codes(row: RowScope, field: Name) -> Expression:
    """The text without the codes that colour a terminal.

        a := "plain" | stripAnsiCodes(a) -> a=plain

    Reference: library.humio.com, stripAnsiCodes()
    """
    return ops.regex_replace(
        row.text(field), Literal(r"\x1b\[[0-9;]*[A-Za-z]"), Literal(""), Literal(""), Literal(True)
    )
