"""What is done to an event's text before it is stored: SEDCMD, TRANSFORMS.

Reference: props.conf.spec, transforms.conf.spec; captures sedcmd-*, transforms-*
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.diagnostics import HarnessError
from harness.telemetry.indexing.expressions import compile_setting_regex
from harness.telemetry.indexing.formats import GROUP_REFERENCE, parse_format_pairs, parse_whole_setting, parse_yes_no
from harness.telemetry.indexing.stanzas import Props, classes

# Any character may delimit, as in sed.
SED = re.compile(r"s(.)(?P<regex>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1(?P<flags>[gi\d]*)\s*", re.S)
EXCHANGE = re.compile(r"y(.)(?P<old>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1\s*", re.S)
SED_GROUP = re.compile(r"\\(\d)|\\(.)", re.S)
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
