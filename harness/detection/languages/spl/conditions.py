"""Meaning of search conditions: comparisons, free text, time bounds, event types, tags.

Reference: reference/spl.md 4.2

Reference: reference/spl.md 3.7, 4.1 and 8.3

Reference: reference/spl.md 4
"""

from __future__ import annotations

import re

from harness.detection.languages.spl.cim.events import EVENT_GROUPS, match_event_type, match_tag
from harness.detection.languages.spl.coercion import (
    COMPARISON_OPERATIONS,
    YES,
    any_element,
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    is_numeric_text,
    literal,
)
from harness.detection.languages.spl.lexer import LITERAL_STAR
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.subsearch import as_condition, as_value
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
from harness.detection.languages.spl.time_range import has_field, time_format, time_term, until_now
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Kind, Literal
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.operations import choose_test
from harness.detection.plan.values.network import parse_ip_network
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import SourceError, Span, did_you_mean
from harness.record import record

# Segmentation by segmenters.conf (reference/spl.md 4.2): a word of free text stands between breakers, a TERM between
# major ones.
MAJOR = r"\s\[\]<>(){}|!;,'\"*&?+"
MINOR = r"/:=@.\-$#%\\_"
ENCODED = "%(?:20|21|26|2526|2520|3B|7C|2B|3D|5D|5B|3A|0A|2C|28|29)|--"


def found_in_raw(scope: Scope, word: Word, kind: str, span: Span) -> Typed:
    """Whether the text of the event has the word; rows without a text of their own never do."""
    if word.text.strip("*") == "" and word.text:
        # `*` alone is any event.
        return YES
    if not word.text:
        return YES
    subject = scope.typed("_raw")
    # After a transforming command there is no `_raw`, and free text finds nothing (reference/spl.md 4.2).
    if subject.kind is Kind.NULL:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    flags, pattern = literal("s" if kind == "CASE" else "is"), literal(build_word_regex(word.text, kind))
    return any_element(subject, lambda v: ops.regex_found(v, pattern, flags, span=span), span=span)


def build_word_regex(word: str, kind: str) -> str:
    """The regular expression of a word between breakers; TERM has major ones only."""
    breakers = MAJOR if kind == "TERM" else MAJOR + MINOR
    body = "[^" + MAJOR + "]*" if kind == "TERM" else ".*"
    middle = body.join(re.escape(p) for p in word.strip("*").split("*"))
    # The border rule holds on the side without a wildcard only (reference/spl.md 4.2).
    # A word that begins or ends with a breaker has its border in itself: `\System32` stands behind any text.
    edge = re.compile(f"[{breakers}*]")
    before = "" if edge.match(word) else f"(?:^|[{breakers}]|{ENCODED})"
    after = "" if edge.match(word[-1:]) else f"(?:$|[{breakers}]|{ENCODED})"
    return before + middle + after


# They say where to search and how dates are written, not what an event has to be.
IGNORED = ("timeformat", "splunk_server", "splunk_server_group", "allow_partial_results")
TAGS = ("eventtype", "tag", "eventtypetag", "sourcetypetag", "hosttag")


def special_term(scope: Scope, name: str, operator: str, value: Word, form: str, span: Span) -> Typed | None:
    """What such a term means, its dates in the format given; None if it is an ordinary comparison."""
    lowered = name.lower()
    if operator not in ("=", "!="):
        return None
    if operator == "=" and not has_field(scope, name):
        bound = time_term(scope, lowered, value, form, span)
        if bound is not None:
            return bound
    if lowered in IGNORED and not has_field(scope, name):
        return YES
    if name in TAGS or name.startswith("tag::"):
        return tag_term(scope, name, operator, value, span)
    if name == "savedsearch" and not has_field(scope, name):
        return saved_term(scope, operator, value, span)
    return None


def saved_term(scope: Scope, operator: str, value: Word, span: Span) -> Typed:
    """The condition of a saved search that is nothing but a search."""
    saved = scope.settings.saved
    if value.text not in saved:
        hint = did_you_mean(value.text, saved) or "give it in the content of the run"
        raise SourceError("unknown-saved-search", f"no saved search is called `{value.text[:60]}`", span, help=hint)
    found = match_event_type(scope, saved[value.text], value.span)
    return found if operator == "=" else ops.not_(found, span=span)


def tag_term(scope: Scope, name: str, operator: str, value: Word, span: Span) -> Typed | None:
    """An event type or a tag, by what the add-ons say of events; what an event itself carries is compared besides."""
    kind = "eventtype" if name == "eventtype" else "tag"
    found = match_tag(scope, kind, value.text, span, name.removeprefix("tag::") if name.startswith("tag::") else "")
    nobody = isinstance(found.expression, Literal)
    # Events that carry the field themselves decide, where no add-on says anything of it.
    if name in scope.columns and (nobody or operator == "!="):
        return None
    if nobody and kind == "eventtype" and not known_type(scope, value.text):
        message = f"no event type is called `{value.text[:60]}`, so that no event has it"
        scope.session.warn("unknown-eventtype", message, value.span, "write its search instead")
    return found if operator == "=" else ops.not_(ops.is_true(found), span=span)


def known_type(scope: Scope, name: str) -> bool:
    """Whether an add-on or the content given defines event types of this name."""
    return "*" in name or name in scope.settings.eventtypes or any(name.lower() in g.eventtypes for g in EVENT_GROUPS)


SEARCH_METADATA_FIELDS = ("host", "source", "sourcetype", "index")
NUMERIC_FIELD_KIND = Kind.NUMBER


COMMENTS = ("#", "//", "--")
"""What begins a comment elsewhere, and is a word to search for in SPL."""


@record
class SearchLowering:
    """Lowers the condition of one `search` over the rows of `scope`."""

    scope: Scope
    form: str = ""

    def condition(self, condition: SearchCondition, negated: bool = False) -> Typed:
        """What a condition means; below a NOT each atom is made two-valued."""
        if not self.form:
            found = SearchLowering(self.scope, time_format(condition)).condition(condition, negated)
            # `latest` is now unless the search says otherwise (reference/spl.md 8.3).
            end = until_now(self.scope, condition)
            return found if end is None else ops.and_(found, end, span=condition.span)
        match condition:
            case Comparison() | OneOf() | FreeText() | Subsearch():
                found = self.atom(condition)
                constant = isinstance(found.expression, Literal)
                # `NOT field=x` keeps events without the field (reference/spl.md 1.3): an unknown atom is false before
                # it is negated.
                return ops.is_true(found, span=condition.span) if negated and not constant else found
            case Not(operand, span):
                return Typed(ops.not_(self.condition(operand, True).expression, span=span), Kind.BOOLEAN)
            case All(operands, span) | AnyOf(operands, span):
                # `()` is what the index macros of CIM expand to; it holds for every event (reference/spl.md 3.7).
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
                self.scope.mistyped(name.text, name.span)
                return self.one_of(name, values, span)
            case Comparison(name, operator, value, case, span):
                if isinstance(value, Pipeline):
                    return self.resolved(as_value(self.scope, name, operator, value, span))
                special = None if name.quoted else special_term(self.scope, name.text, operator, value, self.form, span)
                # A field called `tag` may come with the event and from what add-ons say of it.
                if special is not None and name.text in self.scope.columns:
                    own = ops.is_true(self.comparison(name.text, operator, value, case, span))
                    return ops.or_(ops.is_true(special), own, span=span)
                if special is not None:
                    return special
                self.scope.mistyped(name.text, name.span)
                return self.comparison(name.text, operator, value, case, span)

    def resolved(self, found: SearchCondition | Typed) -> Typed:
        """What a subsearch came to: a mark, or a condition that is lowered in its place."""
        return found if isinstance(found, Typed) else ops.is_true(self.condition(found))

    def comparison(self, name: str, operator: str, value: Word, case: bool, span: Span) -> Typed:
        """`field operator value` over one field; a field of several values matches if one of them does."""
        subject = self.scope.typed(name)
        if subject.kind is Kind.NULL:
            return Typed(Literal(False, span), Kind.BOOLEAN)
        # `index=*` does not match internal indexes, whose names begin with `_` (reference/spl.md 4.1).
        if name == "index" and operator == "=" and value.text[:1] == "*" and self.scope.events:
            own = ops.not_(ops.starts_with(as_text(subject), literal("_")))
            return ops.and_(own, match_wildcard(as_text(subject), value.text, case, None), span=span)
        if operator in ("=", "!=") and value.text.strip("*") == "" and value.text:
            # `field=*` is that the field exists, `field!=*` never holds (reference/spl.md 4.1).
            exists = ops.not_(ops.is_null(subject, span=span), span=span)
            return exists if operator == "=" else Typed(Literal(False, span), Kind.BOOLEAN)
        # Whether host, source and sourcetype are compared with case is not verified (reference/spl.md 4.1).
        if name in SEARCH_METADATA_FIELDS and self.scope.session.switch("metadata_case") == "sensitive":
            case = True
        if subject.kind is not Kind.LIST:
            return compare_with_text(subject, operator, value.text, case, span)
        # Q2 of the reference: whether one value that differs is enough.
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
        # Published lists have hundreds of values, which an engine looks up at once.
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
    # `< <= > >=` compare numbers where both sides are some, else text by bytes (reference/spl.md 1.2).
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
        # A field may hold the network itself, as a text.
        return ops.or_(inside, ops.equal_ci(as_text(subject), literal(value)), span=span)
    if subject.kind is NUMERIC_FIELD_KIND:
        # `=` compares text: `x=1.0` does not find the number 1 (reference/spl.md 1.2).
        if is_numeric_text(value) and print_shortest_number(float(value)) == value:
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
    # Paths hold slashes too; what cannot begin an address need not be read as one.
    if "/" not in value or (not value[0:1].isalnum() and value[0:1] != ":"):
        return None
    address, _, bits = value.rpartition("/")
    if not bits.isdigit() or not ("." in address or ":" in address):
        return None
    return None if parse_ip_network(value) is None else value
