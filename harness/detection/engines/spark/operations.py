"""Operations and aggregates in Spark SQL. One table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import expressions as exp

from harness.detection.engines.spark.dialect import SPARK
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.values.regex import list_capture_groups, re2
from harness.detection.plan.values.time_format import split_time_format
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import Construct
from harness.telemetry.events.time_text import fixed_offset

# Anchored, since regexp_like finds a match anywhere; \z and not $, which in Java stands before a last line end too.
SPARK_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
# Java's own letters, not sqlglot's translation: that writes `DD` for %j, which gives "02" and not
# "002" (reference/engine.md 4).
TIME_CODES = {"Y": "yyyy", "y": "yy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "f": "SSSSSS"}
TIME_CODES |= {"B": "MMMM", "b": "MMM", "a": "EEE", "A": "EEEE", "I": "hh", "p": "a", "L": "SSS", "j": "DDD"}
SPARK_TIME_UNITS = {"second", "minute", "hour", "day", "month", "quarter", "year"}
SPARK_TIME_PARTS = {
    "year": "year",
    "month": "month",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}
SPARK_TIME_PARTS |= {"dayofyear": "doy", "isoweek": "week", "dayofweek": "dow_iso"}


def spell_spark_by_name(name: str) -> Callable[..., SQL]:
    """A function of the same arguments under Spark's own name."""
    return lambda *arguments: fn(name, *arguments)


def spell_spark_caseless_test(name: str) -> Callable[[SQL, SQL], SQL]:
    """A test of two texts in lower case."""
    return lambda x, y: fn(name, fn("lower", x), fn("lower", y))


for operation, name in {
    ops.starts_with: "startswith", ops.ends_with: "endswith", ops.contains: "contains", ops.lower: "lower",
    ops.upper: "upper", ops.concat: "concat", ops.replace_text: "replace", ops.trim: "btrim", ops.reverse: "reverse",
    ops.md5: "md5", ops.sha1: "sha1", ops.abs: "abs", ops.ceil: "ceil", ops.floor: "floor", ops.exp: "exp",
    ops.sin: "sin", ops.cos: "cos", ops.tan: "tan", ops.asin: "asin", ops.acos: "acos", ops.atan: "atan",
    ops.atan2: "atan2", ops.least: "least", ops.greatest: "greatest", ops.sqrt: "sqrt", ops.ln: "ln",
    ops.power: "pow", ops.list_concat: "concat", ops.list_join: "array_join", ops.list_distinct: "array_distinct",
    ops.list_sort: "sort_array", ops.list_reverse: "reverse", ops.list_contains: "array_contains",
    ops.list_any: "exists",
}.items():  # fmt: skip
    SPARK.spell(operation)(spell_spark_by_name(name))
for operation, name in {
    ops.starts_with_ci: "startswith",
    ops.ends_with_ci: "endswith",
    ops.contains_ci: "contains",
}.items():
    SPARK.spell(operation)(spell_spark_caseless_test(name))


@SPARK.spell(ops.equal_ci)
def spark_equal_ci(x: SQL, y: SQL) -> SQL:
    """Equal in lower case."""
    return b.eq(fn("lower", x), fn("lower", y))


@SPARK.spell(ops.in_ci)
def spark_in_ci(x: SQL, *others: SQL) -> SQL:
    """One of the others in lower case."""
    return exp.In(this=fn("lower", x), expressions=[fn("lower", o) for o in others])


def spell_spark_like(x: SQL, pattern: SQL, run: str, one: str) -> SQL | None:
    """LIKE with an escape of its own: a backslash would be one by itself."""
    if not b.is_literal(pattern) or not isinstance(b.read_literal(pattern), str):
        return None
    written = b.read_literal(pattern)
    # The escape character is the first to be escaped, or it would escape the escapes.
    for special in ("!", "%", "_"):
        written = written if special in (run, one) else written.replace(special, "!" + special)
    like = exp.Like(this=b.sql_bracket(x), expression=b.sql_text(written if run == "%" else written.replace(run, "%")))
    return exp.Escape(this=like, expression=b.sql_text("!"))


def pattern_test(run: str, one: str, fold: bool) -> Callable[[SQL, SQL], SQL | None]:
    """A test by a pattern whose `run` is any run of characters and `one` any one."""

    def spelled(x: SQL, pattern: SQL) -> SQL | None:
        """LIKE, both sides in lower case if folded."""
        if fold and b.is_literal(pattern) and isinstance(b.read_literal(pattern), str):
            return spell_spark_like(fn("lower", x), b.sql_text(b.read_literal(pattern).lower()), run, one)
        return None if fold else spell_spark_like(x, pattern, run, one)

    return spelled


for operation, (run, one, fold) in {
    ops.glob: ("*", "", False),
    ops.glob_ci: ("*", "", True),
    ops.like: ("%", "_", False),
    ops.like_ci: ("%", "_", True),
}.items():
    SPARK.spell(operation)(pattern_test(run, one, fold))


def java(regex: SQL, flags: SQL) -> SQL | None:
    """The RE2 form of a pattern, which Java reads alike; None where it has a POSIX class."""
    if not (b.is_literal(regex) and b.is_literal(flags)) or not isinstance(b.read_literal(regex), str):
        return None
    written = re2(b.read_literal(regex), b.read_literal(flags) or "")
    # Java reads [[:alpha:]] as a set of these letters.
    return None if written is None or "[:" in written else b.sql_text(written)


@SPARK.spell(ops.regex_found)
def spark_regex_found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """A match anywhere, by regexp_like."""
    pattern = java(regex, flags)
    return None if pattern is None else fn("regexp_like", t, pattern)


@SPARK.spell(ops.regex_extract, twice=True)
def spark_regex_extract(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """regexp_extract; null where nothing is found, and where a group is empty."""
    pattern = java(regex, flags)
    if pattern is None or not b.is_literal(group):
        return None
    number = list_capture_groups(b.read_literal(regex)).number(b.read_literal(group))
    return (
        None
        if number is None
        else fn("nullif", fn("regexp_extract", t, pattern, b.sql_integer(number)), b.sql_text(""))
    )


@SPARK.spell(ops.is_number)
def spark_is_number(x: SQL) -> SQL:
    """Whether `to_number` reads the text."""
    return fn("coalesce", fn("regexp_like", x, b.sql_text(SPARK_NUMBER)), b.sql_truth(False))


@SPARK.spell(ops.to_number, twice=True)
def spark_to_number(t: SQL) -> SQL:
    """The text where it is a number and nothing else."""
    # The pattern first: Spark 4's CAST raises for text that is none, and sqlglot prints TRY_CAST as CAST for `spark`.
    return b.sql_case((fn("regexp_like", t, b.sql_text(SPARK_NUMBER)), b.cast(t.copy(), "DOUBLE")))


@SPARK.spell(ops.to_text, twice=True)
def spark_to_text(n: SQL) -> SQL:
    """An integer without fraction, else Java's shortest text."""
    small = exp.LT(this=fn("abs", n.copy()), expression=b.sql_number(9e15))
    # Below 2^53 every whole double is exact as BIGINT; a larger one keeps Java's exponent,
    # Spark has no 128-bit integer.
    whole = exp.And(this=b.eq(n, fn("floor", n.copy())), expression=small)
    return b.sql_case((whole, b.cast(b.cast(n.copy(), "BIGINT"), "TEXT")), default=b.cast(n.copy(), "TEXT"))


@SPARK.spell(ops.truncate, twice=True)
def spark_truncate(n: SQL) -> SQL:
    """The integer part."""
    return b.sql_infix(exp.Mul, fn("sign", n), fn("floor", fn("abs", n.copy())))


def spell_spark_bitwise(node: type[exp.Expression]) -> Callable[[SQL, SQL], SQL]:
    """An operator on integers."""
    return lambda x, y: b.cast(exp.Paren(this=node(this=b.cast(x, "BIGINT"), expression=b.cast(y, "BIGINT"))), "DOUBLE")


for operation, node in {ops.bit_and: exp.BitwiseAnd, ops.bit_or: exp.BitwiseOr, ops.bit_xor: exp.BitwiseXor}.items():
    SPARK.spell(operation)(spell_spark_bitwise(node))


@SPARK.spell(ops.shift_left)
def spark_shift_left(x: SQL, y: SQL) -> SQL:
    """X * 2 ** y."""
    return b.sql_infix(exp.Mul, x, fn("pow", b.sql_number(2), y))


@SPARK.spell(ops.shift_right)
def spark_shift_right(x: SQL, y: SQL) -> SQL:
    """X / 2 ** y, rounded down."""
    return fn("floor", b.sql_infix(exp.Div, x, fn("pow", b.sql_number(2), y)))


@SPARK.spell(ops.length)
def spark_length(t: SQL) -> SQL:
    """Code points, as a double."""
    return b.cast(fn("char_length", t), "DOUBLE")


@SPARK.spell(ops.substring)
def spark_substring(t: SQL, start: SQL, size: SQL | None = None) -> SQL:
    """Characters from a place."""
    rest = size is None or (b.is_literal(size) and b.read_literal(size) is None)
    return (
        fn("substring", t, b.sql_place(start))
        if rest or size is None
        else fn("substring", t, b.sql_place(start), b.sql_place(size))
    )


@SPARK.spell(ops.position)
def spark_position(t: SQL, part: SQL) -> SQL:
    """instr, as a double."""
    return b.cast(fn("instr", t, part), "DOUBLE")


def spell_spark_trim(side: str) -> Callable[[SQL, SQL], SQL]:
    """TRIM of one side."""
    return lambda t, characters: exp.Trim(this=t, expression=characters, position=side)


SPARK.spell(ops.trim_start)(spell_spark_trim("LEADING"))
SPARK.spell(ops.trim_end)(spell_spark_trim("TRAILING"))


@SPARK.spell(ops.repeat)
def spark_repeat(t: SQL, n: SQL) -> SQL:
    """N times."""
    return fn("repeat", t, b.cast(b.sql_place(n), "INT"))


@SPARK.spell(ops.base64_encode)
def spark_base64_encode(t: SQL) -> SQL:
    """Of the UTF-8 bytes."""
    return fn("base64", fn("encode", t, b.sql_text("UTF-8")))


@SPARK.spell(ops.sha256)
def spark_sha256(t: SQL) -> SQL:
    """sha2 of 256 bits."""
    return fn("sha2", t, b.sql_integer(256))


@SPARK.spell(ops.sha512)
def spark_sha512(t: SQL) -> SQL:
    """sha2 of 512 bits."""
    return fn("sha2", t, b.sql_integer(512))


def spell_spark_local_time(seconds: SQL, zone: SQL) -> SQL:
    """The local time, in a session whose zone is UTC."""
    moment = fn("timestamp_micros", b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT"))
    utc = b.is_literal(zone) and isinstance(b.read_literal(zone), str) and fixed_offset(b.read_literal(zone)) == 0
    return moment if utc else fn("from_utc_timestamp", moment, zone)


@SPARK.spell(ops.format_time)
def spark_format_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """date_format where Java has all codes."""
    if not b.is_literal(form) or not isinstance(b.read_literal(form), str):
        return None
    written = ""
    for code, bare, plain in split_time_format(b.read_literal(form)):
        if not plain and (bare or code not in {*TIME_CODES, "%"}):
            return None
        # Between single quotes letters are text to Java; bare they would be codes, and unknown ones an error.
        fixed = plain or ("%" if code == "%" else "")
        written += "'" + fixed.replace("'", "''") + "'" if fixed else TIME_CODES[code]
    return fn("date_format", spell_spark_local_time(seconds, zone), b.sql_text(written))


@SPARK.spell(ops.calendar_floor)
def spark_calendar_floor(seconds: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """date_trunc, in UTC only."""
    utc = b.is_literal(zone) and isinstance(b.read_literal(zone), str) and fixed_offset(b.read_literal(zone)) == 0
    if not utc or not b.is_literal(unit) or b.read_literal(unit) not in SPARK_TIME_UNITS:
        return None
    # unix_timestamp reads in the session's zone, hence the note above the statement.
    return b.cast(fn("unix_timestamp", fn("date_trunc", unit, spell_spark_local_time(seconds, zone))), "DOUBLE")


@SPARK.spell(ops.time_part)
def spark_time_part(seconds: SQL, part: SQL, zone: SQL) -> SQL | None:
    """date_part of the local time."""
    if not b.is_literal(part) or b.read_literal(part) not in SPARK_TIME_PARTS:
        return None
    return b.cast(
        fn("date_part", b.sql_text(SPARK_TIME_PARTS[b.read_literal(part)]), spell_spark_local_time(seconds, zone)),
        "DOUBLE",
    )


def spell_spark_null_if_empty(lists: SQL) -> SQL:
    """Null for a list of nothing."""
    return fn("nullif", lists, b.cast(fn("array"), "TEXT[]"))


@SPARK.spell(ops.list_)
def spark_listed(*t: SQL) -> SQL:
    """The texts that are not null."""
    return spell_spark_null_if_empty(fn("array_compact", fn("array", *t)))


@SPARK.spell(ops.list_filter)
def spark_list_filter(lists: SQL, condition: SQL) -> SQL:
    """Elements for which it is true."""
    return spell_spark_null_if_empty(fn("filter", lists, condition))


@SPARK.spell(ops.list_length)
def spark_list_length(lists: SQL) -> SQL:
    """The number of elements as a double."""
    return b.cast(fn("cardinality", lists), "DOUBLE")


@SPARK.spell(ops.list_get)
def spark_list_get(lists: SQL, i: SQL) -> SQL:
    """The element at a place, null outside."""
    # element_at raises outside of the array in Spark 4.
    return fn("try_element_at", lists, b.cast(b.sql_place(i), "INT"))


@SPARK.spell(ops.list_slice, twice=True)
def spark_list_slice(lists: SQL, i: SQL, j: SQL) -> SQL | None:
    """slice, for places from the front."""
    if not (b.is_literal(i) and b.is_literal(j)) or min(b.read_literal(i), b.read_literal(j)) < 1:
        return None
    size = max(0, int(b.read_literal(j)) - int(b.read_literal(i)) + 1)
    return spell_spark_null_if_empty(fn("slice", lists, b.sql_place(i), b.sql_integer(size)))


@SPARK.spell(ops.list_split)
def spark_list_split(t: SQL, separator: SQL) -> SQL | None:
    """Split by a text, which Spark takes for a regular expression."""
    if not b.is_literal(separator) or not isinstance(b.read_literal(separator), str):
        return None
    return fn("split", t, b.sql_text("".join(c if c.isalnum() else "\\" + c for c in b.read_literal(separator))))


@SPARK.spell(ops.list_position)
def spark_list_position(lists: SQL, t: SQL) -> SQL:
    """Place of the first such element."""
    return b.cast(fn("nullif", fn("array_position", lists, t), b.sql_integer(0)), "DOUBLE")


@SPARK.spell(ops.json_text)
def spark_json_text(t: SQL, path: SQL) -> SQL:
    """get_json_object."""
    return fn("get_json_object", t, path)


@SPARK.spell(ops.events_joined)
def spark_events_joined(*events: SQL, **_: Any) -> SQL:
    """Distinct events of all lists."""
    return fn("sort_array", fn("array_distinct", fn("concat", *events)))


@SPARK.spell(Construct.UNNEST)
def spark_unnest(lists: SQL, name: str, place: str, keep_empty: bool) -> list[Any]:
    """A select item that makes a row of each element, with its place."""
    call = fn("posexplode_outer" if keep_empty else "posexplode", lists)
    return [exp.Aliases(this=call, expressions=[exp.to_identifier(n, quoted=True) for n in (place, name)])]


def spell_spark_aggregate(name: str) -> Callable[..., SQL]:
    """A function under Spark's own name."""
    return lambda around, *x: around(name, *x)


for operation, name in {
    ops.sum: "sum",
    ops.mean: "avg",
    ops.minimum: "min",
    ops.maximum: "max",
    ops.stdev_sample: "stddev_samp",
    ops.stdev_population: "stddev_pop",
    ops.variance_sample: "var_samp",
    ops.variance_population: "var_pop",
    ops.percentile: "percentile",
    ops.all_true: "bool_and",
    ops.any_true: "bool_or",
    ops.slope: "regr_slope",
    ops.intercept: "regr_intercept",
    ops.r_squared: "regr_r2",
}.items():
    SPARK.spell(operation)(spell_spark_aggregate(name))


@SPARK.spell(ops.count)
def spark_count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    return b.cast(around("count", *(x or (exp.Star(),))), "DOUBLE")


@SPARK.spell(ops.count_distinct)
def spark_count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    return b.cast(around("count", x, distinct=True), "DOUBLE")


@SPARK.spell(ops.values, kinds=True)
def spark_values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Distinct texts sorted by bytes."""
    # collect_set leaves nulls out by itself, unlike DuckDB's list (reference/engine.md 4).
    found = around("collect_set", t)
    if kinds[0] is Kind.LIST:
        found = fn("array_distinct", fn("flatten", found))
    # It gives an empty array where all are null; a list of the plan is never empty.
    return fn("nullif", fn("sort_array", found), b.cast(fn("array"), "TEXT[]"))


@SPARK.spell(ops.gather, kinds=True)
def spark_gather(around: Around, events: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """The distinct events of all rows."""
    found = around("collect_set", events)
    return fn("sort_array", fn("array_distinct", fn("flatten", found)) if kinds[0] is Kind.EVENTS else found)


@SPARK.spell(ops.row_number)
def spark_row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


def spell_spark_shift(name: str) -> Callable[..., SQL]:
    """The value so many rows away."""

    def spelled(around: Around, x: SQL, n: SQL | None = None) -> SQL:
        """LAG or LEAD by `n` rows, by one if not given."""
        return around(name, x, b.sql_integer(1) if n is None else b.sql_place(n))

    return spelled


for operation in (ops.lag, ops.lead):
    SPARK.spell(operation)(spell_spark_shift(operation.name))
