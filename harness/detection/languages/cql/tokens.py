"""How the text of a query falls into tokens."""

from __future__ import annotations

import re

from harness.detection.text_token import TokenTable
from harness.late_pattern import late_pattern

# A slash behind a word or a closing bracket divides. What is not closed takes the rest, as trying again at each further
# quote would take the square of the time.
QUERY_TOKEN = late_pattern(
    r"""
    (?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))
    |(?P<regex>(?<=[=(,|{!\s])/(?![/*\s])(?:[^/\\\n]|\\.)+/[dimgF]*)
    |(?P<macro>\$"[^"\n]*"|\$[\w./:-]+)
    |(?P<parameter>\?\{?[\w]+)
    |(?P<pipe>\|)
    |(?P<number>(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.:*-]))
    |(?P<operator>:=|=~|<=>|[<>!]=|==|[=<>!+\-*/%])
    |(?P<word>[#@&\\^\w][#%&.@\\^\w\u00a1-\u00ff:]*(?:\[\d*\])*)
    |(?P<mark>\S)
    """,
    re.X | re.S,
)
KEYWORDS = frozenset(["and", "or", "not", "like", "case", "match", "in"])

TOKENS = TokenTable(pattern=QUERY_TOKEN, opens="{", closes="}", keywords=KEYWORDS, commands=False)
