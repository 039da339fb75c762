"""Grammar of the `search` command: NOT binds tighter than OR, and OR tighter than AND."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.detection.languages.spl.lexer import QUOTED, StageCursor, unescape_search_text, with_literal_stars
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    FreeText,
    Not,
    OneOf,
    Pipeline,
    SearchCondition,
    Subsearch,
    Word,
)
from harness.late_pattern import late_pattern

SEARCH_TOKEN = late_pattern(
    rf"[\s,]*(?:(?P<open>\()|(?P<close>\))|(?P<bracket>\[)|(?P<quoted>{QUOTED})"
    r"|(?P<kind>TERM|CASE)\((?P<inside>[^()]*)\)"
    r"|(?P<word>(?:\\[\\\"|]|[^\s()\[\]\",=<>!]|!(?!=))(?:\\[\\\"|]|[^\s()\[\",=<>!]|!(?!=))*)|(?P<stray>[^\s]))",
    re.S,
)
OPERATOR = late_pattern(r"\s*(==|!=|<=|>=|<>|=|<|>)\s*")
IN = late_pattern(r"\s*(NOT\s+)?IN\s*\(", re.I)
SEARCH_VALUE = late_pattern(
    rf"(?P<quoted>{QUOTED})|(?P<case>(?P<kind>CASE|TERM)\((?P<inside>[^()]*)\))|(?P<word>(?:\\[\\\"|]|[^\s()\"])+)",
    re.S,
)
ITEM = late_pattern(
    rf"[\s,]*(?:(?P<quoted>{QUOTED})|(?P<close>\))|(?P<word>[^\s(),\"]+(?:\([^\s()\",]*\)[^\s(),\"]*)*))", re.S
)
# In upper case only (reference/spl.md 3.2).
SEARCH_KEYWORDS = ("AND", "OR", "NOT", "IN")
# Operators of eval and of other languages: in a search they are words to look for, which nobody means.
ELSEWHERE = ("where", "like", "xor", "&&", "||")

Brackets = Callable[[StageCursor], Pipeline]


def strip_quotes(text: str) -> str:
    """A text without the quotes around it; one that stands within it is a part of it."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


class SearchGrammar:
    """Reads one condition; `brackets` reads the subsearch that starts at the reader's place."""

    def __init__(self, reader: StageCursor, brackets: Brackets, stop: re.Pattern[str] | None = None) -> None:
        self.reader, self.brackets, self.stop = reader, brackets, stop

    def condition(self) -> SearchCondition:
        """Everything up to the end, or up to the word at which this command's condition ends."""
        found = self.all_of()
        reader = self.reader
        if not reader.done() and not self.stopped():
            raise reader.error("unexpected", "a `)` that closes nothing", reader.at, reader.at + 1)
        return found

    def stopped(self) -> bool:
        """Whether the word that ends this condition stands here."""
        return self.stop is not None and self.stop.match(self.reader.text, self.reader.at, self.reader.end) is not None

    def keyword(self, word: str) -> bool:
        """Moves over AND, OR or NOT if it stands here; a lower-case one is forgiven between terms."""
        reader = self.reader
        at = reader.skip()
        end = at + len(word)
        piece = reader.text[at : min(end, reader.end)]
        if piece.upper() != word or (
            end < reader.end and not (reader.text[end].isspace() or reader.text[end] in '("[,')
        ):
            return False
        if piece != word:
            if reader.source.strict or OPERATOR.match(reader.text, end, reader.end) or end >= reader.end:
                return False
            message = f"`{piece}` is a word to search for; the operator is `{word}`"
            reader.source.deviation("lower-case-operator", message, at, end, f"write `{word}`")
        reader.at = end
        return True

    def all_of(self) -> SearchCondition:
        """Terms joined by AND or by nothing."""
        reader = self.reader
        start = reader.skip()
        parts: list[SearchCondition] = []
        while not reader.done() and not reader.peek(")") and not self.stopped():
            at = reader.skip()
            if (parts or self.dangling()) and self.keyword("AND") and self.stopped():
                self.end_without_operand(at)
                break
            parts.append(self.any_of())
        return parts[0] if len(parts) == 1 else All(tuple(parts), reader.span(start, max(start, self.before())))

    def dangling(self) -> bool:
        """Whether an AND or OR without a left side stands here, forgiven where macros leave one behind."""
        reader = self.reader
        at = reader.at
        for word in ("AND", "OR"):
            if reader.peek(word + " "):
                if reader.source.strict:
                    raise reader.error("missing-operand", f"`{word}` has nothing before it", at, at + len(word))
                message = f"`{word}` has nothing before it"
                reader.source.deviation("missing-operand", message, at, at + len(word), f"drop `{word}`")
                reader.at += len(word)
        return False

    def end_without_operand(self, at: int) -> None:
        """Tells of an AND before the word that ends the condition, forgiven where macros leave one behind."""
        message = "`AND` has nothing after it"
        if self.reader.source.strict:
            raise self.reader.error("missing-operand", message, at, at + len("AND"))
        self.reader.source.deviation("missing-operand", message, at, at + len("AND"), "drop `AND`")

    def before(self) -> int:
        """The end of the last thing read."""
        at = self.reader.at
        text = self.reader.text
        while at > 0 and text[at - 1] in " \t\r\n,":
            at -= 1
        return at

    def any_of(self) -> SearchCondition:
        """Terms joined by OR."""
        start = self.reader.skip()
        parts = [self.negated()]
        while self.keyword("OR"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts), self.reader.span(start, self.before()))

    def negated(self) -> SearchCondition:
        """A term, or NOT and the next term only."""
        start = self.reader.skip()
        if not self.keyword("NOT"):
            return self.term()
        self.reader.deeper()
        operand = self.negated()
        self.reader.depth -= 1
        return Not(operand, self.reader.span(start, self.before()))

    def term(self) -> SearchCondition:
        """One comparison, phrase, group or subsearch."""
        reader = self.reader
        found = SEARCH_TOKEN.match(reader.text, reader.at, reader.end)
        if found is None:
            raise reader.error("missing-operand", "a condition is missing", reader.end, reader.end)
        kind = found.lastgroup
        start = found.start("kind" if kind == "inside" else kind or 0)
        if kind == "open":
            return self.group(start)
        if kind == "bracket":
            reader.at = start
            pipeline = self.brackets(reader)
            return Subsearch(pipeline, reader.span(start))
        if kind in ("close", "stray"):
            raise reader.error("unexpected", f"`{found[kind]}` has no place here", start, found.end())
        reader.at = found.end()
        if kind == "inside":
            return FreeText(
                Word(strip_quotes(found["inside"].strip()), False, reader.span(start)),
                found["kind"],
                reader.span(start),
            )
        quoted = kind == "quoted"
        if not quoted and found["word"] in SEARCH_KEYWORDS:
            message = f"`{found['word']}` stands between no conditions"
            raise reader.error(
                "missing-operand", message, start, found.end(), "put it in quotes to search for the word"
            )
        text = unescape_search_text(found["quoted"][1:-1] if quoted else found["word"])
        return self.comparison(Word(text, quoted, reader.span(start)), start)

    def group(self, start: int) -> SearchCondition:
        """A condition in parentheses."""
        reader = self.reader
        reader.at = start + 1
        reader.deeper()
        inner = self.all_of()
        reader.depth -= 1
        if reader.done() or not reader.peek(")"):
            raise reader.error("unclosed-parenthesis", "a `(` is not closed", start, start + 1)
        reader.at += 1
        return inner

    def comparison(self, name: Word, start: int) -> SearchCondition:
        """What follows a field: an operator and a value, IN and a list, or nothing, and then it is free text."""
        reader = self.reader
        operator = OPERATOR.match(reader.text, reader.at, reader.end)
        if operator is not None:
            reader.at = operator.end()
            value, case = self.value(operator.start(1))
            return Comparison(name, self.symbol(operator), value, case, reader.span(start))
        listed = IN.match(reader.text, reader.at, reader.end)
        if listed is None or (name.text in SEARCH_KEYWORDS and not name.quoted):
            self.elsewhere(name, start)
            return FreeText(name, "", reader.span(start))
        reader.at = listed.end()
        values = self.listed(listed.end() - 1)
        found = OneOf(name, values, reader.span(start))
        if listed[1] is None:
            return found
        message = "`NOT` stands before the field, not before `IN`"
        reader.source.deviation(
            "misplaced-not", message, listed.start(1), listed.end(1), f"write `NOT {name.text} IN (...)`"
        )
        return Not(found, reader.span(start))

    def symbol(self, found: re.Match[str]) -> str:
        """The operator as it is meant: `==` is `=`, and `<>` is forgiven for `!=`."""
        if found[1] == "<>":
            message = "no operator is written `<>`"
            self.reader.source.deviation("unknown-operator", message, found.start(1), found.end(1), "write `!=`")
        return {"==": "=", "<>": "!="}.get(found[1], found[1])

    def elsewhere(self, name: Word, start: int) -> None:
        """Tells of a bare word that means something to `where` but is only looked for in the text of events here."""
        reader = self.reader
        called = reader.text[reader.at : reader.at + 1] == "(" and name.text.lower() in FUNCTIONS
        if name.quoted or reader.source.strict or not (called or name.text.lower() in ELSEWHERE):
            return
        message = f"`{name.text}` is a word to search for here; it is known to `where`"
        reader.source.deviation("word-of-where", message, start, start + len(name.text), "write `| where ...`")

    def value(self, operator: int) -> tuple[Word | Pipeline, bool]:
        """The right side of a comparison, and whether it is CASE(...)."""
        reader = self.reader
        if reader.peek("[") and reader.at in reader.source.closing:
            return self.brackets(reader), False
        found = SEARCH_VALUE.match(reader.text, reader.at, reader.end)
        if found is None:
            raise reader.error("missing-value", "a value is missing after this operator", operator, reader.at)
        start, reader.at = reader.at, found.end()
        if found["case"]:
            return Word(strip_quotes(found["inside"]), True, reader.span(start)), found["kind"] == "CASE"
        if found["quoted"]:
            return Word(self.plain(found["quoted"][1:-1], start), True, reader.span(start)), False
        text = found["word"]
        if len(text) > 1 and text.endswith(","):
            reader.at -= 1
            text = text[:-1]
        if text.endswith("]") and reader.at in reader.source.closing.values():
            reader.at -= 1
        return Word(self.plain(text, start), False, reader.span(start)), False

    def plain(self, text: str, start: int) -> str:
        """A value without its escapes; a star that its author escaped is none to Splunk, which is forgiven."""
        if self.reader.source.strict or "\\\\\\*" not in text:
            return unescape_search_text(text)
        found = with_literal_stars(text)
        if found != text:
            message = "a `*` cannot be escaped: this is a backslash and a wildcard"
            end = start + len(text)
            self.reader.source.deviation(
                "escaped-star", message, start, end, "compare with `where` and a regular expression"
            )
        return unescape_search_text(found)

    def listed(self, opened: int) -> tuple[Word, ...]:
        """The values of IN up to the closing parenthesis."""
        reader = self.reader
        values: list[Word] = []
        while True:
            found = ITEM.match(reader.text, reader.at, reader.end)
            if found is None:
                raise reader.error("unclosed-parenthesis", "a `(` is not closed", opened, opened + 1)
            kind = found.lastgroup or ""
            reader.at = found.end()
            if kind == "close":
                return tuple(values)
            start = found.start(kind)
            text = found["quoted"][1:-1] if kind == "quoted" else found["word"]
            values.append(Word(self.plain(text, start), kind == "quoted", reader.span(start)))
