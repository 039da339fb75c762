"""Grammar of eval and where: NOT binds tighter than AND, AND tighter than OR, OR tighter than XOR."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.detection.languages.spl.lexer import QUOTED, StageCursor
from harness.detection.languages.spl.syntax import (
    Assignment,
    EvalExpression,
    FieldReference,
    FunctionCall,
    Number,
    OperandChain,
    PastedSubsearch,
    Pipeline,
    Prefix,
    String,
    Word,
)
from harness.late_pattern import late_pattern

# Digits, a dot and digits without blanks are a number, any other dot joins (reference/spl.md 3.8). `$a.b$` is a field,
# as 'a.b' is; published detections have it.
EVAL_TOKEN = late_pattern(
    rf"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|\d+(?:\.\d+)?(?![\w])|\.\d+(?![\w.]))"
    rf"|(?P<string>{QUOTED})|(?P<field>'[^']*'|\$[^$'\"|]+\$)|(?P<name>[^\W\d]\w*)"
    r"|(?P<symbol>==|!=|<=|>=|[-+*/%.=<>!(),])|(?P<digits>\d\w*)|(?P<other>\S))",
    re.S,
)
# reference/spl.md 3.8; NOT binds tighter than AND and weaker than a comparison, so it has no strength of its own.
STRENGTH = {
    "XOR": 1,
    "OR": 2,
    "AND": 3,
    **dict.fromkeys(("=", "==", "!=", "<", ">", "<=", ">=", "LIKE", "IN", "NOT"), 5),
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
    "%": 7,
    ".": 8,
}
# Chains of these are one node: long rules have hundreds of ORs, which would nest as deep.
FLAT = ("XOR", "OR", "AND", ".")
# The literal's own escapes beside those of the search language (reference/spl.md 3.4).
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\", '"': '"', "|": "|"}
EVAL_ESCAPE = late_pattern(r"\\([tnr\\\"|])")
# Chosen, no source: what is not flat nests one level for each.
MOST_LINKED_OPERANDS = 100
EVAL_ARGUMENT_NAME = late_pattern(r"\s*(?P<quoted>\"(?:[^\"\\]|\\.)*\"|'[^']*')|\s*(?P<bare>[^\s=\"']+)")


class EvalGrammar:
    """Reads expressions and assignments; `start`, `kind` and `token` describe the token under the cursor.

    `brackets` reads the subsearch that starts at the reader's place.
    """

    def __init__(self, reader: StageCursor, brackets: Callable[[StageCursor], Pipeline] | None = None) -> None:
        self.reader, self.brackets = reader, brackets
        self.next()

    def next(self) -> None:
        """Moves to the next token."""
        reader = self.reader
        found = EVAL_TOKEN.match(reader.text, reader.at, reader.end)
        if found is None:
            self.kind, self.token, self.start = "end", "", reader.end
            reader.at = reader.end
            return
        self.kind = found.lastgroup or ""
        self.token = found[self.kind]
        self.start = found.start(self.kind)
        reader.at = found.end()

    def back(self) -> None:
        """Gives the token under the cursor back to the reader."""
        self.reader.at = self.start

    def whole(self) -> EvalExpression:
        """One expression and nothing after it."""
        found = self.expression(0)
        if self.kind != "end":
            raise self.unexpected()
        return found

    def assignments(self) -> tuple[Assignment, ...]:
        """`target=expression` one after the other, separated by commas."""
        found: list[Assignment] = []
        while True:
            self.back()
            found.append(self.assignment())
            if self.kind == "end":
                return tuple(found)
            if self.token != ",":
                raise self.unexpected()
            self.next()
            if self.kind == "end":
                return tuple(found)

    def assignment(self) -> Assignment:
        """One target, `=`, one expression."""
        reader = self.reader
        target = EVAL_ARGUMENT_NAME.match(reader.text, reader.at, reader.end)
        if target is None:
            raise reader.error("missing-target", "eval needs `field=expression`", reader.at)
        kind = "quoted" if target["quoted"] is not None else "bare"
        start, reader.at = target.start(kind), target.end()
        text = target["quoted"][1:-1] if kind == "quoted" else target["bare"]
        word = Word(text, kind == "quoted", reader.span(start))
        self.next()
        if self.token not in ("=", "=="):
            raise reader.error(
                "missing-target", "eval needs `field=expression`", start, None, "write `| eval field=...`"
            )
        self.next()
        value = self.expression(0)
        return Assignment(word, value, reader.span(start, self.start))

    def operator(self) -> str:
        """The binary operator under the cursor, in upper case, or nothing; `.5` after an operand is a dot and 5."""
        if self.kind == "number" and self.token.startswith("."):
            self.kind, self.token, self.reader.at = "symbol", ".", self.start + 1
        if self.kind == "symbol":
            return self.token if self.token in STRENGTH else ""
        if self.kind != "name":
            return ""
        word = self.token.upper()
        return word if word in ("AND", "OR", "XOR", "LIKE", "IN", "NOT") else ""

    def expression(self, weakest: int) -> EvalExpression:
        """An expression of operators stronger than `weakest`."""
        start = self.start
        self.reader.deeper()
        left = self.negation() if self.token.upper() == "NOT" or self.token == "!" else self.operand()
        links = 0
        while (operator := self.operator()) and STRENGTH[operator] > weakest:
            left = self.binary(left, operator, start)
            links += 1
            if links > MOST_LINKED_OPERANDS:
                raise self.reader.error("too-deep", f"more than {MOST_LINKED_OPERANDS} operators in a row", self.start)
        self.reader.depth -= 1
        return left

    def negation(self) -> EvalExpression:
        """`NOT` and the comparison after it."""
        start = self.start
        self.next()
        self.reader.deeper()
        if self.token.upper() == "NOT" or self.token == "!":
            operand = self.negation()
        else:
            # Stronger than AND (3), so that the comparison after NOT is all that it denies.
            operand = self.expression(4)
        self.reader.depth -= 1
        return Prefix("NOT", operand, self.reader.span(start, self.start))

    def binary(self, left: EvalExpression, operator: str, start: int) -> EvalExpression:
        """The right side of an operator, joined to the left one."""
        if operator in ("IN", "NOT"):
            return self.membership(left, operator, start)
        strength = STRENGTH[operator]
        operands = [left]
        while self.operator() == operator:
            self.next()
            operands.append(self.expression(strength))
            if operator not in FLAT:
                break
        symbol = "=" if operator == "==" else operator
        return OperandChain(symbol, tuple(operands), self.reader.span(start, self.start))

    def membership(self, left: EvalExpression, operator: str, start: int) -> EvalExpression:
        """`x IN (...)`, and `x NOT IN (...)` or `x NOT LIKE y`."""
        if operator == "NOT":
            at = self.start
            self.next()
            if self.operator() not in ("IN", "LIKE"):
                raise self.reader.error("unexpected", "`NOT` has no place here", at)
            return Prefix("NOT", self.binary(left, self.operator(), start), self.reader.span(start, self.start))
        self.next()
        if self.token != "(":
            raise self.reader.error("missing-list", "IN needs a list in parentheses", self.start)
        options = self.arguments()
        return FunctionCall("in", (left, *options), self.reader.span(start, self.start))

    def operand(self) -> EvalExpression:
        """A literal, a field, a call, or an expression in parentheses."""
        reader, start, kind, token = self.reader, self.start, self.kind, self.token
        if kind == "symbol":
            return self.enclosed(start, token)
        if token == "[" and kind == "other" and self.brackets is not None:
            reader.at = start
            pasted = PastedSubsearch(self.brackets(reader), reader.span(start))
            self.next()
            return pasted
        if kind in ("end", "other"):
            raise self.unexpected()
        self.next()
        if kind == "number":
            return Number(token, reader.span(start, start + len(token)))
        if kind == "string":
            text = EVAL_ESCAPE.sub(lambda m: ESCAPES[m[1]], token[1:-1])
            return String(text, reader.span(start, start + len(token)))
        if kind == "field":
            return FieldReference(token[1:-1], True, reader.span(start, start + len(token)))
        if self.token == "(":
            arguments = self.arguments()
            return FunctionCall(token.lower(), arguments, reader.span(start, self.start))
        # A name that begins with a digit needs quotes (reference/spl.md 3.3).
        if kind == "digits":
            reader.source.deviation(
                "digit-first", f"a field that begins with a digit is written '{token}'", start, start + len(token)
            )
        return FieldReference(token, False, reader.span(start, start + len(token)))

    def enclosed(self, start: int, token: str) -> EvalExpression:
        """An expression in parentheses, or one with a sign."""
        reader = self.reader
        if token == "(":
            self.next()
            inner = self.expression(0)
            if self.token != ")":
                raise self.unclosed(start)
            self.next()
            return inner
        if token not in ("-", "+"):
            raise self.unexpected()
        self.next()
        operand = self.expression(8)
        return Prefix(token, operand, reader.span(start, self.start))

    def arguments(self) -> tuple[EvalExpression, ...]:
        """Arguments of a call, from its opening to its closing parenthesis."""
        opened = self.start
        self.next()
        found: list[EvalExpression] = []
        while self.token != ")" or self.kind != "symbol":
            if self.kind == "end":
                raise self.unclosed(opened)
            found.append(self.expression(0))
            if self.token == "," and self.kind == "symbol":
                self.next()
            elif self.token != ")":
                raise self.unclosed(opened) if self.kind == "end" else self.unexpected()
        self.next()
        return tuple(found)

    def unclosed(self, opened: int) -> Exception:
        """The error about a parenthesis that nothing closes."""
        return self.reader.error("unclosed-parenthesis", "a `(` is not closed", opened, opened + 1)

    def unexpected(self) -> Exception:
        """The error about the token under the cursor."""
        if self.kind == "end":
            return self.reader.error(
                "missing-operand", "the expression ends too early", self.reader.end, self.reader.end
            )
        return self.reader.error(
            "unexpected", f"`{self.token[:40]}` has no place here", self.start, self.start + len(self.token)
        )
