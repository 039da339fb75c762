"""format, formatDuration, unit:convert."""

from __future__ import annotations

import re

from harness.detection.languages.cql.arguments import Name, Names, Zone
from harness.detection.languages.cql.coercion import never_null
from harness.detection.languages.cql.functions.time_date import cast_to_epoch, format_time_value
from harness.detection.languages.cql.option_values import check_range
from harness.detection.languages.cql.registry import FUNCTIONS, WrittenText
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.languages.cql.time_range import parse_milliseconds
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Kind, Literal
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern
from harness.record import record

# Java's Formatter, as far as the manual takes it over (reference/cql.md 9).
FORMAT_CONVERSION = late_pattern(r"%(?:(\d+)\$|(<))?([-+ #0,]*)(\d+)?(?:\.(\d+))?([tT]?[A-Za-z%])")
# Java's letters after `t` that formatTime writes otherwise or only with `%` before them.
TIME_CONVERSIONS = {"L": "%L", "N": "%N", "F": "%F", "T": "%T", "D": "%D", "R": "%R", "s": "%s", "Q": "%Q"}


@record
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
        # `%<s` takes the argument of the conversion before; it does not move on to the next.
        if found[2]:
            which = last
        elif found[1]:
            which = int(found[1]) - 1
        else:
            which, following = following, following + 1
        last = which
        # Fewer fields than conversions: what is missing is written as a missing field is.
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
    # What `%s` prints of a missing field is not known (reference/cql.md 9 and 19).
    nothing = Literal("null" if known or row.meaning.switch("format-missing") == "null" else "")
    if letter[0] in "tT" and len(letter) == 2:
        moment = format_time_value(
            cast_to_epoch(row.number(value), "auto"), TIME_CONVERSIONS.get(letter[1], "%" + letter[1]), zone
        )
        return ops.coalesce(ops.upper(moment) if letter[0] == "T" else moment, nothing)
    if letter in "sbBcC":
        text: Expression = row.text(value)
        if how.precision is not None:
            # In Java the precision of `%s` is the greatest length.
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
    # Java's default for `f` and `e` (reference/cql.md 9).
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
        # The plan pads at the start only.
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
    # Milliseconds are the smallest unit that is shown (reference/cql.md 9: `6h30m52s553ms`).
    whole = ops.round(ops.multiply(row.number(field), Literal(SCALES[from_])), Literal(0))
    length = row.keep(ops.abs(whole))
    pieces = []
    for i, (name, size) in enumerate(DURATION_SIZES):
        above = ops.modulo(whole, Literal(DURATION_SIZES[i - 1][1])) if i else length
        count = ops.floor(ops.divide(above, Literal(size)))
        shown = ops.greater(count, Literal(0))
        if precision and i >= precision:
            # `precision` counts units from the largest one that is there.
            shown = ops.and_(shown, ops.less(length, Literal(DURATION_SIZES[i - precision][1])))
        pieces.append(ops.if_(shown, ops.concat(ops.to_text(count), Literal(name)), Literal("")))
    text = ops.concat(*tuple(pieces))
    nothing = ops.less(length, Literal(1))
    return ops.if_(ops.is_null(length), NULL, ops.if_(nothing, Literal("0ms"), text))


# K, M, G and P are powers of 1000, Ki, Mi and Gi of 1024 (reference/cql.md 7.4).
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6, "z": 7, "y": 8}
# Both words mean one stretch of the chart (reference/cql.md 7.4).
STRETCH = ("span", "bucket")


def convert_chart_units(
    flow: Scope, functions: Syntax, units: Names, size: Expression, span: Span, keys: tuple[str, ...]
) -> None:
    """Converts the numbers of a chart; `units` has one conversion for all of them, or one for each function."""
    items = functions.items if isinstance(functions, Array) else (functions,)
    numbers = [n for n in flow.visible() if n not in keys and flow.columns[n] is Kind.NUMBER]
    if len(units) not in (1, len(items)):
        raise SourceError("argument", f"`unit` has one conversion, or one for each of {len(items)} functions", span)
    # Units are told apart by place, which is certain only where each function makes one column.
    if len(units) > 1 and len(numbers) != len(items):
        raise SourceError("argument", "`unit` for each of several functions needs each to give one number", span)
    each = units * len(numbers) if len(units) == 1 else units
    changed = tuple((n, conversion(Column(n), u, size, span)) for n, u in zip(numbers, each, strict=False))
    if changed:
        flow.derive(changed, span)


def conversion(value: Expression, text: str, size: Expression, span: Span) -> Expression:
    """A number after a conversion such as `bytes/span to Mbytes/day`; a unit alone only names what is counted."""
    before, to, after = text.partition(" to ")
    # `unit="events"` is an axis label.
    if not to:
        return value
    (many, over), (few, under) = parse_rate_unit(before, span), parse_rate_unit(after, span)
    if (over is None) != (under is None):
        raise SourceError("argument", f"`{text[:60]}` converts between a number and a rate", span)
    shown = ops.multiply(value, Literal(many / few))
    if over is None or under is None or over == under:
        return shown
    return ops.divide(ops.multiply(shown, build_length(under, size)), build_length(over, size))


def build_length(time: float | str, size: Expression) -> Expression:
    """A length of time in milliseconds, or that of a stretch of the chart."""
    return size if isinstance(time, str) else Literal(time)


def parse_rate_unit(text: str, span: Span) -> tuple[float, float | str | None]:
    """How many a unit counts, and in which time: milliseconds, `span`, or none."""
    base, _, time = text.partition("/")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)?\s*(?:([KMGTP])(i)?)?\s*.*", base, re.S)
    assert found is not None
    many = float(found[1] or 1) * (1024 if found[3] else 1000) ** POWERS[(found[2] or "").lower()]
    time = time.strip()
    if not time:
        return many, None
    return many, "span" if time in STRETCH else parse_milliseconds(time if time[:1].isdigit() else f"1{time}", span)


LARGE = "kMGTPEZY"
# Prefixes of the SI; both signs for micro are in use, U+00B5 among them.
SMALL = {"h": 1e2, "da": 10.0, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "n": 1e-9, "p": 1e-12}
SMALL |= {"f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24}
RATE_UNIT_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}
RATE_UNIT_SECONDS |= {"w": 604_800, "week": 604_800}
PREFIX = r"(da|[KMGTPEZY]i|[kKMGTPEZYhdcmu\xb5npfazy])?"
UNIT_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"


def prefixes(binary: bool) -> dict[str, float]:
    """What the prefixes of units stand for."""
    base = 1024 if binary else 1000
    made = {**SMALL, **{p: float(base ** (i + 1)) for i, p in enumerate(LARGE)}}
    return made | {"K": made["k"]} | {f"{p.upper()}i": float(1024 ** (i + 1)) for i, p in enumerate(LARGE)}


def split_unit(text: str, binary: bool, unit: str) -> tuple[float, str]:
    """How many a unit with its prefix stands for, in seconds where it is a rate, and the unit without the prefix."""
    base, _, time = text.strip().partition("/")
    found = re.fullmatch(f"{PREFIX}({re.escape(unit)})" if unit else f"{PREFIX}(.*)", base.strip())
    if found is None:
        return 1.0, base
    many = prefixes(binary)[found[1]] if found[1] else 1.0
    return many / RATE_UNIT_SECONDS.get(time.strip(), 1), found[2]


@FUNCTIONS.value("unit:convert", into="=field")
def convert_unit(
    row: RowScope,
    field: Name,
    *,
    to: str = "",
    from_: str = "",
    binary: bool = False,
    keepUnit: bool = False,
    unit: str = "",
) -> Expression:
    """A number of one unit as one of another; a rate is one of seconds.

        a := 5000000 | x := unit:convert(a, to=M) -> x=5
        a := 2048 | x := unit:convert(a, to=K, binary=true) -> x=2
        a := "5 MB" | unit:convert(a) -> a=5000000
        a := "5 MiB" | unit:convert(a) -> a=5242880
        a := "514 us" | unit:convert(a) -> a=0.000514
        a := "234.567" | unit:convert(a, from=k) -> a=234567
        a := "120 hits/min" | unit:convert(a, unit="hits") -> a=2

    Reference: library.humio.com, unit:convert()
    """
    divisor, base = split_unit(to, binary, unit)
    if from_:
        many, base = split_unit(from_, binary, unit)
        value = ops.multiply(row.number(field), Literal(many / divisor))
    else:
        value = ops.multiply(parse_number_with_unit(row.text(field), binary, unit), Literal(1 / divisor))
    # Factors such as 1e-3 are no doubles; nine digits hide what they leave over.
    exact = ops.round(value, Literal(9))
    shown = to + base if to in prefixes(binary) else to or base
    return ops.concat(row.text(exact), Literal(shown)) if keepUnit else exact


def parse_number_with_unit(text: Expression, binary: bool, unit: str) -> Expression:
    """The number of a text with its unit, which says by itself what it counts."""
    end = rf"{re.escape(unit)}" if unit else "[^/]*?"
    # The text says its own prefix and rate (`5 MB/s`); one that fits nothing has no number.
    pattern = Literal(rf"^\s*{UNIT_NUMBER}\s*{PREFIX}{end}\s*(?:/\s*([a-z]+))?\s*$")

    def part(group: int) -> Expression:
        return ops.regex_extract(text, pattern, Literal(""), Literal(group))

    many: list[Expression] = []
    for name, value in prefixes(binary).items():
        many += [ops.equal(part(2), Literal(name)), Literal(value)]
    over: list[Expression] = []
    for name, seconds in RATE_UNIT_SECONDS.items():
        over += [ops.equal(part(3), Literal(name)), Literal(float(seconds))]
    counted = ops.multiply(ops.to_number(part(1)), ops.case(Literal(1.0), *many))
    return ops.divide(counted, ops.case(Literal(1.0), *over))
