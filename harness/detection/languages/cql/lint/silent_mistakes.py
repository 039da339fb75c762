"""Places that LogScale reads in another way than people mean, and the edits that mend a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from harness.detection.languages.cql.coercion import parse_number_text
from harness.detection.languages.cql.lexer import quote
from harness.detection.languages.cql.registry import FUNCTION_NAMES, FUNCTIONS, Preamble, WrittenText
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    Binary,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Logic,
    Pipeline,
    Regex,
    Syntax,
    Word,
    walk_syntax,
)
from harness.diagnostics import Edit, Finding, Severity, Span, did_you_mean
from harness.late_pattern import late_pattern


def insertion(span: Span, at: int, text: str) -> Edit:
    """Text put in at a place."""
    return Edit(span.source.span(at, at), text)


def outer(text: str, span: Span) -> tuple[int, int]:
    """The stretch of a part with the parentheses around it, which the part itself does not keep."""
    start, end = span.start, span.end
    while True:
        left, right = start - 1, end
        while left >= 0 and text[left].isspace():
            left -= 1
        while right < len(text) and text[right].isspace():
            right += 1
        if left < 0 or right >= len(text) or text[left] != "(" or text[right] != ")":
            return start, end
        if left and (text[left - 1].isalnum() or text[left - 1] in "_:"):
            return start, end
        start, end = left, right + 1


def logic(part: Logic) -> list[Edit]:
    """`a and b` as `if(a, then=b, else=false)`, `a or b` as `if(a, then=true, else=b)`."""
    span, text = part.span, part.span.source.text
    places = [outer(text, p.span) for p in part.parts]
    edits = [insertion(span, places[0][0], "if(")]
    joiner = ", then=" if part.operator == "and" else ", then=true, else="
    last = len(places) - 1
    for i in range(last):
        opened = joiner + ("if(" if i + 1 < last else "")
        edits.append(Edit(span.source.span(places[i][1], places[i + 1][0]), opened))
    closing = ", else=false)" if part.operator == "and" else ")"
    edits.append(insertion(span, places[last][1], closing * last))
    return edits


def split_if_edits(part: Logic, call: FunctionCall) -> list[Edit]:
    """`if(a and b, x, y)` as one `if` inside another."""
    otherwise = find_else_argument(call)
    if otherwise is None or part.operator != "and":
        return logic(part)
    span, text = part.span, part.span.source.text
    places = [outer(text, p.span) for p in part.parts]
    edits = [Edit(span.source.span(a[1], b[0]), ", then=if(") for a, b in pairwise(places)]
    shown = otherwise.value.span
    closing = f"), else={shown.text}" * (len(places) - 1)
    return [*edits, insertion(span, shown.end, closing)]


def find_else_argument(call: FunctionCall) -> Argument | None:
    """What an `if` gives where its condition does not hold, if its text can stand twice."""
    given = {a.name: a for a in call.arguments if a.name is not None}
    unnamed = [a for a in call.arguments if a.name is None]
    found = given.get("else") or (unnamed[2] if len(unnamed) == 3 else None)
    last = bool(call.arguments) and found is call.arguments[-1]
    simple = found is not None and all(isinstance(p, Word | Argument) for p in walk_syntax(found))
    return found if last and simple else None


def build_name_edit(name: str, argument: Argument) -> Edit:
    """The name of a parameter before an argument; brackets around several that are its elements."""
    span = argument.span
    listed = isinstance(argument.value, Array) and not span.text.startswith("[")
    return Edit(span, f"{name}=[{span.text}]") if listed else insertion(span, span.start, f"{name}=")


def group_limit(call: FunctionCall) -> list[Edit]:
    """`limit=max` as the last argument."""
    if not call.arguments:
        return []
    return [insertion(call.span, call.arguments[-1].span.end, ", limit=max")]


# formatTime writes with codes of strftime, parseTimestamp reads with Java's letters.
JAVA_PATTERN_LETTERS = {
    "Y": "yyyy",
    "m": "MM",
    "d": "dd",
    "H": "HH",
    "M": "mm",
    "S": "ss",
    "F": "yyyy-MM-dd",
    "T": "HH:mm:ss",
}
# `%H:00:00` prints a full hour, which `HH:mm:ss` reads back.
FULL_HOUR = late_pattern(r"%H:00(:00)?")


def parse_pattern_of_format(format: str) -> str | None:
    """The pattern that reads what a format writes; None for one that cannot be read back."""
    filled = FULL_HOUR.sub(lambda m: "%H:%M:%S" if m[1] else "%H:%M", format)
    made, at = "", 0
    while at < len(filled):
        if filled[at] == "%":
            code = JAVA_PATTERN_LETTERS.get(filled[at + 1 : at + 2])
            if code is None:
                return None
            made, at = made + code, at + 2
            continue
        made += f"'{filled[at]}'" if filled[at].isalpha() else filled[at]
        at += 1
    return made


def find_format_and_zone(made: FunctionCall) -> tuple[str, str] | None:
    """Format and time zone of a call that writes times, where they stand in the text."""
    given = {a.name or "format": a.value for a in made.arguments}
    format, zone = given.get("format"), given.get("timezone")
    if (
        FUNCTIONS[made.name].written is not WrittenText.TIME
        or not isinstance(format, Word)
        or not isinstance(zone, Word | None)
    ):
        return None
    return format.text, zone.text if zone else "UTC"


def read_back(made: FunctionCall, field: str, step: Syntax) -> list[Edit]:
    """Makes a written time a number again before an aggregate."""
    how = find_format_and_zone(made)
    pattern = parse_pattern_of_format(how[0]) if how else None
    if how is None or pattern is None:
        return []
    text = f"parseTimestamp({quote(pattern)}, field={field}, as={field}, timezone={quote(how[1])})\n| "
    return [insertion(step.span, step.span.start, text)]


def write_again(made: FunctionCall, output: str, step: Syntax) -> list[Edit]:
    """Writes a time again after the aggregate."""
    how = find_format_and_zone(made)
    if how is None or parse_pattern_of_format(how[0]) is None:
        return []
    text = f"\n| {output} := formatTime({quote(how[0])}, field={output}, timezone={quote(how[1])})"
    return [insertion(step.span, step.span.end, text)]


def inline_flag(part: Syntax) -> list[Edit]:
    """The flag over all alternatives."""
    if not isinstance(part, Regex | Word):
        return []
    text, start = part.span.text, part.span.start
    opened = text.find("(?")
    closed = text.find(")", opened) + 1
    end = part.span.end - len(part.flags) - 1 if isinstance(part, Regex) else part.span.end - 1
    if opened < 0 or (isinstance(part, Word) and not part.quoted):
        return []
    return [insertion(part.span, start + closed, "(?:"), insertion(part.span, end, ")")]


# An inline flag holds for the first branch of a top-level alternation only (reference/cql.md 10).
ALTERNATION = late_pattern(r"\(\?[a-z]+\)(?!\()(?:[^|()\[\]\\]|\\.)*\|")
# Bounded and possessive, since a class that never closes is tried at each of its brackets.
REGEX_TOKEN = late_pattern(r"\\.|\[\^?\]?(?:[^\]\\]|\\.){0,5000}+\]", re.S)
# A real LogScale refused `/-c "{/i` (reference/cql.md, practitioners).
REGEX_TOKEN_OR_BRACE = late_pattern(REGEX_TOKEN.pattern + r"|\{\d+(?:,\d*)?\}|(?P<brace>\{)", re.S)
# An official query has `(?<json>{.*})`: where nothing stands that could be repeated, a brace is one.
NOTHING_TO_REPEAT = late_pattern(r"(?:^|(?<!\\)[(|^]|\(\?(?:[a-z-]*:|P?<[^>]*>|[=!]))\Z")
# What JitRex has not (reference/cql.md 10).
FOREIGN = (
    (re.compile(r"\(\?<[=!]"), "look-behind"),
    (re.compile(r"\(\?>"), "atomic groups"),
    (re.compile(r"\(\?P<"), "groups written `(?P<name>`"),
    (re.compile(r"[*+?}]\+"), "possessive quantifiers"),
)
POSIX = late_pattern(r"(?<!\\)\[:\^?[a-z]+:")
# Three published expressions have them (reference/cql.md 10), so this one is a warning.
SEEN_TO_WORK = "possessive quantifiers"
FOREIGN_ESCAPES = {"h": "`\\h`", "v": "`\\v`", "R": "`\\R`", "X": "`\\X`", "G": "`\\G`", "k": "named references"}
NAMED_GROUP = late_pattern(r"\(\?P?<(?![=!])")
ARITHMETIC_SIGNS = late_pattern(r"[+\-*/%]+")
DURATION_PATTERN = late_pattern(r"\d+(?:ms|s|m|min|h|d|w|mon|y)")
DATE = late_pattern(r"\d{4}-\d\d-\d\d")
RESERVED = frozenset({"like", "match", "case"})
# Chosen, no source: no published expression is as long.
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
    yield from in_braces(body, part)
    for flag in dict.fromkeys(f for f in flags if f not in "dmigF"):
        at = part.span.start + len(body) + 2 + flags.index(flag)
        place = part.span.source.span(at, at + 1)
        help = "`d` lets `.` match line ends" if flag == "s" else "flags are d, g, i, m and F"
        edits = [Edit(place, "d" if "d" not in flags else "")] if flag == "s" else []
        yield build_refusal("regex-flag", place, f"a regular expression has no flag `{flag}`", help, edits)
    if ALTERNATION.match(body) and "F" not in flags:
        message = "the flag in front holds for the first alternative only"
        help = "put the alternatives in parentheses"
        yield build_warning("inline-flag", part.span, message, help, inline_flag(part))


def in_braces(body: str, part: Syntax) -> Iterator[Finding]:
    """A brace that counts nothing and is not escaped."""
    for found in REGEX_TOKEN_OR_BRACE.finditer(body[:DEEP]):
        if found["brace"] and not NOTHING_TO_REPEAT.search(body, 0, found.start()):
            place = part.span.within(body, found.start(), found.end())
            edits = [Edit(place, r"\{")] if place is not part.span and place.text == "{" else []
            message = "a `{` that counts nothing has to be escaped: LogScale refuses the regular expression"
            yield build_refusal("regex-brace", place, message, r"write `\{`", edits)


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
