"""Characters that nobody sees, or that turn the text around them: no part of a query but of its quoted texts."""

from __future__ import annotations

import re

from harness.diagnostics import Source, SourceError

# Zero-width and soft characters, byte order marks within a text, and Unicode's controls of direction (Trojan Source,
# CVE-2021-42574). Splunk and LogScale take them for letters of a word, which then equals nothing.
QUOTED_OR_INVISIBLE = re.compile(
    r'"(?:[^"\\]|\\.)*"'
    r"|(?P<invisible>[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff])",
    re.S,
)


def refuse_invisible_characters(source: Source) -> None:
    """Raises SourceError at the first of them outside double quotes.

    Within quotes they stay: a rule for names that hide their ending behind U+202E has to write it.
    """
    for found in QUOTED_OR_INVISIBLE.finditer(source.text) if not source.text.isascii() else ():
        if character := found["invisible"]:
            message = f"here stands U+{ord(character):04X}, which nobody sees and which makes another word"
            place = source.span(found.start(), found.end())
            raise SourceError("invisible-character", message, place, help="delete it, or write it within double quotes")
