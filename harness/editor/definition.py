"""Where a thing is defined: macros, lookups and saved queries of the project, behaviours and rules of a scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.detection.content import find_content_files
from harness.detection.project_content import PATH_KEYS
from harness.detection.text_token import TokenKind
from harness.diagnostics import HarnessError, Source, SourceError
from harness.editor.analysis import LONGEST_DOCUMENT, Analysis
from harness.editor.project_view import find_settings
from harness.editor.query_context import QueryContext, find_context
from harness.editor.scenario_words import find_known
from harness.scenario.document import Document, YamlNode, load
from harness.scenario.pack import resolve_beside

# Characters around a field that are looked at; chosen, no source.
LONGEST_STAGE = 2000

DefinitionPlace = dict[str, Any]


def find_definitions(found: Analysis, path: Path, offset: int) -> list[DefinitionPlace]:
    """The places where the thing at a place is defined: a file, and a stretch of it or of this document."""
    context = find_context(found, offset)
    if context is not None:
        return list(define_in_query(context, path))
    return [place for document in found.documents for place in define_in_document(document, path, offset)]


def define_in_query(context: QueryContext, path: Path) -> Iterator[DefinitionPlace]:
    """Where a word of a query comes from."""
    token = context.token
    if token is None:
        return
    word = context.word.strip("`$'\"").partition("(")[0].strip()
    if token.kind in (TokenKind.MACRO, TokenKind.STRING, TokenKind.FIELD):
        yield from find_in_content(word, path)
    if token.kind in (TokenKind.FIELD, TokenKind.OPTION):
        made = next((s for s in list_same(context) if is_made(context, s)), None)
        if made is not None:
            start, end = context.rule.locate(*made)
            yield {"path": None, "start": start, "end": end}


def list_same(context: QueryContext) -> list[tuple[int, int]]:
    """Every place of a query's field or macro."""
    if context.token is None or context.token.kind not in (TokenKind.FIELD, TokenKind.OPTION, TokenKind.MACRO):
        return []
    word = context.word.strip("'")
    return [(t.start, t.end) for t in context.tokens if context.read(t).strip("'") == word]


def is_made(context: QueryContext, place: tuple[int, int]) -> bool:
    """Whether a field gets its value there: behind `as`, or before `:=`, or before `=` in an assignment."""
    text = context.rule.source.text
    before = text[max(0, place[0] - LONGEST_STAGE) : place[0]].rstrip()
    after = text[place[1] : place[1] + LONGEST_STAGE].lstrip()
    if re.search(r"(?i)(?:\bas|\bas\s*=)$", before) or after.startswith(":="):
        return True
    return bool(re.search(r"(?i)\beval\b[^|]*$", before)) and after.startswith("=") and not after.startswith("==")


def find_references(found: Analysis, offset: int) -> list[DefinitionPlace]:
    """Every place of the field or macro at a place, in its query."""
    context = find_context(found, offset)
    if context is None:
        return []
    places = (context.rule.locate(*place) for place in list_same(context))
    return [{"path": None, "start": start, "end": end} for start, end in places]


def find_in_content(word: str, path: Path) -> Iterator[DefinitionPlace]:
    """Where the files that a project names define a macro, a lookup or a saved query."""
    settings = find_settings(path)
    if settings is None or not word:
        return
    escaped = re.escape(word)
    called, quote = rf"{escaped}(?:\(\d+\))?", r"[\"']?"
    # A stanza of a conf file, an item with a name, a key of a mapping.
    forms = (rf"\[{called}\]", rf"\s*(?:- )?name:\s*{quote}{escaped}{quote}\s*$", rf"\s*{quote}{called}{quote}:")
    defined = re.compile(rf"^(?:{'|'.join(forms)})", re.M)
    # An app may be named for its macros and for its lookups.
    for file in dict.fromkeys(list_referenced_files(settings)):
        if file.suffix == ".csv" or file.name.endswith(".csv.gz"):
            if word in (file.name, file.name.partition(".")[0]):
                yield {"path": str(file), "text": "", "start": 0, "end": 0}
            continue
        text = read_small_file(file)
        match = defined.search(text)
        if match:
            yield {"path": str(file), "text": text, "start": match.start(), "end": match.end()}


def list_referenced_files(settings: Path) -> Iterator[Path]:
    """The settings themselves, and the files with content that they name."""
    yield settings
    try:
        value = load(Source(str(settings), read_small_file(settings))).value
        for key in PATH_KEYS if isinstance(value, dict) else ():
            named = value.get(key) or []
            for name in [named] if isinstance(named, str) else named if isinstance(named, list) else []:
                whole = (settings.parent / str(name)).resolve()
                # As reading them does: what lies outside is somebody else's.
                if whole.is_relative_to(settings.parent.resolve()) and whole.exists():
                    yield from find_content_files(whole)
    except HarnessError:
        return


def read_small_file(path: Path) -> str:
    """The text of a file; nothing where it cannot be read or is large."""
    try:
        return path.read_text("utf-8-sig", "replace") if path.stat().st_size <= LONGEST_DOCUMENT else ""
    except OSError:
        return ""


def define_in_document(document: Document, path: Path, offset: int) -> Iterator[DefinitionPlace]:
    """Where a scenario's behaviour is written, or the file that a scalar names."""
    keys, node = find_scalar(document.root, offset)
    name = (node.scalar or "") if node is not None else ""
    if not name:
        return
    if keys[-1:] == ["behaviour"]:
        file = find_known(path).get(name)
        if file is not None:
            text = read_small_file(file)
            match = re.search(rf"^def {re.escape(name)}\(", text, re.M)
            start, end = match.span() if match else (0, 0)
            yield {"path": str(file), "text": text, "start": start, "end": end}
        return
    try:
        named = resolve_beside(path, name)
    except (HarnessError, SourceError, OSError, ValueError):
        return
    if named.is_file():
        yield {"path": str(named.absolute()), "text": "", "start": 0, "end": 0}


def find_scalar(root: YamlNode, offset: int) -> tuple[list[str], YamlNode | None]:
    """The scalar at a place, and the keys that lead to it."""
    keys: list[str] = []
    node = root
    while node.scalar is None:
        below = [(k, n) for k, (_, n) in (node.members or {}).items()] or [("", n) for n in node.items or ()]
        inside = next(((k, n) for k, n in below if n.span.start <= offset <= n.span.end), None)
        if inside is None:
            return keys, None
        keys.append(inside[0])
        node = inside[1]
    return keys, node
