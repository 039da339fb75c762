"""EXTRACT, REPORT and KV_MODE.

Reference: props.conf.spec, transforms.conf.spec; captures extract-*, report-*, transforms-*

Reference: props.conf.spec KV_MODE, AUTO_KV_JSON; captures kvmode-*, autokv-*, auto-kv-json-disabled
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.detection.languages.spl.coercion import NO, as_text, literal
from harness.detection.languages.spl.extraction.props import (
    Setting,
    build_and,
    build_not,
    build_or,
    build_value_where,
    inline_parts,
)
from harness.detection.languages.spl.extraction.sequence import (
    JSON,
    PAIR_SEPARATOR,
    XML,
    Sequence,
    drop_empty_text,
    each_of,
)
from harness.detection.languages.spl.paths import may_reach_many, translate_spath
from harness.detection.languages.spl.regex import check_pattern, find_pattern_fault, list_group_names
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.values.json import json_steps
from harness.detection.plan.values.regex import list_capture_groups
from harness.diagnostics import Source, SourceError, did_you_mean
from harness.late_pattern import late_pattern
from harness.telemetry.indexing.props import GROUP_REFERENCE, parse_format_pairs, parse_yes_no, strings

# `_KEY_1` and `_VAL_1`: groups that hold a field's name and its value (transforms.conf.spec).
KEY = late_pattern(r"_KEY_(\w+)")
EXTRACTION_METADATA_KEYS = {"MetaData:Host": "host", "MetaData:Source": "source", "MetaData:Sourcetype": "sourcetype"}
QUOTED_VALUE = r'"(?:[^"\\]|\\.)*"'
# Every other character becomes `_` (reference/spl.md 11.2, CLEAN_KEYS).
CLEANED = late_pattern(r"[^A-Za-z0-9_]")


def inline(sequence: Sequence, setting: Setting) -> None:
    """`EXTRACT-class = regex [in field]`: named groups of the first match."""
    regex, field = inline_parts(setting.value)
    names = [n for n in list_group_names(regex) if n in sequence.wanted]
    subject = as_text(sequence.scope.typed(field))
    if not names or subject.kind is Kind.NULL:
        return
    sequence.attempt(names[0], lambda: check_pattern(regex, setting.span))
    if find_pattern_fault(regex):
        return
    for name in names:
        value = ops.regex_extract(subject, literal(regex), literal(""), literal(name))
        # An empty match makes no field (capture extract-*).
        sequence.put(name, drop_empty_text(value), setting.guard)


def report(sequence: Sequence, setting: Setting) -> None:
    """`REPORT-class = transform, transform`: each transform in its turn."""
    for name in (n.strip() for n in setting.value.split(",") if n.strip()):
        given = sequence.transforms.get(name)
        if given is None:
            hint = did_you_mean(name, sequence.transforms) or "give the transforms.conf that has it"
            sequence.scope.session.warn("unknown-transform", f"no transform is called `{name}`", setting.span, hint)
        elif not parse_yes_no(given.get("disabled"), False):
            transform(sequence, setting, name, given)


def transform(sequence: Sequence, setting: Setting, name: str, given: Mapping[str, str]) -> None:
    """One stanza of transforms.conf at search time."""
    key = given.get("SOURCE_KEY", "_raw").strip()
    subject = as_text(sequence.scope.typed(EXTRACTION_METADATA_KEYS.get(key, key.removeprefix("field:"))))
    if subject.kind is Kind.NULL:
        return
    # Defaults of transforms.conf.spec: names are cleaned, the first value wins.
    clean, several = parse_yes_no(given.get("CLEAN_KEYS"), True), parse_yes_no(given.get("MV_ADD"), False)
    if "DELIMS" in given:
        extract_delimited_fields(sequence, setting, given, subject, clean=clean, several=several)
    elif given.get("REGEX"):
        regex = given["REGEX"]
        source = Source(f"transforms.conf [{name}] REGEX", regex)
        sequence.attempt(name, lambda: check_pattern(regex, source.whole()))
        if not find_pattern_fault(regex):
            extract_matched_fields(sequence, setting, (name, given), subject, clean=clean, several=several)


def extract_delimited_fields(
    sequence: Sequence, setting: Setting, given: Mapping[str, str], subject: Typed, *, clean: bool, several: bool
) -> None:
    """Fields between delimiters: by place with FIELDS, else by the name before the second kind of delimiter."""
    between, *inside = [re.escape(d) for d in strings(given["DELIMS"])] or [""]
    if not between:
        return
    if "FIELDS" in given:
        for place, name in enumerate(strings(given["FIELDS"])):
            name = clean_name(name) if clean else name
            if name and name in sequence.wanted:
                # By place: so many values and delimiters before it; a quoted value may hold delimiters.
                regex = rf"\A(?:(?:{QUOTED_VALUE}|[^{between}]*)[{between}]){{{place}}}({QUOTED_VALUE}|[^{between}]*)"
                value = ops.regex_extract(subject, literal(regex), literal("s"), literal(1.0))
                sequence.put(name, drop_empty_text(unquote_value(value)), setting.guard)
    elif inside:
        regex = rf"(?:\A|[{between}])([^{between}{inside[0]}]+)[{inside[0]}]({QUOTED_VALUE}|[^{between}]*)"
        found = extract_pairs(subject, regex, 1, 2)
        sequence.pairs(each_of(found, unquote_value), setting.guard, several=several, clean=clean)


def extract_matched_fields(
    sequence: Sequence,
    setting: Setting,
    transform: tuple[str, Mapping[str, str]],
    subject: Typed,
    *,
    clean: bool,
    several: bool,
) -> None:
    """Fields of every match, the names written or taken out of the text too."""
    regex = transform[1]["REGEX"]
    for key, value in templates(transform, regex):
        if isinstance(key, int):
            found = extract_pairs(subject, regex, key, value if isinstance(value, int) else 0)
            sequence.pairs(found, setting.guard, several=several, clean=clean)
        elif key in sequence.wanted:
            if isinstance(value, str):
                found = ops.regex_found(subject, literal(regex), literal(""))
                sequence.put(key, literal(value), build_and(setting.guard, found))
                continue
            every = ops.regex_extract_all(subject, literal(regex), literal(""), literal(float(value)))
            if several:
                sequence.add(key, every, setting.guard)
            else:
                sequence.put(key, drop_empty_text(ops.list_get(every, literal(1.0))), setting.guard)


def templates(transform: tuple[str, Mapping[str, str]], regex: str) -> Iterator[tuple[str | int, str | int]]:
    """Names and values as FORMAT or the groups' names say: text, or the number of a group."""
    name, given = transform
    if "FORMAT" in given:
        for key, value in parse_format_pairs(given["FORMAT"]):
            if GROUP_REFERENCE.search(value) and not GROUP_REFERENCE.fullmatch(value):
                source = Source(f"transforms.conf [{name}] FORMAT", given["FORMAT"])
                message = "a FORMAT that puts a value together is read only at index time"
                raise SourceError("joined-format", message, source.whole(), help="use EVAL in props.conf")
            # Group 0 is what an index-time FORMAT had before.
            if value != "$0":
                yield group_or_text(key), group_or_text(value)
        return
    numbers = {group: number for number, group in enumerate(list_capture_groups(regex).all, 1) if group}
    for group, number in numbers.items():
        if found := KEY.fullmatch(group):
            if f"_VAL_{found[1]}" in numbers:
                yield number, numbers[f"_VAL_{found[1]}"]
        elif not group.startswith("_VAL_"):
            yield group, number


def group_or_text(written: str) -> str | int:
    """A group's number, or the text that it is."""
    return int(written[1:]) if GROUP_REFERENCE.fullmatch(written) else written


def extract_pairs(subject: Typed, regex: str, key: int, value: int) -> Typed:
    """Names and values by two groups of every match."""
    numbers = literal(float(key)), literal(float(value))
    return ops.regex_pairs(subject, literal(regex), literal(""), *numbers, literal(PAIR_SEPARATOR))


def unquote_value(value: Typed) -> Typed:
    """A value without the quotes around it, in a pair or alone."""
    opening = rf'(?s)(\A|{PAIR_SEPARATOR})"(.*)"\z'
    return ops.regex_replace(value, literal(opening), literal(""), literal(r"\1\2"), literal(False))


def clean_name(name: str) -> str:
    """A field's name as Splunk cleans it."""
    return CLEANED.sub("_", name).lstrip("_0123456789")


# A value without quotes ends at what automatic extraction takes for the end of a pair.
BARE_VALUE = r"[^\s,;|&\"]*"
AUTO = rf'([\w.\-]+)=("[^"]*"|{BARE_VALUE})'
ESCAPED = rf'([\w.\-]+)=("(?:[^"\\]|\\.)*"|{BARE_VALUE})'
LONGEST_KV_TEXT = 10_240.0
"""Characters of an event that are searched for name=value, Splunk's `maxchars`."""
KV_MODES = ("auto", "auto_escaped", "json", "xml", "multi", "none")


def extract_automatic_fields(sequence: Sequence) -> None:
    """All fields that events name, by the mode of each."""
    raw = sequence.raw()
    if raw.kind is Kind.NULL:
        return
    modes: dict[str, Typed] = dict.fromkeys(KV_MODES, NO)
    modes["auto"] = sequence.confs.rest("KV_MODE")
    for setting in sequence.confs.of("KV_MODE"):
        mode = setting.value.lower() or "auto"
        if mode not in KV_MODES:
            known = f"known here: {', '.join(KV_MODES)}"
            raise setting.error("unknown-kv-mode", f"there is no KV_MODE `{setting.value}`", known)
        if mode == "multi":
            message = "KV_MODE = multi reads tables; none of an event's text is read here"
            sequence.scope.session.warn("multikv", message, setting.span)
        modes[mode] = build_or(modes[mode], setting.guard)
    # AUTO_KV_JSON: with KV_MODE=auto an event that is a JSON object is read as one.
    objects = build_and(build_and(build_or(modes["auto"], modes["auto_escaped"]), json_too(sequence)), is_object(raw))
    for mode, regex in (("auto", AUTO), ("auto_escaped", ESCAPED)):
        guard = build_and(modes[mode], build_not(objects))
        found = extract_pairs(ops.substring(raw, literal(1.0), literal(LONGEST_KV_TEXT)), regex, 1, 2)
        change = unescape_pair if mode == "auto_escaped" else unquote_value
        if guard is not NO:
            sequence.pairs(each_of(found, change), guard, several=False, clean=True)
    documents(sequence, JSON, build_or(modes["json"], objects), raw)
    documents(sequence, XML, modes["xml"], raw)


def json_too(sequence: Sequence) -> Typed:
    """Events whose text is read as JSON where it is an object, though no mode says so."""
    refused: Typed = NO
    for setting in sequence.confs.of("AUTO_KV_JSON"):
        if not parse_yes_no(setting.value, True):
            refused = build_or(refused, setting.guard)
    return build_not(refused)


def is_object(raw: Typed) -> Typed:
    """Whether a text is JSON, an object or an array of them."""
    # Nearly all texts that are no JSON fail here, before anything is parsed.
    begins = ops.regex_found(raw, literal(r"\A\s*(?:\{\s*[\"}]|\[\s*\{)"), literal(""))
    return ops.and_(begins, ops.json_valid(raw))


def unescape_pair(pair: Typed) -> Typed:
    """A pair without quotes around its value and backslashes before quotes in it."""
    return ops.regex_replace(unquote_value(pair), literal(r'\\(["\\])'), literal(""), literal(r"\1"), literal(True))


def documents(sequence: Sequence, mark: str, guard: Typed, raw: Typed) -> None:
    """Fields at the paths of JSON or XML texts."""
    if guard is NO:
        return
    # Where names are asked for, paths are what an event tells.
    if sequence.asking:
        paths = apply(ops.json_paths if mark == JSON else ops.xml_paths, build_value_where(guard, raw))
        sequence.names.append(each_of(paths, lambda e: ops.concat(literal(mark), e)))
        return
    for path in sequence.candidates(mark):
        value = at_path(raw, path) if mark == JSON else ops.xml_text(raw, literal(path))
        sequence.put(path, value, guard)


def at_path(raw: Typed, path: str) -> Typed:
    """The value at a path of a JSON text; several where the path leads through arrays."""
    return apply(ops.json_list if may_reach_many(path) else ops.json_text, raw, literal(translate_spath(path)))


def field_name(told: str) -> str:
    """A name as events told it, as Splunk calls the field: `$.a.b[*]` is `a.b{}`."""
    if told[:1] != JSON:
        return told
    name = ""
    for step in json_steps(told[1:]) or ():
        name += "{}" if step is None or isinstance(step, int) else f".{step}" if name else step
    return JSON + name
