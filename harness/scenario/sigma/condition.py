"""The condition of a Sigma rule: names of selections, `1 of`, `all of`, not, and, or, parentheses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.diagnostics import SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record

TOKEN = late_pattern(r"\s*(?:([()|])|([^\s()|]+))")
# Chosen, no source: SigmaHQ's deepest nests 4 levels, and Python's own recursion ends near 1,000.
DEEPEST_CONDITION = 100
WORDS = frozenset({"and", "or", "not", "of", "them"})
QUANTIFIERS = {"1": False, "any": False, "all": True}
"""Whether every one of the selections has to fit."""


@record
class SelectionName:
    """A selection by its name."""

    name: str


@record
class Negation:
    """What must not fit."""

    member: ConditionTree


@record
class Combination:
    """Conditions of which `every` one has to fit, or any."""

    members: tuple[ConditionTree, ...]
    every: bool


ConditionTree = SelectionName | Negation | Combination


@dataclass(slots=True)
class ConditionReader:
    """One condition on its way from text to tree."""

    text: str
    span: Span
    names: Sequence[str]
    tokens: list[tuple[str, int]]
    at: int = 0
    depth: int = 0

    def peek(self) -> str:
        """The token that comes next, in lower case; nothing at the end."""
        return self.tokens[self.at][0].lower() if self.at < len(self.tokens) else ""

    def error(self, message: str, help: str | None = None) -> SourceError:
        """A failure at the token that comes next, or at the end."""
        token, start = self.tokens[self.at] if self.at < len(self.tokens) else ("", len(self.text))
        return SourceError("sigma-condition", message, self.place(start, len(token)), help=help)

    def place(self, start: int, length: int) -> Span:
        """Where a part of the condition stands in the file, the whole condition where it is folded over lines."""
        written = self.span.text
        first = written.find(self.text)
        if first < 0:
            return self.span
        start = min(start, max(0, len(self.text) - 1))
        begin = self.span.start + first + start
        return self.span.source.span(begin, begin + max(1, length))

    def disjunction(self) -> ConditionTree:
        """Conditions between `or`."""
        members = [self.conjunction()]
        while self.peek() == "or":
            self.at += 1
            members.append(self.conjunction())
        return members[0] if len(members) == 1 else Combination(tuple(members), every=False)

    def conjunction(self) -> ConditionTree:
        """Conditions between `and`."""
        members = [self.negation()]
        while self.peek() == "and":
            self.at += 1
            members.append(self.negation())
        return members[0] if len(members) == 1 else Combination(tuple(members), every=True)

    def negation(self) -> ConditionTree:
        """A condition, perhaps behind `not`."""
        self.depth += 1
        if self.depth > DEEPEST_CONDITION:
            raise self.error(f"a condition nests at most {DEEPEST_CONDITION} levels")
        try:
            return self.nested()
        finally:
            self.depth -= 1

    def nested(self) -> ConditionTree:
        """A condition behind `not` or in parentheses, or a selection."""
        if self.peek() == "not":
            self.at += 1
            return Negation(self.negation())
        if self.peek() == "(":
            self.at += 1
            inner = self.disjunction()
            if self.peek() != ")":
                raise self.error("a parenthesis is not closed")
            self.at += 1
            return inner
        return self.operand()

    def operand(self) -> ConditionTree:
        """A selection, or `1 of` several."""
        word = self.peek()
        following = self.tokens[self.at + 1][0].lower() if self.at + 1 < len(self.tokens) else ""
        if following == "of":
            return self.quantity(word)
        if not word or word in WORDS or word == ")":
            raise self.error("the name of a selection is expected here")
        name = self.tokens[self.at][0]
        if name not in self.names:
            known = ", ".join(self.names)
            raise self.error(f"there is no selection `{name}`", did_you_mean(name, self.names) or f"there is {known}")
        self.at += 1
        return SelectionName(name)

    def quantity(self, word: str) -> ConditionTree:
        """`1 of them`, `all of selection_*`."""
        if word not in QUANTIFIERS:
            raise self.error(f"`{word} of` has no meaning in Sigma", "write `1 of` or `all of`")
        self.at += 2
        if self.at >= len(self.tokens):
            raise self.error("`them` or the names of selections are expected here")
        pattern = self.tokens[self.at][0]
        chosen = [n for n in self.names if fits_selection_pattern(n, pattern)]
        if not chosen:
            raise self.error(f"no selection fits `{pattern}`", f"there is {', '.join(self.names)}")
        self.at += 1
        return Combination(tuple(map(SelectionName, chosen)), every=QUANTIFIERS[word])


def fits_selection_pattern(name: str, pattern: str) -> bool:
    """Whether a selection is one of `them` or of a pattern; names with a leading underscore are no part of either."""
    if pattern.lower() == "them":
        return not name.startswith("_")
    return fnmatchcase(name, pattern) and (pattern.startswith("_") or not name.startswith("_"))


def parse_condition(text: str, span: Span, names: Sequence[str]) -> ConditionTree:
    """The tree of a condition over selections of these names. Raises SourceError at the word that does not fit."""
    tokens = [(m[1] or m[2], m.start(1) if m[1] else m.start(2)) for m in TOKEN.finditer(text)]
    reader = ConditionReader(text, span, names, tokens)
    if not tokens:
        raise SourceError("sigma-condition", "the condition is empty", span)
    tree = reader.disjunction()
    if reader.peek() == "|":
        hint = "write a correlation of type event_count or value_count"
        raise reader.error("aggregations behind `|` are no part of Sigma any more", hint)
    if reader.at < len(tokens):
        raise reader.error(f"`{tokens[reader.at][0]}` has no place here", "write `and`, `or` or `not`")
    return tree
