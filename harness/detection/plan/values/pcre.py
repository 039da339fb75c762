"""PCRE read once, written for RE2 or for the `regex` library. One grammar."""

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


PCRE_NAMED_GROUP = re.compile(r"\(\?(?:P?<([^>=!][^>]*)>|'([^']+)')")
INLINE = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
QUANTIFIER = re.compile(r"\{(\d+)(?:,(\d*))?\}")
WHOLE_CLASS = re.compile(r"\\[dDwWsShHvVpP]|\[:\^?[a-z]+:\]")
# RE2's own bound: it refuses a{1001}.
MOST_REPEATS = 1000
# PCRE2's default limit of nested parentheses (pcre2api(3)).
DEEPEST_PATTERN = 250


class PcreReader:
    """Goes through a pattern once, from left to right."""

    def __init__(self, pattern: str, flags: str) -> None:
        self.text, self.at = pattern, 0
        self.out = TwoSpellingPattern(flags="".join(f for f in "ims" if f in flags))
        self.extended = [False]
        self.opened: list[int] = []
        self.scoped: list[str | None] = [None]
        self.repeats: list[int] = []
        self.repeatable = False

    def read(self) -> TwoSpellingPattern:
        """Reads the whole pattern; raises PatternError with the place."""
        while self.at < len(self.text):
            self.step()
        if self.opened:
            raise PatternError("a group is not closed", self.opened[-1])
        if self.scoped[0] is not None:
            self.out.both(")")
        return self.out

    def atom(self, text: str, library: str | None = None) -> None:
        """Adds a piece that a quantifier may follow."""
        self.out.both(text, library)
        self.repeatable = True

    def refuse(self, reason: str) -> None:
        """Notes that RE2 cannot run this."""
        self.out.reasons.append(reason)

    def step(self) -> None:
        """Reads one token at `at` and moves behind it."""
        c = self.text[self.at]
        if c == "\\":
            self.escape()
        elif c == "[":
            self.character_class()
        elif c == "(":
            self.open()
        elif c == ")":
            self.close()
        elif c in "*+?{":
            self.quantifier(c)
        elif self.extended[-1] and (c.isspace() or c == "#"):
            self.comment(c)
        else:
            self.single(c)

    def single(self, c: str) -> None:
        """One ordinary character, a dot, an anchor or a bar."""
        self.at += 1
        # Flags set in the middle hold to the end of the group, so each branch gets a bracket of its own.
        if c == "|" and self.scoped[-1] is not None:
            self.out.both(f")|(?{self.scoped[-1]}:")
            self.repeatable = False
        elif c == "|":
            self.out.both("|")
            self.repeatable = False
        elif c == "$":
            self.out.dollar = True
            self.atom("$")
        elif c == "}" or c == "]":
            self.atom("\\" + c)
        else:
            self.atom(c)

    def comment(self, c: str) -> None:
        """A blank, or the rest of a line, in extended mode."""
        end = self.text.find("\n", self.at) if c == "#" else self.at
        self.at = len(self.text) if end < 0 else end + 1

    def quantifier(self, c: str) -> None:
        """How often; a brace that is none is itself."""
        found = QUANTIFIER.match(self.text, self.at) if c == "{" else None
        if c == "{" and not found:
            self.at += 1
            self.atom(r"\{")
            return
        if not self.repeatable:
            raise PatternError("a quantifier has nothing to repeat", self.at)
        piece = found[0] if found else c
        self.at += len(piece)
        if found:
            self.counted(found)
        following = self.text[self.at : self.at + 1]
        if following and following in "?+":
            piece, self.at = piece + following, self.at + 1
            if following == "+":
                self.refuse("a possessive quantifier")
        self.out.both(piece)
        self.repeatable = False

    def counted(self, found: re.Match[str]) -> None:
        """Notes a count; RE2 copies what it repeats and gives up beyond 1000 copies."""
        low, high = int(found[1]), int(found[2] or found[1])
        if found[2] and high < low:
            raise PatternError("a repetition ends before it begins", self.at - len(found[0]))
        self.repeats.append(max(low, high))
        # Nested counts multiply. RE2 refuses a product over 1000 too (tried: (a{100}){11}); the two largest counts need
        # not be nested, so the bound here is ten times that, and a nested one in between is DuckDB's error.
        if max(low, high) > MOST_REPEATS or product(sorted(self.repeats)[-2:]) > 10 * MOST_REPEATS:
            self.refuse("many repetitions")

    def escape(self) -> None:
        """A backslash outside a class."""
        if self.at + 1 >= len(self.text):
            raise PatternError("a backslash ends the pattern", self.at)
        c = self.text[self.at + 1]
        if c == "Q":
            end = self.text.find(r"\E", self.at)
            stop = len(self.text) if end < 0 else end
            for x in self.text[self.at + 2 : stop]:
                self.atom(quote_re2_character(x))
            self.at = stop + (2 if end >= 0 else 0)
        elif c in "123456789" and not re.compile(r"[1-3][0-7]{2}").match(self.text, self.at + 1):
            digits = re.compile(r"\d{1,2}").match(self.text, self.at + 1)
            assert digits
            self.refuse("a back reference")
            self.atom("", f"(?:\\{digits[0]})")
            self.at = digits.end()
        elif c in "kgG":
            self.reference(c)
        elif c in "pP":
            self.property()
        else:
            self.simple_escape(c)

    def reference(self, c: str) -> None:
        r"""`\k<name>`, `\g{1}`, `\g<name>`, `\G`."""
        found = re.compile(r"\\[kg](?:\{([^}]*)\}|<([^>]*)>|'([^']*)'|(-?\d+))").match(self.text, self.at)
        self.refuse("a back reference" if c != "G" else r"\G")
        if not found:
            self.atom("", r"\G" if c == "G" else "g")
            self.at += 2
            return
        name = next(g for g in found.groups() if g is not None)
        self.at = found.end()
        number = self.number_of(name)
        calls = c == "g" and (found[2] is not None or found[3] is not None)
        self.atom("", f"(?{number})" if calls else f"(?:\\{number})")

    def number_of(self, name: str) -> int:
        """The number of a group by name, number or distance."""
        if re.fullmatch(r"-?\d+", name):
            return len(self.out.names) + 1 + int(name) if int(name) < 0 else int(name)
        if name in self.out.names:
            return self.out.names.index(name) + 1
        later = [m[1] or m[2] for m in PCRE_NAMED_GROUP.finditer(self.text)]
        if name in later:
            return len(self.out.names) + 1 + later[len([n for n in self.out.names if n]) :].index(name)
        raise PatternError(f"there is no group called `{name}`", self.at)

    def property(self) -> None:
        r"""`\p{L}` and `\pL`."""
        found = PROPERTY.match(self.text, self.at)
        if not found:
            raise PatternError("a property has no name", self.at)
        self.atom(found[0], found[0])
        # General categories are the same in both; scripts and PCRE's own classes are not in RE2 under the same names.
        if not re.fullmatch(r"\\[pP](\{\^?[A-Z][a-z]?\}|[A-Z])", found[0]):
            self.refuse("a Unicode property")
        self.at = found.end()

    def simple_escape(self, c: str) -> None:
        """An escape that stands for characters, a class or a place."""
        found = CHARACTER_CODE.match(self.text, self.at + 1)
        lower = c.lower()
        if found:
            code = code_of(found)
            self.atom(print_re2_character(code))
            self.at = found.end()
            return
        self.at += 2
        if lower in CLASSES:
            # Written out: \w and \d of the library know Unicode, those of PCRE and RE2 do not.
            made = f"[{'^' if c.isupper() else ''}{CLASSES[lower]}]"
            self.atom(made)
        elif c in CONTROL_ESCAPES:
            self.atom(print_re2_character(CONTROL_ESCAPES[c]))
        elif c == "c" and self.at < len(self.text):
            code = ord(self.text[self.at].upper()) ^ 64
            self.at += 1
            self.atom(print_re2_character(code))
        elif c in "bBA":
            self.atom("\\" + c)
        elif c in PLACES:
            self.atom(*PLACES[c])
        elif c in "KX":
            self.refuse("\\" + c)
            self.atom("", "\\" + c)
        elif c != "E":
            self.atom(quote_re2_character(c))

    def character_class(self) -> None:
        """[...]; a hyphen next to a whole class stands for itself."""
        start = self.at
        self.at += 1
        negative = self.text[self.at : self.at + 1] == "^"
        self.at += negative
        parts: list[str] = []
        whole = False
        while self.at < len(self.text) and (not parts or self.text[self.at] != "]"):
            before, is_class = self.at, WHOLE_CLASS.match(self.text, self.at) is not None
            piece, self.at = parse_class_member(self.text, self.at)
            if self.text[before] == "-" and parts and (whole or WHOLE_CLASS.match(self.text, self.at)):
                piece = r"\-"
            whole = is_class
            parts.append(piece)
        if self.at >= len(self.text):
            raise PatternError("a character class is not closed", start)
        self.at += 1
        made = f"[{'^' if negative else ''}{''.join(parts)}]"
        check_ranges(made, start)
        self.atom(made)

    def open(self) -> None:
        """An opening bracket with its kind: group, flags, comment, verb, look-around."""
        start = self.at
        rest = self.text[start : start + 4]
        named, inline = PCRE_NAMED_GROUP.match(self.text, start), INLINE.match(self.text, start)
        if rest.startswith("(?#"):
            end = self.text.find(")", start)
            if end < 0:
                raise PatternError("a comment is not closed", start)
            self.at = end + 1
            return
        if rest.startswith("(*"):
            self.verb(start)
            return
        if inline and inline[3] == ")":
            self.switch(inline)
            return
        self.opened.append(start)
        if len(self.opened) > DEEPEST_PATTERN:
            raise PatternError("groups nest too deep", start)
        self.extended.append(self.extended[-1])
        self.scoped.append(None)
        if named:
            self.out.names.append(named[1] or named[2])
            self.out.both("(")
            self.at = named.end()
        elif inline:
            self.scope_flags(inline)
        elif rest.startswith("(?"):
            self.special(start)
        else:
            self.out.names.append(None)
            self.out.both("(")
            self.at += 1
        self.repeatable = False

    def verb(self, start: int) -> None:
        """(*UCP) and its like at the start are settings; within, control of backtracking."""
        end = self.text.find(")", start)
        if end < 0:
            raise PatternError("a group is not closed", start)
        verb = self.text[start + 2 : end]
        if verb in ("PRUNE", "SKIP", "FAIL", "F"):
            self.refuse(f"(*{verb})")
            self.out.both("", f"(*{verb})")
        self.at = end + 1

    def switch(self, found: re.Match[str]) -> None:
        """(?i) in the middle: the rest of the group gets brackets of its own, each branch anew."""
        flags = self.letters(found)
        self.at = found.end()
        if not flags:
            return
        if self.scoped[-1] is not None:
            self.out.both(")")
        self.scoped[-1] = merge_flags(self.scoped[-1], flags)
        self.out.both(f"(?{self.scoped[-1]}:")
        self.repeatable = False

    def scope_flags(self, found: re.Match[str]) -> None:
        """(?i:...)"""
        flags = self.letters(found)
        self.out.both(f"(?{flags}:" if flags else "(?:")
        self.at = found.end()

    def letters(self, found: re.Match[str]) -> str:
        """The flags that both engines know; x is carried out here."""
        on, off = found[1] or "", found[2] or ""
        unknown = (set(on) | set(off)) - set("imsxunUJ")
        if unknown:
            raise PatternError(f"`{min(unknown)}` is no flag", found.start())
        if "x" in on or "x" in off:
            self.extended[-1] = "x" in on
        kept, dropped = "".join(f for f in on if f in "ims"), "".join(f for f in off if f in "ims")
        return kept + ("-" + dropped if dropped else "")

    def special(self, start: int) -> None:
        """Look-around, atomic groups, conditions, recursion, branch reset: what RE2 has not."""
        words = ("(?<=", "(?<!", "(?=", "(?!", "(?>", "(?|")
        found = next((w for w in words if self.text.startswith(w, start)), None)
        if found:
            self.refuse("look-around" if found[-1] in "=!" else "an atomic group" if found == "(?>" else "branch reset")
            self.out.both("", found)
            self.at = start + len(found)
            return
        # Recursion by number, by name and relative, and conditions: the library writes most of them in one way only.
        call = re.compile(r"\(\?(R|[+-]?\d+|&\w+|P>\w+|P=\w+|\(<?'?\w+'?>?\))").match(self.text, start)
        if not call:
            raise PatternError("a group of an unknown kind", start)
        self.refuse("recursion or a condition")
        word = call[1]
        if word.startswith(("&", "P>")):
            word = str(self.number_of(word.removeprefix("&").removeprefix("P>")))
        elif word.startswith("P="):
            word = f":\\{self.number_of(word[2:])}"
        elif word.startswith("("):
            name = word.strip("(<'>)")
            word = f"({self.number_of(name)})"
        self.out.both("", f"(?{word}")
        self.at = call.end()

    def close(self) -> None:
        """The end of a group."""
        if not self.opened:
            raise PatternError("a bracket is closed that was not opened", self.at)
        self.opened.pop()
        self.extended.pop()
        if self.scoped.pop() is not None:
            self.out.both(")")
        self.atom(")")
        self.at += 1


PLACES = {
    # `\Z` of the library is the very end, as PCRE's `\z`.
    "z": (r"\z", r"\Z"),
    "Z": (r"\n?\z", r"(?=\n?\Z)"),
    "R": (r"(?:\r\n|[\n-\r\x{85}\x{2028}\x{2029}])", r"(?>\r\n|[\n-\r\x85\u2028\u2029])"),
    "N": (r"[^\n]", r"[^\n]"),
    "E": ("", ""),
}


def merge_flags(first: str | None, second: str) -> str:
    """Flags after flags of the same group."""
    if first is None:
        return second
    on: dict[str, bool] = {}
    for flags in (first, second):
        plus, _, minus = flags.partition("-")
        on |= dict.fromkeys(plus, True) | dict.fromkeys(minus, False)
    off = "".join(f for f, v in on.items() if not v)
    return "".join(f for f, v in on.items() if v) + ("-" + off if off else "")


def product(numbers: list[int]) -> int:
    """The product; 1 of none."""
    whole = 1
    for n in numbers:
        whole *= n
    return whole


def check_ranges(made: str, start: int) -> None:
    """Raises PatternError where a range of a class runs backwards."""
    try:
        # Python's own compiler tells a range that runs backwards; it knows no POSIX classes and
        # properties, hence the "a".
        re.compile(for_library(re.sub(r"\[:\^?[a-z]+:\]|\\[pP](\{[^}]*\}|\w)", "a", made)))
    except re.error as error:
        raise PatternError(str(error.msg), start) from None
