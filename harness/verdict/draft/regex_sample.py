"""A text in which a pattern is found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

# The standard library's own reader of patterns, which has no public name.
READER: Any = import_module("re._parser")
CODES: Any = import_module("re._constants")
LONGEST_REPEAT = 64
OF_CATEGORY = {
    "CATEGORY_DIGIT": "1",
    "CATEGORY_SPACE": " ",
    "CATEGORY_WORD": "a",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_NOT_WORD": " ",
}
ORDINARY = "aA1 .-_/\\:@\"'=,"


def sample_regex(pattern: str) -> str | None:
    """A short text in which the pattern is found; None where its reader does not know the pattern, or finds none."""
    try:
        # PCRE's names for groups; what else differs makes no sample, and whoever asks goes without.
        parsed = READER.parse(re.sub(r"\(\?<(?![=!])", "(?P<", pattern))
        text = "".join(sample_parts(parsed, {}))
        return text if re.search(re.sub(r"\(\?<(?![=!])", "(?P<", pattern), text) else None
    except (re.error, RecursionError, OverflowError, ValueError, KeyError):
        return None


def sample_parts(parsed: Any, groups: dict[int, str]) -> Iterator[str]:
    """A text for each part of a pattern, the first branch of alternatives and the fewest of repeats."""
    for code, value in parsed:
        name = str(code)
        if name in ("LITERAL",):
            yield chr(value)
        elif name == "NOT_LITERAL":
            yield next(c for c in ORDINARY if ord(c) != value)
        elif name == "ANY":
            yield "a"
        elif name == "IN":
            yield sample_class(value)
        elif name == "BRANCH":
            yield "".join(sample_parts(value[1][0], groups))
        elif name == "SUBPATTERN":
            groups[value[0] or 0] = "".join(sample_parts(value[3], groups))
            yield groups[value[0] or 0]
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if value[0] > LONGEST_REPEAT:
                raise ValueError("a pattern that repeats too often")
            yield "".join("".join(sample_parts(value[2], groups)) for _ in range(value[0]))
        elif name == "GROUPREF":
            yield groups.get(value, "")
        elif name == "ATOMIC_GROUP":
            yield "".join(sample_parts(value, groups))
        elif name == "ASSERT" and value[0] > 0:
            yield "".join(sample_parts(value[1], groups))


def sample_class(members: Any) -> str:
    """A character of a class."""
    negated = members and str(members[0][0]) == "NEGATE"
    if negated:
        excluded = list(members[1:])
        return next(c for c in ORDINARY + "bcdxyz" if not any(is_member(c, m) for m in excluded))
    code, value = members[0]
    name = str(code)
    if name == "LITERAL":
        return chr(value)
    if name == "RANGE":
        return chr(value[0])
    return OF_CATEGORY[str(value)]


def is_member(character: str, member: Any) -> bool:
    """Whether a character is of one member of a class."""
    code, value = member
    name = str(code)
    if name == "LITERAL":
        return bool(ord(character) == value)
    if name == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    tests = {"CATEGORY_DIGIT": str.isdigit, "CATEGORY_SPACE": str.isspace, "CATEGORY_WORD": str.isalnum}
    return str(value) in tests and tests[str(value)](character)
