"""Lint of search conditions and of eval expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.registry import COMMANDS, FUNCTIONS
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    FieldReference,
    FreeText,
    FunctionCall,
    Not,
    OneOf,
    OperandChain,
    Pipeline,
    Prefix,
    SearchArguments,
    SearchCondition,
    Stage,
    StatisticsArguments,
    String,
    Word,
)
from harness.diagnostics import Edit, Finding, Severity, Span
from harness.late_pattern import late_pattern

LintRule = Callable[[Pipeline], Iterator[Finding]]
EVENT_LOG_SOURCE = late_pattern(r"Xml?WinEventLog:.+|WinEventLog:.+/.+", re.I)
WILDCARD_DOMAIN = late_pattern(r"\*([a-z0-9-]+\.)+[a-z]{2,}")
HOST_FIELD = late_pattern(r"host(name)?$|domain$|query(name)?$|url$|dest$|site$", re.I)
FILE_NAME_ONLY = late_pattern(r"\*\\[^\\*]+")
ATTACKER_NAMED = ("DestinationHostname", "SourceHostname", "dest_host", "src_host")
PRIVATE = {
    "169.254.0.0/16": ("169.254.*", "169.254."),
    "224.0.0.0/4": ("224.*", "224."),
    "100.64.0.0/10": ("100.64.*", "100.64."),
    "fe80::/10": ("fe80:*", "fe80"),
}


def build_warning(
    code: str, span: Span, message: str, help: str | None = None, edits: tuple[Edit, ...] = ()
) -> Finding:
    """Something that Splunk accepts and gets wrong."""
    return Finding(code=code, span=span, message=message, help=help, severity=Severity.WARNING, edits=edits)


def build_note(code: str, span: Span, message: str, help: str | None = None) -> Finding:
    """Something worth knowing."""
    return Finding(code=code, span=span, message=message, help=help, severity=Severity.NOTE)


def list_compared_literals(term: Comparison | OneOf) -> tuple[Word, ...]:
    """The literals that a field is compared with."""
    if isinstance(term, OneOf):
        return term.values
    return (term.value,) if isinstance(term.value, Word) else ()


def terms(node: object) -> Iterator[Comparison | OneOf]:
    """All comparisons inside."""
    for part in walk_query(node):
        if isinstance(part, Comparison | OneOf):
            yield part


def negations(pipeline: Pipeline) -> Iterator[Not]:
    """All conditions under NOT."""
    for part in walk_query(pipeline):
        if isinstance(part, Not):
            yield part


def renamed_sourcetype(pipeline: Pipeline) -> Iterator[Finding]:
    """A channel's own sourcetype, which the add-ons rename to `xmlwineventlog`."""
    also_by_source: set[int] = set()
    for part in walk_query(pipeline):
        if isinstance(part, AnyOf) and any(t.field.text == "source" for t in terms(part)):
            also_by_source |= {id(t) for t in terms(part)}
    for term in terms(pipeline):
        if term.field.text.lower() != "sourcetype" or id(term) in also_by_source:
            continue
        if any(EVENT_LOG_SOURCE.fullmatch(v.text) and ":" in v.text for v in list_compared_literals(term)):
            message = "no event has this sourcetype where the Windows or Sysmon add-on is installed: they rename it"
            edits = (Edit(term.field.span, "source"),) if term.field.span.text == term.field.text else ()
            yield build_warning("renamed-sourcetype", term.span, message, "compare `source` instead", edits)


def open_suffix(pipeline: Pipeline) -> Iterator[Finding]:
    """`*example.com` is also `notexample.com`."""
    for term in terms(pipeline):
        if HOST_FIELD.search(term.field.text):
            for value in list_compared_literals(term):
                if WILDCARD_DOMAIN.fullmatch(value.text):
                    name = value.text[1:]
                    message = f"`{value.text}` is also true of `other{name}`"
                    yield build_warning("open-suffix", value.span, message, f"write `*.{name}` and `{name}`")


def attacker_named(pipeline: Pipeline) -> Iterator[Finding]:
    """Exclusions by a name that whoever owns the address or the file chooses."""
    for negation in negations(pipeline):
        told: set[str] = set()
        for term in terms(negation):
            name = term.field.text
            if name in told:
                continue
            if name in ATTACKER_NAMED:
                told.add(name)
                message = f"`{name}` is a reverse look-up, which the owner of the address can set to anything"
                yield build_warning("attacker-named", negation.span, message, "exclude by address or by certificate")
            elif any(
                FILE_NAME_ONLY.fullmatch(v.text) and v.text.lower().endswith(".exe")
                for v in list_compared_literals(term)
            ):
                told.add(name)
                message = f"a program of such a name in any folder is left out by `{name}`"
                yield build_warning("attacker-named", negation.span, message, "exclude by the whole path")


def missing_ranges(pipeline: Pipeline) -> Iterator[Finding]:
    """A list of private networks that lacks some."""
    for negation in negations(pipeline):
        by_field: dict[str, list[str]] = {}
        for term in terms(negation):
            by_field.setdefault(term.field.text, []).extend(v.text.lower() for v in list_compared_literals(term))
        for values in by_field.values():
            if not any(v.startswith("10.") for v in values) or not any(v.startswith("192.168.") for v in values):
                continue
            lacking = [n for n, starts in PRIVATE.items() if not any(v.startswith(starts) for v in values)]
            if lacking:
                message = f"the list of private networks lacks {', '.join(lacking)}"
                yield build_note("missing-ranges", negation.span, message)


def inbound_too(pipeline: Pipeline) -> Iterator[Finding]:
    """Sysmon 3 is recorded for inbound connections too."""
    names = {t.field.text.lower() for t in terms(pipeline)}
    for term in terms(pipeline):
        connection = term.field.text == "EventCode" and [v.text for v in list_compared_literals(term)] == ["3"]
        if connection and "destinationip" in names and "initiated" not in names:
            message = "inbound connections are recorded too; their destination is this host"
            yield build_note("inbound-too", term.span, message, "add `Initiated=true`")


def and_before_or(pipeline: Pipeline) -> Iterator[Finding]:
    """`a AND b OR c` is `a AND (b OR c)` in a search."""
    for part in walk_query(pipeline):
        if not isinstance(part, All):
            continue
        for before, operand in zip((None, *part.operands), part.operands, strict=False):
            if not isinstance(operand, AnyOf) or is_parenthesised(operand):
                continue
            text = operand.span.source.text
            gap = text[before.span.end : operand.span.start] if before else ""
            after = text[operand.span.end : operand.span.end + 5]
            if re.search(r"\bAND\b", gap) or re.match(r"\s*AND\b", after):
                message = "OR binds tighter than AND in a search"
                yield build_warning("and-before-or", operand.span, message, "write parentheses")


def is_parenthesised(condition: SearchCondition) -> bool:
    """Whether a condition stands in parentheses of its own."""
    text, span = condition.span.source.text, condition.span
    return text[: span.start].rstrip().endswith("(") or "`" in text[span.start : span.end]


def unequal(pipeline: Pipeline) -> Iterator[Finding]:
    """`field!=value` is false of events without the field, where `NOT field=value` is true."""
    for stage in walk_query(pipeline):
        if isinstance(stage, Stage) and isinstance(stage.arguments, SearchArguments | StatisticsArguments):
            for term in terms(stage):
                if isinstance(term, Comparison) and term.operator == "!=":
                    message = f"events without `{term.field.text}` are left out too"
                    yield build_note("unequal", term.span, message, f"write `NOT {term.field.text}=...` to keep them")


ESCAPED_WILDCARD = late_pattern(r"(?<!\\)\\\*\*|(?:^\"?|[\s(,;='])\\\*")


def escaped_wildcard(pipeline: Pipeline) -> Iterator[Finding]:
    r"""`\*` in a search is a backslash and then anything; as converters write it, it was meant as a star."""
    for part in walk_query(pipeline):
        if isinstance(part, Comparison | OneOf):
            words = list_compared_literals(part)
        else:
            words = (part.word,) if isinstance(part, FreeText) else ()
        for word in words:
            # In `C:\Users\*` the backslash is one of the path.
            if found := ESCAPED_WILDCARD.search(word.span.text):
                at = word.span.start + found.start() + found[0].index("\\")
                place = word.span.source.span(at, at + 2)
                message = "a backslash does not escape `*` in a search: this is a backslash and then anything"
                help = "compare with `| regex` or `| where like(...)` for a star itself"
                yield build_warning("escaped-wildcard", place, message, help)


CONDITION_RULES: tuple[LintRule, ...] = (
    escaped_wildcard,
    renamed_sourcetype,
    open_suffix,
    attacker_named,
    missing_ranges,
    inbound_too,
    and_before_or,
    unequal,
)


ESCAPED_CONTROL = late_pattern(r"(?<!\\)(?:\\\\)*\\([tnr])(?=\w)")
WINDOWS_PATH = late_pattern(r"[A-Za-z]:\\|\\\w+\\|^%?\\|HK\w+\\|\\\w+\.\w{2,4}")
COMPARISONS = ("=", "!=", "LIKE")


def negated_null(pipeline: Pipeline) -> Iterator[Finding]:
    """NOT of a comparison with a field that may be missing."""
    for part in walk_query(pipeline):
        if isinstance(part, Prefix) and part.operator == "NOT":
            inner = part.operand
            compares = isinstance(inner, OperandChain) and inner.operator in COMPARISONS
            asks = isinstance(inner, FunctionCall) and inner.name in FUNCTIONS and FUNCTIONS[inner.name].tests
            if compares or asks:
                names = [p.name for p in walk_query(inner) if isinstance(p, FieldReference)]
                if names:
                    message = f"where `{names[-1]}` is missing this is null, not true"
                    yield build_warning("negated-null", part.span, message, f"add `isnull({names[-1]}) OR`")


def control_character(pipeline: Pipeline) -> Iterator[Finding]:
    r"""`\t`, `\n` and `\r` in a path of eval are control characters."""
    patterns = {
        id(a)
        for p in walk_query(pipeline)
        if isinstance(p, FunctionCall) and p.name in FUNCTIONS and FUNCTIONS[p.name].escapes
        for a in p.arguments
    }
    for part in walk_query(pipeline):
        if not isinstance(part, String) or id(part) in patterns:
            continue
        written = part.span.text
        found = ESCAPED_CONTROL.search(written)
        if found and WINDOWS_PATH.search(written):
            message = f"`\\{found[1]}` is a control character here, not a backslash and a letter"
            mended = re.sub(r"(?<!\\)\\(?![\\\"])", r"\\\\", written)
            edits = (Edit(part.span, mended),) if written[:1] == '"' else ()
            yield build_warning("control-character", part.span, message, "write two backslashes", edits)


def literal_star(pipeline: Pipeline) -> Iterator[Finding]:
    """A star is a star in eval and where."""
    for part in walk_query(pipeline):
        if isinstance(part, OperandChain) and part.operator in ("=", "!="):
            for operand in part.operands:
                if isinstance(operand, String) and "*" in operand.value and len(operand.value) > 1:
                    message = "`*` is no wildcard in eval and where"
                    yield build_warning("literal-star", operand.span, message, "use `like` with `%`, or `search`")


def bare_word(pipeline: Pipeline) -> Iterator[Finding]:
    """A word without quotes on the right side is a field."""
    for stage in walk_query(pipeline):
        if not isinstance(stage, Stage) or not COMMANDS[stage.name].evaluates:
            continue
        names = [p.name for p in walk_query(pipeline) if isinstance(p, FieldReference)]
        text = stage.span.source.text
        for part in walk_query(stage):
            if not isinstance(part, OperandChain) or part.operator not in ("=", "!=") or len(part.operands) != 2:
                continue
            right = part.operands[1]
            if not isinstance(right, FieldReference) or right.quoted or right.name.lower() in ("true", "false", "null"):
                continue
            if names.count(right.name) == 1 and len(re.findall(rf"\b{re.escape(right.name)}\b", text)) == 1:
                message = f"`{right.name}` is a field here, not a text"
                yield build_warning("bare-word", right.span, message, f'write "{right.name}" for the text')


EXPRESSION_RULES: tuple[LintRule, ...] = (negated_null, control_character, literal_star, bare_word)
