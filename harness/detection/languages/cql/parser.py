"""Pipelines, steps and filters of CQL."""

from __future__ import annotations

import re

from harness.detection.languages.cql.arguments import DEEPEST, ArgumentParser
from harness.detection.languages.cql.lexer import CALL, KEYWORD, NAME, PATTERN, STRING
from harness.detection.languages.cql.names import FUNCTION_NAMES
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Arm,
    Array,
    Assign,
    Call,
    Case,
    Comparison,
    FreeText,
    Junction,
    Link,
    Match,
    Negation,
    Parameter,
    Pipeline,
    Regex,
    Syntax,
    Truth,
    Word,
)
from harness.diagnostics import Source

OPERATOR = re.compile(r"=~|<=>|!=|<=|>=|==|=|<|>")
ASSIGN = re.compile(rf"(?:{NAME.pattern}|`[^`\n]+`|{STRING.pattern})\s*:=", re.S)
CASE = re.compile(r"case\s*\{", re.I)
MATCH = re.compile(rf"(?:{NAME.pattern}|{STRING.pattern})\s+match\s*\{{", re.I | re.S)
NOT_AS_FIELD = re.compile(r"not(?:=|!=|<|>)", re.I)
STARRED = re.compile(r"\*[^\s=]")
IN_LIST = re.compile(r"(not\s+)?in\s*(?=[\[(])", re.I)
CLOSERS = frozenset("|;})],")
LONGEST = 1_000_000


class Parser(ArgumentParser):
    """A query's text as a pipeline."""

    def parse(self) -> Pipeline:
        """The whole text."""
        if len(self.text) > LONGEST:
            raise self.fail("too-long", f"a query has at most {LONGEST} characters")
        self.move(0)
        pipeline = self.pipeline()
        if self.at < len(self.text):
            raise self.fail("syntax", f"expected `|` or the end of the query, found {self.found()}")
        return pipeline

    def pipeline(self) -> Pipeline:
        """Steps up to what closes them; empty ones are passed over."""
        start, steps = self.at, []
        while True:
            while self.takes("|"):
                pass
            if self.at >= len(self.text) or self.text[self.at] in CLOSERS:
                break
            steps.append(self.step())
            if not self.sees("|"):
                break
        return Pipeline(steps=tuple(steps), span=self.span(start, max(start, self.end)))

    def step(self) -> Syntax:
        """One step."""
        self.deeper()
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
        self.expect("}", "after a sub-query")
        return Pipeline(steps=inside.steps, span=self.span(start))

    def case(self) -> Case:
        """`case { pipeline ; ... }`."""
        start = self.at
        self.move(self.at + 4)
        self.expect("{", "after `case`")
        branches = [self.pipeline()]
        while self.takes(";"):
            if not self.sees("}"):
                branches.append(self.pipeline())
        self.expect("}", "or `;` after a branch of `case`")
        kept = tuple(b for b in branches if b.steps)
        return Case(branches=kept, span=self.span(start))

    def match(self) -> Match:
        """`field match { guard => pipeline ; ... }`."""
        start = self.at
        field = self.name()
        self.move(self.at + 5)
        self.expect("{", "after `match`")
        arms = []
        while not self.sees("}"):
            arms.append(self.arm())
            if not self.takes(";"):
                break
        self.expect("}", "or `;` after an arm of `match`")
        return Match(field=field, arms=tuple(arms), span=self.span(start))

    def arm(self) -> Arm:
        """`guard => pipeline`."""
        start = self.at
        guard = self.guard()
        self.expect("=>", "after a guard")
        pipeline = self.pipeline()
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
            return Truth(value=True, word="*", span=self.span(start))
        return self.value("a guard")

    def filter(self) -> Syntax:
        """Filters next to one another; `or` binds tighter than `and`, which may be left out."""
        start, parts = self.at, [self.either()]
        while not (self.at >= len(self.text) or self.text[self.at] in CLOSERS):
            if self.keyword() == "and" and self.take(KEYWORD):
                pass
            elif self.takes("&&"):
                self.deviation(
                    "and-sign",
                    self.span(self.end - 2),
                    "filters are joined by `and`, not by `&&`",
                    [(self.span(self.end - 2), "and")],
                )
            elif self.sees("=>") or not self.begins():
                break
            parts.append(self.either())
        return parts[0] if len(parts) == 1 else Junction(operator="and", parts=tuple(parts), span=self.span(start))

    def begins(self) -> bool:
        """Whether a filter can start here."""
        return bool(self.text[self.at] in "(!\"/?$“”„'" or PATTERN.match(self.text, self.at))

    def either(self) -> Syntax:
        """Filters joined by `or`."""
        start, parts = self.at, [self.negated()]
        while True:
            if self.keyword() == "or" and self.take(KEYWORD):
                pass
            elif self.takes("||"):
                self.deviation(
                    "or-sign",
                    self.span(self.end - 2),
                    "filters are joined by `or`, not by `||`",
                    [(self.span(self.end - 2), "or")],
                )
            else:
                break
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else Junction(operator="or", parts=tuple(parts), span=self.span(start))

    def negated(self) -> Syntax:
        """A filter with any number of `not` before it."""
        start = self.at
        if self.keyword() == "not" and not NOT_AS_FIELD.match(self.text, self.at):
            self.take(KEYWORD)
        elif not (self.sees("!") and self.takes("!")):
            return self.primary()
        self.deeper()
        part = self.negated()
        self.depth -= 1
        return Negation(part=part, span=self.span(start))

    def primary(self) -> Syntax:
        """One filter."""
        start = self.at
        if self.at >= len(self.text):
            raise self.fail("syntax", "expected a filter, found the end")
        if self.takes("("):
            self.deeper()
            inside = self.filter()
            self.depth -= 1
            self.expect(")", "after a filter")
            return inside
        if self.sees("/"):
            return FreeText(value=self.slashes(), span=self.span(start))
        if self.sees("?"):
            parameter = self.parameter()
            return FreeText(value=parameter, span=parameter.span)
        if self.sees("$"):
            return self.saved()
        if call := self.call():
            return call
        return self.comparison()

    def comparison(self) -> Syntax:
        """`field operator value`, or free text."""
        start = self.at
        text = self.string()
        if text is None:
            self.unknown_call()
            found = self.take(NAME)
            text = found[0] if found else None
        if text is not None:
            field = Word(text=text, quoted=self.text[start] == '"', span=self.span(start))
            if made := self.compared(field):
                return made
            if field.quoted or self.text[start] in "“”„'":
                return FreeText(value=field, span=field.span)
            self.move(start)
        return self.free_text()

    def compared(self, field: Word) -> Syntax | None:
        """A comparison of the field, if an operator follows it."""
        start = self.at
        operator = self.take(OPERATOR)
        if not operator:
            return self.worded(field)
        if operator[0] in ("=", "!=") and (empty := self.empty_regex()):
            value = Regex(body=empty[0], flags=empty[1], span=self.span(start + len(operator[0])))
            return Comparison(field=field, operator=operator[0], value=value, span=field.span.to(value.span))
        if operator[0] == "=~":
            return self.applied(field)
        if operator[0] == "<=>":
            right = self.name()
            return Link(left=field, right=right, span=field.span.to(right.span))
        sign = operator[0]
        if sign == "==":
            place = self.span(start)
            self.deviation(
                "double-equals", place, "a filter compares with `=`; `==` stands in expressions only", [(place, "=")]
            )
            sign = "="
        right_side = self.value("a value")
        return Comparison(field=field, operator=sign, value=right_side, span=field.span.to(right_side.span))

    def worded(self, field: Word) -> Syntax | None:
        """`field like value`, or `field in [...]` as other languages have it."""
        start = self.at
        if self.keyword() == "like" and self.take(KEYWORD):
            value = self.value("a value")
            return Comparison(field=field, operator="like", value=value, span=field.span.to(value.span))
        found = IN_LIST.match(self.text, self.at)
        if not found or field.quoted:
            return None
        self.move(found.end())
        array = self.array(None) if self.sees("[") else self.parenthesised()
        call = Call(
            name="in",
            arguments=(Argument(value=field, span=field.span), Argument(name="values", value=array, span=array.span)),
            span=self.span(field.span.start),
        )
        sign = "!" if found[1] else ""
        edit = f"{sign}in({field.text}, values=[{array.span.text[1:-1]}])"
        message = "there is no operator `in`; it is a function"
        self.deviation("in-operator", self.span(start, found.end()), message, [(call.span, edit)])
        return Negation(part=call, span=call.span) if found[1] else call

    def parenthesised(self) -> Array:
        """`(a, b)` read as a list."""
        start = self.at
        self.expect("(", "before a list")
        items = [self.value("a value")]
        while self.takes(","):
            items.append(self.value("a value"))
        self.expect(")", "after a list")
        return Array(items=tuple(items), span=self.span(start))

    def applied(self, field: Word) -> Apply:
        """`field =~ call`, perhaps negated."""
        negated = False
        while self.takes("!") or (self.keyword() == "not" and self.take(KEYWORD)):
            negated = not negated
        call = self.saved() if self.sees("$") else self.call()
        if call is None:
            raise self.fail("syntax", f"expected a function after `=~`, found {self.found()}")
        return Apply(field=field, call=call, negated=negated, span=field.span.to(call.span))

    def value(self, what: str) -> Word | Regex | Parameter:
        """The right side of a comparison: text, pattern, regular expression or parameter."""
        start = self.at
        if self.sees("/"):
            return self.slashes()
        if self.sees("?"):
            return self.parameter()
        text = self.string()
        if text is not None:
            return Word(text=text, quoted=True, span=self.span(start))
        return self.pattern(what)

    def pattern(self, what: str) -> Word:
        """Text without quotes; `*` in it stands for anything."""
        start = self.at
        found = self.take(PATTERN)
        if not found:
            raise self.fail("syntax", f"expected {what}, found {self.found()}")
        text = found[0]
        if text.endswith("//"):
            text = text[:-2]
            place = self.span(start + len(text), start + len(text) + 2)
            self.deviation(
                "glued-comment",
                place,
                "a comment that touches the text before it is part of that text",
                [(self.span(place.start, place.start), " ")],
            )
            self.move(start + len(text))
            line = self.text.find("\n", start)
            self.move(len(self.text) if line < 0 else line)
        return Word(text=text, span=self.span(start, start + len(text)))

    def free_text(self) -> Syntax:
        """Text that is looked for in every field; a lone `*`, `true` and `false` are constants."""
        word = self.pattern("a filter")
        lowered = word.text.lower()
        if word.text == "*" or lowered in ("true", "false"):
            return Truth(value=lowered != "false", word=word.text, span=word.span)
        return FreeText(value=word, span=word.span)

    def unknown_call(self) -> None:
        """Refuses a name with a parenthesis right after it that is no function: the product would search for it."""
        found = CALL.match(self.text, self.at)
        if found and not found[2] and found[1].lower() not in FUNCTION_NAMES:
            place = self.span(found.start(1), found.end(1))
            raise self.unknown(found[1], place)


def parsed(source: Source) -> tuple[Pipeline, Parser]:
    """The pipeline of a text, and the parser with what it noted."""
    parser = Parser(source)
    try:
        return parser.parse(), parser
    except RecursionError:
        raise parser.fail("too-deep", f"a query is nested at most {DEEPEST} levels deep") from None
