"""PCRE read once, written for RE2 or for the `regex` library. One grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from harness.detection.plan.values.pcre_class import (
    CLASSES,
    COLLATING,
    GENERAL_CATEGORY,
    POSIX,
    ClassReader,
    PatternError,
    complement_ranges,
    for_library,
    match_property,
    print_character,
    print_ranges,
    read_character_code,
)
from harness.late_pattern import late_pattern
from harness.record import record

__all__ = ["LAST_LINE_END", "GroupOpening", "PatternError", "PcreReader", "TwoSpellingPattern"]


@record
class GroupOpening:
    """Where the head of a capturing group stands in the text, and how deep in other groups."""

    start: int
    end: int
    name: str | None
    depth: int


@dataclass(slots=True)
class TwoSpellingPattern:
    r"""A pattern in both spellings.

    `names` has the name or None of each capturing group, the first being group 1; `openings` where they are written.
    `reasons` says why RE2 cannot run it, empty if it can. `dollar` says whether it has a `$` or `\\Z`, which in PCRE
    stand before a last line end too; `branches` whether there is a bar outside of groups.
    """

    names: list[str | None] = field(default_factory=list)
    openings: list[GroupOpening] = field(default_factory=list)
    re2: list[str] = field(default_factory=list)
    library: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    dollar: bool = False
    branches: bool = False
    flags: str = ""

    def both(self, text: str, library: str | None = None) -> None:
        """Adds a piece to both spellings."""
        self.re2.append(text)
        self.library.append(for_library(text) if library is None else library)


@dataclass(slots=True)
class GroupState:
    """What holds inside one group, or outside of all."""

    start: int = 0
    """Where it opens."""
    extended: bool = False
    multiline: bool = False
    dot_all: bool = False
    scoped: str | None = None
    """Flags set in the middle, which have a bracket of their own."""
    begun: bool = False
    """Whether a `$` stands directly before the group."""
    ended: bool = False
    """Whether a `$` is the last in the branch so far."""
    branches_ended: bool = False
    """Whether one was the last of a branch before."""
    behind: bool = False
    """Whether it looks behind, or stands in a group that does."""
    kept: int | None = None
    """For a branch reset: how many groups stand before it."""
    longest: list[str | None] = field(default_factory=list)
    """For a branch reset: the names of its branch of most groups."""


NAMED_GROUP = late_pattern(r"\(\?(?:P?<(?![=!])([^>]*)>|'([^']*)')")
PCRE_GROUP_NAME = late_pattern(r"[A-Za-z_]\w*", re.ASCII)
INLINE = late_pattern(r"\(\?(\^?)([a-zA-Z]*)(?:-([a-zA-Z]*))?([:)])")
QUANTIFIER = late_pattern(r"\{(\d+)(?:,(\d*))?\}")
REFERENCE = late_pattern(r"\\(?:k(?:\{([^}]*)\}|<([^>]*)>|'([^']*)')|g(?:\{([^}]*)\}|([+-]?\d+)|<([^>]*)>|'([^']*)'))")
GROUP_CALL = late_pattern(r"\(\?(?:(R)|([+-]?\d+)|&(\w+)|P>(\w+)|P=(\w+)|\((?:<(\w+)>|'(\w+)'|([+-]?\w+))\))")
# What pcrepattern(3) lets stand at the very start and what changes nothing here.
IDLE_SETTINGS = late_pattern(
    r"UTF8?|NO_JIT|NO_START_OPT|NO_AUTO_POSSESS|NO_DOTSTAR_ANCHOR|LIMIT_(?:MATCH|DEPTH|HEAP)=\d+|LF"
)
LIBRARY_VERBS = {"PRUNE", "SKIP", "FAIL", "F"}
# A `^` of a line that is followed by something that must be there: what comes next is one character and not optional.
NEEDS_CHARACTER = late_pattern(
    r"(?:\((?:\?(?::|P?<\w+>))?)*(?:\\[dwshDWSH]|\\[^\w\s]|\[\^?\]?[^\]\\]*\]|[^\\.\[\](){}|*+?^$\s#])(?![*?{])"
)
OPTIONAL_GROUP = late_pattern(r"\)[*?{]|\|")
# `\b` of the library knows letters of all scripts, PCRE's those of ASCII.
WORD_CHARACTER = f"[{print_ranges(CLASSES['w'])}]"
EDGE = f"(?:(?<={WORD_CHARACTER})(?!{WORD_CHARACTER})|(?<!{WORD_CHARACTER})(?={WORD_CHARACTER}))"
NO_EDGE = f"(?:(?<={WORD_CHARACTER})(?={WORD_CHARACTER})|(?<!{WORD_CHARACTER})(?!{WORD_CHARACTER}))"
LAST_LINE_END = r"(?:\n?\z)"
# RE2's own bound: it refuses a{1001}.
MOST_REPEATS = 1000
# PCRE2's default limit of nested parentheses (pcre2api(3)).
DEEPEST_PATTERN = 250


class PcreReader:
    """Goes through a pattern once, from left to right."""

    def __init__(self, pattern: str, flags: str) -> None:
        self.text, self.at = pattern, 0
        self.out = TwoSpellingPattern(flags="".join(f for f in "ims" if f in flags))
        self.groups = [GroupState(multiline="m" in flags, dot_all="s" in flags)]
        self.repeats: list[int] = []
        self.repeatable = False
        self.same_names = False
        # Groups may be named before they are written, so the library's text is completed at the end.
        self.references: list[tuple[int, str, str, int]] = []

    def read(self) -> TwoSpellingPattern:
        """Reads the whole pattern; raises PatternError with the place."""
        while self.at < len(self.text):
            self.step()
        if len(self.groups) > 1:
            raise PatternError("a group is not closed", self.groups[-1].start)
        self.end_scope(self.groups[0])
        for place, template, group, position in self.references:
            self.out.library[place] = template.format(self.number_of(group, position))
        return self.out

    def number_of(self, group: str, position: int) -> int:
        """The number of a group given by name or number."""
        if not group.isdigit():
            if group not in self.out.names:
                raise PatternError(f"there is no group called `{group}`", position)
            return self.out.names.index(group) + 1
        if not 0 <= int(group) <= len(self.out.names):
            raise PatternError(f"there is no group {group}", position)
        return int(group)

    def refer(self, template: str, group: str, position: int) -> None:
        """Adds a reference to a group, by name, number or distance."""
        if re.fullmatch(r"[+-]\d+", group):
            number = len(self.out.names) + int(group) + (group[0] == "-")
            if number < 1:
                raise PatternError(f"there is no group {group}", position)
            group = str(number)
        self.out.both("", "")
        self.references.append((len(self.out.library) - 1, template, group, position))

    def atom(self, text: str, library: str | None = None, *, newline: bool = False) -> None:
        """Adds a piece that a quantifier may follow; `newline` says whether it may be a line end."""
        if newline and self.groups[-1].ended:
            self.refuse("a line end behind `$`")
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
        elif self.groups[-1].extended and (c.isspace() or c == "#"):
            self.comment(c)
        else:
            self.at += 1
            self.single(c)

    def single(self, c: str) -> None:
        """One ordinary character, a dot, an anchor or a bar."""
        group = self.groups[-1]
        if c == "|":
            self.branch(group)
        elif c == "$":
            self.line_end("$", None)
        elif c == "^":
            self.line_start(group)
        elif c == ".":
            self.atom(c, newline=group.dot_all)
        else:
            self.atom("\\" + c if c in "}]" else c, newline=c == "\n")

    def branch(self, group: GroupState) -> None:
        """A bar."""
        # Flags set in the middle hold to the end of the group, so each branch gets a bracket of its own.
        self.out.both("|" if group.scoped is None else f")|(?{group.scoped}:")
        self.repeatable = False
        self.out.branches |= len(self.groups) == 1
        group.branches_ended, group.ended = group.branches_ended or group.ended, group.begun
        if group.kept is not None:
            group.longest = max(group.longest, list(self.out.names), key=len)
            del self.out.names[group.kept :]

    def line_end(self, text: str, library: str | None) -> None:
        r"""`$` and `\Z`, which stand before a last line end too."""
        self.out.dollar = True
        self.groups[-1].ended = True
        self.place(text, library)

    def line_start(self, group: GroupState) -> None:
        """`^`; of a line it does not stand behind a line end that is the last character, as RE2's does."""
        if not group.multiline:
            self.text_start("^")
            return
        if not NEEDS_CHARACTER.match(self.text, self.at) or OPTIONAL_GROUP.search(self.text, self.at):
            self.refuse("a `^` of a line")
        self.place("^", r"(?:\A|(?<=\n)(?!\Z))")

    def text_start(self, text: str) -> None:
        r"""`^` and `\A`; behind a `$` they hold in a text that is one line end."""
        if self.groups[-1].ended:
            self.refuse("a start behind `$`")
        self.place(text)

    def place(self, text: str, library: str | None = None) -> None:
        """Adds what stands for no character, so that nothing of it can be repeated."""
        self.out.both(text, library)
        self.repeatable = False

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
        if self.groups[-1].behind and (piece in "*+" or piece.endswith(",}")):
            raise PatternError("a look-behind has no end", self.at)
        self.at += len(piece)
        if found:
            self.counted(found)
        following = self.text[self.at : self.at + 1]
        if following and following in "?+":
            piece, self.at = piece + following, self.at + 1
            if following == "+":
                self.refuse("a possessive quantifier")
        if self.groups[-1].ended and piece[0] != "?":
            self.refuse("a repeated `$`")
        self.out.both(piece)
        self.repeatable = False

    def counted(self, found: re.Match[str]) -> None:
        """Notes a count; RE2 copies what it repeats and gives up beyond 1000 copies."""
        low, high = int(found[1]), int(found[2] or found[1])
        if found[2] and high < low:
            raise PatternError("a repetition ends before it begins", self.at - len(found[0]))
        # PCRE's own bound (pcre2limits(3)).
        if max(low, high) > 65535:
            raise PatternError("a repetition has at most 65535 turns", self.at - len(found[0]))
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
                self.atom(print_character(ord(x)), newline=x == "\n")
            self.at = stop + (2 if end >= 0 else 0)
        elif c == "E":
            self.at += 2
        elif c in "123456789":
            self.digits()
        elif c in "kg":
            self.reference(c)
        elif c in "pP":
            found, self.at = match_property(self.text, self.at)
            self.atom(found, newline=True)
            # General categories are the same in both; scripts and PCRE's own classes have other names in RE2 or none.
            if not GENERAL_CATEGORY.fullmatch(found):
                self.refuse("a Unicode property")
        else:
            self.simple_escape(c)

    def digits(self) -> None:
        r"""`\1` is a reference, `\12` one if there are so many groups before it, else an octal number."""
        found = re.compile(r"\d+").match(self.text, self.at + 1)
        octal = re.compile(r"[0-7]{1,3}").match(self.text, self.at + 1)
        assert found
        if int(found[0]) < 10 or found[0][0] in "89" or int(found[0]) <= len(self.out.names):
            self.refuse("a back reference")
            self.refer("(?:\\{})", found[0], self.at)
            self.at = found.end()
        elif octal:
            self.atom(print_character(int(octal[0], 8)), newline=int(octal[0], 8) == 10)
            self.at = octal.end()
        self.repeatable = True

    def reference(self, c: str) -> None:
        r"""`\k<name>`, `\g{1}`, and `\g<name>`, which runs the group again."""
        found = REFERENCE.match(self.text, self.at)
        if not found:
            raise PatternError(f"`\\{c}` names no group", self.at)
        group = next(g for g in found.groups() if g is not None)
        calls = found[6] is not None or found[7] is not None
        self.refuse("a back reference")
        self.refer("(?{})" if calls else "(?:\\{})", group, self.at)
        self.at = found.end()
        self.repeatable = True

    def simple_escape(self, c: str) -> None:
        """An escape that stands for characters, a class or a place."""
        lower = c.lower()
        if lower in CLASSES:
            ranges = CLASSES[lower]
            inside = complement_ranges(ranges) if c.isupper() else ranges
            self.at += 2
            self.character_set(
                f"[{'^' if c.isupper() else ''}{print_ranges(ranges)}]",
                newline=any(low <= 10 <= high for low, high in inside),
            )
        elif found := read_character_code(self.text, self.at):
            self.atom(print_character(found[0]), newline=found[0] == 10)
            self.at = found[1]
        else:
            self.at += 2
            self.special_escape(c)

    def special_escape(self, c: str) -> None:
        """A place, a line end, a character of several code points, or a mark that stands for itself."""
        if c == "A":
            self.text_start(r"\A")
        elif c in PLACES:
            if c == "B":
                # RE2 finds it inside a character of several bytes, and DuckDB gives up ("not valid UTF-8").
                self.refuse(r"\B")
            self.place(*PLACES[c])
        elif c == "Z":
            self.line_end(LAST_LINE_END, r"(?=\n?\Z)")
        elif c == "N":
            if self.text.startswith("{", self.at) and not QUANTIFIER.match(self.text, self.at):
                raise PatternError("characters by name are not supported", self.at - 2)
            self.character_set(r"[^\n]", newline=False)
        elif c in SEVERAL:
            if c == "X" and self.groups[-1].behind:
                raise PatternError("a look-behind has no end", self.at - 2)
            self.refuse("\\" + c)
            self.atom("", SEVERAL[c], newline=True)
            self.repeatable = c not in "KG"
        elif c.isascii() and c.isalpha():
            raise PatternError(f"`\\{c}` stands for nothing", self.at - 2)
        else:
            self.atom(print_character(ord(c)), newline=c == "\n")

    def character_class(self) -> None:
        """[...]"""
        if POSIX.match(self.text, self.at) or COLLATING.match(self.text, self.at):
            raise PatternError("a named class stands in a bracket of its own: `[[:alpha:]]`", self.at)
        reader = ClassReader(self.text, self.at)
        made = reader.read()
        for reason in reader.reasons:
            self.refuse(reason)
        self.at = reader.end
        self.character_set(made, newline=reader.newline)

    def character_set(self, made: str, *, newline: bool) -> None:
        """Adds a class."""
        # The library (2026.2) takes `[^a]|[^b]` for a set that lacks both, unless something parts them.
        library = f"(?>{for_library(made)})" if made.startswith("[^") else None
        self.atom(made, library, newline=newline)

    def open(self) -> None:
        """An opening bracket with its kind: group, flags, comment, verb, look-around."""
        start, text = self.at, self.text
        if text.startswith("(?#", start):
            end = text.find(")", start)
            if end < 0:
                raise PatternError("a comment is not closed", start)
            self.at = end + 1
            return
        if text.startswith("(*", start):
            self.verb(start)
            return
        named, inline, call = (pattern.match(text, start) for pattern in (NAMED_GROUP, INLINE, GROUP_CALL))
        if inline and inline[4] == ")" and not (call and call[1]):
            self.switch(inline)
            return
        if len(self.groups) > DEEPEST_PATTERN:
            raise PatternError("groups nest too deep", start)
        self.begin(start)
        if named:
            self.capture(named[1] if named[1] is not None else named[2], named.end())
        elif call:
            self.call(call)
        elif inline:
            flags = self.letters(inline)
            self.out.both(f"(?{flags}:" if flags else "(?:")
            self.at = inline.end()
        elif text.startswith("(?", start):
            self.special(start)
        else:
            self.capture(None, start + 1)
        self.repeatable = False

    def begin(self, start: int) -> None:
        """Goes one group deeper."""
        outer = self.groups[-1]
        self.groups.append(replace(outer, start=start, begun=outer.ended, scoped=None, kept=None, longest=[]))

    def capture(self, name: str | None, end: int) -> None:
        """The head of a capturing group."""
        start = self.at
        if name is not None and not PCRE_GROUP_NAME.fullmatch(name):
            raise PatternError(f"`{name}` is no name of a group: letters, digits and _ are", start)
        resets = any(g.kept is not None for g in self.groups)
        if name is not None and name in self.out.names and not (self.same_names or resets):
            raise PatternError(f"two groups are called `{name}`", start)
        self.out.openings.append(GroupOpening(start, end, name, len(self.groups) - 2))
        self.out.names.append(name)
        self.out.both("(")
        self.at = end

    def verb(self, start: int) -> None:
        """(*UTF) and its like at the start are settings; within, control of backtracking."""
        end = self.text.find(")", start)
        if end < 0:
            raise PatternError("a group is not closed", start)
        verb = self.text[start + 2 : end]
        if verb in LIBRARY_VERBS:
            self.refuse(f"(*{verb})")
            self.place("", f"(*{verb})")
        elif self.out.library or not IDLE_SETTINGS.fullmatch(verb):
            raise PatternError(f"`(*{verb})` is not supported", start)
        self.at = end + 1

    def switch(self, found: re.Match[str]) -> None:
        """(?i) in the middle: the rest of the group gets brackets of its own, each branch anew."""
        flags, group = self.letters(found), self.groups[-1]
        self.at = found.end()
        self.repeatable = False
        if not flags:
            return
        self.end_scope(group)
        group.scoped = merge_flags(group.scoped, flags)
        self.out.both(f"(?{group.scoped}:")

    def letters(self, found: re.Match[str]) -> str:
        """The flags that both engines know; x is carried out here."""
        on, off, group = found[2], found[3] or "", self.groups[-1]
        if found[1]:
            if off:
                raise PatternError("`^` and `-` do not go together", found.start())
            off = "".join(f for f in "imsx" if f not in on)
        unknown = (set(on) | set(off)) - set("imsxJ")
        if unknown or "xx" in on:
            flag = min(unknown, default="xx")
            known = flag in "nUxxa"
            message = f"the flag `{flag}` is not supported" if known else f"`{flag}` is no flag"
            raise PatternError(message, found.start())
        self.same_names |= "J" in on
        for letter, name in (("x", "extended"), ("m", "multiline"), ("s", "dot_all")):
            if letter in on + off:
                setattr(group, name, letter not in off)
        dropped = "".join(f for f in dict.fromkeys(off) if f in "ims")
        kept = "".join(f for f in dict.fromkeys(on) if f in "ims" and f not in dropped)
        return kept + ("-" + dropped if dropped else "")

    def call(self, found: re.Match[str]) -> None:
        """A group run again, a reference in Python's spelling, or the condition of a group."""
        self.refuse("recursion or a condition")
        whole, number, first, second, same, *conditions = found.groups()
        position = found.start()
        if whole:
            self.out.both("", "(?R")
        elif number or first or second:
            self.refer("(?{}", number or first or second, position)
        elif same:
            self.refer("(?:\\{}", same, position)
        else:
            self.refer("(?({})", next(c for c in conditions if c), position)
        self.at = found.end()

    def special(self, start: int) -> None:
        """Look-around, atomic groups and branch reset, which RE2 has not."""
        words = ("(?<=", "(?<!", "(?=", "(?!", "(?>", "(?|")
        found = next((w for w in words if self.text.startswith(w, start)), None)
        if not found:
            raise PatternError("a group of an unknown kind", start)
        self.refuse("look-around" if found[-1] in "=!" else "an atomic group" if found == "(?>" else "branch reset")
        self.out.both("", found)
        self.groups[-1].behind |= found.startswith("(?<")
        self.groups[-1].kept = len(self.out.names) if found == "(?|" else None
        self.at = start + len(found)

    def end_scope(self, group: GroupState) -> None:
        """The end of what flags in the middle hold for."""
        if group.scoped is not None:
            self.check_empty()
            self.out.both(")")

    def check_empty(self) -> None:
        """Notes a group of nothing: DuckDB's own shortcut for plain texts takes `a(?:)` for another text."""
        if re.fullmatch(r"\(\?[a-z-]*:", self.out.re2[-1]):
            self.refuse("an empty group")

    def close(self) -> None:
        """The end of a group."""
        if len(self.groups) == 1:
            raise PatternError("a bracket is closed that was not opened", self.at)
        group = self.groups.pop()
        self.end_scope(group)
        if len(group.longest) > len(self.out.names):
            self.out.names[:] = group.longest
        self.check_empty()
        self.atom(")")
        self.groups[-1].ended |= group.ended or group.branches_ended
        self.at += 1


PLACES = {
    # `\Z` of the library is the very end, as PCRE's `\z`.
    "z": (r"\z", r"\Z"),
    "b": (r"\b", EDGE),
    "B": (r"\B", NO_EDGE),
}
"""What stands for no character: in RE2, in the library."""

SEVERAL = {
    # One piece in PCRE, which RE2 would take apart again.
    "R": r"(?>\r\n|[\n-\r\x85\u2028\u2029])",
    "X": r"\X",
    "K": r"\K",
    "G": r"\G",
}
"""What RE2 lacks, as the library writes it."""


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
