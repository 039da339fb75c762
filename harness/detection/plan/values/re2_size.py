"""How much RE2 would have to copy for a pattern in its own spelling, and whether it refuses that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.late_pattern import late_pattern

# RE2's own bound of a repetition and of repetitions within one another (re2/parse.cc, kMaxRepeat).
MOST_COPIES = 1000
# RE2 gives up at 8 MiB, which is 131,072 instructions (re2/compile.cc); the sizes below are rough.
MOST_INSTRUCTIONS = 100_000
# Tried with DuckDB 2.0.0: `\p{L}{300}` compiles, `\p{L}{1000}` does not; the others are what UTF-8 takes of bytes.
PROPERTY_SIZE, WIDE_CLASS_SIZE, ANY_SIZE = 350, 30, 10
RE2_TOKEN = late_pattern(
    r"(?P<property>\\[pP](?:\{[^}]*\}|.))|\\x\{[0-9a-fA-F]+\}|\\.|(?P<set>\[(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\])"
    r"|\{(?P<low>\d+)(?:,(?P<high>\d*))?\}|(?P<open>\((?:\?[^:)]*:)?)|(?P<close>\))|(?P<mark>[|*+?])|.",
    re.S,
)


@dataclass(slots=True)
class Piece:
    """A part of a pattern: its instructions, and the most copies that repetitions in it make of something."""

    size: int = 0
    copies: int = 1


def exceeds_re2(pattern: str) -> bool:
    """Whether RE2 refuses a pattern because of its repetitions."""
    if "{" not in pattern:
        return False
    groups, last = [Piece()], Piece()
    for found in RE2_TOKEN.finditer(pattern):
        if found["low"] is not None:
            times = int(found["high"] or found["low"]) or 1
            groups[-1].size += last.size * (times - 1)
            last = Piece(last.size * times, last.copies * times)
        elif found["open"] is not None:
            groups.append(Piece())
            continue
        elif found["close"] is not None and len(groups) > 1:
            last = groups.pop()
            groups[-1].size += last.size
        elif found["mark"] is None:
            last = Piece(measure_token(found))
            groups[-1].size += last.size
        groups[-1].copies = max(groups[-1].copies, last.copies)
        if groups[-1].copies > MOST_COPIES or groups[-1].size > MOST_INSTRUCTIONS:
            return True
    return False


def measure_token(found: re.Match[str]) -> int:
    """About how many instructions one character, class or place takes."""
    if found["property"] is not None:
        return PROPERTY_SIZE
    text = found[0]
    if found["set"] is not None and not text.isascii():
        return WIDE_CLASS_SIZE
    if text == "." or text.startswith(r"\x") or (found["set"] is not None and (text[1] == "^" or "\\" in text)):
        return PROPERTY_SIZE if r"\p" in text.lower() else ANY_SIZE
    return 1
