"""Calls, their arguments, and expressions of CQL."""

from __future__ import annotations

import re
from abc import abstractmethod

from harness.detection.languages.cql.hints import function_hint
from harness.detection.languages.cql.lexer import CALL, FIELD_NAME, NUMBER_TOKEN, PATTERN, Scanner
from harness.detection.languages.cql.registry import FUNCTION_NAMES, expression_argument, is_mistaken_comparison
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    Assign,
    Binary,
    FunctionCall,
    Logic,
    Pipeline,
    QueryParameter,
    Regex,
    SavedCall,
    Syntax,
    Unary,
    Word,
)
from harness.diagnostics import Source, SourceError, Span
from harness.late_pattern import late_pattern

# Chosen, no source: each level takes several of Python's 1,000 nested calls.
DEEPEST_ARGUMENTS = 100
# Chosen, no source: engines read a chain of conditions by recursion.
MOST_PARTS = 500
# correlate() labels its sub-queries, and attributes follow them (`A: {...} include: [..]`). A time of day (`10:00`) or
# a name space (`text:contains`) must not be taken for one.
LABEL = late_pattern(r"([A-Za-z_]\w*)\s*:\s*(?=[\[{\"A-Za-z0-9])(?!=)")
BLOCK_LABEL = late_pattern(r"([A-Za-z_]\w*)\s*:\s*(?=\{)")
ARGUMENT_NAME = late_pattern(rf'({FIELD_NAME.pattern}|`[^`\n]+`|"[^"\n]*")\s*=(?![=~])')
# A lone `=` is told of and read as `==` (reference/cql.md 3, rule 4).
COMPARE = late_pattern(r"==|!=|<=|>=|<|>|=(?![=~>])")
# Expressions have no logical operators (reference/cql.md 3, rule 5); what other languages have is read and told of.
AND = late_pattern(r"(?:and(?!\w)|&&)\s*", re.I)
OR = late_pattern(r"(?:or(?!\w)|\|\|)\s*", re.I)
NOT = late_pattern(r"not(?!\w)\s*", re.I)
# A quoted target makes a field of that very name (reference/cql.md 3, rule 14).
ASSIGNMENT_START = late_pattern(rf'(?:{FIELD_NAME.pattern}|`[^`\n]+`|"[^"\n]*")\s*:=')
BACKTICK = late_pattern(r"`([^`\n]+)`")
# Names of packages and their queries hold `/`, `:`, `.` and `-` (reference/cql.md 14).
SAVED = late_pattern(r"\$(?:\"([^\"\n]+)\"|([\w/:.\-]+))\s*(?=\()")
# Names of parameters may hold `-` (reference/cql.md 14).
PARAMETER = late_pattern(r"\?(?:\"([^\"\n]+)\"|([\w.\-]+)|\{\s*(?:\"([^\"\n]+)\"|([\w.\-]+))\s*(?:=\s*)?)")
# `x := a | ... ; *` inside `case`: this star is a branch, not a product.
STAR_BRANCH = late_pattern(r"\*\s*(?:[|;}]|=>)")
OPERATOR_LEVELS = (("+", "-"), ("*", "/", "%"))
# What people leave unquoted in arguments that are texts: regular expressions, networks, formats.
LOOSE = late_pattern(r"[^\s,()\[\]{}\"'|?/][^\s,()\[\]{}\"'|]*(?=\s*[,)])")
TEXT_PARAMETERS = frozenset(
    {"regex", "with", "replacement", "pattern", "by", "separator", "format", "prefix", "subnet"}
)


class ArgumentParser(Scanner):
    """The part of the parser that reads what stands inside calls."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.depth = 0

    @abstractmethod
    def block(self) -> Pipeline:
        """`{ pipeline }`."""

    def deeper(self) -> None:
        """One level of nesting more, up to a limit."""
        self.depth += 1
        if self.depth > DEEPEST_ARGUMENTS:
            raise self.fail("too-deep", f"a query is nested at most {DEEPEST_ARGUMENTS} levels deep")

    def field(self) -> Word | QueryParameter:
        """A field's name, or a parameter that stands for one."""
        return self.parameter() if self.sees("?") else self.name()

    def name(self) -> Word:
        """A field's name, bare or in quotes."""
        start = self.at
        text = self.string()
        if text is not None:
            return Word(text=text, quoted=True, span=self.span(start))
        found = self.take(FIELD_NAME)
        if not found:
            raise self.fail("syntax", f"expected a field name, found {self.found()}")
        return Word(text=found[0], span=self.span(start))

    def target(self) -> tuple[Word | QueryParameter, bool]:
        """What is assigned to, and whether its name is taken from a field."""
        start = self.at
        found = self.take(BACKTICK)
        if found:
            return Word(text=found[1], span=self.span(start)), True
        return self.field(), False

    def slashes(self) -> Regex:
        """`/body/flags`, which has to come next."""
        start = self.at
        found = self.regex()
        if found is None:
            raise self.fail("syntax", f"expected a regular expression, found {self.found()}")
        return Regex(body=found[0], flags=found[1], span=self.span(start))

    def parameter(self) -> QueryParameter:
        """`?name`, `?"name"` or `?{name=default}`."""
        start = self.at
        found = self.take(PARAMETER)
        if not found:
            raise self.fail("syntax", "expected the name of a parameter after `?`")
        default = None
        if found[3] or found[4]:
            # `?{name=}` has the empty text for its default.
            if not self.sees("}"):
                default = self.plain()
            self.expect("}", "after the default of a parameter")
        name = found[1] or found[2] or found[3] or found[4]
        return QueryParameter(name=name, default=default, span=self.span(start))

    def plain(self) -> Word:
        """A text with or without quotes."""
        start = self.at
        text = self.string()
        if text is not None:
            return Word(text=text, quoted=True, span=self.span(start))
        found = self.take(PATTERN)
        if not found:
            raise self.fail("syntax", f"expected a value, found {self.found()}")
        return Word(text=found[0], span=self.span(start))

    def saved(self) -> SavedCall:
        """`$name(arguments)`."""
        start = self.at
        found = self.take(SAVED)
        if not found:
            help = 'a saved query is called as `$name()`, one with blanks in its name as `$"name"()`'
            raise self.fail("syntax", "expected the name of a saved query and `(` after `$`", help=help)
        return SavedCall(name=found[1] or found[2], arguments=self.arguments(""), span=self.span(start))

    def call(self) -> FunctionCall | None:
        """A call, if a known function's name and a parenthesis come next."""
        found = CALL.match(self.text, self.at)
        name = FUNCTION_NAMES.get(found[1].lower()) if found else None
        if not found or name is None:
            return None
        start = self.at
        self.move(found.end() - 1)
        return FunctionCall(name=name, arguments=self.arguments(name), span=self.span(start))

    def arguments(self, function: str) -> tuple[Argument, ...]:
        """`(argument, ...)`."""
        opened = self.at
        self.expect("(", "before arguments")
        self.deeper()
        made: list[Argument] = []
        while not self.sees(")"):
            made.append(self.argument(function))
            comma = self.at
            if not self.takes(","):
                break
            self.trailing(comma, ")")
        self.depth -= 1
        self.expect(")", "or `,` after an argument", opened)
        return tuple(made)

    def trailing(self, comma: int, closer: str) -> None:
        """Notes a comma with nothing after it."""
        if self.sees(closer):
            place = self.span(comma, comma + 1)
            self.deviation("trailing-comma", place, f"a comma before `{closer}` has no element after it", [(place, "")])

    def argument(self, function: str) -> Argument:
        """One argument with its name or label, and the attributes after it."""
        start, name, label = self.at, None, None
        found = ARGUMENT_NAME.match(self.text, self.at)
        # `test(a = b)` has no parameter `a`: there `=` is meant as `==`.
        if found and not is_mistaken_comparison(function, found[1]):
            name = found[1].strip('"`')
            self.move(found.end())
        elif found := self.take(BLOCK_LABEL):
            label = found[1]
        value = self.argument_value(function, name)
        attributes = []
        while found := LABEL.match(self.text, self.at):
            begun = self.at
            self.move(found.end())
            inside = self.argument_value("", found[1])
            attributes.append(Argument(name=found[1], value=inside, span=self.span(begun)))
        return Argument(name=name, label=label, value=value, attributes=tuple(attributes), span=self.span(start))

    def argument_value(self, function: str, name: str | None) -> Syntax:
        """What an argument holds; words that are no expression are taken as they stand."""
        if self.sees("["):
            return self.array(function if expression_argument(function, name) else None)
        if self.sees("{"):
            return self.block()
        if self.sees("/"):
            return self.slashes()
        if not expression_argument(function, name) and (word := self.bare() or self.unquoted(name)):
            return word
        return self.expression()

    def bare(self) -> Word | None:
        """A word that nothing but the end of an argument follows."""
        start = self.at
        found = PATTERN.match(self.text, start)
        # The end of an argument may be glued to a comment (reference/cql.md 2.2).
        if not found or found[0].endswith("//"):
            return None
        self.move(found.end())
        if self.text[self.at : self.at + 1] in (",", ")", "]", "}", "") or LABEL.match(self.text, self.at):
            return Word(text=found[0], span=self.span(start))
        self.move(start)
        return None

    def unquoted(self, name: str | None) -> Word | None:
        """A text or a regular expression that lacks its quotes."""
        found = LOOSE.match(self.text, self.at) if name in TEXT_PARAMETERS else None
        if not found or FIELD_NAME.fullmatch(found[0]):
            return None
        start = self.at
        self.move(found.end())
        place = self.span(start)
        # A text is unescaped once, so that a backslash in it is written twice.
        quoted = '"' + found[0].replace("\\", "\\\\") + '"'
        self.deviation("unquoted-text", place, "a text with such characters stands in double quotes", [(place, quoted)])
        return Word(text=found[0], span=place)

    def array(self, function: str | None) -> Array:
        """`[element, ...]`; elements are expressions where the argument is."""
        start = self.at
        self.expect("[", "before a list")
        self.deeper()
        items: list[Syntax] = []
        while not self.sees("]"):
            items.append(self.element(function))
            comma = self.at
            if not self.takes(","):
                break
            self.trailing(comma, "]")
        self.depth -= 1
        self.expect("]", "or `,` after an element", start)
        return Array(items=tuple(items), span=self.span(start))

    def element(self, function: str | None) -> Syntax:
        """One element of a list."""
        if ASSIGNMENT_START.match(self.text, self.at):
            target, dynamic = self.target()
            self.expect(":=", "after the target")
            value = self.expression()
            return Assign(target=target, value=value, dynamic=dynamic, span=target.span.to(value.span))
        return self.expression() if function else self.argument_value("", None)

    def expression(self) -> Syntax:
        """An expression, with `and`, `or` and `not` as other languages have them."""
        return self.logic(0)

    def logic(self, level: int) -> Syntax:
        """Parts joined by `or`, or within them by `and`."""
        pattern, word = ((OR, "or"), (AND, "and"))[level]
        start = self.at
        parts = [self.logic(1) if level == 0 else self.relation()]
        while found := pattern.match(self.text, self.at):
            self.move(found.end())
            parts.append(self.logic(1) if level == 0 else self.relation())
            if len(parts) > MOST_PARTS:
                raise self.fail("too-deep", f"an expression has at most {MOST_PARTS} conditions in a row")
        return parts[0] if len(parts) == 1 else Logic(operator=word, parts=tuple(parts), span=self.span(start))

    def relation(self) -> Syntax:
        """Two sums compared, or one."""
        left = self.arithmetic(0)
        start = self.at
        found = self.take(COMPARE)
        if not found:
            return left
        sign = found[0]
        if sign == "=":
            place = self.span(start, start + 1)
            self.deviation(
                "single-equals", place, "an expression compares with `==`; `=` stands in filters only", [(place, "==")]
            )
            sign = "=="
        right = self.arithmetic(0)
        return Binary(operator=sign, left=left, right=right, span=left.span.to(right.span))

    def arithmetic(self, level: int) -> Syntax:
        """Sums of products, from left to right."""
        left = self.unary() if level == 1 else self.arithmetic(1)
        chain = 0
        while self.text[self.at : self.at + 1] in OPERATOR_LEVELS[level] and self.at < len(self.text):
            sign = self.text[self.at]
            if sign == "*" and STAR_BRANCH.match(self.text, self.at):
                break
            self.move(self.at + 1)
            chain += 1
            if chain > DEEPEST_ARGUMENTS:
                raise self.fail("too-deep", f"an expression has at most {DEEPEST_ARGUMENTS} operators in a row")
            right = self.unary() if level == 1 else self.arithmetic(1)
            left = Binary(operator=sign, left=left, right=right, span=left.span.to(right.span))
        return left

    def unary(self) -> Syntax:
        """An operand with its sign."""
        start = self.at
        if self.sees("-") or (self.sees("!") and not self.sees("!=")):
            sign = self.text[self.at]
            self.move(self.at + 1)
        elif found := NOT.match(self.text, self.at):
            self.move(found.end())
            place = self.span(start, start + 3)
            whole = self.source.span(start, found.end())
            self.deviation("not-in-expression", place, "an expression negates with `!`", [(whole, "!")])
            sign = "!"
        else:
            return self.operand()
        self.deeper()
        operand = self.unary()
        self.depth -= 1
        return Unary(operator=sign, operand=operand, span=self.span(start))

    def operand(self) -> Syntax:
        """A call, a name, a number, a text, or an expression in parentheses."""
        start = self.at
        if self.takes("("):
            self.deeper()
            inside = self.expression()
            self.depth -= 1
            self.expect(")", "after an expression", start)
            return inside
        if self.sees("["):
            return self.array(None)
        if self.sees("{"):
            return self.block()
        if self.sees("?"):
            return self.parameter()
        if self.sees("$"):
            return self.saved()
        if call := self.call():
            return call
        text = self.string()
        if text is not None:
            return Word(text=text, quoted=True, span=self.span(start))
        return self.named_operand()

    def named_operand(self) -> Word:
        """A number or the name of a field."""
        start = self.at
        if found := self.take(NUMBER_TOKEN):
            return Word(text=found[0], span=self.span(start))
        called = CALL.match(self.text, self.at)
        if called and called[1].lower() not in FUNCTION_NAMES:
            raise self.unknown(called[1], self.source.span(called.start(1), called.end(1)))
        found = self.take(FIELD_NAME)
        if not found:
            raise self.fail("syntax", f"expected a value, found {self.found()}")
        return Word(text=found[0], span=self.span(start))

    def unknown(self, name: str, place: Span) -> SourceError:
        """The error for a function that does not exist."""
        near = function_hint(name, [*FUNCTION_NAMES.values()])
        searched = f"LogScale would silently search for the text `{name}`"
        return self.fail("unknown-function", f"no function is called `{name}`; {searched}", place, near)
