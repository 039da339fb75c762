"""Numbers as text and text as numbers, where SQL has no word for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from math import isfinite
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
# ASCII: float() reads digits of every script, which SQL and both products do not.
NUMBER_TEXT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NUMBER_CONVERSION = re.compile(r"%([-+ #0]*)(\d{0,3})(?:\.(\d{0,3}))?(?:hh|h|ll|l|L|j|z|t)?([diouxXeEfFgGsc%])")
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


def from_base(text: str, base: float) -> float | None:
    """The number that digits of a base write."""
    # int() would take `1_000` and prefixes such as 0x.
    if not 2 <= base <= 36 or not re.fullmatch(r"[+-]?\w+", text, re.ASCII) or "_" in text:
        return None
    try:
        return float(int(text, int(base)))
    except (ValueError, OverflowError):
        return None


def to_base(number: float, base: float) -> str | None:
    """Digits of a base, the fraction cut off."""
    if not isfinite(number) or not 2 <= base <= 36:
        return None
    rest, made = abs(int(number)), ""
    while rest:
        rest, digit = divmod(rest, int(base))
        made = DIGITS[digit] + made
    return ("-" if number <= -1 else "") + (made or "0")


def format_number(number: float, printf: str) -> str | None:
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


def group_digits(number: float, places: float) -> str | None:
    """With thousands commas and so many decimals."""
    if not isfinite(number):
        return print_shortest_number(number)
    exact = round_half_away(number, places)
    # 300 is chosen, no source: `format` writes as many decimals as it is asked for.
    return f"{exact:,.{max(0, min(int(places), 300))}f}"


def list_range(start: float, end: float, step: float) -> list[str] | None:
    """Numbers as text from the first up to the second, at most a million."""
    if not step or not all(map(isfinite, (start, end, step))):
        return None
    count = max(0, -int((start - end) // step))
    return [print_shortest_number(start + i * step) for i in range(min(count, LONGEST_NUMBER_TEXT))] or None


NUMBER_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.round: round_half_away,
    ops.from_base: from_base,
    ops.to_base: to_base,
    ops.format_number: format_number,
    ops.group_digits: group_digits,
    ops.list_range: list_range,
}
