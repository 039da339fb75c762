"""Functions that look values up in tables: files, tables of the query, places, indicators."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

from harness.detection.language import Dialect, Lookup
from harness.detection.languages.cql.binding import Name, Names, Rows
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.functions.rows import place
from harness.detection.languages.cql.intervals import searched
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Pipeline
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import NULL, TRUE, Call, Column, Expression, Literal, call, every
from harness.detection.plan.nodes import Join, JoinKind, Node, Reverse, Select, Values
from harness.diagnostics import HarnessError, Severity, SourceError

MOST_PATTERNS = 5_000
Pair = tuple[Expression, str]
"""A value of the row, and the column of the table that it is looked up in."""


def values_of(lookup: Lookup) -> Values:
    """A lookup's rows as a relation."""
    return Values(columns=dict.fromkeys(lookup.columns, Kind.TEXT), rows=lookup.rows)


def join_table(
    row: Row, table: Node, names: Sequence[str], pairs: Sequence[Pair], *, ignore_case: bool = False
) -> tuple[Expression, dict[str, Expression]]:
    """Whether the last row of the table that agrees was found, and its columns."""
    if row.local:
        raise SourceError(
            "unsupported", "a lookup inside an array function is not supported", row.meaning.source.whole()
        )
    flow = row.flow
    own = {n: flow.meaning.temporary() for n in names}
    found = flow.meaning.temporary()
    chosen = tuple((own[n], Column(n)) for n in names)
    right: Node = Select(source=Reverse(source=table), columns=(*chosen, (found, TRUE)))
    fold = (lambda v: call("lower", v)) if ignore_case else (lambda v: v)
    keys = tuple((fold(value), fold(Column(own[c]))) for value, c in pairs)
    taken = tuple((n, Column(n)) for n in (*own.values(), found))
    known = dict.fromkeys(own.values(), Kind.TEXT) | {found: Kind.BOOLEAN}
    joined = Join(left=flow.node, right=right, kind=JoinKind.LEFT, keys=keys, columns=taken, most=1)
    flow.become(joined, Flow(flow.meaning, right, known))
    return call("is_true", Column(found)), {n: Column(c) for n, c in own.items()}


def join_patterns(
    row: Row, lookup: Lookup, pairs: Sequence[Pair], mode: str, *, ignore_case: bool = False
) -> tuple[Expression, dict[str, Expression]]:
    """The same where the table's column holds patterns or networks."""
    if len(lookup.rows) > MOST_PATTERNS:
        raise HarnessError("lookup-too-large", f"a table of patterns has at most {MOST_PATTERNS} rows")
    numbered = list(enumerate(lookup.rows))
    numbered.reverse()
    if mode == "cidr":
        at = lookup.columns.index(pairs[0][1])
        numbered.sort(key=lambda r: -bits(r[1][at]))
    branches: list[Expression] = []
    for number, cells in numbered:
        tests = tuple(fitting(v, cells[lookup.columns.index(c)], mode, ignore_case) for v, c in pairs)
        branches += [every(tests), Literal(str(number))]
    which = row.flow.keep(Call("case", (NULL, *branches)) if branches else NULL)
    place = "@place"
    rows = tuple((*cells, str(number)) for number, cells in enumerate(lookup.rows))
    table = Values(columns=dict.fromkeys((*lookup.columns, place), Kind.TEXT), rows=rows)
    found, columns = join_table(row, table, (*lookup.columns, place), ((which, place),))
    return found, {n: v for n, v in columns.items() if n != place}


def bits(network: str) -> int:
    """How many bits of a network are fixed."""
    try:
        return ip_network(network.strip(), strict=False).prefixlen
    except ValueError:
        return -1


def fitting(value: Expression, pattern: str, mode: str, ignore_case: bool) -> Expression:
    """Whether a value fits a pattern of the table."""
    if mode == "cidr":
        return call("cidr_contains", value, Literal(pattern.strip())) if bits(pattern) >= 0 else Literal(False)
    return call("glob_ci" if ignore_case else "glob", value, Literal(f"*{pattern.strip('*')}*"))


def absent(row: Row, name: str, kind: str) -> None:
    """Says that a table is not at hand, or refuses to go on without it."""
    place = row.flow.span or row.meaning.source.whole()
    message = f"the {kind} `{name}` is not at hand"
    if row.meaning.dialect is Dialect.STRICT or row.meaning.switch("missing-content") == "refuse":
        raise SourceError("missing-lookup", message, place)
    row.meaning.tell("missing-lookup", name, f"{message}; events pass without it", place)


@FUNCTIONS.filter("match", unnamed="file")
def match(
    row: Row,
    *,
    file: str = "",
    table: str = "",
    field: Names,
    column: Names = (),
    include: Names = (),
    mode: str = "string",
    glob: bool = False,
    ignoreCase: bool = False,
    strict: bool = True,
    nrows: Rows = 1,
) -> Expression:
    """Whether a row of a file or a table has the field's value; its other columns become fields.

        a := 1 | match(file="none.csv", field=a, strict=false) -> a=1

    Reference: library.humio.com, match()
    """
    found = found_rows(row, file or table, field, column, "glob" if glob else mode, ignoreCase)
    if found is None:
        return TRUE
    there, columns = found
    for name, value in columns.items():
        if not include or name in include or include == ("*",):
            row.offer(name, value)
    return there if strict else TRUE


def found_rows(
    row: Row, name: str, field: Names, column: Names, mode: str, ignore_case: bool
) -> tuple[Expression, dict[str, Expression]] | None:
    """The row of a file or a table of the query that agrees with the fields; None without such a table."""
    pairs = tuple((row.text(f), c) for f, c in zip(field, column or field, strict=False))
    known = row.meaning.tables.get(name)
    if known is not None:
        names = tuple(dict.fromkeys((*known.visible(), *(c for _, c in pairs))))
        return join_table(row, known.node, names, typed(pairs, known), ignore_case=ignore_case)
    lookup = row.meaning.lookup(name)
    if lookup is None:
        absent(row, name, "lookup")
        return None
    missing = [c for _, c in pairs if c not in lookup.columns]
    if missing:
        raise SourceError(
            "unknown-column", f"the lookup `{name}` has no column `{missing[0]}`", row.meaning.source.whole()
        )
    if mode in ("glob", "cidr"):
        return join_patterns(row, lookup, pairs, mode, ignore_case=ignore_case)
    return join_table(row, values_of(lookup), lookup.columns, pairs, ignore_case=ignore_case)


def typed(pairs: Sequence[Pair], table: Flow) -> tuple[Pair, ...]:
    """Values in the kind that the table's columns have."""
    return tuple((call("to_number", v) if table.columns.get(c) is Kind.NUMBER else v, c) for v, c in pairs)


@FUNCTIONS.multiplying("match")
def match_several(
    flow: Flow,
    *,
    field: Names,
    file: str = "",
    table: str = "",
    column: Names = (),
    include: Names = (),
    nrows: Rows = 1,
    strict: bool = True,
    mode: str = "string",
    **rest: bool,
) -> None:
    """The form of `match` that gives an event for each row found, the last ones first."""
    row = Row(flow)
    name = file or table
    known = flow.meaning.tables.get(name)
    lookup = None if known else flow.meaning.lookup(name)
    if known is None and lookup is None:
        absent(row, name, "lookup")
        return
    node: Node = known.node if known else values_of(lookup)  # type: ignore[arg-type]
    names = known.visible() if known else lookup.columns  # type: ignore[union-attr]
    right = Flow(flow.meaning, Reverse(source=node), dict(known.columns) if known else dict.fromkeys(names, Kind.TEXT))
    keys = tuple((row.text(f), Column(c)) for f, c in zip(field, column or field, strict=False))
    taken = tuple((n, Column(n)) for n in names if not include or n in include)
    kind = JoinKind.INNER if strict else JoinKind.LEFT
    made = Join(left=flow.node, right=right.node, kind=kind, keys=keys, columns=taken, most=nrows, span=flow.span)
    flow.become(made, right)


@FUNCTIONS.step("readFile")
def read_file(flow: Flow, file: Names, *, include: Names = (), limit: float = 0) -> None:
    """The rows of files or tables in the place of events.

    Reference: library.humio.com, readFile()
    """
    row, name = Row(flow), file[0]
    known = flow.meaning.tables.get(name)
    lookup = None if known else flow.meaning.lookup(name)
    if known is not None:
        flow.node, flow.columns = known.node, dict(known.columns)
    elif lookup is not None:
        flow.node, flow.columns = values_of(lookup), dict.fromkeys(lookup.columns, Kind.TEXT)
    else:
        absent(row, name, "lookup")
        flow.node, flow.columns = Values(columns={}, rows=()), {}
    flow.origin, flow.present, flow.timed = dict(flow.columns), frozenset(), False
    if include and include != ("*",):
        flow.select((n, Column(n)) for n in include)


@FUNCTIONS.step("defineTable")
def define_table(
    flow: Flow, query: Pipeline, *, name: str, include: Names, start: str = "", end: str = "", view: str = ""
) -> None:
    """A table made by a query of its own, for `match` and `readFile` further on.

    Reference: library.humio.com, defineTable()
    """
    made = searched(flow, start, end)
    if view:
        message = "all events at hand are searched, whatever their repository"
        flow.meaning.tell("repository-not-chosen", view, message, place(flow), severity=Severity.NOTE)
    flow.meaning.run(made, query)
    if include != ("*",):
        made.select((n, Row(made).read(n)) for n in include)
    flow.meaning.tables[name] = made


@FUNCTIONS.row("ipLocation")
def ip_location(row: Row, field: Name = "ip", *, as_: Name | None = None) -> None:
    """Country, city and coordinates of an address, from the lookup `ipLocation` whose column `network` holds networks.

        ip := "203.0.113.9" | ipLocation(ip) -> ip=203.0.113.9

    Reference: library.humio.com, ipLocation()
    """
    described(row, "ipLocation", field, as_ or field, "network", "cidr")


@FUNCTIONS.row("asn")
def autonomous_system(row: Row, field: Name = "ip", *, as_: Name | None = None) -> None:
    """Number and owner of an address's network, from the lookup `asn` whose column `network` holds networks.

        ip := "203.0.113.9" | asn(ip) -> ip=203.0.113.9

    Reference: library.humio.com, asn()
    """
    described(row, "asn", field, as_ or field, "network", "cidr")


def described(row: Row, table: str, field: str, prefix: str, column: str, mode: str) -> None:
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
    row: Row,
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
    lookup = row.meaning.lookup("ioc")
    if lookup is None:
        absent(row, "ioc", "table of indicators")
        return TRUE
    founds: list[Expression] = []
    for name in field:
        found, columns = join_table(row, values_of(lookup), lookup.columns, ((row.text(name), "indicator"),))
        founds.append(found)
        for column, value in columns.items():
            if not include or column in include:
                row.offer(f"{prefix}[0].{column}", value)
    detected = founds[0] if len(founds) == 1 else Call("or", tuple(founds))
    row.offer(f"{prefix}.detected", call("if", detected, Literal("true"), NULL))
    return detected if strict else TRUE


@FUNCTIONS.row("rdns")
def reverse_dns(row: Row, field: Name, *, as_: Name = "hostname", limit: float = 0, server: str = "") -> None:
    """The name of an address, from the lookup `rdns` with the columns `ip` and `hostname`.

        ip := "203.0.113.9" | rdns(ip) -> ip=203.0.113.9

    Reference: library.humio.com, rdns()
    """
    named(row, field, as_)


@FUNCTIONS.row("reverseDns")
def reverse_dns_names(row: Row, field: Name, *, as_: Name = "_hostname", limit: float = 0, server: str = "") -> None:
    """The name of an address, from the lookup `rdns` with the columns `ip` and `hostname`.

        ip := "203.0.113.9" | reverseDns(ip) -> ip=203.0.113.9

    Reference: library.humio.com, reverseDns()
    """
    named(row, field, as_)


def named(row: Row, field: str, output: str) -> None:
    """The host name of an address."""
    lookup = row.meaning.lookup("rdns")
    if lookup is None:
        described(row, "rdns", field, output, "ip", "string")
        return
    _, columns = join_table(row, values_of(lookup), lookup.columns, ((row.text(field), "ip"),))
    row.assign(output, columns["hostname"])
