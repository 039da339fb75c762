"""Filters of CQL: comparisons, free text, and how `and`, `or` and `not` join them."""

from __future__ import annotations

import re
from collections.abc import Sized

from harness.detection.languages.cql.expression_parser import ArgumentParser
from harness.detection.languages.cql.hints import CQL_FUNCTION_HINTS, WORDED, operator_hint
from harness.detection.languages.cql.lexer import CALL, FIELD_NAME, KEYWORD, PATTERN, SINGLE_QUOTED, quote
from harness.detection.languages.cql.registry import FUNCTION_NAMES, is_question
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Array,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Link,
    Negation,
    QueryParameter,
    Regex,
    Syntax,
    TruthFilter,
    Word,
)
from harness.diagnostics import Edit, Finding, Severity
from harness.late_pattern import late_pattern

# `==`, `<>` and `=~` of a regular expression are read to be told of; the product has `=` and `!=` only.
OPERATOR = late_pattern(r"=~|<=>|!=|<>|<=|>=|==|=|<|>")
# Reserved words are fine as fields left of a comparison (reference/cql.md 2.6).
NOT_AS_FIELD = late_pattern(r"(?:not|and|or)\s*(?:=|!=|<|>)", re.I)
# A `&` belongs to patterns (reference/cql.md 2.1: `a=x&y`); only one with a blank after it can be meant as a sign.
AND_SIGN = late_pattern(r"&&|&(?=\s)")
METHOD = late_pattern(r"[\w@#]+(?:\.\w+)*\.(\w+)\(")
NOT_MATCHED = late_pattern(r"!~\s*(?=/)")
IN_LIST = late_pattern(r"(not\s+)?in\s*(?=[\[(])", re.I)
# Queries have at most 66,000 characters (reference/cql.md 12), so each filter has 13 on average.
MOST_FILTERS = 5_000
CLOSERS = frozenset("|;})],")
# Word processors write the curly ones; LogScale takes them (reference/cql.md 2.3).
QUOTES = frozenset("\"'“”„")


class FilterParser(ArgumentParser):
    """The part of the parser that reads filters."""

    def filter(self) -> Syntax:
        """Filters next to one another; `or` binds tighter than `and`, which may be left out."""
        start, parts = self.at, [self.either()]
        while not (self.at >= len(self.text) or self.text[self.at] in CLOSERS):
            if self.keyword() == "and" and self.take(KEYWORD):
                pass
            elif found := self.take(AND_SIGN):
                place = self.source.span(found.start(), found.end())
                message = f"filters are joined by `and`, not by `{found[0]}`"
                self.deviation("and-sign", place, message, [(place, "and")])
            # `=>` ends the guard of a `match` arm.
            elif self.sees("=>") or not self.begins() or self.sees_step():
                break
            parts.append(self.either())
            self.bounded(parts)
        return parts[0] if len(parts) == 1 else Junction(operator="and", parts=tuple(parts), span=self.span(start))

    def bounded(self, parts: Sized) -> None:
        """Refuses more filters side by side than fit into the product's longest query."""
        if len(parts) > MOST_FILTERS:
            help = "`in(field, values=[...])` takes as many values as one likes"
            raise self.fail("too-long", f"at most {MOST_FILTERS} filters stand side by side", help=help)

    def sees_step(self) -> bool:
        """Whether a step comes next that is no filter."""
        return False

    def calls(self) -> bool:
        """Whether a call of a known function comes next."""
        found = CALL.match(self.text, self.at)
        return found is not None and found[1].lower() in FUNCTION_NAMES

    def begins(self) -> bool:
        """Whether a filter can start here."""
        # Two official files end in a stray quote (reference/cql.md 2.3): it must be told of, not taken for the end.
        if self.text[self.at] in "'\"" and (self.text[self.at] == "'" or self.last(self.at)):
            return SINGLE_QUOTED.match(self.text, self.at) is not None
        return bool(self.text[self.at] in '(!"/?$“”„' or PATTERN.match(self.text, self.at))

    def last(self, at: int) -> bool:
        """Whether nothing follows this character."""
        return len(self.text.rstrip()) == at + 1

    def either(self) -> Syntax:
        """Filters joined by `or`."""
        start, parts = self.at, [self.negated()]
        while True:
            if self.keyword() == "or" and self.take(KEYWORD):
                pass
            elif not self.doubled():
                break
            parts.append(self.negated())
            self.bounded(parts)
        return parts[0] if len(parts) == 1 else Junction(operator="or", parts=tuple(parts), span=self.span(start))

    def doubled(self) -> bool:
        """Reads `||` where it was meant as `or`: LogScale has no such sign, it reads two pipes with nothing between."""
        if not self.text.startswith("||", self.at):
            return False
        before = self.at, self.end
        self.takes("||")
        call = CALL.match(self.text, self.at)
        step = self.calls() and call is not None and not is_question(call[1])
        # Empty steps are fine (reference/cql.md 1, rule 8), so `||` before a step is two pipes and nothing worth a
        # word.
        empty = self.at >= len(self.text) or self.text[self.at] in CLOSERS
        if not self.bracketed and (step or empty or self.sees_step() or self.sees("[")):
            self.at, self.end = before
            return False
        place = self.span(self.end - 2)
        # Inside parentheses there are no pipes, so the product refuses the text there.
        if self.bracketed:
            self.deviation("or-sign", place, "filters are joined by `or`, not by `||`", [(place, "or")])
        else:
            message = "LogScale reads two pipes here, so that both filters have to hold; `or` joins filters"
            edits = (Edit(place, "or"),)
            made = Finding(code="or-sign", span=place, message=message, edits=edits, severity=Severity.WARNING)
            self.findings.append(made)
            if self.pipes:
                self.at, self.end = before
        return self.bracketed or not self.pipes

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
            outside, self.bracketed = self.bracketed, True
            inside = self.filter()
            self.depth, self.bracketed = self.depth - 1, outside
            self.expect(")", "after a filter", start)
            return inside
        # A `/` starts a regular expression only where a filter may start; elsewhere it divides (reference/cql.md 2.4).
        if self.sees("/"):
            return FreeText(value=self.slashes(), span=self.span(start))
        if self.sees("?"):
            self.apart(start)
            parameter = self.parameter()
            return self.compared(parameter) or FreeText(value=parameter, span=parameter.span)
        if self.sees("$"):
            self.apart(start)
            return self.saved()
        # Only known functions are calls: a misspelt name would be free text and a parenthesis (reference/cql.md 3, rule
        # 7).
        if call := self.call():
            return call
        if self.keyword() in ("and", "or") and not NOT_AS_FIELD.match(self.text, self.at):
            raise self.fail("syntax", f"expected a filter, found {self.found()}", help="put a filter before it")
        return self.comparison()

    def apart(self, start: int) -> None:
        """Refuses a sign that touches the value before it: it was meant as a part of that value."""
        if start and start == self.end and self.text[start - 1] not in "|({[;!,":
            help = f"a text with `{self.text[start]}` stands in double quotes"
            found = f"expected `|` or the end of the query, found `{self.text[start]}`"
            raise self.fail("syntax", found, help=help)

    def comparison(self) -> Syntax:
        """`field operator value`, or free text."""
        start = self.at
        text = self.string()
        if text is None:
            self.unknown_call()
            found = self.take(FIELD_NAME)
            text = found[0] if found else None
        # A quoted text may be a field (`"my field" = x`), so the operator decides.
        if text is not None:
            field = Word(text=text, quoted=self.text[start] in QUOTES, span=self.span(start))
            if made := self.compared(field):
                return made
            if field.quoted:
                return FreeText(value=field, span=field.span)
            self.move(start)
        return self.free_text()

    def compared(self, field: Word | QueryParameter) -> Syntax | None:
        """A comparison of the field, if an operator follows it."""
        start = self.at
        operator = self.take(OPERATOR)
        # `!~` of Perl and of other query languages.
        if not operator and self.take(NOT_MATCHED):
            place = self.source.span(start, start + 2)
            self.deviation("regex-operator", place, "a regular expression follows `=` or `!=`", [(place, "!=")])
            value = self.slashes()
            return Comparison(field=field, operator="!=", value=value, span=field.span.to(value.span))
        if not operator:
            return self.worded(field)
        # `f = //` would begin a comment for any lexer that does not know where it stands.
        if operator[0] in ("=", "!=") and (empty := self.empty_regex()):
            value = Regex(body=empty[0], flags=empty[1], span=self.span(start + len(operator[0])))
            return Comparison(field=field, operator=operator[0], value=value, span=field.span.to(value.span))
        if operator[0] == "=~" and not self.sees("/"):
            return self.applied(field)
        if operator[0] == "<=>":
            right = self.name()
            if not isinstance(field, Word):
                raise self.fail("syntax", "expected a field name before `<=>`", field.span)
            return Link(left=field, right=right, span=field.span.to(right.span))
        sign = self.sign(operator[0], start)
        right_side = self.value("a value")
        self.called_value(sign, right_side)
        made = Comparison(field=field, operator=sign, value=right_side, span=field.span.to(right_side.span))
        return self.of_array(made) if isinstance(field, Word) and field.text.endswith("[]") else made

    def called_value(self, sign: str, value: Syntax) -> None:
        """Refuses a call where a number has to stand."""
        # `a > now()` is `a > "now"` and a parenthesis to the grammar (reference/cql.md 3, rule 8); nobody means that.
        called = isinstance(value, Word) and not value.quoted and value.text.lower() in FUNCTION_NAMES
        if called and sign in ("<", "<=", ">", ">=") and self.sees("("):
            help = f"an expression compares with a call: `test(field {sign} {value.span.text}())`"
            raise self.fail("function-as-value", "a filter compares with a number, not with a call", value.span, help)

    def sign(self, written: str, start: int) -> str:
        """The comparison that is meant by one that other languages have."""
        place = self.span(start)
        if written == "==":
            message = "a filter compares with `=`; `==` stands in expressions only"
            self.deviation("double-equals", place, message, [(place, "=")])
            return "="
        if written == "=~":
            self.deviation("regex-operator", place, "a regular expression follows `=`", [(place, "=")])
            return "="
        if written == "<>":
            self.deviation("not-equal-sign", place, "not equal is written `!=`", [(place, "!=")])
            return "!="
        return written

    def of_array(self, part: Comparison) -> Syntax:
        """A comparison of all elements of an array, which is a function's work."""
        name = "array:regex" if isinstance(part.value, Regex) else "array:contains"
        parameter = "regex" if isinstance(part.value, Regex) else "value"
        array = Word(text=part.field.text if isinstance(part.field, Word) else "", quoted=True, span=part.field.span)
        if part.operator not in ("=", "!=") or (isinstance(part.value, Word) and "*" in part.value.text):
            help = f"`array:exists({quote(array.text)}, condition={{...}})`"
            raise self.fail("array-in-filter", "a filter compares one field, no array", part.field.span, help)
        given = (Argument(value=array, span=array.span), Argument(name=parameter, value=part.value, span=part.span))
        call = FunctionCall(name=name, arguments=given, span=part.span)
        sign = "!" if part.operator == "!=" else ""
        edit = f"{sign}{name}({quote(array.text)}, {parameter}={part.value.span.text})"
        self.deviation("array-in-filter", part.span, "a filter compares one field, no array", [(part.span, edit)])
        return Negation(part=call, span=call.span) if sign else call

    def worded(self, field: Word | QueryParameter) -> Syntax | None:
        """`field like value`, or `field in [...]` as other languages have it."""
        start = self.at
        if self.keyword() == "like" and self.take(KEYWORD):
            value = self.value("a value")
            return Comparison(field=field, operator="like", value=value, span=field.span.to(value.span))
        if word := WORDED.match(self.text, self.at):
            written = word[0].rstrip()
            place = self.source.span(word.start(), word.start() + len(written))
            message = f"there is no operator `{written}`; LogScale would search for these words"
            raise self.fail("foreign-operator", message, place, operator_hint(written))
        found = IN_LIST.match(self.text, self.at)
        if not found or not isinstance(field, Word) or field.quoted:
            return None
        self.move(found.end())
        array = self.array(None) if self.sees("[") else self.parenthesised()
        call = FunctionCall(
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

    def applied(self, field: Word | QueryParameter) -> Apply:
        """`field =~ call`, perhaps negated."""
        negated = False
        while self.takes("!") or (self.keyword() == "not" and self.take(KEYWORD)):
            negated = not negated
        call = self.saved() if self.sees("$") else self.call()
        if call is None:
            help = "a regular expression follows `=`: `field = /expression/`"
            raise self.fail("syntax", f"expected a function after `=~`, found {self.found()}", help=help)
        return Apply(field=field, call=call, negated=negated, span=field.span.to(call.span))

    def value(self, what: str) -> Word | Regex | QueryParameter:
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
        # A `//` that touches a pattern is no comment, but a pattern may not end so (reference/cql.md 2.1 and 2.2).
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
            return TruthFilter(value=lowered != "false", word=word.text, span=word.span)
        return FreeText(value=word, span=word.span)

    def unknown_call(self) -> None:
        """Refuses a name with a parenthesis right after it that is no function: the product would search for it."""
        method = METHOD.match(self.text, self.at)
        if method and (method[1].lower() in FUNCTION_NAMES or method[1].lower() in CQL_FUNCTION_HINTS):
            place = self.span(method.start(1), method.end(1))
            help = CQL_FUNCTION_HINTS.get(method[1].lower()) or f"`{FUNCTION_NAMES[method[1].lower()]}(...)` is a step"
            raise self.fail("unknown-function", f"a field has no function `{method[1]}` of its own", place, help)
        found = CALL.match(self.text, self.at)
        # With a blank between, a text and filters in parentheses may be meant.
        if found and not found[2] and found[1].lower() not in FUNCTION_NAMES:
            place = self.span(found.start(1), found.end(1))
            raise self.unknown(found[1], place)
