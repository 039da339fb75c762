"""KV_MODE: fields that an event's text names itself.

Reference: props.conf.spec KV_MODE, AUTO_KV_JSON; captures kvmode-*, autokv-*, auto-kv-json-disabled
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NO, literal
from harness.detection.languages.spl.extraction.confs import build_and, build_not, build_or, build_value_where
from harness.detection.languages.spl.extraction.patterns import extract_pairs, unquote_value
from harness.detection.languages.spl.extraction.sequence import JSON, XML, Sequence, each_of
from harness.detection.languages.spl.paths import may_reach_many, translate_spath
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.values.json import json_steps
from harness.telemetry.indexing.props import parse_yes_no

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
    begins = ops.regex_found(raw, literal(r"\A\s*(?:\{\s*[\"}]|\[\s*\{)"), literal(""))
    return ops.and_(begins, ops.json_valid(raw))


def unescape_pair(pair: Typed) -> Typed:
    """A pair without quotes around its value and backslashes before quotes in it."""
    return ops.regex_replace(unquote_value(pair), literal(r'\\(["\\])'), literal(""), literal(r"\1"), literal(True))


def documents(sequence: Sequence, mark: str, guard: Typed, raw: Typed) -> None:
    """Fields at the paths of JSON or XML texts."""
    if guard is NO:
        return
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
