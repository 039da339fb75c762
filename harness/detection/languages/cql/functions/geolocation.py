"""ipLocation, asn, geohash, geography:distance."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import Name
from harness.detection.languages.cql.functions.lookup import join_patterns
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.diagnostics import Severity, SourceError


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
    # The product brings its tables along; none may be shipped here, so that users name theirs.
    if lookup is None:
        place = row.flow.span or row.meaning.source.whole()
        message = f"without a lookup `{table}` its fields are missing"
        row.meaning.tell("missing-lookup", table, message, place, severity=Severity.NOTE)
        return
    _, columns = join_patterns(row, lookup, ((row.text(field), column),), mode)
    for name, value in columns.items():
        if name != column:
            row.assign(f"{prefix}.{name}", value)


# The mean radius in metres (IUGG: 6,371.0 km).
EARTH = 6_371_000.0
# 12 letters are 60 bits, cells of some centimetres; doubles hold 53 bits of a place.
MOST_PRECISE = 12
# The base 32 of geohash.org, without a, i, l and o.
ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


@FUNCTIONS.value("geography:distance", into="_distance")
def distance(row: RowScope, *, lat1: Name, lon1: Name, lat2: Name, lon2: Name) -> Expression:
    """The distance of two places on the earth in metres.

        a := 0 | b := 1 | geography:distance(lat1=a, lon1=a, lat2=a, lon2=b) | x := round(_distance) -> x=111195

    Reference: library.humio.com, geography:distance()
    """

    def radians(name: str) -> Expression:
        return ops.multiply(row.number(name), Literal(0.017453292519943295))

    # The haversine formula: exact for near places, where the law of cosines loses all digits.
    def half_square(difference: Expression) -> Expression:
        return ops.power(ops.sin(ops.divide(difference, Literal(2))), Literal(2))

    north, south = radians(lat1), radians(lat2)
    across = half_square(ops.subtract(radians(lon2), radians(lon1)))
    along = half_square(ops.subtract(south, north))
    chord = ops.add(
        along,
        ops.multiply(ops.multiply(ops.cos(north), ops.cos(south)), across),
    )
    # Rounding can make the chord of opposite places longer than 1, which has no arc sine.
    return ops.multiply(Literal(2 * EARTH), ops.asin(ops.least(Literal(1), ops.sqrt(chord))))


@FUNCTIONS.value("geohash", into="_geohash")
def geohash(row: RowScope, *, lat: Name = "ip.lat", lon: Name = "ip.lon", precision: float = 12) -> Expression:
    """The name of the cell of a world-wide grid that a place is in.

        a := 57.64911 | b := 10.40744 | geohash(lat=a, lon=b, precision=6) -> _geohash=u4pruy

    Reference: library.humio.com, geohash()
    """
    if not 1 <= precision <= MOST_PRECISE:
        message = f"`precision` is a number from 1 to {MOST_PRECISE}"
        raise SourceError("argument", message, row.flow.span or row.meaning.source.whole())
    return geohash_of(row.number(lat), row.number(lon), int(precision))


def geohash_of(north: Expression, east: Expression, count: int) -> Expression:
    """The first letters of the geohash of a place."""
    letters = []
    for i in range(count):
        code: Expression = Literal(0)
        for j in range(5):
            place = 5 * i + j
            # Bits of longitude and latitude alternate, longitude first.
            odd = place % 2 == 0
            cells = Literal(float(2 ** (place // 2 + 1)))
            span, low, value = (360.0, 180.0, east) if odd else (180.0, 90.0, north)
            share = ops.divide(ops.add(value, Literal(low)), Literal(span))
            bit = ops.modulo(ops.floor(ops.multiply(share, cells)), Literal(2))
            code = ops.add(ops.multiply(code, Literal(2)), bit)
        letters.append(ops.substring(Literal(ALPHABET), ops.add(code, Literal(1)), Literal(1)))
    text = letters[0] if count == 1 else ops.concat(*tuple(letters))
    # What is no place on earth has no cell.
    there = ops.and_(*(ops.less_equal(ops.abs(n), Literal(m)) for n, m in ((north, 90), (east, 180))))
    return ops.if_(there, text, NULL)
