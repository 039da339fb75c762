"""How the text of a search falls into tokens."""

from __future__ import annotations

import re

from harness.detection.text_token import TokenTable
from harness.late_pattern import late_pattern

# A quote that is not closed takes the rest: trying again at each further one would take the square of the time.
QUERY_TOKEN = late_pattern(
    r"""
    (?P<comment>```.*?(?:```|\Z))
    |(?P<macro>`[^`\n]+`)
    |(?P<string>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))
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
