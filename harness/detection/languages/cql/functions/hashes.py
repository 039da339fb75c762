"""Hashes, places on the earth, bits and other things computed from fields."""

from __future__ import annotations

from harness.detection.languages.cql.binding import Name, Names
from harness.detection.languages.cql.choices import check_range
from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Array, Syntax
from harness.detection.languages.cql.values import resolve_texts
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.detection.plan.operations import any_of
from harness.diagnostics import SourceError

EARTH = 6_371_000.0
MOST_BITS = 64
MOST_PRECISE = 12
ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


def concat_fields(row: RowScope, field: Names) -> Expression:
    """The fields one after the other; missing ones are empty."""
    texts = [ops.coalesce(row.text(n), Literal("")) for n in field]
    return texts[0] if len(texts) == 1 else ops.concat(*tuple(texts))


@FUNCTIONS.value("crypto:md5", into="_md5")
def md5(row: RowScope, field: Names) -> Expression:
    """The MD5 of the fields one after the other.

        a := "x" | crypto:md5(a) -> _md5=9dd4e461268c8034f5c8564e155c67a6

    Reference: library.humio.com, crypto:md5()
    """
    return ops.md5(concat_fields(row, field))


@FUNCTIONS.value("crypto:sha1", into="_sha1")
def sha1(row: RowScope, field: Names) -> Expression:
    """The SHA-1 of the fields one after the other.

        a := "x" | crypto:sha1(a) -> _sha1=11f6ad8ec52a2984abaafd7c3b516503785c2072

    Reference: library.humio.com, crypto:sha1()
    """
    return ops.sha1(concat_fields(row, field))


@FUNCTIONS.value("crypto:sha256", into="_sha256")
def sha256(row: RowScope, field: Names) -> Expression:
    """The SHA-256 of the fields one after the other.

        a := "x" | crypto:sha256(a) -> _sha256=2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881

    Reference: library.humio.com, crypto:sha256()
    """
    return ops.sha256(concat_fields(row, field))


@FUNCTIONS.value("hash", into="_hash")
def hashed(row: RowScope, field: Names, *, limit: float | None = None, seed: str = "") -> Expression:
    """A number for the fields' values; equal for equal ones, but not the number that the product gives.

        a := "x" | hash(a, limit=1) -> _hash=0

    Reference: library.humio.com, hash()
    """
    digest = ops.md5(ops.concat(Literal(seed), concat_fields(row, field)))
    number = ops.from_base(ops.substring(digest, Literal(1), Literal(8)), Literal(16))
    return number if limit is None else ops.modulo(number, Literal(check_range(row, "limit", limit, 1, 2**32)))


@FUNCTIONS.value("tokenHash", into="_tokenHash")
def token_hash(row: RowScope, field: Name) -> Expression:
    """A text for the words in a field in any order; equal for equal ones, but not the one that the product gives.

        a := "x y" | b := "y x" | p := tokenHash(a) | q := tokenHash(b) | test(p == q) | z := 1 -> z=1

    Reference: library.humio.com, tokenHash()
    """
    words = ops.list_sort(ops.regex_split(row.text(field), Literal(r"\W+"), Literal("")))
    return ops.substring(ops.md5(ops.list_join(words, Literal(" "))), Literal(1), Literal(8))


@FUNCTIONS.value("subnet", into="_subnet")
def subnet(row: RowScope, field: Name, bits: float) -> Expression:
    """The network of that many bits that an address is in.

        a := "192.0.2.77" | subnet(a, bits=24) -> _subnet=192.0.2.0/24

    Reference: library.humio.com, subnet()
    """
    return ops.ip_network(row.text(field), Literal(check_range(row, "bits", bits, 0, 128)))


@FUNCTIONS.value("geography:distance", into="_distance")
def distance(row: RowScope, *, lat1: Name, lon1: Name, lat2: Name, lon2: Name) -> Expression:
    """The distance of two places on the earth in metres.

        a := 0 | b := 1 | geography:distance(lat1=a, lon1=a, lat2=a, lon2=b) | x := round(_distance) -> x=111195

    Reference: library.humio.com, geography:distance()
    """

    def radians(name: str) -> Expression:
        return ops.multiply(row.number(name), Literal(0.017453292519943295))

    def half_square(difference: Expression) -> Expression:
        return ops.power(ops.sin(ops.divide(difference, Literal(2))), Literal(2))

    north, south = radians(lat1), radians(lat2)
    across = half_square(ops.subtract(radians(lon2), radians(lon1)))
    along = half_square(ops.subtract(south, north))
    chord = ops.add(
        along,
        ops.multiply(ops.multiply(ops.cos(north), ops.cos(south)), across),
    )
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
            odd = place % 2 == 0
            cells = Literal(float(2 ** (place // 2 + 1)))
            span, low, value = (360.0, 180.0, east) if odd else (180.0, 90.0, north)
            share = ops.divide(ops.add(value, Literal(low)), Literal(span))
            bit = ops.modulo(ops.floor(ops.multiply(share, cells)), Literal(2))
            code = ops.add(ops.multiply(code, Literal(2)), bit)
        letters.append(ops.substring(Literal(ALPHABET), ops.add(code, Literal(1)), Literal(1)))
    text = letters[0] if count == 1 else ops.concat(*tuple(letters))
    there = ops.and_(*(ops.less_equal(ops.abs(n), Literal(m)) for n, m in ((north, 90), (east, 180))))
    return ops.if_(there, text, NULL)


SECURE = {"sha256": 256, "sha512": 512}


def hash_with_salt(row: RowScope, text: Expression, salt: str, hash: str, bits: float) -> Expression:
    """A salted hash of a text, cut to so many bits; the secret behind the salt's name is that name itself."""
    place = row.flow.span or row.meaning.source.whole()
    if hash.lower() not in SECURE:
        raise SourceError("argument", f"the hash is `sha256` or `sha512`, not `{hash[:40]}`", place)
    if bits % 8 or not 8 <= bits <= SECURE[hash.lower()]:
        raise SourceError("argument", f"`bits` is a multiple of 8 from 8 to {SECURE[hash.lower()]}", place)
    salted = ops.concat(Literal(f"{salt}|"), text)
    digest = ops.sha256(salted) if hash.lower() == "sha256" else ops.sha512(salted)
    return ops.substring(digest, Literal(1), Literal(int(bits) // 4))


@FUNCTIONS.row("hashRewrite")
def hash_rewrite(
    row: RowScope,
    field: Name,
    *,
    salt: str,
    as_: Name | None = None,
    bits: float = 256,
    hash: str = "sha256",
    replaceInRawstring: bool = True,
) -> None:
    """A salted hash in place of a field's value, and of that value in the event's text.

    Equal for equal values and salts, but not the hash that the product gives.

        a := "123-45" | hashRewrite(a, salt="s", bits=32) | hashMatch("123-45", field=a, salt="s", bits=32) | x := 1
        -> x=1

    Reference: library.humio.com, hashRewrite()
    """
    text = row.text(field)
    made = hash_with_salt(row, text, salt, hash, bits)
    if replaceInRawstring and row.has("@rawstring"):
        raw = row.text("@rawstring")
        there = ops.greater(ops.length(text), Literal(0))
        row.assign("@rawstring", ops.if_(there, ops.replace_text(raw, text, made), raw))
    row.assign(as_ or field, made)


@FUNCTIONS.filter("hashMatch")
def hash_match(
    row: RowScope, input: str, *, salt: str, field: Name | None = None, bits: float = 256, hash: str = "sha256"
) -> Expression:
    """Whether a field is the hash that `hashRewrite` makes of a text; without a field any field may hold it.

        a := "x" | hashRewrite(a, salt="s") | hashMatch("x", field=a, salt="s") | hashMatch("x", salt="s") | y := 1
        -> y=1
        a := "x" | hashRewrite(a, salt="s") | hashMatch("x", field=a, salt="other") -> -

    Reference: library.humio.com, hashMatch()
    """
    made = hash_with_salt(row, Literal(input), salt, hash, bits)
    if field is not None:
        return ops.equal(row.text(field), made)
    names = [n for n in row.flow.visible() if not n.startswith("#") and n != "@timestamp"]
    return any_of(tuple(ops.contains(row.text(n), made) for n in names))


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

    def given(name: str | None, other: str | None) -> Expression:
        first = ops.coalesce(row.text(name), Literal("")) if name else Literal("")
        second = ops.coalesce(row.text(other), Literal("")) if other else Literal("")
        return first if not other else second if not name else ops.if_(ops.equal(first, Literal("")), second, first)

    ports = given(sourceport, icmptype), given(destinationport, icmpcode)
    ends = row.text(sourceip), row.text(destinationip)
    return ops.community_id(Literal(float(seed)), row.text(proto), *ends, *ports)


def bind_bit_flags(row: RowScope, value: Syntax) -> list[tuple[int, str]]:
    """Bits and the fields or names for them."""
    made = []
    for item in value.items if isinstance(value, Array) else ():
        pair = resolve_texts(row.meaning, item)
        bit = parse_number_text(pair[0])
        if len(pair) != 2 or bit is None or not 0 <= bit < MOST_BITS or bit != int(bit):
            message = f"expected a pair of a bit from 0 to {MOST_BITS - 1} and a name"
            raise SourceError("argument", message, item.span, help="one such as `[0, NAME]`")
        made.append((int(bit), pair[1]))
    if not made:
        raise SourceError("argument", "expected a list of pairs of bits and names", value.span)
    return made


def bit_set(row: RowScope, field: str, bit: int) -> Expression:
    """Whether a bit of a number is set."""
    number = row.number(field)
    shifted = ops.floor(ops.divide(number, Literal(float(2**bit))))
    return ops.equal(ops.modulo(shifted, Literal(2)), Literal(1))


@FUNCTIONS.row("bitfield:extractFlags")
def extract_flags(row: RowScope, *, field: Name, output: Syntax, onlyTrue: bool = False) -> None:
    """Fields that say which bits of a number are set.

        a := 5 | bitfield:extractFlags(field=a, output=[[0, x], [1, y]]) -> x=true y=false

    Reference: library.humio.com, bitfield:extractFlags()
    """
    for bit, name in bind_bit_flags(row, output):
        is_set = bit_set(row, field, bit)
        value = ops.if_(is_set, Literal("true"), NULL if onlyTrue else Literal("false"))
        row.assign(name, ops.if_(ops.is_null(row.number(field)), NULL, value))


def set_names(row: RowScope, field: str, names: Syntax) -> Expression:
    """The names of the bits that are set."""
    return ops.list_(*(ops.if_(bit_set(row, field, b), Literal(n), NULL) for b, n in bind_bit_flags(row, names)))


@FUNCTIONS.row("bitfield:extractFlagsAsArray")
def extract_flags_array(row: RowScope, *, field: Name, flagNames: Syntax, asArray: Name = "_flags[]") -> None:
    """The names of the bits that are set as an array.

        a := 5 | bitfield:extractFlagsAsArray(field=a, flagNames=[[0, x], [2, z]]) | y := _flags[1] -> y=z

    Reference: library.humio.com, bitfield:extractFlagsAsArray()
    """
    row.assign(asArray, set_names(row, field, flagNames))


@FUNCTIONS.value("bitfield:extractFlagsAsString", into="_flags")
def extract_flags_text(row: RowScope, *, field: Name, flagNames: Syntax, separator: str = " ") -> Expression:
    """The names of the bits that are set in one text.

        a := 5 | bitfield:extractFlagsAsString(field=a, flagNames=[[0, x], [2, z]]) -> _flags=x z

    Reference: library.humio.com, bitfield:extractFlagsAsString()
    """
    return ops.list_join(set_names(row, field, flagNames), Literal(separator))


@FUNCTIONS.value("eventSize", into="_eventSize", raw=True)
def event_size(row: RowScope) -> Expression:
    """How many characters the event's own text has.

        eventSize() | x := 1 -> x=1

    Reference: library.humio.com, eventSize()
    """
    return ops.length(row.text("@rawstring"))


@FUNCTIONS.value("eventFieldCount", into="_eventFieldCount", reads_all=True)
def event_field_count(row: RowScope) -> Expression:
    """How many fields the event has.

        a := 1 | b := 2 | eventFieldCount() -> _eventFieldCount=3

    Reference: library.humio.com, eventFieldCount()
    """
    total: Expression = Literal(0)
    for name in row.flow.visible():
        total = ops.add(total, ops.if_(ops.is_null(row.read(name)), Literal(0), Literal(1)))
    return total
