"""Characters that nobody sees, or that turn the text around them: no part of a query but of its quoted texts."""

from __future__ import annotations

import re

from harness.diagnostics import Source, SourceError

# Zero-width and soft characters, byte order marks within a text, and Unicode's controls of direction (Trojan Source,
# CVE-2021-42574). Splunk and LogScale take them for letters of a word, which then equals nothing.
INVISIBLE = r"(?P<invisible>[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff])"
QUOTED_TEXT = r'"(?:[^"\\]|\\.)*"'
QUOTED_OR_INVISIBLE = re.compile(f"{QUOTED_TEXT}|{INVISIBLE}", re.S)
# Published rules look for emoji that are joined by U+200D, in regular expressions between slashes.
SLASHED_OR_INVISIBLE = re.compile(rf"{QUOTED_TEXT}|/(?:[^/\\\n]|\\.)+/|{INVISIBLE}", re.S)


def refuse_invisible_characters(source: Source, *, slashes: bool = False) -> None:
    """Raises SourceError at the first of them outside double quotes, and outside `slashes` where a language has them.

    Within quotes they stay: a rule for names that hide their ending behind U+202E has to write it.
    """
    pattern = SLASHED_OR_INVISIBLE if slashes else QUOTED_OR_INVISIBLE
    for found in pattern.finditer(source.text) if not source.text.isascii() else ():
        if character := found["invisible"]:
            message = f"here stands U+{ord(character):04X}, which nobody sees and which makes another word"
            place = source.span(found.start(), found.end())
            raise SourceError("invisible-character", message, place, help="delete it, or write it within double quotes")
