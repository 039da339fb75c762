"""parseJson, parseXml, parseCsv, kvParse, parseCEF, parseLEEF, parseUrl."""

from __future__ import annotations

import re

from harness.detection.languages.cql.arguments import RAWSTRING, Name, Names, Texts, Zone
from harness.detection.languages.cql.discovery import (
    flatten_text_fields,
    list_record_header_fields,
    mark_errors,
    take_out,
)
from harness.detection.languages.cql.functions.parse_timestamp import parsed_time
from harness.detection.languages.cql.functions.string import known_charset
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.time_range import TIMESTAMP
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Lambda, LambdaParameter, Literal
from harness.diagnostics import Severity, SourceError
from harness.late_pattern import late_pattern

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
    check_key_value_options(row, separator, separatorPadding, onDuplicate)
    start = prefix or as_
    # `as=user` gives `user.id`; a prefix with its dot gets no second one.
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


def check_key_value_options(row: RowScope, separator: str, padding: str, duplicate: str) -> None:
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
    # Of elements with one name the first is called without number too, if the query says so.
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
    if not delimiter:
        place = row.flow.span or row.meaning.source.whole()
        raise SourceError("argument", "`delimiter` is at least one character", place)
    mark = re.escape(delimiter)
    # Quotes of RFC 4180: a quoted cell may hold delimiters, and doubled quotes for one.
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
def strip_ansi_codes(row: RowScope, field: Name = RAWSTRING) -> Expression:
    """The text without the codes that colour a terminal.

        a := "plain" | stripAnsiCodes(a) -> a=plain

    Reference: library.humio.com, stripAnsiCodes()
    """
    return ops.regex_replace(
        # CSI sequences of ECMA-48: ESC, `[`, parameters, a letter.
        row.text(field),
        Literal(r"\x1b\[[0-9;]*[A-Za-z]"),
        Literal(""),
        Literal(""),
        Literal(True),
    )


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


# Forms of `devTime` in the LEEF guide (`MMM dd yyyy HH:mm:ss`, with milliseconds or not), and ISO 8601.
DEVICE_TIMES = ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%b %d %Y %H:%M:%S.%f", "%b %d %Y %H:%M:%S")


@FUNCTIONS.row("parseCEF")
def parse_cef(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    headerprefix: str = "cef.",
    keeplabels: bool = False,
    labelprefix: str = "cef.label.",
    prefix: str = "cef.ext.",
) -> None:
    """The header and the extension of a CEF record as fields; a value with a label is called by it.

        t := "x CEF:0|V|P|1|id|name|5|src=1.2.3.4 msg=a b" | parseCEF(t) | x := cef.ext.src -> x=1.2.3.4 cef.name=name
        t := "CEF:0|V|P|1|id|name|5|cs1=q cs1Label=Rule" | parseCEF(t) | x := cef.label.Rule -> x=q

    Reference: library.humio.com, parseCEF()
    """
    options = {"header": headerprefix, "prefix": prefix, "label": labelprefix, "keeplabels": keeplabels}
    flat = flatten_text_fields(row, row.text(field), "cef", options)
    for name, value in take_out(row, flat, "", always=list_record_header_fields("cef", headerprefix)):
        row.assign(name, value)


@FUNCTIONS.row("parseLEEF")
def parse_leef(
    row: RowScope,
    field: Name = RAWSTRING,
    *,
    delimiter: str = "",
    headerprefix: str = "leef.",
    keeplabels: bool = False,
    labelprefix: str = "leef.label",
    parsetime: bool = True,
    prefix: str = "leef.ext.",
    timezone: Zone = "UTC",
) -> None:
    """The header and the extension of a LEEF record as fields; `devTime` is the event's time if `parsetime`.

        t := "LEEF:1.0|V|P|1|id|src=1.2.3.4" | parseLEEF(t) | x := leef.ext.src -> x=1.2.3.4 leef.device.vendor=V
        t := "LEEF:2.0|V|P|1|id|^|devTime=1700000000000^act=a b" | parseLEEF(t) | x := leef.ext.act
        -> x=a b @timestamp=1700000000000

    Reference: library.humio.com, parseLEEF()
    """
    labels = labelprefix if labelprefix.endswith(".") else f"{labelprefix}."
    options = {
        "header": headerprefix,
        "prefix": prefix,
        "label": labels,
        "keeplabels": keeplabels,
        "delimiter": delimiter,
    }
    flat = flatten_text_fields(row, row.text(field), "leef", options)
    for name, value in take_out(row, flat, "", always=list_record_header_fields("leef", headerprefix)):
        row.assign(name, value)
    if parsetime:
        row.assign(TIMESTAMP, device_time(ops.json_text(flat, Literal(f'$."{prefix}devTime"')), timezone))


def device_time(text: Expression, zone: str) -> Expression:
    """The time of a device in milliseconds: an epoch, or written in one of the usual ways."""
    epoch = ops.to_number(text)
    return ops.coalesce(epoch, parsed_time(text, list(DEVICE_TIMES), zone))


# The regular expression of RFC 3986, appendix B, with user, password and port taken apart.
URL_PATTERN = (
    r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?)?"
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?$"
)
URL_PARTS = ("scheme", "username", "password", "host", "port", "path", "query", "fragment")
BASE = late_pattern(r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?//")


def split_url(row: RowScope, text: Expression, prefix: str, host: str) -> None:
    """The parts of an address under a prefix; those that are not there have no field."""
    for i, part in enumerate(URL_PARTS):
        found = ops.regex_extract(text, Literal(URL_PATTERN), Literal(""), Literal(i + 1))
        # A path may be empty and is still there (RFC 3986, 3.3); other parts are missing without their sign.
        shown = found if part == "path" else ops.if_(ops.equal(found, Literal("")), NULL, found)
        row.assign(prefix + (host if part == "host" else part), shown)


@FUNCTIONS.row("parseUrl")
def parse_url(row: RowScope, field: Name = "url", *, as_: str = "") -> None:
    """The parts of a page's address: scheme, username, password, host, port, path, query, fragment.

        url := "https://ann:pw@example.com:8443/a?b=1#c"
        | parseUrl() -> url.scheme=https url.username=ann url.password=pw url.host=example.com url.port=8443 url.path=/a
        e := "https://example.com/a" | u := parseUrl(e) -> u.host=example.com u.path=/a

    Reference: library.humio.com, parseUrl()
    """
    split_url(row, row.keep(row.text(field)), f"{as_ or field}.", "host")


@FUNCTIONS.row("parseUri")
def parse_uri(row: RowScope, field: Name, *, prefix: str | None = None, defaultBase: str = "") -> None:
    """The parts of an address: scheme, username, password, hostname, port, path, query, fragment.

    An address that begins with no scheme and `//` is read behind `defaultBase`.

        u := "https://example.com/a" | parseUri(u) -> u.scheme=https u.hostname=example.com
        u := "example.com:80/foo" | parseUri(u, defaultBase="http://") -> u.scheme=http u.hostname=example.com u.port=80
        u := "ftp://example.com" | parseUri(u, defaultBase="http://", prefix=p) -> p.scheme=ftp

    Reference: library.humio.com, parseUri()
    """
    place = row.flow.span or row.meaning.source.whole()
    if prefix == "":
        raise SourceError("argument", "`prefix` is not empty", place)
    text = row.text(field)
    if defaultBase:
        if not BASE.fullmatch(defaultBase):
            raise SourceError("argument", "`defaultBase` is `//` or `scheme://`", place)
        # Only a relative address needs the base.
        whole = ops.regex_found(text, Literal(r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//"), Literal(""))
        text = ops.if_(whole, text, ops.concat(Literal(defaultBase), text))
    split_url(row, row.keep(text), f"{prefix or field}.", "hostname")
