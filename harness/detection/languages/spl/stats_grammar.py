"""Grammar of `stats` and its relatives: options, aggregates with names, FROM, WHERE, OVER and BY."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.detection.languages.spl.argument_grammar import ArgumentGrammar, expression_at
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.reader import StageCursor, unescape_search_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.search_grammar import Brackets, SearchGrammar
from harness.detection.languages.spl.syntax import (
    EvalExpression,
    Measure,
    Option,
    SearchCondition,
    SeriesChoice,
    StatisticsArguments,
    Word,
)
from harness.detection.languages.spl.text import ExpandedText

FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.\d+)?)\s*\(")
UNQUOTED_AGGREGATE = re.compile(r"[a-z_]\w*(\.\d+)?")
KEYWORD = re.compile(r"(by|groupby|from|where|over|as)(?=[\s\"'(,]|$)", re.I)
BY = re.compile(r"\s*\b(by|groupby)\b(?=[\s\"',])", re.I)
EVALUATED_FIELD = re.compile(r"\s*eval\s*\(", re.I)
SERIES = re.compile(
    r"([a-z_]\w*(?:\.\d+)?)\s*(?:\(([^()]*)\)\s*)?"
    r"(?:\b(in|notin)\s+(top|bottom)\s*(\d{1,6})|([<>]=?|!?=)\s*(-?\d+(?:\.\d+)?))(?=\s|$)",
    re.I,
)
RESETS = ("reset_before", "reset_after")
IN_QUOTES = re.compile(r"\"\((?:\"(.+?)\"\)|(?!\")(.+?)\))\"(?=[\s,]|$)", re.S)


@lru_cache(1)
def compile_option_pattern(count: int) -> re.Pattern[str]:
    """An option of any of so many commands: each statistical one takes the options of the others too."""
    names = dict.fromkeys(n for entry in COMMANDS.values() for n in entry.options)
    return re.compile(rf"({'|'.join(names)})\s*=\s*", re.I)


class StatsGrammar:
    """Reads the arguments of one statistical command."""

    def __init__(self, reader: StageCursor, command: str, brackets: Brackets) -> None:
        self.reader, self.command, self.brackets = reader, command, brackets
        self.shape = COMMANDS[command].shape
        self.option_pattern = compile_option_pattern(len(COMMANDS))
        self.words = ArgumentGrammar(reader, command, brackets)
        self.options: list[Option] = []
        self.measures: list[Measure] = []
        self.keys: list[Word] = []
        self.dataset: Word | None = None
        self.over: Word | None = None
        self.where: SearchCondition | None = None
        self.series: SeriesChoice | None = None

    def arguments(self) -> StatisticsArguments:
        """All arguments up to the end of the stage."""
        reader = self.reader
        while not reader.done():
            option = self.option_pattern.match(reader.text, reader.at, reader.end)
            keyword = KEYWORD.match(reader.text, reader.at, reader.end)
            if option is not None:
                self.option(option)
            elif keyword is not None:
                self.clause(keyword[1].lower(), keyword)
            else:
                self.measures.append(self.measure())
        return StatisticsArguments(
            tuple(self.options),
            tuple(self.measures),
            self.dataset,
            self.where,
            self.over,
            tuple(self.keys),
            self.series,
        )

    def option(self, found: re.Match[str]) -> None:
        """`name=value`; `reset_before` and `reset_after` take an expression in parentheses."""
        reader = self.reader
        start, reader.at = found.start(), found.end()
        name = found[1].lower()
        value: Word | EvalExpression = self.condition_of_reset() if name in RESETS else self.words.word()
        self.options.append(Option(name, value, "=", reader.span(start)))

    def condition_of_reset(self) -> EvalExpression:
        """An eval expression in parentheses, which Splunk's manual puts into quotes: `"("n>5")"`."""
        reader = self.reader
        quoted = IN_QUOTES.match(reader.text, reader.at, reader.end)
        if quoted is None:
            return expression_at(self.words)
        group = 1 if quoted[1] else 2
        place = reader.source.span(quoted.start(group), quoted.end(group))
        text = ExpandedText(place.source, quoted[group].replace('\\"', '"'), [(0, place.start, place.end)])
        text.lay_out()
        found = EvalGrammar(StageCursor(text, 0, len(text.text))).whole()
        reader.at = quoted.end()
        return found

    def clause(self, keyword: str, found: re.Match[str]) -> None:
        """BY and its fields, FROM and its data model, WHERE and its condition, OVER and its field."""
        reader = self.reader
        reader.at = found.end()
        if reader.done():
            raise reader.error("missing-field", f"`{found[1]}` has nothing after it", found.start(), found.end())
        if keyword in ("by", "groupby"):
            self.by()
        elif keyword == "from":
            option = self.option_pattern.match(reader.text, reader.at, reader.end)
            start = reader.at
            word = re.compile(r"datamodel\s*(=|:|\s)\s*", re.I).match(reader.text, reader.at, reader.end)
            reader.at = word.end() if word and option is None else reader.at
            name = self.words.word()
            self.dataset = Word(name.text, name.quoted, reader.span(start))
        elif keyword == "over":
            self.over = self.words.word()
        elif keyword == "where":
            self.condition()
        else:
            raise reader.error("unexpected", f"`{found[1]}` has no place here", found.start(), found.end())

    def condition(self) -> None:
        """A search condition; that of `chart` and `timechart` chooses series and is not one."""
        if self.shape == "chart":
            self.series = self.choice()
            return
        self.where = SearchGrammar(self.reader, self.brackets, BY).condition()

    def choice(self) -> SeriesChoice:
        """`sum in top5`, `max(field) notin bottom3` or `count > 100`."""
        reader = self.reader
        start = reader.at
        found = SERIES.match(reader.text, start, reader.end)
        if found is None:
            message = f"WHERE in `{self.command}` is about series"
            raise reader.error("bad-argument", message, start, reader.end, "write `where sum in top5`")
        reader.at = found.end()
        name = (found[2] or "").strip().strip("\"'")
        field = None if not name else Word(name, False, reader.span(found.start(2), found.end(2)))
        operator, end = (found[3] or found[6]).lower(), (found[4] or "").lower()
        return SeriesChoice(found[1].lower(), field, operator, end, found[5] or found[7], reader.span(start))

    def by(self) -> None:
        """Fields to group by; options may stand among them."""
        reader = self.reader
        while not reader.done():
            option = self.option_pattern.match(reader.text, reader.at, reader.end)
            keyword = KEYWORD.match(reader.text, reader.at, reader.end)
            if option is not None:
                self.option(option)
            elif keyword is not None and keyword[1].lower() not in ("by", "groupby"):
                return
            elif keyword is not None:
                message = "`by` stands here a second time"
                reader.source.deviation(
                    "second-by", message, reader.at, keyword.end(), "name all fields after one `by`"
                )
                reader.at = keyword.end()
            else:
                self.keys.append(self.key())

    def key(self) -> Word:
        """A field to group by, which is one."""
        start = self.reader.at
        word = self.words.word()
        if "*" in word.text and not word.quoted and self.shape != "tstats":
            message = "fields to group by are named one by one; a wildcard is no field"
            raise self.reader.error("wildcard-key", message, start, self.reader.at, "name each field")
        return word

    def measure(self) -> Measure:
        """`count`, `function(field)` or `function(eval(expression))`, and `AS name`."""
        reader = self.reader
        start = reader.at
        call = FUNCTION.match(reader.text, start, reader.end)
        argument: Word | EvalExpression | None = None
        if call is None:
            function = self.words.word().text.lower()
            if not UNQUOTED_AGGREGATE.fullmatch(function):
                raise reader.error("unexpected", f"`{function[:40]}` is no aggregate", start, reader.at)
        else:
            function, reader.at = call[1].lower(), call.end()
            argument = self.argument(call)
        text = reader.text[start : reader.at].strip()
        alias = re.compile(r"\s*\bas\s+", re.I).match(reader.text, reader.at, reader.end)
        name = None
        if alias is not None:
            reader.at = alias.end()
            name = self.words.word()
        return Measure(function, argument, name, "" if name else text, reader.span(start))

    def argument(self, call: re.Match[str]) -> Word | EvalExpression | None:
        """What stands between the parentheses of an aggregate; the reader is then behind them."""
        reader = self.reader
        opened = call.end() - 1
        if call[1].lower() == "eval":
            reader.at = opened
            whole = EvalGrammar(reader)
            inside_out = whole.operand()
            whole.back()
            return inside_out
        evaluated = EVALUATED_FIELD.match(reader.text, reader.at, reader.end)
        if evaluated is not None:
            reader.at = evaluated.end() - 1
            inner = EvalGrammar(reader)
            found = inner.operand()
            if inner.token != ")":
                raise reader.error("unclosed-parenthesis", "a `(` is not closed", opened, opened + 1)
            reader.at = inner.start + 1
            return found
        reader.at = opened
        text = self.words.parenthesised(opened)
        inside = text[1:-1].strip()
        if not inside:
            return None
        quoted = len(inside) > 1 and inside[0] == inside[-1] and inside[0] in "\"'"
        return Word(
            unescape_search_text(inside[1:-1]) if quoted else inside, quoted, reader.span(opened + 1, reader.at - 1)
        )
