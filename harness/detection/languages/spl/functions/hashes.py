"""Eval functions of hashes."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_text
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation, Typed, apply


def hash_text(operation: Operation, value: Typed) -> Typed:
    """A hash of the UTF-8 text."""
    return apply(operation, as_text(value))


@FUNCTIONS.define
def md5(context: EvalContext, value: Typed) -> Typed:
    """MD5 of the text in lower-case hex.

        md5("abc") -> "900150983cd24fb0d6963f7d28e17f72"
        md5("")    -> "d41d8cd98f00b204e9800998ecf8427e"
        md5(5)     -> "e4da3b7fbbce2345d7772b0674a318d5"
        md5(null()) -> null

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.md5, value)


@FUNCTIONS.define
def sha1(context: EvalContext, value: Typed) -> Typed:
    """SHA-1 of the text in lower-case hex.

        sha1("abc") -> "a9993e364706816aba3e25717850c26c9cd0d89d"
        sha1(null()) -> null
        sha1(split("a,b", ",")) -> null

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha1, value)


@FUNCTIONS.define
def sha256(context: EvalContext, value: Typed) -> Typed:
    """SHA-256 of the text in lower-case hex.

        substr(sha256("abc"), 1, 8) -> "ba7816bf"
        sha256(null()) -> null
        len(sha256("Grüße")) -> 64

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha256, value)


@FUNCTIONS.define
def sha512(context: EvalContext, value: Typed) -> Typed:
    """SHA-512 of the text in lower-case hex.

        substr(sha512("abc"), 1, 8) -> "ddaf35a1"
        sha512(null()) -> null
        len(sha512(5)) -> 128

    Reference: Splunk Search Reference, Cryptographic functions
    """
    return hash_text(ops.sha512, value)
