"""Eval expressions that are computed before a search is read: definitions and validations of macros.

They see no events, so that a name without quotes is a field that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.detection.language import Settings
from harness.detection.languages.spl.coercion import is_numeric_text, literal
from harness.detection.languages.spl.expression_parser import EvalGrammar
from harness.detection.languages.spl.lexer import ExpandedText, StageCursor
from harness.detection.languages.spl.syntax import (
    EvalExpression,
    FieldReference,
    FunctionCall,
    Number,
    OperandChain,
    PastedSubsearch,
    Prefix,
    String,
)
from harness.detection.languages.spl.time_range import apply_time_modifier, plan_format
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Literal
from harness.detection.plan.expressions import Expression as Planned
from harness.detection.plan.values.calendar import add_calendar_units, floor_to_calendar_unit
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.plan.values.pcre import PatternError
from harness.detection.plan.values.regex import library
from harness.detection.plan.values.time_format import format_epoch
from harness.diagnostics import SourceError, Span, did_you_mean
from harness.record import record

MacroValue = str | float | bool | None
# Chosen, no source: a macro is computed before the search, with nobody else to stop it.
MOST_SECONDS = 2.0
# Chosen, no source: a tenth of what expanded text may have.
LONGEST_MACRO_VALUE = 100_000
ORDERINGS: dict[str, Callable[[str, str], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def evaluate_macro(text: str, span: Span, settings: Settings) -> MacroValue:
    """What an eval expression of a macro gives; an error in it is told at the macro's call."""
    place = ExpandedText(span.source, text, [(0, span.start, span.end)])
    expression = EvalGrammar(StageCursor(place, 0, len(text))).whole()
    return Evaluation(span, settings).value(expression)


@record
class Evaluation:
    """The values of expressions without events; errors are told at `span`."""

    span: Span
    settings: Settings

    def value(self, expression: EvalExpression) -> MacroValue:
        """The value of an expression; None for null."""
        match expression:
            case Number(text=text):
                return float(text)
            case String(value=value):
                return value
            case FieldReference(name=name, quoted=quoted):
                known = {"true": True, "false": False}
                return None if quoted else known.get(name.lower())
            case Prefix(operator=operator, operand=operand):
                return self.prefix(operator, self.value(operand))
            case OperandChain(operator=operator, operands=operands):
                return self.chain(operator, operands)
            case FunctionCall():
                return self.call(expression)
            case PastedSubsearch():
                raise SourceError("unsupported-macro", "a macro that runs a search to be computed", self.span)

    def prefix(self, operator: str, value: MacroValue) -> MacroValue:
        """`NOT x`, `-x` or `+x`."""
        if operator.upper() in ("NOT", "!"):
            return None if value is None else value is not True
        amount = parse_macro_number(value)
        return None if amount is None else -amount if operator == "-" else amount

    def chain(self, operator: str, operands: Sequence[EvalExpression]) -> MacroValue:
        """Operands joined by one operator."""
        name = operator.upper()
        if name in ("AND", "OR"):
            values = [self.value(o) for o in operands]
            # Kleene's logic, as eval has it (reference/spl.md 5.1).
            decisive = name == "OR"
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        values = [self.value(o) for o in operands]
        if name == "XOR":
            return None if None in values else sum(v is True for v in values) % 2 == 1
        if name == ".":
            return None if None in values else "".join(print_macro_value(v) for v in values)
        left, right = values
        if name == "LIKE":
            return match_macro_like(left, right)
        return apply_macro_operator(name, left, right) if name in "+-*/%" else compare_macro_values(name, left, right)

    def call(self, invocation: FunctionCall) -> MacroValue:
        """A function of its arguments."""
        name, given = invocation.name.lower(), invocation.arguments
        # Only the branch that is taken is computed: the other may divide by zero or call what is not done here.
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
        if name not in MACRO_FUNCTIONS:
            hint = did_you_mean(name, MACRO_FUNCTIONS) or f"functions are {', '.join(sorted(MACRO_FUNCTIONS))}"
            message = f"a macro whose text is computed with `{invocation.name}`, which is not done here"
            raise SourceError("unsupported-macro", message, self.span, help=hint)
        try:
            return MACRO_FUNCTIONS[name](*values)
        except (TypeError, IndexError, PatternError, TimeoutError):
            message = f"the arguments of `{invocation.name}` in the macro do not fit it"
            raise SourceError("bad-macro", message, self.span) from None

    def formatted(self, time: MacroValue, form: MacroValue) -> MacroValue:
        """A time as text."""
        seconds = parse_macro_number(time)
        return (
            None if seconds is None else format_epoch(seconds, plan_format(print_macro_value(form)), self.settings.zone)
        )

    def moved(self, time: MacroValue, modifier: MacroValue) -> MacroValue:
        """A time moved by a modifier."""
        seconds = parse_macro_number(time)
        found = (
            None
            if seconds is None
            else apply_time_modifier(literal(seconds), print_macro_value(modifier), self.settings)
        )
        return None if found is None else evaluate_time_expression(found.expression)


def evaluate_time_expression(expression: Planned) -> float | None:
    """The number that an expression of times without columns gives."""
    match expression:
        case Literal(value=int() | float() as value):
            return float(value)
        case Call(ops.add | ops.subtract as operation, (left, right)):
            first, second = evaluate_time_expression(left), evaluate_time_expression(right)
            if first is None or second is None:
                return None
            return first + second if operation == ops.add else first - second
        case Call(ops.calendar_add, (time, Literal(value=count), Literal(value=unit), Literal(value=zone))):
            moment = evaluate_time_expression(time)
            return None if moment is None else add_calendar_units(moment, float(str(count)), str(unit), str(zone))
        case Call(ops.calendar_floor, (time, Literal(value=unit), Literal(value=zone))):
            moment = evaluate_time_expression(time)
            return None if moment is None else floor_to_calendar_unit(moment, str(unit), str(zone))
        case _:
            return None


def print_macro_value(value: MacroValue) -> str:
    """A value as text."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return print_shortest_number(value) if isinstance(value, float) else value or ""


def parse_macro_number(value: MacroValue) -> float | None:
    """A value as a number; None if it looks like none."""
    if isinstance(value, float) and not isinstance(value, bool):
        return value
    return float(value) if isinstance(value, str) and is_numeric_text(value) else None


def apply_macro_operator(operator: str, left: MacroValue, right: MacroValue) -> MacroValue:
    """Two values added, multiplied and so on; two texts are joined by `+`."""
    if operator == "+" and isinstance(left, str) and isinstance(right, str):
        return left + right
    first, second = parse_macro_number(left), parse_macro_number(right)
    # x/0 is null (reference/spl.md 1.4).
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


def compare_macro_values(operator: str, left: MacroValue, right: MacroValue) -> MacroValue:
    """Whether two values compare so: as numbers if both look like such, else as texts."""
    if left is None or right is None:
        return None
    first, second = parse_macro_number(left), parse_macro_number(right)
    if operator in ("=", "==", "!="):
        equal = (
            first == second
            if first is not None and second is not None
            else print_macro_value(left) == print_macro_value(right)
        )
        return equal if operator != "!=" else not equal
    if first is not None and second is not None:
        return {"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second}[operator]
    return ORDERINGS[operator](print_macro_value(left), print_macro_value(right))


def match_macro_like(value: MacroValue, pattern: MacroValue) -> MacroValue:
    """Whether a text fits a pattern of `%` and `_`."""
    if value is None or pattern is None:
        return None
    # Nothing escapes `%` and `_` (reference/spl.md 5.2); all other characters are themselves, whatever they mean in
    # PCRE.
    escaped = "".join(
        ".*" if c == "%" else "." if c == "_" else f"\\x{{{ord(c):x}}}" for c in print_macro_value(pattern)
    )
    return library(escaped, "s").fullmatch(print_macro_value(value), timeout=MOST_SECONDS) is not None


def match_macro_regex(value: MacroValue, pattern: MacroValue) -> MacroValue:
    """Whether a pattern is found in a text."""
    if value is None:
        return None
    return library(print_macro_value(pattern)).search(print_macro_value(value), timeout=MOST_SECONDS) is not None


def replace_macro_matches(value: MacroValue, pattern: MacroValue, by: MacroValue) -> MacroValue:
    """A text with every match replaced."""
    if value is None:
        return None
    return str(
        library(print_macro_value(pattern)).sub(print_macro_value(by), print_macro_value(value), timeout=MOST_SECONDS)
    )[:LONGEST_MACRO_VALUE]


def take_macro_substring(value: MacroValue, start: MacroValue, length: MacroValue = None) -> MacroValue:
    """A part of a text, counted from 1 or, negative, from its end."""
    text, first = print_macro_value(value), int(parse_macro_number(start) or 1)
    # SQLite's substr: counted from 1, negative from the end (reference/spl.md 5.2).
    at = max(len(text) + first, 0) if first < 0 else max(first - 1, 0)
    many = parse_macro_number(length)
    return text[at:] if many is None else text[at : at + max(int(many), 0)]


def round_macro_number(value: MacroValue, digits: MacroValue = None) -> MacroValue:
    """A number rounded."""
    amount = parse_macro_number(value)
    return None if amount is None else float(round(amount, int(parse_macro_number(digits) or 0)))


def is_whole_number(value: MacroValue) -> bool:
    """Whether a value is a whole number."""
    amount = parse_macro_number(value)
    return amount is not None and amount == int(amount)


MACRO_FUNCTIONS: dict[str, Callable[..., MacroValue]] = {
    "null": lambda: None,
    "true": lambda: True,
    "false": lambda: False,
    "isnull": lambda v: v is None,
    "isnotnull": lambda v: v is not None,
    "isnum": lambda v: parse_macro_number(v) is not None,
    "isint": is_whole_number,
    "isstr": lambda v: isinstance(v, str) and parse_macro_number(v) is None,
    "isbool": lambda v: isinstance(v, bool),
    "coalesce": lambda *v: next((x for x in v if x is not None), None),
    "nullif": lambda a, b: None if compare_macro_values("=", a, b) is True else a,
    "in": lambda v, *several: any(compare_macro_values("=", v, s) is True for s in several),
    "like": match_macro_like,
    "match": match_macro_regex,
    "replace": replace_macro_matches,
    "len": lambda v: None if v is None else float(len(print_macro_value(v))),
    "lower": lambda v: None if v is None else print_macro_value(v).lower(),
    "upper": lambda v: None if v is None else print_macro_value(v).upper(),
    "trim": lambda v, c=" \t": None if v is None else print_macro_value(v).strip(c),
    "ltrim": lambda v, c=" \t": None if v is None else print_macro_value(v).lstrip(c),
    "rtrim": lambda v, c=" \t": None if v is None else print_macro_value(v).rstrip(c),
    "substr": lambda v, *r: None if v is None else take_macro_substring(v, *r),
    "tostring": lambda v: None if v is None else print_macro_value(v),
    "tonumber": parse_macro_number,
    "round": round_macro_number,
    "floor": lambda v: None if parse_macro_number(v) is None else float(parse_macro_number(v) // 1),  # type: ignore[operator]
    "abs": lambda v: None if parse_macro_number(v) is None else abs(parse_macro_number(v)),  # type: ignore[arg-type]
}
