"""Characters that nobody sees, or that turn the text around them: no part of a query but of its quoted texts."""

from __future__ import annotations

import re

from harness.diagnostics import Source, SourceError
from harness.late_pattern import late_pattern

# Zero-width and soft characters, byte order marks within a text, and Unicode's controls of direction (Trojan Source,
# CVE-2021-42574). Splunk and LogScale take them for letters of a word, which then equals nothing.
INVISIBLE = late_pattern(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")

DOUBLE_QUOTED_TEXT = r'"(?:[^"\\]|\\.)*"'


def refuse_invisible_characters(source: Source, literals: str, comments: str) -> None:
    """Raises SourceError at the first of them outside what these two regular expressions match.

    Within a literal they stay: a rule for names that hide their ending behind U+202E has to write it, and emoji hold
    U+200D. A comment is known for the sake of a quote in it; what it hides is an error too.
    """
    if not INVISIBLE.search(source.text):
        return
    for found in re.finditer(f"(?P<literal>{literals})|{comments}|{INVISIBLE.pattern}", source.text, re.S):
        hidden = None if found["literal"] else INVISIBLE.search(source.text, found.start(), found.end())
        if hidden:
            message = f"here stands U+{ord(hidden[0]):04X}, which nobody sees and which makes another word"
            place = source.span(hidden.start(), hidden.end())
            raise SourceError("invisible-character", message, place, help="delete it, or write it within double quotes")
