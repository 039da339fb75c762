"""Places that LogScale reads in another way than most people who write them, or does not accept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.detection.languages.cql import mending
from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.names import FUNCTION_NAMES
from harness.detection.languages.cql.registry import FUNCTIONS, Preamble
from harness.detection.languages.cql.syntax import (
    Binary,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Pipeline,
    Regex,
    Syntax,
    Word,
    walk_syntax,
)
from harness.detection.languages.cql.texts import quote
from harness.diagnostics import Edit, Finding, Severity, Span, did_you_mean

ALTERNATION = re.compile(r"\(\?[a-z]+\)(?!\()(?:[^|()\[\]\\]|\\.)*\|")
REGEX_TOKEN = re.compile(r"\\.|\[\^?\]?(?:[^\]\\]|\\.){0,5000}\]", re.S)
FOREIGN = (
    (re.compile(r"\(\?<[=!]"), "look-behind"),
    (re.compile(r"\(\?>"), "atomic groups"),
    (re.compile(r"\(\?P<"), "groups written `(?P<name>`"),
    (re.compile(r"[*+?}]\+"), "possessive quantifiers"),
)
POSIX = re.compile(r"(?<!\\)\[:\^?[a-z]+:")
SEEN_TO_WORK = "possessive quantifiers"
FOREIGN_ESCAPES = {"h": "`\\h`", "v": "`\\v`", "R": "`\\R`", "X": "`\\X`", "G": "`\\G`", "k": "named references"}
NAMED_GROUP = re.compile(r"\(\?P?<(?![=!])")
ARITHMETIC_SIGNS = re.compile(r"[+\-*/%]+")
DURATION_PATTERN = re.compile(r"\d+(?:ms|s|m|min|h|d|w|mon|y)")
DATE = re.compile(r"\d{4}-\d\d-\d\d")
RESERVED = frozenset({"like", "match", "case"})
DEEP = 5_000


def build_warning(code: str, span: Span, message: str, help: str | None = None, edits: Sequence[Edit] = ()) -> Finding:
    """What the product accepts and gets wrong."""
    return Finding(code=code, span=span, message=message, help=help, severity=Severity.WARNING, edits=tuple(edits))


def build_refusal(code: str, span: Span, message: str, help: str | None = None, edits: Sequence[Edit] = ()) -> Finding:
    """What the product does not accept."""
    return Finding(code=code, span=span, message=message, help=help, edits=tuple(edits))


def in_regex(body: str, part: Syntax) -> Iterator[Finding]:
    """What the product's regular expressions lack or read in another way."""
    flags = part.flags if isinstance(part, Regex) else ""
    tokens = REGEX_TOKEN.findall(body[:DEEP])
    bare = REGEX_TOKEN.sub("x", body[:DEEP])
    lacking = [name for pattern, name in FOREIGN if pattern.search(bare)]
    lacking += [FOREIGN_ESCAPES[t[1]] for t in dict.fromkeys(tokens) if t[0] == "\\" and t[1] in FOREIGN_ESCAPES]
    classes = [t for t in tokens if t[0] == "["]
    lacking += ["POSIX classes"] if any(POSIX.search(t, 1) for t in classes) else []
    lacking += ["intersections"] if any("&&" in t for t in classes) else []
    for name in lacking:
        message = f"LogScale's regular expressions have no {name}"
        yield (build_warning if "F" in flags or name == SEEN_TO_WORK else build_refusal)(
            "regex-unsupported", part.span, message
        )
    for flag in dict.fromkeys(f for f in flags if f not in "dmigF"):
        at = part.span.start + len(body) + 2 + flags.index(flag)
        place = part.span.source.span(at, at + 1)
        help = "`d` lets `.` match line ends" if flag == "s" else "flags are d, g, i, m and F"
        edits = [Edit(place, "d" if "d" not in flags else "")] if flag == "s" else []
        yield build_refusal("regex-flag", place, f"a regular expression has no flag `{flag}`", help, edits)
    if ALTERNATION.match(body) and "F" not in flags:
        message = "the flag in front holds for the first alternative only"
        help = "put the alternatives in parentheses"
        yield build_warning("inline-flag", part.span, message, help, mending.inline_flag(part))


def in_comparison(part: Comparison) -> Iterator[Finding]:
    """A value that is something else than its author may think."""
    value = part.value
    if not isinstance(value, Word):
        return
    after = value.span.source.text[value.span.end : value.span.end + 1]
    if not value.quoted and after == "(" and value.text.lower() in FUNCTION_NAMES:
        message = (
            f"a filter compares with text: `{value.text}` is no call here, and what follows is a filter of its own"
        )
        yield build_warning("function-as-value", value.span, message, "assign it first, then use `test()`")
    if not value.quoted and part.operator in ("=", "!=") and value.text.lower() in ("null", "nil"):
        meant = "!=" if part.operator == "=" else "="
        shown = part.field.span.text
        help = f"`{shown} {meant} *` asks whether the field {'is missing' if meant == '!=' else 'exists'}"
        yield build_warning(
            "null-as-text", value.span, f"`{value.text}` is a text here; no word stands for a missing value", help
        )
    if part.operator == "like" and (value.text.startswith("%") or value.text.endswith("%")):
        yield build_warning("percent-in-like", value.span, "`%` is a letter here; `*` stands for anything", "write `*`")
    if part.operator in ("<", "<=", ">", ">=") and DATE.match(value.text):
        help = "times are numbers of milliseconds; compare with `parseTimestamp` of a field, or set the time window"
        yield build_refusal("not-a-number", value.span, f"`{part.operator}` compares numbers, and a date is none", help)


def in_junction(part: Junction) -> Iterator[Finding]:
    """Filters next to one another that were meant as one."""
    for before, after in zip(part.parts, part.parts[1:], strict=False):
        if not isinstance(after, FreeText) or not isinstance(after.value, Word) or after.value.quoted:
            continue
        text = after.span.source.text
        if ARITHMETIC_SIGNS.fullmatch(after.value.text):
            message = f"`{after.value.text}` is looked for as text: a filter compares with one value"
            yield build_warning(
                "sum-in-filter", after.span, message, "write `test(...)` for a sum, `name := ...` to keep it"
            )
        elif isinstance(before, Comparison) and isinstance(before.value, Word) and not before.value.quoted:
            between = text[before.span.end : after.span.start]
            if between and not between.strip(" "):
                together = before.value.span.to(after.span)
                message = f"the value ends at the blank; `{after.value.text}` is looked for in all fields"
                yield build_warning(
                    "blank-in-value", after.span, message, f"a value with blanks is {quote(together.text)}"
                )
    if part.operator == "or":
        yield from after_or(part)
        for inside in (p for p in part.parts if isinstance(p, Comparison | FreeText) and isinstance(p.value, Regex)):
            if isinstance(inside.value, Regex) and NAMED_GROUP.search(inside.value.body):
                message = "a regular expression that is joined by `or` fills no fields"
                yield build_warning("group-in-or", inside.span, message, "use `case { ...; ... }`")


def after_or(part: Junction) -> Iterator[Finding]:
    """A word after `or` that was meant as another value of the same field."""
    for before, after in zip(part.parts, part.parts[1:], strict=False):
        if not isinstance(before, Comparison) or before.operator != "=" or isinstance(before.value, Regex):
            continue
        if isinstance(after, FreeText) and isinstance(after.value, Word):
            field = before.span.source.text[before.span.start : before.value.span.start].rstrip("= \t\n")
            message = f"`{after.span.text}` is looked for in all fields"
            help = f"name the field again: `{field}={after.span.text}`"
            yield build_warning("value-after-or", after.span, message, help)


def in_free_text(part: FreeText) -> Iterator[Finding]:
    """Text that was meant as something else."""
    value = part.value
    if not isinstance(value, Word) or value.quoted:
        return
    after = part.span.source.text[part.span.end : part.span.end + 80].lstrip()
    lowered = value.text.lower()
    if value.text in ("#", "--"):
        yield build_warning(
            "comment-sign", part.span, f"`{value.text}` begins no comment", "a comment begins with `//`"
        )
    elif lowered in FUNCTION_NAMES or lowered in RESERVED:
        message = f"`{value.text}` is a reserved word; as a text it stands in quotes"
        edits = [Edit(part.span, quote(value.text))]
        yield build_refusal("reserved-word", part.span, message, f"`{lowered}(...)` is the function", edits)
    elif after.startswith("(") and (near := did_you_mean(value.text, FUNCTION_NAMES.values())):
        message = f"no function is called `{value.text}`; LogScale searches for that text"
        yield build_warning("misspelt-function", part.span, message, near)


def in_sum(part: Binary) -> Iterator[Finding]:
    """Text in arithmetic, which gives no value."""
    texts = [
        p for p in (part.left, part.right) if isinstance(p, Word) and p.quoted and parse_number_text(p.text) is None
    ]
    if part.operator in ("+", "-", "*", "/", "%") and texts:
        message = f"`{part.operator}` is arithmetic: with text it gives no value"
        yield build_warning(
            "text-in-sum", texts[0].span, message, '`format("%s %s", field=[a, b])` puts texts together'
        )


def in_expression(value: Syntax) -> Iterator[Finding]:
    """Names in an expression that were meant as sums."""
    for word in (p for p in walk_syntax(value) if isinstance(p, Word) and not p.quoted):
        at = next((i for i, c in enumerate(word.text) if c in "%^&" and 0 < i < len(word.text) - 1), None)
        if DURATION_PATTERN.fullmatch(word.text):
            help = f'`duration("{word.text}")` is that length of time'
            yield build_warning("duration-as-field", word.span, f"`{word.text}` is the name of a field here", help)
        if at is not None:
            sign = word.text[at]
            help = "there is no such operator; see `math:pow`" if sign == "^" else f"put blanks around `{sign}`"
            yield build_warning("sign-in-name", word.span, f"`{word.text}` is the name of one field", help)


def check_step_order(pipeline: Pipeline) -> Iterator[Finding]:
    """Steps that have to come first, once or in no sub-query."""
    begun, before = False, dict[Preamble, str]()
    calls = [p for p in walk_syntax(pipeline) if isinstance(p, FunctionCall)]
    for step in pipeline.steps:
        place = FUNCTIONS[step.name].preamble if isinstance(step, FunctionCall) else None
        if not isinstance(step, FunctionCall) or place is None:
            begun = True
            continue
        if begun:
            message = f"`{step.name}` has to stand before all other steps"
            yield build_refusal("not-in-preamble", step.span, message, "move it to the beginning of the query")
        elif place is Preamble.TIME and before:
            message = f"`{step.name}` stands once, before all tables"
            yield build_refusal("not-in-preamble", step.span, message, "move it to the beginning of the query")
        before[place] = step.name
    for inner in calls:
        if FUNCTIONS[inner.name].preamble and not any(inner is step for step in pipeline.steps):
            yield build_refusal("not-in-preamble", inner.span, f"`{inner.name}` stands in no sub-query")
        if FUNCTIONS[inner.name].second_pass and Preamble.TABLE in before:
            message = f"`{inner.name}` does not stand beside `{before[Preamble.TABLE]}`"
            yield build_refusal("join-beside-table", inner.span, message, "`match` the table instead")
