"""Functions that tell more of addresses and indicators, from tables that stand in for the product's own."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.language import Lookup
from harness.detection.languages.cql.binding import Name, Names
from harness.detection.languages.cql.coercion import PASSES
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.functions.lookups import (
    build_lookup_relation,
    check_table_columns,
    join_patterns,
    join_table,
    refuse_missing_table,
)
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, TRUE, Expression, Literal
from harness.diagnostics import Severity, SourceError

CONFIDENCE = ("high", "medium", "low", "unverified")
TYPES = ("ip_address", "domain", "url")


@FUNCTIONS.row("ipLocation")
def ip_location(row: RowScope, field: Name = "ip", *, as_: Name | None = None) -> None:
    """Country, city and coordinates of an address, from the lookup `ipLocation` whose column `network` holds networks.

        ip := "203.0.113.9" | ipLocation(ip) -> ip=203.0.113.9

    Reference: library.humio.com, ipLocation()
    """
    add_table_columns(row, "ipLocation", field, as_ or field, "network", "cidr")


@FUNCTIONS.row("asn")
def autonomous_system(row: RowScope, field: Name = "ip", *, as_: Name | None = None) -> None:
    """Number and owner of an address's network, from the lookup `asn` whose column `network` holds networks.

        ip := "203.0.113.9" | asn(ip) -> ip=203.0.113.9

    Reference: library.humio.com, asn()
    """
    add_table_columns(row, "asn", field, as_ or field, "network", "cidr")


def add_table_columns(row: RowScope, table: str, field: str, prefix: str, column: str, mode: str) -> None:
    """Puts a table's other columns into fields `prefix.column`."""
    lookup = row.meaning.lookup(table)
    if lookup is None:
        place = row.flow.span or row.meaning.source.whole()
        message = f"without a lookup `{table}` its fields are missing"
        row.meaning.tell("missing-lookup", table, message, place, severity=Severity.NOTE)
        return
    _, columns = join_patterns(row, lookup, ((row.text(field), column),), mode)
    for name, value in columns.items():
        if name != column:
            row.assign(f"{prefix}.{name}", value)


@FUNCTIONS.filter("ioc:lookup")
def ioc_lookup(
    row: RowScope,
    field: Names,
    *,
    type: str,
    confidenceThreshold: str = "high",
    include: Names = (),
    prefix: str = "ioc",
    strict: bool = False,
) -> Expression:
    """Whether the field is a known indicator, from the lookup `ioc`; what is known of it becomes fields.

        a := "203.0.113.9" | ioc:lookup(a, type="ip_address") -> a=203.0.113.9

    Reference: library.humio.com, ioc:lookup()
    """
    place = row.flow.span or row.meaning.source.whole()
    type, confidenceThreshold = type.lower(), confidenceThreshold.lower()
    for what, given, known in (("type", type, TYPES), ("confidenceThreshold", confidenceThreshold, CONFIDENCE)):
        if given not in known and given != "*":
            raise SourceError("argument", f"`{what}` is {', '.join(known)}, not `{given[:40]}`", place)
    lookup = row.meaning.lookup("ioc")
    if lookup is None:
        refuse_missing_table(row, "ioc", "table of indicators")
        return PASSES
    check_table_columns(row, "ioc", lookup, [(NULL, "indicator")])
    table = replace(
        lookup, rows=tuple(r for r in lookup.rows if matches_indicator(lookup, r, type, confidenceThreshold))
    )
    founds: list[Expression] = []
    for i, name in enumerate(field):
        found, columns = join_table(row, build_lookup_relation(table), table.columns, ((row.text(name), "indicator"),))
        founds.append(found)
        for column, value in columns.items():
            if not include or column in include:
                row.offer(f"{prefix}[{i}].{column}", value)
    detected = founds[0] if len(founds) == 1 else ops.or_(*tuple(founds))
    row.offer(f"{prefix}.detected", ops.if_(detected, Literal("true"), NULL))
    return detected if strict else TRUE


def matches_indicator(lookup: Lookup, cells: tuple[str, ...], type: str, threshold: str) -> bool:
    """Whether an indicator is of a type and known well enough, as far as the table tells."""
    known = dict(zip(lookup.columns, cells, strict=False))
    if known.get("type") and type != "*" and known["type"] not in (type, type.replace("_address", "")):
        return False
    sure = known.get("malicious_confidence", "").lower()
    return sure not in CONFIDENCE or threshold == "*" or CONFIDENCE.index(sure) <= CONFIDENCE.index(threshold)


@FUNCTIONS.row("rdns")
def reverse_dns(row: RowScope, field: Name, *, as_: Name = "hostname", limit: float = 0, server: str = "") -> None:
    """The name of an address, from the lookup `rdns` with the columns `ip` and `hostname`.

        ip := "203.0.113.9" | rdns(ip) -> ip=203.0.113.9

    Reference: library.humio.com, rdns()
    """
    add_host_name(row, field, as_)


@FUNCTIONS.row("reverseDns")
def reverse_dns_names(
    row: RowScope, field: Name, *, as_: Name = "_hostname", limit: float = 0, server: str = ""
) -> None:
    """The name of an address, from the lookup `rdns` with the columns `ip` and `hostname`.

        ip := "203.0.113.9" | reverseDns(ip) -> ip=203.0.113.9

    Reference: library.humio.com, reverseDns()
    """
    add_host_name(row, field, as_)


def add_host_name(row: RowScope, field: str, output: str) -> None:
    """The host name of an address."""
    lookup = row.meaning.lookup("rdns")
    if lookup is None:
        add_table_columns(row, "rdns", field, output, "ip", "string")
        return
    _, columns = join_table(row, build_lookup_relation(lookup), lookup.columns, ((row.text(field), "ip"),))
    row.assign(output, columns["hostname"])
