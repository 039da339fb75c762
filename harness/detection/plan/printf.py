"""C formats with all their conversions, as a Python function of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.digits import print_shortest_number
from harness.detection.plan.operation import Operation

PRINTF_CONVERSION = re.compile(r"%([-+ #0']*)(\*|\d{0,3})(?:\.(\*|\d{0,3}))?(?:hh|h|ll|l|L|j|t)?([a-zA-Z%])")
# z and p: text, and a pointer in hex; no source was found for these two, the others are C's own.
ALIASES = {"i": "d", "u": "d", "z": "s", "p": "X", "F": "f"}
# Three digits, as in the pattern above; chosen, no source: a width of a billion would take the memory.
WIDEST = 999


class Unfit(ValueError):
    """A value that a conversion cannot show, or none where one is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintfConversion:
    """One conversion: its letter, and how wide and precise it is."""

    flags: str
    width: int
    precision: int | None
    letter: str


def format_text(form: str, *values: str) -> str | None:
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
    ops.format_text: lambda form, *v: format_text(form, *map(print_argument, v))
}
