"""Pipelines, stages, arguments of commands, `stats` and its relatives. One grammar."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.detection.languages.spl.condition_parser import Brackets, SearchGrammar
from harness.detection.languages.spl.expression_parser import EvalGrammar
from harness.detection.languages.spl.hints import command_help
from harness.detection.languages.spl.lexer import (
    DEEPEST_SUBSEARCH,
    QUOTED_STRING,
    ExpandedText,
    StageCursor,
    unescape_search_text,
)
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.syntax import (
    Arguments,
    EvalArguments,
    EvalExpression,
    GeneralArguments,
    Measure,
    Option,
    ParenthesisedCondition,
    Pipeline,
    SearchArguments,
    SearchCondition,
    SeriesChoice,
    Stage,
    StatisticsArguments,
    Template,
    WhereArguments,
    Word,
)
from harness.diagnostics import SourceError
from harness.late_pattern import late_pattern

ARGUMENT_PIECE = late_pattern(r'"(?:[^"\\]|\\.)*"|(?:[^\s,"(\[\]]|\[\])+|\(', re.S)
PATTERN_PIECE = late_pattern(r'"(?:[^"\\]|\\.)*"|(?:[^\s"])+', re.S)
# A whole argument in single quotes is a name; elsewhere they are letters (reference/spl.md 3.3).
QUOTED_ARGUMENT = late_pattern(r"'[^']*'(?=[\s,]|$)")
ARGUMENT_OPTION = late_pattern(r"([A-Za-z_][\w.:{}-]*|\"[^\"]*\"(?=\s*!?=))(\s*)(!=|=)(\s*)")
EVALUATED_ARGUMENT = late_pattern(r"eval\s*\(", re.I)
# The value of such an option may be a comma or a bracket, which otherwise end a word.
SEPARATORS = ("delim", "delims", "pairdelim", "kvdelim", "mvsep", "sep")
BARE = late_pattern(r"[^\s\"'\[\]]+(?=\s|$)")
# `mvlist=a,b` lists fields, `mvlist=t` is a truth value.
FIELD_LIST = late_pattern(
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
        # A pattern may hold `x =`, which is no option of rex.
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


FUNCTION = late_pattern(r"([A-Za-z_]\w*(?:\.\d+)?)\s*\(")
UNQUOTED_AGGREGATE = late_pattern(r"[a-z_]\w*(\.\d+)?")
KEYWORD = late_pattern(r"(by|groupby|from|where|over|as)(?=[\s\"'(,]|$)", re.I)
BY = late_pattern(r"\s*\b(by|groupby)\b(?=[\s\"',]|$)", re.I)
EVALUATED_FIELD = late_pattern(r"\s*eval\s*\(", re.I)
SERIES = late_pattern(
    r"([a-z_]\w*(?:\.\d+)?)\s*(?:\(([^()]*)\)\s*)?"
    r"(?:\b(in|notin)\s+(top|bottom)\s*(\d{1,6})|([<>]=?|!?=)\s*(-?\d+(?:\.\d+)?))(?=\s|$)",
    re.I,
)
RESETS = ("reset_before", "reset_after")
IN_QUOTES = late_pattern(r"\"\((?:\"(.+?)\"\)|(?!\")(.+?)\))\"(?=[\s,]|$)", re.S)


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
            if "=" in name.text and not name.quoted:
                raise SourceError("bad-argument", "a data model has no `=` in its name", name.span)
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
        # No wildcards in BY (reference/spl.md 6.1); tstats refuses them itself, with its own words.
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
            # `stats count, avg bytes`: a bare function is deprecated but legal (reference/spl.md 6.1).
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


# The first word, whatever follows it without a blank: `stats(count)`, `search"x"`.
COMMAND_NAME = late_pattern(r"\s*([^\s\"(\[=]+)(?=[\s\"(\[]|$)")
SEARCH = late_pattern(r"\s*search(?=[\s\"(\[]|$)", re.I)


class PipelineGrammar:
    """Reads a text as a pipeline; subsearches are read at their place."""

    def __init__(self, text: ExpandedText) -> None:
        self.text, self.depth = text, 0

    def whole(self) -> Pipeline:
        """The query itself."""
        self.text.lay_out()
        return self.pipeline(0, len(self.text.text), -1)

    def brackets(self, reader: StageCursor) -> Pipeline:
        """The subsearch whose bracket stands at the reader's place, which then is behind it."""
        opened = reader.at
        closing = self.text.closing.get(opened)
        if closing is None:
            raise reader.error("unclosed-bracket", "a `[` is not closed", opened, opened + 1)
        self.depth += 1
        if self.depth > DEEPEST_SUBSEARCH:
            message = f"subsearches nested more than {DEEPEST_SUBSEARCH} deep"
            raise reader.error("too-deep", message, opened, opened + 1)
        found = self.pipeline(opened + 1, closing, opened)
        self.depth -= 1
        reader.at = closing + 1
        return found

    def pipeline(self, start: int, end: int, opened: int) -> Pipeline:
        """The stages between two places; `opened` is the bracket that they stand in, or -1."""
        cuts = [c for c in self.text.pipes[opened] if start <= c < end]
        starts = [start, *(c + 1 for c in cuts)]
        generating = bool(cuts) and not self.text.text[start : cuts[0]].strip()
        stages: list[Stage] = []
        for i, (first, last) in enumerate(zip(starts, [*cuts, end], strict=True)):
            if self.text.text[first:last].strip():
                stages.append(self.stage(first, last, implied=i == 0 and opened < 0))
            elif i > 0 or not generating:
                self.empty(first, last, i == 0)
        if generating and opened < 0 and stages and not COMMANDS[stages[0].name].generating:
            self.not_generating(stages[0], start, end)
        if not stages:
            raise self.text.error("empty", "there is no command here", start, end)
        return Pipeline(tuple(stages), generating, self.text.span(start, end))

    def not_generating(self, stage: Stage, start: int, end: int) -> None:
        """A query whose first command makes no rows, so that nothing reaches it."""
        if not COMMANDS[stage.name].gets_row:
            at = self.text.text.find(stage.name, start, end)
            message = f"`{stage.name}` makes no rows, and nothing stands before it"
            self.text.deviation(
                "no-rows-before", message, at, at + len(stage.name), "begin with a search, not with `|`"
            )

    def empty(self, first: int, last: int, only: bool) -> None:
        """A pipe with nothing behind it."""
        if not only:
            self.text.deviation(
                "empty-stage", "there is no command after this `|`", first - 1, max(first, last), "drop it"
            )

    def stage(self, start: int, end: int, *, implied: bool) -> Stage:
        """One command; the first stage of a query is a search unless a pipe comes before it."""
        text = self.text.text
        first = start + len(text[start:end]) - len(text[start:end].lstrip())
        last = start + len(text[start:end].rstrip())
        span = self.text.span(first, last)
        # `search` is never part of the implied one, although it is a word to search for like any other.
        explicit = SEARCH.match(text, start, end)
        if explicit is not None:
            return Stage("search", self.search(StageCursor(self.text, explicit.end(), end)), span)
        found = COMMAND_NAME.match(text, start, end)
        if implied and not (found and self.forgotten_pipe(found[1].lower(), found)):
            return Stage("search", self.search(StageCursor(self.text, start, end)), span)
        name = found[1].lower() if found else ""
        if found is None or name not in COMMANDS:
            shown = found[1] if found else text[first:last].split()[0][:40]
            where = (found.start(1), found.end(1)) if found else (first, first + len(shown))
            called = found is not None and text[found.end(1) :].lstrip()[:1] == "("
            hint = command_help(shown, called, COMMANDS)
            # Text that a macro stands for is not the person's own: the caret shows what is.
            known = found is not None or self.text.span(*where).text == shown
            message = f"no command is called `{shown}`" if known else "a command is expected here"
            raise self.text.error("unknown-command", message, *where, hint)
        return Stage(name, self.arguments(name, StageCursor(self.text, found.end(), end)), span)

    def forgotten_pipe(self, name: str, found: re.Match[str]) -> bool:
        """Whether the text begins with a command that makes rows, its pipe forgotten."""
        if self.text.strict or name not in COMMANDS or not COMMANDS[name].generating:
            return False
        self.text.deviation(
            "missing-pipe", f"`{name}` needs a `|` before it", found.start(1), found.end(1), "write `|` first"
        )
        return True

    def search(self, reader: StageCursor) -> SearchArguments:
        """The arguments of `search`."""
        return SearchArguments(SearchGrammar(reader, self.brackets).condition())

    def arguments(self, name: str, reader: StageCursor) -> Arguments:
        """The arguments of a command by its own grammar."""
        shape = COMMANDS[name].shape
        if shape == "where":
            return WhereArguments(EvalGrammar(reader, self.brackets).whole())
        if shape == "eval":
            return EvalArguments(EvalGrammar(reader, self.brackets).assignments())
        if shape in ("stats", "chart", "tstats"):
            return StatsGrammar(reader, name, self.brackets).arguments()
        return ArgumentGrammar(reader, name, self.brackets).arguments()
