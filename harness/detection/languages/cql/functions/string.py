"""Functions of texts."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import RAWSTRING, Name, Names
from harness.detection.languages.cql.functions.aggregate import refuse_undocumented
from harness.detection.languages.cql.functions.filter import add_regex_flags, usual_flags
from harness.detection.languages.cql.option_values import RegexFlags
from harness.detection.languages.cql.regex import CqlRegex
from harness.detection.languages.cql.registry import FUNCTIONS, WrittenText
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal, build_call
from harness.detection.plan.values.text import CHARSETS
from harness.diagnostics import SourceError

TEXT_START, FIRST = Literal(0), Literal(1)
# Nearly all texts of logs are ASCII, where a grapheme is a character; only the others pay for splitting.
ODD = r"[^\t\n -~]"
# Characters up to U+FFFF are one unit of UTF-16.
FIRST_PLANE = "[^\U00010000-\U0010ffff]"
TRIMMING = {"both": ops.trim, "start": ops.trim_start, "end": ops.trim_end}
UNICODE_BLANKS = " \t\r\n\f\v\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What Unicode counts as white space."""


@FUNCTIONS.value("lower", into="_lower", written=WrittenText.WORDS)
def lower(row: RowScope, field: Name, *, locale: str = "", type: str = "") -> Expression:
    """The text in lower case.

        a := "WS01" | lower(a) -> _lower=ws01

    Reference: library.humio.com, lower()
    """
    refuse_undocumented(row, "lower", type)
    return ops.lower(row.text(field))


@FUNCTIONS.value("upper", into="_upper", written=WrittenText.WORDS)
def upper(row: RowScope, field: Name, *, locale: str = "") -> Expression:
    """The text in upper case.

        a := "ws01" | upper(a) -> _upper=WS01

    Reference: library.humio.com, upper()
    """
    return ops.upper(row.text(field))


@FUNCTIONS.row("lowercase")
def lowercase(row: RowScope, field: Names, *, include: str = "values", locale: str = "") -> None:
    """The fields themselves in lower case; `include` says whether names, values or both change.

        a := "WS01" | lowercase(a) -> a=ws01

    Reference: library.humio.com, lowercase()
    """
    names = field if field != ("*",) else row.flow.visible()
    for name in names:
        value = row.text(name) if include == "fields" else ops.lower(row.text(name))
        if include in ("fields", "both") and name.lower() != name:
            row.put(name, NULL)
        row.assign(name.lower() if include in ("fields", "both") else name, value)


@FUNCTIONS.value("length", into="_length")
def length(row: RowScope, field: Name) -> Expression:
    """How many units of UTF-16 the text has: two for what is beyond the first 65,536 characters, else one.

        a := "WS01" | length(a) -> _length=4

    Reference: library.humio.com, length()
    """
    text = row.text(field)
    beyond = ops.length(ops.regex_replace(text, Literal(FIRST_PLANE), Literal(""), Literal(""), Literal(True)))
    return ops.add(ops.length(text), beyond)


@FUNCTIONS.value("concat", into="_concat", written=WrittenText.WORDS, grows=True)
def concat(row: RowScope, field: Names) -> Expression:
    """The texts of the fields one after the other; missing ones are left out.

        a := "x" | b := "y" | concat([a, missing, b]) -> _concat=xy

    Reference: library.humio.com, concat()
    """
    values = [row.text(n) for n in field]
    some = [v for v in values if v != NULL]
    if not some:
        return NULL
    joined = ops.concat(*tuple(ops.coalesce(v, Literal("")) for v in some))
    # Missing parts are skipped; of nothing but missing ones there is no output (reference/cql.md 9).
    absent = ops.and_(*tuple(ops.is_null(v) for v in some))
    return ops.if_(absent, NULL, joined)


@FUNCTIONS.value("replace", into="=field", grows=True)
def replace(
    row: RowScope,
    regex: CqlRegex,
    with_: str = "",
    field: Name = RAWSTRING,
    *,
    flags: RegexFlags = "",
    replacement: str = "",
) -> Expression:
    r"""The text with every match of a regular expression replaced; `$1` is a group.

        a := "a-b-c" | replace("-", with="+", field=a) -> a=a+b+c
        a := "cmd.exe" | replace("(\w+)\.exe", with="$1", field=a) -> a=cmd

    Reference: library.humio.com, replace()
    """
    pattern = add_regex_flags(regex, flags or usual_flags(row, regex))
    # `replacement` is an older name of `with`.
    new = template(with_ or replacement)
    return ops.regex_replace(
        row.text(field), Literal(pattern.captured), Literal(pattern.flags), Literal(new), Literal(True)
    )


def template(text: str) -> str:
    r"""A replacement in the plan's spelling: `$1` is `\1`, a backslash is itself."""
    made, at = [], 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text) and text[at + 1] in "$\\":
            made.append("\\\\" if text[at + 1] == "\\" else "$")
            at += 2
        elif text[at] == "$" and at + 1 < len(text) and text[at + 1].isdigit():
            made.append("\\" + text[at + 1])
            at += 2
        else:
            made.append("\\\\" if text[at] == "\\" else text[at])
            at += 1
    return "".join(made)


@FUNCTIONS.value("splitString", into="_splitstring")
def split_string(row: RowScope, field: Name = RAWSTRING, *, by: str, index: int | None = None) -> Expression:
    r"""The pieces between matches of a regular expression as an array, or the piece at `index`.

        a := "a,b,c" | splitString(a, by=",") | x := _splitstring[1] -> x=b
        a := "C:\Windows\cmd.exe" | x := splitString(a, by="\\\\", index=-1) -> x=cmd.exe

    Reference: library.humio.com, splitString()
    """
    pieces = ops.regex_split(row.text(field), Literal(by), Literal(""))
    if index is None:
        return pieces
    # Negative places count from the end, in the plan too (reference/cql.md 9).
    return ops.list_get(pieces, Literal(index + 1 if index >= 0 else index))


@FUNCTIONS.value("urlDecode", into="_urldecode")
def url_decode(row: RowScope, field: Name) -> Expression:
    """The text with its escapes resolved.

        a := "a%20b" | urlDecode(a) -> _urldecode=a b

    Reference: library.humio.com, urlDecode()
    """
    return ops.url_decode(row.text(field))


@FUNCTIONS.value("urlEncode", into="_urlencode", grows=True)
def url_encode(row: RowScope, field: Name, *, type: str = "") -> Expression:
    """The text with escapes for what may not stand in an address.

        a := "a b" | urlEncode(a) -> _urlencode=a%20b

    Reference: library.humio.com, urlEncode()
    """
    refuse_undocumented(row, "urlEncode", type)
    return ops.url_encode(row.text(field))


@FUNCTIONS.value("base64Decode", into="_base64Decode")
def base64_decode(row: RowScope, field: Name, *, charset: str = "UTF-8") -> Expression:
    """The text that base64 stands for; `UTF-16LE` is that of encoded PowerShell commands.

        a := "V1MwMQ==" | base64Decode(a) -> _base64Decode=WS01

    Reference: library.humio.com, base64Decode()
    """
    return ops.base64_decode(row.text(field), Literal(known_charset(row, charset)))


def known_charset(row: RowScope, charset: str) -> str:
    """The name of a charset in lower case."""
    if charset.lower() not in CHARSETS:
        place = row.flow.span or row.meaning.source.whole()
        raise SourceError("unsupported", f"the charset `{charset[:40]}` is not supported", place)
    return charset.lower()


@FUNCTIONS.value("base64Encode", into="_base64Encode")
def base64_encode(row: RowScope, field: Name) -> Expression:
    """The text in base64.

        a := "WS01" | base64Encode(a) -> _base64Encode=V1MwMQ==

    Reference: library.humio.com, base64Encode()
    """
    return ops.base64_encode(row.text(field))


@FUNCTIONS.value("shannonEntropy", into="_shannonentropy")
def shannon_entropy(row: RowScope, field: Name) -> Expression:
    """The entropy of the text's characters in bits.

        a := "abab" | shannonEntropy(a) -> _shannonentropy=1

    Reference: library.humio.com, shannonEntropy()
    """
    return ops.entropy(row.text(field))


@FUNCTIONS.value("text:length", into="_length")
def text_length(row: RowScope, string: Expression) -> Expression:
    """How many characters a text has, as people read them: an accent or a colour belongs to what stands before it.

        a := "WS01" | text:length(a) -> _length=4

    Reference: library.humio.com, text:length()
    """
    return count_graphemes(row.text(string))


def split_graphemes(text: Expression) -> Expression:
    """The characters of a text as people read them, in a list."""
    return ops.regex_extract_all(text, Literal(r"\X"), Literal("s"), Literal(0))


def odd(text: Expression) -> Expression:
    """Whether a text may have characters of several code points."""
    return ops.regex_found(text, Literal(ODD), Literal(""))


def count_graphemes(text: Expression) -> Expression:
    """The number of characters as people read them."""
    return ops.if_(odd(text), ops.list_length(split_graphemes(text)), ops.length(text))


def take_graphemes(text: Expression, start: Expression, last: Expression) -> Expression:
    """The characters, as people read them, from one place to another, both counted from 1 and included."""
    part = ops.coalesce(
        ops.list_join(ops.list_slice(split_graphemes(text), start, last), Literal("")),
        Literal(""),
    )
    length = ops.add(ops.subtract(last, start), Literal(1))
    return ops.if_(odd(text), part, ops.substring(text, start, length))


@FUNCTIONS.value("text:substring", into="_string")
def text_substring(
    row: RowScope, string: Expression, begin: Expression = TEXT_START, end: Expression | None = None
) -> Expression:
    """The characters from place `begin`, counted from 0, up to `end`, which is not included.

        a := "kermit.the.frog@x"
        | text:substring(a, begin=0, end=text:positionOf(a, character="@")) -> _string=kermit.the.frog
        a := "abc" | text:substring(a, begin=1) -> _string=bc

    Reference: library.humio.com, text:substring()
    """
    text, first = row.text(string), row.number(begin)
    last = count_graphemes(text) if end is None else row.number(end)
    fits = ops.and_(ops.less_equal(TEXT_START, first), ops.less_equal(first, last))
    # An invalid place gives no field (reference/cql.md 9).
    fits = ops.and_(fits, ops.less_equal(last, count_graphemes(text)))
    return ops.if_(fits, take_graphemes(text, ops.add(first, Literal(1)), last), NULL)


@FUNCTIONS.value("text:trim", into="_trim")
def text_trim(row: RowScope, field: Expression, *, mode: str = "both") -> Expression:
    """The text without blanks and line breaks at its ends, or with `mode` at its `start` or `end` only.

        a := "  WS 01 " | text:trim(a) -> _trim=WS 01
        a := "  WS01" | x := text:trim(a, mode=start) -> x=WS01

    Reference: library.humio.com, text:trim()
    """
    if mode not in TRIMMING:
        place = row.flow.span or row.meaning.source.whole()
        raise SourceError("bad-argument", "`mode` is `start`, `end` or `both`", place)
    return build_call(TRIMMING[mode], row.text(field), Literal(UNICODE_BLANKS))


@FUNCTIONS.value("text:positionOf", into="_position")
def text_position(
    row: RowScope,
    string: Expression,
    character: Expression,
    begin: Expression = TEXT_START,
    occurrence: Expression = FIRST,
) -> Expression:
    """The place, counted from 0, where a text occurs for the nth time.

        a := "x@y@z" | text:positionOf(a, character="@") -> _position=1
        a := "x@y@z" | text:positionOf(a, character="@", occurrence=2) -> _position=3

    Reference: library.humio.com, text:positionOf()
    """
    text, wanted, first = row.text(string), row.text(character), row.number(begin)
    rest = take_graphemes(text, ops.add(first, Literal(1)), count_graphemes(text))
    pieces = ops.list_split(rest, wanted)
    before = ops.list_slice(pieces, Literal(1), row.number(occurrence))
    enough = ops.greater(ops.list_length(pieces), row.number(occurrence))
    place = count_graphemes(ops.list_join(before, wanted))
    return ops.if_(enough, ops.add(place, first), NULL)
