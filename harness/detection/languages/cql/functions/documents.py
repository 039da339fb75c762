"""Functions that take fields out of texts: JSON, key=value, XML, CSV, addresses of pages."""

from __future__ import annotations

import re

from harness.detection.languages.cql.binding import RAWSTRING, Name, Names, Texts
from harness.detection.languages.cql.flow import Row
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan.expressions import NULL, Expression, Lambda, Literal, Parameter, call

PART = re.compile(r"[^.\[\]]+|\[\d+\]|\[\]")


def wanted(row: Row, prefix: str) -> list[str]:
    """Names under a prefix that the query mentions; what nobody reads need not be taken out."""
    names = {n for n in row.meaning.mentioned if n.startswith(prefix) and n != prefix}
    return sorted(n for n in names if re.fullmatch(r"[\w.\[\]@#:/ \-]+", n) and not n.replace(".", "").isdigit())


def path_of(name: str) -> str:
    """A flattened name such as `a.b[0].c` as a path."""
    parts = PART.findall(name)
    made = ""
    for part in parts:
        if part == "[]":
            made += "[*]"
        elif part.startswith("["):
            made += part
        else:
            made += f".{part}" if re.fullmatch(r"\w+", part) else f'."{part}"'
    return "$" + made


@FUNCTIONS.row("parseJson")
def parse_json(
    row: Row,
    field: Name = RAWSTRING,
    *,
    prefix: str = "",
    exclude: Texts = (),
    include: Texts = (),
    excludeEmpty: bool = False,
    handleNull: str = "keep",
    removePrefixes: Texts = (),
) -> None:
    r"""The members of a JSON text as fields `a.b` and `a[0]`: those that the query reads.

        j := "{\"a\": {\"b\": 1}, \"c\": [\"x\", \"y\"]}" | parseJson(j) | x := a.b | y := c[1] -> x=1 y=y

    Reference: library.humio.com, parseJson()
    """
    text = row.keep(row.text(field))
    for name in wanted(row, prefix):
        inner = name.removeprefix(prefix)
        if inner in exclude or (include and inner not in include and "*" not in include):
            continue
        if inner.endswith("[]"):
            row.assign(name, call("json_list", text, Literal(path_of(inner))))
            continue
        value = call("json_text", text, Literal(path_of(inner)))
        row.assign(name, value if not excludeEmpty else call("if", call("equal", value, Literal("")), NULL, value))


@FUNCTIONS.row("kvParse")
def kv_parse(
    row: Row,
    field: Names = (RAWSTRING,),
    *,
    as_: str = "",
    excludeEmpty: str = "false",
    onDuplicate: str = "keepLast",
    override: bool = False,
    prefix: str = "",
    separator: str = "=",
    separatorPadding: str = "no",
) -> None:
    r"""Pairs such as `key=value` or `key="two words"` as fields: those that the query reads.

        t := "a=1 b=\"two words\"" | kvParse(t) | x := b -> x=two words

    Reference: library.humio.com, kvParse()
    """
    start = prefix or (f"{as_}." if as_ else "")
    for subject in field:
        text = row.keep(row.text(subject))
        for name in wanted(row, start):
            key = name.removeprefix(start)
            value = call("key_value", text, Literal(key), Literal(separator), Literal(" ,\t\n"))
            if override or not row.has(name):
                row.assign(name, value)
            else:
                row.put(name, row.first(row.text(row.read(name)), value))


@FUNCTIONS.row("parseXml")
def parse_xml(row: Row, field: Name = RAWSTRING, *, prefix: str = "", strict: bool = False) -> None:
    """The elements of an XML text as fields: those that the query reads.

        x := "<a><b>1</b></a>" | parseXml(x) | y := a.b -> y=1

    Reference: library.humio.com, parseXml()
    """
    text = row.keep(row.text(field))
    for name in wanted(row, prefix):
        inner = name.removeprefix(prefix)
        plain = re.sub(r"\[(\d*)\]", "", inner).replace(".@", "{@", 1)
        path = plain + "}" if "{@" in plain else plain
        found = call("xml_text", text, Literal(path))
        place = re.search(r"\[(\d+)\]", inner)
        row.assign(
            name, found if inner.endswith("[]") else call("list_get", found, Literal(int(place[1]) + 1 if place else 1))
        )


@FUNCTIONS.row("parseCsv")
def parse_csv(
    row: Row,
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
    raw = Parameter("cell")
    inner = call("regex_replace", raw, Literal('^"|"$'), Literal(""), Literal(""), Literal(True))
    value = call(
        "if", call("starts_with", raw, Literal('"')), call("replace_text", inner, Literal('""'), Literal('"')), raw
    )
    clean = Lambda(raw, call("trim", value, Literal(" \t")) if trim else value)
    pieces = call("regex_extract_all", row.text(field), Literal(cell), Literal(""), Literal(1))
    cells = row.keep(call("list_map", pieces, clean))
    for i, name in enumerate(columns):
        found: Expression = call("list_get", cells, Literal(i + 1))
        if excludeEmpty:
            found = call("if", call("equal", found, Literal("")), NULL, found)
        row.assign(name, found)


@FUNCTIONS.row("parseFixedWidth")
def parse_fixed_width(
    row: Row, field: Name = RAWSTRING, *, columns: Names, widths: tuple[float, ...], trim: bool = True
) -> None:
    """Stretches of a line as fields.

        t := "ab 12" | parseFixedWidth(t, columns=[x, y], widths=[3, 2]) -> x=ab y=12

    Reference: library.humio.com, parseFixedWidth()
    """
    text, at = row.keep(row.text(field)), 1
    for name, width in zip(columns, widths, strict=False):
        value = call("substring", text, Literal(at), Literal(int(width)))
        row.assign(name, call("trim", value, Literal(" ")) if trim else value)
        at += int(width)


URL = (
    r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://(?:([^/?#@]*)@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?)?"
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?$"
)
URL_PARTS = ("scheme", "username", "host", "port", "path", "query", "fragment")


def split_url(row: Row, field: str, prefix: str) -> None:
    """The parts of an address under a prefix."""
    text = row.keep(row.text(field))
    for i, part in enumerate(URL_PARTS):
        found = call("regex_extract", text, Literal(URL), Literal(""), Literal(i + 1))
        row.assign(prefix + part, call("if", call("equal", found, Literal("")), NULL, found))


@FUNCTIONS.row("parseUrl")
def parse_url(row: Row, field: Name = "url", *, as_: str = "") -> None:
    """The parts of a page's address: scheme, host, port, path, query.

        url := "https://example.com:8443/a?b=1"
        | parseUrl() -> url.scheme=https url.host=example.com url.port=8443 url.path=/a

    Reference: library.humio.com, parseUrl()
    """
    split_url(row, field, f"{as_ or field}.")


@FUNCTIONS.row("parseUri")
def parse_uri(row: Row, field: Name, *, prefix: str = "", defaultBase: str = "") -> None:
    """The parts of an address: scheme, host, port, path, query.

        u := "https://example.com/a" | parseUri(u) -> u.scheme=https u.host=example.com

    Reference: library.humio.com, parseUri()
    """
    split_url(row, field, prefix or f"{field}.")


@FUNCTIONS.value("parseHexString", into="_parsehexstring")
def parse_hex_string(row: Row, field: Name, *, charset: str = "UTF-8") -> Expression:
    """The text that hex digits stand for.

        a := "575330" | parseHexString(a) -> _parsehexstring=WS0

    Reference: library.humio.com, parseHexString()
    """
    return call("hex_decode", row.text(field))


@FUNCTIONS.row("parseCEF")
def parse_cef(
    row: Row,
    field: Name = RAWSTRING,
    *,
    headerprefix: str = "cef.",
    keeplabels: bool = False,
    labelprefix: str = "cef.label.",
    prefix: str = "cef.ext.",
) -> None:
    """The header and the extensions of a CEF record as fields: those that the query reads.

        t := "CEF:0|V|P|1|id|name|5|src=1.2.3.4 msg=a b" | parseCEF(t) | x := cef.ext.src -> x=1.2.3.4 cef.name=name

    Reference: library.humio.com, parseCEF()
    """
    names = ("version", "device.vendor", "device.product", "device.version", "event_class_id", "name", "severity")
    text = row.keep(row.text(field))
    header = r"CEF:(\d+)\|" + r"\|".join([r"((?:[^|\\]|\\.)*)"] * 6) + r"\|"
    for i, name in enumerate(names):
        row.assign(headerprefix + name, call("regex_extract", text, Literal(header), Literal(""), Literal(i + 1)))
    extensions(row, text, prefix)


def extensions(row: Row, text: Expression, prefix: str) -> None:
    """Pairs whose values reach up to the next key."""
    for name in wanted(row, prefix):
        key = re.escape(name.removeprefix(prefix))
        pattern = rf"(?:^|[\s|]){key}=(.*?)(?:\s+[\w.\-]+=|$)"
        row.assign(name, call("regex_extract", text, Literal(pattern), Literal("s"), Literal(1)))


@FUNCTIONS.row("parseLEEF")
def parse_leef(
    row: Row,
    field: Name = RAWSTRING,
    *,
    delimiter: str = "\t",
    headerprefix: str = "leef.",
    keeplabels: bool = False,
    labelprefix: str = "leef.label",
    parsetime: bool = True,
    prefix: str = "leef.ext.",
    timezone: str = "Z",
) -> None:
    """The header and the extensions of a LEEF record as fields: those that the query reads.

        t := "LEEF:1.0|V|P|1|id|src=1.2.3.4" | parseLEEF(t) | x := leef.ext.src -> x=1.2.3.4

    Reference: library.humio.com, parseLEEF()
    """
    names = ("version", "vendor", "product", "product.version", "event.id")
    text = row.keep(row.text(field))
    header = r"LEEF:([^|]*)\|" + r"\|".join([r"([^|]*)"] * 4) + r"\|"
    for i, name in enumerate(names):
        row.assign(headerprefix + name, call("regex_extract", text, Literal(header), Literal(""), Literal(i + 1)))
    for name in wanted(row, prefix):
        pattern = (
            rf"(?:^|[|\t{re.escape(delimiter)}]){re.escape(name.removeprefix(prefix))}=([^\t{re.escape(delimiter)}]*)"
        )
        row.assign(name, call("regex_extract", text, Literal(pattern), Literal(""), Literal(1)))


@FUNCTIONS.value("writeJson", into="_json")
def write_json(row: Row, field: Names = (RAWSTRING,)) -> Expression:
    """Fields as a JSON object.

        a := "x" | writeJson([a]) | x := _json -> x={"a":"x"}

    Reference: library.humio.com, writeJson()
    """
    pairs: list[Expression] = []
    names = row.flow.visible() if field == ("*",) else field
    for name in names:
        pairs += [Literal(name), row.text(name)]
    return call("json_object", *pairs)


@FUNCTIONS.row("json:prettyPrint")
def pretty_json(row: Row, field: Name = RAWSTRING, *, as_: str = "", step: float = 2, strict: bool = False) -> None:
    """A JSON text with line breaks for people; its content stays as it is.

        a := "{}" | json:prettyPrint(a) -> a={}

    Reference: library.humio.com, json:prettyPrint()
    """
    row.assign(as_ or field, row.text(field))


@FUNCTIONS.row("xml:prettyPrint")
def pretty_xml(
    row: Row, field: Name, *, as_: str = "", step: float = 2, strict: bool = False, width: float = 80
) -> None:
    """An XML text with line breaks for people; its content stays as it is.

        a := "<a/>" | xml:prettyPrint(a) -> a=<a/>

    Reference: library.humio.com, xml:prettyPrint()
    """
    row.assign(as_ or field, row.text(field))


@FUNCTIONS.value("stripAnsiCodes", into="=field")
def strip_ansi_codes(row: Row, field: Name) -> Expression:
    """The text without the codes that colour a terminal.

        a := "plain" | stripAnsiCodes(a) -> a=plain

    Reference: library.humio.com, stripAnsiCodes()
    """
    return call(
        "regex_replace", row.text(field), Literal(r"\x1b\[[0-9;]*[A-Za-z]"), Literal(""), Literal(""), Literal(True)
    )
