"""SQL of Snowflake, as text."""

from __future__ import annotations

from harness.detection.plan import operations as ops
from harness.detection.plan.values.network import parse_ip_network
from harness.detection.plan.values.time_format import split_time_format
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.warehouse import WarehouseWords, find_text, make_warehouse_dialect
from harness.detection.sql.writer import StatementWriter
from harness.telemetry.events.time_text import fixed_offset

SNOWFLAKE_TIME_CODES = {"Y": "YYYY", "y": "YY", "m": "MM", "d": "DD", "H": "HH24", "I": "HH12", "M": "MI", "S": "SS"}
SNOWFLAKE_TIME_CODES |= {"b": "MON", "B": "MMMM", "a": "DY", "p": "AM"}


def spell_snowflake_network(t: SQL, *networks: SQL) -> SQL | None:
    """An IPv4 address as a number between the first and the last of a network."""
    known = [parse_ip_network(find_text(n) or "") for n in networks]
    if any(n is None or n.version != 4 for n in known):
        return None
    number = fn("get", fn("try_parse_ip", t, b.sql_text("INET")), b.sql_text("ipv4"))
    inside = [
        exp.Between(this=number, low=b.sql_integer(int(n.network_address)), high=b.sql_integer(int(n[-1])))
        for n in known
        if n is not None
    ]
    return fn("coalesce", b.sql_bracket(b.sql_balanced(exp.Or, inside)), b.sql_truth(False))


def spell_snowflake_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """TO_CHAR in UTC, where it has all codes."""
    text, place = find_text(form), find_text(zone)
    if text is None or place is None or fixed_offset(place) != 0:
        return None
    written = ""
    for code, bare, plain in split_time_format(text):
        if not plain and (bare or code not in SNOWFLAKE_TIME_CODES):
            return None
        written += f'"{plain}"' if plain and any(c.isalnum() for c in plain) else plain or SNOWFLAKE_TIME_CODES[code]
    micros = b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT")
    return fn("to_char", fn("to_timestamp_ntz", micros, b.sql_integer(6)), b.sql_text(written))


SNOWFLAKE = make_warehouse_dialect(
    WarehouseWords(
        name="snowflake",
        filters=False,
        functions={ops.starts_with: "startswith", ops.ends_with: "endswith", ops.md5: "md5", ops.sha1: "sha1"},
        aggregates={ops.all_true: "booland_agg", ops.any_true: "boolor_agg"},
        found=lambda t, pattern: b.sql_infix(exp.GT, fn("regexp_instr", t, pattern), b.sql_integer(0)),
        contains=lambda t, part: fn("contains", t, part),
        values=lambda around, t: fn("array_sort", around("array_agg", t, distinct=True)),
        members=lambda around, t: fn("array_sort", fn("array_distinct", fn("array_flatten", around("array_agg", t)))),
        to_number=lambda t: fn("try_to_double", t),
        spellings={ops.cidr_contains: spell_snowflake_network, ops.format_time: spell_snowflake_time},
    )
)


def open_writer() -> StatementWriter:
    """A new writer."""
    return StatementWriter(SNOWFLAKE, ("-- written for Snowflake and read again by a parser; not run anywhere",))
