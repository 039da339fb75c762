"""math:*, round, parseInt, bitfield:*."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

from harness.detection.languages.cql.arguments import Name
from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.option_values import Endian, Rounding, check_range
from harness.detection.languages.cql.parameters import resolve_texts
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal, build_call
from harness.detection.plan.operation import Operation
from harness.diagnostics import SourceError

ONE, TWO = Literal(1), Literal(2)


def hyperbolic(sign: Operation) -> Callable[[Expression], Expression]:
    """Half the sum or the difference of e^x and e^-x."""
    return lambda n: ops.divide(build_call(sign, ops.exp(n), ops.exp(ops.negate(n))), TWO)


FORMULAS: dict[str, tuple[str, str, Callable[[Expression], Expression]]] = {
    "abs": ("the number without its sign", "-2 -> 2", ops.abs),
    "ceil": ("the next integer above", "1.2 -> 2", ops.ceil),
    "floor": ("the next integer below", "1.8 -> 1", ops.floor),
    "sqrt": ("the square root", "9 -> 3", ops.sqrt),
    "exp": ("e to the power of the number", "0 -> 1", ops.exp),
    "expm1": (
        "e to the power of the number, minus 1",
        "0 -> 0",
        lambda n: ops.subtract(ops.exp(n), ONE),
    ),
    "log": ("the natural logarithm", "1 -> 0", ops.ln),
    "log10": ("the decimal logarithm", "1000 -> 3", lambda n: ops.log(n, Literal(10))),
    "log2": ("the binary logarithm", "8 -> 3", lambda n: ops.log(n, TWO)),
    "log1p": (
        "the natural logarithm of the number plus 1",
        "0 -> 0",
        lambda n: ops.ln(ops.add(n, ONE)),
    ),
    "sin": ("the sine", "0 -> 0", ops.sin),
    "cos": ("the cosine", "0 -> 1", ops.cos),
    "tan": ("the tangent", "0 -> 0", ops.tan),
    "arcsin": ("the angle with that sine", "0 -> 0", ops.asin),
    "arccos": ("the angle with that cosine", "1 -> 0", ops.acos),
    "arctan": ("the angle with that tangent", "0 -> 0", ops.atan),
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
    # Floor modulus (reference/cql.md 9): the sign of the divisor, where SQL's has that of the number.
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
        case _ if row.meaning.switch("round-half") == "up":
            above = ops.ceil(value)
            # Of halves alone: 0.49999999999999994 + 0.5 is 1 as a double.
            half = ops.equal(ops.subtract(above, value), Literal(0.5))
            return ops.if_(half, above, ops.round(value, Literal(0)))
        case _:
            return ops.round(value, Literal(0))


@FUNCTIONS.value("parseInt", into="=field")
def parse_int(row: RowScope, field: Name, *, radix: float = 16, endian: Endian = "big") -> Expression:
    """The number that digits of a base stand for.

        a := "ff" | parseInt(a) -> a=255
        a := "0x10" | x := parseInt(a, radix=16) -> x=16

    Reference: library.humio.com, parseInt()
    """
    # Radix 16 is the default, whatever the digits look like (reference/cql.md 9).
    digits = row.text(field)
    if endian == "little":
        # Little endian turns bytes round, which are two hex digits each.
        pairs = ops.regex_extract_all(digits, Literal("[0-9A-Fa-f]{2}"), Literal(""), Literal(0))
        digits = ops.list_join(ops.list_reverse(pairs), Literal(""))
    return ops.from_base(digits, Literal(check_range(row, "radix", radix, 2, 36)))


# Bits of a 64-bit word; from bit 53 on a double no longer holds the lower ones exactly.
MOST_BITS = 64


def bind_bit_flags(row: RowScope, value: Syntax) -> list[tuple[int, str]]:
    """Bits and the fields or names for them."""
    made = []
    for item in value.items if isinstance(value, Array) else ():
        pair = resolve_texts(row.meaning, item)
        bit = parse_number_text(pair[0]) if len(pair) == 2 else None
        if bit is None or not 0 <= bit < MOST_BITS or bit != int(bit):
            message = f"expected a pair of a bit from 0 to {MOST_BITS - 1} and a name"
            raise SourceError("argument", message, item.span, help="one such as `[0, NAME]`")
        made.append((int(bit), pair[1]))
    if not made:
        raise SourceError("argument", "expected a list of pairs of bits and names", value.span)
    return made


def bit_set(row: RowScope, field: str, bit: int) -> Expression:
    """Whether a bit of a number is set."""
    number = row.number(field)
    # A shift by division: numbers are doubles, which have no bit operations.
    shifted = ops.floor(ops.divide(number, Literal(float(2**bit))))
    return ops.equal(ops.modulo(shifted, Literal(2)), Literal(1))


@FUNCTIONS.row("bitfield:extractFlags")
def extract_flags(row: RowScope, *, field: Name, output: Syntax, onlyTrue: bool = False) -> None:
    """Fields that say which bits of a number are set.

        a := 5 | bitfield:extractFlags(field=a, output=[[0, x], [1, y]]) -> x=true y=false

    Reference: library.humio.com, bitfield:extractFlags()
    """
    for bit, name in bind_bit_flags(row, output):
        is_set = bit_set(row, field, bit)
        value = ops.if_(is_set, Literal("true"), NULL if onlyTrue else Literal("false"))
        row.assign(name, ops.if_(ops.is_null(row.number(field)), NULL, value))


def set_names(row: RowScope, field: str, names: Syntax) -> Expression:
    """The names of the bits that are set."""
    return ops.list_(*(ops.if_(bit_set(row, field, b), Literal(n), NULL) for b, n in bind_bit_flags(row, names)))


@FUNCTIONS.row("bitfield:extractFlagsAsArray")
def extract_flags_array(row: RowScope, *, field: Name, flagNames: Syntax, asArray: Name = "_flags[]") -> None:
    """The names of the bits that are set as an array.

        a := 5 | bitfield:extractFlagsAsArray(field=a, flagNames=[[0, x], [2, z]]) | y := _flags[1] -> y=z

    Reference: library.humio.com, bitfield:extractFlagsAsArray()
    """
    row.assign(asArray, set_names(row, field, flagNames))


@FUNCTIONS.value("bitfield:extractFlagsAsString", into="_flags")
def extract_flags_text(row: RowScope, *, field: Name, flagNames: Syntax, separator: str = " ") -> Expression:
    """The names of the bits that are set in one text.

        a := 5 | bitfield:extractFlagsAsString(field=a, flagNames=[[0, x], [2, z]]) -> _flags=x z

    Reference: library.humio.com, bitfield:extractFlagsAsString()
    """
    return ops.list_join(set_names(row, field, flagNames), Literal(separator))
