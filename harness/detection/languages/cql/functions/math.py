"""Functions of numbers."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

from harness.detection.languages.cql.binding import Name
from harness.detection.languages.cql.choices import Endian, Rounding, check_range
from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal, build_call
from harness.detection.plan.operation import Operation

ONE, TWO = Literal(1), Literal(2)
EXP = ops.exp


def hyperbolic(sign: Operation) -> Callable[[Expression], Expression]:
    """Half the sum or the difference of e^x and e^-x."""
    return lambda n: ops.divide(build_call(sign, build_call(EXP, n), build_call(EXP, ops.negate(n))), TWO)


FORMULAS: dict[str, tuple[str, str, Callable[[Expression], Expression]]] = {
    "abs": ("the number without its sign", "-2 -> 2", lambda n: ops.abs(n)),
    "ceil": ("the next integer above", "1.2 -> 2", lambda n: ops.ceil(n)),
    "floor": ("the next integer below", "1.8 -> 1", lambda n: ops.floor(n)),
    "sqrt": ("the square root", "9 -> 3", lambda n: ops.sqrt(n)),
    "exp": ("e to the power of the number", "0 -> 1", lambda n: ops.exp(n)),
    "expm1": (
        "e to the power of the number, minus 1",
        "0 -> 0",
        lambda n: ops.subtract(ops.exp(n), ONE),
    ),
    "log": ("the natural logarithm", "1 -> 0", lambda n: ops.ln(n)),
    "log10": ("the decimal logarithm", "1000 -> 3", lambda n: ops.log(n, Literal(10))),
    "log2": ("the binary logarithm", "8 -> 3", lambda n: ops.log(n, TWO)),
    "log1p": (
        "the natural logarithm of the number plus 1",
        "0 -> 0",
        lambda n: ops.ln(ops.add(n, ONE)),
    ),
    "sin": ("the sine", "0 -> 0", lambda n: ops.sin(n)),
    "cos": ("the cosine", "0 -> 1", lambda n: ops.cos(n)),
    "tan": ("the tangent", "0 -> 0", lambda n: ops.tan(n)),
    "arcsin": ("the angle with that sine", "0 -> 0", lambda n: ops.asin(n)),
    "arccos": ("the angle with that cosine", "1 -> 0", lambda n: ops.acos(n)),
    "arctan": ("the angle with that tangent", "0 -> 0", lambda n: ops.atan(n)),
    "sinh": ("the hyperbolic sine", "0 -> 0", hyperbolic(ops.subtract)),
    "cosh": ("the hyperbolic cosine", "0 -> 1", hyperbolic(ops.add)),
    "tanh": (
        "the hyperbolic tangent",
        "0 -> 0",
        lambda n: ops.divide(hyperbolic(ops.subtract)(n), hyperbolic(ops.add)(n)),
    ),
    "deg2rad": ("degrees as radians", "0 -> 0", lambda n: ops.multiply(n, Literal(pi / 180))),
    "rad2deg": ("radians as degrees", "0 -> 0", lambda n: ops.multiply(n, Literal(180 / pi))),
}


def register_math_function(short: str, summary: str, example: str, formula: Callable[[Expression], Expression]) -> None:
    """Puts one function of one number into the table."""

    def run(row: RowScope, field: Name) -> Expression:
        return formula(row.number(field))

    given, _, result = example.partition(" -> ")
    shown = f"a := {given} | math:{short}(a) -> _{short}={result}"
    run.__doc__ = f"{summary.capitalize()}.\n\n    {shown}\n\nReference: library.humio.com, math:{short}()\n"
    FUNCTIONS.value(f"math:{short}", into=f"_{short}")(run)


for name, (summary, example, formula) in FORMULAS.items():
    register_math_function(name, summary, example, formula)


@FUNCTIONS.value("math:mod", into="_mod")
def modulus(row: RowScope, field: Name, divisor: float) -> Expression:
    """The remainder with the sign of the divisor.

        a := -3 | math:mod(a, divisor=5) -> _mod=2

    Reference: library.humio.com, math:mod()
    """
    value, by = row.number(field), Literal(divisor)
    times = ops.floor(ops.divide(value, by))
    return ops.subtract(value, ops.multiply(times, by))


@FUNCTIONS.value("math:pow", into="_pow")
def power(row: RowScope, field: Name, exponent: float) -> Expression:
    """The number to a power.

        a := 2 | math:pow(a, exponent=10) -> _pow=1024

    Reference: library.humio.com, math:pow()
    """
    return ops.power(row.number(field), Literal(exponent))


@FUNCTIONS.value("math:arctan2", into="_arctan2")
def arctan2(row: RowScope, *, x: Name, y: Name) -> Expression:
    """The angle of the point (x, y).

        a := 0 | b := 1 | math:arctan2(x=b, y=a) -> _arctan2=0

    Reference: library.humio.com, math:arctan2()
    """
    return ops.atan2(row.number(y), row.number(x))


@FUNCTIONS.row("math:spherical2cartesian")
def spherical_to_cartesian(
    row: RowScope, *, azimuth: Name, polar: Name, radius: Name, as_: Name = "_spherical2cartesian"
) -> None:
    """The point at two angles in degrees and a distance from the middle; `z` points up.

        a := 0 | b := 90 | math:spherical2cartesian(azimuth=a, polar=b, radius=1.0, as=p) | z := round(p.z) -> z=1
        a := 0 | math:spherical2cartesian(azimuth=a, polar=a, radius=2, as=p) -> p.x=2 p.y=0 p.z=0

    Reference: library.humio.com, math:spherical2cartesian()
    """
    around, above = (ops.multiply(measure(row, n), Literal(pi / 180)) for n in (azimuth, polar))
    distance = measure(row, radius)
    level = ops.multiply(distance, ops.cos(above))
    row.assign(f"{as_}.x", ops.multiply(level, ops.cos(around)))
    row.assign(f"{as_}.y", ops.multiply(level, ops.sin(around)))
    row.assign(f"{as_}.z", ops.multiply(distance, ops.sin(above)))


def measure(row: RowScope, text: str) -> Expression:
    """A number that stands in the text, or that of a field."""
    value = parse_number_text(text)
    return row.number(text) if value is None else Literal(value)


@FUNCTIONS.value("round", into="=field")
def rounded(row: RowScope, field: Name, *, how: Rounding = "round") -> Expression:
    """The nearest integer, or the next one above or below, in place of the number.

        a := 2.5 | round(a) -> a=3
        a := 2.1 | x := round(a, how=ceil) -> x=3

    Reference: library.humio.com, round()
    """
    value = row.number(field)
    match how:
        case "ceil":
            return ops.ceil(value)
        case "floor":
            return ops.floor(value)
        case _:
            return ops.round(value, Literal(0))


@FUNCTIONS.value("parseInt", into="=field")
def parse_int(row: RowScope, field: Name, *, radix: float = 16, endian: Endian = "big") -> Expression:
    """The number that digits of a base stand for.

        a := "ff" | parseInt(a) -> a=255
        a := "0x10" | x := parseInt(a, radix=16) -> x=16

    Reference: library.humio.com, parseInt()
    """
    digits = row.text(field)
    if endian == "little":
        pairs = ops.regex_extract_all(digits, Literal("[0-9A-Fa-f]{2}"), Literal(""), Literal(0))
        digits = ops.list_join(ops.list_reverse(pairs), Literal(""))
    return ops.from_base(digits, Literal(check_range(row, "radix", radix, 2, 36)))
