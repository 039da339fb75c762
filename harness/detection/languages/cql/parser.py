"""Pipelines, steps and filters of CQL."""

from __future__ import annotations

import re

from harness.detection.languages.cql.condition_parser import CLOSERS, FilterParser
from harness.detection.languages.cql.expression_parser import DEEPEST_ARGUMENTS
from harness.detection.languages.cql.hints import ANYWHERE, CQL_COMMAND_HINTS, FOREIGN_COMMAND
from harness.detection.languages.cql.lexer import DOUBLE_QUOTED, FIELD_NAME, KEYWORD
from harness.detection.languages.cql.registry import FUNCTION_NAMES
from harness.detection.languages.cql.syntax import (
    Arm,
    Assign,
    CaseStep,
    Match,
    Negation,
    Pipeline,
    Syntax,
    TruthFilter,
)
from harness.diagnostics import Source
from harness.late_pattern import late_pattern

ARM = late_pattern(r"(?:[^\s;|{}\"/]+|\"[^\"\n]*\"|/[^/\n]*/\w*)\s*=>")
GIVEN = r"\?(?:[\w.\-]+|\"[^\"\n]+\"|\{[^{}\n]*\})"
ASSIGN = late_pattern(rf"(?:{FIELD_NAME.pattern}|`[^`\n]+`|{DOUBLE_QUOTED.pattern}|{GIVEN})\s*:=", re.S)
CASE = late_pattern(r"case\s*\{", re.I)
MATCH = late_pattern(rf"(?:{FIELD_NAME.pattern}|{DOUBLE_QUOTED.pattern}|{GIVEN})\s+match\s*\{{", re.I | re.S)
STARRED = late_pattern(r"\*[^\s=]")
# Chosen, no source: far above the product's 66,000 (reference/cql.md 12), which people reach with generated lists.
LONGEST_CQL_QUERY = 1_000_000
# Chosen, no source: each step adds a part to the statement.
MOST_STEPS = 2_000


class Parser(FilterParser):
    """A query's text as a pipeline."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.read = 0
        self.parted = False

    def parse(self) -> Pipeline:
        """The whole text."""
        if len(self.text) > LONGEST_CQL_QUERY:
            raise self.fail("too-long", f"a query has at most {LONGEST_CQL_QUERY} characters")
        self.move(0)
        pipeline = self.pipeline()
        self.stray()
        if self.at < len(self.text):
            raise self.fail("syntax", f"expected `|` or the end of the query, found {self.found()}")
        return pipeline

    def stray(self) -> None:
        """Passes over a quote or a semicolon that nothing but the end follows."""
        # Copied queries end so: two official files do (reference/cql.md 2.3).
        if self.text[self.at :].strip() in ("'", '"', "`", ";") and self.at < len(self.text):
            place = self.source.span(self.at, self.at + 1)
            message = f"the `{place.text}` at the end of the query belongs to nothing"
            self.deviation("stray-character", place, message, [(place, "")])
            self.move(len(self.text))

    def pipeline(self, within: str = "") -> Pipeline:
        """Steps up to what closes them, perhaps `within` a case or a match; empty ones are passed over."""
        start = self.at
        steps: list[Syntax] = []
        outside, self.bracketed = self.bracketed, False
        while True:
            while self.takes("|"):
                pass
            if self.at >= len(self.text) or self.text[self.at] in CLOSERS:
                break
            self.foreign(first=not steps)
            steps.append(self.step())
            if not self.sees("|") and not self.continued(within):
                break
        self.bracketed = outside
        return Pipeline(steps=tuple(steps), span=self.span(start, max(start, self.end)))

    def continued(self, within: str) -> bool:
        """Whether a step follows without its pipe; a branch that follows without its semicolon is noted."""
        if self.at >= len(self.text) or self.text[self.at] in CLOSERS:
            return False
        below = "\n" in self.text[self.end : self.at]
        star = bool(within) and self.sees("*")
        arm = within == "match" and ARM.match(self.text, self.at)
        if not (self.sees_step() or self.calls() or star or arm or (below and self.begins())):
            return False
        branch = arm if within == "match" else within and (below or star)
        place = self.source.span(self.at, self.at + 1)
        mark, shown = ("; ", "branches are parted by `;`") if branch else ("| ", "steps are parted by `|`")
        code = "missing-semicolon" if branch else "missing-pipe"
        self.deviation(code, place, shown, [(self.source.span(self.at, self.at), mark)])
        self.parted = bool(branch)
        return not branch

    def next_branch(self) -> bool:
        """Reads what parts branches, if another one follows."""
        parted, self.parted = self.parted, False
        return parted or self.takes(";")

    def foreign(self, *, first: bool) -> None:
        """Refuses a command of another language, for whose words the product would search."""
        found = FOREIGN_COMMAND.match(self.text, self.at)
        word = found[1].lower() if found else ""
        help = CQL_COMMAND_HINTS.get(word) if not first or word in FUNCTION_NAMES or word in ANYWHERE else None
        if found and help:
            message = f"CQL has no command `{found[1]}`; LogScale would search for its words"
            raise self.fail("foreign-command", message, self.source.span(found.start(1), found.end(1)), help)

    def step(self) -> Syntax:
        """One step."""
        self.deeper()
        self.read += 1
        if self.read > MOST_STEPS:
            raise self.fail("too-long", f"a query has at most {MOST_STEPS} steps")
        made: Syntax
        if CASE.match(self.text, self.at):
            made = self.case()
        elif ASSIGN.match(self.text, self.at):
            made = self.assign()
        elif MATCH.match(self.text, self.at):
            made = self.match()
        elif self.sees("["):
            made = self.array(None)
        elif self.sees("{"):
            made = self.block()
        else:
            made = self.filter()
        self.depth -= 1
        return made

    def sees_step(self) -> bool:
        """Whether a step comes next that is no filter."""
        return any(p.match(self.text, self.at) for p in (ASSIGN, CASE, MATCH))

    def assign(self) -> Syntax:
        """`target := expression`."""
        target, dynamic = self.target()
        self.expect(":=", "after the target")
        value = self.expression()
        return Assign(target=target, value=value, dynamic=dynamic, span=target.span.to(value.span))

    def block(self) -> Pipeline:
        """`{ pipeline }`."""
        start = self.at
        self.expect("{", "before a sub-query")
        self.deeper()
        inside = self.pipeline()
        self.depth -= 1
        self.expect("}", "after a sub-query", start)
        return Pipeline(steps=inside.steps, span=self.span(start))

    def case(self) -> CaseStep:
        """`case { pipeline ; ... }`."""
        start = self.at
        self.move(self.at + 4)
        opened = self.at
        self.expect("{", "after `case`")
        branches = [self.pipeline("case")]
        while self.next_branch():
            self.emptiness(branches[-1])
            if not self.sees("}"):
                branches.append(self.pipeline("case"))
        self.expect("}", "or `;` after a branch of `case`", opened)
        # A trailing `;` is fine, an empty branch is not (reference/cql.md 3, rule 11).
        kept = tuple(b for b in branches if b.steps)
        return CaseStep(branches=kept, span=self.span(start))

    def emptiness(self, branch: Pipeline) -> None:
        """Notes a branch without a step."""
        if not branch.steps:
            place = self.source.span(max(0, self.end - 1), self.end)
            help = "`*` lets events pass unchanged"
            self.deviation("empty-branch", place, "a branch of `case` or `match` has to have a step", (), help)

    def match(self) -> Match:
        """`field match { guard => pipeline ; ... }`."""
        start = self.at
        field = self.field()
        self.move(self.at + 5)
        opened = self.at
        self.expect("{", "after `match`")
        arms = []
        while not self.sees("}"):
            arms.append(self.arm())
            if not self.next_branch():
                break
        self.expect("}", "or `;` after an arm of `match`", opened)
        return Match(field=field, arms=tuple(arms), span=self.span(start))

    def arm(self) -> Arm:
        """`guard => pipeline`."""
        start = self.at
        guard = self.guard()
        self.expect("=>", "after a guard")
        pipeline = self.pipeline("match")
        self.emptiness(pipeline)
        return Arm(guard=guard, pipeline=pipeline, span=self.span(start))

    def guard(self) -> Syntax:
        """What an arm of `match` asks of the field."""
        start = self.at
        if self.takes("!") or (self.keyword() == "not" and self.take(KEYWORD)):
            part = self.guard()
            return Negation(part=part, span=self.span(start))
        if call := self.call():
            return call
        if self.sees("*") and not STARRED.match(self.text, self.at):
            self.move(self.at + 1)
            return TruthFilter(value=True, word="*", span=self.span(start))
        return self.value("a guard")


def parse_query(source: Source, *, pipes: bool = False) -> tuple[Pipeline, Parser]:
    """The pipeline of a text, and the parser with what it noted; `||` is two `pipes`, or else what its author meant."""
    parser = Parser(source)
    parser.pipes = pipes
    try:
        return parser.parse(), parser
    except RecursionError:
        raise parser.fail("too-deep", f"a query is nested at most {DEEPEST_ARGUMENTS} levels deep") from None
