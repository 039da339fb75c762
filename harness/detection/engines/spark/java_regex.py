r"""Patterns as `java.util.regex` reads them, which Spark matches with.

The text begins as RE2 would get it. Java reads `[[]` as the start of a set within a set, `&&` as an intersection, takes
letters without case for ASCII only, ends lines at more characters, and knows no name with an underscore. What Java
could take exponential time for is left to Python, which stops in time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.detection.plan.values.regex import list_capture_groups, re2
from harness.late_pattern import late_pattern

TOKEN = late_pattern(
    r"\\.|\[\^?\]?|\]|\(\?P?<[A-Za-z_]\w*>|\(\?[a-zA-Z]*-?[a-zA-Z]*[:)]|\(\?|\(|\)|&&|\||[*+?]|\{\d*,?\d*\}|.", re.S
)
REPEATED = late_pattern(r"[*+]|\{\d*,\d*\}|\{[2-9]|\{\d\d")
OPTIONAL = late_pattern(r"[*?]|\{0|\{,")


@dataclass(slots=True)
class JavaGroup:
    """A group while its pattern is read: the number it captures as, and what stands in it."""

    number: int | None = None
    repeats: bool = False
    inside: list[int] = field(default_factory=list)
    choices: bool = False


class JavaPattern:
    """A pattern in Java's words; `text` is None where it is left to Python; `certain` are groups of every match."""

    def __init__(self, written: str, count: int) -> None:
        self.made: list[str] = ["(?d)"]
        self.certain = set(range(count + 1))
        self.text: str | None = None
        self.groups = [JavaGroup()]
        self.last: JavaGroup | None = None
        self.captured = 0
        self.in_class = False
        if all(self.read(token) for token in TOKEN.findall(written)):
            self.close_choices(self.groups[0])
            self.text = "".join(self.made)

    def read(self, token: str) -> bool:
        """Takes one token; whether Java can have it."""
        if self.in_class:
            self.in_class = token != "]"
            self.made.append("\\" + token if token.startswith("[") else r"\&\&" if token == "&&" else token)
            return not token.startswith("[") or token == "["
        last, self.last = self.last, None
        if token.startswith("["):
            self.in_class = True
            self.made.append(token[:-1] + r"\]" if token.endswith("]") else token)
        elif token.startswith("("):
            return self.open_group(token)
        elif token == ")" and len(self.groups) > 1:
            self.last = self.groups.pop()
            self.close_choices(self.last)
            self.groups[-1].inside += [*self.last.inside, *([self.last.number] if self.last.number else [])]
            self.groups[-1].repeats |= self.last.repeats
            self.made.append(token)
        elif token == "|":
            self.groups[-1].choices = True
            self.made.append(token)
        elif token[0] in "*+?{" and (len(token) > 1 or token in "*+?"):
            return self.repeat(token, last)
        else:
            self.made.append(token)
            return token not in (r"\C", r"\Q", r"\E")
        return True

    def repeat(self, token: str, last: JavaGroup | None) -> bool:
        """A quantifier; one of a group that has another one inside could take exponential time."""
        if last is not None and OPTIONAL.match(token):
            self.certain -= {*last.inside, *([last.number] if last.number else [])}
        nested = last is not None and (last.repeats or last.choices) and bool(REPEATED.match(token))
        self.groups[-1].repeats |= bool(REPEATED.match(token))
        self.made.append(token)
        return not nested

    def open_group(self, token: str) -> bool:
        """An opening bracket, with whatever stands right behind it."""
        found = JavaGroup()
        if token == "(" or "<" in token:
            self.captured += 1
            found.number = self.captured
            self.made.append("(")
        elif token[-1] in ":)":
            flags = token[2:-1]
            if set(flags) - set("ims-"):
                return False
            # Without `u` Java folds the case of ASCII letters only.
            self.made.append(token.replace("i", "iu") if "i" in flags.partition("-")[0] else token)
            if token.endswith(")"):
                return True
        else:
            return False
        self.groups.append(found)
        return True

    def close_choices(self, group: JavaGroup) -> None:
        """Of several choices only one takes part."""
        if group.choices:
            self.certain -= set(group.inside)


def write_java_pattern(regex: str, flags: str, *, whole_match: bool = False) -> JavaPattern | None:
    """The pattern for Java, None where RE2 could not run it either."""
    written = re2(regex, flags, whole_match=whole_match)
    # Java reads [[:alpha:]] as a set of these letters.
    if written is None or "[:" in written:
        return None
    made = JavaPattern(written, len(list_capture_groups(regex)))
    return None if made.text is None else made
