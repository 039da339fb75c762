"""Fields of a text that a reader knows: XML and XPath, key=value, CEF, LEEF."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from itertools import takewhile
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.json import (
    DEEPEST_DOCUMENT,
    LONGEST_DOCUMENT,
    MOST_PATHS,
    encode_compact_json,
)
from harness.detection.plan.values.nested_fields import nest_fields
from harness.late_pattern import late_pattern
from harness.telemetry.events.json_values import print_json_value, walk_leaves

Options = dict[str, Any]
FieldPairs = Iterator[tuple[str, Any]]
# Chosen, no source.
MOST_RECORD_FIELDS = 10_000


def compute_record_fields(text: str, reader: str, options: str) -> str | None:
    """The fields as a JSON object of texts; what ends in `[]` is a whole array. Null where the text is no record.

    `options` is a JSON object; what each reader makes of it stands with the reader.
    """
    if len(text) > LONGEST_DOCUMENT:
        return None
    given = parse_record_options(options)
    read = READERS[reader](text, given)
    if read is None:
        return None
    made: dict[str, Any] = {}
    for name, value in read:
        if len(made) >= MOST_RECORD_FIELDS:
            break
        if given.get("first") and name in made:
            continue
        made[name] = value
    return encode_compact_json(made)


@lru_cache(maxsize=256)
def parse_record_options(options: str) -> Options:
    """The options of a call."""
    found: Options = json.loads(options)
    return found


def of_json(text: str, options: Options) -> FieldPairs | None:
    """Members as `a.b` and `a[0]`; options are exclude, include, excludeEmpty, handleNull, removePrefixes, prefix."""
    try:
        # Numbers stay as they are written: 1.10 and 12345678901234567890 would change as doubles.
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, (dict, list)):
        return None
    return keep_record_members(value, options)


def keep_record_members(value: Any, options: Options) -> FieldPairs:
    """The members that the options leave, under their names."""
    prefix, null = options.get("prefix", ""), options.get("handleNull", "keep")
    # The longest first, or `a.` would hide `a.b.`.
    removed = sorted(options.get("removePrefixes", ()), key=len, reverse=True)
    excluded, included = [[path(p) for p in options.get(k, ())] for k in ("exclude", "include")]
    for inner, member in flatten_leaves(value):
        name = prefix + next((inner.removeprefix(r) for r in removed if inner.startswith(r)), inner)
        if any(p.match(name) for p in excluded) and not any(p.match(name) for p in included):
            continue
        if member is None:
            if null == "discard":
                continue
            member = "" if null == "empty" else "null"
        if member == "" and options.get("excludeEmpty"):
            continue
        yield name, member


def path(pattern: str) -> re.Pattern[str]:
    """Names that begin with a path; `[*]` is any place in an array."""
    return re.compile(re.escape(pattern).replace(r"\[\*\]", r"\[\d+\]"))


def flatten_leaves(value: Any) -> FieldPairs:
    """The leaves, and each array as a whole."""
    for name, leaf in walk_leaves(value, deepest=DEEPEST_DOCUMENT):
        if not isinstance(leaf, list):
            yield name, None if leaf is None else print_json_value(leaf)
        elif leaf:
            # The array as a whole under its own key, for functions of CQL over `a[]`.
            yield f"{name}[]", [print_json_value(v) for v in leaf if v is not None]


def of_key_value(text: str, options: Options) -> FieldPairs:
    """Pairs of key and value; options are separator, padding (unknown, yes, no), excludeEmpty."""
    mark, padding = re.escape(options.get("separator", "=")), options.get("padding", "unknown")
    key = rf"""(?:"([^"\n]+)"|'([^'\n]+)'|((?:(?!{mark})[^\s"',;(){{}}<>|])+))"""
    quoted = r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'"""
    # With padding a value may stand behind blanks, so what a mark follows is the next key and no value.
    plain = r"([^\s,]*)" if padding != "yes" else rf"([^\s,]*(?![^\s,])(?!\s+{mark})|)"
    before, after = r"\s*", {"no": "", "yes": r"\s*"}.get(padding, r"\s*")
    pair = re.compile(rf"(?<![^\s,;(){{}}<>|\"']){key}{before}{mark}{after}(?:{quoted}|{plain})", re.S)
    elements: dict[str, Any] = {}
    for found in pair.finditer(text):
        name = found[1] or found[2] or found[3]
        value = next((g for g in found.groups()[3:] if g is not None), "")
        if value or not options.get("excludeEmpty"):
            yield name, value
            if "[" in name:
                elements[name] = value
    yield from gather_arrays(elements)


def gather_arrays(elements: dict[str, Any]) -> FieldPairs:
    """The arrays of fields `a[0]` and `a[0].b`, each as a whole, for functions of CQL over `a[]`."""
    if elements:
        for name, leaf in walk_leaves(nest_fields(elements), deepest=DEEPEST_DOCUMENT):
            if isinstance(leaf, list) and leaf[0] is not None:
                # A gap ends an array (reference/cql.md 9).
                yield f"{name}[]", [print_json_value(v) for v in takewhile(lambda v: v is not None, leaf)]


def of_xml(text: str, options: Options) -> FieldPairs | None:
    """Elements as `a.b`, the second and later of one name as `a.b[1]`, attributes as `a.b.@c`."""
    root = tree_of(text.strip())
    if root is None:
        return None
    return of_element(root, strip_tag_namespace(root.tag), 0)


def of_element(element: Any, name: str, depth: int) -> FieldPairs:
    """The fields of an element and all below it."""
    if depth > DEEPEST_DOCUMENT:
        return
    for key, value in element.attrib.items():
        yield f"{name}.@{strip_tag_namespace(key)}", value
    children = list(element)
    if not children:
        yield name, (element.text or "").strip()
        return
    seen: dict[str, int] = {}
    texts: dict[str, list[str]] = {}
    for child in children:
        tag = strip_tag_namespace(child.tag)
        # Whether an element is repeated decides how the first one is called, so all are looked at before.
        texts.setdefault(tag, []).append("".join(child.itertext()).strip())
    for child in children:
        tag = strip_tag_namespace(child.tag)
        place = seen[tag] = seen.get(tag, -1) + 1
        several = len(texts[tag]) > 1
        if several:
            yield from of_element(child, f"{name}.{tag}[{place}]", depth + 1)
        if not several or place == 0:
            yield from of_element(child, f"{name}.{tag}", depth + 1)
    for tag, values in texts.items():
        if len(values) > 1:
            yield f"{name}.{tag}[]", values


CEF_HEADER = ("version", "device.vendor", "device.product", "device.version", "event_class_id", "name", "severity")
EXTENSION = late_pattern(r"(?:^|(?<=[ \t]))([\w.\-\[\]]+)=(.*?)(?=[ \t]+[\w.\-\[\]]+=|$)", re.S)


def of_cef(text: str, options: Options) -> FieldPairs | None:
    """Header and extension; options are header, prefix, label (their prefixes), keeplabels."""
    at = text.find("CEF:0")
    if at < 0:
        return None
    # Seven header fields, then the extension, in which a bar needs no backslash (CEF, Implementing ArcSight CEF).
    parts = re.split(r"(?<!\\)\|", text[at + 4 :], maxsplit=7)
    if len(parts) < 7:
        return None
    return cef_fields(parts, options)


def cef_fields(parts: list[str], options: Options) -> FieldPairs:
    """The fields of a CEF record in its parts."""
    for name, value in zip(CEF_HEADER, parts, strict=False):
        yield options["header"] + name, unescape_record_text(value.strip())
    yield from extension(parts[7].strip() if len(parts) > 7 else "", options)


def extension(text: str, options: Options) -> FieldPairs:
    """Pairs whose values reach up to the next key; a key that has a label is called by it."""
    pairs = {m[1]: unescape_record_text(m[2].strip()) for m in EXTENSION.finditer(text)}
    labels = {k.removesuffix("Label"): k for k in pairs if k.endswith("Label") and k.removesuffix("Label") in pairs}
    for name, value in pairs.items():
        if name in labels:
            yield options["label"] + pairs[labels[name]], value
        if options.get("keeplabels") or (name not in labels and name not in labels.values()):
            yield options["prefix"] + name, value


def unescape_record_text(text: str) -> str:
    """A text of a record without its escapes."""
    return re.sub(r"\\([\\|=nr])", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), text)


LEEF_HEADER = ("version", "device.vendor", "device.product", "device.version", "event_id")


def of_leef(text: str, options: Options) -> FieldPairs | None:
    """Header and extension; options are those of CEF, and delimiter."""
    found = re.search(r"LEEF:\s*(0|1\.0|2\.0)\s*\|", text)
    if not found:
        return None
    parts = text[found.end() :].split("|", 4)
    return leef_fields(found[1], parts, options) if len(parts) == 5 else None


def leef_fields(version: str, parts: list[str], options: Options) -> FieldPairs:
    """The fields of a LEEF record in its parts."""
    for name, value in zip(LEEF_HEADER, (version, *parts[:4]), strict=False):
        yield options["header"] + name, value.strip()
    # A tab is LEEF's default.
    body, mark = parts[4], options.get("delimiter") or "\t"
    if version == "0":
        yield from extension(body.strip(), options)
        return
    if version == "2.0":
        given, bar, rest = body.partition("|")
        # LEEF 2.0 may leave its delimiter out; then what stands before a bar is already a pair.
        # `0x` and four digits are six.
        if bar and len(given.strip("\n\r")) <= 6 and "=" not in given[1:]:
            mark, body = delimiter(given), rest
    for pair in body.strip("\r\n").split(mark):
        name, equals, value = pair.partition("=")
        if equals:
            yield options["prefix"] + name.strip(), value.strip()


def delimiter(text: str) -> str:
    """The character that LEEF 2.0 names: itself, or its number as `x09` or `0x09`."""
    found = re.fullmatch(r"\s*0?x([0-9A-Fa-f]{1,4})\s*", text)
    return chr(int(found[1], 16)) if found else text.strip() or " " if text else "\t"


READERS: dict[str, Callable[[str, Options], FieldPairs | None]] = {
    "json": of_json,
    "key_value": of_key_value,
    "xml": of_xml,
    "cef": of_cef,
    "leef": of_leef,
}
RECORD_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.record_fields: compute_record_fields}


LAST = late_pattern(r"(?P<path>.*?)/(?:@(?P<attribute>[\w:.-]+|\*)|(?P<text>text\(\)))", re.S)
XPATH_STEP = r"(?:[\w:.*-]+|\.\.?)(?:\[[^\[\]]*\])*"
XPATH_PATH = late_pattern(rf"/{{0,2}}{XPATH_STEP}(?://?{XPATH_STEP})*(?://?(?:@(?:[\w:.-]+|\*)|text\(\)))?")
XPATH_VALUE = r"\s*!?=\s*(?:'[^']*'|\"[^\"]*\")"
CONDITION = late_pattern(rf"\[(?:@[\w:.-]+(?:{XPATH_VALUE})?|[\w:.-]+{XPATH_VALUE}|\d+|last\(\))\]")


def is_supported_xpath(path: str) -> bool:
    """Whether a path has only what can be followed: steps, conditions on attributes, texts and places."""
    return XPATH_PATH.fullmatch(path) is not None and "[" not in CONDITION.sub("", path)


def compute_xpath_text(text: str, path: str) -> list[str] | None:
    """Texts of all elements that a path reaches, or of an attribute; None where there are none, or no XML."""
    root = tree_of(text)
    if root is None:
        return None
    last = LAST.fullmatch(path)
    steps = last["path"] if last else path
    found = find_elements(strip_namespaces(root), steps.rstrip("/"))
    if last and last["attribute"]:
        chosen = last["attribute"]
        made = [v for e in found for k, v in e.attrib.items() if chosen in ("*", k)]
    elif last:
        made = [(e.text or "").strip() for e in found]
    else:
        made = ["".join(e.itertext()).strip() for e in found]
    return [m for m in made if m] or None


def find_elements(root: Any, steps: str) -> list[Any]:
    """The elements that the steps reach, from a parent of the root on."""
    # ElementTree's paths begin below an element, XPath's at the document, whose only child is the root.
    above = import_module("xml.etree.ElementTree").Element("above")
    above.append(root)
    try:
        return list(above.findall(written_steps(steps)))
    # What ElementTree raises for a path beyond its subset.
    except SyntaxError:
        return []


@lru_cache(256)
def written_steps(steps: str) -> str:
    """The steps as the library reads them: relative, without prefixes of names."""
    # Prefixes stand for namespaces that a field's XML need not declare; names are compared without both.
    bare = re.sub(r"(?<=[/\[@])[\w.-]+:(?=[\w.-])", "", steps)
    if bare.startswith("//"):
        return "." + bare
    return "." + bare if bare.startswith("/") else ".//" + bare


def strip_namespaces(root: Any) -> Any:
    """The tree with the names of its elements and attributes without their namespaces."""
    for element in root.iter():
        element.tag = strip_tag_namespace(element.tag)
        element.attrib.update({strip_tag_namespace(k): v for k, v in element.attrib.items() if k[0] == "{"})
    return root


XPATH_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.xpath_text: compute_xpath_text}


def compute_xml_text(text: str, path: str) -> list[str] | None:
    """Texts of all elements on a path, or of an attribute; null where it is no XML."""
    root = tree_of(text)
    if root is None:
        return None
    steps, attribute = re.fullmatch(r"(.*?)(?:\{@([^}]*)\})?", path, re.DOTALL).groups()  # type: ignore[union-attr]
    (first, _), *rest = [placed_step(step) for step in steps.split(".")]
    found = [root] if strip_tag_namespace(root.tag) == first else []
    for name, place in rest:
        children = [[child for child in parent if strip_tag_namespace(child.tag) == name] for parent in found]
        found = [c for several in children for c in (several if place is None else several[place - 1 : place])]
    if attribute:
        made = [e.get(attribute) for e in found]
    else:
        made = ["".join(e.itertext()).strip() for e in found]
    return [m for m in made if m is not None] or None


def placed_step(step: str) -> tuple[str, int | None]:
    """The name of an element and which of several it is, counted from 1: `a{2}`; None is all of them."""
    name, _, place = step.partition("{")
    number = place.rstrip("}")
    # Python refuses to read integers of over 4,300 digits; nobody has a million elements of one name.
    return name, int(number) if number.isdigit() and len(number) < 7 else None


def compute_xml_paths(text: str) -> list[str] | None:
    """Paths to all texts and attributes, each once."""
    root = tree_of(text)
    found: dict[str, None] = {}
    pending = [] if root is None else [(strip_tag_namespace(root.tag), root)]
    while pending and len(found) < MOST_PATHS:
        path, element = pending.pop()
        if (element.text or "").strip():
            found[path] = None
        found |= dict.fromkeys(f"{path}{{@{strip_tag_namespace(name)}}}" for name in element.attrib)
        pending += ((f"{path}.{strip_tag_namespace(child.tag)}", child) for child in reversed(element))
    return [*found] or None


def tree_of(text: str) -> Any:
    """The root of an XML text; None of text that is none, is too long or defines entities."""
    # A document type stands before the root and may define entities that grow without bound; expat's own limit on
    # them depends on its version.
    if len(text) > LONGEST_DOCUMENT or "<!DOCTYPE" in text[:4096].upper():
        return None
    tree = import_module("xml.etree.ElementTree")
    try:
        return tree.fromstring(text)
    except (tree.ParseError, RecursionError):
        return None


def strip_tag_namespace(tag: str) -> str:
    """A tag's name without its namespace."""
    return tag.rsplit("}", 1)[-1]


def compute_key_value(text: str, key: str, pair: str, delimiters: str) -> str | None:
    """Value of key=value in a text: `pair` stands between them, any of `delimiters` between pairs."""
    between, ends = re.escape(pair), re.escape(delimiters)
    # Quotes first: a quoted value may hold the delimiters.
    value = rf"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^{ends}]*))"""
    found = re.search(rf"(?:^|[{ends}]){re.escape(key)}\s*{between}\s*{value}", text, re.DOTALL)
    if not found:
        return None
    return next((g for g in found.groups() if g is not None), None)


XML_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.xml_text: compute_xml_text,
    ops.xml_paths: compute_xml_paths,
    ops.key_value: compute_key_value,
}
