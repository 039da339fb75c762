"""Times in DuckDB: arithmetic and strftime for zones that are literals; the rest is left to Python (None)."""

from __future__ import annotations

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan.timeformat import EARLIEST, FIXED, LATEST, fixed_offset, pieces, zone_of
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn

SAME = {"Y", "y", "m", "B", "b", "d", "j", "a", "A", "u", "w", "U", "W", "V", "G", "H", "I", "M", "S", "p", "f"}
"""Codes that DuckDB's strftime writes alike."""
TRUNCATED = {"day": "day", "isoweek": "week", "month": "month", "quarter": "quarter", "year": "year"}
PARTS = {"dayofweek": "isodow", "dayofyear": "doy", "isoweek": "week"}


def valid(seconds: SQL) -> SQL:
    """Within the years that have a text."""
    return exp.Between(this=b.bracketed(seconds), low=b.number(EARLIEST + 86400), high=b.number(LATEST - 86400))


def micros(seconds: SQL) -> SQL:
    """Whole microseconds."""
    return b.cast(fn("round", b.binary(exp.Mul, seconds, b.number(1e6))), "BIGINT")


def local(seconds: SQL, zone: SQL) -> SQL | None:
    """The local time as TIMESTAMP; None where the zone is no literal or not known."""
    if not b.is_literal(zone) or not isinstance(b.literal(zone), str) or zone_of(b.literal(zone)) is None:
        return None
    offset = fixed_offset(b.literal(zone))
    if offset is None:
        return fn("timezone", zone, fn("make_timestamptz", micros(seconds)))
    moved = micros(seconds)
    if offset:
        moved = b.binary(exp.Add, moved, b.integer(offset * 1_000_000))
    return fn("make_timestamp", moved)


def back(moment: SQL, zone: str) -> SQL:
    """Epoch seconds of a local time."""
    offset = fixed_offset(zone)
    if offset is None:
        return fn("epoch", fn("timezone", b.text(zone), moment))
    made = fn("epoch", moment)
    return b.binary(exp.Sub, made, b.number(float(offset))) if offset else made


def literal_text(value: SQL) -> str | None:
    """The text of a literal, None for anything else."""
    found = b.literal(value) if b.is_literal(value) else None
    return found if isinstance(found, str) else None


@DUCKDB.spell("format_time", twice=True)
def format_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """One strftime where DuckDB has all codes."""
    text, place = literal_text(form), local(seconds, zone)
    if text is None or place is None:
        return None
    made = ""
    for code, bare, plain in pieces(text):
        if not plain and (code not in SAME or bare) and code != "%":
            return None
        made += plain.replace("%", "%%") if plain else f"%{code}"
    return b.case((valid(seconds.copy()), fn("strftime", place, b.text(made))))


@DUCKDB.spell("calendar_floor", twice=True)
def calendar_floor(seconds: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Up to the hour by the zone's offset, from the day on by the calendar."""
    name, place, where = literal_text(unit), local(seconds, zone), literal_text(zone)
    if name is None or place is None or where is None:
        return None
    if name in FIXED:
        size, offset = b.number(float(FIXED[name])), fixed_offset(where)
        if offset is None:
            east: SQL = b.binary(exp.Sub, fn("epoch", place), fn("epoch", local_utc(seconds)))
        else:
            east = b.number(float(offset))
        shifted = seconds.copy() if offset == 0 else b.binary(exp.Add, seconds.copy(), east)
        rest = b.binary(exp.Sub, shifted, b.binary(exp.Mul, fn("floor", b.binary(exp.Div, shifted.copy(), size)), size))
        made = b.binary(exp.Sub, seconds.copy(), rest)
    elif name == "week":
        day = interval("1 day")
        moved = fn("date_trunc", b.text("week"), b.binary(exp.Add, place, day))
        made = back(b.binary(exp.Sub, b.cast(moved, "TIMESTAMP"), day.copy()), where)
    elif name in TRUNCATED:
        made = back(b.cast(fn("date_trunc", b.text(TRUNCATED[name]), place), "TIMESTAMP"), where)
    else:
        return None
    return b.case((valid(seconds.copy()), made))


def local_utc(seconds: SQL) -> SQL:
    """The time in UTC as TIMESTAMP."""
    return fn("make_timestamp", micros(seconds.copy()))


def interval(text: str) -> SQL:
    """A literal interval."""
    return b.cast(b.text(text), "INTERVAL")


@DUCKDB.spell("calendar_add", twice=True)
def calendar_add(seconds: SQL, count: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Fixed units are arithmetic; the calendar is left to Python."""
    name = literal_text(unit)
    if name not in FIXED:
        return None
    size = b.number(float(FIXED[name]))
    return b.binary(exp.Add, seconds, b.binary(exp.Mul, count, size))


@DUCKDB.spell("time_part", twice=True)
def time_part(seconds: SQL, part: SQL, zone: SQL) -> SQL | None:
    """A part of the local time."""
    name, place = literal_text(part), local(seconds, zone)
    if name is None or place is None:
        return None
    if name not in {*PARTS, "year", "month", "day", "hour", "minute", "second"}:
        return b.cast(b.null(), "DOUBLE")
    made = fn("date_part", b.text(PARTS.get(name, name)), place)
    return b.case((valid(seconds.copy()), b.cast(made, "DOUBLE")))
