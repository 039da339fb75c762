"""Grammar of the arguments that most commands share: words, options, lists, and pipelines in brackets."""

from __future__ import annotations

import re

from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.reader import QUOTED_STRING, StageCursor, unescape_search_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.search_grammar import Brackets, SearchGrammar
from harness.detection.languages.spl.syntax import (
    EvalExpression,
    GeneralArguments,
    Option,
    ParenthesisedCondition,
    Pipeline,
    Template,
    Word,
)

ARGUMENT_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[^\s,"(\[\]]|\[\])+|\(', re.S)
PATTERN_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[^\s"])+', re.S)
QUOTED_ARGUMENT = re.compile(r"'[^']*'(?=[\s,]|$)")
ARGUMENT_OPTION = re.compile(r"([A-Za-z_][\w.:{}-]*|\"[^\"]*\"(?=\s*!?=))(\s*)(!=|=)(\s*)")
EVALUATED_ARGUMENT = re.compile(r"eval\s*\(", re.I)
SEPARATORS = ("delim", "delims", "pairdelim", "kvdelim", "mvsep", "sep")
BARE = re.compile(r"[^\s\"'\[\]]+(?=\s|$)")
FIELD_LIST = re.compile(
    r"(mvlist)\s*=\s*((?!(?:t|true|f|false|0|1)\b)\w[^\s,\"]*(?:\s*,\s*[^\s,=\"]+(?![\w=]))*)", re.I
)

Item = Word | Option | ParenthesisedCondition | Pipeline | Template | EvalExpression


class ArgumentGrammar:
    """Reads the arguments of one command; `brackets` reads the subsearch that starts at the reader's place."""

    def __init__(self, reader: StageCursor, command: str, brackets: Brackets) -> None:
        self.reader, self.brackets = reader, brackets
        self.entry = COMMANDS[command]
        self.patterns = self.entry.shape == "pattern"
        self.piece = PATTERN_PIECE if self.patterns else ARGUMENT_PIECE

    def arguments(self) -> GeneralArguments:
        """All arguments up to the end of the stage."""
        items: list[Item] = []
        while not self.reader.done():
            items.append(self.item())
        return GeneralArguments(tuple(items))

    def item(self) -> Item:
        """One argument."""
        reader = self.reader
        start = reader.at
        if reader.peek("[") and not self.patterns:
            return self.bracketed(start)
        found: Item | None = self.entry.item(self, start) if self.entry.item is not None else None
        if found is not None:
            return found
        option = ARGUMENT_OPTION.match(reader.text, start, reader.end)
        if option is not None and (not self.patterns or not option[2] or option[1].isidentifier()):
            return self.option(option)
        return self.word()

    def option(self, found: re.Match[str]) -> Option:
        """`name=value`."""
        reader = self.reader
        start, reader.at = found.start(), found.end()
        if reader.at >= reader.end:
            raise reader.error("missing-value", f"option `{found[1]}` has no value", start, found.end())
        value = self.separator() if found[1].lower() in SEPARATORS else self.word()
        return Option(found[1].strip('"'), value, found[3], reader.span(start))

    def separator(self) -> Word:
        """The value of an option that is a separator: in quotes, or all up to the next blank."""
        reader = self.reader
        bare = BARE.match(reader.text, reader.at, reader.end)
        if bare is None:
            return self.word()
        reader.at = bare.end()
        return Word(bare.group(), False, reader.span(bare.start()))

    def bracketed(self, start: int) -> Pipeline | Template:
        """A pipeline in brackets; a template stays text."""
        reader = self.reader
        if self.entry.shape != "template":
            return self.brackets(reader)
        end = reader.source.closing.get(start, reader.end)
        reader.at = end + 1
        return Template(reader.text[start + 1 : end].strip(), reader.span(start))

    def word(self) -> Word:
        """Quoted and bare pieces without a blank between them are one word; the quotes are dropped."""
        reader = self.reader
        start = reader.at
        single = QUOTED_ARGUMENT.match(reader.text, start, reader.end) if not self.patterns else None
        if single is not None:
            reader.at = single.end()
            return Word(single.group()[1:-1], True, reader.span(start))
        pieces: list[str] = []
        quoted = False
        while (found := self.piece.match(reader.text, reader.at, reader.end)) is not None:
            text = found.group()
            reader.at = found.end()
            if text[0] == '"':
                quoted = True
                text = unescape_search_text(text[1:-1])
            elif text == "(":
                text = self.parenthesised(found.start())
            pieces.append(text)
        if reader.at == start and start >= reader.end:
            raise reader.error("missing-value", "something is missing here", start, start)
        if reader.at == start:
            raise reader.error("unexpected", f"`{reader.text[start]}` has no place here", start, start + 1)
        return Word("".join(pieces), quoted, reader.span(start))

    def parenthesised(self, start: int) -> str:
        """The text from an opening parenthesis to the one that closes it."""
        reader, depth = self.reader, 0
        at = start
        while at < reader.end:
            string = QUOTED_STRING.match(reader.text, at, reader.end) if reader.text[at] == '"' else None
            at = string.end() if string else at + 1
            if string is None:
                depth += {"(": 1, ")": -1}.get(reader.text[at - 1], 0)
            if depth == 0:
                reader.at = at
                return reader.text[start:at]
        raise reader.error("unclosed-parenthesis", "a `(` is not closed", start, start + 1)


def expression_at(grammar: ArgumentGrammar) -> EvalExpression:
    """The eval expression at the reader's place."""
    evaluator = EvalGrammar(grammar.reader)
    found = evaluator.expression(0)
    evaluator.back()
    return found


def transaction_item(grammar: ArgumentGrammar, start: int) -> Item | None:
    """`startswith=` and `endswith=` take a search in parentheses or quotes, or an eval expression."""
    reader = grammar.reader
    option = FIELD_LIST.match(reader.text, start, reader.end)
    if option is not None:
        reader.at = option.end()
        names = Word(option[2], False, reader.span(option.start(2)))
        return Option(option[1].lower(), names, "=", reader.span(start))
    option = re.compile(r"(startswith|endswith)\s*=\s*", re.I).match(reader.text, start, reader.end)
    if option is None:
        return None
    reader.at = option.end()
    evaluated = EVALUATED_ARGUMENT.match(reader.text, reader.at, reader.end)
    if evaluated is not None:
        reader.at = evaluated.end() - 1
        inner: ParenthesisedCondition | EvalExpression = expression_at(grammar)
        return Option(option[1].lower(), inner, "=", reader.span(start))
    opened = reader.at
    string = QUOTED_STRING.match(reader.text, opened, reader.end)
    end = string.end() if string else 0
    if string is None and reader.peek("("):
        grammar.parenthesised(opened)
        end = reader.at
    if not end:
        return Option(option[1].lower(), grammar.word(), "=", reader.span(start))
    part = StageCursor(reader.source, opened if string is None else opened + 1, end if string is None else end - 1)
    condition = SearchGrammar(part, grammar.brackets).condition()
    reader.at = end
    return Option(option[1].lower(), ParenthesisedCondition(condition, reader.span(opened)), "=", reader.span(start))


def head_item(grammar: ArgumentGrammar, start: int) -> Item | None:
    """`head (expression)` or `head expression`."""
    reader = grammar.reader
    if re.compile(r"\d+\s*($|\D)|(limit|null|keeplast)\s*=").match(reader.text, start, reader.end):
        return None
    return expression_at(grammar)


def signed_item(grammar: ArgumentGrammar, start: int) -> Item | None:
    """`-"two words"`: a sign glued to a name in quotes."""
    reader = grammar.reader
    if not re.compile(r"[+-][\"']").match(reader.text, start, reader.end):
        return None
    reader.at = start + 1
    name = grammar.word()
    return Word(reader.text[start] + name.text, False, reader.span(start))


def lookup_item(grammar: ArgumentGrammar, start: int) -> Item | None:
    """`inputlookup` has a search condition after WHERE."""
    reader = grammar.reader
    where = re.compile(r"where\b\s*", re.I).match(reader.text, start, reader.end)
    if where is None:
        return None
    reader.at = where.end()
    return ParenthesisedCondition(SearchGrammar(reader, grammar.brackets).condition(), reader.span(start))
