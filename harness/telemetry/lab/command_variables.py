"""The values that a command's variables have, as far as the literals of its text tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from harness.late_pattern import late_pattern
from harness.record import record

MOST_VALUES = 16
DEEPEST_VARIABLE = 8

SET = late_pattern(r"""(?im)(?:^|[&|(@])[ \t]*set\s+(?:"([\w.]+)=([^"\n]*)"|([\w.]+)=([^&|\n]*))""")
CMD_LOOP = late_pattern(r"(?i)\bfor\s+%%?([a-z])\s+in\s+\(([^)\n]{0,2000})\)")
ASSIGNMENT = late_pattern(r"(?m)\$(?:(?:script|global|local|private):)?(\w+)\s*=(?!=)\s*([^;\n{}|]*)", re.IGNORECASE)
LOOP = late_pattern(r"(?i)\bforeach\s*\(\s*\$(\w+)\s+in\s+([^{}\n]{0,2000})\)")
PIPELINE = late_pattern(r"(?im)(?:^|[;{}&])([^;{}\n|&]*)\|\s*(?:foreach-object|foreach|%)\s*\{")

QUOTED = late_pattern(r"'((?:[^'\n]|'')*)'|\"([^\"\n]*)\"")
HARMLESS_CALL = late_pattern(
    r"""(?i)\.(?:trim|trimstart|trimend|split|tolower|toupper|tostring)\(\s*(?:'[^']*'|"[^"]*")?\s*\)"""
)
HARMLESS_CAST = late_pattern(r"(?i)\[(?:string|string\[\]|int|uri|system\.uri|array|ipaddress)\]")
NUMBER = late_pattern(r"(?<![\w.])(?:0x[0-9a-f]+|\d+)(?![\w.])", re.IGNORECASE)
REFERENCE = late_pattern(
    r"%([a-z_][\w.]*)%|!([a-z_][\w.]*)!|\$\(\$(\w+)\)|\$\{?(?:(?:script|global|local|private):)?(\w+)\b\}?(?!:\w)|%%?(?:~\w*)?([a-z])\b",
    re.IGNORECASE,
)


@record
class Variables:
    """What each variable is set to; `piped` are the sources of `$_`."""

    prompt: Mapping[str, tuple[str, ...]]
    assigned: Mapping[str, tuple[str, ...]]
    piped: tuple[str, ...]

    def expand(self, text: str, depth: int = 0) -> tuple[str, ...]:
        """A text with its known variables replaced, once for each value they have; the others stay as they are."""
        texts: tuple[str, ...] = (text,)
        for match in REFERENCE.finditer(text):
            values = self.find(match, depth + 1)
            if values is not None:
                texts = tuple(t.replace(match.group(), v) for t in texts for v in values)[:MOST_VALUES]
        return texts

    def find(self, reference: re.Match[str], depth: int) -> tuple[str, ...] | None:
        """The values of what a reference names; None where they are not known."""
        percent, exclaimed, inner, plain, loop = reference.groups()
        if plain or inner:
            return self.find_assigned((plain or inner).lower(), depth)
        return self.prompt.get((percent or exclaimed or f"%{loop}").lower())

    def find_assigned(self, name: str, depth: int) -> tuple[str, ...] | None:
        """The values of a variable of PowerShell; None where one of its sources is no literal."""
        sources = self.piped if name in ("_", "psitem") else self.assigned.get(name, ())
        if not sources or depth > DEEPEST_VARIABLE:
            return None
        found: list[str] = []
        for source in sources:
            values = self.evaluate(source, depth + 1)
            if values is None:
                return None
            found += values
        return tuple(dict.fromkeys(found))[:MOST_VALUES]

    def evaluate(self, expression: str, depth: int = 0) -> tuple[str, ...] | None:
        """The values of an expression of literals, known variables and calls that only cut them; None of any other."""
        cut = re.compile(r"[,;|\s]+" if ".split(" in expression.lower() else r"(?!)")
        rest = HARMLESS_CAST.sub(" ", HARMLESS_CALL.sub(" ", expression))
        values: list[str] = []
        for match in QUOTED.finditer(rest):
            texts = (match[1].replace("''", "'"),) if match[1] is not None else self.expand(match[2], depth)
            if match[2] and any(REFERENCE.search(t) or "$(" in t for t in texts):
                return None
            values += [piece for t in texts for piece in cut.split(t) if piece]
        rest = QUOTED.sub(" ", rest)
        for match in REFERENCE.finditer(rest):
            known = self.find(match, depth + 1)
            if known is None:
                return None
            values += known
        rest = REFERENCE.sub(" ", rest)
        values += NUMBER.findall(rest)
        return tuple(values) if values and not NUMBER.sub(" ", rest).strip(" \t\r,@()") else None


def read_variables(text: str) -> Variables:
    """The variables that a text sets, in either shell; one that is set too often is not known."""
    prompt: defaultdict[str, list[str]] = defaultdict(list)
    for match in SET.finditer(text):
        prompt[(match[1] or match[3]).lower()].append((match[2] if match[1] else match[4]).strip())
    for match in CMD_LOOP.finditer(text):
        prompt[f"%{match[1].lower()}"] += re.split(r"[\s,;=]+", match[2].strip())
    assigned: defaultdict[str, list[str]] = defaultdict(list)
    for match in (*ASSIGNMENT.finditer(text), *LOOP.finditer(text)):
        assigned[match[1].lower()].append(match[2])
    piped = tuple(m[1] for m in PIPELINE.finditer(text))
    return Variables(keep_few(prompt), keep_few(assigned), piped if len(piped) <= MOST_VALUES else ())


def keep_few(sources: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    """Those names that have few sources."""
    return {name: tuple(found) for name, found in sources.items() if len(found) <= MOST_VALUES}
