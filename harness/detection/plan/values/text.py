"""Encodings and measures of text; tables inside a text; tables of patterns.

Cells stand under their names. Where a line has as many words as there are names they go together in order, and where it
has more, the last column takes the rest; otherwise a word belongs to the name that it stands under or nearest to.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha512
from math import log2
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.late_pattern import late_pattern

# utf-16 without a byte order is little-endian, as Windows and PowerShell's -EncodedCommand write it.
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "utf-16le": "utf-16-le", "utf-16": "utf-16-le", "utf-16be": "utf-16-be"}
CHARSETS |= {"iso-8859-1": "latin-1", "latin1": "latin-1", "us-ascii": "ascii", "ascii": "ascii"}
CHARSETS |= {"windows-1252": "cp1252"}


def lower_characters(text: str) -> str:
    """Each code point's own lower-case form, as one code point: what engines make of a column."""
    # Python makes two code points of U+0130 and looks around capital sigma; of no other letter or mark does DuckDB
    # 2.0.0 make anything else (tried).
    return text.lower() if text.isascii() else "".join(c.lower()[0] for c in text)


def decode_base64(text: str, charset: str) -> str | None:
    """Decoded; blanks are skipped, missing padding is added; null if it is no base64 of that charset."""
    # Also the alphabet of URLs (RFC 4648, section 5), which tokens are written in.
    plain = re.sub(r"\s+", "", text).rstrip("=").replace("-", "+").replace("_", "/")
    if charset.lower() not in CHARSETS or not re.fullmatch(r"[A-Za-z0-9+/]*", plain):
        return None
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode(CHARSETS[charset.lower()])
    except (binascii.Error, UnicodeDecodeError):
        return None


def compute_hex_decode(text: str, charset: str = "utf-8") -> str | None:
    """Bytes written as hex digits, read in a charset."""
    try:
        return bytes.fromhex(text).decode(CHARSETS[charset]) if re.fullmatch(r"([0-9A-Fa-f]{2})*", text) else None
    except UnicodeDecodeError:
        return None


def decode_percent_escapes(text: str) -> str:
    """%41 becomes A; what is no escape stays, bytes that are no UTF-8 too."""

    def decoded(run: re.Match[str]) -> str:
        return bytes.fromhex(run[0].replace("%", "")).decode("utf-8", "replace")

    return re.sub(r"(?:%[0-9A-Fa-f]{2})+", decoded, text)


def compute_entropy(text: str) -> float:
    """Shannon entropy of its characters, in bits."""
    size = len(text)
    # abs, or a text of one character would have the entropy -0.0.
    return abs(-sum(n / size * log2(n / size) for n in Counter(text).values()))


def sha512_hex(text: str) -> str:
    """Lower-case hex of the UTF-8 bytes."""
    # Half a surrogate pair, as broken UTF-16 leaves it, has no UTF-8 of its own.
    return sha512(text.encode("utf-8", "surrogatepass")).hexdigest()


ENCODING_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.base64_decode: decode_base64,
    ops.hex_decode: compute_hex_decode,
    ops.url_decode: decode_percent_escapes,
    ops.entropy: compute_entropy,
    ops.sha512: sha512_hex,
}


WORD = late_pattern(r"\S+")
UNCLEAN = late_pattern(r"[^A-Za-z0-9]")
LEADING = late_pattern(r"^[\d_]+")
# Both chosen, no source: rows become a list in one cell, and each column can become a field.
MOST_TEXT_TABLE_ROWS = 10_000
MOST_COLUMNS = 200
NUMBERLIKE = late_pattern(r"[-+]?[\d.,:%]+[A-Za-z]?")


def parse_text_table(text: str, header: float, terms: str) -> list[str] | None:
    """The rows as objects, with their line as `_raw`; None where there is no table.

    `header` is the line with the names, counted from 1; 0 looks for it, a negative one says that there is none.
    `terms` are texts of which a row has to hold one, parted by line ends; none is no condition.
    """
    lines = text.splitlines()[: MOST_TEXT_TABLE_ROWS + 1]
    place = int(header) - 1 if header > 0 else find_header_line(lines) if header == 0 else -1
    if place is None or place >= len(lines):
        return None
    names = split_header(lines[place]) if place >= 0 else []
    wanted = [t for t in terms.split("\n") if t]
    rows = []
    for line in lines[place + 1 :]:
        if line.strip() and (not wanted or any(t in line for t in wanted)):
            rows.append(json.dumps({"_raw": line, **split_cells(line, names)}, ensure_ascii=False))
    return rows or None


def find_header_line(lines: Sequence[str]) -> int | None:
    """The first line of two words or more, none like a number, that lines of as many words or more follow."""
    for place, line in enumerate(lines[:-1]):
        words = WORD.findall(line)
        # Names of columns are words; numbers, percentages and sizes such as 4.2M are cells.
        if len(words) > 1 and not any(NUMBERLIKE.fullmatch(w) for w in words):
            following = next((each for each in lines[place + 1 :] if each.strip()), "")
            if len(WORD.findall(following)) >= len(words):
                return place
    return None


def split_header(line: str) -> list[tuple[str, int, int]]:
    """The names in a line, cleaned as names of fields are, and where each stands."""
    found = []
    for at, word in enumerate(WORD.finditer(line)):
        name = LEADING.sub("", UNCLEAN.sub("_", word.group())) or f"Column_{at + 1}"
        found.append((name, word.start(), word.end()))
    return found[:MOST_COLUMNS]


def split_cells(line: str, names: Sequence[tuple[str, int, int]]) -> dict[str, str]:
    """The cells of a line by their columns."""
    # More words than columns go into the last cell, but a line of a million words is no line of a table.
    words = list(WORD.finditer(line))[: MOST_COLUMNS * 5]
    if not names:
        return {f"Column_{at + 1}": w.group() for at, w in enumerate(words[:MOST_COLUMNS])}
    if len(words) >= len(names):
        last = len(names) - 1
        found = {name: w.group() for (name, _, _), w in zip(names[:last], words, strict=False)}
        return {**found, names[last][0]: line[words[last].start() :].rstrip()}
    made: dict[str, str] = {}
    for word in words:
        name = min(names, key=lambda n: measure_column_distance(word, n))[0]
        made[name] = f"{made[name]} {word.group()}" if name in made else word.group()
    return made


def measure_column_distance(word: re.Match[str], name: tuple[str, int, int]) -> int:
    """How far a word is from a name in characters; 0 where they stand one over the other."""
    return max(name[1] - word.end(), word.start() - name[2], 0)


TEXT_TABLE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.table_rows: parse_text_table}


# ASCII's record separator: a literal of the plan is one text, and no cell of a lookup table has it.
PAYLOAD_SEPARATOR = "\x1e"
RowNumbers = list[int]


class Patterns:
    """Patterns with `*` sorted by how they are found: whole, by their end, by their start, or one by one."""

    def __init__(self, patterns: str, *, sensitive: bool) -> None:
        self.sensitive = sensitive
        self.whole: dict[str, RowNumbers] = {}
        self.ends: dict[str, RowNumbers] = {}
        self.starts: dict[str, RowNumbers] = {}
        self.others: list[tuple[re.Pattern[str], int]] = []
        for place, written in enumerate(patterns.split(PAYLOAD_SEPARATOR)):
            self.put(written if sensitive else lower_characters(written), place)
        # One look-up for each length that occurs, and not one test for each of tens of thousands of domains.
        self.end_lengths = sorted({len(e) for e in self.ends})
        self.start_lengths = sorted({len(s) for s in self.starts})

    def put(self, pattern: str, place: int) -> None:
        """Adds one pattern to the index of its form."""
        if "*" not in pattern:
            self.whole.setdefault(pattern, []).append(place)
        elif "*" not in pattern[1:]:
            self.ends.setdefault(pattern[1:], []).append(place)
        elif "*" not in pattern[:-1]:
            self.starts.setdefault(pattern[:-1], []).append(place)
        else:
            regex = ".*".join(re.escape(p) for p in re.split(r"\*+", pattern))
            self.others.append((re.compile(regex, re.S), place))

    def fitting(self, value: str) -> RowNumbers:
        """The rows whose pattern fits the whole value, in order."""
        text = value if self.sensitive else lower_characters(value)
        found = list(self.whole.get(text, ()))
        for length in self.end_lengths:
            if length <= len(text):
                found += self.ends.get(text[len(text) - length :], ())
        for length in self.start_lengths:
            if length <= len(text):
                found += self.starts.get(text[:length], ())
        found += [place for regex, place in self.others if regex.fullmatch(text)]
        return sorted(found)


@lru_cache(8)
def sorted_patterns(patterns: str, sensitive: bool) -> Patterns:
    """The patterns of a table, made ready once."""
    return Patterns(patterns, sensitive=sensitive)


@lru_cache(8)
def split_payloads(payloads: str) -> list[str]:
    """The payloads of a table."""
    return payloads.split(PAYLOAD_SEPARATOR)


def compute_glob_payloads(value: str, patterns: str, payloads: str, most: float, sensitive: bool) -> list[str] | None:
    """The payloads of the first `most` rows whose pattern fits the value; None if none does."""
    rows = sorted_patterns(patterns, sensitive).fitting(value)[: int(most)]
    table = split_payloads(payloads)
    return [table[row] for row in rows] or None


TABLE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.glob_payloads: compute_glob_payloads}
