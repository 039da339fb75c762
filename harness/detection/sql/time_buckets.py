"""Texts and parts of a time are codes: its hour, day or minute as a whole number, counted from the first one stored.

What `strftime` writes of an event's time is the same in a whole hour if the format says nothing finer. So is the time
a column of codes for that expression, whose dimension has a text for each hour between the first event and the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import floor

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import TimeSpan
from harness.detection.plan.expressions import (
    Call,
    Column,
    Expression,
    Literal,
    list_child_expressions,
    rebuild_expression,
)
from harness.detection.plan.values.time_format import LATEST, split_time_format
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import fn
from harness.record import record
from harness.telemetry.events.time_text import fixed_offset, resolve_zone

MICROSECONDS = 1_000_000
MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 86400
GRAINS_OF_CODES: Mapping[int, frozenset[str]] = {
    DAY_SECONDS: frozenset("YyCGgmBbdejaAuwUWV") | {"%"},
    HOUR_SECONDS: frozenset("HIklpP"),
    MINUTE_SECONDS: frozenset("M"),
    1: frozenset("S"),
}
"""For each code of a format, how many seconds long what it says holds."""
GRAINS_OF_UNITS = {"second": 1, "minute": MINUTE_SECONDS, "hour": HOUR_SECONDS}
"""Units that are shorter than a day; all others begin with one."""
COMPLETE = {
    DAY_SECONDS: frozenset("Ymd"),
    HOUR_SECONDS: frozenset("YmdH"),
    MINUTE_SECONDS: frozenset("YmdHM"),
    1: frozenset("YmdHMS"),
}
"""Codes that together tell each stretch of so many seconds from every other."""
# 1980-01-01: the last zone left an offset of odd seconds in 1972 (IANA tzdata, Africa/Monrovia). Since then clocks
# change on whole minutes: Newfoundland did at one minute past midnight until 2011.
WHOLE_MINUTES_SINCE = 315_532_800
LARGEST_DIMENSION = 1_000_000
"""Codes of a time; chosen, no source: a week of seconds is 604,800."""
# Chosen, no source: a text costs some ten times what a look-up does.
FEWEST_EVENTS_A_CODE = 10


@record(kw_only=True)
class TimeBuckets:
    """An expression of a time that holds for `grain` seconds: the time in seconds, and the expression of it alone.

    `offset` is how many seconds before a multiple of the grain a bucket begins; `first` is the first bucket's number,
    `count` how many there are. `distinct` says that no two buckets have the same value, `ordered` that a later one has
    a greater value.
    """

    seconds: Expression
    of_seconds: Expression
    grain: int
    offset: int
    first: int
    count: int
    distinct: bool
    ordered: bool

    def bucket_number(self, seconds: exp.Expression) -> exp.Expression:
        """The SQL of the bucket's number."""
        # As the engine writes times: rounded to the microsecond.
        whole = b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT")
        if self.offset:
            whole = b.sql_infix(exp.Add, whole, b.sql_integer(self.offset * MICROSECONDS))
        bucket = exp.IntDiv(this=b.sql_bracket(whole), expression=b.sql_integer(self.grain * MICROSECONDS))
        return b.cast(b.sql_infix(exp.Sub, bucket, b.sql_integer(self.first)), "INT")

    def starts_query(self) -> str:
        """The query that gives each bucket's number, and when it begins."""
        start = f"((range + {self.first}) * {self.grain} - {self.offset})"
        return f"SELECT CAST(range AS INTEGER) AS code, CAST({start} AS DOUBLE) AS value FROM range({self.count})"


SECONDS = "@seconds"
"""The column that a bucket's start is in an expression `of_seconds`."""


def find_time_buckets(expression: Expression, name: str, span: TimeSpan) -> TimeBuckets | None:
    """How an expression of one column of times can be made once a bucket; none if it looks at anything finer."""
    parts = list_time_parts(expression)
    if not parts:
        return None
    seconds = parts[0].arguments[0]
    grains = [read_grain(part) for part in parts]
    if any(part.arguments[0] != seconds for part in parts) or None in grains:
        return None
    known = [grain for grain in grains if grain is not None]
    bounds = bound_values(seconds, name, span)
    offsets = {offset for _, offset in known}
    if bounds is None or len(offsets) > 1:
        return None
    (offset,) = offsets
    if offset is None and bounds[0] < WHOLE_MINUTES_SINCE:
        return None
    grain, east = min(g for g, _ in known), offset or 0
    # A zone with changes of its offset is looked at minute by minute; several hours may then have one text.
    grain = min(grain, MINUTE_SECONDS) if offset is None else grain
    first, last = (floor((round(bound * MICROSECONDS) / MICROSECONDS + east) / grain) for bound in bounds)
    count = last - first + 1
    if first < 0 or count > min(LARGEST_DIMENSION, span.events // FEWEST_EVENTS_A_CODE):
        return None

    def change(part: Expression) -> Expression:
        return Column(SECONDS) if part == seconds else part

    return TimeBuckets(
        seconds=seconds,
        of_seconds=rebuild_expression(expression, change),
        grain=grain,
        offset=east,
        first=first,
        count=count,
        distinct=offset is not None and bounds[1] < LATEST and is_complete(expression, grain),
        ordered=is_in_order(expression),
    )


def list_time_parts(expression: Expression) -> list[Call]:
    """The calls that look at a time, where every column of the expression stands inside of one; else none."""
    found: list[Call] = []
    stack = [expression]
    while stack:
        part = stack.pop()
        match part:
            case Call(ops.format_time | ops.calendar_floor | ops.time_part):
                found.append(part)
            case Column():
                return []
            case _:
                stack.extend(list_child_expressions(part))
    return found


def read_grain(part: Call) -> tuple[int, int | None] | None:
    """How many seconds long a call's value holds, and the offset of its zone, None of one that changes."""
    _, what, zone = part.arguments
    if not isinstance(what, Literal) or not isinstance(zone, Literal):
        return None
    if not isinstance(what.value, str) or not isinstance(zone.value, str) or resolve_zone(zone.value) is None:
        return None
    grain = GRAIN_READERS[part.operation](what.value)
    return None if grain is None else (grain, fixed_offset(zone.value))


def read_format_grain(text: str) -> int | None:
    """How long the text of a format holds."""
    codes = {code for code, _, _ in split_time_format(text) if code}
    grains = [next((g for g, own in GRAINS_OF_CODES.items() if code in own), None) for code in codes]
    return None if None in grains else min((g for g in grains if g is not None), default=DAY_SECONDS)


GRAIN_READERS: Mapping[object, Callable[[str], int | None]] = {
    ops.format_time: read_format_grain,
    ops.calendar_floor: lambda unit: GRAINS_OF_UNITS.get(unit, DAY_SECONDS),
    ops.time_part: lambda part: GRAINS_OF_UNITS.get(part, DAY_SECONDS),
}


def is_complete(expression: Expression, grain: int) -> bool:
    """Whether it is the text of a time that tells its bucket from every other."""
    match expression:
        case Call(ops.format_time, (_, Literal(str() as text), _)):
            return {code for code, _, _ in split_time_format(text)} >= COMPLETE[grain]
        case _:
            return False


def is_in_order(expression: Expression) -> bool:
    """Whether it is a text that begins with the year and says everything finer behind everything coarser."""
    match expression:
        case Call(ops.format_time, (_, Literal(str() as text), _)):
            codes = "".join("-" * bare + code for code, bare, _ in split_time_format(text))
            # Of four digits, since times before 1970 are no buckets.
            return codes != "" and "YmdHMS".startswith(codes)
        case _:
            return False


def bound_values(expression: Expression, name: str, span: TimeSpan) -> tuple[float, float] | None:
    """The least and the greatest value of an expression of a column of times, if that is easily told."""
    match expression:
        case Column(own) if own == name:
            return span.low, span.high
        case Literal(int() | float() as value) if not isinstance(value, bool):
            return float(value), float(value)
        case Call(ops.divide, (value, Literal(int() | float() as by))) if by > 0:
            found = bound_values(value, name, span)
            return None if found is None else (found[0] / by, found[1] / by)
        # LogScale takes small numbers for seconds.
        case Call(ops.if_, (Call(ops.less_equal, (compared, Literal(int() | float() as most))), then, otherwise)):
            found = bound_values(compared, name, span)
            if found is None or found[0] <= most < found[1]:
                return None
            return bound_values(then if found[1] <= most else otherwise, name, span)
        case _:
            return None
