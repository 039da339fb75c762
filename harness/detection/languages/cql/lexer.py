"""Reading characters: what a stretch of CQL is depends on where it stands, so the parser asks for what may follow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from harness.detection.languages.cql.hints import suggest_at
from harness.diagnostics import Edit, Finding, Source, SourceError, Span
from harness.late_pattern import late_pattern

# UnquotedFieldNameChar of the vendor's grammar; patterns may have more (reference/cql.md 2.1).
NAME_CHARACTER = r"[#%&.@\\^\w\u00a1-\u00aa\u00ae-\u00ba\u00bc-\u00ff]"
INDEX_SUFFIX = r"\[\d+\]"
FIELD_NAME = late_pattern(rf"{NAME_CHARACTER}(?:{NAME_CHARACTER}|{INDEX_SUFFIX})*(?:\[\])?")
LOOSE = r"[*+\-~\u00ac]|:(?!=)"
PATTERN = late_pattern(rf"(?:{NAME_CHARACTER}|{LOOSE})(?:{NAME_CHARACTER}|{INDEX_SUFFIX}|{LOOSE}|/)*(?:\[\])?")
# Beside the documented blanks the no-break space, which copied queries bring.
TRIVIA = late_pattern(r"(?:[ \t\r\n\f\v\u00a0]+|//[^\n]*|/\*.*?\*/)*", re.S)
DOUBLE_QUOTED = late_pattern(r'"((?:[^"\\]|\\.)*)"', re.S)
CURLY = late_pattern(r"[“”„]([^“”„]*)[“”„]")
SINGLE_QUOTED = late_pattern(r"'((?:[^'\\\n]|\\.)*)'")
# Any other backslash stays: strings hold regular expressions such as "\d{2}" (reference/cql.md 2.3).
STRING_ESCAPE = late_pattern(r'\\(["\\n])')
BEFORE_SLASH = late_pattern(r"(?:[^/\\\[\n]|\\.)*")
REGEX_FLAG_LETTERS = late_pattern(r"[dimgFsux]*")
CLASS = late_pattern(r"\[\^?\]?(?:[^\]\\\n]|\\.)*\]")
CALL = late_pattern(r"([A-Za-z_]\w*(?::[A-Za-z_]\w*)?)(\s*)\(")
NUMBER_TOKEN = late_pattern(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.@#])")
KEYWORD = late_pattern(r"(and|or|not|like|match|case|in)(?![#%&.0-9@A-Za-z\\^_:*+\-/])", re.I)
LATER_SLASH = late_pattern(r"(?<!\\)/([dimgF]*)(?=[\s|;,)}\]]|$)")
EMPTY_REGEX = late_pattern(r"//([dimgF]*)(?=[\s)|;}]|$)")
GLUED = late_pattern(r"[^\s|;,)}\]>]")
WORD_AFTER = late_pattern(r"(?:and|or)\b", re.I)
# Chosen, no source: 100 slashes in 5,000 characters; more is hostile text, and each try reads from the start.
LONGEST_REGEX = 5_000
TRIES = 100
REPLACED = {'"': '"', "\\": "\\", "n": "\n"}


def unescape_string(body: str) -> str:
    r"""The text a string stands for: `\"`, `\\` and `\n` are escapes, any other backslash is itself."""
    return STRING_ESCAPE.sub(lambda m: REPLACED[m[1]], body) if "\\" in body else body


def leaves_group_open(body: str) -> bool:
    """Whether a regular expression leaves a parenthesis open."""
    depth, at = 0, 0
    while at < len(body):
        match body[at]:
            case "\\":
                at += 1
            case "[":
                found = CLASS.match(body, at)
                if not found:
                    return depth > 0
                at = found.end() - 1
            case "(":
                depth += 1
            case ")":
                depth -= 1
        at += 1
    return depth > 0


def find_regex_end(text: str, start: int, *, classes: bool) -> int | None:
    """The slash that ends a regular expression in its line; one in a class does not if `classes` are looked at."""
    at = start + 1
    while found := BEFORE_SLASH.match(text, at):
        at = found.end()
        if text[at : at + 1] == "/":
            return at
        if text[at : at + 1] != "[":
            return None
        inside = CLASS.match(text, at) if classes else None
        if classes and not inside:
            return None
        at = inside.end() if inside else at + 1
    return None


class Scanner:
    """A place in a text that moves on; what it cannot read it leaves and returns None."""

    def __init__(self, source: Source) -> None:
        self.source, self.text, self.at = source, source.text, 0
        self.end = 0
        self.findings: list[Finding] = []
        self.pipes = self.bracketed = False

    def span(self, start: int, end: int | None = None) -> Span:
        """From `start` to `end`, or to the end of what was read last."""
        return self.source.span(start, self.end if end is None else end)

    def fail(self, code: str, message: str, span: Span | None = None, help: str | None = None) -> SourceError:
        """An error at a place, by default at the next character."""
        if code == "syntax" and help is None:
            help = suggest_at(self.text, self.at if span is None else span.start)
        return SourceError(
            code, message, span or self.source.span(self.at, min(self.at + 1, len(self.text))), help=help
        )

    def move(self, to: int) -> None:
        """Reads up to `to`, and past what means nothing after it."""
        self.end = to
        found = TRIVIA.match(self.text, to)
        self.at = found.end() if found else to
        if self.text.startswith("/*", self.at):
            place = self.source.span(self.at, self.at + 2)
            help = "put `*/` at its end; a regular expression cannot begin with `*`, write `.*`"
            raise self.fail("open-comment", "a comment is not closed", place, help)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What fits here, read; or nothing."""
        found = pattern.match(self.text, self.at)
        if found:
            self.move(found.end())
        return found

    def sees(self, text: str) -> bool:
        """Whether this text comes next."""
        return self.text.startswith(text, self.at)

    def takes(self, text: str) -> bool:
        """Reads this text if it comes next."""
        if self.text.startswith(text, self.at):
            self.move(self.at + len(text))
            return True
        return False

    def expect(self, text: str, what: str, opened: int = -1) -> None:
        """Reads this text, which has to come next; `opened` is where the bracket stands that it closes."""
        if not self.takes(text):
            closing = self.text[self.at : self.at + 1] in (")", "]", "}", "")
            help = self.unclosed(opened) if closing else suggest_at(self.text, self.at) or self.unclosed(opened)
            raise self.fail("syntax", f"expected `{text}` {what}, found {self.found()}", help=help)

    def unclosed(self, opened: int) -> str | None:
        """Which bracket is open."""
        if opened < 0:
            return None
        line, column = self.source.position(opened)
        return f"the `{self.text[opened]}` in line {line}, column {column}, is open"

    def found(self) -> str:
        """What comes next, for a message."""
        if self.at >= len(self.text):
            return "the end"
        word = PATTERN.match(self.text, self.at)
        shown = word[0][:30] if word else self.text[self.at]
        return f"`{shown}`" if shown.isascii() and shown.isprintable() else "another character"

    def keyword(self) -> str | None:
        """The keyword that comes next, in lower case, unread."""
        found = KEYWORD.match(self.text, self.at)
        return found[1].lower() if found else None

    def string(self) -> str | None:
        """A text in quotes; those of word processors and single ones are read too."""
        start = self.at
        if self.sees('"'):
            found = self.take(DOUBLE_QUOTED)
            if not found:
                help = 'put a double quote at its end; one inside a text is written `\\"`'
                raise self.fail("open-string", "a string is not closed", self.source.span(start, start + 1), help)
            return unescape_string(found[1])
        if self.text[start : start + 1] in ("“", "”", "„") and (found := self.take(CURLY)):
            return unescape_string(found[1])
        if self.sees("'") and (found := self.take(SINGLE_QUOTED)):
            self.deviation(
                "single-quotes",
                self.span(start),
                "a string stands in double quotes; single ones are no delimiter",
                [(self.span(start), '"' + found[1].replace('"', '\\"') + '"')],
            )
            return unescape_string(found[1])
        return None

    def regex(self) -> tuple[str, str] | None:
        """Body and flags of a regular expression between slashes; a slash in a class needs no backslash."""
        if not self.sees("/"):
            return None
        start = self.at
        # A slash in a class ends nothing in published queries; where no class closes, the plain rule is left (2.4).
        end = find_regex_end(self.text, start, classes=True) or find_regex_end(self.text, start, classes=False)
        if end is None:
            help = "put a `/` at its end; a slash inside the expression is written `\\/`"
            raise self.fail("open-regex", "a regular expression is not closed", help=help)
        body, flags = self.text[start + 1 : end], REGEX_FLAG_LETTERS.match(self.text, end + 1)
        assert flags
        self.move(flags.end())
        if not flags[0] and leaves_group_open(body) and (longer := self.longer(start)):
            return longer
        if GLUED.match(self.text, self.end) and not WORD_AFTER.match(self.text, self.end):
            return self.longer(start) or self.unflagged(end)
        return body, flags[0]

    def unflagged(self, slash: int) -> tuple[str, str]:
        """Raises SourceError for letters after a regular expression that are no flags."""
        place = self.source.span(slash + 1, max(self.end, slash + 1) + 1)
        help = "flags are d, g, i, m and F; a slash inside the expression is written `\\/`"
        raise self.fail("regex-flag", f"`{place.text}` after a regular expression is no flag", place, help)

    def longer(self, start: int) -> tuple[str, str] | None:
        """A regular expression with a bare slash inside, up to the slash that leaves no parenthesis open."""
        for found in islice(LATER_SLASH.finditer(self.text, start + 1, start + LONGEST_REGEX), TRIES):
            body = self.text[start + 1 : found.start()]
            if "\n" in body:
                break
            if not leaves_group_open(body):
                self.move(found.end())
                bare = [start + 1 + m.start() for m in re.finditer(r"(?<!\\)/", body)]
                edits = [(self.source.span(at, at), "\\") for at in bare]
                place = self.source.span(bare[0], bare[0] + 1) if bare else self.span(start)
                self.deviation("bare-slash", place, "a slash inside a regular expression needs a backslash", edits)
                return body, found[1]
        return None

    def empty_regex(self) -> tuple[str, str] | None:
        """`//` right after an operator: an expression of nothing rather than a comment."""
        found = EMPTY_REGEX.match(self.text, self.end)
        if not found:
            return None
        self.move(found.end())
        return "", found[1]

    def deviation(
        self, code: str, span: Span, message: str, edits: Iterable[tuple[Span, str]] = (), help: str | None = None
    ) -> None:
        """Notes what the product would reject here."""
        made = tuple(Edit(s, t) for s, t in edits)
        self.findings.append(Finding(code=code, span=span, message=message, help=help, edits=made))


def quote(text: str) -> str:
    """The text in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
