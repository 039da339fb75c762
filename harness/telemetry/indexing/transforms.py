"""SEDCMD, TRANSFORMS and INDEXED_EXTRACTIONS: text rewritten and fields stored before a search.

Reference: props.conf.spec, transforms.conf.spec; captures sedcmd-*, transforms-*

Reference: props.conf.spec, structured data; captures indexed-extractions-*
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.json_values import print_json_value, walk_leaves
from harness.telemetry.indexing.line_breaker import MOST_LINES, RawLine, concat_lines
from harness.telemetry.indexing.props import (
    BACKSLASH_ESCAPE,
    ESCAPES,
    GROUP_REFERENCE,
    Props,
    classes,
    compile_setting_regex,
    parse_format_pairs,
    parse_whole_setting,
    parse_yes_no,
    strings,
)

# Any character may delimit, as in sed.
SED = late_pattern(r"s(.)(?P<regex>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1(?P<flags>[gi\d]*)\s*", re.S)
EXCHANGE = late_pattern(r"y(.)(?P<old>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1\s*", re.S)
SED_GROUP = late_pattern(r"\\(\d)|\\(.)", re.S)
# transforms.conf.spec; capture transforms-lookahead-default.
LOOKAHEAD = 4_096
METADATA_KEYS = {"MetaData:Host": "host", "MetaData:Source": "source", "MetaData:Sourcetype": "sourcetype"}


@dataclass(slots=True, kw_only=True)
class IndexedRecord:
    """An event on its way into the index: its text, metadata and indexed fields."""

    raw: str
    metadata: dict[str, str]
    fields: dict[str, list[str]] = field(default_factory=dict)
    dropped: bool = False

    def read(self, key: str) -> str:
        """The text of a SOURCE_KEY; metadata with its `host::` prefix, as Splunk has it."""
        if key in METADATA_KEYS:
            return f"{METADATA_KEYS[key]}::{self.metadata.get(METADATA_KEYS[key], '')}"
        return self.raw if key in ("_raw", "") else (self.fields.get(key.removeprefix("field:")) or [""])[0]


def apply_sed_scripts(raw: str, settings: Mapping[str, str]) -> str:
    """The text after all sed scripts, by ASCII order of their classes."""
    for name, _ in classes(settings, "SEDCMD"):
        raw = apply_one_sed_script(raw, settings[name].strip())
    return raw


def apply_one_sed_script(raw: str, script: str) -> str:
    """The text after one sed script: substitutions and transliterations. Raises HarnessError for others."""
    at = 0
    while at < len(script):
        if found := SED.match(script, at):
            raw = apply_substitution(raw, found)
        elif found := EXCHANGE.match(script, at):
            if len(found["old"]) != len(found["new"]):
                break
            raw = raw.translate(str.maketrans(found["old"], found["new"]))
        else:
            break
        at = found.end()
    if at < len(script):
        raise HarnessError("bad-sed", f"the sed script `{script[:80]}` cannot be read", help="write `s/regex/text/g`")
    return raw


def apply_substitution(raw: str, script: re.Match[str]) -> str:
    """The text after one `s///`, with its flags g, i and a number."""
    flags, digits = script["flags"], re.sub(r"\D", "", script["flags"])
    matches = compile_setting_regex(("(?i)" if "i" in flags else "") + script["regex"]).every(raw)
    # A number says which match is changed, with `g` that one and all after it.
    first = int(digits) - 1 if digits else 0
    made, at = [], 0
    for match in matches[first:] if "g" in flags else matches[first : first + 1]:
        new = SED_GROUP.sub(lambda m, found=match: group_or_character(m, found), script["new"])
        made += [raw[at : match.start()], new]
        at = match.end()
    return "".join([*made, raw[at:]])


def group_or_character(escape: re.Match[str], match: Any) -> str:
    r"""What `\1` or another escape in a replacement stands for."""
    if escape[1] is None:
        return {"n": "\n", "t": "\t"}.get(escape[2], escape[2])
    return match[int(escape[1])] or "" if int(escape[1]) <= match.re.groups else ""


def apply_transforms(record: IndexedRecord, settings: Mapping[str, str], transforms: Props) -> None:
    """Changes an event by all TRANSFORMS, by ASCII order of their classes and then as they are written."""
    for name, _ in classes(settings, "TRANSFORMS"):
        for each in (n.strip() for n in settings[name].split(",") if n.strip()):
            given = transforms.get(each)
            if given is not None and not parse_yes_no(given.get("disabled"), False):
                apply_transform(record, given)


def apply_transform(record: IndexedRecord, given: Mapping[str, str]) -> None:
    """Changes text, metadata or indexed fields of an event by one transform."""
    if not given.get("REGEX"):
        return
    text = record.read(given.get("SOURCE_KEY", "_raw").strip())[
        : parse_whole_setting(given.get("LOOKAHEAD"), LOOKAHEAD)
    ]
    matches = compile_setting_regex(given["REGEX"]).every(text)
    key = given.get("DEST_KEY", "").strip()
    if not matches:
        if "DEFAULT_VALUE" in given and key:
            set_dest_key(record, key, given["DEFAULT_VALUE"])
        return
    # DEST_KEY takes one value, the first match's; indexed fields may come of every match.
    if key and key != "_meta":
        set_dest_key(record, key, fill_match_template(given.get("FORMAT", "$1"), matches[0]))
    elif parse_yes_no(given.get("WRITE_META"), False) or key == "_meta":
        for match in matches if parse_yes_no(given.get("REPEAT_MATCH"), False) else matches[:1]:
            for name, value in extract_indexed_fields(given, match):
                record.fields.setdefault(name, []).append(value)


def extract_indexed_fields(given: Mapping[str, str], match: Any) -> list[tuple[str, str]]:
    """The indexed fields that one match makes."""
    if "FORMAT" not in given:
        return [(n, v) for n, v in match.groupdict().items() if v]
    made = [
        (fill_match_template(n, match), fill_match_template(v, match)) for n, v in parse_format_pairs(given["FORMAT"])
    ]
    return [(n, v) for n, v in made if n and v]


def fill_match_template(template: str, match: Any) -> str:
    """A FORMAT with `$n` filled from a match; a missing group is empty."""
    return GROUP_REFERENCE.sub(lambda m: match[int(m[1])] or "" if int(m[1]) <= match.re.groups else "", template)


def set_dest_key(record: IndexedRecord, key: str, value: str) -> None:
    """Sets what a DEST_KEY names; other queues and routes than the one to nowhere do not matter here."""
    if key == "_raw":
        record.raw = value
    elif key in METADATA_KEYS:
        record.metadata[METADATA_KEYS[key]] = value.removeprefix(f"{METADATA_KEYS[key]}::")
    elif key == "_MetaData:Index":
        record.metadata["index"] = value
    elif key == "queue":
        record.dropped = value.strip() == "nullQueue"


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


@record
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
    if not isinstance(value, dict):
        return {}
    leaves = walk_leaves(value, deepest=DEEPEST_STRUCTURED, widest=MOST_IN_LIST)
    there = ((path, print_json_value(leaf)) for path, leaf in leaves if leaf is not None and not isinstance(leaf, list))
    return dict(islice(there, MOST_STRUCTURED_VALUES))
