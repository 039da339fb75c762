"""Times in Spark SQL, in UTC; other zones and what Java's formats lack are left to Python (None)."""

from __future__ import annotations

from harness.detection.engines.spark.dialect import SPARK, find_spark_text
from harness.detection.plan import operations as ops
from harness.detection.plan.values.calendar import FIXED
from harness.detection.plan.values.time_format import EARLIEST, LATEST, split_time_format
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.telemetry.events.time_text import fixed_offset

# Java's own letters, not sqlglot's translation: that writes `DD` for %j, which gives "02" and not
# "002" (reference/engine.md 4).
JAVA_TIME_CODES = {"Y": "yyyy", "y": "yy", "m": "MM", "d": "dd", "H": "HH", "M": "mm", "S": "ss", "f": "SSSSSS"}
JAVA_TIME_CODES |= {"B": "MMMM", "b": "MMM", "a": "EEE", "A": "EEEE", "I": "hh", "p": "a", "L": "SSS", "j": "DDD"}
SPARK_TIME_UNITS = {"day": "DAY", "isoweek": "WEEK", "month": "MONTH", "quarter": "QUARTER", "year": "YEAR"}
SPARK_TIME_PARTS = {"year": "year", "month": "month", "day": "day", "hour": "hour", "minute": "minute"}
SPARK_TIME_PARTS |= {"dayofyear": "doy", "isoweek": "week", "dayofweek": "dow_iso"}


def is_spark_utc(zone: SQL) -> bool:
    """Whether a zone is the session's."""
    return (known := find_spark_text(zone)) is not None and fixed_offset(known) == 0


def spell_spark_moment(seconds: SQL) -> SQL:
    """The time, in a session whose zone is UTC."""
    micros = b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT")
    return fn("timestamp_micros", micros)


def spell_spark_dated(seconds: SQL, value: SQL) -> SQL:
    """The value of times within the years that have a text."""
    low, high = b.sql_number(EARLIEST + 86400), b.sql_number(LATEST - 86400)
    return b.sql_case((exp.Between(this=b.sql_bracket(seconds.copy()), low=low, high=high), value))


@SPARK.spell(ops.format_time, twice=True)
def spark_format_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """date_format where Java has all codes."""
    text = find_spark_text(form)
    if text is None or not is_spark_utc(zone):
        return None
    written = ""
    for code, bare, plain in split_time_format(text):
        if not plain and (bare or code not in {*JAVA_TIME_CODES, "%"}):
            return None
        # Between single quotes letters are text to Java; bare they would be codes, and unknown ones an error.
        fixed = plain or ("%" if code == "%" else "")
        written += "'" + fixed.replace("'", "''") + "'" if fixed else JAVA_TIME_CODES[code]
    # Java adds an empty quotation where two pieces of text touch.
    made = fn(
        "date_format",
        spell_spark_moment(seconds),
        b.sql_text(written.replace("''", "") if "'" not in text else written),
    )
    return spell_spark_dated(seconds, made) if written else None


@SPARK.spell(ops.calendar_floor, twice=True)
def spark_calendar_floor(seconds: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Arithmetic up to the hour, date_trunc from the day on; in UTC only."""
    name = find_spark_text(unit)
    if name is None or not is_spark_utc(zone):
        return None
    if name in FIXED:
        size = b.sql_number(float(FIXED[name]))
        steps = b.cast(fn("floor", b.sql_infix(exp.Div, seconds, size)), "DOUBLE")
        return spell_spark_dated(seconds, b.sql_infix(exp.Mul, steps, size.copy()))
    if name not in SPARK_TIME_UNITS:
        return None
    cut = fn("date_trunc", b.sql_text(SPARK_TIME_UNITS[name]), spell_spark_moment(seconds))
    return spell_spark_dated(seconds, b.cast(fn("unix_seconds", cut), "DOUBLE"))


@SPARK.spell(ops.time_part, twice=True)
def spark_time_part(seconds: SQL, part: SQL, zone: SQL) -> SQL | None:
    """date_part of the time in UTC."""
    name = find_spark_text(part)
    if name not in SPARK_TIME_PARTS or not is_spark_utc(zone):
        return None
    made = fn("date_part", b.sql_text(SPARK_TIME_PARTS[name]), spell_spark_moment(seconds))
    return spell_spark_dated(seconds, b.cast(made, "DOUBLE"))


@SPARK.spell(ops.calendar_add, twice=True)
def spark_calendar_add(seconds: SQL, count: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Fixed units are arithmetic; the calendar is left to Python."""
    name = find_spark_text(unit)
    if name not in FIXED:
        return None
    return b.sql_infix(exp.Add, seconds, b.sql_infix(exp.Mul, count, b.sql_number(float(FIXED[name]))))
