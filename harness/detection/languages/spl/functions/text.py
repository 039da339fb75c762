"""Text functions and cryptographic ones."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    as_number,
    as_text,
    change_each,
    literal,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.paths import extract_first, json_path_of
from harness.detection.languages.spl.regex import check_pattern_literal
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, span_of
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, apply
from harness.diagnostics import SourceError


@FUNCTIONS.define("len")
def len_(context: EvalContext, value: Typed) -> Typed:
    """Number of characters.

        len("Grüße")           -> 5
        len(12345)             -> 5
        len(null())            -> null
        len(split("a,b", ",")) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.length(as_text(value))


@FUNCTIONS.define
def lower(context: EvalContext, value: Typed) -> Typed:
    """In lower case; several values each.

        lower("CMD.exe")                        -> "cmd.exe"
        mvjoin(lower(split("A,Bc", ",")), "+")  -> "a+bc"
        lower(null())                           -> null
        lower(12)                               -> "12"

    Reference: reference/spl.md 5.2
    """
    return change_each(value, ops.lower)


@FUNCTIONS.define
def upper(context: EvalContext, value: Typed) -> Typed:
    """In upper case; several values each.

        upper("cmd")                           -> "CMD"
        mvjoin(upper(split("a,b", ",")), "+")  -> "A+B"
        upper(null())                          -> null

    Reference: reference/spl.md 5.2
    """
    return change_each(value, ops.upper)


@FUNCTIONS.define
def trim(context: EvalContext, value: Typed, characters: Typed | None = None) -> Typed:
    """Without blanks and tabs, or without any of `characters`, at both ends.

        trim("  x ")      -> "x"
        trim("--x-", "-") -> "x"
        trim("xyabcyx", "xy") -> "abc"
        trim(null())      -> null
        trim(split("a ,b", ",")) -> null

    Reference: reference/spl.md 5.2
    """
    # Blank and tab are the default, line ends are not (reference/spl.md 5.2).
    return ops.trim(as_text(value), as_text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def ltrim(context: EvalContext, value: Typed, characters: Typed | None = None) -> Typed:
    """The same at the start only.

        ltrim("00x0", "0") -> "x0"
        ltrim("  x ")      -> "x "
        ltrim(null())      -> null

    Reference: reference/spl.md 5.2
    """
    return ops.trim_start(as_text(value), as_text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def rtrim(context: EvalContext, value: Typed, characters: Typed | None = None) -> Typed:
    """The same at the end only.

        rtrim("00x0", "0") -> "00x"
        rtrim(100, "0")    -> "1"
        rtrim(null())      -> null

    Reference: reference/spl.md 5.2
    """
    return ops.trim_end(as_text(value), as_text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def substr(context: EvalContext, value: Typed, start: Typed, length: Typed | None = None) -> Typed:
    """Characters from place `start`, counted from 1, or from the end if negative.

        substr("splunk", 2, 3) -> "plu"
        substr("splunk", -3)   -> "unk"
        substr("splunk", -3, 2) -> "un"
        substr(12345, 2, 2)    -> "23"
        substr("splunk", 20)   -> ""
        substr(null(), 1)      -> null

    Reference: reference/spl.md 5.2
    """
    place = as_number(start)
    # Splunk's own dashboards count 0 as 1 (reference/spl.md 5.2).
    if isinstance(place.constant, float) and place.constant == 0:
        place = literal(1.0)
    rest = as_number(length) if length is not None else Typed(TYPED_NULL.expression, Kind.NUMBER)
    return ops.substring(as_text(value), place, rest)


@FUNCTIONS.define(escapes=True)
def replace(context: EvalContext, value: Typed, regex: Typed, replacement: Typed) -> Typed:
    r"""Every match of a regular expression replaced; `\1` is a group.

        replace("1/14/2020", "^(\d+)/(\d+)", "\2/\1") -> "14/1/2020"
        replace("aXbX", "X", "")                      -> "ab"
        replace("foobar foobaz", "foo(?=baz)", "x")   -> "foobar xbaz"
        replace("abab", "(a)(?<n>b)", "[\2\1]")       -> "[ba][ba]"
        replace(1.5, "\.", ",")                       -> "1,5"
        replace(null(), "a", "b")                     -> null

    Reference: reference/spl.md 5.2
    """
    return ops.regex_replace(
        as_text(value), check_pattern_literal(regex), literal(""), as_text(replacement), literal(True)
    )


@FUNCTIONS.define
def split(context: EvalContext, value: Typed, delimiter: Typed) -> Typed:
    """The pieces between delimiters; every character for an empty delimiter.

        mvjoin(split("a,b,c", ","), "|")   -> "a|b|c"
        mvjoin(split("abc", ""), "|")      -> "a|b|c"
        mvjoin(split("a::b::", "::"), "|") -> "a|b|"
        mvcount(split(5, ","))             -> 1
        split(null(), ",")                 -> null

    Reference: reference/spl.md 5.2
    """
    return ops.list_split(as_text(value), as_text(delimiter))


@FUNCTIONS.define
def urldecode(context: EvalContext, value: Typed) -> Typed:
    """With %41 become A.

        urldecode("http%3A%2F%2Fx") -> "http://x"
        urldecode("100%zz+%41")     -> "100%zz+A"
        urldecode(null())           -> null

    Reference: reference/spl.md 5.2
    """
    return ops.url_decode(as_text(value))


@FUNCTIONS.define
def spath(context: EvalContext, value: Typed, path: Typed) -> Typed:
    r"""The value at a path of a JSON or XML text, several values where the path has `{}`.

        spath("{\"a\":{\"b\":5}}", "a.b")               -> "5"
        mvjoin(spath("{\"a\":[1,2]}", "a{}"), ",")       -> "1,2"
        spath("<a><b>x</b></a>", "a.b")                  -> "x"
        spath("no document", "a")                        -> null

    Reference: reference/spl.md 5.2
    """
    if Kind.NULL in (path.kind, value.kind):
        return TYPED_NULL
    constant = path.constant
    if isinstance(constant, str):
        return extract_first(as_text(value), constant)
    # A path that the row has may be one of JSON or of XML; the text decides which finds something.
    markup = ops.xml_text(as_text(value), as_text(path))
    return ops.coalesce(ops.json_list(as_text(value), json_path_of(path)), markup)


@FUNCTIONS.define
def printf(context: EvalContext, form: Typed, *values: Typed) -> Typed:
    """Values in the places of a C format; null where one is missing or does not fit.

        printf("%s has %03d", "x", 7)           -> "x has 007"
        printf("%.2f, %5.1f, %-4d|", 3.14159, 2.25, 7) -> "3.14,   2.2, 7   |"
        printf("%'d %+d %x %#X %o", 12345, 5, 255, 255, 8) -> "12,345 +5 ff 0XFF 10"
        printf("%*d|%.*f", 5, 123, 1, 1.23)     -> "  123|1.2"
        printf("%c,%c", 65, "Foo")              -> "A,F"
        printf("%.2e,%.2g,%.3A", 5139, 123, pi()) -> "5.14e+03,1.2e+02,0X1.922P+1"
        printf("100%%")                         -> "100%"
        printf("%d", "abc")                     -> null
        printf("%s", null())                    -> null

    Reference: Splunk Search Reference, Conversion functions
    """
    if any(v.kind is Kind.NULL for v in (form, *values)):
        return TYPED_NULL
    return ops.format_text(as_text(form), *(as_text(v) for v in values))


def build_unknown_value_error(context: EvalContext, what: str, value: Typed) -> SourceError:
    """The error about something that would have to be known before the query runs."""
    span = span_of(value.expression) or context.scope.session.text.source.whole()
    return SourceError("unsupported", f"{what} is not supported", span)


def hash_text(operation: Operation, value: Typed) -> Typed:
    """A hash of the UTF-8 text."""
    return apply(operation, as_text(value))


@FUNCTIONS.define
def md5(context: EvalContext, value: Typed) -> Typed:
    """MD5 of the text in lower-case hex.

        md5("abc") -> "900150983cd24fb0d6963f7d28e17f72"
        md5("")    -> "d41d8cd98f00b204e9800998ecf8427e"
        md5(5)     -> "e4da3b7fbbce2345d7772b0674a318d5"
        md5(null()) -> null

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.md5, value)


@FUNCTIONS.define
def sha1(context: EvalContext, value: Typed) -> Typed:
    """SHA-1 of the text in lower-case hex.

        sha1("abc") -> "a9993e364706816aba3e25717850c26c9cd0d89d"
        sha1(null()) -> null
        sha1(split("a,b", ",")) -> null

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha1, value)


@FUNCTIONS.define
def sha256(context: EvalContext, value: Typed) -> Typed:
    """SHA-256 of the text in lower-case hex.

        substr(sha256("abc"), 1, 8) -> "ba7816bf"
        sha256(null()) -> null
        len(sha256("Grüße")) -> 64

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha256, value)


@FUNCTIONS.define
def sha512(context: EvalContext, value: Typed) -> Typed:
    """SHA-512 of the text in lower-case hex.

        substr(sha512("abc"), 1, 8) -> "ddaf35a1"
        sha512(null()) -> null
        len(sha512(5)) -> 128

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha512, value)
