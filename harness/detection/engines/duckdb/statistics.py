"""Sums, means, variances and regressions in DuckDB that hang on the numbers alone, not on the order of rows or threads.

A double is split without loss into a whole and a fraction, and both are summed as integers, which gives the same in any
order; the sums become doubles again at the end, those of whole numbers with one rounding. Numbers that the integers
cannot hold, of 2^62 and more or with bits below 2^-90, are kept as a list that is sorted and summed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.detection.engines.duckdb.aggregates import spell_present_list
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn
from harness.late_pattern import late_pattern


def spell_whole(exponent: int) -> str:
    """A power of two as DuckDB reads an INT128."""
    return f"CAST({1 << exponent} AS HUGEINT)"


def spell_double(exponent: int) -> str:
    """A power of two as DuckDB reads a double."""
    return f"{2.0**exponent!r}" if "e" in repr(2.0**exponent) else f"{2.0**exponent!r}e0"


def compute_in_steps(steps: Sequence[Mapping[str, str]], result: str) -> str:
    """SQL that computes each value once; later steps and the result read it as `s.name`."""
    # A macro copies its argument to each place that uses it, so sums within sums would grow without bound; a lambda
    # within a lambda takes DuckDB 2.0.0 twice as long to plan, and eight of them 0.3 s.
    packed = [", ".join(f"{name} := {value}" for name, value in step.items()) for step in steps]
    made = f"[struct_pack({packed[0]})]"
    for values in packed[1:]:
        made = f"list_transform({made}, lambda s: struct_insert(s, {values}))"
    return f"list_extract(list_transform({made}, lambda s: {result}), 1)"


def join_parts(whole: str, part: str) -> str:
    """The double next to a whole and a fraction in units of 2^-90."""
    # The carry goes to the nearest whole, so that whole and fraction cannot cancel each other out.
    carry = f"CAST(round(CAST({part} AS DOUBLE) * {spell_double(-90)}) AS HUGEINT)"
    rest = f"CAST({part} - {carry} * {spell_whole(90)} AS DOUBLE) * {spell_double(-90)}"
    return f"CAST({whole} + {carry} AS DOUBLE) + {rest}"


def sum_of_list(numbers: str, macro: str) -> str:
    """The sum of what a macro gives for each member of a list."""
    return f"list_aggregate(list_transform(CAST({numbers} AS DOUBLE[]), lambda v: {macro}(v)), 'sum')"


# A double has 53 bits: one of 2^-37 and more has none below 2^-90. The square of one below 2^45 leaves an INT128 room
# for the squares of 2^37 rows.
LEAST = spell_double(-37)
SMALL_WHOLE = "(x = trunc(x) AND abs(x) < 2147483648e0)"
SQUARED = f"(abs(x) < {spell_double(45)} AND abs(x) >= {LEAST})"
# Veltkamp's half of a double and Dekker's product: a square is exactly x * x and this error.
HALF = "(x * 134217729e0 - (x * 134217729e0 - x))"
ERROR = f"((({HALF} * {HALF} - x * x) + 2e0 * {HALF} * (x - {HALF})) + (x - {HALF}) * (x - {HALF}))"

ROW_MACROS: Mapping[str, str] = {
    "whole_part(x)": f"CASE WHEN abs(x) < {spell_double(62)} THEN CAST(trunc(x) AS BIGINT) END",
    "fraction_part(x)": (
        f"CASE WHEN x <> trunc(x) AND abs(x) >= {LEAST} THEN CAST((x - trunc(x)) * {spell_double(90)} AS HUGEINT) END"
    ),
    "beyond_sum(x)": f"CASE WHEN abs(x) >= {spell_double(62)} OR (x <> 0e0 AND abs(x) < {LEAST}) THEN x END",
    "small_square(x)": f"CASE WHEN {SMALL_WHOLE} THEN CAST(x AS BIGINT) * CAST(x AS BIGINT) END",
    "square_whole(x)": (
        f"CASE WHEN {SQUARED} AND NOT {SMALL_WHOLE}"
        f" THEN CAST(trunc(x * x) AS HUGEINT) + CAST(trunc({ERROR}) AS HUGEINT) END"
    ),
    "square_fraction(x)": (
        f"CASE WHEN {SQUARED} AND x <> trunc(x) THEN CAST((x * x - trunc(x * x)) * {spell_double(90)} AS HUGEINT)"
        f" + CAST(({ERROR} - trunc({ERROR})) * {spell_double(90)} AS HUGEINT) END"
    ),
    "beyond_square(x)": f"CASE WHEN x <> 0e0 AND NOT {SQUARED} THEN x END",
    # Pairs of a regression: sums of products of small whole numbers; all others are a list.
    "is_small_pair(y, x)": f"({SMALL_WHOLE} AND {SMALL_WHOLE.replace('x', 'y')})",
    "pair_product(y, x, a, b)": "CASE WHEN is_small_pair(y, x) THEN CAST(a AS BIGINT) * CAST(b AS BIGINT) END",
    "beyond_pair(y, x)": (
        "CASE WHEN y IS NOT NULL AND x IS NOT NULL AND NOT is_small_pair(y, x) THEN struct_pack(y := y, x := x) END"
    ),
}
"""What is summed of each row."""

SUM_MACROS: Mapping[str, str] = {
    # By halves: DuckDB 2.0.0 casts some integers above 2^53 to a double that is not the nearest.
    "nearest_double(h)": (
        f"CASE WHEN abs(h) < {1 << 62} THEN CAST(CAST(h AS BIGINT) AS DOUBLE)"
        f" ELSE CAST(CAST(h // {1 << 62} AS BIGINT) AS DOUBLE) * {spell_double(62)}"
        f" + CAST(CAST(h % {1 << 62} AS BIGINT) AS DOUBLE) END"
    ),
    "sorted_sum(l)": "coalesce(list_aggregate(list_sort(CAST(l AS DOUBLE[])), 'sum'), 0e0)",
    "joined_parts(t, f)": compute_in_steps([{"t": "t", "f": "f"}], join_parts("s.t", "s.f")),
    "exact_sum(t, f, beyond)": (
        "CASE WHEN f IS NULL AND beyond IS NULL THEN nearest_double(t)"
        " ELSE nullif(joined_parts(coalesce(t, 0), coalesce(f, 0)) + sorted_sum(beyond), CAST('nan' AS DOUBLE)) END"
    ),
}
"""Sums as doubles: of wholes `t`, of fractions `f` in units of 2^-90, of the list of what is beyond both."""

# The squares are shifted to a centre `c / p` near the mean before anything is rounded: D is the sum of (x - c)^2,
# S2 - c (2 S1 - n c), in integers of 2^-90. `p` is 2^30, or 1 where the mean takes up the bits.
SQUARES_STEPS: tuple[Mapping[str, str], ...] = (
    {
        "n": "n",
        "d": "d",
        "far": "CAST(beyond AS DOUBLE[])",
        "m": "CAST(n - coalesce(len(beyond), 0) AS HUGEINT)",
        # Numbers beyond squaring may be in the sums.
        "t": f"coalesce(t, 0) - coalesce({sum_of_list('beyond', 'whole_part')}, 0)",
        "f": f"coalesce(f, 0) - coalesce({sum_of_list('beyond', 'fraction_part')}, 0)",
        "t2": "t2",
        "f2": "f2",
    },
    {"w": f"s.t + s.f // {spell_whole(90)}", "g": f"s.f % {spell_whole(90)}"},
    {
        "mean": f"(CAST(s.w AS DOUBLE) + CAST(s.g AS DOUBLE) * {spell_double(-90)}) / nullif(CAST(s.m AS DOUBLE), 0e0)",
        "p": f"CASE WHEN abs(s.w) < s.m * {1 << 31} THEN {spell_whole(30)} ELSE {spell_whole(0)} END",
    },
    {"c": "CAST(round(s.mean * CAST(s.p AS DOUBLE)) AS HUGEINT)", "u": "2 * s.g"},
    {
        "a": "s.w * s.p - s.m * s.c",
        "q": "(2 * s.w * s.p - s.m * s.c) // s.p",
        "r": "(2 * s.w * s.p - s.m * s.c) % s.p",
    },
    {
        "i1": "s.c * s.q",
        "i2": "s.c * s.r",
        "i3": f"s.c * (s.u // {spell_whole(60)})",
        "i4": f"s.c * ((s.u % {spell_whole(60)}) // {spell_whole(30)})",
        "i5": f"s.c * (s.u % {spell_whole(30)})",
    },
    {
        "whole": (
            "s.t2 - (s.i1 // s.p + s.i2 // (s.p * s.p)"
            f" + s.i3 // (s.p * {spell_whole(30)}) + s.i4 // (s.p * {spell_whole(60)}))"
        ),
        "part": (
            f"s.f2 - ((s.i1 % s.p) * ({spell_whole(90)} // s.p)"
            f" + (s.i2 % (s.p * s.p)) * ({spell_whole(90)} // (s.p * s.p))"
            f" + (s.i3 % (s.p * {spell_whole(30)})) * ({spell_whole(60)} // s.p)"
            f" + (s.i4 % (s.p * {spell_whole(60)})) * ({spell_whole(30)} // s.p) + s.i5 // s.p)"
        ),
        "s": f"CAST(s.a * ({spell_whole(90)} // s.p) + s.g AS DOUBLE) * {spell_double(-90)}",
        "size": "CAST(s.m AS DOUBLE)",
    },
    {
        "squares": f"{join_parts('s.whole', 's.part')} - s.s * s.s / s.size",
        "centre": "CAST(s.c AS DOUBLE) / CAST(s.p AS DOUBLE) + s.s / s.size",
        # What the last bits of the sums can make of numbers that are all the same.
        "noise": f"s.size * CASE WHEN s.p > 1 THEN {spell_double(-88)} ELSE {spell_double(-52)} END",
    },
)
"""The steps from sums to the squares of deviations; each reads the values of those before it."""


SQUARES = "CASE WHEN s.squares > s.noise THEN s.squares ELSE 0e0 END"
# Numbers beyond the sums join at the end, by Chan's formula for two parts.
ALL_SQUARES = (
    f"({SQUARES} + coalesce(s.size * (s.centre - s.middle) * (s.centre - s.middle), 0e0)"
    " + coalesce(sorted_sum(list_transform(s.far, lambda v: (v - s.middle) * (v - s.middle))), 0e0)) / s.d"
)
ALL_CENTRE = (
    "CASE WHEN s.far IS NULL THEN s.centre"
    " WHEN s.m = 0 AND list_min(s.far) = list_max(s.far) THEN list_min(s.far)"
    " ELSE coalesce(s.centre * (s.size / s.n), 0e0) + sorted_sum(s.far) / s.n END"
)

# Of pairs of small whole numbers all products are exact, and a line through them is met to the last digit.
REGRESSION_STEPS: tuple[Mapping[str, str], ...] = (
    {
        "n": "n",
        "far": "CAST(beyond AS STRUCT(y DOUBLE, x DOUBLE)[])",
        "size": "CAST(n + coalesce(len(beyond), 0) AS DOUBLE)",
        "sy": "coalesce(sy, CAST(0 AS HUGEINT))",
        "sx": "coalesce(sx, CAST(0 AS HUGEINT))",
        "yy": "coalesce(nearest_double(n * syy - sy * sy), 0e0)",
        "xx": "coalesce(nearest_double(n * sxx - sx * sx), 0e0)",
        "xy": "coalesce(nearest_double(n * sxy - sx * sy), 0e0)",
    },
    {
        "my": "(nearest_double(s.sy) + sorted_sum(list_transform(s.far, lambda v: v.y))) / s.size",
        "mx": "(nearest_double(s.sx) + sorted_sum(list_transform(s.far, lambda v: v.x))) / s.size",
    },
    {"dy": "coalesce(nearest_double(s.sy) / nullif(s.n, 0) - s.my, 0e0)"}
    | {"dx": "coalesce(nearest_double(s.sx) / nullif(s.n, 0) - s.mx, 0e0)"},
    {
        # Divided by the count only where other pairs join: the quotient of two of these needs none.
        f"c{a}{b}": (
            f"CASE WHEN s.far IS NULL THEN s.{a}{b} ELSE coalesce(s.{a}{b} / nullif(s.n, 0), 0e0)"
            f" + s.n * s.d{a} * s.d{b}"
            f" + sorted_sum(list_transform(s.far, lambda v: (v.{a} - s.m{a}) * (v.{b} - s.m{b}))) END"
        )
        for a, b in ("xx", "xy", "yy")
    },
    {
        "slope": "s.cxy / nullif(s.cxx, 0e0)",
        "r_squared": "CASE WHEN s.cxx = 0 THEN NULL WHEN s.cyy = 0 THEN 1e0 ELSE s.cxy * s.cxy / (s.cxx * s.cyy) END",
    },
    {
        "intercept": (
            "CASE WHEN s.far IS NULL THEN (nearest_double(s.sy) - s.slope * nearest_double(s.sx)) / s.size"
            " ELSE s.my - s.slope * s.mx END"
        )
    },
)


def sums_of_list(*macros: str) -> str:
    """The sums of what macros give for the members of the list `s.l`."""
    return ", ".join(sum_of_list("s.l", macro) for macro in macros)


def list_beyond(macro: str) -> str:
    """The members of the list `s.l` that a macro gives, null for none."""
    return f"nullif(list_filter(s.l, lambda v: {macro}(v) IS NOT NULL), CAST([] AS DOUBLE[]))"


SQUARES_MACRO = "squares_within(n, d, t, f, t2, f2, beyond)"
SQUARES_NEEDED = "squares of fractions are needed for so many numbers: "
# Planning the whole takes 20 ms a statement, and counts need none of it: the first statement with fractions fails here.
SQUARES_STAND_IN = f"CAST(concat('{SQUARES_NEEDED}', n) AS DOUBLE)"
"""The body of the macro until a statement needs it."""

# A DDSketch with quadratic mapping: v = (1 + t) * 2^e falls into bucket floor(((4 - t) * t / 3 + e) * m), whose lower
# end is found the other way round (Masson, Rim and Lee, "DDSketch", VLDB 2019; reference/cql.md, addenda).
SKETCH_STEPS: tuple[Mapping[str, str], ...] = (
    {"v": "abs(x)", "sign": "sign(x)", "error": "accuracy"},
    {
        "near": "floor(log2(nullif(s.v, 0e0)))",
        "m": "ln(2e0) / (ln((1e0 + s.error) / (1e0 - s.error)) * 4e0 * ln(2e0) / 3e0)",
    },
    # The logarithm of a number next to a power of two may be that of the power.
    {"e": "s.near + CASE WHEN s.v < pow(2e0, s.near) THEN -1 WHEN s.v >= pow(2e0, s.near + 1) THEN 1 ELSE 0 END"},
    {"t": "s.v / pow(2e0, s.e) - 1e0"},
    {"place": "floor(((4e0 - s.t) * s.t / 3e0 + s.e) * s.m) / s.m"},
    {"whole": "floor(s.place)"},
    {"size": "coalesce((3e0 - sqrt(4e0 - 3e0 * (s.place - s.whole))) * pow(2e0, s.whole), s.v)"},
)

MEASURE_MACROS: Mapping[str, str] = {
    SQUARES_MACRO: compute_in_steps(
        [
            *SQUARES_STEPS,
            {"middle": ALL_CENTRE},
            {"variance": f"CASE WHEN s.far IS NULL THEN {SQUARES} / s.d ELSE {ALL_SQUARES} END"},
        ],
        "CASE WHEN isfinite(s.variance) THEN s.variance END",
    ),
    "exact_variance(n, d, t, f, q, t2, f2, beyond)": (
        "CASE WHEN d <= 0 THEN NULL WHEN f IS NULL AND t2 IS NULL AND beyond IS NULL"
        " THEN nearest_double(n * q - t * t) / nearest_double(CAST(n AS HUGEINT) * d)"
        " ELSE squares_within(n, d, t, f, coalesce(q, 0) + coalesce(t2, 0), coalesce(f2, 0), beyond) END"
    ),
    # Most thresholds are on counts, and DuckDB plans this in a tenth of the time.
    "count_variance(n, less, t, q)": (
        "CASE WHEN n > less THEN nearest_double(n * q - t * t)"
        " / nearest_double(CAST(n AS HUGEINT) * CAST(n - less AS HUGEINT)) END"
    ),
    "regression(n, sy, sx, syy, sxx, sxy, beyond)": compute_in_steps(
        REGRESSION_STEPS, "struct_pack(slope := s.slope, intercept := s.intercept, r_squared := s.r_squared)"
    ),
    "list_total(l)": compute_in_steps(
        [{"l": "CAST(l AS DOUBLE[])"}],
        f"exact_sum({sums_of_list('whole_part', 'fraction_part')}, {list_beyond('beyond_sum')})",
    ),
    "list_variance(l, less)": compute_in_steps(
        [{"l": "CAST(l AS DOUBLE[])", "less": "less"}],
        "exact_variance(len(s.l), len(s.l) - s.less,"
        f" {sums_of_list('whole_part', 'fraction_part', 'small_square', 'square_whole', 'square_fraction')},"
        f" {list_beyond('beyond_square')})",
    ),
    "sketched(x, accuracy)": compute_in_steps(SKETCH_STEPS, "s.sign * s.size * (1e0 + s.error)"),
}
"""Measures from sums: `d` is what the squares are divided by, `less` how much less than the count that is."""

STATISTIC_MACROS = {**ROW_MACROS, **SUM_MACROS, **MEASURE_MACROS}
"""By name with parameters; each uses only those before it."""


def sum_whole(around: Around, x: SQL, power: int = 1) -> SQL:
    """The sum of counts, or of their squares, as an INT128."""
    whole = b.cast(x, "BIGINT" if power == 1 else "INT128")
    return around("sum", whole if power == 1 else b.sql_infix(exp.Mul, whole, whole))


def spell_parts(around: Around, x: SQL) -> tuple[SQL, SQL, SQL]:
    """The sums of wholes and fractions, and the list of what is beyond them."""
    far = fn("beyond_sum", x)
    return around("sum", fn("whole_part", x)), around("sum", fn("fraction_part", x)), spell_present_list(around, far)


@DUCKDB.spell(ops.sum)
def duckdb_sum(around: Around, x: SQL) -> SQL:
    """The sum, the same in any order."""
    if around.whole:
        return fn("nearest_double", sum_whole(around, x))
    return fn("exact_sum", *spell_parts(around, x))


@DUCKDB.spell(ops.mean)
def duckdb_mean(around: Around, x: SQL) -> SQL:
    """The sum through the count."""
    # Of no numbers the sum is null, so nothing is divided by 0.
    return b.sql_infix(exp.Div, duckdb_sum(around, x), around("count", x))


def spell_variance(around: Around, x: SQL, sample: bool) -> SQL:
    """The squares of deviations through the count, or through one less."""
    count = around("count", x)
    if around.whole:
        return fn("count_variance", count, b.sql_integer(int(sample)), sum_whole(around, x), sum_whole(around, x, 2))
    whole, fraction, _ = spell_parts(around, x)
    far = fn("beyond_square", x)
    return fn(
        "exact_variance",
        count,
        b.sql_infix(exp.Sub, count, b.sql_integer(1)) if sample else count,
        whole,
        fraction,
        around("sum", fn("small_square", x)),
        around("sum", fn("square_whole", x)),
        around("sum", fn("square_fraction", x)),
        spell_present_list(around, far),
    )


DUCKDB.spell(ops.variance_sample)(lambda around, x: spell_variance(around, x, sample=True))
DUCKDB.spell(ops.variance_population)(lambda around, x: spell_variance(around, x, sample=False))
DUCKDB.spell(ops.stdev_sample)(lambda around, x: fn("sqrt", spell_variance(around, x, sample=True)))
DUCKDB.spell(ops.stdev_population)(lambda around, x: fn("sqrt", spell_variance(around, x, sample=False)))


@DUCKDB.spell(ops.percentile_below)
def duckdb_percentile_below(around: Around, x: SQL, fraction: SQL) -> SQL:
    """A member of the sorted list of all numbers: DuckDB's quantiles count the places otherwise."""
    last = b.sql_infix(exp.Sub, around("count", x), b.sql_integer(1))
    place = b.sql_infix(exp.Add, fn("floor", b.sql_infix(exp.Mul, fraction, last)), b.sql_integer(1))
    return fn("list_extract", fn("list_sort", spell_present_list(around, x)), b.cast(place, "BIGINT"))


@DUCKDB.spell(ops.sketch_value)
def duckdb_sketch_value(x: SQL, accuracy: SQL) -> SQL:
    """The number of the bucket that `x` falls into."""
    return fn("sketched", x, accuracy)


def spell_regression(measure: str) -> Callable[[Around, SQL, SQL], SQL]:
    """One measure of the straight line through pairs that lack neither number."""

    def spelled(around: Around, y: SQL, x: SQL) -> SQL:
        def total(first: SQL, second: SQL) -> SQL:
            return around("sum", fn("pair_product", y, x, first, second))

        one = b.sql_integer(1)
        far = fn("beyond_pair", y, x)
        sums = total(y, one), total(x, one), total(y, y), total(x, x), total(x, y)
        count = around("count", fn("pair_product", y, x, one, one))
        made = fn("regression", count, *sums, spell_present_list(around, far))
        return fn("struct_extract", made, b.sql_text(measure))

    return spelled


for operation in (ops.slope, ops.intercept, ops.r_squared):
    DUCKDB.spell(operation)(spell_regression(operation.name))

LIST_MEASURES: Mapping[Operation, Callable[[SQL], SQL]] = {
    ops.sum: lambda numbers: fn("list_total", numbers),
    ops.mean: lambda numbers: b.sql_infix(
        exp.Div, fn("list_total", numbers), fn("nullif", fn("len", numbers), b.sql_integer(0))
    ),
    ops.variance_sample: lambda numbers: fn("list_variance", numbers, b.sql_integer(1)),
    ops.variance_population: lambda numbers: fn("list_variance", numbers, b.sql_integer(0)),
    ops.stdev_sample: lambda numbers: fn("sqrt", fn("list_variance", numbers, b.sql_integer(1))),
    ops.stdev_population: lambda numbers: fn("sqrt", fn("list_variance", numbers, b.sql_integer(0))),
}
"""The same measures of a list's numbers."""
MACRO_BY_NAME = {header.partition("(")[0]: header for header in STATISTIC_MACROS}
MACRO_NAME = late_pattern(rf"\b(?:{'|'.join(MACRO_BY_NAME)})(?=\()")


def find_macros(text: str) -> list[str]:
    """The macros that a statement uses, themselves or through others, those first that others use; with parameters."""
    needed: set[str] = set()
    waiting = [text]
    while waiting:
        found = {MACRO_BY_NAME[n] for n in MACRO_NAME.findall(waiting.pop())} - needed
        needed |= found
        waiting += (STATISTIC_MACROS[m] for m in found)
    return [m for m in STATISTIC_MACROS if m in needed]
