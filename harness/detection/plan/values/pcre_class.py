"""Characters and character classes of PCRE as sets of code points, written for RE2 and for the `regex` library."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.late_pattern import late_pattern

Ranges = tuple[tuple[int, int], ...]

LAST_CODE_POINT = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)
CONTROL_ESCAPES = {"a": 7, "e": 27, "f": 12, "n": 10, "r": 13, "t": 9}
# The characters of \h, \s and \v that pcrepattern(3) lists; RE2 has no \h and other ones for \v. All of them are
# written out: \w and \d of the library know Unicode, those of PCRE without UCP do not.
CLASSES: dict[str, Ranges] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 13), (32, 32)),
    "h": (
        (9, 9), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A), (0x202F, 0x202F),
        (0x205F, 0x205F), (0x3000, 0x3000),
    ),
    "v": ((10, 13), (0x85, 0x85), (0x2028, 0x2029)),
}  # fmt: skip
POSIX_CLASSES: dict[str, Ranges] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
POSIX = late_pattern(r"\[:(\^?)([a-z]+):\]")
COLLATING = late_pattern(r"\[([.=])[^\]]*?\1\]")
PROPERTY = late_pattern(r"\\[pP](\{\^?[\w&]+\}|\w)")
GENERAL_CATEGORY = late_pattern(r"\\[pP](\{\^?[A-Z][a-z]?\}|[A-Z])")
CHARACTER_CODE = late_pattern(r"x\{([0-9A-Fa-f]+)\}|x(?!\{)([0-9A-Fa-f]{0,2})|o\{([0-7]+)\}|(0[0-7]{0,2})")


class PatternError(ValueError):
    """A pattern that cannot be read: what is wrong, and at which character."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message, self.position = message, position


def for_library(text: str) -> str:
    r"""RE2's `\x{41}` as the `regex` library writes it."""
    # The library refuses \x{41} ("incomplete escape").
    return re.sub(r"\\x\{([0-9a-fA-F]+)\}", lambda m: rf"\U{int(m[1], 16):08x}", text)


def print_character(code: int) -> str:
    """A character that stands for itself, in RE2's spelling, inside a class and outside."""
    c = chr(code)
    # RE2 refuses escapes of letters and of what is not ASCII.
    if c.isalnum() or c == "_":
        return c
    return "\\" + c if 32 < code < 127 else rf"\x{{{code:x}}}"


def print_ranges(ranges: Ranges) -> str:
    """The inside of a class."""
    return "".join(print_character(a) if a == b else f"{print_character(a)}-{print_character(b)}" for a, b in ranges)


def complement_ranges(ranges: Ranges) -> Ranges:
    """Every other code point."""
    bounds = [-1, *(bound for pair in ranges for bound in pair), LAST_CODE_POINT + 1]
    gaps = ((bounds[i] + 1, bounds[i + 1] - 1) for i in range(0, len(bounds), 2))
    return tuple((a, b) for a, b in gaps if a <= b)


def read_character_code(text: str, at: int) -> tuple[int, int] | None:
    r"""The code of `\x41`, `\x{41}`, `\o{101}`, `\012`, `\cA` or `\n`, written from `at` on, and the place behind."""
    escaped = text[at + 1 : at + 2]
    if escaped and escaped in CONTROL_ESCAPES:
        return CONTROL_ESCAPES[escaped], at + 2
    if escaped == "c":
        control = text[at + 2 : at + 3]
        if not (control.isascii() and control.isprintable() and control):
            raise PatternError(r"`\c` needs an ASCII character behind it", at)
        return ord(control.upper()) ^ 64, at + 3
    found = CHARACTER_CODE.match(text, at + 1)
    if not found:
        if escaped and escaped in "xo":
            raise PatternError(f"the number of `\\{escaped}` cannot be read", at)
        return None
    braces, two, octal, bare = found.groups()
    code = int(octal or bare, 8) if octal or bare else int(braces or two or "0", 16)
    if code > LAST_CODE_POINT or code in SURROGATES:
        raise PatternError(f"there is no character {code:x}", at)
    return code, found.end()


def match_property(text: str, at: int) -> tuple[str, int]:
    r"""`\p{L}` or `\pL`, and the place behind."""
    found = PROPERTY.match(text, at)
    if not found:
        raise PatternError("a property has no name", at)
    return found[0], found.end()


@dataclass(slots=True)
class ClassReader:
    """Reads one class in brackets, from its `[` on; `end` is the place behind it, `newline` whether it may be one."""

    text: str
    start: int
    end: int = 0
    newline: bool = False
    unknown: bool = False
    parts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def read(self) -> str:
        """The class as RE2 writes it; raises PatternError."""
        at = self.start + 1
        negative = self.text.startswith("^", at)
        at += negative
        while at < len(self.text):
            # A bracket in front, and so behind an idle \E, stands for itself.
            if self.text[at] == "]" and self.parts:
                self.end, self.newline = at + 1, self.newline != negative or self.unknown
                return f"[{'^' if negative else ''}{''.join(self.parts)}]"
            at = self.quoted(at) if self.text.startswith(r"\Q", at) else self.member(at)
        raise PatternError("a character class is not closed", self.start)

    def quoted(self, at: int) -> int:
        r"""`\Q...\E`, each of whose characters stands for itself."""
        end = self.text.find(r"\E", at + 2)
        if end < 0:
            raise PatternError("a character class is not closed", self.start)
        for c in self.text[at + 2 : end]:
            self.add(((ord(c), ord(c)),))
        return end + 2

    def add(self, ranges: Ranges) -> None:
        """Adds characters."""
        self.parts.append(print_ranges(ranges))
        self.newline |= any(low <= 10 <= high for low, high in ranges)

    def member(self, at: int) -> int:
        """One character, range or whole class; gives the place behind."""
        if self.text.startswith(r"\E", at):
            return at + 2
        low, behind = self.piece(at)
        if not isinstance(low, int):
            self.whole(low)
            # A hyphen next to a whole class stands for itself.
            if self.text.startswith("-", behind) and not self.text.startswith("-]", behind):
                self.parts.append(r"\-")
                behind += 1
            return behind
        following = self.text[behind : behind + 2]
        if not following.startswith("-") or following in ("-", "-]"):
            self.add(((low, low),))
            return behind
        high, behind = self.piece(behind + 1)
        if not isinstance(high, int):
            raise PatternError("a range ends in a whole class", at)
        if high < low:
            raise PatternError(f"the range `{self.text[at:behind]}` runs backwards", at)
        self.add(((low, high),))
        return behind

    def whole(self, found: Ranges | str) -> None:
        """Adds a class inside the class."""
        if not isinstance(found, str):
            self.add(found)
            return
        self.parts.append(found)
        self.unknown = True
        # General categories are the same in both; scripts and PCRE's own classes have other names in RE2 or none.
        if not GENERAL_CATEGORY.fullmatch(found):
            self.reasons.append("a Unicode property")

    def piece(self, at: int) -> tuple[int | str | Ranges, int]:
        """A character's code, a whole class or a property, and the place behind."""
        text = self.text
        if text[at] == "[":
            return self.named(at)
        if text[at] != "\\":
            return ord(text[at]), at + 1
        escaped = text[at + 1 : at + 2]
        if escaped.lower() in CLASSES:
            ranges = CLASSES[escaped.lower()]
            return complement_ranges(ranges) if escaped.isupper() else ranges, at + 2
        if escaped and escaped in "pP":
            return match_property(self.text, at)
        # Inside a class \b is a backspace, and \1 an octal number.
        if escaped == "b":
            return 8, at + 2
        if octal := re.compile(r"[0-7]{1,3}").match(text, at + 1):
            return int(octal[0], 8), octal.end()
        if found := read_character_code(text, at):
            return found
        if not escaped:
            raise PatternError("a character class is not closed", self.start)
        if escaped.isascii() and escaped.isalpha():
            raise PatternError(f"`\\{escaped}` stands for nothing in a character class", at)
        return ord(escaped), at + 2

    def named(self, at: int) -> tuple[int | Ranges, int]:
        """`[:alpha:]`, or a bracket that stands for itself."""
        if COLLATING.match(self.text, at):
            raise PatternError("collating elements are not supported", at)
        found = POSIX.match(self.text, at)
        if not found:
            return ord("["), at + 1
        if found[2] not in POSIX_CLASSES:
            raise PatternError(f"no character class is called `{found[2]}`", at)
        ranges = POSIX_CLASSES[found[2]]
        return complement_ranges(ranges) if found[1] else ranges, found.end()
