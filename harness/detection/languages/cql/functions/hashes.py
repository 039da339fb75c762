"""Hashes, places on the earth, bits and other things computed from fields."""

from __future__ import annotations

from harness.detection.languages.cql.binding import Name, Names
from harness.detection.languages.cql.flow import Row
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.languages.cql.values import texts_of
from harness.detection.plan.expressions import NULL, Call, Expression, Literal, call

EARTH = 6_371_000.0


def joined(row: Row, field: Names) -> Expression:
    """The fields one after the other; missing ones are empty."""
    texts = [call("coalesce", row.text(n), Literal("")) for n in field]
    return texts[0] if len(texts) == 1 else Call("concat", tuple(texts))


@FUNCTIONS.value("crypto:md5", into="_md5")
def md5(row: Row, field: Names) -> Expression:
    """The MD5 of the fields one after the other.

        a := "x" | crypto:md5(a) -> _md5=9dd4e461268c8034f5c8564e155c67a6

    Reference: library.humio.com, crypto:md5()
    """
    return call("md5", joined(row, field))


@FUNCTIONS.value("crypto:sha1", into="_sha1")
def sha1(row: Row, field: Names) -> Expression:
    """The SHA-1 of the fields one after the other.

        a := "x" | crypto:sha1(a) -> _sha1=11f6ad8ec52a2984abaafd7c3b516503785c2072

    Reference: library.humio.com, crypto:sha1()
    """
    return call("sha1", joined(row, field))


@FUNCTIONS.value("crypto:sha256", into="_sha256")
def sha256(row: Row, field: Names) -> Expression:
    """The SHA-256 of the fields one after the other.

        a := "x" | crypto:sha256(a) -> _sha256=2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881

    Reference: library.humio.com, crypto:sha256()
    """
    return call("sha256", joined(row, field))


@FUNCTIONS.value("hash", into="_hash")
def hashed(row: Row, field: Names, *, limit: float | None = None, seed: str = "") -> Expression:
    """A number for the fields' values; equal for equal ones, but not the number that the product gives.

        a := "x" | hash(a, limit=1) -> _hash=0

    Reference: library.humio.com, hash()
    """
    digest = call("md5", call("concat", Literal(seed), joined(row, field)))
    number = call("from_base", call("substring", digest, Literal(1), Literal(8)), Literal(16))
    return number if limit is None else call("modulo", number, Literal(int(limit)))


@FUNCTIONS.value("tokenHash", into="_tokenHash")
def token_hash(row: Row, field: Name) -> Expression:
    """A text for the words in a field in any order; equal for equal ones, but not the one that the product gives.

        a := "x y" | b := "y x" | p := tokenHash(a) | q := tokenHash(b) | test(p == q) | z := 1 -> z=1

    Reference: library.humio.com, tokenHash()
    """
    words = call("list_sort", call("regex_split", row.text(field), Literal(r"\W+"), Literal("")))
    return call("substring", call("md5", call("list_join", words, Literal(" "))), Literal(1), Literal(8))


@FUNCTIONS.value("subnet", into="_subnet")
def subnet(row: Row, field: Name, bits: float) -> Expression:
    """The network of that many bits that an address is in.

        a := "192.0.2.77" | subnet(a, bits=24) -> _subnet=192.0.2.0/24

    Reference: library.humio.com, subnet()
    """
    return call("ip_network", row.text(field), Literal(int(bits)))


@FUNCTIONS.value("geography:distance", into="_distance")
def distance(row: Row, *, lat1: Name, lon1: Name, lat2: Name, lon2: Name) -> Expression:
    """The distance of two places on the earth in metres.

        a := 0 | b := 1 | geography:distance(lat1=a, lon1=a, lat2=a, lon2=b) | x := round(_distance) -> x=111195

    Reference: library.humio.com, geography:distance()
    """

    def radians(name: str) -> Expression:
        return call("multiply", row.number(name), Literal(0.017453292519943295))

    def half_square(difference: Expression) -> Expression:
        return call("power", call("sin", call("divide", difference, Literal(2))), Literal(2))

    north, south = radians(lat1), radians(lat2)
    across = half_square(call("subtract", radians(lon2), radians(lon1)))
    along = half_square(call("subtract", south, north))
    chord = call("add", along, call("multiply", call("multiply", call("cos", north), call("cos", south)), across))
    return call("multiply", Literal(2 * EARTH), call("asin", call("least", Literal(1), call("sqrt", chord))))


@FUNCTIONS.value("geohash", into="_geohash")
def geohash(row: Row, *, lat: Name = "ip.lat", lon: Name = "ip.lon", precision: float = 12) -> Expression:
    """The name of the cell of a world-wide grid that a place is in.

        a := 57.64911 | b := 10.40744 | geohash(lat=a, lon=b, precision=6) -> _geohash=u4pruy

    Reference: library.humio.com, geohash()
    """
    count = max(1, min(12, int(precision)))
    letters = []
    for i in range(count):
        code: Expression = Literal(0)
        for j in range(5):
            place = 5 * i + j
            east = place % 2 == 0
            cells = Literal(float(2 ** (place // 2 + 1)))
            span, low, value = (360.0, 180.0, row.number(lon)) if east else (180.0, 90.0, row.number(lat))
            share = call("divide", call("add", value, Literal(low)), Literal(span))
            bit = call("modulo", call("floor", call("multiply", share, cells)), Literal(2))
            code = call("add", call("multiply", code, Literal(2)), bit)
        letters.append(
            call("substring", Literal("0123456789bcdefghjkmnpqrstuvwxyz"), call("add", code, Literal(1)), Literal(1))
        )
    return letters[0] if count == 1 else Call("concat", tuple(letters))


PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "sctp": 132}


@FUNCTIONS.value("communityId", into="_community_id")
def community_id(
    row: Row,
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
    """A name for a connection, the same from both ends; equal for equal ones, but not the standard's.

        p := 6 | a := "10.0.0.1" | b := "10.0.0.2" | communityId(proto=p, sourceip=a, destinationip=b)
        | _community_id=1* | x := 1 -> x=1

    Reference: library.humio.com, communityId()
    """

    def end(address: str, port: str | None) -> Expression:
        number = call("coalesce", row.text(port), Literal("")) if port else Literal("")
        return call("concat", row.text(address), Literal("|"), number)

    one, two = end(sourceip, sourceport), end(destinationip, destinationport)
    both = call("list_join", call("list_sort", call("list", one, two)), Literal("|"))
    whole = call("concat", Literal(str(int(seed))), row.text(proto), both)
    return call("concat", Literal("1:"), call("base64_encode", call("sha1", whole)))


def flags_of(row: Row, value: Syntax) -> list[tuple[int, str]]:
    """Bits and the fields or names for them."""
    items = value.items if isinstance(value, Array) else ()
    pairs = [texts_of(row.meaning, item) for item in items]
    return [(int(float(p[0])), p[1]) for p in pairs]


def bit_set(row: Row, field: str, bit: int) -> Expression:
    """Whether a bit of a number is set."""
    number = row.number(field)
    shifted = call("floor", call("divide", number, Literal(float(2**bit))))
    return call("equal", call("modulo", shifted, Literal(2)), Literal(1))


@FUNCTIONS.row("bitfield:extractFlags")
def extract_flags(row: Row, *, field: Name, output: Syntax, onlyTrue: bool = False) -> None:
    """Fields that say which bits of a number are set.

        a := 5 | bitfield:extractFlags(field=a, output=[[0, x], [1, y]]) -> x=true y=false

    Reference: library.humio.com, bitfield:extractFlags()
    """
    for bit, name in flags_of(row, output):
        is_set = bit_set(row, field, bit)
        value = call("if", is_set, Literal("true"), NULL if onlyTrue else Literal("false"))
        row.assign(name, call("if", call("is_null", row.number(field)), NULL, value))


def set_names(row: Row, field: str, names: Syntax) -> Expression:
    """The names of the bits that are set."""
    return call("list", *(call("if", bit_set(row, field, b), Literal(n), NULL) for b, n in flags_of(row, names)))


@FUNCTIONS.row("bitfield:extractFlagsAsArray")
def extract_flags_array(row: Row, *, field: Name, flagNames: Syntax, asArray: Name = "_flags[]") -> None:
    """The names of the bits that are set as an array.

        a := 5 | bitfield:extractFlagsAsArray(field=a, flagNames=[[0, x], [2, z]]) | y := _flags[1] -> y=z

    Reference: library.humio.com, bitfield:extractFlagsAsArray()
    """
    row.assign(asArray, set_names(row, field, flagNames))


@FUNCTIONS.value("bitfield:extractFlagsAsString", into="_flags")
def extract_flags_text(row: Row, *, field: Name, flagNames: Syntax, separator: str = " ") -> Expression:
    """The names of the bits that are set in one text.

        a := 5 | bitfield:extractFlagsAsString(field=a, flagNames=[[0, x], [2, z]]) -> _flags=x z

    Reference: library.humio.com, bitfield:extractFlagsAsString()
    """
    return call("list_join", set_names(row, field, flagNames), Literal(separator))


@FUNCTIONS.value("eventSize", into="_eventSize")
def event_size(row: Row) -> Expression:
    """How many characters the event's own text has.

        eventSize() | x := 1 -> x=1

    Reference: library.humio.com, eventSize()
    """
    return call("length", row.text("@rawstring"))


@FUNCTIONS.value("eventFieldCount", into="_eventFieldCount")
def event_field_count(row: Row) -> Expression:
    """How many fields the event has.

        a := 1 | b := 2 | eventFieldCount() -> _eventFieldCount=3

    Reference: library.humio.com, eventFieldCount()
    """
    total: Expression = Literal(0)
    for name in row.flow.visible():
        total = call("add", total, call("if", call("is_null", row.read(name)), Literal(0), Literal(1)))
    return total
