"""Edits that make a text acceptable to LogScale without changing what its author meant."""

from __future__ import annotations

import re
from itertools import pairwise

from harness.detection.languages.cql.registry import FUNCTIONS, WrittenText
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    FunctionCall,
    Logic,
    Regex,
    Syntax,
    Word,
    walk_syntax,
)
from harness.detection.languages.cql.texts import quote
from harness.diagnostics import Edit, Span


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
FULL_HOUR = re.compile(r"%H:00(:00)?")


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
