"""LogScale's regular expressions in the plan's syntax."""

from __future__ import annotations

import re

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal, build_call
from harness.detection.plan.operations import choose_test
from harness.detection.plan.values.pcre import PatternError
from harness.detection.plan.values.regex import compile_check
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern
from harness.record import record

GROUP_START = late_pattern(r"\?P?<([^=!>][^>]*)>")
GROUP_NAME = late_pattern(r"[\w\-#@.\[\]]+")
INLINE_FLAGS = late_pattern(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?\)")
UNICODE = late_pattern(r"\\u([0-9A-Fa-f]{4})")
BACK_REFERENCE = late_pattern(r"(?<!\\)(?:\\\\)*\\[1-9]")
MEANING = {"i": "i", "m": "m", "d": "s", "s": "s"}
PLAIN_REGEX = late_pattern(r"(\^?)((?:[^\\.^$*+?()\[\]{}|\n]|\\[^A-Za-z0-9\n])+)(\$?)")
# Most expressions of converted rules: characters, escaped marks, anchors, nothing that could be wrong.
UNQUESTIONABLE = late_pattern(r"\^?(?:[^\\.^$*+?()\[\]{}|\n]|\\[ -/:-@\[-`{-~])+\$?")
NEEDLESS_ESCAPE = late_pattern(r"\\(?:([/\"'<>=!@%&,:;~`_ ])|.)")
# Chosen, far below any bound of a library.
SHORT = 1000
UNESCAPE = late_pattern(r"\\(.)")
FILLED_IN = late_pattern(r"\?\{\s*[A-Za-z_][\w.\-]*\s*(?:=[^}]*)?\}")
NEAR = 20
MOST_GROUPS = 100


@record(kw_only=True)
class CqlRegex:
    """A regular expression: its text and flags for the plan, and the fields that its named groups fill.

    `captured` is the text with all groups numbered as they are written. A group is a field's name, the expression that
    finds it, and the number of the group in that.
    """

    text: str
    captured: str = ""
    flags: str = ""
    groups: tuple[tuple[str, str, int], ...] = ()
    repeat: bool = False

    def found(self, subject: Expression, span: Span | None = None) -> Expression:
        """Whether it is found in a text; plain text is looked for as such."""
        plain = PLAIN_REGEX.fullmatch(self.text)
        if not plain or set(self.flags) - {"i"}:
            return ops.regex_found(subject, Literal(self.text), Literal(self.flags), span=span)
        tests = {("", ""): ops.contains, ("^", ""): ops.starts_with, ("", "$"): ops.ends_with, ("^", "$"): ops.equal}
        test = choose_test(tests[plain[1], plain[3]], "i" in self.flags)
        return build_call(test, subject, Literal(UNESCAPE.sub(r"\1", plain[2])), span=span)

    def extracted(self, subject: Expression) -> list[tuple[str, Expression]]:
        """The fields that the first match gives; of groups of one name the first that took part."""
        flags, found = Literal(self.flags), dict[str, list[Expression]]()
        for name, text, group in self.groups:
            value = ops.regex_extract(subject, Literal(text), flags, Literal(group))
            found.setdefault(name, []).append(value)
        return [(n, v[0] if len(v) == 1 else ops.coalesce(*v)) for n, v in found.items()]


def translate_regex(body: str, flags: str, span: Span) -> CqlRegex:
    """A pattern with numbered groups; raises SourceError where it cannot be one."""
    kept = "".join(dict.fromkeys(MEANING[f] for f in flags if f in MEANING))
    if len(body) < SHORT and UNQUESTIONABLE.fullmatch(body):
        text = NEEDLESS_ESCAPE.sub(lambda found: found[1] or found[0], body)
        return CqlRegex(text=text, captured=text, flags=kept, repeat="g" in flags)
    reader = RegexTranslator(body, span)
    reader.read()
    if sum(1 for name, _ in reader.groups if name) > MOST_GROUPS:
        raise reader.fail(f"a regular expression has at most {MOST_GROUPS} named groups")
    first_only = "F" not in flags
    if BACK_REFERENCE.search(body):
        text = reader.text(None, first_only)
        groups = tuple((n, text, i + 1) for i, (n, _) in enumerate(reader.groups) if n)
    else:
        text = reader.text((), first_only)
        groups = tuple((n, reader.text((at,), first_only), 1) for n, at in reader.groups if n)
    captured = reader.text(None, first_only)
    verify(captured, kept, body, span)
    return CqlRegex(text=text, captured=captured, flags=kept, groups=groups, repeat="g" in flags)


def verify(pattern: str, flags: str, body: str, span: Span) -> None:
    """Raises SourceError at the character where a pattern is no regular expression."""
    if found := FILLED_IN.search(body):
        message = f"the parameter `{found[0]}` is not filled in inside a regular expression"
        help = "give the whole expression as a parameter: `regex(?name, field=...)`"
        raise SourceError("parameter-in-regex", message, span.within(body, found.start(), found.end()), help=help)
    try:
        compile_check(pattern, flags)
    except PatternError as error:
        at = error.position
        same = pattern[: at + 1] == body[: at + 1]
        place = span.within(body, at, at + 1) if same else span
        near = "" if place is not span else f", at `{pattern[at : at + NEAR]}`" if pattern[at : at + 1] else ""
        star = "in a regular expression `.*` stands for anything, not `*`" if pattern[at : at + 1] == "*" else None
        raise SourceError("bad-regex", f"{error.message}{near}", place, help=star) from None


class RegexTranslator:
    """Goes through a regular expression once."""

    def __init__(self, body: str, span: Span) -> None:
        self.body, self.span, self.at = body, span, 0
        self.made: list[str] = []
        self.groups: list[tuple[str, int]] = []
        self.alternatives: list[int] = []
        self.depth = 0

    def fail(self, message: str) -> SourceError:
        """The error for what is no regular expression."""
        return SourceError("bad-regex", message, self.span)

    def put(self, text: str, read: int) -> None:
        """Writes `text` for the next `read` characters."""
        self.made.append(text)
        self.at += read

    def text(self, captured: tuple[int, ...] | None, first_only: bool) -> str:
        """The whole with only these pieces as groups that are kept, or all; a flag in front as LogScale reads it."""
        opened = {at for _, at in self.groups}
        pieces = [
            "(?:" if i in opened and captured is not None and i not in captured else p for i, p in enumerate(self.made)
        ]
        flag = INLINE_FLAGS.fullmatch(pieces[0]) if pieces and first_only and self.alternatives else None
        if flag is None:
            return "".join(pieces)
        bar = self.alternatives[0]
        return f"{pieces[0][:-1]}:{''.join(pieces[1:bar])}){''.join(pieces[bar:])}"

    def read(self) -> None:
        """The whole of it."""
        body = self.body
        while self.at < len(body):
            match body[self.at]:
                case "\\":
                    self.escape()
                case "[":
                    self.bracket()
                case "(":
                    self.group()
                case ")":
                    self.depth -= 1
                    if self.depth < 0:
                        raise self.fail("a `)` in the regular expression closes nothing")
                    self.put(")", 1)
                case "|":
                    if self.depth == 0:
                        self.alternatives.append(len(self.made))
                    self.put("|", 1)
                case c:
                    self.put(c, 1)
        if self.depth:
            raise self.fail("a `(` in the regular expression is not closed")

    def escape(self) -> None:
        """A backslash and what it changes."""
        body = self.body
        if self.at + 1 >= len(body):
            raise self.fail("the regular expression ends in a backslash")
        if body.startswith("\\Q", self.at):
            end = body.find("\\E", self.at)
            end = len(body) if end < 0 else end
            self.put(re.escape(body[self.at + 2 : end]), min(end + 2, len(body)) - self.at)
        elif code := UNICODE.match(body, self.at):
            self.put(f"\\x{{{code[1]}}}", 6)
        elif body[self.at + 1] in "/\"'<>=!@#%&,:;~`_- ":
            mark = body[self.at + 1]
            self.put(mark if mark not in "-#" else "\\" + mark, 2)
        else:
            self.put(body[self.at : self.at + 2], 2)

    def bracket(self) -> None:
        """A class in brackets."""
        body, start = self.body, self.at
        end = start + 1
        if body.startswith("^", end):
            end += 1
        if body.startswith("]", end):
            end += 1
        while end < len(body) and body[end] != "]":
            end += 2 if body[end] == "\\" else 1
        if end >= len(body):
            raise self.fail("a `[` in the regular expression is not closed")
        inside = body[start + 1 : end].replace("\\/", "/")
        inside = UNICODE.sub(r"\\x{\1}", inside)
        # Only inside another bracket would PCRE read it as a class by name.
        inside = re.sub(r"^(\^?)([:.=])", r"\1\\\2", inside)
        inside = re.sub(r"(?<!\\)((?:\\\\)*)\[(?!:)", r"\1\\[", inside)
        self.put(f"[{inside}]", end + 1 - start)

    def group(self) -> None:
        """An opening parenthesis; names are taken off, for other engines know fewer letters in them."""
        self.depth += 1
        named = GROUP_START.match(self.body, self.at + 1)
        if named:
            if not GROUP_NAME.fullmatch(named[1]):
                raise self.fail(f"`{named[1]}` is no name of a group: letters, digits and _ - # @ . [ ] are")
            self.groups.append((named[1], len(self.made)))
            self.put("(", named.end() - self.at)
        elif inline := INLINE_FLAGS.match(self.body, self.at):
            self.depth -= 1
            self.put(inline[0], len(inline[0]))
        elif self.body.startswith("(?", self.at):
            self.put("(?", 2)
        else:
            self.groups.append(("", len(self.made)))
            self.put("(", 1)
