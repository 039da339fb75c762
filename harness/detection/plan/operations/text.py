# mypy: disable-error-code="empty-body"
"""Text, patterns in it, encodings and digests of it."""

from __future__ import annotations

from harness.detection.plan.operation import Anything, Boolean, Multivalue, Number, Text, V, operation
from harness.diagnostics import Span


@operation
def lower(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` in lower case."""


@operation
def upper(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` in upper case."""


@operation
def length(text: Text[V], *, span: Span | None = None) -> Number[V]:
    """The number of code points."""


# As the dot of SPL (reference/spl.md 5.1); LogScale's concat() leaves missing parts out by itself.
@operation
def concat(text: Text[V], *more: Text[V], span: Span | None = None) -> Text[V]:
    """One after the other; null if one is null."""


# As SPL's substr(), which is SQLite's (reference/spl.md 5.2).
@operation
def substring(text: Text[V], start: Number[V], length: Number[V], *, span: Span | None = None) -> Text[V]:
    """Characters from place `start`, counted from the end if negative; all the rest if `length` is null."""


@operation
def position(text: Text[V], part: Text[V], *, span: Span | None = None) -> Number[V]:
    """The place of the first occurrence; 0 if there is none."""


@operation
def replace_text(text: Text[V], old: Text[V], new: Text[V], *, span: Span | None = None) -> Text[V]:
    """Every occurrence of `old` replaced."""


@operation
def regex_replace(
    text: Text[V], regex: Text[V], flags: Text[V], new: Text[V], all_matches: Boolean[V], *, span: Span | None = None
) -> Text[V]:
    r"""Matches replaced; \1 in `new` is a group; the first match only unless `all_matches` is true."""


@operation
def regex_extract(
    text: Text[V], regex: Text[V], flags: Text[V], group: Anything[V], *, span: Span | None = None
) -> Text[V]:
    """The group (number or name) of the first match; null without a match or where the group took no part."""


@operation
def regex_extract_all(
    text: Text[V], regex: Text[V], flags: Text[V], group: Anything[V], *, span: Span | None = None
) -> Multivalue[V]:
    """The group of every match; null without a match."""


# Two groups at once: two lists could not be brought together where a group took no part in a match.
@operation
def regex_pairs(
    text: Text[V],
    regex: Text[V],
    flags: Text[V],
    key: Text[V],
    value: Anything[V],
    separator: Text[V],
    *,
    span: Span | None = None,
) -> Multivalue[V]:
    """Two groups of every match in which both took part, the separator between them; null of none."""


@operation
def regex_split(text: Text[V], regex: Text[V], flags: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """The pieces between matches."""


@operation
def trim(text: Text[V], characters: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` without any of these characters at both ends."""


@operation
def trim_start(text: Text[V], characters: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` without any of these characters at the start."""


@operation
def trim_end(text: Text[V], characters: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` without any of these characters at the end."""


@operation
def repeat(text: Text[V], times: Number[V], *, span: Span | None = None) -> Text[V]:
    """`text` so many times."""


@operation
def pad_start(text: Text[V], width: Number[V], filling: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` filled at the start up to `width` characters."""


@operation
def reverse(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` backwards."""


@operation
def url_decode(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """%41 becomes A; what is no escape stays."""


@operation
def url_encode(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """A-Z a-z 0-9 - . _ ~ stay, the rest becomes %41 by its UTF-8 bytes."""


# `utf-16le` is that of PowerShell's -EncodedCommand.
@operation
def base64_decode(text: Text[V], charset: Text[V], *, span: Span | None = None) -> Text[V]:
    """The text decoded; `charset` is `utf-8` or `utf-16le`; null if it is no base64 of that."""


@operation
def base64_encode(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """Base64 of the UTF-8 bytes."""


@operation
def hex_decode(text: Text[V], charset: Text[V] = ..., *, span: Span | None = None) -> Text[V]:
    """Bytes written as hex digits, read by `charset`, or as UTF-8; null if they are not."""


@operation
def md5(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """The digest of the UTF-8 bytes in lower-case hex."""


@operation
def sha1(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """The digest of the UTF-8 bytes in lower-case hex."""


@operation
def sha256(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """The digest of the UTF-8 bytes in lower-case hex."""


@operation
def sha512(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """The digest of the UTF-8 bytes in lower-case hex."""


@operation
def entropy(text: Text[V], *, span: Span | None = None) -> Number[V]:
    """Shannon entropy of its characters, in bits."""
