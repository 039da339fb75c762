"""The pieces of a regular expression, in RE2's spelling and in that of the `regex` library."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# \1 to \9 are references, \0 and three octal digits are characters, as pcrepattern(3) says.
CHARACTER_CODE = re.compile(
    r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{0,2})|u([0-9A-Fa-f]{4})|o\{([0-7]+)\}|(0[0-7]{0,2}|[1-3][0-7]{2})"
)
CONTROL_ESCAPES = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
# The characters of \h, \s and \v that pcrepattern(3) lists; RE2 has no \h and other ones for \v.
PCRE_BLANKS = r"\t\x{20}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
SPACE = r"\t-\r\x{20}"
PCRE_LINE_ENDS = r"\n-\r\x{85}\x{2028}-\x{2029}"
CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": SPACE, "h": PCRE_BLANKS, "v": PCRE_LINE_ENDS}
POSIX = re.compile(r"\[:\^?[a-z]+:\]")
PROPERTY = re.compile(r"\\[pP](\{\^?[\w&]+\}|\w)")


class PatternError(ValueError):
    """A pattern that cannot be read: what is wrong, and at which character."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message, self.position = message, position


@dataclass(slots=True)
class TwoSpellingPattern:
    """A pattern in both spellings.

    `names` has the name or None of each capturing group, the first being group 1. `reasons` says why RE2 cannot run
    it, empty if it can. `dollar` says whether it has a `$`, which in PCRE stands before a last line end too.
    """

    names: list[str | None] = field(default_factory=list)
    re2: list[str] = field(default_factory=list)
    library: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    dollar: bool = False
    flags: str = ""

    def both(self, text: str, library: str | None = None) -> None:
        """Adds a piece to both spellings."""
        self.re2.append(text)
        self.library.append(for_library(text) if library is None else library)


def print_re2_character(code: int) -> str:
    """A character by its code, in RE2's spelling."""
    return rf"\x{{{code:x}}}"


def for_library(text: str) -> str:
    r"""RE2's `\x{41}` as the `regex` library writes it."""
    # The library refuses \x{41} ("incomplete escape").
    return re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda m: rf"\U{int(m[1], 16):08x}", text)


def quote_re2_character(c: str) -> str:
    """A character that stands for itself."""
    return (
        c if c.isalnum() or c == "_" or ord(c) > 127 else "\\" + c if not c.isspace() else print_re2_character(ord(c))
    )


def code_of(found: re.Match[str]) -> int:
    """The number in an escape."""
    braces, two, four, octal, bare = found.groups()
    if octal is not None or bare is not None:
        return int(octal or bare, 8)
    # 0x10FFFF is the last code point; RE2 refuses more.
    return min(int(braces or two or four or "0", 16), 0x10FFFF)


def parse_class_member(text: str, at: int) -> tuple[str, int]:
    """One member of a character class, or a part of a range, and the place after it."""
    c = text[at]
    named = POSIX.match(text, at)
    if named:
        return named[0], named.end()
    if c != "\\":
        # RE2 refuses escapes of letters and of what is not ASCII.
        plain = c == "-" or c.isalnum() or ord(c) > 127
        return c if plain else print_re2_character(ord(c)) if c.isspace() else "\\" + c, at + 1
    escaped = text[at + 1 : at + 2]
    found = CHARACTER_CODE.match(text, at + 1) or PROPERTY.match(text, at)
    if found:
        return found[0] if found.re is PROPERTY else print_re2_character(code_of(found)), found.end()
    # Inside a class \b is a backspace.
    if escaped == "b":
        return print_re2_character(8), at + 2
    if escaped in CONTROL_ESCAPES:
        return print_re2_character(CONTROL_ESCAPES[escaped]), at + 2
    if escaped in ("E", ""):
        return "", at + 2
    if escaped in ("D", "W", "S"):
        return "\\" + escaped, at + 2
    return CLASSES[escaped] if escaped in CLASSES else quote_re2_character(escaped), at + 2
