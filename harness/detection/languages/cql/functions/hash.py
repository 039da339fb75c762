"""Hashes, places on the earth, bits and other things computed from fields."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import Name, Names
from harness.detection.languages.cql.option_values import check_range
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal
from harness.detection.plan.operations import any_of
from harness.diagnostics import SourceError


def concat_fields(row: RowScope, field: Names) -> Expression:
    """The fields one after the other; missing ones are empty."""
    if not field:
        raise SourceError("missing-parameter", "a hash needs a field", row.flow.span or row.meaning.source.whole())
    # Missing fields are empty, the bytes are UTF-8 (reference/cql.md 9).
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
    # The product's murmur-like hash is not published (reference/cql.md 9).
    digest = ops.md5(ops.concat(Literal(seed), concat_fields(row, field)))
    # 32 bits, which a double holds exactly.
    number = ops.from_base(ops.substring(digest, Literal(1), Literal(8)), Literal(16))
    return number if limit is None else ops.modulo(number, Literal(check_range(row, "limit", limit, 1, 2**32)))


@FUNCTIONS.value("tokenHash", into="_tokenHash")
def token_hash(row: RowScope, field: Name) -> Expression:
    """A text for the words in a field in any order; equal for equal ones, but not the one that the product gives.

        a := "x y" | b := "y x" | p := tokenHash(a) | q := tokenHash(b) | test(p == q) | z := 1 -> z=1

    Reference: library.humio.com, tokenHash()
    """
    # Sorted, since the order of words must not matter; the product's algorithm is not published.
    words = ops.list_sort(ops.regex_split(row.text(field), Literal(r"\W+"), Literal("")))
    return ops.substring(ops.md5(ops.list_join(words, Literal(" "))), Literal(1), Literal(8))


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
    # A hex digit is four bits.
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
        # An empty text is found between all characters.
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
    # As free text searches: neither tags nor times.
    names = [n for n in row.flow.visible() if not n.startswith("#") and n != "@timestamp"]
    return any_of(tuple(ops.contains(row.text(n), made) for n in names))
