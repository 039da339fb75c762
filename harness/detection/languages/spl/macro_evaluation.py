"""Eval expressions that are computed before a search is read: definitions and validations of macros.

They see no events, so that a name without quotes is a field that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.detection.language import Settings
from harness.detection.languages.spl.coercion import literal, number_text, numeric
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.reader import Reader
from harness.detection.languages.spl.syntax import (
    Chain,
    Expression,
    Field,
    Invocation,
    Number,
    Pasted,
    Prefix,
    String,
)
from harness.detection.languages.spl.text import Text
from harness.detection.languages.spl.timespans import plan_format, relative
from harness.detection.plan.expressions import Call, Literal
from harness.detection.plan.expressions import Expression as Planned
from harness.detection.plan.pattern import PatternError
from harness.detection.plan.regexes import library
from harness.detection.plan.timeformat import calendar_add, calendar_floor, format_time
from harness.diagnostics import SourceError, Span, did_you_mean

Value = str | float | bool | None
MOST_SECONDS = 2.0
LONGEST = 100_000
ORDERINGS: dict[str, Callable[[str, str], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def computed(text: str, span: Span, settings: Settings) -> Value:
    """What an eval expression of a macro gives; an error in it is told at the macro's call."""
    place = Text(span.source, text, [(0, span.start, span.end)])
    expression = EvalGrammar(Reader(place, 0, len(text))).whole()
    return Evaluation(span, settings).value(expression)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values of expressions without events; errors are told at `span`."""

    span: Span
    settings: Settings

    def value(self, expression: Expression) -> Value:
        """The value of an expression; None for null."""
        match expression:
            case Number(text=text):
                return float(text)
            case String(value=value):
                return value
            case Field(name=name, quoted=quoted):
                known = {"true": True, "false": False}
                return None if quoted else known.get(name.lower())
            case Prefix(operator=operator, operand=operand):
                return self.prefix(operator, self.value(operand))
            case Chain(operator=operator, operands=operands):
                return self.chain(operator, operands)
            case Invocation():
                return self.call(expression)
            case Pasted():
                raise SourceError("unsupported-macro", "a macro that runs a search to be computed", self.span)

    def prefix(self, operator: str, value: Value) -> Value:
        """`NOT x`, `-x` or `+x`."""
        if operator.upper() in ("NOT", "!"):
            return None if value is None else value is not True
        amount = number_of(value)
        return None if amount is None else -amount if operator == "-" else amount

    def chain(self, operator: str, operands: Sequence[Expression]) -> Value:
        """Operands joined by one operator."""
        name = operator.upper()
        if name in ("AND", "OR"):
            values = [self.value(o) for o in operands]
            decisive = name == "OR"
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        values = [self.value(o) for o in operands]
        if name == "XOR":
            return None if None in values else sum(v is True for v in values) % 2 == 1
        if name == ".":
            return None if None in values else "".join(shown(v) for v in values)
        left, right = values
        if name == "LIKE":
            return like(left, right)
        return arithmetic(name, left, right) if name in "+-*/%" else compared(name, left, right)

    def call(self, invocation: Invocation) -> Value:
        """A function of its arguments."""
        name, given = invocation.name.lower(), invocation.arguments
        if name == "if" and len(given) == 3:
            return self.value(given[1] if self.value(given[0]) is True else given[2])
        if name in ("case", "validate") and len(given) % 2 == 0:
            wanted = name == "case"
            met = (v for c, v in zip(given[::2], given[1::2], strict=True) if (self.value(c) is True) is wanted)
            chosen = next(met, None)
            return None if chosen is None else self.value(chosen)
        values = [self.value(a) for a in given]
        if name in ("now", "time"):
            return self.settings.now
        if name == "strftime" and len(values) == 2:
            return self.formatted(*values)
        if name == "relative_time" and len(values) == 2:
            return self.moved(*values)
        if name not in FUNCTIONS:
            hint = did_you_mean(name, FUNCTIONS) or f"functions are {', '.join(sorted(FUNCTIONS))}"
            message = f"a macro whose text is computed with `{invocation.name}`, which is not done here"
            raise SourceError("unsupported-macro", message, self.span, help=hint)
        try:
            return FUNCTIONS[name](*values)
        except (TypeError, IndexError, PatternError, TimeoutError):
            message = f"the arguments of `{invocation.name}` in the macro do not fit it"
            raise SourceError("bad-macro", message, self.span) from None

    def formatted(self, time: Value, form: Value) -> Value:
        """A time as text."""
        seconds = number_of(time)
        return None if seconds is None else format_time(seconds, plan_format(shown(form)), self.settings.zone)

    def moved(self, time: Value, modifier: Value) -> Value:
        """A time moved by a modifier."""
        seconds = number_of(time)
        found = None if seconds is None else relative(literal(seconds), shown(modifier), self.settings)
        return None if found is None else told(found.expression)


def told(expression: Planned) -> float | None:
    """The number that an expression of times without columns gives."""
    match expression:
        case Literal(value=int() | float() as value):
            return float(value)
        case Call("add" | "subtract" as operation, (left, right)):
            first, second = told(left), told(right)
            if first is None or second is None:
                return None
            return first + second if operation == "add" else first - second
        case Call("calendar_add", (time, Literal(value=count), Literal(value=unit), Literal(value=zone))):
            moment = told(time)
            return None if moment is None else calendar_add(moment, float(str(count)), str(unit), str(zone))
        case Call("calendar_floor", (time, Literal(value=unit), Literal(value=zone))):
            moment = told(time)
            return None if moment is None else calendar_floor(moment, str(unit), str(zone))
        case _:
            return None


def shown(value: Value) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return number_text(value) if isinstance(value, float) else value or ""


def number_of(value: Value) -> float | None:
    """A value as a number; None if it looks like none."""
    if isinstance(value, float) and not isinstance(value, bool):
        return value
    return float(value) if isinstance(value, str) and numeric(value) else None


def arithmetic(operator: str, left: Value, right: Value) -> Value:
    """Two values added, multiplied and so on; two texts are joined by `+`."""
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    first, second = number_of(left), number_of(right)
    if first is None or second is None or (operator in "/%" and second == 0):
        return None
    match operator:
        case "+":
            return first + second
        case "-":
            return first - second
        case "*":
            return first * second
        case "/":
            return first / second
        case _:
            return first % second


def compared(operator: str, left: Value, right: Value) -> Value:
    """Whether two values compare so: as numbers if both look like such, else as texts."""
    if left is None or right is None:
        return None
    first, second = number_of(left), number_of(right)
    if operator in ("=", "==", "!="):
        equal = first == second if first is not None and second is not None else shown(left) == shown(right)
        return equal if operator != "!=" else not equal
    if first is not None and second is not None:
        return {"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second}[operator]
    return ORDERINGS[operator](shown(left), shown(right))


def like(value: Value, pattern: Value) -> Value:
    """Whether a text fits a pattern of `%` and `_`."""
    if value is None or pattern is None:
        return None
    escaped = "".join(".*" if c == "%" else "." if c == "_" else f"\\x{{{ord(c):x}}}" for c in shown(pattern))
    return library(escaped, "s").fullmatch(shown(value), timeout=MOST_SECONDS) is not None


def match(value: Value, pattern: Value) -> Value:
    """Whether a pattern is found in a text."""
    if value is None:
        return None
    return library(shown(pattern)).search(shown(value), timeout=MOST_SECONDS) is not None


def replaced(value: Value, pattern: Value, by: Value) -> Value:
    """A text with every match replaced."""
    if value is None:
        return None
    return str(library(shown(pattern)).sub(shown(by), shown(value), timeout=MOST_SECONDS))[:LONGEST]


def substr(value: Value, start: Value, length: Value = None) -> Value:
    """A part of a text, counted from 1 or, negative, from its end."""
    text, first = shown(value), int(number_of(start) or 1)
    at = max(len(text) + first, 0) if first < 0 else max(first - 1, 0)
    many = number_of(length)
    return text[at:] if many is None else text[at : at + max(int(many), 0)]


def rounded(value: Value, digits: Value = None) -> Value:
    """A number rounded."""
    amount = number_of(value)
    return None if amount is None else float(round(amount, int(number_of(digits) or 0)))


def whole(value: Value) -> bool:
    """Whether a value is a whole number."""
    amount = number_of(value)
    return amount is not None and amount == int(amount)


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "null": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "isnull": lambda v: v is None,
    "isnotnull": lambda v: v is not None,
    "isnum": lambda v: number_of(v) is not None,
    "isint": whole,
    "isstr": lambda v: isinstance(v, str) and number_of(v) is None,
    "isbool": lambda v: isinstance(v, bool),
    "coalesce": lambda *v: next((x for x in v if x is not None), None),
    "nullif": lambda a, b: None if compared("=", a, b) is True else a,
    "in": lambda v, *several: any(compared("=", v, s) is True for s in several),
    "like": like,
    "match": match,
    "replace": replaced,
    "len": lambda v: None if v is None else float(len(shown(v))),
    "lower": lambda v: None if v is None else shown(v).lower(),
    "upper": lambda v: None if v is None else shown(v).upper(),
    "trim": lambda v, c=" \t": None if v is None else shown(v).strip(c),
    "ltrim": lambda v, c=" \t": None if v is None else shown(v).lstrip(c),
    "rtrim": lambda v, c=" \t": None if v is None else shown(v).rstrip(c),
    "substr": lambda v, *r: None if v is None else substr(v, *r),
    "tostring": lambda v: None if v is None else shown(v),
    "tonumber": number_of,
    "round": rounded,
    "floor": lambda v: None if number_of(v) is None else float(number_of(v) // 1),  # type: ignore[operator]
    "abs": lambda v: None if number_of(v) is None else abs(number_of(v)),  # type: ignore[arg-type]
}
