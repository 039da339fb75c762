"""SQL of Trino, as text."""

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

# Those of MySQL: minutes are %i, the name of a month is %M.
TRINO_TIME_CODES = {"Y": "%Y", "y": "%y", "m": "%m", "d": "%d", "H": "%H", "I": "%h", "M": "%i", "S": "%s", "j": "%j"}
TRINO_TIME_CODES |= {"b": "%b", "B": "%M", "a": "%a", "A": "%W", "p": "%p", "%": "%%"}


def spell_trino_network(t: SQL, *networks: SQL) -> SQL | None:
    """`contains` of a network and an address, false of what is none."""
    if any(parse_ip_network(find_text(n) or "") is None for n in networks):
        return None
    address = exp.TryCast(this=t, to=exp.DataType.build("IPADDRESS"))
    inside = [fn("contains", n, address) for n in networks]
    return fn("coalesce", b.sql_bracket(b.sql_balanced(exp.Or, inside)), b.sql_truth(False))


def spell_trino_time(seconds: SQL, form: SQL, zone: SQL) -> SQL | None:
    """date_format in UTC, where it has all codes."""
    text, place = find_text(form), find_text(zone)
    if text is None or place is None or fixed_offset(place) != 0:
        return None
    written = ""
    for code, bare, plain in split_time_format(text):
        if not plain and (bare or code not in TRINO_TIME_CODES):
            return None
        written += plain.replace("%", "%%") if plain else TRINO_TIME_CODES[code]
    return fn("date_format", fn("from_unixtime", seconds, b.sql_text("UTC")), b.sql_text(written))


TRINO = make_warehouse_dialect(
    WarehouseWords(
        name="trino",
        filters=True,
        functions={ops.starts_with: "starts_with", ops.ends_with: "ends_with"},
        aggregates={ops.all_true: "bool_and", ops.any_true: "bool_or", ops.slope: "regr_slope"},
        found=lambda t, pattern: fn("regexp_like", t, pattern),
        contains=lambda t, part: b.sql_infix(exp.GT, fn("strpos", t, part), b.sql_integer(0)),
        values=lambda around, t: fn("array_sort", around("array_agg", t, present=t, distinct=True)),
        members=lambda around, t: fn(
            "array_sort", fn("array_distinct", fn("flatten", around("array_agg", t, present=t)))
        ),
        to_number=lambda t: b.try_cast(t, "DOUBLE"),
        spellings={ops.cidr_contains: spell_trino_network, ops.format_time: spell_trino_time},
    )
)


def open_writer() -> StatementWriter:
    """A new writer."""
    return StatementWriter(TRINO, ("-- written for Trino and read again by a parser; not run anywhere",))
