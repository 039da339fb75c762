"""Numbers as text and text as numbers, printf, lists of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from fractions import Fraction
from math import ceil, fsum, inf, isfinite, isnan, sqrt
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.late_pattern import late_pattern
from harness.record import record

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# ASCII: float() reads digits of every script, which SQL and both products do not.
NUMBER_TEXT = late_pattern(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NUMBER_CONVERSION = late_pattern(r"%([-+ #0]*)(\d{0,3})(?:\.(\d{0,3}))?(?:hh|h|ll|l|L|j|z|t)?([diouxXeEfFgGsc%])")
# A double has up to 309 digits before the point and quantize needs room for the decimals asked for.
EXACT = Context(prec=400)
# Chosen, no source; a range is a list in one cell.
LONGEST_NUMBER_TEXT = 1_000_000
"""Numbers that a range may have."""


def round_half_away(number: float, places: float = 0.0) -> float | None:
    """Half away from zero, on the shortest decimal text."""
    if not isfinite(number) or not isfinite(places):
        return number
    try:
        # Beyond these a double has no digits; scaleb of more would make texts of that length.
        unit = Decimal(1).scaleb(-max(-320, min(int(places), 330)))
        return float(Decimal(repr(float(number))).quantize(unit, ROUND_HALF_UP, EXACT))
    except InvalidOperation:
        return number


def print_shortest_number(number: float) -> str:
    """An integer without fraction, else the shortest decimal."""
    # As in DuckDB's spelling, so that a literal and a column of the same number are the same text.
    if isfinite(number) and number == int(number) and abs(number) < 1e38:
        return str(int(number))
    return repr(float(number)).removesuffix(".0")


def parse_number(text: str) -> float | None:
    """The number that a text is and nothing else; null of other text."""
    return float(text) if NUMBER_TEXT.fullmatch(text) else None


def compute_from_base(text: str, base: float) -> float | None:
    """The number that digits of a base write."""
    # int() would take `1_000` and prefixes such as 0x.
    if not 2 <= base <= 36 or not re.fullmatch(r"[+-]?\w+", text, re.ASCII) or "_" in text:
        return None
    try:
        return float(int(text, int(base)))
    except (ValueError, OverflowError):
        return None


def compute_to_base(number: float, base: float) -> str | None:
    """Digits of a base, the fraction cut off."""
    if not isfinite(number) or not 2 <= base <= 36:
        return None
    rest, made = abs(int(number)), ""
    while rest:
        rest, digit = divmod(rest, int(base))
        made = DIGITS[digit] + made
    return ("-" if number <= -1 else "") + (made or "0")


def compute_format_number(number: float, printf: str) -> str | None:
    """The number through the first C conversion of the text; null where there is none."""
    found = next((m for m in NUMBER_CONVERSION.finditer(printf) if m[4] != "%"), None)
    if found is None:
        return None
    flags, width, precision, kind = found.groups()
    kind = {"i": "d", "u": "d"}.get(kind, kind)
    if kind in "doxXc" and not isfinite(number):
        return None
    value: Any = int(number) if kind in "doxX" else print_shortest_number(number) if kind in "sc" else float(number)
    if kind == "o" and "#" in flags:
        flags, kind, value = flags.replace("#", ""), "s", f"0{value:o}"
    points = "" if precision is None else f".{precision or 0}"
    made = f"%{flags}{width}{points}{'s' if kind == 'c' else kind}" % (value,)
    return (printf[: found.start()] + made + printf[found.end() :]).replace("%%", "%")


def compute_group_digits(number: float, places: float) -> str | None:
    """With thousands commas and so many decimals."""
    if not isfinite(number):
        return print_shortest_number(number)
    exact = round_half_away(number, places)
    # 300 is chosen, no source: `format` writes as many decimals as it is asked for.
    return f"{exact:,.{max(0, min(int(places), 300))}f}"


def compute_list_range(start: float, end: float, step: float) -> list[str] | None:
    """Numbers as text from the first up to the second, at most a million."""
    if not step or not all(map(isfinite, (start, end, step))):
        return None
    count = max(0, -int((start - end) // step))
    return [print_shortest_number(start + i * step) for i in range(min(count, LONGEST_NUMBER_TEXT))] or None


NUMBER_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.round: round_half_away,
    ops.from_base: compute_from_base,
    ops.to_base: compute_to_base,
    ops.format_number: compute_format_number,
    ops.group_digits: compute_group_digits,
    ops.list_range: compute_list_range,
}


PRINTF_CONVERSION = late_pattern(r"%([-+ #0']*)(\*|\d{0,3})(?:\.(\*|\d{0,3}))?(?:hh|h|ll|l|L|j|t)?([a-zA-Z%])")
# z and p: text, and a pointer in hex; no source was found for these two, the others are C's own.
ALIASES = {"i": "d", "u": "d", "z": "s", "p": "X", "F": "f"}
# Three digits, as in the pattern above; chosen, no source: a width of a billion would take the memory.
WIDEST = 999


class Unfit(ValueError):
    """A value that a conversion cannot show, or none where one is needed."""


@record(kw_only=True)
class PrintfConversion:
    """One conversion: its letter, and how wide and precise it is."""

    flags: str
    width: int
    precision: int | None
    letter: str


def compute_format_text(form: str, *values: str) -> str | None:
    """The format with the values in place of its conversions; null where a value is missing or does not fit."""
    rest = iter(values)
    try:
        return PRINTF_CONVERSION.sub(lambda m: format_conversion(m, rest), form)
    except Unfit:
        return None


def format_conversion(found: re.Match[str], rest: Iterator[str]) -> str:
    """The text of one conversion; `*` takes its number from the values."""
    flags, width, precision, letter = found.groups()
    if letter == "%":
        return "%"
    wide = take_whole_number(rest) if width == "*" else int(width or 0)
    exact = None if precision is None else take_whole_number(rest) if precision == "*" else int(precision or 0)
    if wide < 0:
        flags, wide = flags + "-", -wide
    if wide > WIDEST or (exact or 0) > WIDEST:
        raise Unfit
    letter = ALIASES.get(letter, letter)
    if letter not in "aAcdeEfgGosxX":
        raise Unfit
    return format_in_conversion(
        PrintfConversion(flags=flags, width=wide, precision=exact, letter=letter), take_value(rest)
    )


def take_value(rest: Iterator[str]) -> str:
    """The next value; raises Unfit where there is none."""
    for value in rest:
        return value
    raise Unfit


def take_whole_number(rest: Iterator[str]) -> int:
    """The next value as a whole number."""
    return int(require_number(take_value(rest)))


def require_number(text: str) -> float:
    """A number; raises Unfit for text that is none."""
    try:
        value = float(text)
    except ValueError as error:
        raise Unfit from error
    # float() reads "1_000", infinity and nan.
    if not isfinite(value) or "_" in text:
        raise Unfit
    return value


def format_in_conversion(shape: PrintfConversion, value: str) -> str:
    """A value in its shape."""
    if shape.letter == "s":
        return pad_to_conversion(
            shape, "", value if shape.precision is None else value[: max(0, shape.precision)], zeros=False
        )
    if shape.letter == "c":
        return pad_to_conversion(shape, "", letter_of(value), zeros=False)
    number = require_number(value)
    sign = "-" if number < 0 else "+" if "+" in shape.flags else " " if " " in shape.flags else ""
    if shape.letter in "doxX":
        return pad_to_conversion(shape, *integer_digits(shape, sign, abs(int(number))), zeros=shape.precision is None)
    return pad_to_conversion(shape, *decimal_digits(shape, sign, abs(number)), zeros=True)


def letter_of(value: str) -> str:
    """The character of a code point, or the first one of a text."""
    try:
        return chr(int(require_number(value)))
    except (Unfit, ValueError, OverflowError):
        return value[:1]


def integer_digits(shape: PrintfConversion, sign: str, number: int) -> tuple[str, str]:
    """What stands before the digits of a whole number, and these."""
    body = format(number, {"d": "d"}.get(shape.letter, shape.letter))
    if shape.precision is not None:
        body = "" if not number and not shape.precision else body.rjust(shape.precision, "0")
    if "'" in shape.flags and shape.letter == "d":
        body = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", body)
    if "#" in shape.flags and number:
        if shape.letter == "o":
            body = body if body.startswith("0") else "0" + body
        elif shape.letter in "xX":
            sign += "0" + shape.letter
    return sign, body


def decimal_digits(shape: PrintfConversion, sign: str, number: float) -> tuple[str, str]:
    """The same of a number with a fraction."""
    exact = 6 if shape.precision is None else shape.precision
    if shape.letter in "aA":
        body = format_hexadecimal_float(number, shape.precision)
        sign, body = sign + body[:2], body[2:]
        return (sign.upper(), body.upper()) if shape.letter == "A" else (sign, body)
    form: Any = f"%{'#' if '#' in shape.flags else ''}.{exact}{shape.letter}"
    body = form % number
    if "'" in shape.flags and shape.letter == "f":
        integer, point, fraction = body.partition(".")
        body = f"{int(integer):,}{point}{fraction}"
    return sign, body


def format_hexadecimal_float(number: float, precision: int | None) -> str:
    """A number in hex with a power of two, rounded to so many digits."""
    mantissa, _, exponent = number.hex().partition("p")
    if precision is None:
        return re.sub(r"\.?0+$", "", mantissa) + "p" + exponent if "." in mantissa else f"{mantissa}p{exponent}"
    lead, _, digits = mantissa.removeprefix("0x").partition(".")
    scaled = int(lead + digits, 16)
    drop = 4 * (len(digits) - precision)
    if drop > 0:
        # Rounded half up on the binary digits, four of them to a hexadecimal one.
        scaled = (scaled + (1 << (drop - 1))) >> drop
    else:
        scaled <<= -drop
    text = format(scaled, "x")
    cut = len(text) - precision
    return f"0x{text[:cut]}{'.' if precision else ''}{text[cut:]}p{exponent}"


def pad_to_conversion(shape: PrintfConversion, sign: str, body: str, *, zeros: bool) -> str:
    """Filled up to the width: with blanks, or with zeros behind the sign."""
    missing = shape.width - len(sign) - len(body)
    if missing <= 0:
        return sign + body
    if "-" in shape.flags:
        return sign + body + " " * missing
    if "0" in shape.flags and zeros:
        return sign + "0" * missing + body
    return " " * missing + sign + body


def print_argument(value: Any) -> str:
    """A value as the text that a conversion reads."""
    return print_shortest_number(value) if isinstance(value, float) else str(value)


PRINTF_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.format_text: lambda form, *v: compute_format_text(form, *map(print_argument, v))
}


def compute_list_ordered(elements: Sequence[str], how: str, descending: bool) -> list[str]:
    """`text` but for case, or `number`: numbers by their size, then other text; equal elements stay in place."""
    if how == "text":
        return sorted(elements, key=str.casefold, reverse=descending)
    numbers = [e for e in elements if NUMBER_TEXT.fullmatch(e)]
    others = [e for e in elements if not NUMBER_TEXT.fullmatch(e)]
    ordered = sorted(numbers, key=float, reverse=descending)
    return [*ordered, *sorted(others, key=str.casefold, reverse=descending)]


LIST_ORDER_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.list_ordered: compute_list_ordered}


def compute_list_statistic(elements: Sequence[str], statistic: str, fraction: float = 0.0) -> float | None:
    """The statistic of that name over the elements that are numbers; null of none."""
    numbers = sorted(n for n in map(parse_number, elements) if n is not None)
    least = 2 if statistic.endswith("_sample") else 1
    if len(numbers) < least:
        return None
    if statistic == "percentile":
        return interpolate_percentile(numbers, fraction)
    if statistic == "rank":
        # The nearest rank, as DuckDB's quantile_disc takes it.
        return numbers[max(0, ceil(fraction * len(numbers)) - 1)]
    try:
        made = float(LIST_STATISTICS[statistic](numbers))
    except (OverflowError, ValueError):
        # Squares of infinities and of numbers beyond 1e154 have no double.
        return None
    return None if isnan(made) else made


def interpolate_percentile(numbers: Sequence[float], fraction: float) -> float:
    """A percentile of sorted numbers, linear between the nearest ranks."""
    place = fraction * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


def sum_numbers(numbers: Sequence[float]) -> float:
    """The sum with one rounding, so that the order of the numbers does not change its last digits."""
    # fsum raises where infinities meet, or where a sum on the way has no double.
    return fsum(numbers) if all(map(isfinite, numbers)) and sum(map(abs, numbers)) < inf else sum(numbers)


def compute_variance(numbers: Sequence[float], less: int) -> float:
    """The squares of deviations through the count, or through `less` less; n sum(x^2) - sum(x)^2 with one rounding."""
    exact = [Fraction(n) for n in numbers]
    squares = len(exact) * sum(n * n for n in exact) - sum(exact) ** 2
    return float(squares) / float(len(exact) * (len(exact) - less))


LIST_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum_numbers,
    "mean": lambda numbers: sum_numbers(numbers) / len(numbers),
    "minimum": min,
    "maximum": max,
    "stdev_sample": lambda numbers: sqrt(compute_variance(numbers, 1)),
    "stdev_population": lambda numbers: sqrt(compute_variance(numbers, 0)),
    "variance_sample": lambda numbers: compute_variance(numbers, 1),
    "variance_population": lambda numbers: compute_variance(numbers, 0),
}

LIST_STATISTIC_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.list_statistic: compute_list_statistic}
