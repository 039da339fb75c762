"""Meaning of eval: three-valued logic, nulls, rounding to the precision of operands.

Reference: reference/spl.md 2.2, question Q1

Reference: reference/spl.md 5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from harness.detection.languages.spl.coercion import (
    COMPARISON_OPERATIONS,
    as_number,
    as_text,
    literal,
    lower_comparison,
    never_numeric,
    same_kind,
)
from harness.detection.languages.spl.hints import function_help
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.subsearch import lower_pasted_subsearch
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
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Kind, LambdaParameter
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import SourceError, Span
from harness.record import record


def digits(value: Typed) -> Typed:
    """How many significant digits the text of a number has."""
    shown = as_text(value)
    # Significant digits: without sign, leading zeros, point and exponent.
    bare = ops.regex_replace(shown, literal(r"^[-+]?0*\.?0*|[eE].*$|\."), literal(""), literal(""), literal(True))
    return ops.greatest(ops.length(bare), literal(1.0))


def decimals(value: Typed) -> Typed:
    """How many digits stand behind the point."""
    fraction = ops.regex_extract(as_text(value), literal(r"\.([0-9]+)"), literal(""), literal(1.0))
    return ops.coalesce(ops.length(fraction), literal(0.0))


def round_to_precision(operator: str, left: Typed, right: Typed, result: Typed) -> Typed:
    """The result with the decimals of a sum, or the significant digits of a product, of its least precise operand."""
    # Whole numbers in the rule are counts, not measurements.
    if all(isinstance(v.constant, float | int) and v.constant == int(v.constant) for v in (left, right)):
        return result
    if operator in ("+", "-"):
        return ops.round(result, ops.least(decimals(left), decimals(right)))
    # The documented examples round `8.250*0.2` to one digit and leave whole factors out (reference/spl.md 2.2).
    constants = [v.constant if isinstance(v.constant, float | int) else None for v in (left, right)]
    whole = [c is not None and "." not in print_shortest_number(float(c)) for c in constants]
    counts = [digits(v) for v, exact in zip((left, right), whole, strict=True) if not exact]
    if not counts:
        return result
    return round_to_digits(result, find_fewest(counts))


def find_fewest(counts: list[Typed]) -> Typed:
    """The smallest of some numbers."""
    return counts[0] if len(counts) == 1 else apply(ops.least, *counts)


def round_to_digits(value: Typed, count: Typed) -> Typed:
    """A number with so many significant digits."""
    size = ops.floor(ops.log(ops.abs(value), literal(10.0)))
    # So many decimals (or tens, if negative) give that many significant digits.
    places = ops.subtract(ops.subtract(count, literal(1.0)), size)
    return ops.if_(ops.is_null(size), value, Typed(ops.round(value, places).expression, Kind.NUMBER))


SPL_ARITHMETIC = {"-": ops.subtract, "*": ops.multiply, "/": ops.divide, "%": ops.modulo}
LOGIC = {"AND": ops.and_, "OR": ops.or_}


@record
class EvalContext:
    """Where an expression is evaluated: over which rows, and which names stand for list elements."""

    scope: Scope
    bound: Mapping[str, Typed] = field(default_factory=dict)

    def value(self, expression: EvalExpression) -> Typed:
        """What an expression means."""
        match expression:
            case Number(written, span):
                return literal(float(written), span)
            case String(value, span):
                return literal(value, span)
            case FieldReference(name, quoted, span):
                return self.field(name, quoted, span)
            case Prefix(operator, operand, span):
                return self.prefix(operator, operand, span)
            case FunctionCall():
                return self.call(expression)
            case PastedSubsearch(pipeline, span):
                return self.value(lower_pasted_subsearch(self.scope, pipeline, span))
            case OperandChain(operator, operands, span):
                return self.chain(operator, operands, span)

    def field(self, name: str, quoted: bool, span: Span) -> Typed:
        """A field, or one of the words true, false and null."""
        # Inside mvmap and mvfilter the field's name means the element.
        if name in self.bound:
            return self.bound[name]
        # A field may be called `null`; in single quotes it always is one.
        if not quoted and name not in self.scope.columns and name.lower() in ("true", "false", "null"):
            return literal({"true": True, "false": False, "null": None}[name.lower()], span)
        return self.scope.typed(name, span)

    def prefix(self, operator: str, operand: EvalExpression, span: Span) -> Typed:
        """`NOT x`, `-x`, `+x`."""
        if operator == "NOT":
            inner = self.condition(operand)
            # Q3 of the reference: NOT of null is null, or true as in Splunk's own dashboards.
            if self.scope.session.switch("null_logic") == "two-valued":
                inner = ops.is_true(inner)
            return ops.not_(inner, span=span) if inner.kind is not Kind.NULL else TYPED_NULL
        inner = as_number(self.value(operand))
        if operator == "+":
            return inner
        if isinstance(inner.constant, int | float):
            return literal(-inner.constant, span)
        return ops.negate(inner, span=span)

    def condition(self, expression: EvalExpression) -> Typed:
        """An expression that has to be true or false."""
        found = self.value(expression)
        if found.kind in (Kind.BOOLEAN, Kind.NULL):
            return found
        raise SourceError(
            "not-boolean",
            f"a condition is needed; this is a {found.kind}",
            expression.span,
            help="compare it with something, such as `=1`",
        )

    def chain(self, operator: str, operands: tuple[EvalExpression, ...], span: Span) -> Typed:
        """Operands joined by one operator."""
        if operator in LOGIC:
            parts = [self.condition(o) for o in operands]
            return apply(LOGIC[operator], *(known_boolean(p) for p in parts), span=span)
        if operator == "XOR":
            found = self.condition(operands[0])
            for other in operands[1:]:
                found = ops.not_equal(found, self.condition(other), span=span)
            return found
        if operator == ".":
            return self.concatenation(operands, span)
        left, right = (self.value(o) for o in operands)
        if operator in COMPARISON_OPERATIONS:
            any_differs = True
            if operator == "!=" and Kind.LIST in (left.kind, right.kind):
                any_differs = self.scope.session.switch("multivalue_not_equal") == "any"
            return lower_comparison(operator, left, right, span, any_differs=any_differs)
        if operator == "LIKE":
            return FUNCTIONS["like"].run(self, left, right)  # type: ignore[no-any-return]
        if operator == "+":
            return self.addition(left, right, span)
        return self.arithmetic(operator, left, right, span)

    def concatenation(self, operands: tuple[EvalExpression, ...], span: Span) -> Typed:
        """Texts and numbers one after the other; a name with dots that is a field is that field."""
        dotted = [o.name if isinstance(o, FieldReference) and not o.quoted else "" for o in operands]
        if all(dotted):
            # `Processes.dest` in eval joins two fields (reference/spl.md 3.3); with neither there and the whole one
            # there it was meant as a name.
            name = ".".join(dotted)
            if name in self.scope.columns and not any(d in self.scope.columns for d in dotted):
                message = f"`{name}` joins {len(dotted)} fields; a field with dots stands in single quotes"
                self.scope.session.warn("dotted-field", message, span, f"write '{name}'")
                return self.scope.typed(name, span)
        parts = [as_text(self.value(o)) for o in operands]
        if any(p.kind is Kind.NULL for p in parts):
            return TYPED_NULL
        return apply(ops.concat, *parts, span=span)

    def addition(self, left: Typed, right: Typed, span: Span) -> Typed:
        """The sum of two numbers, or two texts one after the other."""
        if Kind.NULL in (left.kind, right.kind):
            return TYPED_NULL
        if Kind.NUMBER in (left.kind, right.kind):
            for word, other in ((left, right), (right, left)):
                # A compile error where both are literals, null at run time otherwise (reference/spl.md 5.1).
                if never_numeric(word) and other.constant is not None:
                    message = "a plus takes two numbers or two texts, this is one of each"
                    raise SourceError("type-mismatch", message, span, help="join them with a dot")
            return self.arithmetic("+", left, right, span)
        joined = ops.concat(as_text(left), as_text(right), span=span)
        checks = [
            ops.is_number(as_text(v)) for v in (left, right) if isinstance(v.expression, Column | LambdaParameter)
        ]
        if not checks:
            return joined
        # Extracted values are text; what looks like a number is one (reference/spl.md 2.2), so a row decides.
        words = ops.not_(checks[0] if len(checks) == 1 else apply(ops.or_, *checks))
        total: Typed = Typed(TYPED_NULL.expression, Kind.TEXT)
        if len(checks) == 2:
            total = as_text(self.arithmetic("+", left, right, span))
        return ops.if_(words, joined, total, span=span)

    def arithmetic(self, operator: str, left: Typed, right: Typed, span: Span) -> Typed:
        """An operation on two numbers; null if one of them is none."""
        a, b = as_number(left), as_number(right)
        if Kind.NULL in (a.kind, b.kind):
            return TYPED_NULL
        result = apply(SPL_ARITHMETIC.get(operator, ops.add), a, b, span=span)
        # Q1 of the reference.
        if self.scope.session.switch("significant_digits") == "on":
            return round_to_precision(operator, left, right, result)
        return result

    def call(self, invocation: FunctionCall) -> Typed:
        """A function of the table; its arguments are evaluated first unless it asks for them as written."""
        name, span = invocation.name, invocation.span
        entry = FUNCTIONS.get(name)
        if entry is None:
            hint = function_help(name, FUNCTIONS)
            place = span.source.span(span.start, min(span.end, span.start + len(name)))
            raise SourceError("unknown-function", f"no eval function is called `{name}`", place, help=hint)
        given = len(invocation.arguments)
        if given < entry.least or (entry.most is not None and given > entry.most):
            expected = str(entry.least) if entry.least == entry.most else f"{entry.least} or more"
            if entry.most is not None and entry.most > entry.least:
                expected = f"{entry.least} to {entry.most}"
            message = f"`{name}` takes {expected} argument{'' if expected == '1' else 's'}, {given} given"
            raise SourceError("wrong-arity", message, span, help=f"it is called as `{entry.signature}`")
        # searchmatch, mvmap and case need their arguments as they stand.
        if entry.shape == "written":
            found: Typed = entry.run(self, *invocation.arguments)
        else:
            found = entry.run(self, *(self.value(a) for a in invocation.arguments))
        return set_call_span(found, span)

    def choose(self, branches: list[tuple[Typed, Typed]], otherwise: Typed) -> Typed:
        """The value of the first branch whose condition is true."""
        values = same_kind([*(v for _, v in branches), otherwise])
        found = values[-1]
        # Nested from the last to the first, so that the first true condition decides.
        for (condition, _), value in reversed(list(zip(branches, values[:-1], strict=True))):
            found = ops.if_(condition, value, found)
        return found


def known_boolean(value: Typed) -> Typed:
    """A null literal as an unknown truth value."""
    return Typed(value.expression, Kind.BOOLEAN) if value.kind is Kind.NULL else value


def set_call_span(value: Typed, span: Span) -> Typed:
    """The value with the place of the call that gave it."""
    expression = value.expression
    if isinstance(expression, Call) and expression.span is None:
        return Typed(Call(expression.operation, expression.arguments, span), value.kind)
    return value
