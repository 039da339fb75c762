"""Edits that make a text acceptable to LogScale without changing what its author meant."""

from __future__ import annotations

from harness.detection.languages.cql.syntax import Logic, Regex, Syntax, Word
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
