"""Grammar of pipelines: stages between pipes, subsearches in brackets, the implied search."""

from __future__ import annotations

import re

from harness.detection.languages.spl.argument_grammar import ArgumentGrammar
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.habits import command_help
from harness.detection.languages.spl.reader import StageCursor
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.search_grammar import SearchGrammar
from harness.detection.languages.spl.stats_grammar import StatsGrammar
from harness.detection.languages.spl.syntax import (
    Arguments,
    EvalArguments,
    Pipeline,
    SearchArguments,
    Stage,
    WhereArguments,
)
from harness.detection.languages.spl.text import DEEPEST_SUBSEARCH, ExpandedText

COMMAND_NAME = re.compile(r"\s*([^\s\"(\[=]+)(?=[\s\"(\[]|$)")
SEARCH = re.compile(r"\s*search(?=[\s\"(\[]|$)", re.I)


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
            raise self.text.error("unknown-command", f"no command is called `{shown}`", *where, hint)
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
