"""`format`: Java's conversions over fields, and lengths of time as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.detection.languages.cql.binding import Name, Names, Zone
from harness.detection.languages.cql.choices import check_range
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.functions.time import cast_to_epoch, format_time_value
from harness.detection.languages.cql.nulls import never_null
from harness.detection.languages.cql.registry import FUNCTIONS, WrittenText
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.diagnostics import SourceError

FORMAT_CONVERSION = re.compile(r"%(?:(\d+)\$|(<))?([-+ #0,]*)(\d+)?(?:\.(\d+))?([tT]?[A-Za-z%])")
TIME_CONVERSIONS = {"L": "%L", "N": "%N", "F": "%F", "T": "%T", "D": "%D", "R": "%R", "s": "%s", "Q": "%Q"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion of a format."""

    flags: str
    width: int
    precision: int | None
    letter: str


@FUNCTIONS.value("format", into="_format", written=WrittenText.WORDS, grows=True)
def format_fields(row: RowScope, format: str, field: Names, *, timezone: Zone = "UTC") -> Expression:
    """Fields put into a text by Java's conversions.

        a := "WS01" | b := 3 | format("%s has %s", field=[a, b]) -> _format=WS01 has 3
        a := 1234.567 | format("%,.1f", field=a) -> _format=1,234.6
        a := 7 | format("%03d", field=a) -> _format=007
        a := "abcdef" | format("%.3s", field=a) -> _format=abc

    Reference: library.humio.com, format()
    """
    pieces: list[Expression] = []
    at, following, last = 0, 0, 0
    for found in FORMAT_CONVERSION.finditer(format):
        pieces.append(Literal(format[at : found.start()]))
        at = found.end()
        if found[6] in ("%", "n"):
            pieces.append(Literal("%" if found[6] == "%" else "\n"))
            continue
        if found[2]:
            which = last
        elif found[1]:
            which = int(found[1]) - 1
        else:
            which, following = following, following + 1
        last = which
        value = row.read(field[which]) if which < len(field) else NULL
        conversion = Conversion(found[3], int(found[4] or 0), int(found[5]) if found[5] else None, found[6])
        pieces.append(apply_conversion(row, value, conversion, timezone))
    pieces.append(Literal(format[at:]))
    return concat_texts(pieces)


def concat_texts(pieces: list[Expression]) -> Expression:
    """The pieces in one text, neighbouring literals as one."""
    made: list[Expression] = []
    for piece in pieces:
        if isinstance(piece, Literal) and made and isinstance(made[-1], Literal):
            made[-1] = Literal(f"{made[-1].value}{piece.value}")
        elif piece != Literal(""):
            made.append(piece)
    made = [p for p in made if p != Literal("")] or [Literal("")]
    return made[0] if len(made) == 1 else ops.concat(*tuple(made))


def apply_conversion(row: RowScope, value: Expression, how: Conversion, zone: str) -> Expression:
    """One value as its conversion writes it; what a missing one is the switch says."""
    letter = how.letter
    known = letter in "sbBcC" and never_null(row.text(value), row.flow.present)
    nothing = Literal("null" if known or row.meaning.switch("format-missing") == "null" else "")
    if letter[0] in "tT" and len(letter) == 2:
        moment = format_time_value(
            cast_to_epoch(row.number(value), "auto"), TIME_CONVERSIONS.get(letter[1], "%" + letter[1]), zone
        )
        return ops.coalesce(ops.upper(moment) if letter[0] == "T" else moment, nothing)
    if letter in "sbBcC":
        text: Expression = row.text(value)
        if how.precision is not None:
            text = ops.substring(text, Literal(1), Literal(how.precision))
        shown: Expression = ops.coalesce(text, nothing)
        return pad_to_width(ops.upper(shown) if letter in "BC" else shown, how)
    if letter not in "diuxXofFeEgG":
        place = row.flow.span or row.meaning.source.whole()
        help = "conversions are d, i, x, X, o, f, e, g, s, b, c, n, % and those of times after t"
        raise SourceError("argument", f"`format` has no conversion `%{letter}`", place, help=help)
    number = row.number(value)
    whole: Expression = ops.truncate(number) if letter in "diuxXo" else number
    return ops.coalesce(format_numeric_conversion(whole, how), nothing)


def format_numeric_conversion(number: Expression, how: Conversion) -> Expression:
    """A number as its conversion writes it."""
    letter = "d" if how.letter in "iu" else how.letter
    digits = 6 if how.precision is None else how.precision
    if "," in how.flags:
        return pad_to_width(ops.group_digits(number, Literal(0 if letter == "d" else digits)), how)
    flags = "".join(f for f in how.flags if f in "-+ 0#")
    width = str(how.width) if how.width else ""
    precision = f".{digits}" if letter in "fFeEgG" else ""
    return ops.format_number(number, Literal(f"%{flags}{width}{precision}{letter}"))


def pad_to_width(text: Expression, how: Conversion) -> Expression:
    """The text filled with blanks up to the width."""
    if not how.width:
        return text
    if "-" in how.flags:
        return ops.reverse(ops.pad_start(ops.reverse(text), Literal(how.width), Literal(" ")))
    return ops.pad_start(text, Literal(how.width), Literal(" "))


DURATION_SIZES = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
SCALES = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@FUNCTIONS.value("formatDuration", into="=field", written=WrittenText.WORDS)
def format_duration(row: RowScope, field: Name, *, from_: str = "ms", precision: int = 0) -> Expression:
    """A length of time as days, hours, minutes, seconds and milliseconds; `precision` is how many of them.

        a := 23452553 | formatDuration(a) -> a=6h30m52s553ms
        a := 23452553 | formatDuration(a, precision=2) -> a=6h30m
        a := 90 | formatDuration(a, from=s) -> a=1m30s

    Reference: library.humio.com, formatDuration()
    """
    if from_ not in SCALES:
        raise SourceError("argument", f"`{from_}` is no unit of time", row.meaning.source.whole())
    check_range(row, "precision", precision, 0, len(DURATION_SIZES))
    whole = ops.round(ops.multiply(row.number(field), Literal(SCALES[from_])), Literal(0))
    length = row.keep(ops.abs(whole))
    pieces = []
    for i, (name, size) in enumerate(DURATION_SIZES):
        above = ops.modulo(whole, Literal(DURATION_SIZES[i - 1][1])) if i else length
        count = ops.floor(ops.divide(above, Literal(size)))
        shown = ops.greater(count, Literal(0))
        if precision and i >= precision:
            shown = ops.and_(shown, ops.less(length, Literal(DURATION_SIZES[i - precision][1])))
        pieces.append(ops.if_(shown, ops.concat(ops.to_text(count), Literal(name)), Literal("")))
    text = ops.concat(*tuple(pieces))
    nothing = ops.less(length, Literal(1))
    return ops.if_(ops.is_null(length), NULL, ops.if_(nothing, Literal("0ms"), text))
