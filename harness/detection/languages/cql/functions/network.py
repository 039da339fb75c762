"""subnet, communityId, rdns, reverseDns, ioc:lookup."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.language import Lookup
from harness.detection.languages.cql.arguments import Name, Names
from harness.detection.languages.cql.coercion import PASSES
from harness.detection.languages.cql.functions.geolocation import add_table_columns
from harness.detection.languages.cql.functions.lookup import (
    build_lookup_relation,
    check_table_columns,
    join_table,
    refuse_missing_table,
)
from harness.detection.languages.cql.option_values import check_range
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, TRUE, Expression, Literal
from harness.diagnostics import SourceError

# From the surest on: a threshold takes all that stand before it.
CONFIDENCE = ("high", "medium", "low", "unverified")
TYPES = ("ip_address", "domain", "url")


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
    check_table_columns(row, "ioc", lookup.columns, ["indicator"])
    # Filtered before the join, so that a row of little confidence cannot hide one of more.
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
    # Tables of others call addresses `ip`.
    if known.get("type") and type != "*" and known["type"] not in (type, type.replace("_address", "")):
        return False
    sure = known.get("malicious_confidence", "").lower()
    # An indicator without a known confidence is not kept from anybody.
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
        # Only to tell, with the others, that the table is missing.
        add_table_columns(row, "rdns", field, output, "ip", "string")
        return
    _, columns = join_table(row, build_lookup_relation(lookup), lookup.columns, ((row.text(field), "ip"),))
    row.assign(output, columns["hostname"])


@FUNCTIONS.value("subnet", into="_subnet")
def subnet(row: RowScope, field: Name, bits: float) -> Expression:
    """The network of that many bits that an address is in.

        a := "192.0.2.77" | subnet(a, bits=24) -> _subnet=192.0.2.0/24

    Reference: library.humio.com, subnet()
    """
    return ops.ip_network(row.text(field), Literal(check_range(row, "bits", bits, 0, 128)))


@FUNCTIONS.value("communityId", into="_community_id")
def community_id(
    row: RowScope,
    *,
    proto: Name,
    sourceip: Name,
    destinationip: Name,
    sourceport: Name | None = None,
    destinationport: Name | None = None,
    icmptype: Name | None = None,
    icmpcode: Name | None = None,
    seed: float = 0,
) -> Expression:
    """The community id of a connection, version 1: the same from both ends.

        p := "tcp" | a := "128.232.110.120" | b := "66.35.250.204" | s := 34855 | d := 80
        | communityId(proto=p, sourceip=a, destinationip=b, sourceport=s, destinationport=d)
        | _community_id="1:LQU9qZlK+B5F3KDmev6m5PMibrg=" | x := 1 -> x=1
        p := 6 | a := "66.35.250.204" | b := "128.232.110.120" | s := 80 | d := 34855
        | communityId(proto=p, sourceip=a, destinationip=b, sourceport=s, destinationport=d)
        | _community_id="1:LQU9qZlK+B5F3KDmev6m5PMibrg=" | x := 1 -> x=1

    Reference: library.humio.com, communityId(); the specification of Community ID 1.0
    """

    # ICMP has a type and a code in the place of ports.
    def given(name: str | None, other: str | None) -> Expression:
        first = ops.coalesce(row.text(name), Literal("")) if name else Literal("")
        second = ops.coalesce(row.text(other), Literal("")) if other else Literal("")
        return first if not other else second if not name else ops.if_(ops.equal(first, Literal("")), second, first)

    ports = given(sourceport, icmptype), given(destinationport, icmpcode)
    ends = row.text(sourceip), row.text(destinationip)
    return ops.community_id(Literal(float(seed)), row.text(proto), *ends, *ports)
