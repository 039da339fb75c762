"""Macros and comments: text in, expanded text out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.detection.languages.spl.reader import LITERAL_STAR
from harness.detection.languages.spl.standard_macros import STANDARD, open_ended
from harness.detection.languages.spl.text import QUOTED, Text
from harness.diagnostics import Source, SourceError, Span, did_you_mean

MARKS = re.compile(rf"\\[\"\\]|{QUOTED}|```.*?```|`[^`]*`|`", re.S)
CALL = re.compile(r"\s*(?P<name>[^\s()]+?)\s*(?:\((?P<arguments>.*)\))?\s*", re.S)
ARGUMENT = re.compile(rf"(?:{QUOTED}|\([^()]*\)|[^,\"(]|[\"(])+", re.S)
DEEPEST = 100
REPLACEMENT = "\ufffd"
LONGEST = 1 << 20

Macros = Mapping[str, Mapping[str, object]]


def expanded(source: Source, macros: Macros, *, strict: bool = False) -> Text:
    """The text with comments taken out and macros replaced by their definitions."""
    text = source.text.replace(LITERAL_STAR, REPLACEMENT)
    if "`" not in text:
        return Text(source, text, strict=strict)
    pieces: list[str] = []
    marks: list[tuple[int, int, int]] = []
    at = length = 0
    for found in MARKS.finditer(text):
        mark = found.group()
        if mark[0] in '"\\':
            continue
        span = Span(source, found.start(), found.end())
        marks.append((length, at, -1))
        pieces.append(text[at : found.start()])
        length += found.start() - at
        replacement = " " if mark.startswith("```") and len(mark) > 3 else expansion(mark, macros, span, 1)
        marks.append((length, found.start(), found.end()))
        pieces.append(replacement)
        length += len(replacement)
        if length > LONGEST:
            raise SourceError("macro-too-long", "the text is over a megabyte once its macros are expanded", span)
        at = found.end()
    marks.append((length, at, -1))
    pieces.append(text[at:])
    kept = [m for m, after in zip(marks, [*marks[1:], None], strict=True) if after is None or m[0] < after[0]]
    return Text(source, "".join(pieces), kept, strict=strict)


def expansion(mark: str, macros: Macros, span: Span, depth: int) -> str:
    """What a macro call in backticks stands for, the macros inside it expanded too."""
    if len(mark) == 1:
        raise SourceError("unclosed-macro", "a backtick is not closed", span)
    if depth > DEEPEST:
        raise SourceError("macro-too-deep", f"macros nested more than {DEEPEST} deep", span)
    found = CALL.fullmatch(mark[1:-1])
    if found is None:
        raise SourceError("bad-macro", "a macro call without a name", span)
    name, inside = found["name"], found["arguments"]
    arguments = [] if inside is None or not inside.strip() else [unquoted(a) for a in ARGUMENT.findall(inside)]
    if name == "comment":
        return " "
    body = definition(name, arguments, macros, span)
    if "`" not in body:
        return body
    pieces: list[str] = []
    at = length = 0
    for inner in MARKS.finditer(body):
        text = inner.group()
        if text[0] in '"\\':
            continue
        pieces.append(body[at : inner.start()])
        pieces.append(" " if text.startswith("```") and len(text) > 3 else expansion(text, macros, span, depth + 1))
        length += len(pieces[-1]) + len(pieces[-2])
        if length > LONGEST:
            raise SourceError("macro-too-long", "the text is over a megabyte once its macros are expanded", span)
        at = inner.end()
    return "".join([*pieces, body[at:]])


def definition(name: str, arguments: list[str], macros: Macros, span: Span) -> str:
    """The definition of a macro with its arguments filled in."""
    key = f"{name}({len(arguments)})" if arguments else name
    known = macros.get(key) or STANDARD.get(key)
    if known is None and not arguments and open_ended(name):
        return "search *"
    if known is None:
        hint = did_you_mean(key, [*macros, *STANDARD]) or "give its definition in a macros file"
        raise SourceError("unknown-macro", f"no macro is called `{key}`", span, help=hint)
    body = str(known.get("definition", ""))
    names = known.get("args") or ()
    if isinstance(names, str):
        names = [n.strip() for n in names.split(",")]
    if str(known.get("iseval", "0")).lower() in ("1", "true", "t"):
        raise SourceError("unsupported-macro", f"macro `{key}` is computed by an eval expression", span)
    for parameter, value in zip(names, arguments, strict=False):  # type: ignore[call-overload]
        body = body.replace(f"${parameter}$", value)
    return body


def unquoted(argument: str) -> str:
    """An argument without blanks around it and without one pair of quotes."""
    text = argument.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"')
    return text
