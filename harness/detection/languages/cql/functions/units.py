"""Units: a number of one as one of another."""

from __future__ import annotations

import re

from harness.detection.languages.cql.binding import Name, Names, parse_milliseconds
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.diagnostics import SourceError, Span

POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6, "z": 7, "y": 8}
STRETCH = ("span", "bucket")


def convert_chart_units(
    flow: Scope, functions: Syntax, units: Names, size: Expression, span: Span, keys: tuple[str, ...]
) -> None:
    """Converts the numbers of a chart; `units` has one conversion for all of them, or one for each function."""
    items = functions.items if isinstance(functions, Array) else (functions,)
    numbers = [n for n in flow.visible() if n not in keys and flow.columns[n] is Kind.NUMBER]
    if len(units) not in (1, len(items)):
        raise SourceError("argument", f"`unit` has one conversion, or one for each of {len(items)} functions", span)
    if len(units) > 1 and len(numbers) != len(items):
        raise SourceError("argument", "`unit` for each of several functions needs each to give one number", span)
    each = units * len(numbers) if len(units) == 1 else units
    changed = tuple((n, conversion(Column(n), u, size, span)) for n, u in zip(numbers, each, strict=False))
    if changed:
        flow.derive(changed, span)


def conversion(value: Expression, text: str, size: Expression, span: Span) -> Expression:
    """A number after a conversion such as `bytes/span to Mbytes/day`; a unit alone only names what is counted."""
    before, to, after = text.partition(" to ")
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
SMALL = {"h": 1e2, "da": 10.0, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "\u00b5": 1e-6, "n": 1e-9, "p": 1e-12}
SMALL |= {"f": 1e-15, "a": 1e-18, "z": 1e-21, "y": 1e-24}
RATE_UNIT_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}
RATE_UNIT_SECONDS |= {"w": 604_800, "week": 604_800}
PREFIX = r"(da|[KMGTPEZY]i|[kKMGTPEZYhdcmu\u00b5npfazy])?"
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
    exact = ops.round(value, Literal(9))
    shown = to + base if to in prefixes(binary) else to or base
    return ops.concat(row.text(exact), Literal(shown)) if keepUnit else exact


def parse_number_with_unit(text: Expression, binary: bool, unit: str) -> Expression:
    """The number of a text with its unit, which says by itself what it counts."""
    end = rf"{re.escape(unit)}" if unit else "[^/]*?"
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
