"""Faults of pySigma's back ends that are known: where a query is not what its rule says.

Each was seen by running a rule's conversions beside its own text (pySigma 1.5.1, back ends of Splunk 2.1.0 and of
LogScale 3.0.0). A rule of the house holds for all: the query is run as it was made, and the fault is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.diagnostics import Finding, Severity, Span
from harness.late_pattern import late_pattern
from harness.scenario.document import cut_span_to_line
from harness.scenario.sigma.collection import SigmaSubject
from harness.scenario.sigma.detection import (
    DetectionGroup,
    DetectionItem,
    DetectionNegation,
    DetectionNode,
    NamedSelection,
    walk_items,
)
from harness.scenario.sigma.rule import SigmaCorrelation, SigmaRule
from harness.scenario.sigma.values import NoValue, RegularExpression, TextPattern, Wildcard

BARE_SLASH = late_pattern(r"(?<!\\)(?:\\\\)*/")


def find_converter_faults(subject: SigmaSubject, language: str, text: str) -> tuple[Finding, ...]:
    """What a conversion is known to get wrong, at the place in the rule."""
    if not text:
        return ()
    found = [each for rule in subject.rules for each in find_rule_faults(rule, subject, language)]
    if isinstance(subject.rule, SigmaCorrelation) and language == "spl":
        found += find_correlation_faults(subject.rule, subject)
    return tuple({(f.code, f.span.start): f for f in found}.values())


def find_rule_faults(rule: SigmaRule, subject: SigmaSubject, language: str) -> Iterator[Finding]:
    """The faults in what one rule became."""
    trees = rule.detection.conditions
    own = trees[subject.condition : subject.condition + 1] if rule is subject.rule else trees
    for tree in own:
        for item in walk_items(tree):
            for matches, code, message, hint, severity in FAULTS[language]:
                if matches(item):
                    yield build_fault(code, item.span, message, hint, severity)
        for item in list_negated_items(tree):
            if is_expansion(item) and len(item.values.matchers) == expansion_size(item):
                message = "`not` loses its brackets in the conversion: it holds for the first spelling only"
                hint = "write the spellings out as a list"
                yield build_fault("sigma-lost-brackets", item.span, message, hint)
            if language == "spl" and "fieldref" in item.modifiers:
                message = "`where NOT` drops events that lack one of the two fields; Sigma means them too"
                yield build_fault("sigma-negated-fieldref", item.span, message)


def build_fault(
    code: str, span: Span, message: str, hint: str | None = None, severity: Severity = Severity.WARNING
) -> Finding:
    """A fault of a converter at a place of the rule."""
    return Finding(code=code, span=cut_span_to_line(span), message=message, help=hint, severity=severity)


def list_negated_items(node: DetectionNode, *, negated: bool = False) -> Iterator[DetectionItem]:
    """Items that stand alone behind `not`, or that say `neq`: nothing keeps them in brackets."""
    match node:
        case DetectionItem():
            if negated or node.values.negated:
                yield node
        case NamedSelection():
            yield from list_negated_items(node.member, negated=negated)
        case DetectionNegation():
            yield from list_negated_items(node.member, negated=True)
        case DetectionGroup():
            alone = negated and len(node.members) == 1
            for member in node.members:
                yield from list_negated_items(member, negated=alone)


def is_expansion(item: DetectionItem) -> bool:
    """Whether each value of an item becomes several: the dashes of a switch, the shifts of base64."""
    return expansion_size(item) > 0 and (
        "base64offset" in item.modifiers
        or any(isinstance(m, TextPattern) and Wildcard.DASH in m.parts for m in item.values.matchers)
    )


def expansion_size(item: DetectionItem) -> int:
    """How many matchers one value of an expansion has here."""
    return 3 if "base64offset" in item.modifiers else 1 if "windash" in item.modifiers else 0


def has_literal_star(item: DetectionItem) -> bool:
    """Whether a value holds an asterisk that is no wildcard."""
    return any("*" in part for part in list_literals(item))


def has_one_wildcard(item: DetectionItem) -> bool:
    """Whether a value holds a wildcard for one character."""
    return any(isinstance(m, TextPattern) and Wildcard.ONE in m.parts for m in item.values.matchers)


def list_literals(item: DetectionItem) -> Iterator[str]:
    """The texts of an item's values between their wildcards."""
    for matcher in item.values.matchers:
        if isinstance(matcher, TextPattern):
            yield from (p for p in matcher.parts if not isinstance(p, Wildcard))


def is_keyword(item: DetectionItem) -> bool:
    """Whether an item has no field."""
    return not item.field and any(isinstance(m, TextPattern) for m in item.values.matchers)


def is_bounded_keyword(item: DetectionItem) -> bool:
    """Whether an item is a keyword that has no wildcard at both ends."""
    patterns = [m.parts for m in item.values.matchers if isinstance(m, TextPattern)]
    return not item.field and any({p[:1], p[-1:]} != {(Wildcard.RUN,)} for p in patterns)


def is_cased_part(item: DetectionItem) -> bool:
    """Whether an item asks for a part of a text with its case."""
    return "cased" in item.modifiers and bool({"contains", "startswith", "endswith"} & set(item.modifiers))


def has_bare_slash(item: DetectionItem) -> bool:
    """Whether a regular expression holds a slash without a backslash."""
    return any(isinstance(m, RegularExpression) and BARE_SLASH.search(m.pattern) for m in item.values.matchers)


def asks_for_null(item: DetectionItem) -> bool:
    """Whether a value is null."""
    return any(isinstance(m, NoValue) for m in item.values.matchers)


def asks_for_empty(item: DetectionItem) -> bool:
    """Whether a value is the empty text."""
    return bool(item.field) and any(isinstance(m, TextPattern) and not m.parts for m in item.values.matchers)


Fault = tuple[Callable[[DetectionItem], bool], str, str, str | None, Severity]

FAULTS: dict[str, tuple[Fault, ...]] = {
    "spl": (
        (
            has_literal_star,
            "sigma-literal-star",
            r"the asterisk becomes `\*`, which Splunk's search reads as a backslash and any text",
            "write a regular expression with `re`",
            Severity.WARNING,
        ),
        (
            has_one_wildcard,
            "sigma-one-wildcard",
            "`?` becomes `*`, which is any text and not one character",
            "write a regular expression with `re`",
            Severity.NOTE,
        ),
        (
            is_bounded_keyword,
            "sigma-whole-words",
            "the keyword becomes a term of Splunk's, which is found between breakers only; Sigma looks anywhere",
            "write the keyword with `*` around it",
            Severity.NOTE,
        ),
        (
            asks_for_empty,
            "sigma-empty-value",
            'an empty text becomes `field=""`, and Splunk\'s add-ons keep no empty fields',
            "ask for null",
            Severity.NOTE,
        ),
    ),
    "cql": (
        (
            is_keyword,
            "sigma-quoted-keyword",
            "the keyword gets quotation marks inside the regular expression, and events hold none",
            "ask for a field",
            Severity.WARNING,
        ),
        (
            is_cased_part,
            "sigma-quoted-cased",
            "the text gets quotation marks inside the regular expression, and events hold none",
            "write a regular expression with `re`",
            Severity.WARNING,
        ),
        (
            has_bare_slash,
            "sigma-bare-slash",
            "the slash is not escaped, and LogScale ends the regular expression there",
            r"write `\/`",
            Severity.WARNING,
        ),
        (
            asks_for_null,
            "sigma-null",
            "null becomes `field!=*`, which a field that is there and empty does not pass",
            "ask for the empty text besides",
            Severity.NOTE,
        ),
    ),
}
"""What to look for in an item, by language: code, sentence, hint, severity."""


def find_correlation_faults(correlation: SigmaCorrelation, subject: SigmaSubject) -> Iterator[Finding]:
    """What Splunk's back end makes of correlations."""
    place = correlation.document.span(["correlation", "timespan"])
    message = "the query counts in fixed stretches of the timespan: what falls over the edge of two is missed"
    yield build_fault("sigma-fixed-bins", place, message, severity=Severity.NOTE)
    if any(isinstance(m, SigmaCorrelation) for m in subject.members.values()) and len(correlation.rules) > 1:
        message = "a correlation becomes `stats` within `multisearch`, which takes streaming commands only"
        place = correlation.document.span(["correlation", "rules"])
        yield build_fault("sigma-multisearch", place, message)
