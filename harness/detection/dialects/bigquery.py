"""SQL of BigQuery, as text; its patterns are RE2's, as those of the engine here."""

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

BIGQUERY_TIME_CODES = set("YymdHIMSjbBaAp")


def spell_bigquery_network(t: SQL, *networks: SQL) -> SQL | None:
    """An address of the same length, cut to the bits of a network."""
    known = [parse_ip_network(find_text(n) or "") for n in networks]
    if any(n is None or n.version != 4 for n in known):
        return None
    address = fn("NET.SAFE_IP_FROM_STRING", t)
    inside = [
        b.eq(
            fn("NET.IP_TRUNC", address, b.sql_integer(n.prefixlen)),
            fn("NET.IP_FROM_STRING", b.sql_text(str(n.network_address))),
        )
        for n in known
        if n is not None
    ]
    short = b.eq(fn("byte_length", address), b.sql_integer(4))
    return b.sql_case((short, b.sql_balanced(exp.Or, inside)), default=b.sql_truth(False))


def spell_bigquery_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """FORMAT_TIMESTAMP, whose codes are those of strftime."""
    text, place = find_text(form), find_text(zone)
    codes = split_time_format(text or "")
    known = all(plain or (code in BIGQUERY_TIME_CODES and not bare) or code == "%" for code, bare, plain in codes)
    if text is None or place is None or fixed_offset(place) != 0 or not known:
        return None
    micros = b.cast(fn("round", b.sql_infix(exp.Mul, seconds, b.sql_number(1e6))), "BIGINT")
    return fn("format_timestamp", b.sql_text(text), fn("timestamp_micros", micros), b.sql_text("UTC"))


BIGQUERY = make_warehouse_dialect(
    WarehouseWords(
        name="bigquery",
        filters=False,
        functions={ops.starts_with: "starts_with", ops.ends_with: "ends_with"},
        aggregates={ops.all_true: "logical_and", ops.any_true: "logical_or"},
        found=lambda t, pattern: fn("regexp_contains", t, pattern),
        contains=lambda t, part: b.sql_infix(exp.GT, fn("strpos", t, part), b.sql_integer(0)),
        # Sorted where it is gathered; BigQuery has no function that sorts an array.
        values=lambda around, t: around("array_agg", exp.IgnoreNulls(this=exp.Distinct(expressions=[t]))),
        members=lambda around, t: fn("array_distinct", around("array_concat_agg", t)),
        to_number=lambda t: b.try_cast(t, "DOUBLE"),
        spellings={ops.cidr_contains: spell_bigquery_network, ops.format_time: spell_bigquery_time},
    )
)


def open_writer() -> StatementWriter:
    """A new writer."""
    return StatementWriter(BIGQUERY, ("-- written for BigQuery and read again by a parser; not run anywhere",))
