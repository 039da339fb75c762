"""Words and phrases of a search: they are looked for in the text of the event, on the borders of its tokens.

Reference: reference/spl.md 4.2
"""

from __future__ import annotations

import re

from harness.detection.languages.spl.coercion import YES, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, Literal
from harness.detection.plan.operation import Typed
from harness.diagnostics import Span

MAJOR = r"\s\[\]<>(){}|!;,'\"*&?+"
MINOR = r"/:=@.\-$#%\\_"
ENCODED = "%(?:20|21|26|2526|2520|3B|7C|2B|3D|5D|5B|3A|0A|2C|28|29)|--"


def found_in_raw(scope: Scope, word: Word, kind: str, span: Span) -> Typed:
    """Whether the text of the event has the word; rows without a text of their own never do."""
    if word.text.strip("*") == "" and word.text:
        return YES
    if not word.text:
        return YES
    subject = scope.typed("_raw")
    if subject.kind is Kind.NULL:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    flags = "s" if kind == "CASE" else "is"
    return ops.regex_found(subject, literal(build_word_regex(word.text, kind)), literal(flags), span=span)


def build_word_regex(word: str, kind: str) -> str:
    """The regular expression of a word between breakers; TERM has major ones only."""
    breakers = MAJOR if kind == "TERM" else MAJOR + MINOR
    body = "[^" + MAJOR + "]*" if kind == "TERM" else ".*"
    middle = body.join(re.escape(p) for p in word.strip("*").split("*"))
    before = "" if word.startswith("*") else f"(?:^|[{breakers}]|{ENCODED})"
    after = "" if word.endswith("*") else f"(?:$|[{breakers}]|{ENCODED})"
    return before + middle + after
