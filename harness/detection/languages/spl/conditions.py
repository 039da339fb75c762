"""Meaning of search conditions: two-valued, text but for case, `*` as wildcard.

Reference: reference/spl.md 4
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network

from harness.detection.languages.spl.coercion import (
    YES,
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    is_numeric_text,
    literal,
    print_number,
)
from harness.detection.languages.spl.comparison import COMPARISON_OPERATIONS
from harness.detection.languages.spl.free_text import found_in_raw
from harness.detection.languages.spl.reader import LITERAL_STAR
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.special_terms import special_term
from harness.detection.languages.spl.subsearches import as_condition, as_value
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    FreeText,
    Not,
    OneOf,
    Pipeline,
    SearchCondition,
    Subsearch,
    Word,
)
from harness.detection.languages.spl.time_terms import time_format, until_now
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Kind, Literal
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.operations import choose_test
from harness.diagnostics import Span

SEARCH_METADATA_FIELDS = ("host", "source", "sourcetype", "index")
NUMERIC_FIELD_KIND = Kind.NUMBER


COMMENTS = ("#", "//", "--")
"""What begins a comment elsewhere, and is a word to search for in SPL."""


@dataclass(frozen=True, slots=True)
class SearchLowering:
    """Lowers the condition of one `search` over the rows of `scope`."""

    scope: Scope
    form: str = ""

    def condition(self, condition: SearchCondition, negated: bool = False) -> Typed:
        """What a condition means; below a NOT each atom is made two-valued."""
        if not self.form:
            found = SearchLowering(self.scope, time_format(condition)).condition(condition, negated)
            end = until_now(self.scope, condition)
            return found if end is None else ops.and_(found, end, span=condition.span)
        match condition:
            case Comparison() | OneOf() | FreeText() | Subsearch():
                found = self.atom(condition)
                constant = isinstance(found.expression, Literal)
                return ops.is_true(found, span=condition.span) if negated and not constant else found
            case Not(operand, span):
                return Typed(ops.not_(self.condition(operand, True).expression, span=span), Kind.BOOLEAN)
            case All(operands, span) | AnyOf(operands, span):
                if not operands:
                    return YES
                operation = ops.and_ if isinstance(condition, All) else ops.or_
                parts = tuple(self.condition(o, negated).expression for o in operands)
                return Typed(Call(operation, parts, span), Kind.BOOLEAN)

    def atom(self, condition: Comparison | OneOf | FreeText | Subsearch) -> Typed:
        """What a condition without parts means."""
        match condition:
            case FreeText(word, kind, span):
                if word.text in COMMENTS and not word.quoted:
                    message = f"`{word.text}` begins no comment; it and the words behind it are searched for"
                    self.scope.session.note("no-comment", message, span, help="a comment stands between ``` and ```")
                return found_in_raw(self.scope, word, kind, span)
            case Subsearch(pipeline, span):
                return self.resolved(as_condition(self.scope, pipeline, span))
            case OneOf(name, values, span):
                return self.one_of(name, values, span)
            case Comparison(name, operator, value, case, span):
                if isinstance(value, Pipeline):
                    return self.resolved(as_value(self.scope, name, operator, value, span))
                special = None if name.quoted else special_term(self.scope, name.text, operator, value, self.form, span)
                if special is not None and name.text in self.scope.columns:
                    own = ops.is_true(self.comparison(name.text, operator, value, case, span))
                    return ops.or_(ops.is_true(special), own, span=span)
                if special is not None:
                    return special
                return self.comparison(name.text, operator, value, case, span)

    def resolved(self, found: SearchCondition | Typed) -> Typed:
        """What a subsearch came to: a mark, or a condition that is lowered in its place."""
        return found if isinstance(found, Typed) else ops.is_true(self.condition(found))

    def comparison(self, name: str, operator: str, value: Word, case: bool, span: Span) -> Typed:
        """`field operator value` over one field; a field of several values matches if one of them does."""
        subject = self.scope.typed(name)
        if subject.kind is Kind.NULL:
            return Typed(Literal(False, span), Kind.BOOLEAN)
        if name == "index" and operator == "=" and value.text[:1] == "*" and self.scope.events:
            own = ops.not_(ops.starts_with(as_text(subject), literal("_")))
            return ops.and_(own, match_wildcard(as_text(subject), value.text, case, None), span=span)
        if operator in ("=", "!=") and value.text.strip("*") == "" and value.text:
            exists = ops.not_(ops.is_null(subject, span=span), span=span)
            return exists if operator == "=" else Typed(Literal(False, span), Kind.BOOLEAN)
        if name in SEARCH_METADATA_FIELDS and self.scope.session.switch("metadata_case") == "sensitive":
            case = True
        if subject.kind is not Kind.LIST:
            return compare_with_text(subject, operator, value.text, case, span)
        if operator == "!=" and self.scope.session.switch("multivalue_not_equal") == "all":
            parameter, element = build_element_parameter(subject)
            same = apply_to_elements(
                ops.list_any, subject, parameter, compare_with_text(element, "=", value.text, case, None)
            )
            return ops.not_(same, span=span)
        parameter, element = build_element_parameter(subject)
        return apply_to_elements(
            ops.list_any, subject, parameter, compare_with_text(element, operator, value.text, case, None), span
        )

    def one_of(self, name: Word, values: tuple[Word, ...], span: Span) -> Typed:
        """`field IN (...)`: plain values in one step, the others one by one."""
        subject = self.scope.typed(name.text)
        plain = [v for v in values if not {"*", LITERAL_STAR} & set(v.text) and find_network(v.text) is None]
        parts: list[Typed] = []
        sensitive = name.text in SEARCH_METADATA_FIELDS and self.scope.session.switch("metadata_case") == "sensitive"
        if subject.kind is Kind.TEXT and len(plain) > 1 and not sensitive:
            options = [literal(v.text, v.span) for v in plain]
            parts.append(ops.in_ci(subject, *options, span=span))
            rest = [v for v in values if v not in plain]
        else:
            rest = list(values)
        parts += [self.comparison(name.text, "=", v, False, v.span) for v in rest]
        if not parts:
            return Typed(Literal(False, span), Kind.BOOLEAN)
        return parts[0] if len(parts) == 1 else apply(ops.or_, *parts, span=span)


def compare_with_text(subject: Typed, operator: str, value: str, case: bool, span: Span | None) -> Typed:
    """One value against a literal."""
    if operator == "!=":
        return ops.not_(compare_with_text(subject, "=", value, case, None), span=span)
    if operator == "=":
        return equality(subject, value, case, span)
    operation = COMPARISON_OPERATIONS[operator]
    if subject.kind is NUMERIC_FIELD_KIND:
        if is_numeric_text(value):
            return apply(operation, subject, literal(float(value)), span=span)
        return apply(operation, as_text(subject), literal(value), span=span)
    if not is_numeric_text(value):
        return apply(operation, as_text(subject), literal(value), span=span)
    compared = apply(operation, as_number(subject), literal(float(value)), span=span)
    return ops.if_(
        ops.is_number(as_text(subject)),
        compared,
        apply(operation, as_text(subject), literal(value)),
        span=span,
    )


def equality(subject: Typed, value: str, case: bool, span: Span | None) -> Typed:
    """The whole value but for case, a pattern with `*`, or an address inside a network."""
    if LITERAL_STAR in value:
        return match_literal_stars(as_text(subject), value, case, span)
    if "*" in value:
        return match_wildcard(as_text(subject), value, case, span)
    if find_network(value) is not None:
        inside = ops.cidr_contains(as_text(subject), literal(value), span=span)
        return ops.or_(inside, ops.equal_ci(as_text(subject), literal(value)), span=span)
    if subject.kind is NUMERIC_FIELD_KIND:
        if is_numeric_text(value) and print_number(float(value)) == value:
            return ops.equal(subject, literal(float(value)), span=span)
        return ops.equal(as_text(subject), literal(value), span=span)
    return apply(ops.equal if case else ops.equal_ci, as_text(subject), literal(value), span=span)


def match_literal_stars(subject: Typed, value: str, case: bool, span: Span | None) -> Typed:
    """A value with stars that are no wildcards, perhaps beside some that are."""
    if "*" not in value:
        return apply(ops.equal if case else ops.equal_ci, subject, literal(value.replace(LITERAL_STAR, "*")), span=span)
    body = ".*".join(re.escape(p) for p in value.split("*")).replace(re.escape(LITERAL_STAR), r"\*")
    return ops.regex_found(subject, literal(f"^{body}$"), literal("s" if case else "is"), span=span)


def match_wildcard(subject: Typed, value: str, case: bool, span: Span | None) -> Typed:
    """A pattern with `*`, by the cheapest operation that means it."""
    body = value.strip("*")
    if "*" not in body:
        before, after = value.startswith("*"), value.endswith("*")
        test = {(True, True): ops.contains, (True, False): ops.ends_with, (False, True): ops.starts_with}[before, after]
        return apply(choose_test(test, not case), subject, literal(body), span=span)
    return apply(choose_test(ops.glob, not case), subject, literal(value), span=span)


def find_network(value: str) -> str | None:
    """The value if it is a network such as 10.0.0.0/8."""
    if "/" not in value or (not value[0:1].isalnum() and value[0:1] != ":"):
        return None
    address, _, bits = value.rpartition("/")
    if not bits.isdigit() or not ("." in address or ":" in address):
        return None
    try:
        ip_network(value, strict=False)
    except ValueError:
        return None
    return value
