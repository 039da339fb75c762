"""How the text of a search falls into tokens."""

from __future__ import annotations

import re

from harness.detection.text_token import TokenTable

# Each alternative is linear: an open quote or backtick is taken as a mark of one character.
QUERY_TOKEN = re.compile(
    r"""
    (?P<comment>```(?:[^`]|`(?!``))*```)
    |(?P<macro>`[^`\n]+`)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<pipe>\|)
    |(?P<number>(?<![\w.])\d+(?:\.\d+)?(?![\w.:*\\/-]))
    |(?P<operator>[<>!]=|==|[=<>*/%](?![\w.*\\])|[=<>+])
    |(?P<word>'[^'\n]+'|[^\s|,()\[\]"'`=<>!+]+)
    |(?P<mark>\S)
    """,
    re.X | re.S,
)
KEYWORDS = frozenset(["and", "or", "not", "xor", "in", "like", "by", "as", "over", "where", "output", "outputnew"])

TOKENS = TokenTable(pattern=QUERY_TOKEN, opens="[", closes="]", keywords=KEYWORDS, commands=True)
