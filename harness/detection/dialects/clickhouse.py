"""SQL of ClickHouse: the second opinion on what a plan means.

Its arrays cannot be null, so what hangs on an absent list is refused; a test of a text for a pattern is RE2 there too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.calendar import FIXED
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.plan.values.regex import list_capture_groups, re2
from harness.detection.plan.values.text import lower_characters
from harness.detection.plan.values.time_format import split_time_format
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import SqlDialect, spell_shared
from harness.detection.sql.expressions import caseless
from harness.detection.sql.writer import StatementWriter
from harness.telemetry.events.time_text import fixed_offset

CLICKHOUSE = SqlDialect(
    name="clickhouse",
    prints_as="clickhouse",
    orders=False,
    moves_frames=False,
    types={
        Kind.TEXT: "TEXT",
        Kind.NUMBER: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.LIST: "TEXT[]",
        Kind.NULL: "TEXT",
        Kind.EVENT: "BIGINT",
        Kind.EVENTS: "BIGINT[]",
    },
)
spell_shared(CLICKHOUSE)
CLICKHOUSE_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
CLICKHOUSE_FUNCTIONS: dict[Operation, str] = {
    ops.starts_with: "startsWith",
    ops.ends_with: "endsWith",
    ops.lower: "lowerUTF8",
    ops.upper: "upperUTF8",
    ops.concat: "concat",
    ops.replace_text: "replaceAll",
    ops.reverse: "reverseUTF8",
    ops.abs: "abs",
    ops.floor: "floor",
    ops.ceil: "ceil",
    ops.truncate: "trunc",
    ops.exp: "exp",
    ops.sin: "sin",
    ops.cos: "cos",
    ops.tan: "tan",
    ops.atan: "atan",
    ops.atan2: "atan2",
    ops.power: "pow",
    ops.coalesce: "coalesce",
    ops.list_contains: "has",
    ops.list_sort: "arraySort",
    ops.list_reverse: "reverse",
}
"""Operations that ClickHouse has under a name of its own."""
for operation, name in CLICKHOUSE_FUNCTIONS.items():
    CLICKHOUSE.spell(operation)(lambda *x, name=name: fn(name, *x))


def find_clickhouse_text(value: SQL) -> str | None:
    """The text of a literal, None for anything else."""
    found = b.read_literal(value) if b.is_literal(value) else None
    return found if isinstance(found, str) else None


@CLICKHOUSE.spell(ops.is_true)
def clickhouse_is_true(x: SQL) -> SQL:
    """False of null."""
    return fn("coalesce", x, b.sql_truth(False))


def spell_clickhouse_lower(x: SQL) -> SQL:
    """Text in lower case, a literal at once."""
    known = find_clickhouse_text(x)
    return fn("lowerUTF8", x) if known is None else b.sql_text(lower_characters(known))


def spell_clickhouse_pair(x: SQL, y: SQL) -> tuple[SQL, SQL]:
    """Both sides as they are compared without case."""
    known = find_clickhouse_text(y)
    if known is not None and caseless(known):
        return x, y
    return spell_clickhouse_lower(x), spell_clickhouse_lower(y)


@CLICKHOUSE.spell(ops.equal_ci)
def clickhouse_equal_ci(x: SQL, y: SQL) -> SQL:
    """Equal in lower case."""
    return b.eq(*spell_clickhouse_pair(x, y))


@CLICKHOUSE.spell(ops.in_ci)
def clickhouse_in_ci(x: SQL, *others: SQL) -> SQL:
    """One of the others in lower case."""
    return exp.In(this=spell_clickhouse_lower(x), expressions=[spell_clickhouse_lower(o) for o in others])


@CLICKHOUSE.spell(ops.contains)
def clickhouse_contains(x: SQL, y: SQL) -> SQL:
    """A place of the part that is not 0."""
    return b.sql_infix(exp.GT, fn("position", x, y), b.sql_integer(0))


for operation, test in {
    ops.starts_with_ci: lambda x, y: fn("startsWith", x, y),
    ops.ends_with_ci: lambda x, y: fn("endsWith", x, y),
    ops.contains_ci: clickhouse_contains,
}.items():
    CLICKHOUSE.spell(operation)(lambda x, y, test=test: test(*spell_clickhouse_pair(x, y)))

SPECIAL_IN_PATTERN = frozenset(r"\.+*?()|[]{}^$")


def spell_clickhouse_glob(run: str, one: str, *, fold: bool) -> Callable[[SQL, SQL], SQL | None]:
    """A pattern of runs and single characters as one for RE2: LIKE's escape cannot be chosen there."""

    def spelled(x: SQL, pattern: SQL) -> SQL | None:
        known = find_clickhouse_text(pattern)
        if known is None:
            return None
        known = lower_characters(known) if fold else known
        made = "".join(
            ".*" if c == run else "." if c == one else "\\" + c if c in SPECIAL_IN_PATTERN else c for c in known
        )
        return fn("match", spell_clickhouse_lower(x) if fold else x, b.sql_text(rf"(?s)\A{made}\z"))

    return spelled


for operation, (run, one, fold) in {
    ops.glob: ("*", "", False),
    ops.glob_ci: ("*", "", True),
    ops.like: ("%", "_", False),
    ops.like_ci: ("%", "_", True),
}.items():
    CLICKHOUSE.spell(operation)(spell_clickhouse_glob(run, one, fold=fold))


@CLICKHOUSE.spell(ops.regex_found)
def clickhouse_regex_found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """A match anywhere, by RE2."""
    text = find_clickhouse_text(regex)
    written = None if text is None else re2(text, find_clickhouse_text(flags) or "")
    # `.` takes line ends there unless it is told not to.
    return None if written is None else fn("match", t, b.sql_text(f"(?-s){written}"))


@CLICKHOUSE.spell(ops.regex_extract, twice=True)
def clickhouse_regex_extract(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """A group of the first match; null where it is empty, so patterns whose group may be are refused."""
    text = find_clickhouse_text(regex)
    written = None if text is None else re2(text, find_clickhouse_text(flags) or "", whole_match=True)
    if text is None or written is None or not b.is_literal(group):
        return None
    number = list_capture_groups(text).number(b.read_literal(group))
    if not number or "|" in text or "?" in text.replace("(?", "("):
        return None
    groups = fn("extractGroups", fn("assumeNotNull", t), b.sql_text(f"(?-s){written}"))
    found = fn("arrayElement", groups, b.sql_integer(number))
    return b.sql_case((exp.And(this=b.not_null(t), expression=fn("notEmpty", groups)), found))


@CLICKHOUSE.spell(ops.cidr_contains, twice=True)
def clickhouse_cidr_contains(t: SQL, *networks: SQL) -> SQL:
    """An address that is one, in any of the networks."""
    address = fn("assumeNotNull", t)
    valid = exp.Or(this=fn("isIPv4String", address), expression=fn("isIPv6String", address))
    inside = b.sql_balanced(exp.Or, [fn("isIPAddressInRange", address, n) for n in networks])
    return b.sql_case((b.is_null(t), b.cast(b.sql_null(), "BOOLEAN")), (valid, inside), default=b.sql_truth(False))


@CLICKHOUSE.spell(ops.length)
def clickhouse_length(t: SQL) -> SQL:
    """Code points, as a double."""
    return b.cast(fn("lengthUTF8", t), "DOUBLE")


@CLICKHOUSE.spell(ops.position)
def clickhouse_position(t: SQL, part: SQL) -> SQL:
    """Place of the part, as a double."""
    return b.cast(fn("positionUTF8", t, part), "DOUBLE")


@CLICKHOUSE.spell(ops.substring)
def clickhouse_substring(t: SQL, start: SQL, size: SQL | None = None) -> SQL | None:
    """Characters from a place that is a literal and lies in the text."""
    if not b.is_literal(start) or (b.read_literal(start) or 0) < 1:
        return None
    rest = size is None or (b.is_literal(size) and b.read_literal(size) is None)
    place = b.sql_integer(int(b.read_literal(start)))
    if rest or size is None:
        return fn("substringUTF8", t, place)
    if not b.is_literal(size) or b.read_literal(size) < 0:
        return None
    return fn("substringUTF8", t, place, b.sql_integer(int(b.read_literal(size))))


@CLICKHOUSE.spell(ops.to_number, twice=True)
def clickhouse_to_number(t: SQL) -> SQL:
    """The text where it is a number and nothing else."""
    return b.sql_case((fn("match", t, b.sql_text(CLICKHOUSE_NUMBER)), fn("toFloat64OrNull", t)))


@CLICKHOUSE.spell(ops.is_number)
def clickhouse_is_number(t: SQL) -> SQL:
    """Whether `to_number` reads the text."""
    return fn("coalesce", fn("match", t, b.sql_text(CLICKHOUSE_NUMBER)), b.sql_truth(False))


@CLICKHOUSE.spell(ops.to_text, twice=True)
def clickhouse_to_text(n: SQL) -> SQL:
    """An integer without fraction, else its shortest text, which has an exponent from 1e21 on."""
    if b.is_literal(n) and b.read_literal(n) is not None:
        return b.sql_text(print_shortest_number(b.read_literal(n)))
    whole = exp.And(this=b.eq(n, fn("trunc", n)), expression=exp.LT(this=fn("abs", n), expression=b.sql_number(9e15)))
    return b.sql_case((whole, fn("toString", fn("toInt64", n))), default=fn("toString", n))


@CLICKHOUSE.spell(ops.round)
def clickhouse_round(n: SQL, digits: SQL | None = None) -> SQL | None:
    """To whole numbers, half away from zero; ClickHouse rounds half to even."""
    if digits is not None and not (b.is_literal(digits) and b.read_literal(digits) == 0):
        return None
    return b.sql_infix(exp.Mul, fn("sign", n), fn("floor", b.sql_infix(exp.Add, fn("abs", n), b.sql_number(0.5))))


@CLICKHOUSE.spell(ops.sqrt, twice=True)
def clickhouse_sqrt(x: SQL) -> SQL:
    """Null of a negative number."""
    return b.sql_case((exp.GTE(this=x, expression=b.sql_number(0)), fn("sqrt", x)))


@CLICKHOUSE.spell(ops.ln, twice=True)
def clickhouse_ln(x: SQL) -> SQL:
    """Null unless positive."""
    return b.sql_case((exp.GT(this=x, expression=b.sql_number(0)), fn("log", x)))


for operation, name in {ops.md5: "MD5", ops.sha1: "SHA1", ops.sha256: "SHA256", ops.sha512: "SHA512"}.items():
    CLICKHOUSE.spell(operation)(lambda t, name=name: fn("lower", fn("hex", fn(name, t))))


CLICKHOUSE_TIME_CODES = {"Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "H": "%H", "M": "%i", "S": "%S", "j": "%j"}
CLICKHOUSE_TIME_CODES |= {"I": "%I", "p": "%p", "a": "%a", "b": "%b", "B": "%M", "%": "%%"}
CLICKHOUSE_TIME_PARTS = {
    "year": "toYear",
    "month": "toMonth",
    "day": "toDayOfMonth",
    "hour": "toHour",
    "minute": "toMinute",
    "second": "toSecond",
    "dayofweek": "toDayOfWeek",
    "dayofyear": "toDayOfYear",
    "isoweek": "toISOWeek",
}


def spell_clickhouse_moment(seconds: SQL, zone: SQL) -> SQL | None:
    """The time in UTC; None in another zone."""
    known = find_clickhouse_text(zone)
    if known is None or fixed_offset(known) != 0:
        return None
    micros = fn("toInt64", fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))))
    return fn("fromUnixTimestamp64Micro", micros, b.sql_text("UTC"))


@CLICKHOUSE.spell(ops.format_time)
def clickhouse_format_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """FormatDateTime where it has all codes."""
    text, moment = find_clickhouse_text(form), spell_clickhouse_moment(seconds, zone)
    if text is None or moment is None:
        return None
    written = ""
    for code, bare, plain in split_time_format(text):
        if not plain and (bare or code not in CLICKHOUSE_TIME_CODES):
            return None
        written += plain.replace("%", "%%") if plain else CLICKHOUSE_TIME_CODES[code]
    return fn("formatDateTime", moment, b.sql_text(written))


@CLICKHOUSE.spell(ops.time_part)
def clickhouse_time_part(seconds: SQL, part: SQL, zone: SQL) -> SQL | None:
    """A part of the time in UTC."""
    name, moment = find_clickhouse_text(part), spell_clickhouse_moment(seconds, zone)
    if name not in CLICKHOUSE_TIME_PARTS or moment is None:
        return None
    return b.cast(fn(CLICKHOUSE_TIME_PARTS[name], moment), "DOUBLE")


@CLICKHOUSE.spell(ops.calendar_floor)
def clickhouse_calendar_floor(seconds: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Arithmetic up to the day, in UTC."""
    name = find_clickhouse_text(unit)
    size = {**FIXED, "day": 86400}.get(name or "")
    if size is None or spell_clickhouse_moment(seconds, zone) is None:
        return None
    steps = fn("floor", b.sql_infix(exp.Div, seconds, b.sql_number(float(size))))
    return b.sql_infix(exp.Mul, steps, b.sql_number(float(size)))


def call_clickhouse_aggregate(name: str) -> Callable[..., SQL]:
    """A function under ClickHouse's own name; of no values it is null, and not 0."""
    return lambda around, *x: around(f"{name}OrNull", *x)


for operation, name in {
    ops.sum: "sum",
    ops.mean: "avg",
    ops.minimum: "min",
    ops.maximum: "max",
    ops.stdev_sample: "stddevSampStable",
    ops.stdev_population: "stddevPopStable",
    ops.variance_sample: "varSampStable",
    ops.variance_population: "varPopStable",
}.items():
    CLICKHOUSE.spell(operation)(call_clickhouse_aggregate(name))
for operation in (ops.stdev_sample, ops.variance_sample):
    spelled = CLICKHOUSE.spellings[operation]
    # Of one number it is NaN, of which there is no variance.
    CLICKHOUSE.spell(operation)(lambda around, x, spelled=spelled: fn("ifNotFinite", spelled(around, x), b.sql_null()))


@CLICKHOUSE.spell(ops.percentile)
def clickhouse_percentile(around: Around, x: SQL, fraction: SQL) -> SQL:
    """Linear between the nearest ranks."""
    made: SQL = around(f"quantileExactInclusiveOrNull({float(b.read_literal(fraction))!r})", x)
    return made


@CLICKHOUSE.spell(ops.count)
def clickhouse_count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    return b.cast(around("count", *(x or (exp.Star(),))), "DOUBLE")


@CLICKHOUSE.spell(ops.count_distinct)
def clickhouse_count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    return b.cast(around("uniqExact", x), "DOUBLE")


@CLICKHOUSE.spell(ops.values, kinds=True)
def clickhouse_values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL | None:
    """Distinct texts sorted by bytes; an empty array of none."""
    text = clickhouse_to_text(t) if kinds[0] is Kind.NUMBER else t
    if kinds[0] is Kind.LIST:
        return fn("arraySort", fn("arrayDistinct", fn("arrayFlatten", around("groupArray", t))))
    return fn("arraySort", around("groupUniqArray", text))


def spell_clickhouse_nth(name: str) -> Callable[[Around, SQL], SQL]:
    """The first or the last value that is not null, by the rows' numbers."""

    def spelled(around: Around, x: SQL) -> SQL:
        if around.window is not None:
            return around.nth("first" if name == "argMin" else "last", x)
        return around(f"{name}OrNull", x, around.order[0].this if around.order else b.sql_integer(1), present=x)

    return spelled


CLICKHOUSE.spell(ops.first)(spell_clickhouse_nth("argMin"))
CLICKHOUSE.spell(ops.last)(spell_clickhouse_nth("argMax"))


@CLICKHOUSE.spell(ops.row_number)
def clickhouse_row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


# By default `SELECT a AS c, c AS a` reads the new c, and a LEFT JOIN without a partner gives '' and 0 and no null.
CLICKHOUSE_SETTINGS = "SETTINGS prefer_column_name_to_alias = 1, join_use_nulls = 1"
REASON = "not in ClickHouse's table, which is a second opinion and no engine of plans"


def refuse_the_rest(every: dict[str, Any]) -> None:
    """Lists with a reason what the table has no word for."""
    missing = [o for o in every.values() if o not in CLICKHOUSE.spellings and o not in (ops.and_, ops.or_)]
    CLICKHOUSE.refuse(REASON, *missing)


refuse_the_rest(ops.PLAN_OPERATIONS)


def open_writer() -> StatementWriter:
    """A new writer."""
    return StatementWriter(CLICKHOUSE, ending=CLICKHOUSE_SETTINGS)
