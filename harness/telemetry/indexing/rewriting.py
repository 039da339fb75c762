"""What is done to an event's text before it is stored: SEDCMD, TRANSFORMS.

Reference: props.conf.spec, transforms.conf.spec; captures sedcmd-*, transforms-*
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.diagnostics import HarnessError
from harness.telemetry.indexing.expressions import expression
from harness.telemetry.indexing.formats import PIECE, pieces, truth, whole
from harness.telemetry.indexing.stanzas import Props, classes

SED = re.compile(r"s(.)(?P<regex>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1(?P<flags>[gi\d]*)\s*", re.S)
EXCHANGE = re.compile(r"y(.)(?P<old>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1\s*", re.S)
GROUP = re.compile(r"\\(\d)|\\(.)", re.S)
LOOKAHEAD = 4_096
METADATA = {"MetaData:Host": "host", "MetaData:Source": "source", "MetaData:Sourcetype": "sourcetype"}


@dataclass(slots=True, kw_only=True)
class Record:
    """An event on its way into the index: its text, metadata and indexed fields."""

    raw: str
    metadata: dict[str, str]
    fields: dict[str, list[str]] = field(default_factory=dict)
    dropped: bool = False

    def read(self, key: str) -> str:
        """What a transform reads."""
        if key in METADATA:
            return f"{METADATA[key]}::{self.metadata.get(METADATA[key], '')}"
        return self.raw if key in ("_raw", "") else (self.fields.get(key.removeprefix("field:")) or [""])[0]


def rewritten(raw: str, settings: Mapping[str, str]) -> str:
    """The text after all sed scripts, by ASCII order of their classes."""
    for name, _ in classes(settings, "SEDCMD"):
        raw = edited(raw, settings[name].strip())
    return raw


def edited(raw: str, script: str) -> str:
    """The text after one sed script."""
    at = 0
    while at < len(script):
        if found := SED.match(script, at):
            raw = substituted(raw, found)
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


def substituted(raw: str, script: re.Match[str]) -> str:
    """The text after one substitution."""
    flags, digits = script["flags"], re.sub(r"\D", "", script["flags"])
    matches = expression(("(?i)" if "i" in flags else "") + script["regex"]).every(raw)
    first = int(digits) - 1 if digits else 0
    made, at = [], 0
    for match in matches[first:] if "g" in flags else matches[first : first + 1]:
        new = GROUP.sub(lambda m, found=match: group_or_character(m, found), script["new"])
        made += [raw[at : match.start()], new]
        at = match.end()
    return "".join([*made, raw[at:]])


def group_or_character(escape: re.Match[str], match: Any) -> str:
    r"""What `\1` or another escape in a replacement stands for."""
    if escape[1] is None:
        return {"n": "\n", "t": "\t"}.get(escape[2], escape[2])
    return match[int(escape[1])] or "" if int(escape[1]) <= match.re.groups else ""


def transformed(record: Record, settings: Mapping[str, str], transforms: Props) -> None:
    """Changes an event by all TRANSFORMS, by ASCII order of their classes and then as they are written."""
    for name, _ in classes(settings, "TRANSFORMS"):
        for each in (n.strip() for n in settings[name].split(",") if n.strip()):
            given = transforms.get(each)
            if given is not None and not truth(given.get("disabled"), False):
                change(record, given)


def change(record: Record, given: Mapping[str, str]) -> None:
    """Changes an event by one transform."""
    if not given.get("REGEX"):
        return
    text = record.read(given.get("SOURCE_KEY", "_raw").strip())[: whole(given.get("LOOKAHEAD"), LOOKAHEAD)]
    matches = expression(given["REGEX"]).every(text)
    key = given.get("DEST_KEY", "").strip()
    if not matches:
        if "DEFAULT_VALUE" in given and key:
            put(record, key, given["DEFAULT_VALUE"])
        return
    if key and key != "_meta":
        put(record, key, filled(given.get("FORMAT", "$1"), matches[0]))
    elif truth(given.get("WRITE_META"), False) or key == "_meta":
        for match in matches if truth(given.get("REPEAT_MATCH"), False) else matches[:1]:
            for name, value in indexed(given, match):
                record.fields.setdefault(name, []).append(value)


def indexed(given: Mapping[str, str], match: Any) -> list[tuple[str, str]]:
    """The indexed fields that one match makes."""
    if "FORMAT" not in given:
        return [(n, v) for n, v in match.groupdict().items() if v]
    made = [(filled(n, match), filled(v, match)) for n, v in pieces(given["FORMAT"])]
    return [(n, v) for n, v in made if n and v]


def filled(template: str, match: Any) -> str:
    """A template with the groups of a match."""
    return PIECE.sub(lambda m: match[int(m[1])] or "" if int(m[1]) <= match.re.groups else "", template)


def put(record: Record, key: str, value: str) -> None:
    """Sets what a DEST_KEY names; other queues and routes than the one to nowhere do not matter here."""
    if key == "_raw":
        record.raw = value
    elif key in METADATA:
        record.metadata[METADATA[key]] = value.removeprefix(f"{METADATA[key]}::")
    elif key == "_MetaData:Index":
        record.metadata["index"] = value
    elif key == "queue":
        record.dropped = value.strip() == "nullQueue"
