"""Eval functions of text."""

from __future__ import annotations

import re

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, each, literal, number, over, text
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.paths import extracted
from harness.detection.languages.spl.patterns import checked
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import span_of
from harness.diagnostics import SourceError

CONVERSION = re.compile(r"%(%|[-+ #0]*(?:\d+|\*)?(?:\.\d+)?[a-zA-Z])")


@FUNCTIONS.define("len")
def len_(context: Context, value: Typed) -> Typed:
    """Number of characters.

        len("Grüße") -> 5

    Reference: reference/spl.md 5.2
    """
    return apply("length", text(value))


def mapped(operation: str, value: Typed) -> Typed:
    """An operation of text on each of several values."""
    if value.kind is not Kind.LIST:
        return apply(operation, text(value))
    parameter, element = each(value)
    return over("list_map", value, parameter, apply(operation, element))


@FUNCTIONS.define
def lower(context: Context, value: Typed) -> Typed:
    """In lower case; several values each.

        lower("CMD.exe") -> "cmd.exe"

    Reference: reference/spl.md 5.2
    """
    return mapped("lower", value)


@FUNCTIONS.define
def upper(context: Context, value: Typed) -> Typed:
    """In upper case; several values each.

        upper("cmd") -> "CMD"

    Reference: reference/spl.md 5.2
    """
    return mapped("upper", value)


@FUNCTIONS.define
def trim(context: Context, value: Typed, characters: Typed | None = None) -> Typed:
    """Without blanks and tabs, or without any of `characters`, at both ends.

        trim("  x ")      -> "x"
        trim("--x-", "-") -> "x"

    Reference: reference/spl.md 5.2
    """
    return apply("trim", text(value), text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def ltrim(context: Context, value: Typed, characters: Typed | None = None) -> Typed:
    """The same at the start only.

        ltrim("00x0", "0") -> "x0"

    Reference: reference/spl.md 5.2
    """
    return apply("trim_start", text(value), text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def rtrim(context: Context, value: Typed, characters: Typed | None = None) -> Typed:
    """The same at the end only.

        rtrim("00x0", "0") -> "00x"

    Reference: reference/spl.md 5.2
    """
    return apply("trim_end", text(value), text(characters) if characters else literal(" \t"))


@FUNCTIONS.define
def substr(context: Context, value: Typed, start: Typed, length: Typed | None = None) -> Typed:
    """Characters from place `start`, counted from 1, or from the end if negative.

        substr("splunk", 2, 3) -> "plu"
        substr("splunk", -3)   -> "unk"

    Reference: reference/spl.md 5.2
    """
    place = number(start)
    if isinstance(place.constant, float) and place.constant == 0:
        place = literal(1.0)
    rest = number(length) if length is not None else Typed(NOTHING.expression, Kind.NUMBER)
    return apply("substring", text(value), place, rest)


@FUNCTIONS.define
def replace(context: Context, value: Typed, regex: Typed, replacement: Typed) -> Typed:
    r"""Every match of a regular expression replaced; `\1` is a group.

        replace("1/14/2020", "^(\d+)/(\d+)", "\2/\1") -> "14/1/2020"
        replace("aXbX", "X", "")                      -> "ab"

    Reference: reference/spl.md 5.2
    """
    return apply("regex_replace", text(value), checked(regex), literal(""), text(replacement), literal(True))


@FUNCTIONS.define
def split(context: Context, value: Typed, delimiter: Typed) -> Typed:
    """The pieces between delimiters; every character for an empty delimiter.

        mvjoin(split("a,b,c", ","), "|") -> "a|b|c"

    Reference: reference/spl.md 5.2
    """
    return apply("list_split", text(value), text(delimiter))


@FUNCTIONS.define
def urldecode(context: Context, value: Typed) -> Typed:
    """With %41 become A.

        urldecode("http%3A%2F%2Fx") -> "http://x"

    Reference: reference/spl.md 5.2
    """
    return apply("url_decode", text(value))


@FUNCTIONS.define
def spath(context: Context, value: Typed, path: Typed) -> Typed:
    r"""The value at a path of a JSON or XML text.

        spath("{\"a\":{\"b\":5}}", "a.b") -> "5"

    Reference: reference/spl.md 5.2
    """
    constant = path.constant
    if path.kind is Kind.NULL:
        return NOTHING
    if not isinstance(constant, str):
        raise unsupported(context, "a computed path of `spath`", path)
    return extracted(text(value), str(constant))


@FUNCTIONS.define
def printf(context: Context, form: Typed, *values: Typed) -> Typed:
    """Values in the places of a C format.

        printf("%s has %03d", "x", 7) -> "x has 007"

    Reference: reference/spl.md 5.2
    """
    constant = form.constant
    if not isinstance(constant, str):
        raise unsupported(context, "a computed format of `printf`", form)
    parts: list[Typed] = []
    at, rest = 0, list(values)
    for found in CONVERSION.finditer(str(constant)):
        parts.append(literal(str(constant)[at : found.start()]))
        at = found.end()
        if found[1] == "%":
            parts.append(literal("%"))
        elif not rest:
            return NOTHING
        elif found[1][-1] in "sc":
            parts.append(text(rest.pop(0)))
        else:
            parts.append(apply("format_number", number(rest.pop(0)), literal(found[0])))
    parts.append(literal(str(constant)[at:]))
    parts = [p for p in parts if p.constant != ""]
    if any(p.kind is Kind.NULL for p in parts):
        return NOTHING
    return apply("concat", *parts) if parts else literal("")


def unsupported(context: Context, what: str, value: Typed) -> SourceError:
    """The error about something that would have to be known before the query runs."""
    span = span_of(value.expression) or context.scope.session.text.source.whole()
    return SourceError("unsupported", f"{what} is not supported", span)
