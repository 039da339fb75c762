"""INDEXED_EXTRACTIONS: fields of CSV and JSON files, stored with their events.

Reference: props.conf.spec, structured data; captures indexed-extractions-*
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.telemetry.indexing.breaking import MOST_LINES, RawLine, concat_lines
from harness.telemetry.indexing.expressions import compile_setting_regex
from harness.telemetry.indexing.formats import BACKSLASH_ESCAPE, ESCAPES, parse_whole_setting, strings

# props.conf.spec: the named ones are single ASCII characters.
DELIMITERS = {"csv": ",", "tsv": "\t", "psv": "|", "w3c": " "}
NAMED_DELIMITERS = {
    "space": " ",
    "whitespace": " ",
    "tab": "\t",
    "fs": "\x1c",
    "gs": "\x1d",
    "rs": "\x1e",
    "us": "\x1f",
}
# Bounds of ours against hostile files.
DEEPEST_STRUCTURED = 64
MOST_STRUCTURED_VALUES = 2_000
MOST_IN_LIST = 50


@dataclass(frozen=True, slots=True)
class Structured:
    """An event and the fields that its file gives it."""

    line: RawLine
    fields: Mapping[str, str]


def parse_structured_file(found: Iterable[RawLine], settings: Mapping[str, str]) -> Iterator[Structured]:
    """Events of a structured file; of any other without fields."""
    kind = settings.get("INDEXED_EXTRACTIONS", "").strip().lower()
    if kind == "json":
        yield from (Structured(line, json_fields(line.text)) for line in found)
    elif kind in DELIMITERS:
        yield from parse_rows_under_header(found, settings, kind)
    else:
        yield from (Structured(line, {}) for line in found)


def parse_rows_under_header(found: Iterable[RawLine], settings: Mapping[str, str], kind: str) -> Iterator[Structured]:
    """Rows with the fields of their header, which itself is no event."""
    preamble = compile_setting_regex(settings["PREAMBLE_REGEX"]) if settings.get("PREAMBLE_REGEX") else None
    header = strings(settings.get("FIELD_NAMES", "")) if "FIELD_NAMES" in settings else None
    at = parse_whole_setting(settings.get("HEADER_FIELD_LINE_NUMBER"), 0)
    delimiter = parse_character_setting(settings.get("FIELD_DELIMITER"), DELIMITERS[kind])
    quote = parse_character_setting(settings.get("FIELD_QUOTE"), '"')
    missing = compile_setting_regex(settings["MISSING_VALUE_REGEX"]) if settings.get("MISSING_VALUE_REGEX") else None
    for number, line in enumerate(whole_rows(found, delimiter, quote), 1):
        if preamble is not None and preamble.search(line.text):
            continue
        if kind == "w3c" and line.text.startswith("#"):
            if line.text.startswith("#Fields:"):
                header = [clean_header_name(n) for n in line.text.split()[1:]]
            continue
        if header is None:
            if number >= at:
                first = parse_character_setting(settings.get("HEADER_FIELD_DELIMITER"), delimiter)
                header = [clean_header_name(n) for n in split_row(line.text, first, quote)]
            continue
        values = split_row(line.text, delimiter, quote)
        # Splunk's names for cells beyond the header, by their place in the row.
        names = [*header, *(f"EXTRA_FIELD_{n}" for n in range(len(header) + 1, len(values) + 1))]
        there = {n: v for n, v in zip(names, values, strict=False) if n and v != ""}
        yield Structured(line, {n: v for n, v in there.items() if missing is None or not missing.search(v)})


def whole_rows(found: Iterable[RawLine], delimiter: str, quote: str) -> Iterator[RawLine]:
    """Lines, those put together between which a quote is open."""
    held: list[RawLine] = []
    for line in found:
        opens = held or line.text.startswith(quote) or delimiter + quote in line.text
        held.append(line)
        # A quote that never ends must not swallow the file: MAX_EVENTS lines at most.
        if not opens or sum(each.text.count(quote) for each in held) % 2 == 0 or len(held) >= MOST_LINES:
            yield concat_lines(held)
            held = []
    if held:
        yield concat_lines(held)


def parse_character_setting(written: str | None, otherwise: str) -> str:
    """The character of a setting: a name such as `tab`, an escape, or itself."""
    if not written:
        return otherwise
    word = written.strip() or " "
    named = NAMED_DELIMITERS.get(
        word.lower(), BACKSLASH_ESCAPE.sub(lambda m: ESCAPES.get(m[1], m[1]), word.strip('"') or word)
    )
    return named[:1]


def split_row(line: str, delimiter: str, quote: str) -> list[str]:
    """The cells of a row without blanks at their ends; split plainly where it is no valid CSV."""
    try:
        rows = list(csv.reader([line], delimiter=delimiter, quotechar=quote, skipinitialspace=False))
    except csv.Error:
        return line.split(delimiter)
    return [cell.strip() for cell in rows[0]] if rows else []


def clean_header_name(name: str) -> str:
    """A column's name as a field's: letters, digits and `_.{}`, others `_`."""
    return "".join(c if c.isalnum() or c in "_.{}" else "_" for c in name.strip()).lstrip("_")


def json_fields(text: str) -> dict[str, str]:
    """All values of an object under their paths; a list's members as `name[0]`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    pending: list[tuple[str, Any, int]] = [("", value, 0)] if isinstance(value, dict) else []
    while pending and len(found) < MOST_STRUCTURED_VALUES:
        path, value, depth = pending.pop()
        if depth > DEEPEST_STRUCTURED:
            continue
        if isinstance(value, dict):
            inside = [(f"{path}.{key}" if path else key, child, depth + 1) for key, child in value.items()]
            pending += reversed(inside)
        elif isinstance(value, list):
            inside = [(f"{path}[{i}]", child, depth + 1) for i, child in enumerate(value[:MOST_IN_LIST])]
            pending += reversed(inside)
        elif value is not None:
            found[path] = value if isinstance(value, str) else json.dumps(value)
    return found
