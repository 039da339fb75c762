"""Regular expressions as Splunk writes them: PCRE, checked before anything runs.

Reference: reference/spl.md 3.4, level 3
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError, Span

NAMED_GROUP_START = re.compile(r"\(\?P?<([A-Za-z_]\w*)>")
LITERAL = re.compile(r"\\Q(.*?)(?:\\E|$)", re.S)


def check_pattern_literal(pattern: Typed) -> Typed:
    """A pattern that is a literal, refused with its place if it cannot be read."""
    constant, span = pattern.constant, getattr(pattern.expression, "span", None)
    if isinstance(constant, str) and span is not None:
        check_pattern(constant, span)
    return as_text(pattern)


def element_matches(element: Typed, pattern: Typed) -> Typed:
    """Whether one of several values has a match."""
    return ops.regex_found(element, check_pattern_literal(pattern), literal(""))


def check_pattern(pattern: str, span: Span) -> str:
    """The pattern itself; an error about its place if it cannot be read."""
    problem = find_pattern_fault(pattern)
    if problem:
        raise SourceError("bad-regex", f"the regular expression cannot be read: {problem}", span)
    return pattern


@lru_cache(4096)
def find_pattern_fault(pattern: str) -> str:
    """Why a pattern cannot be read; empty if it can."""
    if len(pattern) > 16384:
        return "it is longer than 16,384 characters"
    try:
        regex.compile(python_spelling(pattern))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        return str(error).lower()[:120] or "nested too deep"
    return ""


def python_spelling(pattern: str) -> str:
    r"""PCRE's spellings that the regex library has otherwise: `\Q...\E`, `\x{41}`, `\h`, `\R`."""
    pattern = LITERAL.sub(lambda m: re.escape(m[1]), pattern)
    pattern = re.sub(r"\\x\{([0-9A-Fa-f]{1,6})\}", lambda m: re.escape(chr(min(int(m[1], 16), 0x10FFFF))), pattern)
    return pattern.replace(r"\h", r"[ \t]").replace(r"\R", r"(?:\r\n|\n|\r)")


def group_names(pattern: str) -> tuple[str, ...]:
    """Names of the named groups, each once, in order."""
    return tuple(dict.fromkeys(NAMED_GROUP_START.findall(pattern)))
