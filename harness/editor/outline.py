"""The parts of a document for an editor's outline, and what each stretch of its queries is, for colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.detection.text_token import TokenKind, find_token_table, list_stages
from harness.editor.analysis import Analysis
from harness.editor.placed_rule import PlacedRule
from harness.scenario.document import YamlNode

LONGEST_SYMBOL = 60
# Chosen, no source: an outline of more is none.
MOST_SYMBOLS = 2000
COLOURS = {
    TokenKind.COMMENT: "comment",
    TokenKind.STRING: "string",
    TokenKind.REGEX: "regexp",
    TokenKind.NUMBER: "number",
    TokenKind.MACRO: "macro",
    TokenKind.PARAMETER: "parameter",
    TokenKind.COMMAND: "keyword",
    TokenKind.FUNCTION: "function",
    TokenKind.KEYWORD: "keyword",
    TokenKind.OPTION: "property",
    TokenKind.FIELD: "variable",
    TokenKind.OPERATOR: "operator",
    TokenKind.PIPE: "operator",
}
"""What the protocol calls each kind; marks have no colour."""

Symbol = dict[str, Any]


def list_symbols(found: Analysis) -> list[Symbol]:
    """The rules of a document with their stages, or the keys of a YAML document."""
    if found.rules:
        symbols: list[Symbol] = []
        for rule in found.rules:
            stages = list(list_stage_symbols(rule))
            symbols += [make_symbol(rule.name, "rule", rule.start, rule.end, stages)] if rule.places else stages
        return symbols[:MOST_SYMBOLS]
    return [symbol for document in found.documents for symbol in list_key_symbols(document.root)][:MOST_SYMBOLS]


def make_symbol(name: str, kind: str, start: int, end: int, below: list[Symbol] | None = None) -> Symbol:
    """A part of a document."""
    line = " ".join(name.split())
    shown = line if len(line) <= LONGEST_SYMBOL else line[: LONGEST_SYMBOL - 3] + "..."
    return {"name": shown or "-", "kind": kind, "start": start, "end": end, "below": below or []}


def list_stage_symbols(rule: PlacedRule) -> Iterator[Symbol]:
    """The stages of a query."""
    table = find_token_table(rule.language)
    if table is None:
        return
    text = rule.source.text
    for start, end, first in list_stages(table.scan(text), text):
        stop = start + len(text[start:end].rstrip())
        placed = rule.locate(start, stop)
        yield make_symbol(text[first.start : stop], "stage", *placed)


def list_key_symbols(root: YamlNode) -> Iterator[Symbol]:
    """The keys of a document, and of its lists the items by what they are about."""
    for name, (place, node) in (root.members or {}).items():
        items = [make_symbol(name_item(each), "item", each.span.start, each.span.end) for each in node.items or ()]
        yield make_symbol(name, "key", place.start, max(place.end, node.span.end), items)


def name_item(node: YamlNode) -> str:
    """An item of a list by its first value."""
    first = next(iter((node.members or {}).values()), None)
    return (first[1].scalar if first else node.scalar) or "-"


def list_token_spans(found: Analysis) -> list[tuple[int, int, str]]:
    """Start, end and colour of each stretch of the document's queries, in order."""
    spans: list[tuple[int, int, str]] = []
    for rule in found.rules:
        table = find_token_table(rule.language)
        for token in table.scan(rule.source.text) if table else ():
            if token.kind in COLOURS:
                spans.append((*rule.locate(token.start, token.end), COLOURS[token.kind]))
    return sorted(spans)
