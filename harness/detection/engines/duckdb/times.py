"""Times in DuckDB: arithmetic and strftime for zones that are literals; the rest is left to Python (None)."""

from __future__ import annotations

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.plan.values.calendar import FIXED
from harness.detection.plan.values.time_format import EARLIEST, LATEST, split_time_format
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.telemetry.events.time_text import fixed_offset, resolve_zone

# DuckDB has neither %e nor %k nor %l (an error), and %z depends on the type; what is not here Python writes.
SAME = {"Y", "y", "m", "B", "b", "d", "j", "a", "A", "u", "w", "U", "W", "V", "G", "H", "I", "M", "S", "p", "f"}
"""Codes that DuckDB's strftime writes alike."""
TRUNCATED = {"day": "day", "isoweek": "week", "month": "month", "quarter": "quarter", "year": "year"}
DUCKDB_TIME_PARTS = {"dayofweek": "isodow", "dayofyear": "doy", "isoweek": "week"}


def valid(seconds: SQL) -> SQL:
    """Within the years that have a text."""
    return exp.Between(
        # A day less at both ends, since a zone moves a time by up to that.
        this=b.sql_bracket(seconds),
        low=b.sql_number(EARLIEST + 86400),
        high=b.sql_number(LATEST - 86400),
    )


def spell_microseconds(seconds: SQL) -> SQL:
    """Whole microseconds."""
    return b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT")


def spell_local_time(seconds: SQL, zone: SQL) -> SQL | None:
    """The local time as TIMESTAMP; None where the zone is no literal or not known."""
    if (
        not b.is_literal(zone)
        or not isinstance(b.read_literal(zone), str)
        or resolve_zone(b.read_literal(zone)) is None
    ):
        return None
    # DuckDB knows names of zones only, offsets are added.
    offset = fixed_offset(b.read_literal(zone))
    if offset is None:
        return fn("timezone", zone, fn("make_timestamptz", spell_microseconds(seconds)))
    moved = spell_microseconds(seconds)
    if offset:
        moved = b.sql_infix(exp.Add, moved, b.sql_integer(offset * 1_000_000))
    return fn("make_timestamp", moved)


def spell_epoch_of_local(moment: SQL, zone: str) -> SQL:
    """Epoch seconds of a local time."""
    offset = fixed_offset(zone)
    if offset is None:
        return fn("epoch", fn("timezone", b.sql_text(zone), moment))
    made = fn("epoch", moment)
    return b.sql_infix(exp.Sub, made, b.sql_number(float(offset))) if offset else made


def find_literal_text(value: SQL) -> str | None:
    """The text of a literal, None for anything else."""
    found = b.read_literal(value) if b.is_literal(value) else None
    return found if isinstance(found, str) else None


@DUCKDB.spell(ops.format_time, twice=True)
def duckdb_format_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """One strftime where DuckDB has all codes."""
    text, place = find_literal_text(form), spell_local_time(seconds, zone)
    if text is None or place is None:
        return None
    made = ""
    for code, bare, plain in split_time_format(text):
        if not plain and (code not in SAME or bare) and code != "%":
            return None
        made += plain.replace("%", "%%") if plain else f"%{code}"
    # DuckDB refuses an empty format.
    if not made:
        return b.sql_case((valid(seconds), b.sql_text("")))
    return b.sql_case((valid(seconds), fn("strftime", place, b.sql_text(made))))


@DUCKDB.spell(ops.calendar_floor, twice=True)
def duckdb_calendar_floor(seconds: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Up to the hour by the zone's offset, from the day on by the calendar."""
    name, place, where = find_literal_text(unit), spell_local_time(seconds, zone), find_literal_text(zone)
    if name is None or place is None or where is None:
        return None
    if name in FIXED:
        size, offset = b.sql_number(float(FIXED[name])), fixed_offset(where)
        if offset is None:
            # The zone's offset at this very moment, so that hours are floored in zones of half hours too.
            east: SQL = b.sql_infix(exp.Sub, fn("epoch", place), fn("epoch", local_utc(seconds)))
        else:
            east = b.sql_number(float(offset))
        shifted = seconds if offset == 0 else b.sql_infix(exp.Add, seconds, east)
        rest = b.sql_infix(
            exp.Sub, shifted, b.sql_infix(exp.Mul, fn("floor", b.sql_infix(exp.Div, shifted, size)), size)
        )
        made = b.sql_infix(exp.Sub, seconds, rest)
    elif name == "week":
        # date_trunc begins weeks on Monday, SPL's @w on Sunday.
        day = spell_interval("1 day")
        moved = fn("date_trunc", b.sql_text("week"), b.sql_infix(exp.Add, place, day))
        made = spell_epoch_of_local(b.sql_infix(exp.Sub, b.cast(moved, "TIMESTAMP"), day), where)
    elif name in TRUNCATED:
        made = spell_epoch_of_local(b.cast(fn("date_trunc", b.sql_text(TRUNCATED[name]), place), "TIMESTAMP"), where)
    else:
        return None
    return b.sql_case((valid(seconds), made))


def local_utc(seconds: SQL) -> SQL:
    """The time in UTC as TIMESTAMP."""
    return fn("make_timestamp", spell_microseconds(seconds))


def spell_interval(text: str) -> SQL:
    """A literal interval."""
    return b.cast(b.sql_text(text), "INTERVAL")


@DUCKDB.spell(ops.calendar_add, twice=True)
def duckdb_calendar_add(seconds: SQL, count: SQL, unit: SQL, zone: SQL) -> SQL | None:
    """Fixed units are arithmetic; the calendar is left to Python."""
    name = find_literal_text(unit)
    if name not in FIXED:
        return None
    size = b.sql_number(float(FIXED[name]))
    return b.sql_infix(exp.Add, seconds, b.sql_infix(exp.Mul, count, size))


@DUCKDB.spell(ops.time_part, twice=True)
def duckdb_time_part(seconds: SQL, part: SQL, zone: SQL) -> SQL | None:
    """A part of the local time."""
    name, place = find_literal_text(part), spell_local_time(seconds, zone)
    if name is None or place is None:
        return None
    if name not in {*DUCKDB_TIME_PARTS, "year", "month", "day", "hour", "minute", "second"}:
        return b.cast(b.sql_null(), "DOUBLE")
    made = fn("date_part", b.sql_text(DUCKDB_TIME_PARTS.get(name, name)), place)
    return b.sql_case((valid(seconds), b.cast(made, "DOUBLE")))
