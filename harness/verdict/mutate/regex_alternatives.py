"""Regular expressions broken: each alternative left out, and a leading flag."""

from __future__ import annotations

from collections.abc import Iterator

# Chosen, no source: each is a mutant that runs on all scenarios.
MOST_ALTERNATIVES = 200


def broken_regexes(pattern: str) -> Iterator[tuple[str, str]]:
    """Each way to break a pattern, in words, and the pattern: an alternative or a leading flag left out."""
    if pattern.startswith("(?") and ")" in pattern and pattern[2 : pattern.index(")")].isalpha():
        end = pattern.index(")") + 1
        yield f"{pattern[:end]} dropped", pattern[end:]
    for start, end in lists_of_alternatives(pattern):
        parts = list(split_alternatives(pattern, start, end))
        if not 2 <= len(parts) <= MOST_ALTERNATIVES:
            continue
        for first, last in parts:
            # With the bar behind it, the last one with the bar before.
            cut = (first, last + 1) if last < end else (first - 1, last)
            yield f"{pattern[first:last]} dropped", pattern[: cut[0]] + pattern[cut[1] :]


def lists_of_alternatives(pattern: str) -> Iterator[tuple[int, int]]:
    """Where groups, and the whole pattern, begin and end inside their brackets."""
    yield 0, len(pattern)
    stack: list[int] = []
    for at, character in find_pattern_tokens(pattern, 0, len(pattern)):
        if character == "(":
            stack.append(after_opening(pattern, at))
        elif character == ")" and stack:
            yield stack.pop(), at


def after_opening(pattern: str, at: int) -> int:
    """The first place inside a group, after `(`, `(?:` or a name."""
    if not pattern.startswith("(?", at):
        return at + 1
    for mark in (":", ">"):
        found = pattern.find(mark, at)
        if (found != -1 and pattern[at + 2 : found].lstrip("P<").replace("_", "").isalnum()) or found == at + 2:
            return found + 1
    return at + 2


def split_alternatives(pattern: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretches between the bars of one group, bars of groups inside it left alone."""
    depth, first = 0, start
    for at, character in find_pattern_tokens(pattern, start, end):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "|" and depth == 0:
            yield first, at
            first = at + 1
    yield first, end


def find_pattern_tokens(pattern: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Characters that mean something: no escaped ones, none in character classes."""
    at, inside = start, False
    while at < end:
        character = pattern[at]
        if character == "\\":
            at += 2
            continue
        if inside:
            inside = character != "]"
        elif character == "[":
            inside = True
            # A bracket right at the start of a class stands for itself; so may one after `^`.
            at += 2 if pattern.startswith("[^", at) else 1
        else:
            yield at, character
        at += 1
